//! Sees to it that all nodes have one key for each site's day, and have it before the first beacon of the day.
//!
//! A node wants the keys of today, of tomorrow a quarter of an hour before midnight, and of yesterday while that key lives. It
//! asks all others for those that it lacks. If none has it, one node makes it: the first of those that can be reached, in an
//! order that a hash of site and day decides, the same at every node. The others get it a moment later. If a node cannot be
//! reached it may have the key, so then nobody makes one for a while ([`PATIENCE`]). After twice that time a node that has none
//! makes its own, so that it takes beacons whatever the others do. Yesterday's key is never made.

use std::collections::{HashMap, HashSet};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::hearing::{BEAT, Heard, Speaker, hear};
use super::order::{Order, Orders};
use super::peer::{Compared, Peer, SiteDay};
use super::tls::{Identity, IdentityError, host};
use super::{Marks, Shared, answering};
use crate::clock::Clock;
use crate::config::{Config, Peers};
use crate::privacy::keys::{GRACE_MINUTES, KeyRing};

/// How often the others are asked.
const EVERY: Duration = Duration::from_secs(2);
/// At the start, while keys of today are missing.
const EVERY_AT_FIRST: Duration = Duration::from_millis(200);
/// How long before its day a key is made.
const AHEAD_MINUTES: i64 = 15;
/// How long a missing key is not made while a node that may have it cannot be reached.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often the certificate is read again.
const READ_EVERY: Duration = Duration::from_secs(60);

/// Orders that wait for the next round.
const ORDERS_WAITING: usize = 1024;

/// Why a node has no keys in common with this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeTrouble {
    /// Its name.
    pub node: String,
    /// The reason, as the end of a sentence.
    pub why: String,
}

/// See the module.
pub struct Keeper {
    shared: Arc<Shared>,
    settings: Peers,
    own: String,
    peers: Vec<Peer>,
    sender: mpsc::Sender<Order>,
    orders: mpsc::Receiver<Order>,
    /// Since when a key is missing.
    missing: HashMap<SiteDay, Instant>,
    read_at: Instant,
}

/// What a node wants at a time.
struct Wanted {
    /// Keys that it makes if nobody has them.
    needed: Vec<SiteDay>,
    /// Those, and yesterday's.
    all: Vec<SiteDay>,
}

impl Keeper {
    /// A node of `[peers]`, which are given. Nothing is asked or answered yet.
    pub fn new(
        config: &Config,
        settings: &Peers,
        keys: Arc<KeyRing>,
        clock: Clock,
        cookie_tag: [u8; 8],
        marks: Arc<Marks>,
    ) -> Result<Self, IdentityError> {
        let own = config.server.node.clone().unwrap_or_default();
        let identity = ArcSwap::from_pointee(Identity::open(settings, &own)?);
        let zones = config.time_zones();
        let shared = Shared { keys, clock, zones, cookie_tag, identity, marks, eraser: OnceLock::new() };
        let (sender, orders) = mpsc::channel(ORDERS_WAITING);
        let others = settings.nodes.iter().filter(|(name, _)| **name != own);
        let peers = others.filter_map(|(name, address)| Some(Peer::new(name, address, host(address)?))).collect();
        let (settings, missing) = (settings.clone(), HashMap::new());
        let (shared, read_at) = (Arc::new(shared), Instant::now());
        Ok(Self { shared, settings, own, peers, sender, orders, missing, read_at })
    }

    /// Answers the others until `shutdown`.
    pub fn answer(&self, listener: TcpListener, shutdown: CancellationToken) -> impl Future<Output = ()> + use<> {
        let others = self.settings.nodes.iter().filter(|(name, _)| **name != self.own);
        let others: Arc<[_]> = others.filter_map(|(name, address)| Some((name.clone(), host(address)?))).collect();
        answering::answer(listener, self.shared.clone(), others, shutdown)
    }

    /// Hears which beacons the others take until `shutdown`, and lets them hear that this node lives. Returns when those that
    /// can be reached have said all. `ear` gets what is heard, with the number of the node.
    pub async fn hear(&self, ear: impl Fn(usize, Heard<'_>) + Send + Sync + 'static, shutdown: &CancellationToken) {
        let (ear, (tried, mut all_tried)): (Arc<_>, _) = (Arc::new(ear), mpsc::channel(1));
        for (number, peer) in self.peers.iter().enumerate() {
            let (own, (address, host)) = (self.own.clone(), peer.place());
            let hearing = hear(Speaker { own, number, address, host }, self.shared.clone(), ear.clone(), tried.clone());
            tokio::spawn(shutdown.clone().run_until_cancelled_owned(hearing));
        }
        let shared = self.shared.clone();
        tokio::spawn(shutdown.clone().run_until_cancelled_owned(async move {
            loop {
                tokio::time::sleep(BEAT).await;
                shared.marks.beat();
            }
        }));
        drop(tried);
        let _ = tokio::time::timeout(PATIENCE, all_tried.recv()).await;
    }

    /// Where erasures that were taken here go. What the others order is carried out by `eraser` from now on.
    pub fn orders(
        &self,
        eraser: impl Fn(Order) -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync + 'static,
    ) -> Orders {
        let _ = self.shared.eraser.set(Box::new(eraser));
        Orders(self.sender.clone())
    }

    /// Asks until the keys of today are there, or others were given enough time to be reached.
    pub async fn first(&mut self) {
        let began = Instant::now();
        // After a restart they are mostly there.
        while self.wanted().is_some_and(|wanted| !self.lacking(&wanted.needed).is_empty())
            && began.elapsed() <= 2 * PATIENCE
        {
            self.round().await;
            tokio::time::sleep(EVERY_AT_FIRST).await;
        }
    }

    /// Asks again and again until `shutdown`. `report` gets the troubles of each round.
    pub async fn run(mut self, report: impl Fn(usize, Vec<NodeTrouble>), shutdown: CancellationToken) {
        let rounds = async {
            loop {
                self.read_certificate();
                let troubles = self.round().await;
                report(self.peers.len(), troubles);
                // An order does not wait for the next round.
                tokio::select! {
                    () = tokio::time::sleep(EVERY) => {}
                    order = self.orders.recv() => order.into_iter().for_each(|order| self.pass(order)),
                }
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = rounds => {}
        }
    }

    /// Takes a renewed certificate. One that cannot be used is said, and the old one stays.
    fn read_certificate(&mut self) {
        if self.read_at.elapsed() < READ_EVERY {
            return;
        }
        self.read_at = Instant::now();
        match Identity::open(&self.settings, &self.own) {
            Ok(identity) => self.shared.identity.store(Arc::new(identity)),
            Err(error) => tracing::error!(%error, "the certificate of [peers] is not read again, the old one stays"),
        }
    }

    /// Asks all others once, at the same time, and makes what it is this node's turn to make.
    pub async fn round(&mut self) -> Vec<NodeTrouble> {
        while let Ok(order) = self.orders.try_recv() {
            self.pass(order);
        }
        let Some(wanted) = self.wanted() else { return Vec::new() };
        let is_missing = !self.lacking(&wanted.needed).is_empty();
        let all: Arc<[SiteDay]> = wanted.all.into();
        let mut rounds = JoinSet::new();
        for mut peer in self.peers.drain(..) {
            let (shared, all) = (self.shared.clone(), all.clone());
            rounds.spawn(async move {
                let compared = peer.compare(&shared, &all, is_missing).await;
                (peer, compared)
            });
        }
        let (mut troubles, mut reached) = (Vec::new(), HashSet::from([self.own.clone()]));
        for (peer, compared) in rounds.join_all().await {
            if compared.is_ok() {
                reached.insert(peer.name.clone());
            }
            troubles.extend(trouble(&compared).map(|why| NodeTrouble { node: peer.name.clone(), why }));
            self.peers.push(peer);
        }
        self.make(&wanted.needed, &reached);
        troubles.sort_by(|a, b| a.node.cmp(&b.node));
        troubles
    }

    fn pass(&mut self, order: Order) {
        let order = Arc::new(order);
        self.peers.iter_mut().for_each(|peer| peer.pass(order.clone()));
    }

    /// Makes the keys that are missing everywhere, if it is this node's turn or nobody else does.
    fn make(&mut self, needed: &[SiteDay], reached: &HashSet<String>) {
        let lacking = self.lacking(needed);
        self.missing.retain(|of, _| lacking.contains(of));
        for (site, day) in lacking {
            let since = *self.missing.entry((site.clone(), day)).or_insert_with(Instant::now);
            let maker = reached.iter().max_by_key(|node| turn(&site, day, node));
            let is_known = reached.len() > self.peers.len() || since.elapsed() > PATIENCE;
            let is_own_turn = is_known && maker == Some(&self.own) || since.elapsed() > 2 * PATIENCE;
            if is_own_turn && let Err(error) = self.shared.keys.make(&site, day) {
                tracing::error!(%error, "no key for a site's day can be made");
            }
        }
    }

    fn lacking(&self, needed: &[SiteDay]) -> Vec<SiteDay> {
        let is_lacking = |(site, day): &&SiteDay| !matches!(self.shared.keys.mark(site, *day), Ok(Some(_)));
        needed.iter().filter(is_lacking).cloned().collect()
    }

    /// `None` while nobody knows the day.
    fn wanted(&self) -> Option<Wanted> {
        let now = Timestamp::from_millisecond(self.shared.clock.known_ms()?).ok()?;
        let (mut needed, mut yesterday) = (Vec::new(), Vec::new());
        for (site, zone) in &self.shared.zones {
            let day = |at: Timestamp| (site.clone(), zone.to_datetime(at).date());
            let (before, today, next) = (
                day(now - SignedDuration::from_mins(GRACE_MINUTES)),
                day(now),
                day(now + SignedDuration::from_mins(AHEAD_MINUTES)),
            );
            yesterday.extend((before != today).then_some(before));
            needed.extend((next != today).then_some(next));
            needed.push(today);
        }
        needed.sort();
        let all = needed.iter().cloned().chain(yesterday).collect();
        Some(Wanted { needed, all })
    }
}

/// The node with the highest number makes a key.
fn turn(site: &str, day: jiff::civil::Date, node: &str) -> [u8; 32] {
    *blake3::hash(format!("{site} {day} {node}").as_bytes()).as_bytes()
}

/// Why a node has no keys in common with this one, if so.
fn trouble(compared: &io::Result<Compared>) -> Option<String> {
    match compared {
        Ok(Compared { has_other_cookie_key: false }) => None,
        Ok(_) => Some(
            "has another cookie key, so it does not know this node's visitors: copy the file of [cookie] key_file"
                .to_owned(),
        ),
        Err(error) => Some(format!("cannot be asked for keys: {error}")),
    }
}
