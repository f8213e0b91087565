//! Several sites are published at once: one whose store is slow does not hold up the others.

use super::memory_store::Killed;
use super::*;
use crate::publish::tables::Tables;

/// A store that answers when two questions wait for it.
struct Meeting(tokio::sync::Barrier);

impl Tables for Meeting {
    type Error = Killed;

    async fn rows<T: serde::de::DeserializeOwned + Send>(
        &self,
        _: &str,
        _: &[(&str, String)],
    ) -> Result<Vec<T>, Killed> {
        self.0.wait().await;
        Err(Killed)
    }

    async fn execute(&self, _: &str, _: &[(&str, String)]) -> Result<(), Killed> {
        Err(Killed)
    }

    async fn insert_json<T: serde::Serialize + Sync>(
        &self,
        _: &str,
        _: &[&str],
        _: &[T],
        _: Option<&str>,
    ) -> Result<(), Killed> {
        Err(Killed)
    }
}

#[tokio::test]
async fn two_sites_ask_the_store_at_once() {
    let (store, clock, folder) = ready(100);
    let sites = ["a.kz", "b.kz", "c.kz", "d.kz"].map(|domain| PublishedSite { domain: domain.to_owned(), ..site() });
    let stats = Meeting(tokio::sync::Barrier::new(2));
    let timeout = Duration::from_secs(900);
    let mut publisher =
        Publisher::new(store, stats, clock, sites.into(), folder.path(), NODE, timeout).expect("a folder");
    tokio::time::timeout(Duration::from_secs(120), publisher.pass())
        .await
        .expect("no question waits for another site's");
}
