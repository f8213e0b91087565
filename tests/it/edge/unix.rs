//! Is a unix socket a listener like another: for a proxy of this machine, which is trusted, and with a file that is there while somebody
//! listens?

use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::activation::activate;
use crate::support::collector::{beacon_to, view_of};
use crate::support::http::{Answer, PATIENCE};
use crate::support::program::{Ground, Program};
use crate::support::wait;

/// What a network may send at once if it may send one request a second.
const BURST: u8 = 10;

/// A configuration without trusted proxies, whose listener is a unix socket.
fn ground() -> (Ground, PathBuf) {
    let ground = Ground::new();
    ground.send_stores_away();
    let socket = ground.folder.path().join("edge.sock");
    let file = ground.folder.path().join("tamga.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.replace("trusted_proxies = [\"127.0.0.0/8\"]\n", "");
    let text = text.replacen("\"127.0.0.1:0\"", &format!("\"unix:{}\"", socket.display()), 1);
    ground.write("tamga.toml", &(text + "\n[limits]\nnetwork_per_s = 1\n"));
    (ground, socket)
}

/// Sends a beacon through the socket. The proxy says that it is this client's, or nothing.
async fn beacon(socket: &Path, view: u8, client: Option<&str>, before: &[u8]) -> u16 {
    let call = beacon_to(([127, 0, 0, 1], 1).into(), view_of(view, 0, "/")).without("X-Forwarded-For");
    let call = client.map_or(call.clone(), |client| call.header("X-Forwarded-For", client));
    let mut stream = UnixStream::connect(socket).await.unwrap();
    stream.write_all(&[before, &call.bytes()].concat()).await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("it closes").unwrap();
    Answer::parse(&answer).status
}

/// How many of these beacons are refused because their network sends too much.
async fn refused(socket: &Path, client: Option<&str>) -> usize {
    let mut refused = 0;
    for view in 0..2 * BURST {
        refused += usize::from(beacon(socket, view, client, b"").await == 429);
    }
    refused
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_at_the_socket_is_trusted_and_its_clients_have_their_own_limits() {
    let (ground, socket) = ground();
    let program = Program::serve(&ground, &[]);
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o660);
    assert!(refused(&socket, Some("198.18.0.9")).await > 0, "the client is not the one that the header names");
    assert_eq!(beacon(&socket, 99, Some("198.18.32.9"), b"").await, 202, "another client has no part in that");
    assert_eq!(refused(&socket, None).await, 0, "a proxy that names nobody is this machine, which has no limit");
    assert_eq!(program.figure("tamga_proxy_untrusted").await, 0);
    let (code, _, log) = program.terminate();
    assert_eq!(code, Some(0), "{log}");
    assert!(!socket.exists(), "the file stays behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_balancer_at_the_socket_names_the_client_in_its_own_header() {
    let (ground, socket) = ground();
    let _program = Program::serve(&ground, &[("TAMGA__SERVER__PROXY_PROTOCOL", "true")]);
    let header = [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", &[198, 18, 0, 9, 10, 0, 0, 1, 1, 1, 1, 187][..]].concat();
    let mut refused = 0;
    for view in 0..2 * BURST {
        // What the client itself writes does not count.
        let forged = format!("198.18.{view}.9");
        refused += usize::from(beacon(&socket, view, Some(&forged), &header).await == 429);
    }
    assert!(refused > 0, "the client is not the one that the header names");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_of_a_dead_process_gives_way_and_that_of_a_live_one_does_not() {
    let (dead, socket) = ground();
    Program::serve(&dead, &[]).signal(Signal::KILL);
    assert!(socket.exists());
    let _living = Program::serve(&dead, &[]);

    let (other, _) = ground();
    let place = format!("unix:{}", socket.display());
    let refused = other.run(&["serve"], &[("TAMGA__SERVER__LISTEN", &place)]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains(&place), "{said}");
    assert!(said.contains("another process listens there") && said.contains("[server] listen"), "{said}");
    assert_eq!(beacon(&socket, 1, None, b"").await, 202, "the living one is still reached");

    other.write("edge.sock", "somebody's file");
    let refused = other.run(&["serve"], &[]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("no socket"), "{said}");
    assert_eq!(std::fs::read_to_string(other.folder.path().join("edge.sock")).unwrap(), "somebody's file");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_keeps_the_socket_and_its_file() {
    let (ground, socket) = ground();
    let program = Program::serve(&ground, &[]);
    let file = || std::fs::metadata(&socket).unwrap().ino();
    let before = file();
    program.send_signal(Signal::HUP);
    let anew = || (program.log().matches("taking beacons").count() == 2).then_some(());
    wait::blocking(Duration::from_secs(120), anew, || program.log());
    assert_eq!(file(), before);
    assert_eq!(beacon(&socket, 1, None, b"").await, 202);
    program.terminate();
    assert!(!socket.exists(), "the file stays behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unix_socket_of_the_service_manager_is_trusted_too_and_stays_the_manager_s() {
    let (ground, _) = ground();
    let socket = ground.folder.path().join("managed.sock");
    let managed = UnixListener::bind(&socket).unwrap();
    ground.write(
        "tamga.toml",
        &std::fs::read_to_string(ground.folder.path().join("tamga.toml")).unwrap().replacen(
            "edge.sock",
            "unused.sock",
            1,
        ),
    );
    let program = activate(&ground, OwnedFd::from(managed.try_clone().unwrap()));
    assert!(refused(&socket, Some("198.18.0.9")).await > 0, "the client is not the one that the header names");
    program.terminate();
    assert!(socket.exists() && !ground.folder.path().join("unused.sock").exists());
}
