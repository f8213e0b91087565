//! Are the weak spots of well-known collectors Tamga's, too? Ten of them, a test each. Most have a longer test elsewhere; here is
//! the shortest one that fails if the spot comes back.

use std::collections::{BTreeMap, BTreeSet};

use tamga::record::Table;

use crate::canary::Needles;
use crate::support::collector::{AGENT, Edge, ORIGIN, SITE, Setup, beacon_of, view_bytes, view_id, view_of};
use crate::support::http::Call;
use crate::support::program::{Ground, Program};

const STRUCTURE: &str = include_str!("../../schema/structure.sql");

/// The key of an edge's only site-day.
fn day_key(edge: &Edge) -> [u8; 32] {
    let mut files = std::fs::read_dir(edge.keys.path()).unwrap().map(|entry| entry.unwrap().path());
    let keys: Vec<[u8; 32]> = files.by_ref().filter_map(|path| std::fs::read(path).ok()?.try_into().ok()).collect();
    assert_eq!(keys.len(), 1, "one site, one day");
    keys[0]
}

/// Keys that could be had without the day's: none, and what a date, a name or nothing would make.
fn keys_of_a_guesser(site: &str) -> [[u8; 32]; 5] {
    let made_of = |text: &str| *blake3::hash(text.as_bytes()).as_bytes();
    [[0; 32], made_of(""), made_of("2026-11-22"), made_of(site), made_of(&format!("{site}2026-11-22"))]
}

fn hash(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new_keyed(key);
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().as_bytes()[..16].try_into().unwrap()
}

fn domain(key: &[u8; 32], name: &str) -> [u8; 32] {
    blake3::derive_key(&format!("tamga 2026-11-22 {name} v1"), key)
}

/// The keys of others' days can be made from a date and a setting.
#[tokio::test]
async fn a_date_and_the_configuration_make_no_key() {
    let (one, other) = (Edge::start().await, Edge::start().await);
    let mut views = Vec::new();
    for edge in [&one, &other] {
        assert_eq!(edge.view(1, 0, None).await.outcome(), "accepted");
        views.push(edge.rows().await.event().view);
    }
    let view = |key: &[u8; 32]| {
        let mut view = hash(&domain(key, "view"), &[&view_bytes(1)]);
        view[8..].fill(0); // Of views, half is kept.
        view
    };
    // The day, the configuration and the view are the same, and the key is another.
    assert_eq!([view(&day_key(&one)), view(&day_key(&other))], views[..]);
    assert_ne!(views[0], views[1]);
    assert!(keys_of_a_guesser(SITE).iter().all(|key| !views.contains(&view(key))));
}

/// A hash without a key is found by trying all addresses. Of an address only the /24 enters, and only where a site sets no
/// cookie, so 2^24 tries are all there are; `TAMGA_ENUMERATE=full` makes them, the short run a part.
#[tokio::test]
async fn trying_all_addresses_finds_nobody_without_the_key() {
    const PLAIN: &str = "plain.kz";
    let sites = "[[site]]\ndomain = \"plain.kz\"\npublic_url = \"https://t.plain.kz\"\norigins = [\"https://plain.kz\"]\n\
                 time_zone = \"Asia/Almaty\"\nprofile = \"jetpay\"\nidentity = \"daily-address\"\n";
    let edge = Edge::start_with(Setup { sites, ..Setup::default() }).await;
    for (view, address) in [(1, "198.18.7.9"), (2, "198.18.7.200")] {
        let body = beacon_of(view, 0, r#"{"type":"view","at":0,"url":"https://plain.kz/"}"#).replace(SITE, PLAIN);
        let call = edge.beacon(body).header("Origin", "https://plain.kz").header("X-Forwarded-For", address);
        assert_eq!(call.send().await.outcome(), "accepted");
    }
    let rows = edge.rows().await.events;
    assert!(rows.len() == 2 && rows[0].visitor == rows[1].visitor, "the last byte of an address does not enter");

    let prefixes = if std::env::var("TAMGA_ENUMERATE").is_ok_and(|value| value == "full") {
        0..1 << 24
    } else {
        (198 << 16) + (18 << 8)..(198 << 16) + (20 << 8)
    };
    let found_with = |key: &[u8; 32]| {
        let (address, visitor) = (domain(key, "address"), domain(key, "visitor"));
        let pseudonym = |prefix: u32| {
            let id = hash(&address, &[PLAIN.as_bytes(), &prefix.to_be_bytes()[1..], AGENT.as_bytes()]);
            hash(&visitor, &[&id])
        };
        prefixes.clone().filter(|prefix| pseudonym(*prefix) == rows[0].visitor).count()
    };
    assert_eq!(found_with(&day_key(&edge)), 1, "with the key, the search finds");
    let tried = keys_of_a_guesser(PLAIN);
    let found: usize = tried.iter().map(found_with).sum();
    println!("{} prefixes under {} guessed keys: {found} found", prefixes.len(), tried.len());
    assert_eq!(found, 0);
}

/// Addresses and agents are written to disk when the process stops.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_who_came_is_written_on_the_way_out() {
    let ground = Ground::new();
    ground.send_stores_away();
    let product = Program::serve(&ground, &[]);
    let agent = format!("{AGENT} WeakSpotAgent/1");
    let call = product.beacon(view_of(1, 0, "/tariffs")).header("X-Forwarded-For", "198.18.201.203");
    assert_eq!(call.header("User-Agent", &agent).send().await.outcome(), "accepted");
    let (code, _, log) = product.terminate();
    assert_eq!(code, Some(0), "{log}");
    let needles = Needles::new(&["198.18.201.203", "WeakSpotAgent", &view_id(1)]).and("bytes", vec![198, 18, 201, 203]);
    needles.assert_absent("the log", log.as_bytes());
    assert!(crate::canary::assert_absent(&needles, ground.folder.path()).files > 3);
}

/// The statements of the schema that make something, by what they make: `tamga_vault.events`.
fn tables() -> BTreeMap<&'static str, &'static str> {
    let statements = STRUCTURE.split(";\n").filter_map(|statement| {
        let (_, rest) = statement.split_once("CREATE ")?;
        let (kind, rest) = rest.split_once(' ')?;
        assert_eq!(kind, "TABLE", "nothing else copies rows: {statement}");
        Some((rest.split_whitespace().next()?, statement))
    });
    let tables: BTreeMap<_, _> = statements.collect();
    assert!(tables.len() > 10, "{tables:?}");
    tables
}

/// Raw agents of bots rest in a table that nobody empties.
#[test]
fn every_table_forgets_by_itself() {
    for (name, statement) in tables() {
        let forgets = statement.contains("\nTTL ") && !statement.contains("TTL toDateTime(0)");
        // In memory, and emptied by the caller that filled it: `rights_erasure` and `rights_rows` look.
        let passes = name == "tamga_vault.erasures" && statement.contains("ENGINE = Memory");
        assert!(forgets || passes || name.ends_with(".schema_migrations"), "{name} keeps rows for ever");
    }
}

/// The salt stands in a database that analysts read.
#[test]
fn no_key_is_where_analysts_read() {
    for (name, statement) in tables().iter().filter(|(name, _)| name.starts_with("tamga_stats.")) {
        for column in statement.lines().filter_map(|line| line.trim().strip_prefix('`')) {
            let (column, kind) = column.split_once("` ").unwrap();
            let speaking = ["key", "salt", "seed", "secret", "hash", "digest", "token", "visitor", "view"];
            assert!(!speaking.contains(&column), "{name}.{column}");
            assert!(!kind.starts_with("FixedString"), "{name}.{column} could hold a key or a pseudonym");
        }
    }
}

/// A reset leaves the rows of some tables. Every table that has a pseudonym can be named in an order to erase, and no view
/// keeps a copy.
#[test]
fn an_erasure_can_reach_every_table_that_has_a_pseudonym() {
    let pseudonymous = |(name, statement): (&'static str, &str)| {
        statement.contains("`visitor` FixedString").then(|| name.trim_start_matches("tamga_vault."))
    };
    let mut with_pseudonyms: BTreeSet<&str> = tables().into_iter().filter_map(pseudonymous).collect();
    assert!(with_pseudonyms.remove("erasures"), "an order itself, while it is followed");
    let erasable = Table::ALL.into_iter().filter(|table| *table != Table::Tallies).map(Table::name);
    assert_eq!(with_pseudonyms, erasable.collect());
}

/// The body says which address, agent and time the visitor has, and is believed.
#[tokio::test]
async fn a_beacon_does_not_say_who_sent_it_or_when() {
    let edge = Edge::start().await;
    assert_eq!(edge.view(1, 0, None).await.outcome(), "accepted");
    let honest = edge.rows().await;
    let claims = r#""ip":"198.18.99.1","userAgent":"curl/8","timestamp":1,"country":"US","session":"x""#;
    let body = view_of(2, 0, "/tariffs").replace("\"at\":0", &format!("\"at\":0,{claims}")).replacen(
        '{',
        &format!("{{{claims},"),
        1,
    );
    assert_eq!(edge.beacon(body).send().await.outcome(), "accepted");
    let rows = edge.rows().await;
    let row = rows.event().clone();
    let honest_row = honest.event().clone();
    let same = crate::support::rows::EventRow { visitor: row.visitor, visit: row.visit, view: row.view, ..honest_row };
    assert_eq!(row, same);
    assert!(["place", "client", "device"].iter().all(|of| rows.of_visit(of) == honest.of_visit(of)));
}

/// Whatever stands first in `X-Forwarded-For` is taken for the visitor's address.
#[tokio::test]
async fn an_address_that_the_client_wrote_is_not_its_address() {
    let edge = Edge::start().await;
    let mut rows = Vec::new();
    for (view, forwarded) in [(1, "198.18.0.9"), (2, "198.18.99.1, 198.18.0.9"), (3, "198.18.99.1")] {
        let call = edge.beacon(view_of(view, 0, "/tariffs")).header("X-Forwarded-For", forwarded);
        let call = call.header("True-Client-IP", "198.18.99.1").header("X-Real-IP", "198.18.99.1");
        assert_eq!(call.header("CF-Connecting-IP", "198.18.99.1").send().await.outcome(), "accepted");
        let row = edge.rows().await;
        rows.push((row.of_visit("place").map(str::to_owned), row.event().network));
    }
    assert!(rows[0] == rows[1] && rows[0] != rows[2], "{rows:?}");
}

/// The health endpoint cannot fail.
#[tokio::test(flavor = "multi_thread")]
async fn readiness_fails_where_beacons_cannot_be_taken() {
    let ground = Ground::new();
    ground.send_stores_away();
    let limits = ["TAMGA__LIMITS__NETWORK_PER_S", "TAMGA__LIMITS__VISITOR_EVENTS_PER_H"].map(|limit| (limit, "0"));
    let product = Program::serve(&ground, &[limits[0], limits[1], ("TAMGA__DATA__SPOOL_QUOTA_MIB", "1")]);
    assert_eq!(product.ask("/readyz").await.status, 200);
    let events = vec![r#"{"type":"view","at":0,"url":"https://jetpay.kz/docs/getting-started"}"#; 20].join(",");
    let mut seq = 0;
    while product.beacon(beacon_of(1, seq, &events)).send().await.status == 202 {
        (seq, ()) = (seq + 1, assert!(seq < 5_000, "the spool is never full"));
    }
    let answer = product.ask("/readyz").await;
    let said = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(answer.status == 503 && said.contains("quota"), "{} {said}", answer.status);
}

/// The buffer is emptied before the store has said yes.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_store_has_not_taken_is_there_after_a_kill() {
    let ground = Ground::new();
    ground.send_stores_away();
    let product = Program::serve(&ground, &[]);
    for view in 1..=5 {
        let call =
            Call::new(product.address, "POST", "/v1/beacon").header("Host", "t.jetpay.kz").header("Origin", ORIGIN);
        let call =
            call.header("Content-Type", "text/plain").header("User-Agent", AGENT).header("Accept-Language", "kk");
        assert_eq!(call.body(view_of(view, 0, "/tariffs")).send().await.outcome(), "accepted");
    }
    let accepted = product.figure("tamga_rows_accepted_total").await;
    assert!(accepted >= 5);
    drop(product);
    let product = Program::serve(&ground, &[]);
    assert_eq!(product.figure("tamga_rows_found").await, accepted);
}
