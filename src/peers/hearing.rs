//! Hears from another node which beacons it takes, so that they are known here when they come again.
//!
//! One connection to each other node, on which only that node speaks ([`marks`](super::marks)). It first says what this node has
//! not heard yet: after a start all, after a gap what is new. When it is silent for [`SILENCE`] or the connection ends,
//! it is lost, and this node connects again and again.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;
use tokio_rustls::rustls::pki_types::ServerName;

use super::Shared;
use super::answering::within;
use super::peer::{CONNECT, connect};
use super::wire::{self, News, Question};

/// How often a node says something ([`Marks::beat`](super::Marks::beat)).
pub(super) const BEAT: Duration = Duration::from_secs(1);
/// How long a node may say nothing before the connection counts as lost.
const SILENCE: Duration = Duration::from_secs(3);
/// How long to wait before a node is connected again.
const AGAIN: Duration = Duration::from_millis(500);

/// What is heard of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    /// It has taken these beacons.
    Kept(&'a [u64]),
    /// It is writing these, beside those that it said before.
    Writing(&'a [u64]),
    /// What it was writing is durable, or is not there.
    Written(bool),
    /// It has said all, and writes nothing.
    InStep,
    /// It is out of reach. What becomes of what it was writing is not known.
    Lost,
}

/// Gets what is heard, with the number of the node.
pub(super) type Ear = Arc<dyn Fn(usize, Heard<'_>) + Send + Sync>;

/// The node that is heard.
pub(super) struct Speaker {
    /// This node's own name.
    pub(super) own: String,
    pub(super) number: usize,
    pub(super) address: String,
    pub(super) host: ServerName<'static>,
}

/// Hears for ever. `tried` is dropped when all was heard for the first time, or the node could not be reached.
pub(super) async fn hear(speaker: Speaker, shared: Arc<Shared>, ear: Ear, tried: mpsc::Sender<()>) {
    let mut tried = Some(tried);
    // Of which process so many were heard.
    let mut heard = (0, 0);
    loop {
        // Whatever the reason is, it is connected again; that it cannot be reached is said with the keys.
        let _ = hear_once(&speaker, &shared, &ear, &mut heard, &mut tried).await;
        ear(speaker.number, Heard::Lost);
        tried = None;
        tokio::time::sleep(AGAIN).await;
    }
}

async fn hear_once(
    speaker: &Speaker,
    shared: &Shared,
    ear: &Ear,
    heard: &mut (u64, u64),
    tried: &mut Option<mpsc::Sender<()>>,
) -> io::Result<()> {
    let mut stream = within(CONNECT, connect(&speaker.address, &speaker.host, shared)).await?;
    let question = Question::Marks { process: heard.0, from: heard.1, node: speaker.own.clone() };
    wire::write(&mut stream, &question.bytes()).await?;
    stream.flush().await?;
    let mut writing = 0;
    loop {
        let message = within(SILENCE, wire::read_news(&mut stream)).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        match News::parse(&message).ok_or_else(wire::strange)? {
            News::Kept { process, next, marks } => {
                ear(speaker.number, Heard::Kept(&marks));
                *heard = (process, next);
            }
            News::InStep => {
                ear(speaker.number, Heard::InStep);
                *tried = None;
            }
            News::Writing(marks) => {
                ear(speaker.number, Heard::Writing(&marks));
                writing += marks.len() as u64;
            }
            News::Written(is_durable) => {
                ear(speaker.number, Heard::Written(is_durable));
                heard.1 += if is_durable { writing } else { 0 };
                writing = 0;
            }
            News::Nothing => {}
        }
    }
}
