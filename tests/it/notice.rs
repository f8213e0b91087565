//! Can a policy's page show the notice in a frame, where the configuration says so and nowhere else? A real Chromium tries.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tamga::collect::installation;
use tamga::config::Config;
use tempfile::TempDir;

use crate::keys::collector_without_stores;
use crate::support::collector::{Edge, Setup};
use crate::support::product::{Ports, Product};

const SITES: &str = r#"
[[site]]
domain = "proit.kz"
public_url = "https://t.proit.kz"
origins = ["https://proit.kz"]
time_zone = "Asia/Almaty"
profile = "proit"
[site.operator]
framed_by = ["https://proit.kz", "https://policies.kz/"]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_the_configuration_show_it_and_its_link_leads_to_this_browser_s_own_page() {
    let folder = TempDir::new().unwrap();
    let (ports, site) = (Ports::free(), Ports::free().collector);
    let config = collector_without_stores(&folder, ports, site);
    let pages = ["shop.localhost", "docs.shop.localhost", "elsewhere.localhost"];
    let pages = pages.map(|host| format!("\"http://{host}:{site}\"")).join(", ");
    let text = std::fs::read_to_string(&config).unwrap() + &format!("[site.operator]\nframed_by = [{pages}]\n");
    std::fs::write(&config, text).unwrap();
    let printed = installation(&Config::load(&config).unwrap().sites[0]);
    let frame = printed.lines().find(|line| line.starts_with("<iframe")).unwrap().to_owned();
    let mut product = Product::serve(&folder, &config, ports);
    product.takes_beacons().await;
    let run = move || {
        Command::new("node")
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("collector-js"))
            .arg("test/notice.mjs")
            .arg(format!("http://t.shop.localhost:{}", ports.collector))
            .arg(format!("http://shop.localhost:{site}"))
            .arg(frame)
            .output()
            .unwrap_or_else(|error| panic!("cannot run node ({error}): scripts/prepare snippet browser"))
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let items = tamga::items::data_map().profile["jetpay"].len();
    let [listed @ .., unlisted] = &lines[..] else { panic!("{said}") };
    assert_eq!(listed.len(), 3);
    for line in listed {
        assert_eq!(
            (&line["cookies"], &line["items"], &line["refused"]),
            (&1.into(), &items.into(), &0.into()),
            "{line}"
        );
        // Three languages, two themes.
        assert_eq!(line["audited"], 6, "{line}");
        assert_eq!(line["buttons"], 0, "nothing to press that somebody could cover: {line}");
        assert!(line["width"].as_f64().is_some_and(|width| width > 200.0 && width <= 320.0), "{line}");
        // Also from a frame in another site's page, whatever the browser does with the cookie there.
        assert!(line["says"].as_str().unwrap().contains("It has the cookie of this site"), "{line}");
    }
    assert_eq!((&unlisted["items"], &unlisted["says"]), (&0.into(), &"".into()), "{unlisted}");
    assert!(
        unlisted["refused"].as_u64() > Some(0) && unlisted["frame"] == "chrome-error://chromewebdata/",
        "{unlisted}"
    );
}

#[tokio::test]
async fn only_the_notice_can_be_framed_and_it_says_the_same_to_every_browser() {
    let edge = Edge::start_with(Setup { sites: SITES, ..Setup::default() }).await;
    let get =
        |host: &str, target: &str| edge.call("GET", target).header("Host", host).header("Sec-Fetch-Dest", "iframe");
    let notice = get("t.proit.kz", "/privacy/notice?lang=ru").send().await;
    let policy = notice.header("content-security-policy").unwrap();
    assert!(policy.ends_with("frame-ancestors https://proit.kz https://policies.kz"), "{policy}");
    assert!(policy.starts_with("default-src 'none'; style-src 'self'") && notice.header("x-frame-options").is_none());
    assert!(notice.all("set-cookie").is_empty());
    let text = String::from_utf8(notice.body.clone()).unwrap();
    for inline in ["<script", "<style", " style=", " onclick", "<form", "<button"] {
        assert!(!text.contains(inline), "{inline}");
    }
    assert!(text.contains("href=\"/privacy?site=proit.kz&amp;lang=ru&amp;framed\" target=\"_top\""));
    for cookie in ["__Host-tamga-off=1", "__Host-tamga-proit.kz=x"] {
        let same =
            get("t.proit.kz", "/privacy/notice?lang=ru").cookies(Some(cookie)).header("Sec-GPC", "1").send().await;
        assert!(same.body == notice.body, "{cookie}");
    }
    // A site that names nobody, and the page with the buttons.
    for (host, target) in
        [("t.jetpay.kz", "/privacy/notice"), ("t.proit.kz", "/privacy"), ("t.proit.kz", "/privacy?framed")]
    {
        let answer = get(host, target).send().await;
        let policy = answer.header("content-security-policy").unwrap();
        assert!(answer.status == 200 && policy.ends_with("frame-ancestors 'none'"), "{target}: {policy}");
        assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{target}");
    }
    let step = String::from_utf8(get("t.proit.kz", "/privacy?framed").send().await.body).unwrap();
    assert!(step.contains("http-equiv=\"refresh\"") && !step.contains("framed"), "{step}");
}
