//! The settings of nodes on several machines, which hand each other the keys of days.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::error::Errors;
use super::names::is_host;
use super::{Config, is_event_name};

/// More nodes than any installation has.
const NODES_MAX: usize = 64;

/// The nodes of one installation that do not share a key folder: they hand each other the keys of days.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peers {
    /// Address at which the other nodes ask for keys of days, always with TLS; not for the internet.
    pub listen: SocketAddr,
    /// All nodes, this one among them, by their names in `[server] node`: host and port at which the others reach each. The
    /// table is the same at all nodes.
    pub nodes: BTreeMap<String, String>,
    /// The certificate chain (PEM) of this node, for its host in `nodes`; the node shows it to those that it asks and to those
    /// that ask it. Read again every minute.
    pub certificate_file: PathBuf,
    /// The private key (PEM) of `certificate_file`.
    pub key_file: PathBuf,
    /// A file (PEM) of the certificate authorities of the nodes. Best an authority for this alone: whom it certifies for a
    /// host in `nodes` gets keys.
    pub ca_file: PathBuf,
}

/// Host and port of `host:port`; an IPv6 address is in brackets.
pub fn host_and_port(address: &str) -> Option<(&str, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port > 0)?;
    is_host(host).then(|| (host.trim_matches(['[', ']']), port))
}

pub(super) fn check_peers(config: &Config, errors: &mut Errors<'_>) {
    let Some(peers) = &config.peers else { return };
    errors.require(
        (2..=NODES_MAX).contains(&peers.nodes.len()),
        "peers.nodes",
        "2 to 64 nodes are expected; with one node leave [peers] out",
    );
    for (name, address) in &peers.nodes {
        errors.require(is_event_name(name), "peers.nodes", "a name has 1 to 64 of the characters a-z 0-9 _ . -");
        let message = format!("{address:?} of {name} is no host with a port, such as node-1.internal:9443");
        errors.require(host_and_port(address).is_some(), "peers.nodes", &message);
    }
    let own = config.server.node.as_ref();
    errors.require(
        own.is_some_and(|own| peers.nodes.contains_key(own)),
        "server.node",
        "with [peers] it is needed, and is one of the names in `nodes`",
    );
    for (key, path) in [
        ("peers.certificate_file", &peers.certificate_file),
        ("peers.key_file", &peers.key_file),
        ("peers.ca_file", &peers.ca_file),
    ] {
        errors.require(!path.as_os_str().is_empty(), key, "it is empty; name a file");
    }
}
