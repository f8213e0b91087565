//! Tables whose keys are hashes already: hashing them again would only take time.

use std::hash::{BuildHasherDefault, Hasher};

/// For a `HashMap<u64, _, AsItIs>` or a `HashSet<u64, AsItIs>` whose keys are hashes under a secret key of this process, so that
/// nobody can choose where they fall.
pub(crate) type AsItIs = BuildHasherDefault<Identity>;

/// Takes a `u64` for its own hash.
#[derive(Default)]
pub(crate) struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("only u64 are keys")
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
