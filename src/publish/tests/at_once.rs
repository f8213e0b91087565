//! Several sites are published at once: one whose store is slow does not hold up the others, and their seeds are deleted together.

use super::memory_store::Killed;
use super::*;
use crate::publish::seeds::DELETE_SEEDS;
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

#[tokio::test]
async fn the_seeds_of_several_sites_are_deleted_together_also_after_an_error_at_any_call() {
    for calls in 0.. {
        let (store, clock, folder) = ready(100);
        let sites = ["a.kz", "b.kz", "c.kz"].map(|domain| PublishedSite { domain: domain.to_owned(), ..site() });
        let timeout = Duration::from_secs(900);
        let mut publisher =
            Publisher::new(store.clone(), store.clone(), clock, sites.into(), folder.path(), NODE, timeout)
                .expect("a folder");
        store.state().fails_after = Some((calls, false));
        publisher.pass().await;
        let has_failed = store.state().fails_after.take().is_some_and(|(left, _)| left == 0);
        publisher.pass().await;
        let state = store.state();
        assert!(!state.tables.contains_key("seeds"), "after {calls} calls: {:?}", state.tables["seeds"]);
        let deletions = state.done.iter().filter(|done| *done == DELETE_SEEDS).count();
        assert!(deletions <= 3, "one for each site at most: {deletions} after {calls} calls");
        if !has_failed {
            assert_eq!((deletions, state.tables["publications"].len()), (1, 3));
            assert!(calls > 40, "each call has failed once");
            break;
        }
    }
}
