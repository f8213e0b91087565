//! Several sites are published at once: one whose store is slow does not hold up the others; their rows are written together, and their
//! seeds are deleted together.

use std::ops::Range;

use super::memory_store::Failed;
use super::*;
use crate::publish::seeds::DELETE_SEEDS;
use crate::publish::tables::Tables;

/// A store that answers when two questions wait for it.
struct Meeting(tokio::sync::Barrier);

impl Tables for Meeting {
    type Error = Failed;

    fn refuses(_: &Failed) -> bool {
        false
    }

    async fn rows<T: serde::de::DeserializeOwned + Send>(
        &self,
        _: &str,
        _: &[(&str, String)],
    ) -> Result<Vec<T>, Failed> {
        self.0.wait().await;
        Err(Failed::Killed)
    }

    async fn execute(&self, _: &str, _: &[(&str, String)]) -> Result<(), Failed> {
        Err(Failed::Killed)
    }

    async fn insert_json<T: serde::Serialize + Sync>(
        &self,
        _: &str,
        _: &[&str],
        _: &[T],
        _: Option<&str>,
    ) -> Result<(), Failed> {
        Err(Failed::Killed)
    }
}

/// A publisher of sites by their numbers: `s0.kz` and so on.
fn of_sites<S: Tables>(
    numbers: Range<usize>,
    vault: &MemoryStore,
    stats: S,
    clock: &Clock,
    folder: &Path,
) -> Publisher<MemoryStore, S> {
    let sites = numbers.map(|at| PublishedSite { domain: format!("s{at}.kz"), ..site() }).collect();
    let timeout = Duration::from_secs(900);
    Publisher::new(vault.clone(), stats, clock.clone(), sites, folder, NODE, timeout).expect("a folder")
}

#[tokio::test]
async fn two_sites_ask_the_store_at_once() {
    let (store, clock, folder) = ready(100);
    let stats = Meeting(tokio::sync::Barrier::new(2));
    let mut publisher = of_sites(0..4, &store, stats, &clock, folder.path());
    tokio::time::timeout(Duration::from_secs(120), publisher.pass())
        .await
        .expect("no question waits for another site's");
}

#[tokio::test]
async fn the_seeds_of_several_sites_are_deleted_together_also_after_an_error_at_any_call() {
    for calls in 0.. {
        let (store, clock, folder) = ready(100);
        let mut publisher = of_sites(0..3, &store, store.clone(), &clock, folder.path());
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

/// Each of so many sites has its rows in each table, and none has a second one of the same name.
fn assert_once(state: &State, sites: usize, what: &str) {
    for table in ["site", "pages", "places", "publications"] {
        let rows = &state.tables[table];
        let name = |row: &Value| -> Vec<String> {
            let values = row.as_object().into_iter().flat_map(|row| row.values());
            values.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let names: BTreeSet<_> = rows.iter().map(name).collect();
        assert_eq!(names.len(), rows.len(), "{what}: {table} has rows twice: {rows:?}");
        let of_sites: BTreeSet<_> = rows.iter().map(|row| row["site"].to_string()).collect();
        assert_eq!(of_sites.len(), sites, "{what}: {table} has all sites");
    }
    assert_eq!(state.tables["publications"].len(), sites, "{what}");
}

#[tokio::test]
async fn rows_of_up_to_sixteen_sites_are_written_by_one_insert_a_table() {
    for (sites, inserts) in [(1, 1), (4, 4), (64, 4), (80, 8)] {
        let (store, clock, folder) = ready(100);
        of_sites(0..sites, &store, store.clone(), &clock, folder.path()).pass().await;
        let state = store.state();
        for table in ["site", "pages", "publications"] {
            let done = state.done.iter().filter(|done| **done == format!("insert {table}")).count();
            assert_eq!(done, inserts, "{table} of {sites} sites");
        }
        assert_once(&state, sites, "without a failure");
    }
}

#[tokio::test]
async fn after_a_kill_at_many_calls_each_site_is_published_once_also_if_an_unconfirmed_insert_comes_late() {
    const SITES: usize = 8;
    // 0: the insert is made, and nobody hears of it. `None`: it never comes.
    for (offset, delay) in [None, Some(0), Some(1), Some(9), Some(60)].into_iter().enumerate() {
        for calls in (offset as u32..).step_by(4) {
            let (store, clock, folder) = ready(100);
            store.state().fails_after = Some((calls, delay.is_some()));
            store.state().delay = delay.unwrap_or(0);
            let publisher = |first| of_sites(first..SITES, &store, store.clone(), &clock, folder.path());
            // All that it does after the kill fails. Then another site is added, before the others.
            publisher(1).pass().await;
            let has_failed = store.state().fails_after.take().is_some_and(|(left, _)| left == 0);
            if has_failed && delay > Some(0) && store.state().on_the_way.is_empty() {
                continue;
            }
            for _ in 0..3 {
                publisher(0).pass().await;
            }
            assert_once(&store.state(), SITES, &format!("{delay:?}, {calls} calls"));
            if !has_failed {
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_site_whose_rows_are_refused_holds_up_no_other_and_is_published_once_they_are_taken() {
    let (store, clock, folder) = ready(100);
    store.state().refused = Some("s5.kz");
    let mut publisher = of_sites(0..64, &store, store.clone(), &clock, folder.path());
    publisher.pass().await;
    for _ in 0..2 {
        let published: BTreeSet<_> =
            store.state().tables["publications"].iter().map(|row| row["site"].to_string()).collect();
        assert_eq!(published.len(), 63);
        assert!(!published.contains("\"s5.kz\""));
        store.state().done.clear();
        publisher.pass().await;
        assert!(store.state().done.is_empty(), "nothing of the others is written again: {:?}", store.state().done);
    }
    store.state().refused = None;
    publisher.pass().await;
    let state = store.state();
    assert_once(&state, 64, "once they are taken");
}
