//! Does the program keep the register of written requests, without a place for a name, and does the collector warn in time?

use std::process::Output;

use crate::support::program::{Ground, Program};

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn readyz_and_metrics_warn_of_requests_and_stay_ready() {
    let ground = Ground::new();
    ground.send_stores_away();
    let requests = |arguments: &[&str]| ground.run(&[&["requests"], arguments].concat(), &[]);
    let program = Program::serve(&ground, &[]);
    let text = async |target: &str| {
        let answer = program.ask(target).await;
        (answer.status, String::from_utf8(answer.body).unwrap())
    };
    let open = async |state: &str| program.figure(&format!("tamga_requests{{state=\"{state}\"}}")).await;
    assert!(!text("/readyz").await.1.contains("written requests"));
    // The register changes beside the running collector.
    assert!(said(&requests(&["add", "access"])).starts_with("Request 1 of jetpay.kz: 30 days from "));
    assert_eq!([open("early").await, open("half").await, open("overdue").await], [1, 0, 0]);
    assert!(said(&requests(&["add", "complaint", "--received", "2026-01-02"])).contains("due on 2026-02-01"));
    let (status, warned) = text("/readyz").await;
    assert!(warned.contains("~ written requests that are overdue: 1, the first due on 2026-02-01"), "{warned}");
    assert_eq!((status, open("overdue").await), (200, 1), "it is a warning: {warned}");
    assert!(said(&requests(&["list"])).lines().count() == 2);
    assert!(said(&requests(&["close", "2", "refused"])).contains("after its last day"));
    assert!(!text("/readyz").await.1.contains("written requests"));
    std::fs::write(ground.data().join("requests.json"), "{}").unwrap();
    let (status, warned) = text("/readyz").await;
    assert!(status == 200 && warned.contains("nobody is warned of written requests"), "{warned}");
    assert_eq!(program.figure("tamga_requests_unreadable").await, 1);
    assert!(!requests(&["add", "access"]).status.success(), "an unreadable register is not replaced");
    program.terminate();
}

#[test]
fn no_option_takes_a_name_and_what_was_done_is_in_the_audit_log() {
    let ground = Ground::new();
    let help = said(&ground.run(&["requests", "add", "--help"], &[]));
    let options = regex::Regex::new(r"--[a-z-]+").unwrap();
    let options: std::collections::BTreeSet<_> = options.find_iter(&help).map(|option| option.as_str()).collect();
    assert!(options.iter().eq(["--config", "--help", "--received", "--site"].iter()), "{options:?}");
    for refused in
        [&["add", "Aigerim"][..], &["add", "access", "--received", "Aigerim"], &["add", "access", "--site", "a.kz"]]
    {
        assert!(!ground.run(&[&["requests"], refused].concat(), &[]).status.success(), "{refused:?}");
    }
    assert!(!ground.data().join("requests.json").exists());
    said(&ground.run(&["requests", "add", "withdrawal"], &[]));
    for language in ["kk", "ru", "en"] {
        let letter = said(&ground.run(&["requests", "refusal", "1", "--lang", language], &[]));
        assert!(letter.contains(&format!("https://t.jetpay.kz/privacy?site=jetpay.kz&lang={language}")), "{letter}");
    }
    assert!(said(&ground.run(&["requests", "close", "1", "blocked"], &[])).contains("must be destroyed by"));
    said(&ground.run(&["requests", "close", "1", "done"], &[]));
    assert!(!ground.run(&["requests", "close", "1", "done"], &[]).status.success());
    let log = said(&ground.run(&["audit", "show"], &[]));
    let actions: Vec<_> = log.lines().filter(|line| line.contains("request")).collect();
    assert!(
        actions.len() == 3 && actions[0].contains("kind=withdrawal") && actions[2].contains("outcome=done"),
        "{log}"
    );
    said(&ground.run(&["audit", "verify"], &[]));
}
