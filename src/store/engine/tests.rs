//! The supervisor on stand-ins for the engine: shell scripts that announce, refuse, die.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

struct Fixture {
    folder: tempfile::TempDir,
}

impl Fixture {
    fn new(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("engine.sh");
        fs::write(&program, format!("#!/bin/sh\ncd {}\n{script}\n", folder.path().display())).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    fn options(&self) -> EngineOptions {
        EngineOptions {
            name: "vault",
            program: self.folder.path().join("engine.sh"),
            library: Some("/nowhere/libchdb.so".into()),
            data_dir: self.folder.path().join("data"),
            listen: ([127, 0, 0, 1], 0).into(),
            password_file: self.folder.path().join("engine/service.password"),
            memory_limit_mib: 300,
            analyst_password_file: Some(self.folder.path().join("engine/analyst.password")),
            analysts: AnalystAccess::default(),
            break_glass: false,
            restart_within: Duration::from_millis(300),
        }
    }

    fn supervise(&self) -> Supervisor {
        Supervisor::start(self.options()).unwrap()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }
}

const ANNOUNCE: &str = r#"echo '{"listening":"127.0.0.1:4711","version":"1"}'"#;

#[tokio::test]
async fn an_engine_that_listens_is_ready_and_stops_on_request() {
    let fixture = Fixture::new(&format!(
        "echo \"$@\" > arguments\ntrap 'echo stopped > stopped; exit 0' TERM\n{ANNOUNCE}\nwhile :; do sleep 0.05; done"
    ));
    let supervisor = fixture.supervise();
    assert_eq!(supervisor.ready().await.unwrap().port(), 4711);
    assert_eq!((supervisor.restarts(), supervisor.trouble()), (0, None));
    supervisor.stop().await;
    assert_eq!(fixture.read("stopped"), "stopped\n");
    let arguments = fixture.read("arguments");
    for part in [
        "--listen 127.0.0.1:0",
        "--user tamga",
        "--stop-with-parent",
        "--library /nowhere",
        "--memory-limit-mib 300",
        "--analyst-pause-s 0 --analyst-password-file /",
    ] {
        assert!(arguments.contains(part), "{arguments}");
    }
}

#[tokio::test]
async fn an_engine_s_standard_input_ends_with_its_supervisor_and_not_before() {
    let fixture = Fixture::new(&format!("{ANNOUNCE}\ncat > /dev/null; echo ended > ended"));
    let supervisor = fixture.supervise();
    supervisor.ready().await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!((supervisor.trouble(), fixture.read("ended")), (None, String::new()));
    drop(supervisor);
}

#[tokio::test]
async fn an_engine_that_dies_is_started_again_where_it_listened() {
    let fixture = Fixture::new(&format!("echo \"$4\" >> listens\n{ANNOUNCE}\nsleep 0.1"));
    let supervisor = fixture.supervise();
    supervisor.ready().await.unwrap();
    let mut generation = supervisor.generation();
    tokio::time::timeout(Duration::from_secs(20), generation.wait_for(|number| *number >= 3)).await.unwrap().unwrap();
    assert!(supervisor.restarts() >= 2);
    supervisor.stop().await;
    assert!(fixture.read("listens").starts_with("127.0.0.1:0\n127.0.0.1:4711\n127.0.0.1:4711\n"));
}

#[tokio::test]
async fn analysts_wait_longer_each_time_that_the_engine_ends_soon() {
    let fixture = Fixture::new(&format!("echo \"$@\" >> arguments\n{ANNOUNCE}\nsleep 0.1"));
    let supervisor = fixture.supervise();
    let mut generation = supervisor.generation();
    tokio::time::timeout(Duration::from_secs(20), generation.wait_for(|number| *number >= 4)).await.unwrap().unwrap();
    drop(supervisor);
    let arguments = fixture.read("arguments");
    let pauses: Vec<&str> = arguments
        .lines()
        .map(|line| line.split("--analyst-pause-s ").nth(1).unwrap().split(' ').next().unwrap())
        .collect();
    assert_eq!(pauses[..4], ["0", "1", "2", "4"]);
    let seconds = Duration::from_secs;
    assert_eq!(pause_after(seconds(5), seconds(40)), LONGEST_PAUSE);
    assert_eq!(pause_after(seconds(121), LONGEST_PAUSE), Duration::ZERO);
}

#[tokio::test]
async fn an_engine_that_cannot_start_says_why_in_its_own_words() {
    let fixture = Fixture::new("echo starting >&2\necho 'Error: the library is not at /x: fetch it' >&2\nexit 1");
    let error = fixture.supervise().ready().await.unwrap_err();
    assert_eq!(error.to_string(), "the vault engine did not start: the library is not at /x: fetch it");
}

#[tokio::test]
async fn a_start_that_fails_for_a_reason_that_passes_is_tried_again() {
    for reason in ["echo 'the data folder is in use' >&2; exit 1", "echo 'reading' >&2; kill -KILL $$"] {
        let fixture =
            Fixture::new(&format!("if [ ! -e second ]; then touch second; {reason}; fi\n{ANNOUNCE}\nsleep 9"));
        let supervisor = fixture.supervise();
        supervisor.ready().await.unwrap();
        // The script's sleep does not pass the signal on; there is nothing to wait for.
        drop(supervisor);
    }
}

#[tokio::test]
async fn the_end_of_an_engine_by_a_signal_names_the_signal() {
    let fixture = Fixture::new("echo 'reading the tables' >&2\nkill -ILL $$");
    let error = fixture.supervise().ready().await.unwrap_err().to_string();
    assert!(error.contains("ended while it started: signal: 4 (SIGILL)"), "{error}");
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let fixture = Fixture::new("");
    let options = EngineOptions { program: fixture.folder.path().join("absent"), ..fixture.options() };
    let error = Supervisor::start(options).unwrap().ready().await.unwrap_err();
    assert!(matches!(error, EngineError::Program { .. }) && error.to_string().contains("absent"), "{error}");
}
