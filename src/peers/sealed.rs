//! A key on its way: sealed for the one node that asks, so that no buffer of the TLS library ever holds it.
//!
//! Who asks sends a public key that is made for this one question (X25519), and so does who answers. What both compute from
//! them, hashed, hides the 32 bytes (XOR) once. That the other side is a node is what TLS shows; this hides, and proves nothing.

use ring::agreement::{EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral};
use ring::rand::SystemRandom;
use zeroize::Zeroize;

use crate::secret::{Secret, scrub_stack};

/// Bytes of stack that hashing reaches down to.
const DEEP: usize = 12 * 1024;

/// One side's key for one question.
pub(super) struct Once {
    private: EphemeralPrivateKey,
    pub(super) public: [u8; 32],
}

impl Once {
    /// `None` when the system has no randomness to give.
    pub(super) fn new() -> Option<Self> {
        let private = EphemeralPrivateKey::generate(&X25519, &SystemRandom::new()).ok()?;
        let public = private.compute_public_key().ok()?.as_ref().try_into().ok()?;
        Some(Self { private, public })
    }

    /// Hides a key for who sent this public key; `None` if that is none.
    pub(super) fn seal(self, asker: &[u8; 32], key: &[u8; 32]) -> Option<[u8; 32]> {
        let (own, mut sealed) = (self.public, [0; 32]);
        let is_known = self.pad(asker, asker, &own, &mut sealed);
        scrub_stack::<DEEP>();
        sealed.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        if !is_known {
            sealed.zeroize();
        }
        is_known.then_some(sealed)
    }

    /// Opens what was hidden by who sent this public key.
    pub(super) fn open(self, giver: &[u8; 32], sealed: &[u8; 32]) -> Option<Secret> {
        let (own, mut is_open) = (self.public, false);
        let opened = Secret::filled(|out| {
            is_open = self.pad(giver, &own, giver, out);
            out.iter_mut().zip(sealed).for_each(|(byte, sealed)| *byte ^= sealed);
        });
        scrub_stack::<DEEP>();
        is_open.then_some(opened)
    }

    /// What both sides compute, written in place. `false` if the other public key is none.
    #[inline(never)]
    fn pad(self, other: &[u8; 32], asker: &[u8; 32], giver: &[u8; 32], out: &mut [u8; 32]) -> bool {
        let other = UnparsedPublicKey::new(&X25519, other);
        agree_ephemeral(self.private, &other, |shared| {
            let mut hasher = blake3::Hasher::new_derive_key("tamga 2026-11-29 handed key v1");
            for part in [shared, asker, giver] {
                hasher.update(part);
            }
            let mut reader = hasher.finalize_xof();
            reader.fill(out);
            reader.zeroize();
            hasher.zeroize();
        })
        .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn once() -> Once {
        Once::new().expect("the system has randomness")
    }

    #[test]
    fn only_who_asked_opens_a_key() {
        let key = [7; 32];
        let (asker, giver) = (once(), once());
        let (asked, given) = (asker.public, giver.public);
        let sealed = giver.seal(&asked, &key).expect("a public key");
        assert_ne!(sealed, key);
        assert_eq!(asker.open(&given, &sealed).expect("opens").expose(), &key);
        let other = once().open(&given, &sealed).expect("something");
        assert_ne!(other.expose(), &key);
        assert_ne!(once().seal(&asked, &key), Some(sealed), "never the same twice");
    }

    #[test]
    fn a_public_key_that_makes_the_secret_known_is_refused() {
        assert!(once().seal(&[0; 32], &[7; 32]).is_none());
    }
}
