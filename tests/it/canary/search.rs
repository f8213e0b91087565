//! Looks for secrets in bytes, in any encoding: plain, percent-encoded, base64 at any offset, hexadecimal, UTF-16, LZ4.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// The secrets, in all their dresses.
pub(crate) struct Needles {
    needles: Vec<(String, &'static str, Vec<u8>)>,
    /// For each byte, the needles that begin with it.
    by_first: Vec<Vec<usize>>,
}

impl Needles {
    pub(crate) fn new(secrets: &[&str]) -> Self {
        let mut needles = Vec::new();
        for secret in secrets {
            let bytes = secret.as_bytes();
            let mut add = |encoding, needle: Vec<u8>| {
                assert!(needle.len() >= 6, "{secret} is too short: chance would find it");
                needles.push(((*secret).to_owned(), encoding, needle));
            };
            add("plain", bytes.to_vec());
            add("lower case", secret.to_lowercase().into_bytes());
            let percent: String = bytes.iter().map(|byte| format!("%{byte:02X}")).collect();
            add("percent-encoded", percent.into_bytes());
            let usual: String = url::form_urlencoded::byte_serialize(bytes).collect();
            add("percent-encoded where needed", usual.into_bytes());
            for (encoding, upper) in [("hexadecimal", false), ("hexadecimal in capitals", true)] {
                let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                add(encoding, if upper { hex.to_uppercase() } else { hex }.into_bytes());
            }
            add("UTF-16", secret.encode_utf16().flat_map(u16::to_le_bytes).collect());
            for offset in 0..3 {
                // What stands before the secret decides its first characters, what follows its last: those are left out.
                let shifted = [&vec![0; offset][..], bytes].concat();
                let whole = STANDARD_NO_PAD.encode(&shifted[..shifted.len() / 3 * 3]);
                let known = &whole[if offset == 0 { 0 } else { 4 }..];
                add("base64", known.as_bytes().to_vec());
                add("base64 for URLs", known.replace('+', "-").replace('/', "_").into_bytes());
            }
        }
        needles.sort_by(|one, other| one.2.cmp(&other.2));
        needles.dedup_by(|one, other| one.2 == other.2);
        let mut by_first = vec![Vec::new(); 256];
        for (index, (_, _, needle)) in needles.iter().enumerate() {
            by_first[usize::from(needle[0])].push(index);
        }
        Self { needles, by_first }
    }

    fn find(&self, bytes: &[u8]) -> Option<(&str, &'static str)> {
        for (at, first) in bytes.iter().enumerate() {
            for index in &self.by_first[usize::from(*first)] {
                let (secret, encoding, needle) = &self.needles[*index];
                if bytes[at..].starts_with(needle) {
                    return Some((secret, encoding));
                }
            }
        }
        None
    }

    /// Adds bytes that are looked for as they are.
    pub(crate) fn and(mut self, name: &str, bytes: Vec<u8>) -> Self {
        self.by_first[usize::from(bytes[0])].push(self.needles.len());
        self.needles.push((name.to_owned(), "in bytes", bytes));
        self
    }

    pub(crate) fn assert_absent(&self, place: &str, bytes: &[u8]) {
        if let Some((secret, encoding)) = self.find(bytes) {
            panic!("{secret} rests in {place}, {encoding}");
        }
    }

    /// The first secret in these bytes, or in one of these blocks that were unpacked from them.
    pub(crate) fn find_in(&self, bytes: &[u8], blocks: &[Vec<u8>]) -> Option<String> {
        let plain = self.find(bytes).map(|(secret, encoding)| format!("{secret}, {encoding}"));
        let unpacked = || blocks.iter().find_map(|block| self.find(block));
        plain.or_else(|| unpacked().map(|(secret, encoding)| format!("{secret}, {encoding}, unpacked")))
    }
}

/// What the engine has packed into these bytes: blocks of a checksum, method, sizes and LZ4, wherever they begin. Without
/// the checksum, chance bytes would unpack to anything.
pub(crate) fn unpack(bytes: &[u8]) -> Vec<Vec<u8>> {
    let starts = (16..bytes.len()).filter(|at| bytes[*at] == 0x82);
    starts.filter_map(|at| unpack_block(bytes[at - 16..at].try_into().ok()?, &bytes[at..])).collect()
}

fn unpack_block(checksum: [u8; 16], bytes: &[u8]) -> Option<Vec<u8>> {
    let size = |from: usize| Some(u32::from_le_bytes(bytes.get(from..from + 4)?.try_into().ok()?) as usize);
    let (packed, plain) = (bytes.get(..size(1)?)?, size(5)?);
    let fits = packed.len() >= 10 && cityhash_rs::cityhash_102_128(packed).rotate_right(64).to_le_bytes() == checksum;
    fits.then(|| lz4_flex::block::decompress(&packed[9..], plain).expect("a block of the engine"))
}

#[test]
fn a_secret_is_found_in_every_encoding() {
    let secret = "canary-7f3a@example.kz";
    let needles = Needles::new(&[secret]);
    let found = |bytes: &[u8]| needles.find(bytes).is_some();
    assert!(!found(b"canary-7f3b@example.kz and more"));
    assert!(found(format!("x{secret}y").as_bytes()) && found(b"canary-7f3a%40example.kz"));
    assert!(found(b"63616E6172792D376633614065") == found(b"63616e6172792d376633614065"));
    for offset in 0..7 {
        let text = format!("{}{secret} and more", &"abcdefg"[..offset]);
        assert!(found(STANDARD_NO_PAD.encode(&text).as_bytes()), "base64 at {offset}");
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(found(&wide));
        let hex: String = text.bytes().map(|byte| format!("{byte:02X}")).collect();
        assert!(found(hex.as_bytes()));
    }
    // Packed, the second half of it refers to the first, so that it stands nowhere in one piece.
    let text = format!("{} {secret} and much more", &secret[..12]);
    let packed = lz4_flex::block::compress(text.as_bytes());
    let plain = text.len() as u32;
    let size = (packed.len() as u32 + 9).to_le_bytes();
    let block = [&[0x82][..], &size, &plain.to_le_bytes(), &packed].concat();
    let checksum = cityhash_rs::cityhash_102_128(&block).rotate_right(64).to_le_bytes();
    let whole = [b"before", &checksum[..], &block, b"after"].concat();
    assert_eq!(unpack(&whole), [text.into_bytes()]);
    assert!(needles.find(&whole).is_none() && needles.find_in(&whole, &unpack(&whole)).is_some());
    assert!(unpack(&[&[7; 16][..], &block].concat()).is_empty(), "chance bytes");
}
