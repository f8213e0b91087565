//! The keys that sign verdicts: files in a folder that nodes share, a new one for every thirty days.
//!
//! A key's file is named for the day on which its use begins, so all nodes agree on the key of today without speaking to each
//! other. A key is made and shown some days before its use, since applications keep a copy of the public keys. It is shown until its last
//! token has ended, then its file is removed. A file holds the private key and the public one (32 bytes each), so damage shows.
//!
//! A damaged file is refused, and so is an empty folder where this collector had keys before: a new key there would be one that the
//! other nodes do not have. Not promised: that a key is wiped from all memory after its use.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use ring::digest::{SHA256, digest};
use ring::signature::{Ed25519KeyPair, KeyPair, Signature};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::files::{private_folder, sync_name};
use crate::secret::Secret;

/// The `typ` of a token's header: what else might be signed by such a key is no verdict.
const TYPE: &str = "tamga-verdict+jwt";
/// For how many days a key signs.
const PERIOD_DAYS: i64 = 30;
/// How many days before its use a key is shown.
const EARLY_DAYS: i64 = 3;
/// How many days after its use a key is shown. Tokens end sooner; clocks of nodes differ.
const LATE_DAYS: i64 = 1;
/// Bytes of a key's file: the private key and the public one.
const FILE_BYTES: usize = 64;
/// In the data folder: this collector has had keys.
const SEEN: &str = "verdict-keys-seen";

/// Why the keys cannot be used. Each is a sentence that says what to do.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The folder or a file cannot be read or written.
    #[error("cannot read or make the keys of verdicts in {}: {source}; name another folder in [protect] key_dir", .folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is not what was written.
    #[error("{} is damaged, or no key of verdicts: put it back from a copy, or remove it, and a new key is made", .0.display())]
    Damaged(PathBuf),
    /// The keys are gone.
    #[error("{} has no key of verdicts, and this collector had some there: put the folder back, or remove {} to begin with new keys", .folder.display(), .seen.display())]
    Gone {
        /// The folder.
        folder: PathBuf,
        /// The file that remembers.
        seen: PathBuf,
    },
}

/// A key, by the day on which its use begins.
type Ring = BTreeMap<Date, Arc<SigningKey>>;

/// The keys of a folder.
pub struct Keys {
    folder: PathBuf,
    ring: ArcSwap<Ring>,
}

/// One key pair.
pub(super) struct SigningKey {
    pair: Ed25519KeyPair,
    /// The header of its tokens, encoded.
    header: String,
    /// As applications read it.
    public: serde_json::Value,
}

impl Keys {
    /// Opens the keys of a folder, and makes those that it needs. `data` remembers that there were some.
    pub fn open(folder: &Path, data: &Path, now: Timestamp) -> Result<Self, KeyError> {
        let seen = data.join(SEEN);
        let keys = Self { folder: folder.to_owned(), ring: ArcSwap::default() };
        private_folder(folder).map_err(|source| keys.error(source))?;
        if keys.read()?.is_empty() && seen.exists() {
            return Err(KeyError::Gone { folder: folder.to_owned(), seen });
        }
        keys.refresh(now)?;
        fs::write(&seen, "").map_err(|source| keys.error(source))?;
        Ok(keys)
    }

    /// Takes new files, makes the keys of today and of the days that come, and removes those whose tokens have ended.
    pub fn refresh(&self, now: Timestamp) -> Result<(), KeyError> {
        let mut ring = self.read()?;
        let needed = [begin(now, 0), begin(now, EARLY_DAYS)];
        if needed.iter().any(|begins| !ring.contains_key(begins)) {
            needed.into_iter().try_for_each(|begins| self.make(begins)).map_err(|source| self.error(source))?;
            ring = self.read()?;
        }
        let shown = begin(now, -LATE_DAYS);
        for (begins, _) in ring.extract_if(..shown, |_, _| true) {
            fs::remove_file(self.path(begins)).or_else(is_gone).map_err(|source| self.error(source))?;
        }
        self.ring.store(Arc::new(ring));
        Ok(())
    }

    /// The key that signs now.
    pub(super) fn signing(&self, now: Timestamp) -> Option<Arc<SigningKey>> {
        let ring = self.ring.load();
        ring.range(..=begin(now, 0)).next_back().map(|(_, key)| key.clone())
    }

    /// The public keys (RFC 7517).
    pub fn public(&self) -> serde_json::Value {
        let keys: Vec<_> = self.ring.load().values().map(|key| key.public.clone()).collect();
        serde_json::json!({ "keys": keys })
    }

    fn path(&self, begins: Date) -> PathBuf {
        self.folder.join(format!("{begins}.key"))
    }

    /// All keys of the folder. What is not named like a key is somebody else's.
    fn read(&self) -> Result<Ring, KeyError> {
        let mut ring = Ring::default();
        for entry in fs::read_dir(&self.folder).map_err(|source| self.error(source))? {
            let path = entry.map_err(|source| self.error(source))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".key"));
            let Some(begins) = name.and_then(|name| name.parse::<Date>().ok()) else { continue };
            match read_key(&path) {
                Ok(Some(key)) => _ = ring.insert(begins, Arc::new(key)),
                Ok(None) => return Err(KeyError::Damaged(path)),
                // Another node has removed it meanwhile.
                Err(error) => is_gone(error).map_err(|source| self.error(source))?,
            }
        }
        Ok(ring)
    }

    /// Makes the file of a key whole, or leaves the one that is there: another node may have made it.
    fn make(&self, begins: Date) -> io::Result<()> {
        let secret = Secret::random();
        let pair = Ed25519KeyPair::from_seed_unchecked(secret.expose()).map_err(|_| io::Error::other("no key pair"))?;
        let draft = self.folder.join(format!(".{begins}.{:016x}", getrandom::u64().map_err(io::Error::other)?));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(secret.expose())?;
        file.write_all(pair.public_key().as_ref())?;
        file.sync_all()?;
        let path = self.path(begins);
        let linked = fs::hard_link(&draft, &path);
        fs::remove_file(&draft)?;
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => sync_name(&path),
        }
    }

    fn error(&self, source: io::Error) -> KeyError {
        KeyError::Folder { folder: self.folder.clone(), source }
    }
}

impl SigningKey {
    fn new(pair: Ed25519KeyPair) -> Self {
        let x = URL_SAFE_NO_PAD.encode(pair.public_key());
        // The thumbprint of RFC 7638: a name that everybody can compute.
        let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
        let kid = URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes()));
        let header = format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"{TYPE}"}}"#);
        let public =
            serde_json::json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid, "alg": "EdDSA", "use": "sig" });
        Self { pair, header: URL_SAFE_NO_PAD.encode(header), public }
    }

    /// The encoded header of its tokens.
    pub(super) fn header(&self) -> &str {
        &self.header
    }

    pub(super) fn sign(&self, text: &[u8]) -> Signature {
        self.pair.sign(text)
    }
}

/// The day on which the use of the key begins that signs so many days after `now`.
fn begin(now: Timestamp, days: i64) -> Date {
    let epoch_day = now.as_second().div_euclid(86_400) + days;
    let begins = epoch_day.div_euclid(PERIOD_DAYS) * PERIOD_DAYS;
    jiff::civil::date(1970, 1, 1).saturating_add(begins.days())
}

/// The key in a file; `None` if it is damaged.
fn read_key(path: &Path) -> io::Result<Option<SigningKey>> {
    let mut bytes = Zeroizing::new([0; FILE_BYTES]);
    let mut file = fs::File::open(path)?;
    let is_whole = file.metadata()?.len() == FILE_BYTES as u64;
    if !is_whole || file.read_exact(bytes.as_mut()).is_err() {
        return Ok(None);
    }
    let (seed, public) = bytes.split_at(FILE_BYTES / 2);
    Ok(Ed25519KeyPair::from_seed_and_public_key(seed, public).ok().map(SigningKey::new))
}

fn is_gone(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use jiff::SignedDuration;
    use tempfile::TempDir;

    use super::*;

    const NOW: &str = "2026-11-29T20:30:00Z";

    fn now() -> Timestamp {
        NOW.parse().expect("a time")
    }

    fn folders() -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let keys = folder.path().join("keys");
        (folder, keys)
    }

    fn kids(keys: &Keys) -> Vec<String> {
        let public = keys.public();
        let all = public["keys"].as_array().expect("a list");
        all.iter().map(|key| key["kid"].as_str().expect("a name").to_owned()).collect()
    }

    fn after(days: i64) -> Timestamp {
        now() + SignedDuration::from_hours(24 * days)
    }

    #[test]
    fn nodes_that_share_a_folder_sign_with_one_key() {
        let (data, folder) = folders();
        let all: Vec<_> = std::thread::scope(|scope| {
            let nodes: Vec<_> =
                (0..4).map(|_| scope.spawn(|| Keys::open(&folder, data.path(), now()).expect("opens"))).collect();
            nodes.into_iter().map(|node| node.join().expect("no panic")).collect()
        });
        let header = |keys: &Keys| keys.signing(now()).expect("a key").header().to_owned();
        assert!(all.iter().all(|keys| header(keys) == header(&all[0])));
        let files: Vec<_> =
            fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("a file").path()).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        assert_eq!(fs::metadata(&files[0]).expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&folder).expect("there").permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_key_is_shown_before_its_first_token_and_until_after_its_last() {
        let (data, folder) = folders();
        let keys = Keys::open(&folder, data.path(), now()).expect("opens");
        let (mut shown, mut signed) = (BTreeMap::<String, Vec<i64>>::new(), BTreeMap::<String, Vec<i64>>::new());
        for hour in 0..24 * 70 {
            let at = now() + SignedDuration::from_hours(hour);
            keys.refresh(at).expect("refreshed");
            for kid in kids(&keys) {
                shown.entry(kid).or_default().push(hour);
            }
            let key = keys.signing(at).expect("a key");
            signed.entry(key.public["kid"].as_str().expect("a name").to_owned()).or_default().push(hour);
        }
        assert_eq!(signed.len(), 4, "in seventy days");
        for (kid, hours) in &signed {
            let (first, last) = (hours[0], hours[hours.len() - 1]);
            let of = &shown[kid];
            assert!(first == 0 || of[0] <= first - 48, "{first} {of:?}");
            assert!(last == 24 * 70 - 1 || of[of.len() - 1] > last, "{last}");
            assert!(hours.len() <= 24 * 30);
        }
        assert!(fs::read_dir(&folder).expect("a folder").count() <= 2, "former keys are removed");
    }

    #[test]
    fn a_damaged_key_and_a_lost_folder_are_refused_with_a_sentence() {
        let (data, folder) = folders();
        let open = || Keys::open(&folder, data.path(), now());
        open().expect("the first start makes a key");
        let file = fs::read_dir(&folder).expect("a folder").next().expect("a key").expect("a file").path();
        let whole = fs::read(&file).expect("read");
        for damaged in [&whole[..63], &[&whole[..], &[0]].concat(), &[&[whole[0] ^ 1], &whole[1..]].concat(), &[]] {
            fs::write(&file, damaged).expect("written");
            let said = open().err().expect("refused").to_string();
            assert!(said.contains("is damaged") && said.contains(".key"), "{said}");
        }
        fs::write(&file, &whole).expect("written");
        open().expect("it is whole again");
        fs::remove_file(&file).expect("removed");
        let said = open().err().expect("refused").to_string();
        assert!(said.contains("this collector had some there"), "{said}");
        fs::remove_file(data.path().join(SEEN)).expect("removed");
        open().expect("as at the first start");
    }

    #[test]
    fn after_a_long_pause_a_new_key_is_made() {
        let (data, folder) = folders();
        let before = kids(&Keys::open(&folder, data.path(), now()).expect("opens"));
        let keys = Keys::open(&folder, data.path(), after(200)).expect("opens");
        assert!(keys.signing(after(200)).is_some() && kids(&keys).iter().all(|kid| !before.contains(kid)));
    }
}
