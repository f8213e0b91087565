//! The bytes before a connection's first request, with PROXY headers: no byte behind a header is read, and no header is long.

use std::net::SocketAddr;

#[path = "../../src/collect/proxy_header.rs"]
mod proxy_header;

/// The longest header: 16 bytes, and what they may announce.
const LONGEST: usize = 16 + 2048;

pub(crate) fn run(data: &[u8]) {
    let peer: SocketAddr = ([127, 0, 0, 1], 5).into();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut left = data;
    let client = runtime.block_on(proxy_header::read(&mut left, peer));
    let read = data.len() - left.len();
    assert!(read <= LONGEST, "{read} bytes were read");
    if client.is_ok() {
        let announced = usize::from(u16::from_be_bytes([data[14], data[15]]));
        assert_eq!(read, 16 + announced);
        // Only a header that names a client changes the peer, and what follows it changes nothing.
        let mut alone = &data[..read];
        assert_eq!(runtime.block_on(proxy_header::read(&mut alone, peer)).ok(), client.ok());
    }
}
