//! The side of a node that is asked. It hands what it has and never makes a key for another.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::order::Order;
use super::sealed::Once;
use super::tls::is_for;
use super::wire::{self, Answer, Question};
use crate::privacy::keys::KeyRing;
use crate::secret::Personal;

/// How long a hand may take to be shaken, or an answer to be taken.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long a node may ask nothing: it asks every two seconds.
const SILENCE: Duration = Duration::from_secs(30);
/// Connections for each other node; it needs one.
const CONNECTIONS: usize = 4;

/// Answers the nodes at these hosts until `shutdown`.
pub(super) async fn answer(
    listener: TcpListener,
    shared: Arc<Shared>,
    others: Arc<[ServerName<'static>]>,
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

async fn converse(stream: TcpStream, shared: &Shared, others: &[ServerName<'static>]) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let acceptor = shared.identity.load().acceptor.clone();
    let stream = within(DEADLINE, acceptor.accept(stream)).await?;
    let leaf = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    if !leaf.is_some_and(|leaf| others.iter().any(|host| is_for(leaf, host).is_ok())) {
        tracing::warn!(
            "somebody with a certificate of [peers] ca_file that is no node's asked for day keys, and was refused"
        );
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    answer_all(stream, shared).await
}

async fn answer_all(mut stream: impl AsyncRead + AsyncWrite + Unpin, shared: &Shared) -> io::Result<()> {
    while let Some(question) = within(SILENCE, wire::read(&mut stream)).await? {
        let question = Question::parse(&question).ok_or_else(wire::strange)?;
        let answer = match question {
            Question::Erase { site, day, id } => erase(&site, day, Personal::new(id), shared).await,
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
        return Answer::Who { process: shared.process, generation, cookie_tag };
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
