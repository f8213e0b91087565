//! The messages between nodes. Each is a length, two bytes, and so many bytes; none is longer than [`MESSAGE_MAX`], or
//! [`NEWS_MAX`] where marks are heard.
//!
//! ```text
//! question  1 version cookie tag            who are you?        answer  1 version process generation cookie tag
//! question  2 day known tag public key site your key of a day?  answer  0 none, 2 the same, 4 tag (destroyed on purpose),
//!                                                                       3 made tag public key sealed key
//! order     3 day identity site         erase their rows        answer  5 it is durable, 0 not yet
//! question  4 process number node       your marks, of this process those from this number on?
//!                                       news, without end       6 process next marks (kept), 7 in step, 8 marks (being
//!                                                               written), 9 durable or not, 10 nothing
//! ```
//!
//! Numbers are big-endian. What does not fit ends the connection. A newer version may add questions: nodes of two versions say
//! so to their operator and have no keys in common until all are updated.

use std::io;

use jiff::civil::Date;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::privacy::keys::KeyMark;

/// The version of these messages.
pub(super) const VERSION: u8 = 1;
/// A site's domain has 200 bytes at most.
const MESSAGE_MAX: usize = 320;
/// Marks of one message.
pub(super) const MARKS_TOGETHER: usize = 4_000;
const MARK: usize = 8;
const NEWS_MAX: usize = 17 + MARKS_TOGETHER * MARK;

/// What a node is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// Which process, and has any key changed?
    Who { cookie_tag: [u8; 8] },
    /// The key of a site's day, unless it is the one of this tag.
    Key { site: String, day: Date, known: [u8; 16], public: [u8; 32] },
    /// To erase the rows of who has this identity on a day.
    Erase { site: String, day: Date, id: [u8; 16] },
    /// To say to the node of this name which beacons it takes, from now on.
    Marks { process: u64, from: u64, node: String },
}

/// What it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    None,
    Who { process: u64, generation: u64, cookie_tag: [u8; 8] },
    Same,
    Key { mark: KeyMark, public: [u8; 32], sealed: [u8; 32] },
    Destroyed { tag: [u8; 16] },
    Erased,
}

/// What a node says of the beacons that it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// These are durable. The next one has that number.
    Kept {
        process: u64,
        next: u64,
        marks: Vec<u64>,
    },
    /// All that is durable was said, and nothing is being written.
    InStep,
    /// These are being written, beside those that were said.
    Writing(Vec<u64>),
    /// What was being written is durable, or is not there.
    Written(bool),
    Nothing,
}

/// Takes bytes from the beginning of a message.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn day(&mut self) -> Option<Date> {
        let (year, [month, day]) = (i16::from_be_bytes(self.take()?), self.take()?);
        Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
    }

    /// All that is left.
    fn text(self) -> Option<String> {
        String::from_utf8(self.0.to_vec()).ok()
    }

    /// All that is left, as marks.
    fn marks(self) -> Option<Vec<u64>> {
        let (marks, rest) = self.0.as_chunks::<MARK>();
        rest.is_empty().then(|| marks.iter().map(|mark| u64::from_be_bytes(*mark)).collect())
    }

    /// What was taken, if nothing is left.
    fn end<T>(self, taken: T) -> Option<T> {
        self.0.is_empty().then_some(taken)
    }
}

fn bytes_of(day: Date) -> [u8; 4] {
    let [a, b] = day.year().to_be_bytes();
    [a, b, day.month() as u8, day.day() as u8]
}

impl Question {
    pub(super) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Who { cookie_tag } => [&[1, VERSION][..], cookie_tag].concat(),
            Self::Key { site, day, known, public } => {
                [&[2][..], &bytes_of(*day), known, public, site.as_bytes()].concat()
            }
            Self::Erase { site, day, id } => [&[3][..], &bytes_of(*day), id, site.as_bytes()].concat(),
            Self::Marks { process, from, node } => {
                [&[4][..], &process.to_be_bytes(), &from.to_be_bytes(), node.as_bytes()].concat()
            }
        }
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut rest = Rest(bytes);
        match rest.byte()? {
            1 if rest.byte()? == VERSION => {
                let cookie_tag = rest.take()?;
                rest.end(Self::Who { cookie_tag })
            }
            2 => {
                let (day, known, public) = (rest.day()?, rest.take()?, rest.take()?);
                Some(Self::Key { site: rest.text()?, day, known, public })
            }
            3 => {
                let (day, id) = (rest.day()?, rest.take()?);
                Some(Self::Erase { site: rest.text()?, day, id })
            }
            4 => {
                let (process, from) = (u64::from_be_bytes(rest.take()?), u64::from_be_bytes(rest.take()?));
                Some(Self::Marks { process, from, node: rest.text()? })
            }
            _ => None,
        }
    }
}

impl Answer {
    pub(super) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::None => vec![0],
            Self::Who { process, generation, cookie_tag } => {
                [&[1, VERSION][..], &process.to_be_bytes(), &generation.to_be_bytes(), cookie_tag].concat()
            }
            Self::Same => vec![2],
            Self::Key { mark: KeyMark { made: (s, ns), tag }, public, sealed } => {
                [&[3][..], &s.to_be_bytes(), &ns.to_be_bytes(), tag, public, sealed].concat()
            }
            Self::Destroyed { tag } => [&[4][..], tag].concat(),
            Self::Erased => vec![5],
        }
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut rest = Rest(bytes);
        let answer = match rest.byte()? {
            0 => Self::None,
            1 if rest.byte()? == VERSION => Self::Who {
                process: u64::from_be_bytes(rest.take()?),
                generation: u64::from_be_bytes(rest.take()?),
                cookie_tag: rest.take()?,
            },
            2 => Self::Same,
            3 => {
                let made = (i64::from_be_bytes(rest.take()?), i64::from_be_bytes(rest.take()?));
                let mark = KeyMark { made, tag: rest.take()? };
                Self::Key { mark, public: rest.take()?, sealed: rest.take()? }
            }
            4 => Self::Destroyed { tag: rest.take()? },
            5 => Self::Erased,
            _ => return None,
        };
        rest.end(answer)
    }
}

impl News {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let marked = |head: &[u8], marks: &[u64]| {
            let marks = marks.iter().flat_map(|mark| mark.to_be_bytes());
            head.iter().copied().chain(marks).collect()
        };
        match self {
            Self::Kept { process, next, marks } => {
                marked(&[&[6][..], &process.to_be_bytes(), &next.to_be_bytes()].concat(), marks)
            }
            Self::InStep => vec![7],
            Self::Writing(marks) => marked(&[8], marks),
            Self::Written(is_durable) => vec![9, u8::from(*is_durable)],
            Self::Nothing => vec![10],
        }
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut rest = Rest(bytes);
        match rest.byte()? {
            6 => {
                let (process, next) = (u64::from_be_bytes(rest.take()?), u64::from_be_bytes(rest.take()?));
                Some(Self::Kept { process, next, marks: rest.marks()? })
            }
            7 => rest.end(Self::InStep),
            8 => rest.marks().map(Self::Writing),
            9 => {
                let is_durable = rest.byte().filter(|byte| *byte <= 1)? == 1;
                rest.end(Self::Written(is_durable))
            }
            10 => rest.end(Self::Nothing),
            _ => None,
        }
    }
}

/// A message with its length before it.
pub(super) fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).expect("no message is longer than NEWS_MAX");
    [&length.to_be_bytes()[..], message].concat()
}

/// Writes a message. The caller flushes.
pub(super) async fn write(stream: &mut (impl AsyncWrite + Unpin), message: &[u8]) -> io::Result<()> {
    stream.write_all(&framed(message)).await
}

/// Reads a message; `None` when the other side has ended the connection between two.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    read_of(MESSAGE_MAX, stream).await
}

/// Reads a message on a connection on which marks are heard.
pub(super) async fn read_news(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    read_of(NEWS_MAX, stream).await
}

async fn read_of(most: usize, stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 2];
    if stream.read(&mut length[..1]).await? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut length[1..]).await?;
    let length = usize::from(u16::from_be_bytes(length));
    if length > most {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a message is too long"));
    }
    let mut message = vec![0; length];
    stream.read_exact(&mut message).await?;
    Ok(Some(message))
}

/// What a message that cannot be understood is.
pub(super) fn strange() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a message of another version, or none")
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_message_is_read_as_it_was_written_and_fits() {
        let site = "s".repeat(200);
        let (cookie_tag, day) = ([1; 8], date(2026, 11, 29));
        for question in [
            Question::Who { cookie_tag },
            Question::Key { site: site.clone(), day, known: [2; 16], public: [3; 32] },
            Question::Erase { site, day, id: [8; 16] },
            Question::Marks { process: 9, from: u64::MAX, node: "n".repeat(64) },
        ] {
            assert_eq!(Question::parse(&question.bytes()).as_ref(), Some(&question));
            assert!(question.bytes().len() <= MESSAGE_MAX);
        }
        let mark = KeyMark { made: (-1, 7), tag: [4; 16] };
        for answer in [
            Answer::None,
            Answer::Same,
            Answer::Who { process: 1, generation: u64::MAX, cookie_tag },
            Answer::Key { mark, public: [5; 32], sealed: [6; 32] },
            Answer::Destroyed { tag: [7; 16] },
            Answer::Erased,
        ] {
            let bytes = answer.bytes();
            assert_eq!(Answer::parse(&bytes), Some(answer));
            assert!(bytes.len() <= MESSAGE_MAX);
            assert_eq!(Answer::parse(&[&bytes[..], &[0]].concat()), None, "more than was expected");
        }
        let marks: Vec<u64> = (0..MARKS_TOGETHER as u64).collect();
        for news in [
            News::Kept { process: 1, next: u64::MAX, marks: marks.clone() },
            News::InStep,
            News::Writing(marks),
            News::Written(true),
            News::Written(false),
            News::Nothing,
        ] {
            let bytes = news.bytes();
            assert_eq!(News::parse(&bytes), Some(news));
            assert!(bytes.len() <= NEWS_MAX);
            assert_eq!(News::parse(&[&bytes[..], &[0]].concat()), None, "more than was expected");
        }
    }

    #[tokio::test]
    async fn a_message_that_says_that_it_is_long_is_not_waited_for() {
        assert!(read(&mut tokio::io::repeat(0xff)).await.is_err());
        assert!(read(&mut &[][..]).await.expect("an end").is_none());
        assert!(read(&mut &[0, 9, 1][..]).await.is_err(), "cut off");
    }

    proptest! {
        #[test]
        fn hostile_bytes_are_refused_or_mean_what_they_say(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            if let Some(question) = Question::parse(&bytes) {
                prop_assert_eq!(question.bytes(), bytes.clone());
            }
            if let Some(answer) = Answer::parse(&bytes) {
                prop_assert_eq!(answer.bytes(), bytes.clone());
            }
            if let Some(news) = News::parse(&bytes) {
                prop_assert_eq!(news.bytes(), bytes);
            }
        }
    }
}
