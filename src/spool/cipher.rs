//! Encryption of what frames hold. A copy of the spool's folder, also of its quarantine, shows no row without the key.
//!
//! AES-256-GCM of the TLS library, under a key per segment: a keyed BLAKE3 hash of the segment's random id, under a lasting
//! key that lies outside of the data folder. What is encrypted is a block of frames (block.rs). The nonce is the sequence of its first frame. A sequence is
//! written to one segment only and never used again, so no nonce repeats under a key. A block's length, sequence, rows,
//! position, kind and streams stay readable, since recovery needs them, and are authenticated.
//!
//! The segment's header has four more bytes of the same hash: they say under which key a segment was written, and nothing
//! about the key.
//!
//! What else has rows in the data folder is encrypted under the same keys, each row by itself ([`Keys::seal_row`]).

use std::sync::Arc;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::{Zeroize, Zeroizing};

use crate::secret::Secret;

/// What a block is longer by.
pub(super) const TAG: usize = 16;

/// The random id of a segment.
pub(super) type SegmentId = [u8; 16];

/// Says under which key a segment was written.
pub(super) type KeyCheck = [u8; 4];

/// The lasting keys of a spool.
#[derive(Clone)]
pub struct Keys(Arc<[Secret]>);

impl Keys {
    /// The first encrypts what comes; what is there may be under any of them.
    pub fn new(first: Secret, former: impl IntoIterator<Item = Secret>) -> Self {
        Self(std::iter::once(first).chain(former).collect())
    }

    /// The cipher of a new segment.
    pub(super) fn begin(&self, id: &SegmentId) -> (Cipher, KeyCheck) {
        derive(&self.0[0], id)
    }

    /// The cipher of a segment that is there; `None` when its key is not.
    pub(super) fn find(&self, id: &SegmentId, check: KeyCheck) -> Option<Cipher> {
        self.0.iter().map(|key| derive(key, id)).find_map(|(cipher, of_key)| (of_key == check).then_some(cipher))
    }
}

impl Keys {
    /// A number that follows from these bytes, and that nobody can compute who has not the key.
    pub fn number(&self, bytes: &[u8]) -> u64 {
        let mut hasher = blake3::Hasher::new_keyed(self.0[0].expose());
        hasher.update(b"tamga spool 1: a number of what waits").update(bytes);
        let mut number = [0; 8];
        hasher.finalize_xof().fill(&mut number);
        hasher.zeroize();
        u64::from_le_bytes(number)
    }
}

/// Why a row by itself could not be decrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unopened {
    /// It is under a key that is not there.
    Key,
    /// It, or what it was bound to, is not as it was.
    Damaged,
}

/// The bytes before a row by itself: the random id that its key is derived for, and the check of that key.
const ROW_HEAD: usize = size_of::<SegmentId>() + size_of::<KeyCheck>();

impl Keys {
    /// Encrypts one row under a key of its own. It opens only with the same `place`.
    pub fn seal_row(&self, place: &[u8], row: &[u8]) -> Result<Vec<u8>, getrandom::Error> {
        let mut id = SegmentId::default();
        getrandom::fill(&mut id)?;
        let (cipher, check) = self.begin(&id);
        let mut sealed = [&id[..], &check, row].concat();
        let tag = cipher.seal(0, place, &mut sealed[ROW_HEAD..]);
        sealed.extend(tag);
        Ok(sealed)
    }

    /// Decrypts what [`Keys::seal_row`] has encrypted.
    pub fn open_row(&self, place: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Unopened> {
        let (id, rest) = sealed.split_first_chunk().ok_or(Unopened::Damaged)?;
        let (check, sealed) = rest.split_first_chunk().ok_or(Unopened::Damaged)?;
        let cipher = self.find(id, *check).ok_or(Unopened::Key)?;
        cipher.open(0, place, sealed.to_vec()).ok_or(Unopened::Damaged)
    }
}

fn derive(key: &Secret, id: &SegmentId) -> (Cipher, KeyCheck) {
    let mut hasher = blake3::Hasher::new_keyed(key.expose());
    hasher.update(id);
    let mut derived = Zeroizing::new([0; 36]);
    let mut output = hasher.finalize_xof();
    output.fill(derived.as_mut_slice());
    output.zeroize();
    hasher.zeroize();
    let (key, check) = derived.split_first_chunk::<32>().expect("it has 36 bytes");
    let key = UnboundKey::new(&AES_256_GCM, key).expect("a key of AES-256 has 32 bytes");
    (Cipher(LessSafeKey::new(key)), check.try_into().expect("4 bytes are left"))
}

/// Encrypts and decrypts the blocks of one segment.
pub(super) struct Cipher(LessSafeKey);

impl Cipher {
    /// Encrypts these bytes in place; returns what goes behind them. `bound` is authenticated as well.
    pub(super) fn seal(&self, sequence: u64, bound: &[u8], bytes: &mut [u8]) -> [u8; TAG] {
        let tag = self.0.seal_in_place_separate_tag(nonce(sequence), Aad::from(bound), bytes);
        let tag = tag.expect("a block is far below the 64 GiB that one nonce may encrypt");
        tag.as_ref().try_into().expect("a tag of AES-GCM has 16 bytes")
    }

    /// Decrypts what [`Cipher::seal`] has encrypted, with the tag behind it; `None` unless all of it is as it was.
    pub(super) fn open(&self, sequence: u64, bound: &[u8], mut sealed: Vec<u8>) -> Option<Vec<u8>> {
        let length = self.0.open_in_place(nonce(sequence), Aad::from(bound), &mut sealed).ok()?.len();
        sealed.truncate(length);
        Some(sealed)
    }
}

fn nonce(sequence: u64) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[..8].copy_from_slice(&sequence.to_le_bytes());
    Nonce::assume_unique_for_key(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(first: u8, former: &[u8]) -> Keys {
        let key = |byte: u8| Secret::new([byte; 32]);
        Keys::new(key(first), former.iter().map(|byte| key(*byte)))
    }

    #[test]
    fn only_the_same_key_segment_sequence_and_head_open_it() {
        let id = *b"0123456789abcdef";
        let (cipher, check) = keys(1, &[]).begin(&id);
        let mut sealed = b"a row".to_vec();
        let tag = cipher.seal(5, b"head", &mut sealed);
        assert_ne!(sealed, b"a row");
        sealed.extend(tag);
        let opens = |cipher: &Cipher, sequence, head: &[u8]| cipher.open(sequence, head, sealed.clone());
        assert_eq!(opens(&cipher, 5, b"head").as_deref(), Some(&b"a row"[..]));
        assert_eq!(opens(&cipher, 6, b"head"), None);
        assert_eq!(opens(&cipher, 5, b"tail"), None);
        assert_eq!(opens(&keys(2, &[]).begin(&id).0, 5, b"head"), None);
        assert_eq!(opens(&keys(1, &[]).begin(b"another segment!").0, 5, b"head"), None);
        assert!(keys(2, &[]).find(&id, check).is_none());
        let found = keys(2, &[3, 1]).find(&id, check).expect("a former key");
        assert!(opens(&found, 5, b"head").is_some());
    }

    #[test]
    fn a_row_by_itself_opens_with_its_key_and_in_its_place_only() {
        let sealed = keys(1, &[]).seal_row(b"place", b"a row").unwrap();
        assert!(!sealed.windows(5).any(|window| window == b"a row"));
        assert_eq!(keys(2, &[1]).open_row(b"place", &sealed).as_deref(), Ok(&b"a row"[..]));
        assert_eq!(keys(2, &[]).open_row(b"place", &sealed), Err(Unopened::Key));
        assert_eq!(keys(1, &[]).open_row(b"another", &sealed), Err(Unopened::Damaged));
        for length in [0, ROW_HEAD - 1, ROW_HEAD, sealed.len() - 1] {
            assert_eq!(keys(1, &[]).open_row(b"place", &sealed[..length]), Err(Unopened::Damaged), "{length}");
        }
        assert_ne!(keys(1, &[]).seal_row(b"place", b"a row").unwrap(), sealed, "equal rows are not equal bytes");
    }

    const TAG_BYTES: [u8; TAG] = [221, 19, 203, 29, 151, 173, 86, 0, 134, 160, 41, 180, 157, 8, 232, 67];

    /// So a release can always read the blocks of the release before it.
    #[test]
    fn the_bytes_are_these() {
        let (cipher, check) = keys(1, &[]).begin(b"0123456789abcdef");
        let mut sealed = b"row".to_vec();
        let tag = cipher.seal(1, b"", &mut sealed);
        assert_eq!((check, sealed, tag), ([132, 204, 249, 168], vec![68, 16, 209], TAG_BYTES));
    }
}
