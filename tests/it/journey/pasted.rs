//! The query that the demo prints for pasting.

use std::process::Command;

use crate::support::product::Product;

/// Pasted into a shell as it stands, in another folder than the demo's, it is answered.
pub(super) fn query_is_answered(demo: &Product) {
    let log = demo.log();
    let begin = log.find("curl -su ").unwrap();
    let end = log[begin..].find("\n\n").unwrap();
    let query = &log[begin..begin + end];
    let output = Command::new("sh").args(["-c", query]).current_dir("/").output().unwrap();
    let answer = String::from_utf8_lossy(&output.stdout);
    assert!(answer.contains("visits") && answer.contains("Almaty"), "{query}\n{answer}");
}
