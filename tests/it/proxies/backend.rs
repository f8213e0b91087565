//! What stands behind a proxy in place of the collector: it keeps what arrives. It answers the first request of a connection, and
//! ends the connection in the middle of the second, as a process does that dies.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

pub(super) struct Backend {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Backend {
    pub(super) fn start() -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], crate::support::ports::pair()));
        let (listener, seen) = (TcpListener::bind(address).unwrap(), Arc::new(Mutex::new(Vec::new())));
        let kept = seen.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let kept = kept.clone();
                std::thread::spawn(move || converse(stream, &kept));
            }
        });
        Self { address, seen }
    }

    /// The requests so far, as text.
    pub(super) fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

fn converse(mut stream: TcpStream, seen: &Mutex<Vec<String>>) {
    let mut is_first = true;
    while let Some(request) = read(&mut stream) {
        seen.lock().unwrap().push(request);
        if !std::mem::take(&mut is_first) {
            return;
        }
        let _ = stream.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
    }
}

/// A request with a body of a stated length.
fn read(stream: &mut TcpStream) -> Option<String> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .to_ascii_lowercase()
                .split_once("content-length: ")
                .map_or(0, |(_, rest)| rest.split("\r\n").next().unwrap().parse::<usize>().unwrap());
            if body.len() >= length {
                return Some(text);
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}
