//! Does `tamga report` show a week, name what stands out, and hand it to a command?

use std::fs;
use std::process::{Command, Output};

use crate::stats_page::Site;
use crate::support::programs;

const DAYS: u32 = 40;

fn report(site: &Site, arguments: &[&str]) -> Output {
    let config = site.folder.path().join("tamga.toml");
    Command::new(programs::tamga()).arg("report").args(arguments).arg("--config").arg(config).output().unwrap()
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test]
async fn a_week_and_an_unusual_day_are_shown_and_sent() {
    let site = Site::start(DAYS, 4).await;
    let week = text(&report(&site, &["--site", "s3.kz"]));
    assert!(week.starts_with("s3.kz: ") && week.contains("Beside the week before"), "{week}");
    for shown in
        ["In all", "visitors", "Goals (visits)", "order", "google.com", "nauryz", "/tariffs", "KZ Almaty", "TypeError"]
    {
        assert!(week.contains(shown), "{shown} in {week}");
    }
    assert!(!week.contains("(other)") && !week.contains("days are published"), "{week}");
    let html = text(&report(&site, &["--site", "s3.kz", "--html"]));
    assert!(html.starts_with("<!doctype html>") && html.contains("<td>/tariffs</td>"), "{html}");

    // The same number of visits each day. And a hundred times the errors, on the last day.
    let same = "INSERT INTO site (site, window_start, window_end, day, views, visits, visitors, new_day) \
                SELECT site, window_start, window_end, day, 300, 100, 80, 80 FROM publications WHERE site = 'empty.kz'";
    site.change(same).await;
    let spike = "INSERT INTO errors (site, window_start, window_end, day, template, browser, count, visitors, networks) \
                 SELECT site, window_start, window_end, day, template, browser, 100 * count, visitors, networks FROM errors \
                 WHERE site = 's2.kz' AND day = (SELECT max(day) FROM errors)";
    site.change(spike).await;
    let sent = site.folder.path().join("sent");
    let command = format!("cat > {}", sent.display());
    let arguments = |domain| ["--site", domain, "--day", "--if-unusual", "--send", &command].map(str::to_owned);
    let quiet = arguments("empty.kz");
    assert_eq!(text(&report(&site, &quiet.each_ref().map(String::as_str))), "");
    assert!(!sent.exists(), "nothing stands out, so nothing is sent");
    let loud = arguments("s2.kz");
    assert_eq!(text(&report(&site, &loud.each_ref().map(String::as_str))), "");
    let sent = fs::read_to_string(sent).unwrap();
    assert!(sent.contains("What stands out:\n") && sent.contains("TypeError"), "{sent}");

    for (arguments, why) in [
        (&["--site", "nobody.kz"][..], "no [[site]] of the domain"),
        (&["--site", "s3.kz", "--week", "2025-W53"], "is no week"),
        (&["--site", "s3.kz", "--send", "exit 3"], "has failed"),
    ] {
        let failed = report(&site, arguments);
        assert_eq!(failed.status.code(), Some(1), "{why}");
        assert!(String::from_utf8_lossy(&failed.stderr).contains(why), "{}", String::from_utf8_lossy(&failed.stderr));
    }
}
