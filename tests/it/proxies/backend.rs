//! What stands behind a proxy in place of the collector: it keeps what arrives. It answers the first request of a connection, and
//! ends the connection in the middle of the second, as a process does that dies.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex};

use tamga::config::Listen;

pub(super) struct Backend {
    seen: Arc<Mutex<Vec<String>>>,
}

impl Backend {
    pub(super) fn start(place: &Listen) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = seen.clone();
        match place {
            Listen::Tcp(address) => {
                let listener = TcpListener::bind(address).unwrap();
                std::thread::spawn(move || serve(|| listener.accept().map(|(stream, _)| stream), &kept));
            }
            Listen::Unix(path) => {
                let listener = UnixListener::bind(path).unwrap();
                super::programs::set_mode(path, 0o660);
                std::thread::spawn(move || serve(|| listener.accept().map(|(stream, _)| stream), &kept));
            }
        }
        Self { seen }
    }

    /// The requests so far, as text.
    pub(super) fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

fn serve<S: Read + Write + Send + 'static>(accept: impl Fn() -> std::io::Result<S>, seen: &Arc<Mutex<Vec<String>>>) {
    while let Ok(stream) = accept() {
        let seen = seen.clone();
        std::thread::spawn(move || converse(stream, &seen));
    }
}

fn converse(mut stream: impl Read + Write, seen: &Mutex<Vec<String>>) {
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
fn read(stream: &mut impl Read) -> Option<String> {
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
