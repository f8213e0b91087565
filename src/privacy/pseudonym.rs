//! Pseudonyms: keyed hashes under keys that die with the day, one key domain per purpose.
//!
//! The bytes, so that anyone can recompute them who has the key:
//!
//! ```text
//! domain key = BLAKE3 derive_key("tamga 2026-11-22 <domain> v1", day key)
//! pseudonym  = BLAKE3 keyed_hash(domain key, part*)[..16]       part = length as u64 little-endian ‖ bytes
//! ```
//!
//! Outside of visits only eight of the sixteen bytes are kept, and zeroes fill the rest.
//!
//! Every part is length-prefixed, so that no two different lists of parts hash alike. Without its key a pseudonym says
//! nothing. A person who has the key and can guess the input can check the guess. That is why keys are destroyed, and why the
//! input is a random 128-bit identity and never an address alone.

use zeroize::{Zeroize, Zeroizing};

use super::pseudonymous::Pseudonym;
use crate::secret::{Locked, Secret, scrub_stack};

/// The domains that are derived when a day's key is made: what identifies, then the purposes beside visits.
pub(super) const DOMAINS: [&str; 30] = [
    "identity",
    "address",
    "visitor",
    "visit",
    "view",
    "network",
    "loss",
    "attribute place",
    "attribute client",
    "attribute device",
    "attribute hour",
    "attribute provider",
    "attribute search",
    "errors",
    "attribute time_zone",
    "attribute fonts",
    "attribute plugins",
    "attribute webgl",
    "attribute media_devices",
    "attribute active_x",
    "attribute languages",
    "attribute cpu",
    "attribute screen",
    "attribute canvas",
    "attribute os_version",
    "attribute model",
    "attribute automation",
    "signal canvas",
    "signal webgl",
    "signal automation",
];
const MATERIAL: usize = DOMAINS.len();

/// The place of a domain in the list.
fn place_of(name: &str) -> Option<usize> {
    DOMAINS.iter().position(|domain| *domain == name)
}

/// The network of an address, as far as rows may say it.
pub(super) struct Networks {
    prefix: Vec<u8>,
    classes: [u8; 32],
}

const _: () = assert!(DOMAINS.len() <= 32, "each domain has a byte of the network's hash");

impl Networks {
    /// That of `events`.
    pub(super) fn of_events(&self) -> u8 {
        self.classes[0]
    }
}

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
        &self.0.expose()[place_of(name).expect("callers name one of the list")]
    }

    /// The identifier that replaces yesterday's in the cookie. It never rests on the server.
    pub(super) fn next_identity(&self, old: &[u8; 16]) -> [u8; 16] {
        hash(self.domain("identity"), &[b"cookie", old])
    }

    /// The identity, for the day, of a visitor to a site that sets no cookie. It never rests.
    pub(super) fn address_identity(&self, site: &str, prefix: &[u8], agent: &[u8]) -> [u8; 16] {
        hash(self.domain("address"), &[site.as_bytes(), prefix, agent])
    }

    /// The visitor's pseudonym in `events`.
    pub fn visitor(&self, identity: &[u8; 16]) -> Pseudonym {
        Pseudonym::new(hash(self.domain("visitor"), &[identity]))
    }

    /// The pseudonym of the visit that began at this minute of the day.
    pub(super) fn visit(&self, identity: &[u8; 16], start_minute: u16) -> Pseudonym {
        Pseudonym::new(hash(self.domain("visit"), &[identity, &start_minute.to_le_bytes()]))
    }

    /// The pseudonym of a page view.
    pub(super) fn view(&self, view: &[u8; 16]) -> Pseudonym {
        Pseudonym::new(hash(self.domain("view"), &[view]))
    }

    /// The classes of the network of an address: a byte has 256 values, so that it points at nobody. `events` has the first byte,
    /// and each domain of the list the one at its place.
    pub(super) fn networks(&self, prefix: &[u8]) -> Networks {
        let mut classes = [0; 32];
        hash_into(self.domain("network"), &[prefix], &mut classes);
        Networks { prefix: prefix.to_vec(), classes }
    }

    /// Two bytes that tell this key from the day's other one in a tally, should the first be lost.
    pub(super) fn loss_tag(&self) -> [u8; 2] {
        let hash = hash(self.domain("loss"), &[]);
        [hash[0], hash[1]]
    }

    /// What distinguishes this key from all others, and says nothing of it.
    pub(super) fn tag(&self) -> [u8; 16] {
        let mut key = Zeroizing::new([0; 32]);
        derive(self.material(), "tag", &mut key);
        hash(&key, &[])
    }

    /// The key itself, to be written to a file or handed to another node.
    pub(super) fn material(&self) -> &[u8; 32] {
        &self.0.expose()[MATERIAL]
    }

    /// Lends the key domain of one purpose beside visits, so that its rows join with no other: `attribute provider`,
    /// `signal canvas`, `errors`. The key of one that is not listed is wiped at the end.
    pub(super) fn purpose<T>(&self, name: &str, work: impl FnOnce(&Purpose<'_>) -> T) -> T {
        if let Some(at) = place_of(name) {
            return work(&Purpose { key: &self.0.expose()[at], place: Some(at) });
        }
        let mut key = Zeroizing::new([0; 32]);
        derive(self.material(), name, &mut key);
        work(&Purpose { key: &key, place: None })
    }
}

/// Minutes between the beginnings of two visits, at least.
const VISITS_APART: u16 = 31;
/// So many visits begin on a day at most; a day whose clock is set back has up to 26 hours.
pub(super) const VISITS_MAX: u8 = (26 * 60_u16).div_ceil(VISITS_APART) as u8;

/// The key domain of one purpose.
pub(super) struct Purpose<'a> {
    key: &'a [u8; 32],
    /// Its place in the list.
    place: Option<usize>,
}

impl Purpose<'_> {
    /// The visitor's pseudonym, of a list for this entry alone; the entry is empty elsewhere.
    pub(super) fn visitor(&self, entry: &str, identity: &[u8; 16]) -> Pseudonym {
        short(self.of(b"visitor", entry, identity))
    }

    /// The network's class, likewise.
    pub(super) fn network(&self, entry: &str, networks: &Networks) -> u8 {
        match self.place.filter(|_| entry.is_empty()) {
            Some(at) => networks.classes[at],
            None => self.of(b"network", entry, &networks.prefix)[0],
        }
    }

    fn of(&self, what: &[u8], entry: &str, value: &[u8]) -> [u8; 16] {
        match entry {
            "" => hash(self.key, &[what, value]),
            entry => hash(self.key, &[what, entry.as_bytes(), value]),
        }
    }

    /// The pseudonym of a visit. Two visits begin more than half an hour apart.
    pub(super) fn visit(&self, identity: &[u8; 16], start_minute: u16) -> Pseudonym {
        self.visit_of_number(identity, (start_minute / VISITS_APART) as u8)
    }

    pub(super) fn visit_of_number(&self, identity: &[u8; 16], number: u8) -> Pseudonym {
        short(hash(self.key, &[b"visit", identity, &[number]]))
    }

    /// What is kept of a digest that the browser made.
    pub(super) fn digest(&self, sent: &[u8; 16]) -> [u8; 16] {
        hash(self.key, &[b"digest", sent])
    }
}

/// Half of a hash: eight bytes distinguish the visitors of a day, and the rows that have little else are many.
fn short(mut hash: [u8; 16]) -> Pseudonym {
    hash[8..].fill(0);
    Pseudonym::new(hash)
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
    scrub_stack::<DEEP>();
}

/// Bytes of stack that hashing reaches down to: with BLAKE3's full state, and with that of one chunk, which is all that
/// short input needs. The second is the larger part of the time that a hash takes, and three times what is used.
const DEEP: usize = 12 * 1024;
const SHALLOW: usize = 2 * 1024;
/// Bytes of parts with their lengths that are hashed in one piece.
const SHORT: usize = 256;

/// `keyed_hash(key, length-prefixed parts)[..16]`. Nothing of the key stays on the stack.
pub(super) fn hash(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 16] {
    let mut out = [0; 16];
    hash_into(key, parts, &mut out);
    out
}

/// The same with so many bytes, at most 32.
fn hash_into(key: &[u8; 32], parts: &[&[u8]], out: &mut [u8]) {
    #[inline(never)]
    fn short(key: &[u8; 32], parts: &[&[u8]], out: &mut [u8]) {
        let mut input = [0; SHORT];
        let mut end = 0;
        for part in parts {
            for bytes in [&(part.len() as u64).to_le_bytes()[..], part] {
                input[end..end + bytes.len()].copy_from_slice(bytes);
                end += bytes.len();
            }
        }
        out.copy_from_slice(&blake3::keyed_hash(key, &input[..end]).as_bytes()[..out.len()]);
    }
    #[inline(never)]
    fn long(key: &[u8; 32], parts: &[&[u8]], out: &mut [u8]) {
        let mut hasher = blake3::Hasher::new_keyed(key);
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        hasher.finalize_xof().fill(out);
        hasher.zeroize();
    }
    if parts.iter().map(|part| size_of::<u64>() + part.len()).sum::<usize>() <= SHORT {
        short(key, parts, out);
        scrub_stack::<SHALLOW>();
    } else {
        long(key, parts, out);
        scrub_stack::<DEEP>();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_has_the_bytes_of_a_known_key() {
        let key = DayKey::new(Secret::new([7; 32]));
        let (id, view, network) = ([1; 16], [2; 16], [198, 18, 7]);
        let networks = key.networks(&network);
        let of = |purpose: &str, entry: &str| key.purpose(purpose, |purpose| purpose.visitor(entry, &id));
        let class = |purpose: &str, entry: &str| key.purpose(purpose, |purpose| purpose.network(entry, &networks));
        let digest = key.purpose("signal canvas", |purpose| purpose.digest(&id));
        let documented = include_str!("../../PRIVACY.md");
        for (domain, bytes) in [
            ("identity", &key.next_identity(&id)[..]),
            ("address", &key.address_identity("jetpay.kz", &network, b"agent")),
            ("visitor", key.visitor(&id).bytes()),
            ("visit", key.visit(&id, 600).bytes()),
            ("view", key.view(&view).bytes()),
            ("network", &[networks.of_events()]),
            ("network", &[class("attribute provider", "")]),
            ("attribute place", of("attribute place", "").bytes()),
            ("attribute place", key.purpose("attribute place", |purpose| purpose.visit(&id, 600)).bytes()),
            ("attribute provider", of("attribute provider", "").bytes()),
            ("attribute languages", of("attribute languages", "kk").bytes()),
            ("attribute languages", &[class("attribute languages", "kk")]),
            ("errors", of("errors", "").bytes()),
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
    fn short_and_long_input_are_hashed_alike() {
        let whole = [7; 2 * SHORT];
        for length in [0, 1, SHORT - 17, SHORT - 16, SHORT - 15, SHORT, 2 * SHORT] {
            let parts = [&b"a"[..], &whole[..length]];
            let joined: Vec<u8> =
                parts.iter().flat_map(|part| [&(part.len() as u64).to_le_bytes()[..], part].concat()).collect();
            assert_eq!(hash(&[1; 32], &parts), blake3::keyed_hash(&[1; 32], &joined).as_bytes()[..16], "{length}");
        }
    }

    #[test]
    fn domains_do_not_share_pseudonyms() {
        let key = DayKey::new(Secret::new([9; 32]));
        let id = [3; 16];
        let of = |purpose: &str, entry: &str| key.purpose(purpose, |purpose| purpose.visitor(entry, &id));
        let digest = Pseudonym::new(key.purpose("signal canvas", |purpose| purpose.digest(&id)));
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
