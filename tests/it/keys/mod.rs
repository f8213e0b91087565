//! Do keys die? What is left of a closed key in memory and in files, what today's key says of yesterday, and what becomes of
//! records at the site's midnight.

mod memory;
mod rotation;

pub(crate) use memory::config as collector_without_stores;

/// The key of a domain, as the documentation has it: an independent second writing.
fn domain_key(material: &[u8; 32], domain: &str) -> [u8; 32] {
    blake3::derive_key(&format!("tamga 2026-11-22 {domain} v1"), material)
}

/// A pseudonym likewise.
pub(crate) fn pseudonym(material: &[u8; 32], domain: &str, parts: &[&[u8]]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new_keyed(&domain_key(material, domain));
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().as_bytes()[..16].try_into().unwrap()
}

/// The files of day keys in a folder, by name.
fn key_files(dir: &std::path::Path) -> Vec<(String, [u8; 32])> {
    let mut keys = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if let (true, Ok(bytes)) = (name.ends_with(".key") && !name.starts_with("retries"), std::fs::read(entry.path()))
        {
            keys.push((name, bytes.try_into().unwrap()));
        }
    }
    keys.sort();
    keys
}
