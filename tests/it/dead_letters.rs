//! Can an operator look at refused rows, send them again exactly once, and drop them, while the shipper runs and while not?

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use tamga::secret::Secret;
use tamga::spool::{Disk, Keys, hold};
use tamga::store::{Class, Command, DeadLetterAdmin, DeadLetterError, DeadLetters, Limits, Store, VAULT};

use crate::support::fake_vault::{FakeVault, Fault};
use crate::support::program::Ground;
use crate::support::ship::{KEY, Ship, append, clock, keys, open, today};

fn dead_letters(folder: &Path) -> Vec<String> {
    let Ok(entries) = folder.join("dead-letters").read_dir() else { return Vec::new() };
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn admin(folder: &Path) -> DeadLetterAdmin {
    admin_with(folder, keys())
}

fn admin_with(folder: &Path, keys: Keys) -> DeadLetterAdmin {
    DeadLetterAdmin::new(DeadLetters::new(&folder.join("dead-letters"), keys))
}

fn store(vault: &FakeVault) -> Store {
    let limit = Duration::from_millis(200);
    let limits = Limits { connect: limit, query: limit, insert: limit };
    Store::new(&vault.url(), "tamga", "secret", VAULT, limits).unwrap()
}

/// Leaves one dead letter of these rows. After that the vault accepts them.
async fn refused(folder: &Path, vault: &FakeVault, rows: std::ops::Range<u32>) -> String {
    vault.refuse(Some("poison"));
    let (writer, reader) = open(folder);
    append(&writer, today(), "poison", rows).await;
    append(&writer, today(), "good", 100..103).await;
    let ship = Ship::start(vault, folder, reader);
    ship.settled(&writer).await;
    ship.stop().await;
    vault.refuse(None);
    dead_letters(folder).remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_shipper_replays_a_dead_letter_on_command_and_moves_its_rows_in_the_row_accounting() {
    let folder = tempfile::tempdir().unwrap();
    let vault = FakeVault::start().await;
    vault.refuse(Some("poison"));
    let (writer, reader) = open(folder.path());
    append(&writer, today(), "poison", 0..3).await;
    append(&writer, today(), "good", 3..5).await;
    let ship = Ship::start(&vault, folder.path(), reader);
    ship.settled(&writer).await;
    assert_eq!(writer.usage().accounting.settled.dead_lettered, 3);
    let name = dead_letters(folder.path()).remove(0);
    let list = admin(folder.path()).list().unwrap();
    assert!(list.contains(&name) && list.contains("CANNOT_PARSE_INPUT_ASSERTION_FAILED"), "{list}");
    let (shown, rows) = admin(folder.path()).show(&name).unwrap();
    assert_eq!(rows, 3);
    assert!(shown.contains("3 refused rows") && shown.contains("reason           \"poison\""), "{shown}");

    // Still refused: a new dead letter takes the place of the old one.
    let said = admin(folder.path()).command(Command::Replay, &name).await.unwrap();
    assert_eq!(said, "0 rows stored, 3 refused again, 0 too old to keep");
    let again = dead_letters(folder.path());
    assert!(again.len() == 1 && again[0] != name, "{again:?}");

    vault.refuse(None);
    vault.plan([Fault::StoreThenBreak, Fault::Burn]);
    let said = admin(folder.path()).command(Command::Replay, &again[0]).await.unwrap();
    assert_eq!(said, "3 rows stored, 0 refused again, 0 too old to keep");
    assert_eq!(vault.counts(), [0, 1, 2, 3, 4]);
    assert!(dead_letters(folder.path()).is_empty());
    let accounting = writer.usage().accounting;
    assert!(accounting.is_balanced());
    assert_eq!((accounting.settled.stored, accounting.settled.dead_lettered), (5, 0));
    let none = admin(folder.path()).show("../spool/lock").unwrap_err();
    assert!(none.to_string().contains("`tamga dead-letters list` shows those that are there"), "{none}");
    ship.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_is_cut_off_anywhere_can_be_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let vault = FakeVault::start().await;
    let name = refused(folder.path(), &vault, 0..9).await;
    vault.plan([Fault::Break, Fault::Hang, Fault::Memory, Fault::Hang, Fault::Burn, Fault::Break, Fault::Slow]);
    let mut cut_off = 0;
    loop {
        let once = async {
            let idle = hold(&folder.path().join("spool"), &Disk).unwrap().expect("nobody else holds it");
            admin(folder.path()).replay_alone(store(&vault), clock(), &name, &idle.open_tokens).await
        };
        match tokio::time::timeout(Duration::from_millis(20 + cut_off * 35), once).await {
            Ok(said) => break assert!(said.unwrap().0.starts_with("9 rows stored")),
            Err(_) => cut_off += 1,
        }
    }
    assert!(cut_off > 1, "{cut_off}");
    assert_eq!(vault.counts(), (0..9).chain(100..103).collect::<Vec<_>>());
    assert!(dead_letters(folder.path()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_of_an_unfinished_delivery_batch_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let vault = FakeVault::start().await;
    vault.refuse(Some("poison"));
    let (writer, reader) = open(folder.path());
    append(&writer, today(), "poison", 0..40).await;
    let ship = Ship::start(&vault, folder.path(), reader);
    // The whole batch is refused, so the rest of it is held and the delivery batch stays unfinished.
    while ship.status.trouble().is_none_or(|trouble| trouble.class != Class::NeedsOperator) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    ship.kill().await;
    drop(writer);
    let name = dead_letters(folder.path()).remove(0);
    let idle = loop {
        if let Some(idle) = hold(&folder.path().join("spool"), &Disk).unwrap() {
            break idle;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert!(hold(&folder.path().join("spool"), &Disk).unwrap().is_none(), "one at a time");
    for said in [
        admin(folder.path()).drop_alone(&name, &idle.open_tokens),
        admin(folder.path()).replay_alone(store(&vault), clock(), &name, &idle.open_tokens).await,
    ] {
        assert_eq!(said.unwrap_err(), DeadLetterError::Unsettled);
    }
    drop(idle);
    vault.refuse(None);
    let (writer, reader) = open(folder.path());
    let ship = Ship::start(&vault, folder.path(), reader);
    ship.settled(&writer).await;
    assert_eq!(admin(folder.path()).command(Command::Drop, &name).await.unwrap(), "dropped 32 rows");
    assert!(dead_letters(folder.path()).is_empty());
    ship.stop().await;
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Rows that wait, rows that were refused, and what lies beside them: the copy shows none, also to who knows what to look for.
#[tokio::test(flavor = "multi_thread")]
async fn a_copied_data_folder_has_no_refused_row_without_the_key() {
    const CANARY: &str = "poison of a canary";
    let (folder, vault) = (tempfile::tempdir().unwrap(), FakeVault::start().await);
    vault.refuse(Some(CANARY));
    let (writer, reader) = open(folder.path());
    append(&writer, today(), CANARY, 0..3).await;
    append(&writer, today(), "good", 3..5).await;
    let ship = Ship::start(&vault, folder.path(), reader);
    ship.settled(&writer).await;
    ship.stop().await;
    append(&writer, today(), CANARY, 5..6).await;
    let found = files(folder.path());
    assert!(found.iter().any(|path| path.ends_with("state-0")) && found.len() > 4, "{found:?}");
    // Base64 has three forms of a word, by where it begins.
    let written = (0..3).map(|at| {
        let text = BASE64.encode([&vec![0; at], CANARY.as_bytes()].concat());
        text[4..text.len() - 4].to_owned()
    });
    let hex = CANARY.bytes().map(|byte| format!("{byte:02x}")).collect();
    let needles: Vec<String> = written.chain([CANARY.to_owned(), hex]).collect();
    for path in &found {
        let bytes = std::fs::read(path).unwrap();
        for needle in &needles {
            assert!(!bytes.windows(needle.len()).any(|window| window == needle.as_bytes()), "{path:?} shows {needle}");
        }
    }
    let name = dead_letters(folder.path()).remove(0);
    let thief = admin_with(folder.path(), Keys::new(Secret::new([8; 32]), []));
    assert_eq!(thief.show(&name).unwrap_err(), DeadLetterError::Key);
    assert!(thief.list().unwrap().contains("CANNOT_PARSE_INPUT_ASSERTION_FAILED"), "reasons need no key");
    assert_eq!(thief.replay_alone(store(&vault), clock(), &name, &[]).await.unwrap_err(), DeadLetterError::Key);
    assert_eq!(admin(folder.path()).show(&name).unwrap().0.matches(CANARY).count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rows_of_a_dead_letter_are_shown_by_break_glass_alone() {
    let ground = Ground::new();
    let name = &refused(&ground.data(), &FakeVault::start().await, 0..1).await;
    let show = |arguments: &[&str], allowed: &str| {
        let arguments = [&["dead-letters", "show", name], arguments].concat();
        let output = ground.run(&arguments, &[("TAMGA__WALL__BREAK_GLASS", allowed)]);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    };
    assert!(show(&[], "true").unwrap_err().contains("--reason"));
    let reason = ["--reason", "the vault refuses rows of today"];
    assert!(show(&reason, "false").unwrap_err().contains("[wall] break_glass"));
    let said = show(&reason, "true").unwrap();
    assert!(said.contains("not anonymous") && !said.contains("poison"), "{said}");
    let code = said.trim().rsplit(' ').next().unwrap();
    let with_code = [&reason[..], &["--code", code]].concat();
    assert!(show(&with_code, "true").unwrap_err().contains("spool.key"), "there is no key, and none is made");
    std::fs::write(ground.folder.path().join("spool.key"), KEY).unwrap();
    let again = show(&reason, "true").unwrap();
    let code = again.trim().rsplit(' ').next().unwrap();
    let with_code = [&reason[..], &["--code", code]].concat();
    let shown = show(&with_code, "true").unwrap();
    assert!(shown.contains("1 refused rows") && shown.contains("reason           \"poison\""), "{shown}");
    assert!(show(&with_code, "true").unwrap_err().contains("begin again"), "a code serves once");
    let log = String::from_utf8(ground.run(&["audit", "show"], &[]).stdout).unwrap();
    for (action, times) in [
        ("ask for the dead letter", 2),
        ("query the dead letter", 2),
        ("queried the dead letter", 1),
        ("refuse the dead letter", 1),
    ] {
        assert_eq!(log.matches(action).count(), times, "{action}: {log}");
    }
    assert!(log.contains("reason=the vault refuses rows of today") && log.contains(name), "{log}");
    let looked = log.lines().find(|line| line.contains("queried the dead letter")).unwrap();
    assert!(looked.contains("rows=1") && looked.contains(&format!("bytes={}", shown.len())), "{looked}");
}
