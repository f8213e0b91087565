//! Cookies: nothing but what was sealed for this site opens, and whatever is presented, a day's identity comes out. Other
//! cookies hide none.

use std::sync::LazyLock;

use http::{HeaderMap, HeaderValue, header};
use jiff::civil::{Date, date};
use tamga::collect::cookies::cookies;
use tamga::privacy::cookie::{Browser, LocalTime, advance};
use tamga::privacy::pseudonym::DayKey;
use tamga::privacy::seal::CookieSeal;
use tamga::secret::Secret;

const SITE: &str = "jetpay.kz";
const TODAY: Date = date(2026, 11, 22);

static SEAL: LazyLock<(CookieSeal, DayKey)> =
    LazyLock::new(|| (CookieSeal::new(&Secret::new([3; 32])), DayKey::new(Secret::new([7; 32]))));

/// The bytes as a value; and as changes of a value that is right: pairs of a place and what is put there.
pub(crate) fn run(data: &[u8]) {
    let (seal, key) = &*SEAL;
    let now = LocalTime { day: TODAY, minute: 600 };
    let (_, cookie) = advance(Browser::new([9; 16]), now, 1);
    let right = seal.seal(SITE, &cookie);
    if let Ok(value) = std::str::from_utf8(data) {
        assert_eq!(seal.open(SITE, value, TODAY).is_some(), value == right);
    }
    let half = data.len() / 2;
    let line = [&data[..half], b"; tamga-jetpay.kz=", right.as_bytes(), b";", &data[half..]].concat();
    if let Ok(line) = HeaderValue::from_bytes(&line) {
        let headers = HeaderMap::from_iter([(header::COOKIE, line)]);
        let opens = cookies(&headers, "tamga-jetpay.kz").any(|value| seal.open(SITE, value, TODAY).is_some());
        assert!(opens, "other cookies hide the site's");
    }
    let mut changed = right.clone().into_bytes();
    for pair in data.chunks_exact(2) {
        let at = usize::from(pair[0]) % changed.len();
        changed[at] = pair[1];
    }
    if let Ok(value) = std::str::from_utf8(&changed) {
        let opened = seal.open(SITE, value, TODAY);
        assert_eq!(opened.is_some(), value == right, "a changed cookie opens");
        assert!(seal.open("other.kz", value, TODAY).is_none(), "another site's cookie opens");
        let tomorrow = TODAY.tomorrow().expect("in range");
        let browser = opened.map_or(Browser::new([9; 16]), |cookie| Browser::known(cookie, key, tomorrow));
        let (_, next) = advance(browser, LocalTime { day: tomorrow, minute: 1 }, 1);
        assert!(seal.open(SITE, seal.seal(SITE, &next), TODAY).is_none(), "tomorrow's cookie opens today");
    }
}
