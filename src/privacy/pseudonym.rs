//! Pseudonyms: keyed hashes under keys that die with the day, one key domain per purpose.
//!
//! The bytes, so that anyone can recompute them who has the key:
//!
//! ```text
//! domain key = BLAKE3 derive_key("tamga 2026-11-22 <domain> v1", day key)
//! pseudonym  = BLAKE3 keyed_hash(domain key, part*)[..16]       part = length as u64 little-endian ‖ bytes
//! ```
//!
//! Every part is length-prefixed, so that no two different lists of parts hash alike. A pseudonym says nothing without its
//! key; with it, whoever can guess the input can check the guess. That is why keys die and why the input is a random
//! 128-bit identifier, never an address alone.

use crate::event::Pseudonym;
use crate::secret::Secret;

/// The random key of one site and one of its days, with the keys of its domains.
pub struct DayKey {
    material: Secret,
    identity: Secret,
    visitor: Secret,
    visit: Secret,
    view: Secret,
    network: Secret,
}

impl DayKey {
    /// Derives the domains of a day's key.
    pub fn new(material: Secret) -> Self {
        let domain = |name| derive(&material, name);
        Self {
            identity: domain("identity"),
            visitor: domain("visitor"),
            visit: domain("visit"),
            view: domain("view"),
            network: domain("network"),
            material,
        }
    }

    /// The identifier that replaces yesterday's in the cookie. It never rests on the server.
    pub(super) fn next_identity(&self, old: &[u8; 16]) -> [u8; 16] {
        hash(&self.identity, &[b"cookie", old])
    }

    /// The identifier of a browser that showed no cookie: the same for every retry of its beacon.
    pub(super) fn first_identity(&self, site: &str, view: &[u8; 16]) -> [u8; 16] {
        hash(&self.identity, &[b"view", site.as_bytes(), view])
    }

    /// The visitor's pseudonym in `events`.
    pub(super) fn visitor(&self, identity: &[u8; 16]) -> Pseudonym {
        Pseudonym(hash(&self.visitor, &[identity]))
    }

    /// The pseudonym of the visit that began at this minute of the day.
    pub(super) fn visit(&self, identity: &[u8; 16], start_minute: u16) -> Pseudonym {
        Pseudonym(hash(&self.visit, &[identity, &start_minute.to_le_bytes()]))
    }

    /// The pseudonym of a page view.
    pub(super) fn view(&self, view: &[u8; 16]) -> Pseudonym {
        Pseudonym(hash(&self.view, &[view]))
    }

    /// One byte for the network of an address: 256 classes, so that it points at nobody.
    pub(super) fn network(&self, prefix: &[u8]) -> u8 {
        hash(&self.network, &[prefix])[0]
    }

    /// The visitor's pseudonym and network byte for one attribute: another key domain, so that attributes do not join.
    pub(super) fn for_attribute(&self, attribute: &str, identity: &[u8; 16], prefix: &[u8]) -> (Pseudonym, u8) {
        let key = derive(&self.material, &format!("attribute {attribute}"));
        (Pseudonym(hash(&key, &[b"visitor", identity])), hash(&key, &[b"network", prefix])[0])
    }
}

fn derive(material: &Secret, domain: &str) -> Secret {
    Secret::new(blake3::derive_key(&format!("tamga 2026-11-22 {domain} v1"), material.expose()))
}

/// `keyed_hash(key, length-prefixed parts)[..16]`.
pub(super) fn hash(key: &Secret, parts: &[&[u8]]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new_keyed(key.expose());
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut out = [0; 16];
    out.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn these_are_the_bytes_of_a_known_key() {
        let key = DayKey::new(Secret::new([7; 32]));
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let domain = blake3::derive_key("tamga 2026-11-22 visitor v1", &[7; 32]);
        let mut input = 16_u64.to_le_bytes().to_vec();
        input.extend_from_slice(&[1; 16]);
        let expected = blake3::keyed_hash(&domain, &input);
        assert_eq!(key.visitor(&[1; 16]).bytes(), &expected.as_bytes()[..16]);
        assert_eq!(hex(key.visitor(&[1; 16]).bytes()), "b72453eaed387ffc59b8bbf1bbe6404b");
    }

    #[test]
    fn parts_that_concatenate_alike_hash_apart() {
        let key = Secret::new([1; 32]);
        assert_ne!(hash(&key, &[b"ab", b"c"]), hash(&key, &[b"a", b"bc"]));
        assert_ne!(hash(&key, &[b"abc"]), hash(&key, &[b"abc", b""]));
    }

    #[test]
    fn domains_do_not_share_pseudonyms() {
        let key = DayKey::new(Secret::new([9; 32]));
        let id = [3; 16];
        let (provider, _) = key.for_attribute("provider", &id, b"");
        let (languages, _) = key.for_attribute("languages", &id, b"");
        let all = [key.visitor(&id), key.view(&id), key.visit(&id, 0), provider, languages];
        let distinct: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }
}
