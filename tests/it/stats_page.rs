//! Does the page `/stats` show published numbers to whom they are for, and to nobody else? And does it work in a real browser?

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::engine::library;
use crate::support::product::{Ports, Product};
use crate::support::programs;

const DAYS: u32 = 40;

/// A collector with published numbers, and two accounts.
pub(crate) struct Site {
    product: Product,
    /// Reads all sites.
    aigerim: String,
    /// Reads `small.kz`.
    daniyar: String,
    pub(crate) folder: TempDir,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn cookie(&self) -> String {
        let cookie = self.headers.get(header::SET_COOKIE).expect("a cookie").to_str().unwrap();
        cookie.split(';').next().unwrap().to_owned()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text))
    }
}

impl Site {
    pub(crate) async fn start(days: u32, sites: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ports = Ports::free();
        let config = folder.path().join("tamga.toml");
        fs::write(&config, configuration(&folder, ports)).unwrap();
        fs::write(folder.path().join("annotations.toml"), annotations()).unwrap();
        let mut product = Product::serve(&folder, &config, ports);
        product
            .until("the stats tables are there", Duration::from_secs(180), async |product| {
                product.stats::<Value>("SELECT 1 AS one FROM publications LIMIT 1").await
            })
            .await;
        for statement in made_up_numbers(days, sites) {
            product
                .until("numbers are inserted", Duration::from_secs(120), async |product| {
                    product.stats::<Value>(&statement).await
                })
                .await;
        }
        let aigerim = account(&config, &["aigerim"]);
        let daniyar = account(&config, &["daniyar", "--site", "small.kz"]);
        Self { product, aigerim, daniyar, folder }
    }

    fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.product.ports.collector + 1)
    }

    /// Carries out a statement in the stats store.
    pub(crate) async fn change(&self, statement: &str) {
        self.product.stats::<Value>(statement).await.expect("a sound statement");
    }

    async fn send(&self, method: &str, path: &str, fields: &[(&str, &str)], body: String) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.origin()));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let client: HttpClient<_, Full<Bytes>> = HttpClient::builder(TokioExecutor::new()).build_http();
        let (head, body) =
            client.request(request.body(Full::from(body)).unwrap()).await.expect("an answer").into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: head.status, headers: head.headers, text: String::from_utf8(body.to_vec()).unwrap() }
    }

    async fn sign_in(&self, name: &str, password: &str) -> Answer {
        let body = json!({ "name": name, "password": password }).to_string();
        self.send("POST", "/stats/sign-in", &[("origin", &self.origin())], body).await
    }

    async fn get(&self, path: &str, cookie: &str) -> Answer {
        self.send("GET", path, &[("cookie", cookie)], String::new()).await
    }
}

/// Statements that insert numbers of so many days, of so many sites and two small ones.
pub(crate) fn made_up_numbers(days: u32, sites: u32) -> Vec<String> {
    let text = include_str!("../fixtures/stats/made_up.sql");
    let text = text.replace("{days}", &days.to_string()).replace("{sites}", &sites.to_string());
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with("--")).collect();
    lines.join("\n").split(";\n").map(|one| one.trim().trim_end_matches(';').to_owned()).collect()
}

/// Annotations of two sites, of a week ago.
fn annotations() -> String {
    let of = |site: &str, text: &str| {
        format!("[[annotation]]\nsite = \"{site}\"\nday = \"{}\"\ntext = \"{text}\"\n", day(-7))
    };
    of("s1.kz", "New <b>checkout</b>") + &of("small.kz", "Moved")
}

fn configuration(folder: &TempDir, ports: Ports) -> String {
    let site = |domain: &str| {
        format!(
            "[[site]]\ndomain = \"{domain}\"\npublic_url = \"https://t.{domain}\"\norigins = [\"https://{domain}\"]\n\
             time_zone = \"Asia/Almaty\"\nprofile = \"jetpay\"\n"
        )
    };
    let names = (0..10).map(|number| format!("s{number}.kz")).chain(["small.kz".to_owned(), "empty.kz".to_owned()]);
    format!(
        "[server]\nlisten = \"127.0.0.1:{}\"\nadmin_listen = \"127.0.0.1:{}\"\nannotations_file = \"{}\"\n[data]\ndir = \"{}\"\n[engine]\n\
         vault_listen = \"127.0.0.1:{}\"\nstats_listen = \"127.0.0.1:{}\"\nlibrary = \"{}\"\n[keys]\ndir = \"{}\"\n\
         [publish]\nenabled = false\n[cookie]\nkey_file = \"{}\"\n{}",
        ports.collector,
        ports.collector + 1,
        folder.path().join("annotations.toml").display(),
        folder.path().join("data").display(),
        ports.engine,
        ports.engine + 1,
        library().display(),
        ports.keys().display(),
        folder.path().join("cookie.key").display(),
        names.map(|name| site(&name)).collect::<String>(),
    )
}

/// Makes an account and returns its password.
fn account(config: &Path, arguments: &[&str]) -> String {
    let output = Command::new(programs::tamga())
        .args(["analyst", "add"])
        .args(arguments)
        .arg(format!("--config={}", config.display()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().last().unwrap().to_owned()
}

/// The panels, from the code.
fn panels() -> Vec<String> {
    let files = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/stats_page/sql")).unwrap();
    let names = files.map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned());
    names.filter(|name| name != "sites").collect()
}

fn asked(panel: &str, site: &str) -> String {
    let item = match panel {
        "ways" => "/tariffs",
        "attributes" => "provider",
        _ => "order",
    };
    format!("/stats/panel?panel={panel}&site={site}&from=2020-01-01&to=2023-01-01&item={item}")
        .replace("2020-01-01", &day(-35))
        .replace("2023-01-01", &day(1))
}

fn day(from_today: i64) -> String {
    let now = tamga::clock::Clock::machine().now().to_zoned(jiff::tz::TimeZone::get("Asia/Almaty").unwrap());
    now.date().checked_add(jiff::Span::new().days(from_today)).unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn published_numbers_are_shown_to_whom_they_are_for() {
    let site = Site::start(DAYS, 2).await;
    // Without a session there is nothing.
    assert_eq!(site.get("/stats/sites", "").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(site.get(&asked("days", "s1.kz"), "tamga-stats=guessed").await.status, StatusCode::UNAUTHORIZED);
    // From another origin, with another password, or as the service, nobody gets one.
    let right = json!({ "name": "aigerim", "password": site.aigerim }).to_string();
    for origin in ["http://127.0.0.1:1", "null"] {
        let answer = site.send("POST", "/stats/sign-in", &[("origin", origin)], right.clone()).await;
        assert_eq!((answer.status, answer.headers.get(header::SET_COOKIE)), (StatusCode::FORBIDDEN, None), "{origin}");
    }
    let fields = [("origin", site.origin()), ("sec-fetch-site", "cross-site".to_owned())];
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(site.send("POST", "/stats/sign-in", &fields, right).await.status, StatusCode::FORBIDDEN);
    let service = fs::read_to_string(site.product.data.join("engine/service.password")).unwrap();
    for (name, password) in [("aigerim", site.daniyar.as_str()), ("nobody", "x"), ("", ""), ("tamga", service.trim())] {
        assert_eq!(site.sign_in(name, password).await.status, StatusCode::UNAUTHORIZED, "{name}");
    }

    let aigerim = site.sign_in("aigerim", &site.aigerim).await;
    assert_eq!(aigerim.status, StatusCode::NO_CONTENT);
    let cookie = aigerim.cookie();
    let seen = site.get("/stats/sites", &cookie).await.json();
    let names: Vec<_> = seen["sites"].as_array().unwrap().iter().map(|of| of["site"].as_str().unwrap()).collect();
    assert_eq!((names, &seen["name"]), (vec!["empty.kz", "s0.kz", "s1.kz", "small.kz"], &"aigerim".into()));
    assert_eq!(seen["sites"][0]["zone"], "Asia/Almaty");
    assert_eq!(seen["sites"][2]["notes"], json!([{ "day": day(-7), "text": "New <b>checkout</b>" }]));
    for panel in panels() {
        let full = site.get(&asked(&panel, "s1.kz"), &cookie).await;
        assert_eq!(full.status, StatusCode::OK, "{panel}: {}", full.text);
        assert!(!full.json()["data"].as_array().unwrap().is_empty(), "{panel}");
        let empty = site.get(&asked(&panel, "empty.kz"), &cookie).await;
        assert_eq!(empty.status, StatusCode::OK, "{panel} of a site without numbers");
    }
    // Sums are those of the rows.
    let rows = site.product.stats::<Value>("SELECT sum(views) AS views, sum(new_day) AS visitors FROM site WHERE site = 's1.kz' AND window_start >= subtractDays(toStartOfDay(now(), 'Asia/Almaty'), 35)");
    let truth = rows.await.unwrap().remove(0);
    let totals = site.get(&asked("totals", "s1.kz"), &cookie).await.json();
    let number = |value: &Value| value.as_str().map_or_else(|| value.as_i64().unwrap(), |text| text.parse().unwrap());
    assert_eq!(number(&totals["data"][0][0]), number(&truth["views"]));
    assert_eq!(number(&totals["data"][0][2]), number(&truth["visitors"]));
    assert_verdicts(&site, &cookie).await;
    for bad in ["panel=sites", "panel=../x", "panel=days&from=x", "panel=days&to=2020-01-01"] {
        let path = format!("{}&{bad}", asked("nothing", "s1.kz"));
        assert_eq!(site.get(&path, &cookie).await.status, StatusCode::BAD_REQUEST, "{bad}");
    }

    // Who reads one site, sees that one.
    let daniyar = site.sign_in("daniyar", &site.daniyar).await.cookie();
    let seen = site.get("/stats/sites", &daniyar).await;
    assert!(seen.text.contains("small.kz") && !seen.text.contains("s1.kz"), "{}", seen.text);
    assert!(seen.text.contains("Moved") && !seen.text.contains("checkout"), "{}", seen.text);
    // A line that is wrong takes the annotations off the page, and nothing else.
    fs::write(site.folder.path().join("annotations.toml"), annotations() + "[[annotation]]\n").unwrap();
    let wrong = site.get("/stats/sites", &daniyar).await.json();
    assert_eq!((&wrong["notes_are_read"], &wrong["sites"][0]["notes"]), (&json!(false), &json!([])));
    for panel in panels() {
        let answer = site.get(&asked(&panel, "s1.kz"), &daniyar).await;
        let rows = answer.json()["data"].as_array().unwrap().clone();
        let has_numbers =
            rows.iter().flat_map(|row| row.as_array().unwrap()).any(|cell| !cell.is_null() && number_of(cell) != 0.0);
        assert!(!has_numbers, "{panel}: {}", answer.text);
    }

    // Signing out and a removed account end it.
    let origin = site.origin();
    site.send("POST", "/stats/sign-out", &[("origin", &origin), ("cookie", &cookie)], String::new()).await;
    assert_eq!(site.get("/stats/sites", &cookie).await.status, StatusCode::UNAUTHORIZED);
    let config = format!("--config={}", site.folder.path().join("tamga.toml").display());
    let removed = Command::new(programs::tamga()).args(["analyst", "remove", "daniyar", &config]).output().unwrap();
    assert!(removed.status.success());
    assert_eq!(site.get("/stats/sites", &daniyar).await.status, StatusCode::UNAUTHORIZED);
    // Guessing ends, for a while.
    let mut refused = false;
    for _ in 0..60 {
        refused |= site.sign_in("aigerim", "guess").await.status == StatusCode::TOO_MANY_REQUESTS;
    }
    assert!(refused, "sixty guesses at once");
    let log = site.product.log();
    assert!(!log.contains("aigerim") && !log.contains(&site.aigerim) && !log.contains("tamga-stats"), "{log}");
}

/// The verdicts of experiments are those of the named question.
async fn assert_verdicts(site: &Site, cookie: &str) {
    let named = include_str!("../../schema/queries/experiment.sql").replace("{site:String}", "'s1.kz'");
    let [from, to] = [day(-35), day(1)].map(|day| format!("toDate('{day}')"));
    let named = named.replace("{from:Date}", &from).replace("{to:Date}", &to);
    let named = site.product.stats::<Value>(&named).await.unwrap();
    let panel = site.get(&asked("experiments", "s1.kz"), cookie).await.json();
    let words =
        [("the first", "first"), ("too few visits", "few"), ("differs", "differs"), ("no difference seen", "alike")];
    let shown = panel["data"].as_array().unwrap().iter().map(|row| row[5].as_str().unwrap());
    let expected = named.iter().map(|row| words.iter().find(|(word, _)| row["verdict"] == *word).unwrap().1);
    assert_eq!(shown.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    assert_eq!(panel["data"][1][5], "differs");
}

fn number_of(cell: &Value) -> f64 {
    cell.as_f64().or_else(|| cell.as_str().map(|text| text.parse().unwrap_or(1.0))).unwrap_or(1.0)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_works_in_chromium_and_firefox() {
    let site = Site::start(DAYS, 2).await;
    // A folder for screenshots, for a person who looks at them.
    let folder = std::env::var("TAMGA_SCREENSHOTS").unwrap_or_default();
    for program in ["test/look.mjs", "test/firefox.mjs"] {
        println!("{}", look(&site, program, &folder).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: forty loads of the page with three years of ten sites"]
async fn how_soon_the_page_is_painted() {
    const YEARS: u32 = 3 * 365;
    let site = Site::start(YEARS, 10).await;
    println!("{}", look(&site, "test/paint.mjs", &YEARS.to_string()).await);
}

/// Runs a program that looks at the page with a browser. Returns what it prints.
async fn look(site: &Site, program: &'static str, more: &str) -> String {
    let arguments = [program.to_owned(), site.origin(), site.aigerim.clone(), more.to_owned()];
    let run = move || {
        Command::new("node")
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("stats-page"))
            .args(arguments)
            .output()
            .unwrap_or_else(|error| panic!("cannot run node ({error}): scripts/prepare snippet browser"))
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{program}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said.into_owned()
}
