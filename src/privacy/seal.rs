//! The seal of a site's cookie: encrypted and authenticated under a lasting key that links nothing.
//!
//! ```text
//! cookie = base64url(nonce 12 ‖ AES-256-GCM(cipher key, nonce, content, associated: site))
//! nonce  = keyed_hash(nonce key, length-prefixed site, content)[..12]
//! cipher key, nonce key = derive_key("tamga 2026-11-22 cookie cipher v1" and "… cookie nonce v1", lasting key)
//! ```
//!
//! Who holds a cookie reads nothing from it. The nonce follows from the content, so equal cookies are equal bytes, parallel
//! tabs get the same one, and no source of random bytes can make two contents share a nonce. The cipher's own key stays in
//! ordinary memory, as the keys of TLS do.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::civil::Date;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::cookie::{CONTENT, Cookie};
use super::pseudonym::{derive, hash};
use crate::secret::Secret;

const TAG: usize = 16;
const SEALED: usize = NONCE_LEN + CONTENT + TAG;

/// Seals and opens cookies.
pub struct CookieSeal {
    cipher: LessSafeKey,
    nonces: Secret,
    receipts: Secret,
}

impl CookieSeal {
    /// A seal under the lasting key.
    pub fn new(lasting: &Secret) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        derive(lasting.expose(), "cookie cipher", &mut key);
        let cipher = UnboundKey::new(&AES_256_GCM, &*key).expect("keys of this cipher have 32 bytes");
        let nonces = Secret::filled(|key| derive(lasting.expose(), "cookie nonce", key));
        let receipts = Secret::filled(|key| derive(lasting.expose(), "erasure receipt", key));
        Self { cipher: LessSafeKey::new(cipher), nonces, receipts }
    }

    /// A receipt for an erasure: the day, a random number, and a code that only the holder of the key can make for both. It
    /// says nothing about whose rows were erased.
    pub fn receipt(&self, site: &str, day: Date, random: [u8; 8]) -> String {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let code = hash(self.receipts.expose(), &[site.as_bytes(), day.to_string().as_bytes(), &random]);
        format!("{day}-{}-{}", hex(&random), hex(&code[..8]))
    }

    /// The day of a receipt that was given for this site; `None` if none was.
    pub fn receipt_day(&self, site: &str, receipt: &str) -> Option<Date> {
        let receipt = receipt.trim().to_ascii_lowercase();
        let day: Date = receipt.get(..10)?.parse().ok()?;
        let random = u64::from_str_radix(receipt.get(11..27)?, 16).ok()?.to_be_bytes();
        (self.receipt(site, day, random) == receipt).then_some(day)
    }

    /// The cookie's content, or `None` when it was not sealed here for this site or is not of today or before.
    pub fn open(&self, site: &str, value: impl AsRef<[u8]>, today: Date) -> Option<Cookie> {
        let mut bytes = Zeroizing::new([0; SEALED]);
        let length = URL_SAFE_NO_PAD.decode_slice(value, &mut *bytes).ok()?;
        let (nonce, sealed) = bytes[..length].split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let content = self.cipher.open_in_place(nonce, Aad::from(site), sealed).ok()?;
        Cookie::decode(content, today)
    }

    /// The cookie's value.
    pub fn seal(&self, site: &str, cookie: &Cookie) -> String {
        let content = cookie.encode();
        let mut nonce = [0; NONCE_LEN];
        nonce.copy_from_slice(&hash(self.nonces.expose(), &[site.as_bytes(), &content])[..NONCE_LEN]);
        let mut sealed = [0; SEALED];
        let (front, tag) = sealed.split_at_mut(NONCE_LEN + CONTENT);
        front[..NONCE_LEN].copy_from_slice(&nonce);
        front[NONCE_LEN..].copy_from_slice(&content);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let made = self.cipher.seal_in_place_separate_tag(nonce, Aad::from(site), &mut front[NONCE_LEN..]);
        tag.copy_from_slice(made.expect("a cookie is shorter than what a cipher takes").as_ref());
        URL_SAFE_NO_PAD.encode(sealed)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::cookie::{Browser, LocalTime, advance};
    use super::*;

    const SITE: &str = "jetpay.kz";

    #[test]
    fn a_receipt_is_known_again_and_none_can_be_made_up() {
        let seal = CookieSeal::new(&Secret::new([7; 32]));
        let receipt = seal.receipt(SITE, date(2026, 11, 22), [9; 8]);
        assert!(receipt.starts_with("2026-11-22-0909090909090909-") && receipt.len() == 44);
        assert_eq!(seal.receipt_day(SITE, &format!(" {} ", receipt.to_uppercase())), Some(date(2026, 11, 22)));
        assert_eq!(seal.receipt_day("aitu.kz", &receipt), None);
        assert_eq!(CookieSeal::new(&Secret::new([8; 32])).receipt_day(SITE, &receipt), None);
        for at in 0..receipt.len() {
            let other = if &receipt[at..=at] == "1" { "2" } else { "1" };
            let changed = format!("{}{other}{}", &receipt[..at], &receipt[at + 1..]);
            assert_eq!(seal.receipt_day(SITE, &changed), None, "{changed}");
            assert_eq!(seal.receipt_day(SITE, &receipt[..at]), None);
        }
    }
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
        assert_eq!(value.len(), 76);
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

    #[test]
    fn who_holds_a_cookie_reads_nothing_from_it_and_equal_ones_are_equal() {
        let today = date(2026, 11, 22);
        let (content, value) = (cookie(today).encode(), seal().seal(SITE, &cookie(today)));
        assert_eq!(value, seal().seal(SITE, &cookie(today)));
        let bytes = URL_SAFE_NO_PAD.decode(&value).expect("our own");
        assert!(content.windows(3).all(|part| bytes.windows(3).all(|there| there != part)));
        // Without encryption, two cookies of one browser would differ in the bytes that changed.
        let tomorrow = URL_SAFE_NO_PAD.decode(seal().seal(SITE, &cookie(today.tomorrow().expect("in range"))));
        let equal = bytes.iter().zip(&tomorrow.expect("our own")).filter(|(one, other)| one == other).count();
        assert!(equal < 8, "{equal} equal bytes");
    }

    proptest::proptest! {
        #[test]
        fn opening_never_panics(value in ".{0,100}") {
            proptest::prop_assert!(seal().open(SITE, &value, date(2026, 11, 22)).is_none());
        }
    }
}
