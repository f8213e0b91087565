//! Do the commands of docs/incident.md say which rows were in a copied data folder, and is it true that the copy has no key?

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;

use crate::support::collector::view_of;
use crate::support::program::{Ground, Program};
use crate::support::{programs, wait};

/// The block of commands of the document that begins with these words.
fn commands(beginning: &str) -> Vec<String> {
    let text = std::fs::read_to_string("docs/incident.md").unwrap();
    let blocks = text.split("```sh ").skip(1).map(|block| block.split("```").next().unwrap());
    let mut blocks = blocks.map(|block| block.lines().skip(1).map(str::to_owned).collect::<Vec<_>>());
    blocks.find(|lines| lines[0].starts_with(beginning)).unwrap_or_else(|| panic!("a block with {beginning}"))
}

fn shell(ground: &Ground, script: &str) -> Output {
    let programs = programs::tamga().parent().unwrap().display().to_string();
    let mut command = Command::new("bash");
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TAMGA")) {
        command.env_remove(name);
    }
    command.env("PATH", format!("{programs}:{}", std::env::var("PATH").unwrap_or_default()));
    command.args(["-euo", "pipefail", "-c", script]).current_dir(ground.folder.path()).output().unwrap()
}

fn said(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The longest time that rows may take to the vault on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

fn names_below(folder: &Path) -> Vec<String> {
    let found = Command::new("find").arg(folder).output().unwrap();
    String::from_utf8(found.stdout).unwrap().lines().map(|path| path.rsplit('/').next().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_document_count_the_rows_of_a_copied_data_folder() {
    let ground = Ground::new();
    let program = Program::serve(&ground, &[]);
    program.logged("the stores are ready");
    for view in 1..=3 {
        let beacon =
            program.beacon(view_of(view, 0, "/tariffs")).header("X-Forwarded-For", &format!("198.18.{view}.9"));
        assert_eq!(beacon.send().await.outcome(), "accepted");
    }
    let delivered = async || {
        let (accepted, stored) =
            (program.figure("tamga_rows_accepted").await, program.figure("tamga_rows_stored").await);
        (accepted > 0 && accepted == stored).then_some(())
    };
    wait::until(PATIENCE, delivered, || "the rows do not reach the vault".to_owned()).await;
    assert!(said(ground.run(&["keys", "status"], &[])).contains("jetpay.kz"), "the collector had a key");
    program.terminate();
    let taken = ground.folder.path().join("copy");
    copy(&ground.data(), &taken);
    let log = std::fs::read(ground.data().join("audit.jsonl")).unwrap();

    let keys = tempfile::tempdir_in("/dev/shm").unwrap();
    let script = |lines: &[String]| lines.join("\n").replace("/dev/shm/incident", &keys.path().display().to_string());
    let looks = commands("export TAMGA__DATA__DIR");
    let seen = said(shell(&ground, &script(&looks)));
    for words in
        ["unbroken", "  start  ", "  migrate  ", "No key is there", "There are no dead letters", "\nquarantine\n"]
    {
        assert!(seen.contains(words), "{words}: {seen}");
    }
    let names = names_below(&taken);
    assert!(names.iter().any(|name| name == "audit.jsonl"));
    assert!(!names.iter().any(|name| name.ends_with(".key")), "the copy has a key: {names:?}");

    let settings: Vec<String> = looks.into_iter().filter(|line| line.starts_with("export ")).collect();
    let mut counted = [0, 0];
    for (query, counted) in commands("tamga vault query").into_iter().zip(&mut counted) {
        let ask = |query: String| said(shell(&ground, &script(&[&settings[..], &[query]].concat())));
        let first = ask(query.clone());
        let code = first.trim().rsplit(' ').next().unwrap();
        let answer = ask(format!("{query} --code {code}"));
        for row in answer.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
            assert_eq!(row["site"], "jetpay.kz", "{answer}");
            assert!(row["visitors"].as_u64().is_none_or(|visitors| visitors <= 3), "{answer}");
            let is_counted = row["attribute"].as_str().is_none_or(|attribute| attribute == "place");
            *counted += row["rows"].as_u64().unwrap() * u64::from(is_counted);
        }
    }
    assert_eq!(counted, [3, 3], "three views, and the place of each visit");
    let audit = |file: &Path| std::fs::read(file.join("audit.jsonl")).unwrap();
    assert!(String::from_utf8(audit(&taken)).unwrap().contains("queried the vault"));
    assert!(audit(&ground.data()) == log, "the evidence itself was not touched");
}
