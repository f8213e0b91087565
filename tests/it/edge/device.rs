//! What becomes of a device: is it asked once per visit, is only what the policy lists stored, and does nothing that is stored
//! join two rows of one device?

use std::collections::BTreeSet;

use crate::support::collector::{Edge, SITE, Setup, beacon_of, view_id, view_of};
use crate::support::http::Call;
use crate::support::rows::{ErrorRow, Rows};

const SITES: &str = r#"
[[site]]
domain = "own.kz"
public_url = "https://t.own.kz"
origins = ["https://own.kz"]
time_zone = "Asia/Almaty"
items = ["identifier", "pages", "fonts", "canvas"]

[[site]]
domain = "proit.kz"
public_url = "https://t.proit.kz"
origins = ["https://proit.kz"]
time_zone = "Asia/Almaty"
profile = "proit"

[[site]]
domain = "nomapay.kz"
public_url = "https://t.nomapay.kz"
origins = ["https://nomapay.kz"]
time_zone = "Asia/Almaty"
profile = "nomapay"

[[site]]
domain = "jetleasing.kz"
public_url = "https://t.jetleasing.kz"
origins = ["https://jetleasing.kz"]
time_zone = "Asia/Almaty"
profile = "jetleasing"

[[site]]
domain = "plain.kz"
public_url = "https://t.plain.kz"
origins = ["https://plain.kz"]
time_zone = "Asia/Almaty"
items = ["pages"]

[[site]]
domain = "address.kz"
public_url = "https://t.address.kz"
origins = ["https://address.kz"]
time_zone = "Asia/Almaty"
profile = "jetpay"
identity = "daily-address"

[[site]]
domain = "nobody.kz"
public_url = "https://t.nobody.kz"
origins = ["https://nobody.kz"]
time_zone = "Asia/Almaty"
profile = "jetpay"
identity = "none"
"#;

const ALL: &str = "10,13,14,15,16,17,18,19,20,22,23";

/// Everything that a device can say. The digests are those of nobody.
const DEVICE: &str = r#"{"time_zone":"Asia/Almaty","canvas":{"digest":"q83vEjRWeJCrze8SNFZ4kA","state":"normal"},
"fonts":["Arial","Calibri","Aigerim Script"],"plugins":["PDF Viewer","WebKit built-in PDF"],
"webgl":{"vendor":"Intel","renderer":"Intel(R) UHD Graphics 620","digest":"q83vEjRWeJCrze8SNFZ4kA"},
"media_devices":{"audio_input":1,"audio_output":2,"video_input":1},"active_x":false,"languages":["kk-KZ","ru"],
"cpu":{"architecture":"x86","bits":64},"screen":{"width":1920,"height":1080,"depth":24,"ratio":100,"window":"large"},
"os_version":"14.0.0","model":"SM-A525F","automation":["no_window"]}"#;

async fn edge() -> Edge {
    Edge::start_with(Setup { sites: SITES, ..Setup::default() }).await
}

fn with_device(view: u8, seq: u32, events: &str, device: &str) -> String {
    beacon_of(view, seq, events).replace("]}", &format!("],\"device\":{device}}}"))
}

fn on(edge: &Edge, site: &str, body: &str) -> Call {
    edge.beacon(body.replace("jetpay.kz", site)).header("Origin", &format!("https://{site}"))
}

/// The rows that a device leaves on a site, sent beside one view.
async fn device_on(edge: &Edge, site: &str, view: u8) -> Rows {
    let page = format!(r#"{{"type":"view","at":0,"url":"https://{SITE}/"}}"#);
    assert_eq!(on(edge, site, &with_device(view, 0, &page, DEVICE)).send().await.outcome(), "accepted");
    edge.rows().await
}

#[tokio::test]
async fn a_device_is_asked_once_per_visit() {
    let edge = edge().await;
    let answer = edge.view(1, 0, None).await;
    assert_eq!(answer.header("tamga-device"), Some(ALL));
    let again = edge.view(1, 0, None).await;
    assert_eq!((again.outcome(), again.header("tamga-device")), ("dropped", Some(ALL)), "the first answer was lost");
    let cookie = answer.cookie().unwrap();
    let sent = edge.beacon(with_device(1, 1, "", DEVICE)).cookies(Some(&cookie)).send().await;
    assert_eq!((sent.outcome(), sent.header("tamga-device")), ("accepted", None));
    assert_eq!(sent.cookie(), None, "nothing in it has changed");
    assert_eq!(edge.view(2, 0, Some(&cookie)).await.header("tamga-device"), None, "the visit goes on");
    edge.wait_minutes(31);
    assert_eq!(edge.view(3, 0, Some(&cookie)).await.header("tamga-device"), Some(ALL), "another begins");
}

#[tokio::test]
async fn nobody_is_asked_who_objects_is_a_bot_or_cannot_be_distinguished() {
    let edge = edge().await;
    let asked = |call: Call| async move { call.send().await.header("tamga-device").map(str::to_owned) };
    assert_eq!(asked(edge.beacon(view_of(1, 0, "/")).header("Sec-GPC", "1")).await, None);
    assert_eq!(asked(edge.beacon(view_of(2, 0, "/")).cookies(Some("__Host-tamga-off=1"))).await, None);
    let object = r#"{"type":"view","at":0,"url":"https://jetpay.kz/"},{"type":"object","at":0}"#;
    assert_eq!(asked(edge.beacon(beacon_of(3, 0, object))).await, None);
    let denied = r#"{"type":"view","at":0,"url":"https://jetpay.kz/"},{"type":"consent","at":0,"state":"denied"}"#;
    assert_eq!(asked(edge.beacon(beacon_of(4, 0, denied))).await, None);
    let bot = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
    assert_eq!(asked(edge.beacon(view_of(5, 0, "/")).header("User-Agent", bot)).await, None);
    assert_eq!(asked(on(&edge, "nobody.kz", &view_of(6, 0, "/"))).await, None);
    assert_eq!(asked(on(&edge, "plain.kz", &view_of(7, 0, "/"))).await, None);
    assert_eq!(asked(on(&edge, "own.kz", &view_of(8, 0, "/"))).await.as_deref(), Some("13,14"));
    assert_eq!(asked(on(&edge, "proit.kz", &view_of(9, 0, "/"))).await.as_deref(), Some("23"));
    // Who shares network and agent would learn from the question whether another's visit runs.
    for view in 10..12 {
        assert_eq!(asked(on(&edge, "address.kz", &view_of(view, 0, "/"))).await, None);
    }
}

#[tokio::test]
async fn only_the_items_of_the_policy_are_stored() {
    let edge = edge().await;
    for (number, (site, attributes, signals)) in [
        ("own.kz", vec!["fonts"], vec!["canvas"]),
        ("proit.kz", vec![], vec!["automation"]),
        ("nomapay.kz", vec!["model", "os_version"], vec![]),
        ("plain.kz", vec![], vec![]),
        (
            "jetpay.kz",
            vec![
                "active_x",
                "cpu",
                "fonts",
                "languages",
                "media_devices",
                "plugins",
                "provider",
                "screen",
                "time_zone",
                "webgl",
            ],
            vec!["automation", "canvas", "webgl"],
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let rows = device_on(&edge, site, number as u8).await;
        let stored: BTreeSet<&str> = rows.attributes.iter().map(|row| row.attribute.as_str()).collect();
        assert_eq!(stored.into_iter().collect::<Vec<_>>(), attributes, "{site}");
        let stored: BTreeSet<&str> = rows.signals.iter().map(|row| row.signal.as_str()).collect();
        assert_eq!(stored.into_iter().collect::<Vec<_>>(), signals, "{site}");
    }
    // A view each, and a device that is one more event where anything of it is kept.
    assert_eq!(edge.counts(), [10, 9, 1, 0]);
    assert_eq!(edge.reason("dropped", "not_in_policy"), 1);
}

#[tokio::test]
async fn values_are_classes_and_digests_are_not_those_of_the_browser() {
    let edge = edge().await;
    let rows = device_on(&edge, SITE, 1).await;
    let values: Vec<&str> =
        rows.attributes.iter().filter(|row| row.attribute != "provider").map(|row| row.value.as_str()).collect();
    let expected = [
        "no",
        "x86 64",
        "Arial",
        "Calibri",
        "kk",
        "ru",
        "audio_input 1",
        "audio_output 2",
        "video_input 1",
        "PDF viewer",
        "1920x1080",
        "depth 24",
        "ratio 1",
        "window large",
        "Asia/Almaty",
        "Intel UHD",
    ];
    assert_eq!(values.iter().collect::<BTreeSet<_>>(), expected.iter().collect::<BTreeSet<_>>());
    let sent: [u8; 16] = *b"\xab\xcd\xef\x12\x34\x56\x78\x90\xab\xcd\xef\x12\x34\x56\x78\x90";
    let digest = |name: &str| rows.signals.iter().find(|row| row.signal == name).unwrap().digest;
    assert_eq!(digest("automation"), [0; 16]);
    assert!(![sent, [0; 16], digest("webgl")].contains(&digest("canvas")), "one digest, two signals");
    // The same device of another visitor has the same digest today, and another tomorrow.
    let other = device_on(&edge, SITE, 2).await;
    let canvas = |rows: &Rows| rows.signals.iter().find(|row| row.signal == "canvas").unwrap().clone();
    assert_eq!(canvas(&other).digest, digest("canvas"));
    assert_ne!(canvas(&other).visitor, canvas(&rows).visitor);
    edge.wait_minutes(24 * 60);
    assert_ne!(canvas(&device_on(&edge, SITE, 3).await).digest, digest("canvas"));
}

#[tokio::test]
async fn nothing_that_is_stored_joins_two_rows_of_one_device() {
    let edge = edge().await;
    let rows = device_on(&edge, SITE, 1).await;
    let mut pseudonyms: Vec<[u8; 16]> = vec![rows.event().visitor, rows.event().visit, rows.event().view];
    pseudonyms.extend(rows.attributes.iter().map(|row| row.visitor));
    pseudonyms.extend(rows.signals.iter().flat_map(|row| [row.visitor, row.digest]).filter(|bytes| *bytes != [0; 16]));
    assert_eq!(pseudonyms.iter().collect::<BTreeSet<_>>().len(), pseudonyms.len(), "each is of one row alone");
    assert!(pseudonyms.len() > 20);
    // A stream is an insert, and an insert is a value of `batch`: no two rows of one device share one.
    let mut streams: Vec<&str> = rows.attributes.iter().map(|row| row.stream.as_str()).collect();
    streams.extend(rows.signals.iter().map(|row| row.stream.as_str()).filter(|stream| *stream != "webgl"));
    assert_eq!(streams.iter().collect::<BTreeSet<_>>().len(), streams.len(), "{streams:?}");
    // One byte for the network, but not the same one in every row.
    let networks: BTreeSet<u8> = rows.attributes.iter().map(|row| row.network).collect();
    assert!(networks.len() > 8, "{networks:?}");
    assert!(rows.attributes.iter().all(|row| !row.confirmed && row.new_week), "its cookie has not come back yet");
}

#[tokio::test]
async fn an_automated_browser_is_a_suspect_from_then_on_and_leaves_no_attributes() {
    let edge = edge().await;
    let first = edge.view(1, 0, None).await;
    assert_eq!(edge.rows().await.event().suspect, "");
    let device = DEVICE.replace("no_window", "webdriver");
    let sent = edge.beacon(with_device(1, 1, "", &device)).cookies(first.cookie().as_deref()).send().await;
    assert_eq!(sent.outcome(), "accepted");
    let rows = edge.rows().await;
    assert_eq!((rows.event().kind.as_str(), rows.event().suspect.as_str()), ("device", "device"));
    assert!(rows.attributes.is_empty());
    let found: Vec<_> = rows.signals.iter().map(|row| (row.signal.as_str(), row.state.as_str())).collect();
    assert_eq!(found, [("automation", "webdriver")]);
    let cookie = sent.cookie();
    edge.view(2, 0, cookie.as_deref()).await;
    assert_eq!(edge.rows().await.event().suspect, "device");
    edge.wait_minutes(31);
    edge.view(3, 0, cookie.as_deref()).await;
    assert_eq!(edge.rows().await.event().suspect, "", "the next visit is looked at anew");
    assert_eq!(edge.counts(), [4, 4, 0, 0]);
}

#[tokio::test]
async fn a_beacon_without_events_or_device_says_nothing_and_unknown_fields_are_counted() {
    let edge = edge().await;
    assert_eq!(edge.beacon(beacon_of(1, 0, "")).send().await.status, 422);
    let new = r#"{"active_x":false,"gyroscope":{"x":1},"smell":null}"#;
    assert_eq!(edge.beacon(with_device(1, 1, "", new)).send().await.outcome(), "accepted");
    assert_eq!(edge.figure("tamga_fields_unknown_total"), 2);
    assert_eq!(edge.beacon(with_device(1, 2, "", "{}")).send().await.outcome(), "dropped");
    let rows = edge.rows().await;
    assert_eq!((rows.len(), rows.attributes[0].value.as_str()), (1, "no"));
}

#[tokio::test]
async fn searches_and_failures_are_kept_as_templates_where_the_policy_lists_them() {
    let edge = edge().await;
    let events = r#"{"type":"search","at":1,"query":"Карта для aigerim@mail.kz"},{"type":"search","at":2,"query":" "},
        {"type":"error","at":3,"message":"Cannot read order 1234567 of null"}"#;
    let send = |site: &'static str, number| {
        let body = beacon_of(number, 0, events);
        let (edge, site) = (&edge, site);
        async move { on(edge, site, &body).send().await.outcome().to_owned() }
    };
    assert_eq!(send("jetpay.kz", 1).await, "dropped");
    assert_eq!(edge.rows().await.len(), 0);
    assert_eq!(send("aitu.kz", 2).await, "accepted");
    let rows = edge.rows().await;
    assert_eq!((rows.own_len(), rows.event().kind.as_str()), (1, "search"));
    let terms: Vec<_> =
        rows.visits.iter().filter(|row| row.attribute == "search").map(|row| row.value.as_str()).collect();
    assert_eq!(terms, ["карта для <email>"]);
    assert_eq!(edge.reason("dropped", "empty_after_scrub"), 1);
    assert_eq!(send("nomapay.kz", 3).await, "accepted");
    let rows = edge.rows().await;
    let client = |row: &ErrorRow| [&row.browser, &row.major, &row.os].map(String::clone);
    let [browser, major, os] = client(&rows.errors[0]);
    assert_eq!((rows.len(), browser.as_str(), os.as_str()), (1, "Chrome", "Android"), "the agent's version is frozen");
    assert!(major.parse::<u16>().is_ok_and(|major| major > 100), "{major}");
    let agent = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/26.0 Mobile/15E148 Safari/604.1";
    let body = beacon_of(5, 0, events);
    assert_eq!(on(&edge, "nomapay.kz", &body).header("User-Agent", agent).send().await.outcome(), "accepted");
    assert_eq!(client(&edge.rows().await.errors[0]), ["Safari", "26", "iOS 26"]);
    assert_eq!(rows.errors[0].template, "Cannot read order <number> of null");
    assert_ne!(rows.errors[0].visitor, [0; 16]);
    // A program's failures would pass for people's: `errors` has no flag.
    let body = beacon_of(4, 0, events);
    assert_eq!(on(&edge, "jetleasing.kz", &body).without("Accept-Language").send().await.outcome(), "dropped");
    assert_eq!((edge.rows().await.len(), edge.reason("dropped", "suspect")), (0, 1));
    assert_eq!(view_id(1).len(), 22);
    edge.counts();
}

#[tokio::test]
async fn a_hostile_device_leaves_nothing() {
    let edge = edge().await;
    let long = "x".repeat(60_000);
    let deep = format!("{}1{}", "[".repeat(20_000), "]".repeat(20_000));
    for (number, device) in [
        format!(r#"{{"time_zone":"{long}"}}"#),
        format!(r#"{{"fonts":["{long}"]}}"#),
        format!(r#"{{"fonts":{deep}}}"#),
        format!(r#"{{"canvas":{{"digest":"{long}","state":"normal"}}}}"#),
        r#"{"screen":{"width":1e400,"height":1,"depth":1,"ratio":1,"window":"full"}}"#.to_owned(),
        r#"{"screen":{"width":-1,"height":1,"depth":1,"ratio":1,"window":"full"}}"#.to_owned(),
        r#"{"languages":["../../etc/passwd"]}"#.to_owned(),
        r#"{"automation":["'; DROP TABLE events; --"]}"#.to_owned(),
        r#"{"plugins":[1]}"#.to_owned(),
        r#""canary""#.to_owned(),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = edge.beacon(with_device(number as u8, 0, "", &device)).send().await;
        assert_eq!(answer.status, if number == 9 { 422 } else { 202 }, "{number}");
    }
    assert_eq!(edge.figure("tamga_fields_unknown_total"), 9);
    // Many unknown fields cost no more than their bytes.
    let many: Vec<String> = (0..5_000).map(|number| format!("\"f{number}\":0")).collect();
    let answer = edge.beacon(with_device(99, 0, "", &format!("{{{}}}", many.join(",")))).send().await;
    assert_eq!((answer.status, edge.figure("tamga_fields_unknown_total")), (202, 5_009));
    assert_eq!(edge.rows().await.len(), 0);
    assert_eq!(edge.counts(), [11, 0, 10, 1]);
}

/// The constants of `docs/sizing.md`: what beacons take in the spool, with names of fonts as a usual machine has them.
#[tokio::test]
async fn a_beacon_takes_little_of_the_spool() {
    let edge = edge().await;
    edge.view(1, 0, None).await; // It begins a segment.
    let took = async |call: Call| {
        let before = (edge.spool_bytes(), edge.rows_accepted());
        let answer = call.send().await;
        assert_eq!(answer.outcome(), "accepted");
        (answer.cookie(), edge.spool_bytes() - before.0, edge.rows_accepted() - before.1)
    };
    let (cookie, begin, begin_rows) = took(edge.beacon(view_of(2, 0, "/tariffs"))).await;
    // When its cookie has come back, a visit has the rows of its begin once more.
    let (cookie, ..) = took(edge.beacon(view_of(3, 0, "/tariffs")).cookies(cookie.as_deref())).await;
    let (_, within, within_rows) = took(edge.beacon(view_of(4, 0, "/tariffs")).cookies(cookie.as_deref())).await;
    let fonts = ["Arial", "Calibri", "Cambria", "Candara", "Consolas", "Constantia", "Corbel", "Verdana", "Georgia"];
    let device = DEVICE.replace("\"Aigerim Script\"", &fonts.map(|font| format!("\"{font}\"")).join(","));
    let call = edge.beacon(with_device(2, 1, "", &device)).cookies(cookie.as_deref());
    let (_, device, device_rows) = took(call).await;
    println!("{begin} bytes for {begin_rows} rows, {within} for {within_rows}, {device} for {device_rows}");
    assert!(begin < 1_000 && within < 400, "{begin} bytes at the begin of a visit, {within} within");
    assert!(device / device_rows < 140, "{device} bytes for {device_rows} rows of a device");
}
