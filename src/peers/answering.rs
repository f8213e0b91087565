//! The side of a node that is asked. It hands what it has and never makes a key for another.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::marks::Listener;
use super::order::Order;
use super::sealed::Once;
use super::tls::is_for;
use super::wire::{self, Answer, News, Question};
use crate::privacy::keys::KeyRing;
use crate::secret::Personal;

/// How long a hand may take to be shaken, or an answer to be taken.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long a node may ask nothing: it asks every two seconds.
const SILENCE: Duration = Duration::from_secs(30);
/// Connections for each other node that are answered; it needs one, and another to begin to hear marks.
const CONNECTIONS: usize = 4;

/// Another node: its name, and the host that its certificate is for. Its number is its place among them.
pub(super) type Other = (String, ServerName<'static>);

/// Answers these nodes until `shutdown`.
pub(super) async fn answer(
    listener: TcpListener,
    shared: Arc<Shared>,
    others: Arc<[Other]>,
    shutdown: CancellationToken,
) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS * others.len()));
    loop {
        let accepting = async {
            let slot = slots.clone().acquire_owned().await.expect("nobody closes it");
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            () = shutdown.cancelled() => return,
            accepted = accepting => accepted,
        };
        let Ok((stream, _)) = accepted else {
            // Out of descriptors, mostly.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (shared, others, shutdown) = (shared.clone(), others.clone(), shutdown.clone());
        tokio::spawn(async move {
            let _slot = slot;
            tokio::select! {
                () = shutdown.cancelled() => {}
                // A connection that ends in whatever way is begun anew by who asks.
                _ = converse(stream, &shared, &others) => {}
            }
        });
    }
}

async fn converse(stream: TcpStream, shared: &Shared, others: &[Other]) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let acceptor = shared.identity.load().acceptor.clone();
    let stream = within(DEADLINE, acceptor.accept(stream)).await?;
    let leaf = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).map(|leaf| leaf.clone().into_owned());
    let leaf = leaf.filter(|leaf| others.iter().any(|(_, host)| is_for(leaf, host).is_ok()));
    let Some(leaf) = leaf else {
        tracing::warn!(
            "somebody with a certificate of [peers] ca_file that is no node's asked for day keys, and was refused"
        );
        return Err(io::ErrorKind::PermissionDenied.into());
    };
    answer_all(stream, &leaf, shared, others).await
}

async fn answer_all(
    mut stream: TlsStream<TcpStream>,
    leaf: &CertificateDer<'_>,
    shared: &Shared,
    others: &[Other],
) -> io::Result<()> {
    while let Some(question) = within(SILENCE, wire::read(&mut stream)).await? {
        let question = Question::parse(&question).ok_or_else(wire::strange)?;
        let answer = match question {
            Question::Erase { site, day, id } => erase(&site, day, Personal::new(id), shared).await,
            Question::Marks { process, from, node } => {
                let is_asker = |(name, host): &Other| *name == node && is_for(leaf, host).is_ok();
                let number = others.iter().position(is_asker).ok_or(io::ErrorKind::PermissionDenied)?;
                return speak(stream, number, (process, from), shared).await;
            }
            question => answer_to(&question, shared),
        };
        let writing = async {
            wire::write(&mut stream, &answer.bytes()).await?;
            stream.flush().await
        };
        within(DEADLINE, writing).await?;
    }
    Ok(())
}

/// Says what a node has not heard that heard so much of a process, and lets it hear what is new.
async fn speak(
    mut stream: TlsStream<TcpStream>,
    number: usize,
    (process, heard): (u64, u64),
    shared: &Shared,
) -> io::Result<()> {
    let marks = &shared.marks;
    let mut from = if process == marks.process() { heard } else { 0 };
    loop {
        let news = marks.from(from);
        let News::Kept { next, marks: together, .. } = &news else { break };
        // The last ones are said together with what is new meanwhile.
        if together.len() < wire::MARKS_TOGETHER {
            break;
        }
        from = *next;
        let writing = async {
            wire::write(&mut stream, &news.bytes()).await?;
            stream.flush().await
        };
        within(DEADLINE, writing).await?;
    }
    let (socket, tls) = stream.into_inner();
    marks.admit(number, from, Listener { socket: socket.into_std()?, tls })
}

pub(super) async fn within<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Carries out an order for a site and a day of which this node may have rows.
async fn erase(site: &str, day: Date, id: Personal<[u8; 16]>, shared: &Shared) -> Answer {
    let Some((site, _)) = shared.zones.get_key_value(site) else { return Answer::Erased };
    let Some(eraser) = shared.eraser.get() else { return Answer::None };
    if eraser(Order { site: site.clone(), day, id }).await { Answer::Erased } else { Answer::None }
}

fn answer_to(question: &Question, shared: &Shared) -> Answer {
    let Question::Key { site, day, known, public } = question else {
        let (generation, cookie_tag) = (shared.keys.generation(), shared.cookie_tag);
        return Answer::Who { process: shared.marks.process(), generation, cookie_tag };
    };
    let Some((site, _)) = shared.zones.get_key_value(site.as_str()) else { return Answer::None };
    let now = Timestamp::from_millisecond(shared.clock.now_ms()).unwrap_or(Timestamp::MAX);
    // Its file may lie there still: while clocks disagree, nothing is destroyed.
    if KeyRing::is_dead(site, *day, now, &shared.zones) {
        return Answer::None;
    }
    if *known != [0; 16] && shared.keys.refused(site, *day).is_ok_and(|tags| tags.contains(known)) {
        return Answer::Destroyed { tag: *known };
    }
    let handed = shared.keys.lend(site, *day, |mark, key| {
        if mark.tag == *known {
            return Some(Answer::Same);
        }
        let once = Once::new()?;
        let own = once.public;
        Some(Answer::Key { mark, public: own, sealed: once.seal(public, key)? })
    });
    match handed {
        Ok(handed) => handed.flatten().unwrap_or(Answer::None),
        Err(error) => {
            tracing::error!(%error, "a day key cannot be handed to another node");
            Answer::None
        }
    }
}
