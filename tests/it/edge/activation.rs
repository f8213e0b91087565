//! Does a socket of the service manager outlive the program, so that a restart refuses nobody?

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use crate::support::collector::view_of;
use crate::support::http::Call;
use crate::support::program::{Ground, Program};
use crate::support::programs;

/// Starts the program as systemd does: the socket is descriptor 3, the environment says so.
pub(super) fn activate(ground: &Ground, socket: OwnedFd) -> Program {
    let hand_over = "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" serve --config tamga.toml";
    let mut command = Command::new("sh");
    command.args(["-c", hand_over]).arg(programs::tamga()).current_dir(ground.folder.path());
    command.stdin(Stdio::from(socket)).stdout(Stdio::null()).stderr(Stdio::piped());
    Program::watch(command.spawn().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_beacon_that_is_sent_while_the_program_restarts_waits_in_the_socket() {
    let ground = Ground::new();
    ground.send_stores_away();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let hand_over = || OwnedFd::from(socket.try_clone().unwrap());
    let first = activate(&ground, hand_over());
    assert_eq!(first.address, socket.local_addr().unwrap(), "not the one of the configuration");
    assert_eq!(first.beacon(view_of(1, 0, "/")).send().await.outcome(), "accepted");
    let between: Call = first.beacon(view_of(2, 0, "/"));
    let (code, _, log) = first.terminate();
    assert_eq!(code, Some(0), "{log}");
    let waiting = tokio::spawn(async move { between.send().await });
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert!(!waiting.is_finished(), "nobody is there to answer");
    let _second = activate(&ground, hand_over());
    assert_eq!(waiting.await.unwrap().outcome(), "accepted");
}
