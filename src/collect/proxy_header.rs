//! The header in which a balancer that passes bytes on names the client: PROXY protocol, version 2.
//!
//! It comes first on a connection, before TLS. Only a trusted proxy's is read, and each of its connections must have one: other
//! connections end unanswered. No byte behind the header is read. A header without a client, such as that of a balancer's own
//! health check, leaves the peer as it is. Version 1 is text of no stated length and is not read.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;

use ppp::v2::{Addresses, Command, Header, PROTOCOL_PREFIX};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Signature, version and command, family and protocol, length of the rest.
const FIXED: usize = 16;
/// The longest rest: addresses take 216 bytes at most, and what balancers of large clouds add some hundred.
const REST_MAX: usize = 2048;

/// Reads the header, and nothing behind it. Returns the client, or the peer if the header names none. The caller sets a deadline.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin), peer: SocketAddr) -> Result<SocketAddr> {
    let mut bytes = vec![0; FIXED];
    stream.read_exact(&mut bytes).await?;
    let rest = usize::from(u16::from_be_bytes([bytes[FIXED - 2], bytes[FIXED - 1]]));
    if !bytes.starts_with(PROTOCOL_PREFIX) || rest > REST_MAX {
        return Err(ErrorKind::InvalidData.into());
    }
    bytes.resize(FIXED + rest, 0);
    stream.read_exact(&mut bytes[FIXED..]).await?;
    let header = Header::try_from(&bytes[..]).map_err(|_| Error::from(ErrorKind::InvalidData))?;
    Ok(match (header.command, header.addresses) {
        (Command::Proxy, Addresses::IPv4(client)) => (client.source_address, client.source_port).into(),
        (Command::Proxy, Addresses::IPv6(client)) => (client.source_address, client.source_port).into(),
        (Command::Proxy, Addresses::Unspecified | Addresses::Unix(_)) | (Command::Local, _) => peer,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PEER: &str = "127.0.0.1:5";

    /// What is read of these bytes, and how many are left.
    fn read_all(bytes: &[u8]) -> (Option<SocketAddr>, usize) {
        let (mut left, peer) = (bytes, PEER.parse().expect("an address"));
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let client = runtime.block_on(read(&mut left, peer)).ok();
        (client, left.len())
    }

    /// A header of these parts.
    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).expect("short").to_be_bytes();
        [PROTOCOL_PREFIX, &[0x20 | command, family], &length, rest].concat()
    }

    #[test]
    fn the_client_is_named_and_nothing_behind_the_header_is_read() {
        let four = [198, 18, 0, 9, 10, 0, 0, 1, 0x12, 0x34, 1, 187];
        let six: Vec<u8> = [[0x20, 1, 0xd, 0xb8].as_slice(), &[0; 11], &[7], &[0; 16], &[0, 80, 1, 187]].concat();
        let with_more = [&four[..], &[4, 0, 2, 1, 1]].concat();
        for (bytes, client) in [
            (header(1, 0x11, &four), Some("198.18.0.9:4660")),
            (header(1, 0x11, &with_more), Some("198.18.0.9:4660")),
            (header(1, 0x21, &six), Some("[2001:db8::7]:80")),
            (header(0, 0x11, &four), Some(PEER)),
            (header(0, 0, &[]), Some(PEER)),
            (header(1, 0, &[]), Some(PEER)),
            (header(1, 0x31, &[7; 216]), Some(PEER)),
            (header(1, 0x11, &four[..11]), None),
            (header(1, 0x21, &four), None),
            (header(2, 0x11, &four), None),
            (header(1, 0x11, &[7; REST_MAX + 1]), None),
            (b"PROXY TCP4 198.18.0.9 10.0.0.1 4660 443\r\n".to_vec(), None),
            (b"GET / HTTP/1.1\r\nHost: t.jetpay.kz\r\n\r\n".to_vec(), None),
        ] {
            let behind = b"GET / HTTP/1.1";
            let (found, left) = read_all(&[&bytes[..], behind].concat());
            assert_eq!(found, client.map(|client| client.parse().expect("an address")), "{bytes:?}");
            assert!(found.is_none() || left == behind.len(), "{left} bytes are left behind {bytes:?}");
        }
        assert_eq!(read_all(&header(1, 0x11, &four)[..20]).0, None, "the connection ended in the header");
    }

    proptest! {
        #[test]
        fn no_header_is_read_beyond_its_length(
            command in 0..3_u8, family: u8, rest in proptest::collection::vec(any::<u8>(), 0..300), changed: Option<(u8, u8)>,
        ) {
            let mut bytes = header(command, family, &rest);
            if let Some((at, byte)) = changed {
                let at = usize::from(at) % bytes.len();
                bytes[at] = byte;
            }
            let length = FIXED + usize::from(u16::from_be_bytes([bytes[14], bytes[15]]));
            bytes.extend([1; 4096]);
            let (client, left) = read_all(&bytes);
            if client.is_some() {
                prop_assert_eq!(bytes.len() - left, length);
            }
            prop_assert!(bytes.len() - left <= FIXED + REST_MAX);
        }
    }
}
