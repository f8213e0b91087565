//! Where the spool remembers retries over restarts: in the folder of the day keys, which is memory-backed, beside the
//! key of their hashes. Without that folder's help retries are known until the next restart only.

use std::io;
use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroize;

use crate::clock;
use crate::config::Config;
use crate::privacy::keys::lasting_key;
use crate::secret::Secret;
use crate::spool::RetryFiles;

/// What one of two files may take: a million beacons, or a quarter of that if each is synced alone.
const FILE_BYTES_MAX: u64 = 8 << 20;
/// The share of the folder's storage that one of two files may take at most. The rest is for day keys.
const SHARE: u64 = 8;

/// The key of the hashes, and where they are kept.
pub(super) struct Retries {
    pub(super) key: Secret,
    pub(super) files: Option<RetryFiles>,
}

/// Reads the key or makes it, in the folder of the day keys, which is there. Nodes of `[peers]` must have one key, and have the
/// cookie key in common: it is made of that one.
pub(super) fn open(config: &Config, cookie_key: &Secret) -> Retries {
    let folder = super::keys_dir(config);
    let key = match config.peers {
        Some(_) => Ok(Secret::filled(|key| {
            let mut hasher = blake3::Hasher::new_derive_key("tamga 2026-11-30 retries that nodes know");
            let mut output = hasher.update(cookie_key.expose()).finalize_xof();
            output.fill(key);
            output.zeroize();
            hasher.zeroize();
        })),
        None => lasting_key(&folder.join("retries.key")),
    };
    match key.and_then(|key| Ok((key, files(&folder, &config.data.dir)?))) {
        Ok((key, files)) => Retries { key, files: Some(files) },
        Err(error) => {
            let folder = folder.display();
            tracing::warn!(%error, %folder, "retries are not known after a restart: the folder of the keys cannot hold their key");
            Retries { key: Secret::random(), files: None }
        }
    }
}

fn files(folder: &Path, data: &Path) -> io::Result<RetryFiles> {
    let storage = rustix::fs::statvfs(folder)?;
    // Storage without a limit says 0.
    let share = Some(storage.f_blocks.saturating_mul(storage.f_frsize) / SHARE).filter(|share| *share > 0);
    // Spools that share the folder of the keys are distinguished by where they are.
    let spool = rustix::fs::stat(data)?;
    let owner = blake3::hash(&[spool.st_dev.to_le_bytes(), spool.st_ino.to_le_bytes()].concat());
    Ok(RetryFiles {
        folder: folder.to_owned(),
        owner: u64::from_le_bytes(*owner.as_bytes().first_chunk().expect("a hash has 32 bytes")),
        bytes_max: share.unwrap_or(FILE_BYTES_MAX).min(FILE_BYTES_MAX),
        boot_ms: Arc::new(clock::boot_ms),
    })
}
