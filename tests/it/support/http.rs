//! HTTP by hand, so that a test can send bytes that no client would: one connection per call, every byte as written.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The longest time that an answer may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A request.
#[derive(Clone)]
pub(crate) struct Call {
    address: SocketAddr,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Call {
    pub(crate) fn new(address: SocketAddr, method: &str, target: &str) -> Self {
        Self { address, method: method.to_owned(), target: target.to_owned(), headers: vec![], body: vec![] }
    }

    /// Sets a header. It replaces an earlier one of the same name.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self = self.without(name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self
    }

    pub(crate) fn cookies(self, cookie: Option<&str>) -> Self {
        match cookie {
            Some(cookie) => self.header("Cookie", cookie),
            None => self,
        }
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The head, with the body's length and `Connection: close`.
    pub(crate) fn head(&self) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.body.is_empty() {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        head + "Connection: close\r\n\r\n"
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head().into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Sends it, and returns all bytes of the answer.
    pub(crate) async fn sent(&self) -> Vec<u8> {
        raw(self.address, &self.bytes()).await
    }

    pub(crate) async fn send(&self) -> Answer {
        Answer::parse(&self.sent().await)
    }
}

/// Sends bytes and reads until the other side closes, which it must within [`PATIENCE`].
pub(crate) async fn raw(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The other side may stop reading.
    let _ = stream.write_all(bytes).await;
    rest(&mut stream).await
}

/// Reads until the other side closes.
pub(crate) async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    // A connection that is reset after the answer is also closed.
    let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "the connection is still open");
    answer
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no answer: {}", String::from_utf8_lossy(bytes)));
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|line| line.split_once(": ").unwrap_or((line, "")));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        Self { status, headers, body: bytes[end + 4..].to_vec() }
    }

    /// All values of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The only value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let values = self.all(name);
        assert!(values.len() < 2, "one {name}: {values:?}");
        values.first().copied()
    }

    pub(crate) fn outcome(&self) -> &str {
        assert_eq!(self.status, 202, "{self:?}");
        self.header("tamga-outcome").unwrap()
    }

    /// What a browser would send back of the cookies that the answer sets: `name=value`, joined.
    pub(crate) fn cookie(&self) -> Option<String> {
        let set: Vec<_> = self.all("set-cookie").iter().map(|line| line.split(';').next().unwrap()).collect();
        (!set.is_empty()).then(|| set.join("; "))
    }
}
