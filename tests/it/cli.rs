//! Does the program explain itself? Help that fits a terminal, and errors of one sentence that say what to do next.

use std::net::TcpListener;
use std::process::Output;
use std::time::Duration;

use crate::support::collector::view_of;
use crate::support::program::{Ground, Program};
use crate::support::programs;

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The last line of standard error, which must be the sentence that says why.
fn reason(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.ends_with('\n') && !text.contains('\u{1b}') && !text.contains("panicked"), "{text}");
    let line = text.lines().last().unwrap();
    let sentence = line.strip_prefix("tamga: ").unwrap_or_else(|| panic!("the last line is no sentence: {text}"));
    sentence.to_owned()
}

fn assert_says(output: &Output, words: &[&str]) {
    let reason = reason(output);
    for word in words {
        assert!(reason.contains(word), "{word:?} is missing: {reason}");
        assert_eq!(reason.matches(word).count(), 1, "it says {word:?} twice: {reason}");
    }
}

#[test]
fn help_names_every_verb_and_fits_a_terminal() {
    let ground = Ground::new();
    let pages = [
        (&["--help"][..], &["Usage: tamga <COMMAND>", "EXAMPLES", "ENVIRONMENT", "EXIT STATUS", "TAMGA_LOG"][..]),
        (&["serve", "--help"], &["Usage: tamga serve", "--config <FILE>", "[default: tamga.toml]", "SIGTERM", "202"]),
        (&["migrate", "--help"], &["Usage: tamga migrate", "--config <FILE>", "--access", "--admin-user <NAME>"]),
        (&["move-stats", "--help"], &["Usage: tamga move-stats", "Stop `serve`"]),
        (&["config", "--help"], &["Usage: tamga config <COMMAND>", "check", "example"]),
        (&["audit", "--help"], &["Usage: tamga audit <COMMAND>", "verify", "show", "heads"]),
        (&["snippet", "--help"], &["Usage: tamga snippet", "<SITE>"]),
    ];
    for (arguments, parts) in pages {
        let output = ground.run(arguments, &[("COLUMNS", "200")]);
        assert!(output.status.success());
        let text = stdout(&output);
        for part in parts {
            assert!(text.contains(part), "{arguments:?} lacks {part:?}:\n{text}");
        }
        let longest = text.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(longest <= 100, "{arguments:?} is {longest} columns wide:\n{text}");
    }
    let verbs = stdout(&ground.run(&["--help"], &[]));
    for verb in ["serve", "migrate", "move-stats", "config", "audit", "snippet"] {
        assert!(verbs.lines().any(|line| line.trim_start().starts_with(&format!("{verb} "))), "{verb}");
    }
    let version = stdout(&ground.run(&["--version"], &[]));
    assert_eq!(version.trim_end(), format!("tamga {}", tamga::VERSION));
    let wrong = ground.run(&["sreve"], &[]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("'serve'"), "it guesses what was meant");
    assert_eq!(ground.run(&[], &[]).status.code(), Some(2));
}

#[test]
fn the_program_contains_neither_the_demo_nor_its_fixtures() {
    // Names of the shop, a page, the GeoIP files' description, an option.
    let texts = ["demo.localhost", "felt-slippers", "invented assignments", "list-beacons"];
    let [product, demo] = [programs::tamga(), programs::demo()].map(|program| std::fs::read(program).unwrap());
    for text in texts {
        let pattern = regex::bytes::Regex::new(&regex::escape(text)).unwrap();
        assert!(pattern.is_match(&demo), "tamga-demo contains {text:?}");
        assert!(!pattern.is_match(&product), "tamga contains {text:?}");
    }
    assert_eq!(Ground::new().run(&["demo"], &[]).status.code(), Some(2), "there is no such verb");
}

#[test]
fn each_error_of_a_configuration_is_one_sentence_with_its_place() {
    let ground = Ground::new();
    let cases: [(&str, &str, &[&str]); 14] = [
        ("admin_listen", "admin_lissen", &["wrong.toml", "line 3", "unknown field `admin_lissen`", "`admin_listen`"]),
        ("\"127.0.0.1:0\"", "\"localhost:80\"", &["line 2", "an IP address with a port", "127.0.0.1:8080"]),
        ("127.0.0.0/8", "all", &["line 4", "such as 127.0.0.0/8"]),
        ("[server]", "[server", &["line 1"]),
        ("\"jetpay\"", "\"jetpy\"", &["wrong.toml", "site[0].profile", "nomapay"]),
        ("profile = \"jetpay\"", "", &["site[0].profile", "`items`"]),
        ("Asia/Almaty", "Asia/Nowhere", &["site[0].time_zone", "Asia/Almaty"]),
        ("\"https://jetpay.kz\"", "\"https://*.jetpay.kz\"", &["site[0].origins", "\"https://www.jetpay.kz\""]),
        ("https://t.jetpay.kz", "http://t.jetpay.kz", &["site[0].public_url", "use https"]),
        ("domain = \"jetpay.kz\"", "domain = \"JetPay.kz\"", &["site[0].domain", "such as jetpay.kz"]),
        ("[[site]]", "[[site]]\npublish_every = \"5h\"", &["site[0].publish_every", "24h or 7d"]),
        ("[data]", "[data]\nspool_quota_mib = 0", &["data.spool_quota_mib", "at least 1"]),
        ("head_deadline_s = 1", "head_deadline_s = 0", &["server.head_deadline_s", "leave the key out"]),
        ("vault_listen = \"127", "vault_listen = \"192", &["engine.vault_listen", "loopback only"]),
    ];
    for (from, to, words) in cases {
        let text = ground.config();
        assert!(text.contains(from), "{from}");
        ground.write("wrong.toml", &text.replacen(from, to, 1));
        assert_says(&ground.run(&["config", "check", "--config", "wrong.toml"], &[]), words);
    }
    let wrong =
        ground.config().replace("Asia/Almaty", "Asia/Nowhere").replace("head_deadline_s = 1", "head_deadline_s = 0");
    ground.write("wrong.toml", &wrong);
    let all = ground.run(&["config", "check", "--config", "wrong.toml"], &[("TAMGA__LISTEN", "1")]);
    let (text, places) =
        (String::from_utf8_lossy(&all.stderr), ["TAMGA__LISTEN", "head_deadline_s", "site[0].time_zone"]);
    assert_eq!((all.status.code(), text.lines().count()), (Some(1), places.len()), "{text}");
    assert!(
        text.lines().zip(places).all(|(line, place)| line.starts_with("tamga: ") && line.contains(place)),
        "{text}"
    );
    ground.write("empty.toml", "site = []\n[server]\n");
    assert_says(&ground.run(&["serve", "--config", "empty.toml"], &[]), &["[[site]]", "tamga config example"]);
    let missing = ground.run(&["serve", "--config", "missing.toml"], &[]);
    assert_says(&missing, &["missing.toml", "No such file or directory", "--config FILE"]);
    for (name, value, words) in [
        ("TAMGA__SERVER__NOPE", "1", &["TAMGA__ variables", "`nope`"][..]),
        ("TAMGA__LISTEN", "1", &["TAMGA__LISTEN", "TAMGA__SECTION__KEY"]),
        ("TAMGA__SITE__DOMAIN", "a", &["TAMGA__SITE__DOMAIN", "in the file"]),
    ] {
        assert_says(&ground.run(&["config", "check"], &[(name, value)]), words);
    }
    let sound = ground.run(&["config", "check", "--config", "tamga.toml"], &[]);
    let said = stdout(&sound);
    assert!(said.starts_with("tamga.toml is sound: 1 site(s).\nnot tried: "), "{said}");
    let unknown_site = ground.run(&["snippet", "nope.kz", "--config", "tamga.toml"], &[]);
    assert_says(&unknown_site, &["\"nope.kz\"", "there are jetpay.kz"]);
    // Errors of the file's form and of its values, all at once.
    let several = ground
        .config()
        .replacen("[server]", "[server]\nlissen = 1\nmax_connections = \"many\"", 1)
        .replace("Asia/Almaty", "Asia/Nowhere");
    ground.write("wrong.toml", &several);
    let variables = [("TAMGA__DATA__DIR", ""), ("TAMGA__SERVER__NOPE", "1")];
    let all = ground.run(&["config", "check", "--config", "wrong.toml"], &variables);
    let text = String::from_utf8_lossy(&all.stderr).into_owned();
    for words in ["lissen", "max_connections", "TAMGA__DATA__DIR", "nope", "site[0].time_zone"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert_eq!(text.lines().count(), 5, "{text}");
    let example = ground.run(&["config", "example"], &[]);
    ground.write("example.toml", &stdout(&example));
    assert!(ground.run(&["config", "check", "--config", "example.toml"], &[]).status.success());
}

#[test]
fn what_keeps_it_from_starting_is_one_sentence_that_says_what_to_do() {
    let ground = Ground::new();
    let serve = |name: &str, value: &str| ground.run(&["serve"], &[(name, value)]);
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = busy.local_addr().unwrap().to_string();
    assert_says(&serve("TAMGA__SERVER__LISTEN", &address), &[&address, "[server] listen", "already in use"]);
    assert_says(&serve("TAMGA__SERVER__ADMIN_LISTEN", &address), &[&address, "[server] admin_listen"]);
    // `serve` goes on without its engines. A verb that needs them cannot.
    let migrate = |name: &str, value: &str| ground.run(&["migrate"], &[(name, value)]);
    let library = migrate("TAMGA__ENGINE__LIBRARY", "/nowhere/libchdb.so");
    assert_says(&library, &["vault engine", "/nowhere/libchdb.so", "make engine"]);
    assert_says(&migrate("TAMGA__ENGINE__LIBRARY", "/etc/passwd"), &["the engine library", "invalid ELF header"]);
    assert_says(&migrate("TAMGA__ENGINE__PROGRAM", "/nowhere/engine"), &["/nowhere/engine", "[engine] program"]);
    assert_says(&serve("TAMGA__DATA__DIR", "/proc/data"), &["/proc/data", "[data] dir"]);
    let disk = env!("CARGO_TARGET_TMPDIR");
    let on_disk = format!("{disk}/keys-on-a-disk");
    assert_says(&serve("TAMGA__KEYS__DIR", &on_disk), &[&on_disk, "[keys] dir", "/dev/shm"]);
    let no_key = serve("TAMGA__COOKIE__KEY_FILE", "/nowhere/cookie.key");
    assert_says(&no_key, &["/nowhere/cookie.key", "[cookie] key_file", "No such file"]);
    assert_says(&serve("TAMGA__GEO__PLACE", "[\"none.mmdb\"]"), &["none.mmdb", "[geo]", "No such file"]);
}

#[test]
fn a_key_that_nobody_destroyed_in_time_is_shown_as_overdue() {
    let ground = Ground::new();
    let status = || stdout(&ground.run(&["keys", "status"], &[]));
    std::fs::write(ground.keys.path().join("jetpay.kz.2020-01-01.key"), [b'k'; 32]).unwrap();
    let said = status();
    assert!(said.starts_with("jetpay.kz  2020-01-01") && said.contains("overdue") && !said.contains("kk"), "{said}");
    let retries = format!("retries-{:016x}-{:016x}", 1, 2);
    std::fs::write(ground.keys.path().join(retries), b"hashes").unwrap();
    assert!(ground.run(&["keys", "destroy", "--all", "--yes"], &[]).status.success());
    assert!(status().contains("No key is there"));
    assert_eq!(std::fs::read_dir(ground.keys.path()).unwrap().count(), 0, "the hashes of retries are gone as well");
}

/// What an end must look like, whenever it comes.
fn assert_ended(product: Program) {
    let (code, took, log) = product.terminate();
    assert_eq!(code, Some(0), "{log}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(!log.contains("panicked") && !log.contains("ERROR") && !log.contains('\u{1b}'), "{log}");
}

#[test]
fn it_stops_on_a_signal_and_a_second_instance_waits_for_that() {
    let ground = Ground::new();
    assert_ended(Program::serve(&ground, &[]));
    let product = Program::serve(&ground, &[]);
    // The second waits for half a minute, which engines may take to start on a busy machine.
    product.logged("the stores are ready");
    let second = ground.command(&["serve"]).spawn().unwrap();
    assert_ended(product);
    let second = Program::watch(second);
    second.logged("the stores are ready");
    assert_ended(second);
    let verified = ground.run(&["audit", "verify"], &[]);
    assert!(verified.status.success() && stdout(&verified).contains("unbroken"));
}

/// A small disk, unmounted when dropped. `None` without the right to mount.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(at: std::path::PathBuf) -> Option<Self> {
        std::fs::create_dir_all(&at).unwrap();
        let flags = rustix::mount::MountFlags::empty();
        rustix::mount::mount("tmpfs", &at, "tmpfs", flags, Some(c"size=4m")).ok()?;
        Some(Self(at))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(&self.0, rustix::mount::UnmountFlags::DETACH);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_said_and_got_over() {
    let ground = Ground::new();
    let Some(disk) = SmallDisk::mount(ground.data()) else {
        println!("skipped: only root can mount a small disk; the edge's tests have one that is full on command");
        return;
    };
    // The stores are away, so that the disk holds the spool alone.
    ground.send_stores_away();
    let product = Program::serve(&ground, &[]);
    assert_eq!(product.beacon(view_of(1, 0, "/")).send().await.outcome(), "accepted");
    let ready = product.ask("/readyz").await;
    assert_eq!(ready.status, 200, "{}", String::from_utf8_lossy(&ready.body));

    let ballast = disk.0.join("ballast");
    let mut filling = std::fs::File::create(&ballast).unwrap();
    while std::io::Write::write_all(&mut filling, &[1; 4096]).is_ok() {}
    let mut seq = 1;
    let refused = loop {
        // What is reserved for the open segment is used up first.
        let answer = product.beacon(view_of(2, seq, "/")).send().await;
        if answer.status != 202 {
            break answer;
        }
        (seq, ()) = (seq + 1, assert!(seq < 10_000, "the disk is never full"));
    };
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")));
    let not_ready = product.ask("/readyz").await;
    let said = String::from_utf8(not_ready.body).unwrap();
    assert_eq!(not_ready.status, 503);
    assert!(said.contains("disk is full; free some space"), "{said}");
    assert!(product.logged("503 until the spool takes rows again").contains("ERROR"));
    for seq in 0..20 {
        product.beacon(view_of(3, seq, "/")).send().await;
    }
    assert_eq!(product.log().matches("503 until").count(), 1, "said once");

    // The actions of now are in the audit log all the same, also those of another process.
    let heads = ground.run(&["audit", "heads"], &[]);
    assert!(heads.status.success(), "{}", String::from_utf8_lossy(&heads.stderr));

    std::fs::remove_file(&ballast).unwrap();
    drop(filling);
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(product.beacon(view_of(2, seq, "/")).send().await.outcome(), "accepted", "the same beacon again");
    product.logged("the spool takes rows again");
    assert_eq!(product.ask("/readyz").await.status, 200);
    assert_eq!(product.figure("tamga_events_accepted_total").await, u64::from(seq) + 1);
    let (code, _, log) = product.terminate();
    assert_eq!(code, Some(0), "{log}");
    let (verified, shown) = (ground.run(&["audit", "verify"], &[]), ground.run(&["audit", "show"], &[]));
    assert!(verified.status.success() && stdout(&verified).contains("unbroken"));
    assert!(["start", "configuration", "export heads", "stop"].iter().all(|action| stdout(&shown).contains(action)));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_descriptors_it_pauses_and_goes_on() {
    let ground = Ground::new();
    ground.send_stores_away();
    let program = Program::serve(&ground, &[]);
    assert_eq!(program.beacon(view_of(1, 0, "/")).send().await.outcome(), "accepted");
    program.leave_descriptors(8);
    let mut taken = Vec::new();
    for _ in 0..40 {
        taken.push(tokio::net::TcpStream::connect(program.address).await.unwrap());
    }
    assert!(program.logged("cannot accept a connection").contains("WARN"));
    drop(taken);
    assert_eq!(program.beacon(view_of(1, 1, "/")).send().await.outcome(), "accepted");
    let (code, _, log) = program.terminate();
    assert!(code == Some(0) && !log.contains("panicked"), "{log}");
}
