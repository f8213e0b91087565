//! Nodes with addresses and certificates of their own, in this process: what each asks, and who answers it.

use std::path::Path;
use std::sync::Arc;

use jiff::civil::Date;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tamga::clock::Clock;
use tamga::config::Config;
use tamga::peers::{Keeper, Marks, NodeTrouble};
use tamga::privacy::keys::{KeyMark, KeyRing};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::support::ports;

pub(super) const SITE: &str = "jetpay.kz";
/// Noon in Almaty.
pub(super) const NOON: &str = "2026-11-22T07:00:00Z";

/// An authority that certifies nodes.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Writes a certificate for a host, its key, and the certificate of this authority.
    pub(crate) fn certify(&self, host: &str, folder: &Path) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        std::fs::write(folder.join("node.pem"), params.signed_by(&key, &self.issuer).unwrap().pem()).unwrap();
        std::fs::write(folder.join("node.key"), key.serialize_pem()).unwrap();
        std::fs::write(folder.join("ca.pem"), &self.pem).unwrap();
    }
}

/// The addresses of so many nodes, each on a machine of its own.
pub(crate) fn addresses(count: usize) -> Vec<String> {
    (1..=count).map(|node| format!("127.0.0.{node}:{}", ports::pair())).collect()
}

/// The section of node `number`, whose certificate is in the folder.
pub(crate) fn peers_section(folder: &Path, addresses: &[String], number: usize) -> String {
    let nodes: Vec<_> = addresses.iter().enumerate().map(|(at, address)| format!("n{at} = '{address}'")).collect();
    let path = |name: &str| folder.join(name).display().to_string();
    format!(
        "[peers]\nlisten = '{}'\nnodes = {{ {} }}\ncertificate_file = '{}'\nkey_file = '{}'\nca_file = '{}'\n",
        addresses[number],
        nodes.join(", "),
        path("node.pem"),
        path("node.key"),
        path("ca.pem"),
    )
}

/// A machine with a node.
pub(super) struct Machine {
    pub(super) keys: Arc<KeyRing>,
    pub(super) clock: Clock,
    _folder: TempDir,
    pub(super) dir: TempDir,
    pub(super) keeper: Keeper,
    /// What it says of the beacons that it takes.
    pub(super) marks: Arc<Marks>,
    listen: String,
    connected: Option<CancellationToken>,
}

impl Machine {
    /// Node `number` of those at the addresses. It asks; nobody can ask it yet.
    pub(super) fn new(authority: &Authority, addresses: &[String], number: usize, cookie: u8) -> Self {
        let (folder, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir_in("/dev/shm").unwrap());
        let listen = addresses[number].clone();
        authority.certify(listen.split(':').next().unwrap(), folder.path());
        let peers = peers_section(folder.path(), addresses, number);
        let text = Config::example().replace("[server]", &format!("[server]\nnode = 'n{number}'")) + &peers;
        let config = Config::parse(&text, Path::new("tamga.toml"), std::iter::empty()).unwrap();
        let ring = KeyRing::open(dir.path()).unwrap().remembering(&folder.path().join("keys-seen.json")).unwrap();
        let (keys, clock) = (Arc::new(ring), Clock::simulated(NOON.parse().unwrap()));
        let settings = config.peers.clone().unwrap();
        let marks = Arc::new(Marks::new(addresses.len() - 1));
        let keeper = Keeper::new(&config, &settings, keys.clone(), clock.clone(), [cookie; 8], marks.clone()).unwrap();
        Self { keys, clock, _folder: folder, dir, keeper, marks, listen, connected: None }
    }

    /// From now on others reach it.
    pub(super) async fn connect(&mut self) {
        let listener = TcpListener::bind(&self.listen).await.unwrap();
        let connected = CancellationToken::new();
        tokio::spawn(self.keeper.answer(listener, connected.clone()));
        self.connected = Some(connected);
    }

    /// From now on nobody reaches it.
    pub(super) fn cut_off(&mut self) {
        self.connected.take().unwrap().cancel();
    }

    /// It asks all others once.
    pub(super) async fn round(&mut self) -> Vec<NodeTrouble> {
        self.keeper.round().await
    }

    pub(super) fn mark(&self, day: Date) -> Option<KeyMark> {
        self.keys.mark(&SITE.into(), day).unwrap()
    }

    /// What a beacon of this day does. Returns a pseudonym.
    pub(super) fn beacon(&self, day: Date) -> [u8; 16] {
        *self.keys.day_key(&SITE.into(), day).unwrap().visitor(&[1; 16]).bytes()
    }

    /// Destroys what is dead by this machine's clock.
    pub(super) fn sweep(&self) {
        let zone = jiff::tz::TimeZone::get("Asia/Almaty").unwrap();
        self.keys.sweep(self.clock.now(), &[(SITE.into(), zone)].into()).unwrap();
    }
}

/// All of them, connected with each other.
pub(super) async fn machines(authority: &Authority, count: usize) -> Vec<Machine> {
    let addresses = addresses(count);
    let mut machines: Vec<_> = (0..count).map(|number| Machine::new(authority, &addresses, number, 7)).collect();
    for machine in &mut machines {
        machine.connect().await;
    }
    machines
}

/// So many rounds of each.
pub(super) async fn rounds(machines: &mut [Machine], count: usize) {
    for _ in 0..count {
        for machine in &mut *machines {
            machine.round().await;
        }
    }
}
