//! The marks of what this node takes, on their way to the other nodes, so that a beacon which comes again elsewhere is known
//! there.
//!
//! A mark is a hash of 8 bytes that the caller made under a key which all nodes have. It says nothing else: no site, time or
//! sender. Before a group commit its marks go out as being written, and after it, before anybody is answered, that they are durable.
//! Nobody waits for another machine: the bytes are handed to the kernel, and a node that takes none loses its connection.
//! It connects again and gets what it has missed ([`hearing`](super::hearing)): all marks of the last half hour, and of a full hour
//! at most, are kept for that in memory, [`KEPT_MAX`] of them.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::net::TcpStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_rustls::rustls::ServerConnection;

use super::wire::{MARKS_TOGETHER, News, framed};

/// Marks that are kept for nodes that are away: 8 MiB.
const KEPT_MAX: usize = 1 << 20;
/// How long marks are kept at least, if there are not too many.
const KEPT: Duration = Duration::from_secs(30 * 60);

/// See the module.
pub struct Marks {
    /// A random number of this process, so that a restart is seen.
    process: u64,
    inner: Mutex<Inner>,
}

struct Inner {
    kept: Kept,
    /// Those of the commit that is under way.
    writing: Vec<u64>,
    /// By the number of the node.
    listeners: Vec<Option<Listener>>,
}

/// Marks that are durable, by number: the first one of this process has number 0.
struct Kept {
    marks: VecDeque<u64>,
    /// The number of the first that is still there.
    first: u64,
    /// The number of the first mark since some moments, oldest first.
    since: VecDeque<(Instant, u64)>,
}

/// A connection on which nothing is read any more.
pub(super) struct Listener {
    pub(super) socket: TcpStream,
    pub(super) tls: ServerConnection,
}

impl Marks {
    /// For so many other nodes.
    pub fn new(nodes: usize) -> Self {
        let kept = Kept { marks: VecDeque::new(), first: 0, since: VecDeque::new() };
        let listeners = (0..nodes).map(|_| None).collect();
        let inner = Mutex::new(Inner { kept, writing: Vec::new(), listeners });
        Self { process: getrandom::u64().unwrap_or_default(), inner }
    }

    /// The number of this process.
    pub(super) fn process(&self) -> u64 {
        self.process
    }

    /// What a former process has left, oldest first.
    pub fn found(&self, marks: &[u64]) {
        self.lock().kept.add(marks, Instant::now());
    }

    /// These are being written. Before they are durable or are not, there are no others.
    pub fn writing(&self, marks: &[u64]) {
        let mut inner = self.lock();
        inner.writing.extend_from_slice(marks);
        for together in marks.chunks(MARKS_TOGETHER) {
            inner.say(&News::Writing(together.into()));
        }
    }

    /// What was being written is durable, or is not there.
    pub fn written(&self, is_durable: bool) {
        let mut inner = self.lock();
        if inner.writing.is_empty() {
            return;
        }
        let marks = std::mem::take(&mut inner.writing);
        if is_durable {
            inner.kept.add(&marks, Instant::now());
        }
        inner.say(&News::Written(is_durable));
    }

    /// Nothing is new. Who hears nothing for long knows by this that the connection is gone.
    pub(super) fn beat(&self) {
        self.lock().say(&News::Nothing);
    }

    /// So many marks from a number on, at most, and the number behind them.
    pub(super) fn from(&self, number: u64) -> News {
        self.lock().kept.from(number, self.process)
    }

    /// Lets a node hear all that is new, and what came since a number.
    pub(super) fn admit(&self, node: usize, number: u64, mut listener: Listener) -> io::Result<()> {
        let mut inner = self.lock();
        let mut number = number;
        loop {
            let news = inner.kept.from(number, self.process);
            let News::Kept { next, .. } = news else { unreachable!("it says what is kept") };
            listener.say(&framed(&news.bytes()))?;
            if next == inner.kept.next() {
                break;
            }
            number = next;
        }
        listener.say(&framed(&News::InStep.bytes()))?;
        for together in inner.writing.chunks(MARKS_TOGETHER) {
            listener.say(&framed(&News::Writing(together.into()).bytes()))?;
        }
        inner.listeners[node] = Some(listener);
        Ok(())
    }

    /// What is guarded is consistent at every point where a holder could panic.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn say(&mut self, news: &News) {
        let message = framed(&news.bytes());
        for listener in &mut self.listeners {
            if listener.as_mut().is_some_and(|listener| listener.say(&message).is_err()) {
                *listener = None;
            }
        }
    }
}

impl Listener {
    /// Hands bytes to the kernel, or keeps them until it takes more. An error when too many wait.
    fn say(&mut self, message: &[u8]) -> io::Result<()> {
        self.tls.writer().write_all(message)?;
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.socket) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Kept {
    fn next(&self) -> u64 {
        self.first + self.marks.len() as u64
    }

    fn add(&mut self, marks: &[u64], now: Instant) {
        if self.since.back().is_none_or(|(since, _)| now.saturating_duration_since(*since) >= KEPT) {
            self.since.push_back((now, self.next()));
            // Of the last two moments, the former is half an hour old.
            let surplus = self.since.len().saturating_sub(2);
            self.since.drain(..surplus);
            let first = self.since.front().map_or(0, |(_, number)| *number);
            self.forget(first);
        }
        self.marks.extend(marks);
        self.forget(self.next().saturating_sub(KEPT_MAX as u64));
    }

    /// Forgets those before a number.
    fn forget(&mut self, first: u64) {
        let surplus = usize::try_from(first.saturating_sub(self.first)).unwrap_or(usize::MAX).min(self.marks.len());
        self.marks.drain(..surplus);
        self.first += surplus as u64;
    }

    fn from(&self, number: u64, process: u64) -> News {
        let begin = usize::try_from(number.clamp(self.first, self.next()) - self.first).unwrap_or(usize::MAX);
        let marks: Vec<u64> = self.marks.range(begin..).take(MARKS_TOGETHER).copied().collect();
        News::Kept { process, next: self.first + (begin + marks.len()) as u64, marks }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(kept: &Kept, from: u64) -> (u64, Vec<u64>) {
        let News::Kept { next, marks, .. } = kept.from(from, 1) else { panic!("it says what is kept") };
        (next, marks)
    }

    #[test]
    fn marks_are_kept_for_half_an_hour_and_not_for_more_than_one() {
        let (begin, minute) = (Instant::now(), Duration::from_secs(60));
        let mut kept = Kept { marks: VecDeque::new(), first: 0, since: VecDeque::new() };
        for number in 0..200 {
            kept.add(&[number], begin + minute * number as u32);
            let oldest = kept.first;
            assert!(number - oldest <= 60 && (number < 30 || number - oldest >= 30 - 1), "{oldest} of {number}");
        }
        assert_eq!(marks(&kept, 198), (200, vec![198, 199]));
        assert_eq!(marks(&kept, 0).1[0], kept.first, "what is gone is left out");
        assert_eq!(marks(&kept, u64::MAX), (200, Vec::new()));
    }

    #[test]
    fn no_more_marks_are_kept_than_may_be_and_the_oldest_go() {
        let mut kept = Kept { marks: VecDeque::new(), first: 0, since: VecDeque::new() };
        for number in 0..300 {
            kept.add(&[number; 4_096], Instant::now());
            assert!(kept.marks.len() <= KEPT_MAX);
        }
        assert_eq!((kept.next(), kept.marks.back()), (300 * 4_096, Some(&299)));
        let (next, together) = marks(&kept, 0);
        assert_eq!((next - kept.first, together.len()), (MARKS_TOGETHER as u64, MARKS_TOGETHER));
    }
}
