//! Another node takes over publishing, with a data folder of its own: each window is published once, whatever the former one had begun.

use super::*;

/// The publisher of another node.
fn successor(store: &MemoryStore, clock: &Clock, folder: &Path) -> Publisher<MemoryStore, MemoryStore> {
    Publisher::new(store.clone(), store.clone(), clock.clone(), vec![site()], folder, "b", Duration::from_secs(900))
        .expect("a folder")
}

/// How many rows each table has of a window.
fn rows_of(store: &MemoryStore, start: i64) -> BTreeMap<String, usize> {
    let state = store.state();
    let of = |rows: &Vec<Value>| rows.iter().filter(|row| row["window_start"] == start).count();
    state.tables.iter().map(|(table, rows)| (table.clone(), of(rows))).filter(|(_, rows)| *rows > 0).collect()
}

#[tokio::test]
async fn after_a_kill_at_any_call_another_node_publishes_the_window_and_those_that_are_out_change_nothing() {
    let mut calls = 0;
    loop {
        let (store, clock, folder) = ready(100);
        let leases = ["a", "b"].map(
            |node| json!({ "node": node, "complete_until": (START + 40 * DAY_S) * 1000, "written_at": START * 1000 }),
        );
        store.state().answers.insert(LEASES.to_owned(), leases.to_vec());
        publisher(&store, &clock, folder.path()).advance(0).await.expect("publishes");
        let first = rows_of(&store, START);
        clock.advance_to(moment(START + 2 * DAY_S));
        store.state().fails_after = Some((calls, false));
        let killed = publisher(&store, &clock, folder.path()).advance(0).await;
        store.state().fails_after = None;
        let begun = rows_of(&store, START + DAY_S);

        let other = tempfile::tempdir().expect("a folder");
        let mut successor = successor(&store, &clock, other.path());
        successor.pass().await;
        let published = rows_of(&store, START + DAY_S);
        assert_eq!(published["publications"], 1, "killed at call {calls}");
        for (table, rows) in begun.iter().filter(|(table, _)| *table != "seeds") {
            assert_eq!(published[table], *rows, "{table} was written, so it stays; killed at call {calls}");
        }
        // The former one comes back, with its plan and its counts, and nobody has turned it off.
        publisher(&store, &clock, folder.path()).pass().await;
        successor.pass().await;
        assert_eq!(rows_of(&store, START + DAY_S), published, "killed at call {calls}");
        assert_eq!(rows_of(&store, START), first);
        if killed.is_ok() {
            break;
        }
        calls += 1;
    }
    assert!(calls > 8, "it was killed at each of its calls: {calls}");
}
