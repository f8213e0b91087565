//! What arrives of a device, beside what its browser says of itself.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{shop_host, walk};
use crate::support::product::Product;
use serde_json::Value;

/// Items 10 to 23, from a Chromium that looks as if nobody drove it; item 11 is that of the fixture's network.
pub(super) async fn arrives_as_its_browser_knows_it(demo: &mut Product) {
    let before = device_rows(demo).await;
    let shop = format!("http://{}", shop_host(demo.ports.collector));
    let lines = tokio::task::spawn_blocking(move || walk(&["--unautomated", "--dwell", "3", &shop])).await.unwrap();
    let known = &lines.iter().find(|exchange| exchange.line["kind"] == "device").unwrap().line;
    let text = |name: &str| known[name].as_str().unwrap().to_owned();
    let reported = demo
        .until("the device is in the vault", Duration::from_secs(10), async |demo| {
            let mut reported: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for ((item, value), rows) in device_rows(demo).await {
                let new = rows - before.get(&(item.clone(), value.clone())).copied().unwrap_or_default();
                let of_visit =
                    ["provider", "place", "client", "device"].contains(&item.as_str()) || item.starts_with("pair ");
                assert!(new <= 1 || of_visit, "{item} is asked once: {new} rows");
                if new > 0 {
                    reported.entry(item).or_default().push(value);
                }
            }
            (reported.contains_key("signal webgl") && reported.contains_key("screen")).then_some(reported)
        })
        .await;
    let is = |item: &str, expected: &[String]| assert_eq!(reported[item], expected, "{item}: {reported:?}");
    is("time_zone", &[text("time_zone")]);
    let mut languages: Vec<String> = serde_json::from_value(known["languages"].clone()).unwrap();
    languages.sort();
    languages.dedup();
    is("languages", &languages);
    is("cpu", &[text("cpu")]);
    is("active_x", &[if known["active_x"] == true { "yes" } else { "no" }.to_owned()]);
    is("plugins", &[if known["pdf"] == true { "PDF viewer" } else { "none" }.to_owned()]);
    let kinds = ["audio_input", "audio_output", "video_input"].iter().zip(known["media_devices"].as_array().unwrap());
    is("media_devices", &kinds.map(|(kind, count)| format!("{kind} {count}")).collect::<Vec<_>>());
    let screen = &reported["screen"];
    assert_eq!(screen.len(), 4, "{screen:?}");
    for class in [text("size"), format!("depth {}", known["depth"])] {
        assert!(screen.contains(&class), "{class}: {screen:?}");
    }
    is("provider", &["Kazakhtelecom".to_owned()]);
    is("place", &["KZ Almaty".to_owned()]);
    is("client", &["Chrome".to_owned()]);
    is("device", &["desktop Linux".to_owned()]);
    is("signal canvas", &["normal".to_owned()]);
    is("signal webgl", &["normal".to_owned()]);
    is("signal automation", &["none".to_owned()]);
    assert!(!reported["fonts"].is_empty() && reported["webgl"].len() == 1, "{reported:?}");
}

/// Rows of attributes and signals by item and value.
async fn device_rows(demo: &Product) -> BTreeMap<(String, String), u64> {
    let sql = "SELECT item, value, toUInt32(count()) AS rows FROM (
            SELECT toString(attribute) AS item, trimRight(concat(value, ' ', if(attribute = 'client', '', detail))) AS value
                FROM attributes WHERE attribute NOT IN ('hour', 'search')
            UNION ALL SELECT concat('signal ', signal), toString(state) FROM signals)
        GROUP BY item, value";
    let rows: Vec<Value> = demo.vault(sql).await.unwrap();
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    rows.iter().map(|row| ((text(row, "item"), text(row, "value")), row["rows"].as_u64().unwrap())).collect()
}
