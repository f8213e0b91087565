//! Is every tampering with the log noticed, and does the log survive crashes and full disks?

use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;

use super::*;

struct Ground {
    folder: tempfile::TempDir,
    place: Place,
}

impl Ground {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let place = Place::new(folder.path(), None);
        Self { folder, place }
    }

    fn open(&self) -> Audit {
        Audit::open(&self.place, Clock::machine()).expect("opens")
    }

    fn verify(&self) -> Verified {
        verify(&self.place, None, &[]).expect("reads")
    }

    /// A log of so many lines, rotated on the way.
    fn filled(lines: u64) -> Self {
        let ground = Self::new();
        let audit = Audit::open_with(&ground.place, Clock::machine(), 2000).expect("opens");
        for number in 0..lines {
            audit.record("test", &json!({ "number": number, "text": "a,\"hash\":\"b\"" })).expect("writes");
        }
        ground
    }
}

#[test]
fn a_log_goes_on_after_a_restart_and_after_a_torn_line() {
    let ground = Ground::new();
    let audit = ground.open();
    audit.record("first", &json!({})).expect("writes");
    drop(audit);
    let torn = b"{\"seq\":1,\"at";
    let end = fs::metadata(&ground.place.log).expect("is there").len();
    OpenOptions::new().write(true).open(&ground.place.log).expect("opens").write_all_at(torn, end).expect("writes");
    assert_eq!(ground.verify().fault, Some(Fault::Torn { file: "audit.jsonl".to_owned() }));
    let audit = ground.open();
    audit.record("again", &json!({})).expect("writes");
    let verified = ground.verify();
    assert_eq!((verified.lines, verified.head), audit.head());
    assert_eq!((verified.lines, verified.fault), (3, None));
    assert!(
        lines(&ground.place, None).expect("reads")[1]
            .contains(r#""action":"repair audit log","detail":{"torn_bytes":12}"#)
    );
}

#[test]
fn a_head_that_a_crash_left_unwritten_is_written_by_the_next_one() {
    let ground = Ground::filled(3);
    let heads = fs::read_to_string(&ground.place.heads).expect("reads");
    let cut: String = heads.split_inclusive('\n').take(2).collect();
    // Torn as well.
    fs::write(&ground.place.heads, cut + "2 9f").expect("writes");
    ground.open().record("next", &json!({})).expect("writes");
    assert_eq!(ground.verify().fault, None);
    assert!(fs::read_to_string(&ground.place.heads).expect("reads").starts_with(&heads));
}

#[test]
fn several_writers_make_one_chain_over_rotations() {
    let ground = Arc::new(Ground::new());
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let ground = ground.clone();
            std::thread::spawn(move || {
                let audit = Audit::open_with(&ground.place, Clock::machine(), 1500).expect("opens");
                for number in 0..25 {
                    audit.record("test", &json!({ "writer": writer, "number": number })).expect("writes");
                }
            })
        })
        .collect();
    writers.into_iter().for_each(|writer| writer.join().expect("no panic"));
    let verified = ground.verify();
    assert_eq!((verified.lines, verified.fault), (100, None));
    assert!(chain::archives(&ground.place.log).expect("lists").len() > 5);

    // Full logs may be kept elsewhere; without them the chain has no beginning.
    let elsewhere = tempfile::tempdir().expect("a folder");
    for archive in chain::archives(&ground.place.log).expect("lists") {
        fs::rename(&archive, elsewhere.path().join(archive.file_name().expect("a name"))).expect("moves");
    }
    assert!(ground.verify().fault.is_some());
    assert_eq!(verify(&ground.place, Some(elsewhere.path()), &[]).expect("reads").fault, None);
}

#[test]
fn a_log_that_is_written_anew_with_its_heads_is_found_out_by_a_copy_of_the_heads() {
    let ground = Ground::filled(5);
    let copy = ground.folder.path().join("copy");
    fs::copy(&ground.place.heads, &copy).expect("copies");
    for archive in chain::archives(&ground.place.log).expect("lists") {
        fs::remove_file(archive).expect("removes");
    }
    fs::remove_file(&ground.place.log).expect("removes");
    fs::remove_file(&ground.place.heads).expect("removes");
    let audit = ground.open();
    (0..9).for_each(|_| audit.record("forged", &json!({})).expect("writes"));
    assert_eq!(ground.verify().fault, None, "nothing inside shows it");
    let verified = verify(&ground.place, None, &[&copy]).expect("reads");
    assert_eq!(verified.fault, Some(Fault::Replaced { seq: 0 }));
}

#[test]
fn entries_wait_in_memory_while_nothing_can_be_written_and_keep_their_time() {
    let ground = Ground::new();
    let start = jiff::Timestamp::from_second(1_800_000_000).expect("in range");
    let clock = Clock::simulated(start);
    let audit = Audit::open(&ground.place, clock.clone()).expect("opens");
    audit.record("before", &json!({})).expect("writes");
    // A handle that cannot write simulates a disk that accepts nothing.
    let read_only = OpenOptions::new().read(true).mode(0o600).open(&ground.place.log).expect("opens");
    let writable = std::mem::replace(&mut audit.tail().log, read_only);
    assert!(audit.record("refused", &json!({})).is_err());
    (0..WAITING_MAX + 5).for_each(|number| audit.note("happened", &json!({ "number": number })));
    assert_eq!(audit.flush(), WAITING_MAX + 5);
    assert_eq!(ground.verify().lines, 1);
    clock.advance_to(jiff::Timestamp::from_second(1_800_009_999).expect("in range"));
    audit.tail().log = writable;
    assert_eq!(audit.flush(), 0);
    assert_eq!(ground.verify(), Verified { lines: 1 + 1 + WAITING_MAX as u64, head: audit.head().1, fault: None });
    let text = lines(&ground.place, None).expect("reads");
    assert!(text[1].contains(r#""action":"entries not written","detail":{"count":5}"#), "{}", text[1]);
    assert!(text[2].contains(&start.to_string()), "{}", text[2]);
}

/// A stream of numbers for tampering; the seed is in the message of a failure.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % limit.max(1) as u64) as usize
    }
}

/// Does one thing to one of the files, and says what.
fn tamper(files: &mut [Vec<u8>], dice: &mut Dice) -> String {
    let which = dice.below(files.len());
    let file = &mut files[which];
    let at = dice.below(file.len());
    let mut lines: Vec<Vec<u8>> = file.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let (line, other) = (dice.below(lines.len()), dice.below(lines.len()));
    let kind = dice.below(9);
    match kind {
        0 => file[at] ^= 1 << dice.below(8),
        1 => drop(file.drain(at..(at + 1 + dice.below(40)).min(file.len()))),
        2 => file.insert(at, b" \r\n\t0a\"}"[dice.below(8)]),
        3 => file.truncate(at),
        4 => drop(lines.remove(line)),
        5 => lines.insert(line, lines[other].clone()),
        6 => lines.swap(line, other),
        7 => lines.truncate(line),
        _ => {
            // Changes a digit within a line, as a forger would.
            let digit = file.iter().skip(at).position(u8::is_ascii_digit).map(|found| found + at);
            if let Some(digit) = digit {
                file[digit] = b'0' + (file[digit] - b'0' + 1) % 10;
            }
        }
    }
    if (4..8).contains(&kind) {
        *file = lines.concat();
    }
    format!("kind {kind}, file {which}, byte {at}, lines {line} and {other}")
}

/// `TAMGA_TAMPERINGS=100000 cargo test --lib audit` for the long run.
#[test]
fn every_tampering_is_noticed() {
    let ground = Ground::filled(24);
    let names: Vec<String> = chain::archives(&ground.place.log)
        .expect("lists")
        .iter()
        .chain([&ground.place.log])
        .map(|path| path.file_name().expect("a name").to_string_lossy().into_owned())
        .collect();
    assert!(names.len() > 2, "rotated: {names:?}");
    let read = |name: &String| fs::read(ground.folder.path().join(name)).expect("reads");
    let mut clean: Vec<Vec<u8>> = names.iter().map(read).collect();
    clean.push(fs::read(&ground.place.heads).expect("reads"));
    let look = |files: &[Vec<u8>]| {
        let (heads, logs) = files.split_last().expect("heads");
        let logs: Vec<_> = names.iter().cloned().zip(logs.to_vec()).collect();
        verify::follow(&logs, ("audit.heads", heads), &[]).fault
    };
    assert_eq!(look(&clean), None);
    let rounds = std::env::var("TAMGA_TAMPERINGS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(2_000);
    let mut done = 0;
    for seed in 0.. {
        if done == rounds {
            break;
        }
        let mut files = clean.clone();
        let what = tamper(&mut files, &mut Dice(seed));
        if files == clean {
            continue;
        }
        // A crash can lose the newest head alone; the next writer writes it again, from the same line.
        let last_head_gone = files[..names.len()] == clean[..names.len()]
            && clean[names.len()].starts_with(&files[names.len()])
            && files[names.len()].iter().filter(|byte| **byte == b'\n').count() + 1 == 24
            && files[names.len()].ends_with(b"\n");
        if last_head_gone {
            continue;
        }
        assert!(look(&files).is_some(), "seed {seed}: {what}");
        done += 1;
    }
    println!("{done} tamperings, all noticed");
}
