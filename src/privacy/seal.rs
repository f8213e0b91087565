//! The seal of a site's cookie, under a lasting key that links nothing.
//!
//! ```text
//! cookie = base64url(content ‖ MAC), MAC = keyed_hash(derive_key("tamga 2026-11-22 cookie v1", lasting key), length-prefixed site, content)[..16]
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::civil::Date;

use super::cookie::{CONTENT, Cookie};
use super::pseudonym::{derive, hash};
use crate::secret::Secret;

const MAC: usize = 16;

/// Seals and opens cookies.
pub struct CookieSeal(Secret);

impl CookieSeal {
    /// A seal under the lasting key.
    pub fn new(lasting: &Secret) -> Self {
        Self(Secret::filled(|key| derive(lasting.expose(), "cookie", key)))
    }

    fn mac(&self, site: &str, content: &[u8]) -> [u8; MAC] {
        hash(self.0.expose(), &[site.as_bytes(), content])
    }

    /// The cookie's content, or `None` when it was not sealed here for this site or is not of today or before.
    pub fn open(&self, site: &str, value: impl AsRef<[u8]>, today: Date) -> Option<Cookie> {
        let bytes: [u8; CONTENT + MAC] = URL_SAFE_NO_PAD.decode(value).ok()?.try_into().ok()?;
        let (content, mac) = bytes.split_at(CONTENT);
        // `blake3::Hash` compares in constant time; its length is not secret.
        if blake3::Hash::from_bytes(widen(mac)) != blake3::Hash::from_bytes(widen(&self.mac(site, content))) {
            return None;
        }
        Cookie::decode(content, today)
    }

    /// The cookie's value.
    pub fn seal(&self, site: &str, cookie: &Cookie) -> String {
        let content = cookie.encode();
        let mut bytes = content.to_vec();
        bytes.extend_from_slice(&self.mac(site, &content));
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

fn widen(mac: &[u8]) -> [u8; 32] {
    let mut wide = [0; 32];
    wide[..mac.len()].copy_from_slice(mac);
    wide
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::cookie::{Browser, LocalTime, advance};
    use super::*;

    const SITE: &str = "jetpay.kz";
    const ID: [u8; 16] = [5; 16];

    fn seal() -> CookieSeal {
        CookieSeal::new(&Secret::new([1; 32]))
    }

    fn cookie(day: Date) -> Cookie {
        advance(Browser::new(ID), LocalTime { day, minute: 0 }, 1).1
    }

    #[test]
    fn what_was_not_sealed_here_for_this_site_is_absent() {
        let today = date(2026, 11, 22);
        let value = seal().seal(SITE, &cookie(today));
        assert_eq!(value.len(), 62);
        assert!(seal().open(SITE, &value, today).is_some());
        assert!(seal().open("other.kz", &value, today).is_none());
        assert!(seal().open(SITE, &value, date(2026, 11, 21)).is_none(), "from the future");
        assert!(CookieSeal::new(&Secret::new([2; 32])).open(SITE, &value, today).is_none());
        for length in 0..value.len() {
            assert!(seal().open(SITE, &value[..length], today).is_none());
        }
        let bytes = URL_SAFE_NO_PAD.decode(&value).expect("our own");
        for bit in 0..bytes.len() * 8 {
            let mut forged = bytes.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert!(seal().open(SITE, URL_SAFE_NO_PAD.encode(forged), today).is_none(), "bit {bit}");
        }
    }

    proptest::proptest! {
        #[test]
        fn opening_never_panics(value in ".{0,100}") {
            proptest::prop_assert!(seal().open(SITE, &value, date(2026, 11, 22)).is_none());
        }
    }
}
