//! The side of a node that asks: one connection to each other node, and what its answers change in the own keys.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

use super::Shared;
use super::answering::within;
use super::order::Order;
use super::sealed::Once;
use super::wire::{self, Answer, Question};
use crate::config::host_and_port;
use crate::privacy::keys::KeyRing;

/// How long a connection may take to be there. A machine that is gone answers nothing.
pub(super) const CONNECT: Duration = Duration::from_secs(2);
/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(5);
/// Questions that are sent before their answers are read.
const TOGETHER: usize = 64;

/// Orders that wait for a node that is away.
const ORDERS_MAX: usize = 10_000;

/// A site and one of its days.
pub(super) type SiteDay = (Arc<str>, Date);

/// Another node.
pub(super) struct Peer {
    pub(super) name: String,
    address: String,
    host: ServerName<'static>,
    stream: Option<TlsStream<TcpStream>>,
    /// Orders that it has not carried out yet.
    orders: VecDeque<Arc<Order>>,
    /// Its process, its generation and the own one when all keys were compared last.
    compared: Option<(u64, u64, u64)>,
}

/// How a round with a node went.
pub(super) struct Compared {
    /// It has another cookie key.
    pub(super) has_other_cookie_key: bool,
}

impl Peer {
    pub(super) fn new(name: &str, address: &str, host: ServerName<'static>) -> Self {
        Self {
            name: name.to_owned(),
            address: address.to_owned(),
            host,
            stream: None,
            orders: VecDeque::new(),
            compared: None,
        }
    }

    /// Where it is reached.
    pub(super) fn place(&self) -> (String, ServerName<'static>) {
        (self.address.clone(), self.host.clone())
    }

    /// Lets an order wait for the next round. The oldest goes if too many wait.
    pub(super) fn pass(&mut self, order: Arc<Order>) {
        if self.orders.len() >= ORDERS_MAX {
            self.orders.pop_front();
            tracing::error!(node = self.name, "an erasure is not passed on to a node that is away: too many wait");
        }
        self.orders.push_back(order);
    }

    /// Asks for all these keys if the node's or the own ones may have changed, or one is missing here.
    pub(super) async fn compare(
        &mut self,
        shared: &Shared,
        wanted: &[SiteDay],
        is_missing: bool,
    ) -> io::Result<Compared> {
        let compared = self.try_compare(shared, wanted, is_missing).await;
        if compared.is_err() {
            (self.stream, self.compared) = (None, None);
        }
        compared
    }

    async fn try_compare(&mut self, shared: &Shared, wanted: &[SiteDay], is_missing: bool) -> io::Result<Compared> {
        let own = shared.keys.generation();
        let who = Question::Who { cookie_tag: shared.cookie_tag };
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => none.insert(within(CONNECT, connect(&self.address, &self.host, shared)).await?),
        };
        let answers = ask(stream, &[who]).await?;
        let Some(&Answer::Who { process, generation, cookie_tag }) = answers.first() else {
            return Err(wire::strange());
        };
        pass_all(stream, shared, &mut self.orders).await?;
        let now = (process, generation, own);
        if is_missing || self.compared != Some(now) {
            for wanted in wanted.chunks(TOGETHER) {
                take_all(stream, shared, wanted).await?;
            }
            self.compared = Some(now);
        }
        Ok(Compared { has_other_cookie_key: cookie_tag != shared.cookie_tag })
    }
}

pub(super) async fn connect(
    address: &str,
    host: &ServerName<'static>,
    shared: &Shared,
) -> io::Result<TlsStream<TcpStream>> {
    let place = host_and_port(address).ok_or(io::ErrorKind::InvalidInput)?;
    let stream = TcpStream::connect(place).await?;
    stream.set_nodelay(true)?;
    let connector = shared.identity.load().connector.clone();
    connector.connect(host.clone(), stream).await
}

/// Sends questions together, and reads their answers.
async fn ask(stream: &mut TlsStream<TcpStream>, questions: &[Question]) -> io::Result<Vec<Answer>> {
    let (mut reading, mut writing) = tokio::io::split(stream);
    let write = async {
        for question in questions {
            wire::write(&mut writing, &question.bytes()).await?;
        }
        writing.flush().await
    };
    let read = async {
        let mut answers = Vec::with_capacity(questions.len());
        for _ in questions {
            let message = within(ANSWER, wire::read(&mut reading)).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
            answers.push(Answer::parse(&message).ok_or_else(wire::strange)?);
        }
        Ok(answers)
    };
    let ((), answers) = tokio::try_join!(within(ANSWER, write), read)?;
    Ok(answers)
}

/// Passes on what waits. What the node cannot carry out now is passed on again in the next round.
async fn pass_all(
    stream: &mut TlsStream<TcpStream>,
    shared: &Shared,
    orders: &mut VecDeque<Arc<Order>>,
) -> io::Result<()> {
    let now = Timestamp::from_millisecond(shared.clock.now_ms()).unwrap_or(Timestamp::MAX);
    // With its key, whose rows they are is gone.
    orders.retain(|order| !KeyRing::is_dead(&order.site, order.day, now, &shared.zones));
    let mut refused = VecDeque::new();
    while !orders.is_empty() {
        let together: Vec<_> = orders.iter().take(TOGETHER).cloned().collect();
        let question = |order: &Arc<Order>| Question::Erase {
            site: order.site.to_string(),
            day: order.day,
            id: *order.id.expose(),
        };
        let answers = ask(stream, &together.iter().map(question).collect::<Vec<_>>()).await?;
        for (order, answer) in together.into_iter().zip(answers) {
            orders.pop_front();
            refused.extend((answer != Answer::Erased).then_some(order));
        }
    }
    *orders = refused;
    Ok(())
}

/// Asks for these keys, and takes those that hold against the own ones.
async fn take_all(stream: &mut TlsStream<TcpStream>, shared: &Shared, wanted: &[SiteDay]) -> io::Result<()> {
    let (mut questions, mut secrets) = (Vec::new(), Vec::new());
    for (site, day) in wanted {
        let once = Once::new().ok_or_else(|| io::Error::other("the system has no randomness to give"))?;
        let known = shared.keys.mark(site, *day).map_err(io::Error::other)?.map_or([0; 16], |mark| mark.tag);
        questions.push(Question::Key { site: site.to_string(), day: *day, known, public: once.public });
        secrets.push(once);
    }
    let answers = ask(stream, &questions).await?;
    for (((site, day), once), answer) in wanted.iter().zip(secrets).zip(answers) {
        match answer {
            Answer::None | Answer::Same => {}
            Answer::Key { mark, public, sealed } => {
                let key = once.open(&public, &sealed).ok_or_else(wire::strange)?;
                shared.keys.adopt(site, *day, mark, key).map_err(io::Error::other)?;
            }
            Answer::Destroyed { tag } => {
                if shared.keys.destroy_too(site, *day, tag).map_err(io::Error::other)? {
                    tracing::warn!(site = &**site, %day, "destroyed the key of a site's day: another node has, on purpose");
                }
            }
            Answer::Who { .. } | Answer::Erased => return Err(wire::strange()),
        }
    }
    Ok(())
}
