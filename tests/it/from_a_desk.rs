//! Can a person ask from another machine, with an own account, and only about the sites that it names?

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::Full;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::support::engine::{ANALYST_PASSWORD, Answer, Engine, PASSWORD};
use crate::support::program::Ground;

const HOST: &str = "stats.example.kz";
const ORIGIN: &str = "https://bi.example.kz";
/// For an answer on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// An engine with accounts and a listener with TLS, and the configuration that the verbs are given.
struct Desk {
    ground: Ground,
    engine: Engine,
    aigerim: String,
    daniyar: String,
}

impl Desk {
    async fn start() -> Self {
        let ground = Ground::new();
        ground.write("tamga.toml", &ground.config().replace("domain = \"jetpay.kz\"", "domain = \"a.kz\""));
        let aigerim = password(&said(&ground, &["add", "aigerim"]));
        let daniyar = password(&said(&ground, &["add", "daniyar", "--site", "a.kz"]));
        let made = rcgen::generate_simple_self_signed([HOST.to_owned()]).unwrap();
        ground.write("chain.pem", &made.cert.pem());
        ground.write("key.pem", &made.signing_key.serialize_pem());
        let file = |name: &str| ground.folder.path().join(name).to_str().unwrap().to_owned();
        let accounts = accounts(&ground);
        let engine = Engine::start_for_analysts_with(&[
            "--accounts",
            accounts.to_str().unwrap(),
            "--tls-listen",
            "127.0.0.1:0",
            "--tls-certificate",
            &file("chain.pem"),
            "--tls-key",
            &file("key.pem"),
            "--tls-host",
            HOST,
            "--origin",
            ORIGIN,
        ]);
        engine.publish_made_up_numbers().await;
        for sql in [
            "INSERT INTO tamga_stats.site (site, window_start, window_end, views) SELECT 'b.kz', now() - toIntervalDay(number), now(), 777 FROM numbers(9)",
            "INSERT INTO tamga_stats.pages (site, window_start, window_end, path, views) SELECT 'b.kz', now(), now(), '/marzipan', 777 FROM numbers(9)",
        ] {
            engine.sql(sql).await;
        }
        Self { ground, engine, aigerim, daniyar }
    }

    async fn ask(&self, (name, password): (&str, &str), sql: &str) -> Answer {
        let (parameters, sql) = sql.strip_prefix('?').and_then(|sql| sql.split_once("  ")).unwrap_or(("", sql));
        let request = self.engine.person(&format!("/?{parameters}"), (name, password));
        self.engine.send(request.body(Full::new(Bytes::from(sql.to_owned()))).unwrap()).await
    }

    /// What the listener for other machines answers to a request with these lines and this statement.
    async fn outside(&self, first: &str, lines: &[&str], sql: &str) -> String {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.ground.folder.path().join("chain.pem")).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(self.engine.tls.unwrap()).await.unwrap();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(HOST.try_into().unwrap(), stream).await.unwrap();
        let lines = lines.join("\r\n");
        let length = sql.len();
        let request =
            format!("{first} HTTP/1.1\r\n{lines}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{sql}");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // The engine ends the connection without a farewell of TLS.
        let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();
        String::from_utf8(answer).unwrap()
    }
}

fn accounts(ground: &Ground) -> PathBuf {
    ground.data().join("engine/analysts/accounts.json")
}

/// What a verb of `tamga analyst` prints.
fn said(ground: &Ground, arguments: &[&str]) -> String {
    let output = ground.run(&[&["analyst"], arguments].concat(), &[]);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn password(said: &str) -> String {
    said.lines().last().unwrap().to_owned()
}

/// Each answers 0, or fails, for an account that has nothing of b.kz.
const OF_OTHERS: [&str; 24] = [
    "SELECT countIf(site != 'a.kz') FROM site",
    "SELECT count() - 30 FROM site",
    "SELECT count() - 210 FROM tamga_stats.pages",
    "SELECT countIf(site != 'a.kz') FROM `tamga_stats`.`pages` AS site",
    "FROM pages SELECT countIf(path = '/marzipan')",
    "SELECT count() FROM pages PREWHERE path = '/marzipan'",
    "SELECT count() FROM pages WHERE path = '/marzipan'",
    "SELECT max(views) = 777 FROM site",
    "SELECT max(site) != 'a.kz' OR min(site) != 'a.kz' FROM site",
    "SELECT uniqExact(site) - 1 FROM pages",
    "SELECT 'b.kz' IN (SELECT site FROM site)",
    "SELECT count() FROM numbers(1) WHERE 'b.kz' IN (SELECT site FROM tamga_stats.pages)",
    "SELECT count() FROM site WHERE site GLOBAL IN (SELECT site FROM pages WHERE views = 777)",
    "SELECT count() FROM site AS s CROSS JOIN pages AS p WHERE p.site != 'a.kz' OR s.site != 'a.kz'",
    "SELECT count() FROM numbers(1) AS n LEFT JOIN pages AS p ON 1 = 1 WHERE p.path = '/marzipan'",
    "WITH x AS (SELECT * FROM pages) SELECT countIf(site = 'b.kz') FROM x",
    "WITH site AS (SELECT * FROM pages) SELECT countIf(site.site = 'b.kz') FROM site",
    "SELECT countIf(views = 777) FROM (SELECT views FROM site UNION ALL SELECT views FROM pages)",
    "SELECT (SELECT count() FROM site WHERE site = 'b.kz')",
    "SELECT EXISTS (SELECT 1 FROM site WHERE site = 'b.kz')",
    "SELECT count() FROM schema_migrations",
    "SELECT 'b.kz' IN pages",
    "?param_t=pages  SELECT countIf(site = 'b.kz') FROM {t:Identifier}",
    "?additional_table_filters={}  SELECT count() - 30 FROM site",
];

#[tokio::test]
async fn an_account_reads_its_sites_until_it_is_removed_and_only_its_hash_is_kept() {
    let desk = Desk::start().await;
    let (aigerim, daniyar) = (("aigerim", desk.aigerim.as_str()), ("daniyar", desk.daniyar.as_str()));
    for sql in OF_OTHERS {
        let answer = desk.ask(daniyar, sql).await;
        assert!(answer.text() == "0\n" || answer.status != StatusCode::OK, "{sql}: {}", answer.text());
    }
    let mut seen = 0;
    for sql in OF_OTHERS {
        let answer = desk.ask(aigerim, sql).await;
        seen += usize::from(answer.status == StatusCode::OK && answer.text() != "0\n");
    }
    assert!(seen >= OF_OTHERS.len() - 3, "{seen} of the statements show something to somebody who may see it");
    assert_eq!(desk.ask(daniyar, "SELECT site, sum(views) FROM site GROUP BY site").await.text(), "a.kz\t15000\n");
    for (name, password) in [("daniyar", desk.aigerim.as_str()), ("daniyar", ""), ("nobody", "x")] {
        assert_eq!(desk.ask((name, password), "SELECT 1").await.status, StatusCode::FORBIDDEN, "{name}");
    }

    let file = accounts(&desk.ground);
    let kept = fs::read_to_string(&file).unwrap();
    assert!(kept.contains("$argon2id$") && !kept.contains(&desk.aigerim) && !kept.contains(&desk.daniyar));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(said(&desk.ground, &["list"]), "aigerim  all sites\ndaniyar  a.kz\n");
    for refused in [
        &["add", "aigerim"][..],
        &["add", "analyst"],
        &["add", "tamga"],
        &["add", "a b"],
        &["add", "x", "--site", "b.kz"],
        &["remove", "x"],
    ] {
        assert!(!desk.ground.run(&[&["analyst"], refused].concat(), &[]).status.success(), "{refused:?}");
    }
    said(&desk.ground, &["remove", "daniyar"]);
    assert_eq!(desk.ask(daniyar, "SELECT 1").await.status, StatusCode::FORBIDDEN);
    assert_eq!(desk.ask(aigerim, "SELECT 1").await.text(), "1\n");
    let log = desk.ground.run(&["audit", "show"], &[]);
    let log = String::from_utf8(log.stdout).unwrap();
    assert_eq!((log.matches("add analyst").count(), log.matches("remove analyst").count()), (2, 1), "{log}");
}

#[tokio::test]
async fn other_machines_are_answered_over_tls_by_name_and_the_service_is_not() {
    let desk = Desk::start().await;
    let host = format!("Host: {HOST}");
    let person = ["X-ClickHouse-User: daniyar".to_owned(), format!("X-ClickHouse-Key: {}", desk.daniyar)];
    let ask = async |host: &str, name: &str, password: &str| {
        let credentials = format!("X-ClickHouse-User: {name}\r\nX-ClickHouse-Key: {password}");
        desk.outside("POST /", &[host, &credentials], "SELECT 40 + 2").await
    };
    for (name, password) in [("daniyar", desk.daniyar.as_str()), ("analyst", ANALYST_PASSWORD)] {
        let answer = ask(&host, name, password).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("42"), "{answer}");
    }
    for (name, password) in [("tamga", PASSWORD), ("daniyar", "x")] {
        let answer = ask(&host, name, password).await;
        assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("AUTHENTICATION_FAILED"), "{answer}");
    }
    for host in ["Host: localhost", "Host: 127.0.0.1", "Host: evil.test"] {
        assert!(ask(host, "daniyar", &desk.daniyar).await.starts_with("HTTP/1.1 403"), "{host}");
    }
    // The other listener is for this machine.
    let inside = desk.engine.raw(format!("GET /ping HTTP/1.1\r\n{host}\r\nConnection: close\r\n\r\n").as_bytes());
    assert!(inside.starts_with("HTTP/1.1 403"), "{inside}");
    assert_eq!(desk.engine.sql("SELECT 1").await, "1");
    // Without TLS nothing is said.
    let mut plain = TcpStream::connect(desk.engine.tls.unwrap()).await.unwrap();
    plain.write_all(format!("GET /ping HTTP/1.1\r\n{host}\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, plain.read_to_end(&mut answer)).await.unwrap();
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");

    let origin = format!("Origin: {ORIGIN}");
    let asked = "Access-Control-Request-Method: POST\r\nSec-Fetch-Site: cross-site";
    let answer = desk.outside("OPTIONS /", &[&host, &origin, asked], "").await;
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    assert!(answer.contains(&format!("access-control-allow-origin: {ORIGIN}\r\n")), "{answer}");
    assert!(!answer.contains("access-control-allow-credentials"), "{answer}");
    let page = [&host, &origin, "Sec-Fetch-Site: cross-site", &person[0], &person[1]];
    let answer = desk.outside("POST /", &page, "SELECT 40 + 2").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("access-control-allow-origin"), "{answer}");
    for other in ["Origin: https://evil.test", "Origin: null"] {
        let answer = desk.outside("OPTIONS /", &[&host, other, asked], "").await;
        assert!(answer.starts_with("HTTP/1.1 403") && !answer.contains("access-control"), "{answer}");
    }
}
