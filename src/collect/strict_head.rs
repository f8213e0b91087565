//! Refuses requests whose lines end in a bare LF, or whose length is written in an unusual way.
//!
//! hyper takes a bare LF for the end of a line; a proxy before the collector may not. Then both see different fields, and
//! a request can hide in another. [`StrictHead`] reads along. Where it finds such a byte, it gives hyper NUL instead, which
//! hyper answers with 400. It follows the lengths of bodies, so that a body is not taken for a head. After a request with
//! `Transfer-Encoding` it looks no further, because the listener ends that connection.
//!
//! A head that is too large is read to its end, with its body, and passed on only as far as it may go. In the place of the
//! rest stands the field [`TOO_LARGE`], so that the listener can answer in a way that a page may read. hyper would end the
//! connection in the middle, and a browser calls that a network error. Nothing is read after such a request.
//!
//! The listeners of the engine have it too: `tamga-engine` compiles this file as a module of its own.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The start of a line that is kept. Longer lines are none that are looked for.
const LINE_KEPT: usize = 64;

/// The field that ends a head that is too large.
pub(super) const TOO_LARGE: &str = "tamga-too-large";
/// How many bytes of such a request are read without being passed on, and how long its body may be.
const SWALLOWED_MAX: usize = 1 << 20;
const BODY_SWALLOWED_MAX: u64 = 64 << 10;

/// How much of a head is passed on: bytes without line ends, and header fields.
#[derive(Clone, Copy)]
pub(super) struct HeadLimit {
    pub(super) bytes: usize,
    pub(super) fields: usize,
}

/// A connection whose heads are checked.
pub(super) struct StrictHead<I> {
    stream: I,
    scan: Scan,
    /// What is still to be given in the place of a head's rest; `None` until that head is read.
    ending: Option<Vec<u8>>,
}

impl<I> StrictHead<I> {
    pub(super) fn new(stream: I, limit: HeadLimit) -> Self {
        Self { stream, scan: Scan::new(limit), ending: None }
    }
}

/// What was read so far.
struct Scan {
    limit: HeadLimit,
    /// Bytes of the current head without line ends, and its lines.
    head_bytes: usize,
    lines: usize,
    /// How much was read of a request whose head is too large; `None` while none is.
    swallowed: Option<usize>,
    /// The line in which a head became too large had begun.
    is_cut_in_line: bool,
    /// Bytes of a body that are still to come.
    body: u64,
    /// The length that the current head gives.
    length: Option<u64>,
    line: Vec<u8>,
    /// Bytes of the current line, without its end.
    line_length: usize,
    after_cr: bool,
    /// A head has begun: its request line was read.
    in_head: bool,
    /// The current head names `Transfer-Encoding`.
    chunked: bool,
    /// Nothing more is looked at.
    done: bool,
}

impl Scan {
    fn new(limit: HeadLimit) -> Self {
        Self {
            limit,
            head_bytes: 0,
            lines: 0,
            swallowed: None,
            is_cut_in_line: false,
            body: 0,
            length: None,
            line: Vec::new(),
            line_length: 0,
            after_cr: false,
            in_head: false,
            chunked: false,
            done: false,
        }
    }

    /// Follows the bytes, and replaces one that is refused. Returns how many of them are passed on.
    fn follow(&mut self, bytes: &mut [u8]) -> usize {
        let mut kept = if self.swallowed.is_some() { 0 } else { bytes.len() };
        let mut at = 0;
        while at < bytes.len() && !self.done {
            let body = self.body.min((bytes.len() - at) as u64);
            (self.body, at) = (self.body - body, at + body as usize);
            // What follows is another request.
            if self.is_swallowed() {
                break;
            }
            let rest = &mut bytes[at..];
            let end = memchr::memchr(b'\n', rest);
            let text = &rest[..end.unwrap_or(rest.len())];
            if self.swallowed.is_none()
                && let Some(fits) = self.excess(text)
            {
                kept = at + fits;
                // Also when the request line itself is too long, and its end is still to come.
                (self.swallowed, self.in_head) = (Some(0), true);
                self.is_cut_in_line = self.line_length + usize::from(self.after_cr) + fits > 0;
            }
            self.add(text);
            let Some(end) = end else { break };
            if !self.after_cr || !self.end_line() {
                (rest[end], self.done) = (0, true);
            }
            at += end + 1;
        }
        if let Some(swallowed) = &mut self.swallowed {
            *swallowed += bytes.len() - kept;
            self.done |= *swallowed > SWALLOWED_MAX || self.is_swallowed();
        }
        kept
    }

    /// Whether a request with a head that is too large was read to its end.
    fn is_swallowed(&self) -> bool {
        self.swallowed.is_some() && !self.in_head && (self.body == 0 || self.body > BODY_SWALLOWED_MAX)
    }

    /// How many bytes of this text still fit into the head; `None` if all do. A CR is passed on, since it may end the line.
    /// It counts when the line goes on behind it, which may be in another piece.
    fn excess(&mut self, text: &[u8]) -> Option<usize> {
        let held = usize::from(self.after_cr && !text.is_empty());
        let counted = held + text.strip_suffix(b"\r").unwrap_or(text).len();
        if counted == 0 {
            return None;
        }
        self.lines += usize::from(self.line_length == 0);
        let is_line_taken = self.lines <= self.limit.fields.saturating_add(1);
        let fits = if is_line_taken { self.limit.bytes.saturating_sub(self.head_bytes) } else { 0 };
        self.head_bytes += counted;
        if is_line_taken && counted <= fits {
            return None;
        }
        let fits = fits.checked_sub(held);
        Some(fits.map_or(0, |fits| fits + usize::from(text.get(fits) == Some(&b'\r'))))
    }

    fn add(&mut self, text: &[u8]) {
        let Some(last) = text.last() else { return };
        // A CR that was taken for the end of the line belongs to it after all.
        if self.after_cr {
            self.line_length += 1;
            self.line.extend((self.line.len() < LINE_KEPT).then_some(b'\r'));
        }
        self.after_cr = *last == b'\r';
        let text = if self.after_cr { &text[..text.len() - 1] } else { text };
        self.line_length += text.len();
        self.line.extend_from_slice(&text[..text.len().min(LINE_KEPT - self.line.len())]);
    }

    /// Ends a line at CR LF; `false` if the head is refused.
    fn end_line(&mut self) -> bool {
        let is_known = if self.line_length > 0 { self.field() } else { true };
        if self.line_length == 0 && self.in_head {
            (self.head_bytes, self.lines) = (0, 0);
            (self.body, self.in_head) = (self.length.take().unwrap_or(0), false);
            self.done = self.chunked;
        } else if self.line_length > 0 {
            self.in_head = true;
        }
        self.line.clear();
        (self.line_length, self.after_cr) = (0, false);
        is_known
    }

    /// What ends a head that was cut.
    fn ending(&self) -> Vec<u8> {
        // With a colon, so that the part of a line that was passed on is a field.
        let line = if self.is_cut_in_line { ":\r\n" } else { "" };
        format!("{line}{TOO_LARGE}: 1\r\n\r\n").into_bytes()
    }

    /// Reads a line that may give the body's length.
    fn field(&mut self) -> bool {
        let Some(colon) = memchr::memchr(b':', &self.line) else { return true };
        let (name, value) = self.line.split_at(colon);
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.chunked = true;
        }
        if !name.eq_ignore_ascii_case(b"content-length") {
            return true;
        }
        let value = value[1..].trim_ascii();
        let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit) && self.line_length < LINE_KEPT;
        let length = std::str::from_utf8(value).ok().filter(|_| is_number).and_then(|text| text.parse().ok());
        let is_first = self.length.is_none();
        self.length = length;
        is_first && length.is_some()
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for StrictHead<I> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if let Some(ending) = &mut this.ending {
                let now = ending.len().min(out.remaining());
                out.put_slice(&ending[..now]);
                ending.drain(..now);
                return Poll::Ready(Ok(()));
            }
            let before = out.filled().len();
            ready!(Pin::new(&mut this.stream).poll_read(context, out))?;
            let read = out.filled().len() - before;
            let kept = this.scan.follow(&mut out.filled_mut()[before..]);
            out.set_filled(before + kept);
            if this.scan.swallowed.is_some() && this.scan.done {
                this.ending = Some(this.scan.ending());
            }
            if kept > 0 || read == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for StrictHead<I> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What hyper gets, if the bytes come in pieces of this size.
    fn passed(bytes: &[u8], piece: usize) -> Vec<u8> {
        passed_within(bytes, piece, HeadLimit { bytes: usize::MAX, fields: usize::MAX })
    }

    fn passed_within(bytes: &[u8], piece: usize, limit: HeadLimit) -> Vec<u8> {
        let (mut scan, mut bytes, mut out) = (Scan::new(limit), bytes.to_vec(), Vec::new());
        for piece in bytes.chunks_mut(piece) {
            let kept = scan.follow(piece);
            out.extend_from_slice(&piece[..kept]);
            if scan.swallowed.is_some() && scan.done {
                out.extend_from_slice(&scan.ending());
                break;
            }
        }
        out
    }

    #[test]
    fn a_head_that_is_too_large_ends_where_it_may() {
        let limit = HeadLimit { bytes: 40, fields: 3 };
        let next = "GET /next HTTP/1.1\r\n\r\n";
        for (sent, expected) in [
            // 14 bytes, 1 + 3 lines.
            ("GET / HTTP/1.1\r\na: b\r\nc: d\r\ne: f\r\n\r\n", None),
            (
                "GET / HTTP/1.1\r\na: b\r\nc: d\r\ne: f\r\ng: h\r\n\r\n",
                Some("GET / HTTP/1.1\r\na: b\r\nc: d\r\ne: f\r\n"),
            ),
            ("GET / HTTP/1.1\r\na: 34567890123456789012345\r\n\r\n", None),
            (
                "GET / HTTP/1.1\r\na: 345678901234567890123456\r\nb: c\r\n\r\n",
                Some("GET / HTTP/1.1\r\na: 34567890123456789012345:\r\n"),
            ),
            (
                "POST / HTTP/1.1\r\na: 3456789012345678901234567\r\ncontent-length: 3\r\n\r\n\n\r\n",
                Some("POST / HTTP/1.1\r\na: 3456789012345678901234:\r\n"),
            ),
        ] {
            for piece in 1..60 {
                let passed = passed_within(format!("{sent}{next}").as_bytes(), piece, limit);
                let expected = match expected {
                    Some(start) => format!("{start}{TOO_LARGE}: 1\r\n\r\n"),
                    None => format!("{sent}{next}"),
                };
                assert_eq!(String::from_utf8_lossy(&passed), expected, "in pieces of {piece}");
            }
        }
        // The request line alone is too long, and is read to its end all the same.
        let long = format!("GET /{} HTTP/1.1\r\na: b\r\n\r\n{next}", "x".repeat(100));
        for piece in 1..60 {
            let passed = passed_within(long.as_bytes(), piece, limit);
            assert_eq!(passed, passed_within(long.as_bytes(), usize::MAX, limit), "in pieces of {piece}");
            let unfinished = passed_within(&long.as_bytes()[..60], piece, limit);
            assert!(!unfinished.ends_with(b"\r\n\r\n"), "no answer before the head has come");
        }
        // Each CR is a byte of its line, and the third of these is one field too many.
        let bare = format!("GET / HTTP/1.1\r\n{}{next}", "\r\ra: b\r\n".repeat(4));
        for piece in 1..60 {
            let passed = passed_within(bare.as_bytes(), piece, limit);
            assert!(passed.ends_with(b"tamga-too-large: 1\r\n\r\n"), "in pieces of {piece}");
        }
        let endless = format!("GET / HTTP/1.1\r\n{}", "a".repeat(2 << 20));
        assert!(passed_within(endless.as_bytes(), 4096, limit).ends_with(b"tamga-too-large: 1\r\n\r\n"));
    }

    #[test]
    fn a_bare_lf_in_a_head_is_replaced_and_bodies_are_left_alone() {
        let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let post = "POST / HTTP/1.1\r\ncontent-LENGTH:  5 \r\nHost: a\r\n\r\n\n\na\n\n";
        for piece in 1..80 {
            for good in [get.to_owned(), post.to_owned(), [post, get, "\r\n", post, get].concat()] {
                assert_eq!(passed(good.as_bytes(), piece), good.as_bytes(), "{good:?}");
            }
            for bad in [
                "GET / HTTP/1.1\nHost: a\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\n\n",
                "\nGET / HTTP/1.1\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\n X\n\r\n",
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: a\n\r\n",
                "POST / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n",
                "POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
                "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            ] {
                for bad in [bad.to_owned(), [get, bad].concat(), [post, bad].concat()] {
                    assert_eq!(passed(bad.as_bytes(), piece).iter().filter(|byte| **byte == 0).count(), 1, "{bad:?}");
                }
            }
        }
    }

    #[test]
    fn after_a_chunked_request_nothing_is_looked_at() {
        let chunked = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n\n\n\r\n0\r\n\r\n\n";
        assert_eq!(passed(chunked, 7), chunked);
    }

    #[test]
    fn a_cr_at_the_end_of_a_piece_belongs_to_its_line() {
        let bytes = b"00A aa \rContent-Length:\r\n\rContent-Length:\r\n\r\n\r\n\r\n";
        for piece in 1..bytes.len() {
            assert_eq!(passed(bytes, piece), passed(bytes, usize::MAX), "{piece}");
        }
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_a_large_head_is_cut(bytes in "([ -~]{0,20}(\r\n|\r{1,3})|Content-Length: ?[0-9]{0,2}\r\n|\r\n){0,16}", piece in 1..50_usize) {
            let limit = HeadLimit { bytes: 60, fields: 4 };
            prop_assert_eq!(passed_within(bytes.as_bytes(), piece, limit), passed_within(bytes.as_bytes(), usize::MAX, limit));
        }

        #[test]
        fn it_does_not_matter_how_the_bytes_are_cut(bytes in "([ -~]{0,30}(\r\n|\n|\r)|Content-Length: ?[0-9]{0,2}\r\n){0,12}", piece in 1..50_usize) {
            prop_assert_eq!(passed(bytes.as_bytes(), piece), passed(bytes.as_bytes(), usize::MAX));
        }
    }
}
