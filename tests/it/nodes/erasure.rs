//! A visitor's rows wait in the spools of two nodes. Does an erasure at one reach them at the other, also if that was away?

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tamga::clock::Clock;
use tamga::config::Config;
use tamga::record::SCHEMA_VERSION;
use tamga::secret::Secret;
use tamga::serve::{self, Running};
use tamga::spool::{self, DeliveryLimits, Options};
use tempfile::TempDir;

use super::machines::{Authority, SITE, addresses, peers_section};
use crate::support::collector::{beacon_to, view_of};
use crate::support::http::{Answer, Call};
use crate::support::rows::Rows;
use crate::support::wait;

/// The longest time that a busy machine may take for anything here.
const PATIENCE: Duration = Duration::from_secs(180);

/// A node's folders and configuration, with stores that never answer.
pub(super) struct Ground {
    folder: TempDir,
    _keys: TempDir,
    text: String,
}

/// Two nodes whose cookie key lies in a folder that they share.
pub(super) fn two_grounds(shared: &TempDir) -> [Ground; 2] {
    let (authority, addresses, cookie_key) = (Authority::new(), addresses(2), shared.path().join("cookie.key"));
    [0, 1].map(|number| ground(&authority, &addresses, number, &cookie_key))
}

fn ground(authority: &Authority, addresses: &[String], number: usize, cookie_key: &Path) -> Ground {
    let (folder, keys) = (tempfile::tempdir().unwrap(), tempfile::tempdir_in("/dev/shm").unwrap());
    std::fs::set_permissions(keys.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    authority.certify(addresses[number].split(':').next().unwrap(), folder.path());
    std::fs::write(folder.path().join("password"), "x").unwrap();
    let store =
        format!("url = 'http://127.0.0.1:1'\nuser = 'tamga'\npassword_file = '{}/password'\n", folder.path().display());
    let text = format!(
        "[server]\nlisten = '127.0.0.1:0'\nadmin_listen = '127.0.0.1:0'\nnode = 'n{number}'\ntrusted_proxies = ['127.0.0.0/8']\n\
         [data]\ndir = '{}/data'\n[keys]\ndir = '{}'\n[cookie]\nkey_file = '{}'\n[vault]\n{store}[stats]\n{store}{}\
         [[site]]\ndomain = '{SITE}'\npublic_url = 'https://t.{SITE}'\norigins = ['https://{SITE}']\n\
         time_zone = 'Asia/Almaty'\nprofile = 'jetpay'\npaths = ['/', '/tariffs']\n",
        folder.path().display(),
        keys.path().display(),
        cookie_key.display(),
        peers_section(folder.path(), addresses, number),
    );
    Ground { folder, _keys: keys, text }
}

impl Ground {
    pub(super) async fn serve(&self, clock: &Clock) -> Running {
        let config = Config::parse(&self.text, &self.folder.path().join("tamga.toml"), std::iter::empty()).unwrap();
        serve::start(config, clock.clone()).await.unwrap()
    }

    /// The rows that wait in its spool, and the pseudonyms of the orders to erase.
    async fn spooled(&self, spool_key: &Path) -> (Rows, Vec<[u8; 16]>) {
        let key: [u8; 32] = std::fs::read(spool_key).unwrap().try_into().unwrap();
        let options = Options::new(1 << 30, SCHEMA_VERSION, spool::Keys::new(Secret::new(key), []));
        let folder = self.folder.path().join("data/spool");
        let (writer, mut reader, _) = spool::open(&folder, options, Arc::new(spool::Disk)).unwrap();
        let (mut rows, mut ordered) = (Rows::default(), Vec::new());
        while writer.usage().pending_frames > 0 {
            let delivery = reader.next_delivery(&DeliveryLimits::default()).await.unwrap().unwrap();
            rows.add(&delivery);
            for order in &delivery.tombstones {
                ordered.extend(tamga::record::parse_erasure(&order.payload).unwrap().1.to_vec());
            }
            reader.finish(&delivery).await.unwrap();
        }
        (rows, ordered)
    }
}

pub(super) async fn view(running: &Running, number: u8, cookie: Option<&str>) -> Answer {
    beacon_to(running.address.unwrap(), view_of(number, 0, "/tariffs")).cookies(cookie).send().await
}

/// Erases as the visitor's page does.
async fn erase(running: &Running, cookie: &str) {
    let answer = Call::new(running.address.unwrap(), "POST", "/v1/privacy/erase")
        .header("Host", &format!("t.{SITE}"))
        .header("Accept", "application/json")
        .header("Sec-Fetch-Site", "same-origin")
        .header("X-Forwarded-For", "198.18.0.9")
        .cookies(Some(cookie))
        .body("state=all")
        .send()
        .await;
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_reaches_the_rows_that_wait_in_the_spool_of_another_node() {
    let shared = tempfile::tempdir().unwrap();
    let (grounds, clock) = (two_grounds(&shared), Clock::machine());
    let one = grounds[0].serve(&clock).await;
    let two = grounds[1].serve(&clock).await;
    let cookies = [view(&one, 1, None).await, view(&one, 2, None).await];
    let [erased, other] = [0, 1].map(|at| cookies[at].cookie().unwrap());
    for (number, cookie) in [(3, &erased), (4, &other)] {
        assert_eq!(view(&two, number, Some(cookie)).await.outcome(), "accepted");
    }
    erase(&one, &erased).await;
    // A beacon that was under way brings no rows back at the other node either.
    let mut number = 10;
    let reached = async || {
        number += 1;
        (view(&two, number, Some(&erased)).await.outcome() != "accepted").then_some(())
    };
    wait::until(PATIENCE, reached, || "the order does not come".to_owned()).await;
    // The other visitor's order is given while the first node is away.
    one.stop().await.unwrap();
    erase(&two, &other).await;
    let one = grounds[0].serve(&clock).await;
    let reached = async || {
        number += 1;
        (view(&one, number, Some(&other)).await.outcome() != "accepted").then_some(())
    };
    wait::until(PATIENCE, reached, || "the order does not come later".to_owned()).await;
    one.stop().await.unwrap();
    two.stop().await.unwrap();
    let spool_key = shared.path().join("spool.key");
    for ground in &grounds {
        let (rows, ordered) = ground.spooled(&spool_key).await;
        let of_events: Vec<_> = rows.events.iter().map(|row| row.visitor).collect();
        assert!(of_events.len() >= 2);
        let left = rows.events.iter().filter(|row| !ordered.contains(&row.visitor)).count();
        assert_eq!(left, 0, "{} rows of {} are ordered to be erased", of_events.len() - left, of_events.len());
    }
}
