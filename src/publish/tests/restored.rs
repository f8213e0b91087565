//! Backups that are put back, and people who erase their rows: whatever comes back or goes, a window that was published has the numbers
//! that it had, and no second ones, whose difference would be another look.

use super::*;

/// What a copy may bring back from before the window was published.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Back {
    /// The stats store.
    Stats,
    /// The vault, with the window's seed, which was deleted since.
    Vault,
    /// The files of the data folder.
    Files,
    /// Both stores.
    Stores,
    /// The vault and the files.
    VaultAndFiles,
}

const FILES: &str = "publish";

/// The files of the publisher.
fn files(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(folder.join(FILES)).expect("a folder");
    let entries = entries.map(|entry| entry.expect("an entry").path());
    entries.map(|path| (path.clone(), std::fs::read(path).expect("a file"))).collect()
}

#[tokio::test]
async fn a_copy_of_one_store_or_folder_that_is_put_back_publishes_nothing_anew() {
    for back in [Back::Stats, Back::Vault, Back::Files, Back::Stores, Back::VaultAndFiles] {
        let (store, clock, folder) = ready(100);
        lease(&store, START + 40 * DAY_S);
        let first = publisher(&store, &clock, folder.path()).advance(0).await.expect("publishes");
        assert!(matches!(first, Progress::Published(_)));
        clock.advance_to(moment(START + 2 * DAY_S));
        // The copy is made when the second window has its seed, and is not published yet.
        let seed = json!({ "site": "a.kz", "window_start": START + DAY_S, "seed": "s".repeat(32) });
        store.state().tables.insert("seeds".to_owned(), vec![seed]);
        let tables = store.state().tables.clone();
        let before = files(folder.path());

        publisher(&store, &clock, folder.path()).pass().await;
        let published = store.state().tables.clone();
        assert_eq!(published["publications"].len(), 2);
        for _ in 0..2 {
            if matches!(back, Back::Vault | Back::Stores | Back::VaultAndFiles) {
                // Rows of the window that came too late, so that it would have other numbers.
                fill(&store, 500);
                lease(&store, START + 40 * DAY_S);
                store.state().tables.insert("seeds".to_owned(), tables["seeds"].clone());
            }
            if matches!(back, Back::Stats | Back::Stores) {
                let seeds = store.state().tables.remove("seeds");
                store.state().tables = tables.clone();
                store.state().tables.remove("seeds");
                store.state().tables.extend(seeds.map(|seeds| ("seeds".to_owned(), seeds)));
            }
            if matches!(back, Back::Files | Back::VaultAndFiles) {
                std::fs::remove_dir_all(folder.path().join(FILES)).expect("removes");
                std::fs::create_dir(folder.path().join(FILES)).expect("makes");
                before.iter().for_each(|(path, bytes)| std::fs::write(path, bytes).expect("writes"));
            }
            publisher(&store, &clock, folder.path()).pass().await;
            let state = store.state();
            assert!(!state.tables.contains_key("seeds"), "{back:?}: no seed stays, which would show the noise");
            for (table, rows) in &published {
                // What is not there any more stays away; what is there is what it was.
                let left = state.tables.get(table).map_or(&[][..], Vec::as_slice);
                assert!(left.iter().all(|row| rows.contains(row)), "{back:?}: {table} has other numbers");
                assert!(left.len() <= rows.len(), "{back:?}: {table} has rows twice");
            }
        }
    }
}

/// The attack works where all is put back: stores and files know nothing of the window, and it has second numbers. So the documents say.
#[tokio::test]
async fn only_a_copy_of_everything_that_is_put_back_gives_second_numbers() {
    let (store, clock, folder) = ready(100);
    publisher(&store, &clock, folder.path()).pass().await;
    let first = store.state().tables.clone();
    store.state().tables.clear();
    std::fs::remove_dir_all(folder.path().join(FILES)).expect("removes");
    publisher(&store, &clock, folder.path()).pass().await;
    let second = store.state().tables.clone();
    assert_eq!(second["publications"].len(), 1);
    assert_ne!(first["pages"], second["pages"], "the second look has noise of its own");
}

/// Somebody erases their rows before a window is published or after it, and everybody else is known: the number is of those who were
/// there then, and it never changes.
#[tokio::test]
async fn who_erases_their_rows_changes_nothing_that_is_published() {
    let (store, clock, folder) = ready(100);
    let published = async || {
        publisher(&store, &clock, folder.path()).pass().await;
        store.state().tables.clone()
    };
    let with = published().await;
    for left in [99, 60, 8, 0] {
        fill(&store, left);
        lease(&store, START + 40 * DAY_S);
        assert_eq!(published().await, with, "{left} are left");
    }
    // The next window counts who is there. Its noise is its own, so the difference to the first has the noise of both.
    fill(&store, 99);
    lease(&store, START + 40 * DAY_S);
    clock.advance_to(moment(START + 2 * DAY_S));
    let after = published().await;
    assert_eq!(after["publications"].len(), 2);
    let noise = |at: usize, there: i64| {
        ["views", "visits", "visitors", "new_week", "new_month"].map(|name| column(&after["site"][at], name) - there)
    };
    assert_ne!(noise(0, 100), noise(1, 99), "two windows have independent noise");
}
