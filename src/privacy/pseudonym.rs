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

use zeroize::{Zeroize, Zeroizing};

use crate::event::Pseudonym;
use crate::secret::{Locked, Secret, scrub_stack};

/// The domains that every beacon needs, derived once.
const DOMAINS: [&str; 7] = ["identity", "address", "visitor", "visit", "view", "network", "loss"];
const MATERIAL: usize = DOMAINS.len();

/// The random key of one site and one of its days, with the keys of its domains; one locked page.
pub struct DayKey(Locked<[[u8; 32]; DOMAINS.len() + 1]>);

impl DayKey {
    /// Derives the domains of a day's key.
    pub fn new(material: Secret) -> Self {
        let mut keys = Locked::new([[0; 32]; DOMAINS.len() + 1]);
        let all = keys.expose_mut();
        for (at, domain) in DOMAINS.iter().enumerate() {
            derive(material.expose(), domain, &mut all[at]);
        }
        all[MATERIAL].copy_from_slice(material.expose());
        Self(keys)
    }

    fn domain(&self, name: &str) -> &[u8; 32] {
        let at = DOMAINS.iter().position(|domain| *domain == name).expect("callers name one of the list");
        &self.0.expose()[at]
    }

    /// The identifier that replaces yesterday's in the cookie. It never rests on the server.
    pub(super) fn next_identity(&self, old: &[u8; 16]) -> [u8; 16] {
        hash(self.domain("identity"), &[b"cookie", old])
    }

    /// The identifier of a browser that showed no cookie: the same for every retry of its beacon.
    pub(super) fn first_identity(&self, site: &str, view: &[u8; 16]) -> [u8; 16] {
        hash(self.domain("identity"), &[b"view", site.as_bytes(), view])
    }

    /// The identity, for the day, of a visitor to a site that sets no cookie. It never rests.
    pub(super) fn address_identity(&self, site: &str, prefix: &[u8], agent: &[u8]) -> [u8; 16] {
        hash(self.domain("address"), &[site.as_bytes(), prefix, agent])
    }

    /// The visitor's pseudonym in `events`.
    pub(super) fn visitor(&self, identity: &[u8; 16]) -> Pseudonym {
        Pseudonym(hash(self.domain("visitor"), &[identity]))
    }

    /// The pseudonym of the visit that began at this minute of the day.
    pub(super) fn visit(&self, identity: &[u8; 16], start_minute: u16) -> Pseudonym {
        Pseudonym(hash(self.domain("visit"), &[identity, &start_minute.to_le_bytes()]))
    }

    /// The pseudonym of a page view.
    pub(super) fn view(&self, view: &[u8; 16]) -> Pseudonym {
        Pseudonym(hash(self.domain("view"), &[view]))
    }

    /// One byte for the network of an address: 256 classes, so that it points at nobody.
    pub(super) fn network(&self, prefix: &[u8]) -> u8 {
        hash(self.domain("network"), &[prefix])[0]
    }

    /// Two bytes that tell this key from the day's other one in a tally, should the first be lost.
    pub(super) fn loss_tag(&self) -> [u8; 2] {
        let hash = hash(self.domain("loss"), &[]);
        [hash[0], hash[1]]
    }

    /// Lends the key domain of one purpose beside visits, so that its rows join with no other: `attribute provider`,
    /// `signal canvas`, `errors`. The key is wiped at the end.
    pub(super) fn purpose<T>(&self, name: &str, work: impl FnOnce(&Purpose<'_>) -> T) -> T {
        let mut key = Zeroizing::new([0; 32]);
        derive(&self.0.expose()[MATERIAL], name, &mut key);
        work(&Purpose(&key))
    }
}

/// The key domain of one purpose.
pub(super) struct Purpose<'a>(&'a [u8; 32]);

impl Purpose<'_> {
    /// The visitor's pseudonym and network byte, of a list for this entry alone; the entry is empty elsewhere.
    pub(super) fn bearer(&self, entry: &str, identity: &[u8; 16], prefix: &[u8]) -> (Pseudonym, u8) {
        let of = |what: &[u8], value: &[u8]| match entry {
            "" => hash(self.0, &[what, value]),
            entry => hash(self.0, &[what, entry.as_bytes(), value]),
        };
        (Pseudonym(of(b"visitor", identity)), of(b"network", prefix)[0])
    }

    /// What is kept of a digest that the browser made.
    pub(super) fn digest(&self, sent: &[u8; 16]) -> [u8; 16] {
        hash(self.0, &[b"digest", sent])
    }
}

/// `derive_key("tamga 2026-11-22 <domain> v1", material)`, written in place. Nothing of either key stays on the stack.
pub(super) fn derive(material: &[u8; 32], domain: &str, out: &mut [u8; 32]) {
    #[inline(never)]
    fn on_stack(material: &[u8; 32], domain: &str, out: &mut [u8; 32]) {
        let mut hasher = blake3::Hasher::new_derive_key(&format!("tamga 2026-11-22 {domain} v1"));
        hasher.update(material);
        let mut reader = hasher.finalize_xof();
        reader.fill(out);
        reader.zeroize();
        hasher.zeroize();
    }
    on_stack(material, domain, out);
    scrub_stack();
}

/// `keyed_hash(key, length-prefixed parts)[..16]`. Nothing of the key stays on the stack.
pub(super) fn hash(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 16] {
    #[inline(never)]
    fn on_stack(key: &[u8; 32], parts: &[&[u8]], out: &mut [u8; 16]) {
        let mut hasher = blake3::Hasher::new_keyed(key);
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        hasher.finalize_xof().fill(out);
        hasher.zeroize();
    }
    let mut out = [0; 16];
    on_stack(key, parts, &mut out);
    scrub_stack();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_has_the_bytes_of_a_known_key() {
        let key = DayKey::new(Secret::new([7; 32]));
        let (id, view, network) = ([1; 16], [2; 16], [198, 18, 7]);
        let of = |purpose: &str, entry: &str| key.purpose(purpose, |purpose| purpose.bearer(entry, &id, &network));
        let (provider, network_of_provider) = of("attribute provider", "");
        let digest = key.purpose("signal canvas", |purpose| purpose.digest(&id));
        let documented = include_str!("../../PRIVACY.md");
        for (domain, bytes) in [
            ("identity", &key.next_identity(&id)[..]),
            ("identity", &key.first_identity("jetpay.kz", &view)),
            ("address", &key.address_identity("jetpay.kz", &network, b"agent")),
            ("visitor", key.visitor(&id).bytes()),
            ("visit", key.visit(&id, 600).bytes()),
            ("view", key.view(&view).bytes()),
            ("network", &[key.network(&network)]),
            ("attribute provider", provider.bytes()),
            ("attribute provider", &[network_of_provider]),
            ("attribute languages", of("attribute languages", "kk").0.bytes()),
            ("errors", of("errors", "").0.bytes()),
            ("signal canvas", &digest),
        ] {
            let hex = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            let line = documented.lines().find(|line| line.contains(&format!("`{hex}`")));
            assert!(line.is_some_and(|line| line.starts_with(&format!("| `{domain}` |"))), "{domain}: {hex}");
        }
    }

    #[test]
    fn parts_that_concatenate_alike_hash_apart() {
        let key = [1; 32];
        assert_ne!(hash(&key, &[b"ab", b"c"]), hash(&key, &[b"a", b"bc"]));
        assert_ne!(hash(&key, &[b"abc"]), hash(&key, &[b"abc", b""]));
    }

    #[test]
    fn domains_do_not_share_pseudonyms() {
        let key = DayKey::new(Secret::new([9; 32]));
        let id = [3; 16];
        let of = |purpose: &str, entry: &str| key.purpose(purpose, |purpose| purpose.bearer(entry, &id, b"").0);
        let digest = Pseudonym(key.purpose("signal canvas", |purpose| purpose.digest(&id)));
        let all = [
            key.visitor(&id),
            key.view(&id),
            key.visit(&id, 0),
            of("attribute provider", ""),
            of("attribute languages", ""),
            of("attribute languages", "kk"),
            of("attribute languages", "ru"),
            of("signal canvas", ""),
            of("errors", ""),
            digest,
        ];
        let distinct: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }
}
