//! The forms of names that a configuration may use.

/// Bytes of a site's domain: with day and attribute it fits a stream's 255.
const DOMAIN_MAX: usize = 200;

/// Whether a name of an event or a variant has the allowed form.
pub fn is_event_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.' | b'-'))
}

/// Whether a host, with or without a port, is a name of this machine's loopback.
pub fn is_loopback_name(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "localhost" || name.ends_with(".localhost") || name == "127.0.0.1" || name == "[::1]"
}

/// Whether a name can be written in SQL without quotes or escapes.
pub fn is_sql_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

/// Whether a name can be a site's domain.
pub(super) fn is_domain(name: &str) -> bool {
    (1..=DOMAIN_MAX).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-'))
}

/// Whether a text is a name or an address, as a `Host` header has it before the port.
pub(super) fn is_host(text: &str) -> bool {
    match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => is_domain(text),
    }
}
