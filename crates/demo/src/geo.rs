//! The demo's GeoIP files and the list of networks that they are made from. Every visitor's address has a place in
//! them.

/// Lines of `network,country,region,provider,weight`.
pub(crate) const NETWORKS: &str = include_str!("../geo/networks.csv");

/// The files that the collector reads: name and content.
pub(crate) const FILES: [(&str, &[u8]); 3] = [
    ("city-ipv4.mmdb", include_bytes!("../geo/city-ipv4.mmdb")),
    ("city-ipv6.mmdb", include_bytes!("../geo/city-ipv6.mmdb")),
    ("asn.mmdb", include_bytes!("../geo/asn.mmdb")),
];
