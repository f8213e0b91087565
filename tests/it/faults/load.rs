//! Beacons, and a journal of their answers.
//!
//! A beacon has an id twice, as the words of two paths, so that an altered row is noticed. Ids are letters: nothing
//! that looks like an identifier passes the collector.

use std::collections::{HashSet, VecDeque};
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use tamga::store::Store;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// A connection that is kept alive.
pub(super) struct Connection(TcpStream);

impl Connection {
    pub(super) async fn open(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self(stream))
    }

    /// Sends a beacon of which something is to be kept, and reads the status of its answer.
    pub(super) async fn send(&mut self, body: &str) -> io::Result<u16> {
        let (status, head) = self.exchange(body).await?;
        assert!(status != 202 || head.contains("tamga-outcome: accepted"), "{head}");
        assert!(status != 503 || head.contains("retry-after: "), "{head}");
        Ok(status)
    }

    /// Sends a beacon that may have been kept before.
    async fn send_once_more(&mut self, body: &str) -> io::Result<u16> {
        Ok(self.exchange(body).await?.0)
    }

    /// Sends a beacon of which nothing is kept.
    pub(super) async fn send_unheeded(&mut self, body: &str) -> io::Result<u16> {
        let (status, head) = self.exchange(body).await?;
        assert!(head.contains("tamga-outcome: dropped"), "{head}");
        Ok(status)
    }

    async fn exchange(&mut self, body: &str) -> io::Result<(u16, String)> {
        let request = format!(
            "POST /v1/beacon HTTP/1.1\r\nHost: t.shop.kz\r\nOrigin: https://shop.kz\r\nContent-Type: text/plain\r\n\
             User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0\r\n\
             Accept-Language: kk\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.0.write_all(request.as_bytes()).await?;
        let mut answer = Vec::with_capacity(1024);
        let head = loop {
            if self.0.read_buf(&mut answer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let text = String::from_utf8_lossy(&answer[..head]).to_ascii_lowercase();
        let length = text.split_once("content-length: ").map_or("0", |(_, rest)| rest.split("\r\n").next().unwrap());
        let whole = head + length.parse::<usize>().unwrap();
        while answer.len() < whole {
            if self.0.read_buf(&mut answer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok((text[9..12].parse().unwrap(), text))
    }
}

/// Sixteen letters for sixteen numbers, eight of them an id.
fn letters(id: u64) -> String {
    (0..8).map(|at| char::from(b'a' + (id >> (28 - 4 * at) & 15) as u8)).collect()
}

/// The second form of the id of a beacon.
fn mask(id: u64) -> u64 {
    (id ^ 0x5a5a_5a5a).wrapping_mul(0x9e37_79b1) & 0xffff_ffff
}

/// A view id that nobody else has.
pub(super) fn view(id: u64) -> String {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&id.to_le_bytes());
    bytes[8..].copy_from_slice(&u64::from(std::process::id()).to_le_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What was sent, and what was acknowledged: in memory, and on the disk as a client that counts on it would have it.
pub(super) struct Journal {
    next: AtomicU64,
    /// How many beacons were sent again.
    again: AtomicU64,
    kept: Mutex<Kept>,
}

struct Kept {
    file: File,
    acknowledged: HashSet<u64>,
    refused: u64,
}

impl Journal {
    pub(super) fn new(path: &Path) -> Self {
        let kept = Kept { file: File::create(path).unwrap(), acknowledged: HashSet::new(), refused: 0 };
        Self { next: AtomicU64::new(1), again: AtomicU64::new(0), kept: Mutex::new(kept) }
    }

    /// A new beacon of one event.
    pub(super) fn beacon(&self) -> (u64, String) {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        (id, Self::body(id))
    }

    /// The beacon with this id.
    fn body(id: u64) -> String {
        format!(
            "{{\"v\":1,\"site\":\"shop.kz\",\"view\":\"{}\",\"seq\":0,\"events\":[{{\"type\":\"view\",\"at\":0,\
             \"url\":\"https://shop.kz/e/{}\",\"referrer\":\"https://shop.kz/r/{}\"}}]}}",
            view(id),
            letters(id),
            letters(mask(id))
        )
    }

    /// Notes an answer; whether it was an acknowledgement.
    pub(super) fn answered(&self, id: u64, status: u16) -> bool {
        let mut kept = self.kept.lock().unwrap();
        match status {
            202 => {
                kept.file.write_all(&id.to_le_bytes()).unwrap();
                assert!(kept.acknowledged.insert(id));
            }
            503 => kept.refused += 1,
            other => panic!("answered {other}"),
        }
        status == 202
    }

    pub(super) fn acknowledged(&self) -> usize {
        self.kept.lock().unwrap().acknowledged.len()
    }

    pub(super) fn sent_again(&self) -> u64 {
        self.again.load(Ordering::Relaxed)
    }

    pub(super) fn refused(&self) -> u64 {
        self.kept.lock().unwrap().refused
    }

    /// Compares the vault with the journal. How many rows the vault has; those beyond the acknowledged ones were under
    /// way when a program died.
    pub(super) async fn compare(&self, vault: &Store) -> u64 {
        #[derive(Deserialize)]
        struct Row {
            path: String,
            before: String,
            times: u64,
        }
        let sent = self.next.load(Ordering::Relaxed);
        let mut missing = {
            let kept = self.kept.lock().unwrap();
            kept.file.sync_data().unwrap();
            kept.acknowledged.clone()
        };
        let (mut stored, mut twice, mut altered) = (0, 0, 0);
        // In parts, because an answer is bounded.
        for part in 'a'..='p' {
            let sql = "SELECT path, previous_path AS before, count() AS times FROM events \
                       WHERE endsWith(path, {part:String}) GROUP BY path, before";
            for row in vault.rows::<Row>(sql, &[("part", part.to_string())]).await.unwrap() {
                let id = row.path.strip_prefix("/e/").map_or(0, |id| {
                    id.bytes().fold(0, |id, letter| id << 4 | u64::from(letter.wrapping_sub(b'a') & 15))
                });
                stored += row.times;
                let known = 0 < id && id < sent;
                altered += u64::from(!known || row.path != format!("/e/{}", letters(id)));
                altered += u64::from(row.before != format!("/r/{}", letters(mask(id))));
                twice += row.times - 1;
                missing.remove(&id);
            }
        }
        let rows =
            vault.rows::<serde_json::Value>("SELECT toUInt32(count()) AS number FROM events", &[]).await.unwrap();
        altered += rows[0]["number"].as_u64().unwrap() - stored; // Paths that no beacon of the test has.
        assert_eq!(
            (missing.len(), twice, altered),
            (0, 0, 0),
            "lost, twice, altered; of {} acknowledged",
            self.acknowledged()
        );
        stored
    }
}

/// How many acknowledged beacons a connection sends once more.
const ONCE_MORE: usize = 4;

/// One connection of [`Load::retrying`], until it is cut.
async fn retry(
    mut connection: Connection,
    stop: &AtomicBool,
    journal: &Journal,
    unanswered: &mut Option<u64>,
    last: &mut VecDeque<u64>,
) -> io::Result<()> {
    for id in last.iter() {
        let status = connection.send_once_more(&Journal::body(*id)).await?;
        assert!(status == 202 || status == 503, "answered {status}");
        journal.again.fetch_add(1, Ordering::Relaxed);
    }
    while !stop.load(Ordering::Relaxed) || unanswered.is_some() {
        journal.again.fetch_add(u64::from(unanswered.is_some()), Ordering::Relaxed);
        let id = *unanswered.get_or_insert_with(|| journal.beacon().0);
        if journal.answered(id, connection.send_once_more(&Journal::body(id)).await?) {
            last.extend(unanswered.take());
            last.drain(..last.len().saturating_sub(ONCE_MORE));
        } else {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    Ok(())
}

/// Connections that send beacons one after the other, and come back when they are cut.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

impl Load {
    pub(super) fn start(port: u16, connections: usize, journal: &Arc<Journal>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for _ in 0..connections {
            let (stop, journal) = (Arc::clone(&stop), Arc::clone(journal));
            tasks.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let Ok(mut connection) = Connection::open(port).await else {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                        continue;
                    };
                    while !stop.load(Ordering::Relaxed) {
                        let (id, body) = journal.beacon();
                        match connection.send(&body).await {
                            // After a 503 the beacon is sent again a little later.
                            Ok(status) if !journal.answered(id, status) => {
                                tokio::time::sleep(Duration::from_millis(5)).await;
                            }
                            Ok(_) => {}
                            Err(_) => break,
                        }
                    }
                }
            });
        }
        Self { stop, tasks }
    }

    /// Connections that send each beacon until it is acknowledged, as the snippet does; and after each cut, the last
    /// acknowledged ones once more, as if their answers had been lost.
    pub(super) fn retrying(port: u16, connections: usize, journal: &Arc<Journal>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for _ in 0..connections {
            let (stop, journal) = (Arc::clone(&stop), Arc::clone(journal));
            tasks.spawn(async move {
                let (mut unanswered, mut last) = (None, VecDeque::new());
                while !stop.load(Ordering::Relaxed) || unanswered.is_some() {
                    if let Ok(connection) = Connection::open(port).await {
                        // It ends with the connection.
                        let _ = retry(connection, &stop, &journal, &mut unanswered, &mut last).await;
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            });
        }
        Self { stop, tasks }
    }

    /// Ends it once every beacon under way is answered.
    pub(super) async fn stop(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
    }
}
