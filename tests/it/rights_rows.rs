//! Does a visitor see all rows of the own browser, and nobody else's? By HTTP with every cookie that somebody could try, and in
//! real browsers. On the real engine, through the program.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::Value;
use tamga::clock::Clock;
use tamga::store::{Limits, Store, VAULT};

use crate::rights_erasure::{SITE, call, configure, started, stored, visit};
use crate::support::collector::view_id;
use crate::support::engine::{Engine, PASSWORD, USER};
use crate::support::http::{Answer, Call};
use crate::support::product::{Ports, Product};
use crate::support::random::Random;

/// Generous: a crowded machine must not fail the test.
const PATIENCE: Duration = Duration::from_secs(180);

/// A question, from another network each time: no limit of one network ends the test.
fn question(product: &Product, number: u64, query: &str) -> Call {
    question_by(product, number, "GET", &format!("/v1/privacy/me{query}"))
}

fn question_by(product: &Product, number: u64, method: &str, target: &str) -> Call {
    let network = format!("198.{}.{}.7", 18 + number / 250 % 2, number % 250);
    let get = Call::new(([127, 0, 0, 1], product.ports.collector).into(), method, target);
    get.header("Host", &format!("t.{SITE}")).header("X-Forwarded-For", &network).header("Sec-Fetch-Site", "same-origin")
}

/// What a request can say beside its cookie: names that could mean something, with values that could select somebody. As a query or form,
/// and as headers.
pub(crate) fn said_beside(random: &mut Random, values: &[&str]) -> (String, Vec<(&'static str, String)>) {
    const NAMES: [&str; 17] = [
        "visitor", "view", "cookie", "identity", "day", "rows", "id", "token", "receipt", "key", "user", "email", "ip",
        "lang", "own", "framed", "q",
    ];
    const HEADERS: [&str; 13] = [
        "X-Tamga-Visitor",
        "Authorization",
        "Cookie2",
        "X-Cookie",
        "Forwarded",
        "X-Original-URL",
        "X-HTTP-Method-Override",
        "X-Forwarded-Host",
        "If-None-Match",
        "Range",
        "Accept-Language",
        "User-Agent",
        "Content-Language",
    ];
    let value = |random: &mut Random| match random.below(4) {
        0 => random.next().to_string(),
        1 => values[random.below(values.len() as u64) as usize].bytes().map(|byte| format!("%{byte:02X}")).collect(),
        _ => values[random.below(values.len() as u64) as usize].to_owned(),
    };
    let mut query = Vec::new();
    for _ in 0..random.below(6) {
        let (name, array) = (NAMES[random.below(17) as usize], ["", "[]", "%5B0%5D"][random.below(3) as usize]);
        query.push(format!("{name}{array}={}", value(random)));
    }
    let headers = (0..random.below(4)).map(|_| (HEADERS[random.below(13) as usize], value(random))).collect();
    (query.join("&"), headers)
}

/// Asks until the collector has time.
async fn answered(call: &Call) -> Value {
    let since = Instant::now();
    loop {
        let answer: Answer = call.send().await;
        if answer.status == 200 {
            return serde_json::from_slice(&answer.body).unwrap();
        }
        assert!(answer.status == 503 && since.elapsed() < PATIENCE, "{}", answer.status);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The rows of an answer, in an order of their own.
fn rows(answer: &Value) -> Vec<String> {
    assert_eq!(answer["complete"], true, "{answer}");
    let mut rows: Vec<String> = answer["rows"].as_array().unwrap().iter().map(Value::to_string).collect();
    rows.sort();
    rows
}

#[derive(Deserialize)]
struct Count {
    rows: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_shows_all_rows_of_its_browser_and_nothing_else_shows_any() {
    let (_folder, _, mut product) = started().await;
    let other = visit(&product, [1, 2], "/second").await;
    let cookie = visit(&product, [3, 4], "/third").await;
    // While they wait, or on their way, as soon as the vault is there.
    let before = answered(&question(&product, 0, "").cookies(Some(&cookie))).await;
    stored(&mut product).await;
    let own = rows(&answered(&question(&product, 0, "").cookies(Some(&cookie))).await);
    let of_other = rows(&answered(&question(&product, 0, "").cookies(Some(&other))).await);
    let distinct = |rows: &[String]| rows.iter().cloned().collect::<BTreeSet<_>>();
    assert_eq!(distinct(&rows(&before)), distinct(&own), "the spool and the vault say the same");
    let sql = "SELECT toUInt32(count()) AS rows FROM (SELECT batch FROM events UNION ALL SELECT batch FROM attributes \
               UNION ALL SELECT batch FROM signals UNION ALL SELECT batch FROM errors)";
    let all = product.vault::<Count>(sql).await.unwrap()[0].rows;
    assert_eq!(own.len() + of_other.len(), all, "every row is its browser's, and shown");
    for (rows, path, foreign) in [(&own, "/third", "/second"), (&of_other, "/second", "/third")] {
        let text = rows.join("\n");
        assert!(text.contains(path) && !text.contains(foreign), "{text}");
        for said in ["Arial", "Almaty", "чай", "x is null", "canvas"] {
            assert!(text.contains(said), "{said}: {text}");
        }
        assert!(!text.contains("\"visitor\"") && !text.contains("\"batch\""), "no mark by which others find the rows");
    }

    // Whatever else a request says, the cookie alone selects.
    let mut random = Random(20);
    let (name, value) = cookie.split_once('=').unwrap();
    let marks = product.vault::<Known>(KNOWN).await.unwrap();
    let (mark, view) = (&marks[0].visitor, view_id(3));
    for number in 0..1_000 {
        let at = random.below(value.len() as u64) as usize;
        let changed = if &value[at..=at] == "A" { "B" } else { "A" };
        let (tried, expected): (_, &[String]) = match number % 6 {
            0 => (None, &[]),
            1 => (Some(format!("{name}={}", &value[..at])), &[]),
            2 => (Some(format!("{name}={}{changed}{}", &value[..at], &value[at + 1..])), &[]),
            3 => (Some(format!("{name}-of-another-site={value}")), &[]),
            4 => (Some(other.clone()), &of_other),
            _ => (Some(cookie.clone()), &own),
        };
        let (query, headers) = said_beside(&mut random, &[value, &cookie, mark, &view, "/third"]);
        let said = |call: Call| headers.iter().fold(call, |call, (name, value)| call.header(name, value));
        let call = said(question(&product, number, &format!("?{query}"))).cookies(tried.as_deref());
        let call = if random.below(4) == 0 { call.body(query.clone()) } else { call };
        assert_eq!(rows(&answered(&call).await), expected, "{tried:?} {query} {headers:?}");
        if number % 6 != 5 && number % 20 == 0 {
            let page =
                said(question_by(&product, number, "GET", &format!("/privacy?{query}"))).cookies(tried.as_deref());
            let method = ["HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"][random.below(7) as usize];
            let other = said(question_by(&product, number, method, "/v1/privacy/me")).cookies(Some(&cookie));
            for answer in [page.send().await, other.body(query.clone()).send().await] {
                assert!(!String::from_utf8_lossy(&answer.body).contains("/third"), "{method} {tried:?} {query}");
            }
        }
    }
    for from in ["cross-site", "same-site", "none"] {
        let call = question(&product, 0, "").cookies(Some(&cookie)).header("Sec-Fetch-Site", from);
        assert_eq!(call.send().await.status, 403, "{from}");
    }

    // Erased, then replayed.
    let erase = call(&product, "/v1/privacy/erase").header("Sec-Fetch-Site", "same-origin").cookies(Some(&cookie));
    assert_eq!(erase.body("state=all").send().await.status, 200);
    let replayed = question(&product, 7, "").cookies(Some(&cookie));
    let gone = async |_: &Product| rows(&answered(&replayed).await).is_empty().then_some(());
    product.until("a replayed cookie shows nothing", PATIENCE, gone).await;
    assert_eq!(rows(&answered(&question(&product, 8, "").cookies(Some(&other))).await), of_other);
    let left = product.vault::<Count>("SELECT toUInt32(count()) AS rows FROM erasures").await.unwrap()[0].rows;
    assert_eq!(left, 0, "no question is left behind");
    let log = product.log();
    assert!(!log.contains(value) && !log.contains(other.split_once('=').unwrap().1));
}

/// A pseudonym, and the key domain whose rows have it.
#[derive(Deserialize)]
struct Known {
    visitor: String,
    domain: String,
}

const KNOWN: &str = "SELECT DISTINCT hex(visitor) AS visitor, domain FROM (SELECT visitor, 'events' AS domain FROM events \
                     UNION ALL SELECT visitor, 'errors' FROM errors \
                     UNION ALL SELECT visitor, toString(attribute) FROM attributes \
                     UNION ALL SELECT visitor, toString(signal) FROM signals)";

/// Whether a text has 32 hexadecimal digits beside each other.
fn has_hexadecimal(text: &[u8]) -> bool {
    text.split(|byte| !byte.is_ascii_hexdigit()).any(|digits| digits.len() == 32)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_leaves_no_pseudonym_in_a_file_or_a_statement() {
    let (_folder, _, mut product) = started().await;
    let cookie = visit(&product, [3, 4], "/third").await;
    stored(&mut product).await;
    let known = product.vault::<Known>(KNOWN).await.unwrap();
    let domains: BTreeSet<_> = known.iter().map(|known| &known.domain).collect();
    assert!(domains.len() > 10, "{domains:?}");
    let own = rows(&answered(&question(&product, 0, "").cookies(Some(&cookie))).await);
    assert!(own.len() >= known.len(), "{own:?}");
    let logged = async |product: &Product| {
        let sql = "SELECT toUInt32(count()) AS rows FROM tamga_engine.query_log WHERE has(used_functions, 'unhex')";
        // One for each table at least.
        product.vault::<Count>(sql).await.filter(|counts| counts[0].rows >= 4)
    };
    product.until("the question is in the query log", PATIENCE, logged).await;
    let texts = "SELECT query AS visitor, toString(Settings) AS domain FROM tamga_engine.query_log";
    let texts = product.vault::<Known>(texts).await.unwrap();
    let has_one = |text: &Known| has_hexadecimal(text.visitor.as_bytes()) || has_hexadecimal(text.domain.as_bytes());
    assert!(!texts.iter().any(has_one), "a statement names a pseudonym");
    let made = "SELECT engine AS visitor, toString(data_paths) AS domain FROM system.tables \
                WHERE database = 'tamga_vault' AND name = 'erasures'";
    let made = &product.vault::<Known>(made).await.unwrap()[0];
    assert_eq!((made.visitor.as_str(), made.domain.as_str()), ("Memory", "[]"), "it has no file");
    let log = product.log().to_uppercase();
    assert!(!known.iter().any(|known| log.contains(&known.visitor)));
}

/// Who looks into the table in which pseudonyms come to a server never finds two key domains.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_asked_for_one_key_domain_at_a_time() {
    let (engine, folder, ports) = (Engine::start(), tempfile::tempdir().unwrap(), Ports::free());
    let vault = Store::new(&engine.url(), USER, PASSWORD, VAULT, Limits::default()).unwrap();
    tamga::store::apply(&vault, tamga::store::migrations_of(&vault), &Clock::machine()).await.unwrap();
    let config = configure(&folder, ports);
    let password = folder.path().join("vault.password");
    std::fs::write(&password, PASSWORD).unwrap();
    let server =
        format!("[vault]\nurl = '{}'\nuser = '{USER}'\npassword_file = '{}'\n", engine.url(), password.display());
    let text = std::fs::read_to_string(&config).unwrap().replace("[vault]\n", &server);
    std::fs::write(&config, text).unwrap();
    let mut product = Product::serve(&folder, &config, ports);
    product.takes_beacons().await;
    let cookie = visit(&product, [3, 4], "/third").await;
    let drained = async |product: &Product| product.is_drained().await.then_some(());
    product.until("all is on the server", PATIENCE, drained).await;
    let known: Vec<Known> = vault.rows(KNOWN, &[]).await.unwrap();
    let domain_of: HashMap<&str, &str> =
        known.iter().map(|known| (known.visitor.as_str(), known.domain.as_str())).collect();
    let asked = question(&product, 0, "").cookies(Some(&cookie));
    let own = rows(&answered(&asked).await);
    assert_eq!(own.len() as u64, engine_rows(&vault).await, "all rows are shown");

    // Until enough looks met a domain of which this browser has rows, while it asks again and again.
    let mut seen = BTreeSet::<String>::new();
    let since = Instant::now();
    while seen.len() < 5 {
        assert!(since.elapsed() < PATIENCE, "{seen:?}");
        let look = async {
            let sql = "SELECT hex(visitor) AS visitor, toString(attempt) AS domain FROM erasures";
            let mut looks = Vec::<Vec<Known>>::new();
            for _ in 0..20 {
                looks.push(vault.rows(sql, &[]).await.unwrap());
            }
            looks
        };
        let (looks, again) = tokio::join!(look, answered(&asked));
        assert_eq!(rows(&again), own);
        for look in looks {
            let domains: BTreeSet<_> = look.iter().filter_map(|row| domain_of.get(&row.visitor[..])).collect();
            assert!(domains.len() <= 1, "they lie together: {domains:?}");
            seen.extend(domains.into_iter().map(|domain| (*domain).to_owned()));
        }
    }
    let left: Vec<Count> = vault.rows("SELECT toUInt32(count()) AS rows FROM erasures", &[]).await.unwrap();
    assert_eq!(left[0].rows, 0);
}

async fn engine_rows(vault: &Store) -> u64 {
    let sql = "SELECT toUInt32(count()) AS rows FROM (SELECT batch FROM events UNION ALL SELECT batch FROM attributes \
               UNION ALL SELECT batch FROM signals UNION ALL SELECT batch FROM errors)";
    vault.rows::<Count>(sql, &[]).await.unwrap()[0].rows as u64
}

#[tokio::test(flavor = "multi_thread")]
async fn in_real_browsers_each_visitor_sees_the_own_rows_erases_them_and_objects() {
    let (folder, ports) = (tempfile::tempdir().unwrap(), Ports::free());
    let port = Ports::free().collector;
    let (site, docs) = (format!("http://{SITE}:{port}"), format!("http://docs.{SITE}:{port}"));
    let config = configure(&folder, ports);
    let text = std::fs::read_to_string(&config).unwrap();
    // As it is by default: rows wait until their window has ended, and most of what is shown and erased waits in the spool.
    let text = text.replace("until_window_end = false", "until_window_end = true");
    let text = text.replace(&format!("origins = ['http://{SITE}']"), &format!("origins = ['{site}', '{docs}']"));
    let paths = "paths = ['/', '/audited', '/*']";
    std::fs::write(&config, text.replace("paths = ['/first', '/second', '/third']", paths)).unwrap();
    let mut product = Product::serve(&folder, &config, ports);
    product.takes_beacons().await;
    let collector = format!("http://t.{SITE}:{}", ports.collector);
    let run = move || {
        Command::new("node")
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("collector-js"))
            .args(["test/privacy.mjs", &collector, &site])
            .output()
            .unwrap_or_else(|error| panic!("cannot run node ({error}): scripts/prepare snippet browser"))
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    println!("{said}");
}

/// Times of answers in milliseconds: for a valid cookie, and for one that is not.
type Times = [Vec<f64>; 2];

/// Welch's t, in words.
fn compared(what: &str, times: &Times) -> String {
    let of = |times: &[f64]| {
        let mean = times.iter().sum::<f64>() / times.len() as f64;
        let variance = times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (times.len() - 1) as f64;
        (mean, variance / times.len() as f64)
    };
    let ((known, spread), (other, other_spread)) = (of(&times[0]), of(&times[1]));
    let t = (known - other) / (spread + other_spread).sqrt();
    let answers = times.iter().map(Vec::len).collect::<Vec<_>>();
    format!("{what}: valid {known:.3} ms, unknown {other:.3} ms, t = {t:.2}, answers {answers:?}")
}

/// Whether the time of an answer shows that a cookie is valid: of the page, of its interface, and of an erasure, which is far more work
/// for the engine. `TAMGA_TIMING` is the number of requests of each of the first two; of the third it is a hundredth part. For 100,000:
///
/// ```sh
/// TAMGA_TIMING=100000 cargo test --test it -- --ignored --nocapture measure_whether_the_time
/// ```
///
/// Without a vault, so that less noise hides a difference, 100,000 answers each of a release build had t = -0.54 (`/privacy`) and
/// t = 0.06 (`/v1/privacy/me`), and 5,000 erasures t = 1.34.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement of minutes to hours"]
async fn measure_whether_the_time_of_an_answer_shows_a_valid_cookie() {
    let requests: u64 = std::env::var("TAMGA_TIMING").map_or(10_000, |text| text.parse().unwrap());
    let (_folder, _, mut product) = started().await;
    let cookie = visit(&product, [3, 4], "/third").await;
    let erase = call(&product, "/v1/privacy/erase").header("Sec-Fetch-Site", "same-origin").body("state=all");
    assert_eq!(erase.clone().cookies(Some(&cookie)).send().await.status, 200);
    // The cookie is valid, and nothing is held: all that is left to show is whether it was opened.
    let valid = question(&product, 7, "").cookies(Some(&cookie));
    let gone = async |_: &Product| rows(&answered(&valid).await).is_empty().then_some(());
    product.until("nothing is held", PATIENCE, gone).await;
    let last = if cookie.ends_with('A') { "B" } else { "A" };
    let cookies = [cookie.clone(), format!("{}{last}", &cookie[..cookie.len() - 1])];
    let (mut random, mut times) = (Random(1), <[Times; 3]>::default());
    for number in 0..requests {
        for (what, times) in times.iter_mut().enumerate() {
            let call = match what {
                0 => question(&product, number, ""),
                1 => question_by(&product, number + 1, "GET", "/privacy?lang=en"),
                _ if number % 100 == 0 => {
                    let network = format!("203.{}.{}.7", number / 25_000 % 250, number / 100 % 250);
                    erase.clone().header("X-Forwarded-For", &network)
                }
                _ => continue,
            };
            let which = random.below(2) as usize;
            let call = call.cookies(Some(&cookies[which]));
            let since = Instant::now();
            let answer = call.send().await;
            let time = since.elapsed().as_secs_f64() * 1e3;
            // A page that could not show the rows was not asked about them.
            if answer.status == 200 && !answer.body.windows(NOT_NOW.len()).any(|part| part == NOT_NOW.as_bytes()) {
                times[which].push(time);
            }
        }
        if (number + 1) % 10_000 == 0 || number + 1 == requests {
            for (what, times) in ["/v1/privacy/me", "/privacy", "/v1/privacy/erase"].into_iter().zip(&times) {
                println!("{}", compared(what, times));
            }
        }
    }
}

/// What the page says in English when it cannot show the rows.
const NOT_NOW: &str = "This cannot be shown just now";
