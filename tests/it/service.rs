//! Does the program behave as a service: what does it say to its manager, what does a reload do, whose are its files?

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::collector::view_of;
use crate::support::http::{Answer, Call};
use crate::support::program::{Ground, Program};
use crate::support::{ports, programs};

/// The longest that a message may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A service manager that hears what a program says.
struct Manager(UnixDatagram);

impl Manager {
    fn at(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket)
    }

    /// The first line of the next message, and whether it has more that begins so.
    fn hears(&self, first: &str, also: &str) {
        let mut bytes = [0; 1024];
        let length = self.0.recv(&mut bytes).unwrap_or_else(|error| panic!("{first} is never said: {error}"));
        let said = String::from_utf8_lossy(&bytes[..length]).into_owned();
        assert!(said.lines().next() == Some(first) && said.lines().any(|line| line.starts_with(also)), "{said}");
    }
}

/// The answer to a request. It is sent again, as clients do, if its connection ended before the request was read.
pub(crate) async fn answered(call: &Call) -> Answer {
    loop {
        let bytes = call.sent().await;
        if !bytes.is_empty() {
            return Answer::parse(&bytes);
        }
    }
}

/// A beacon of another site than the usual one.
fn of_second(program: &Program, view: u8) -> Call {
    let body = view_of(view, 0, "/tariffs").replace("jetpay.kz", "second.kz");
    program.beacon(body).header("Host", "t.second.kz").header("Origin", "https://second.kz")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_takes_what_the_files_say_and_refuses_no_beacon() {
    let ground = Ground::new();
    ground.send_stores_away();
    let first = fs::read_to_string(ground.folder.path().join("tamga.toml")).unwrap();
    let socket = ground.folder.path().join("notify");
    let manager = Manager::at(&socket);
    let program = Program::serve(&ground, &[("NOTIFY_SOCKET", socket.to_str().unwrap())]);
    manager.hears("READY=1", "STATUS=");
    assert_eq!(of_second(&program, 1).send().await.status, 403, "{}", program.log());

    // What is wrong changes nothing, and is said.
    ground.write("tamga.toml", &first.replace("Asia/Almaty", "Asia/Nowhere"));
    program.send_signal(Signal::HUP);
    assert!(program.logged("not reloaded").contains("site[0].time_zone"));
    let ready = String::from_utf8(program.ask("/readyz").await.body).unwrap();
    assert!(ready.starts_with("ready") && ready.contains("site[0].time_zone"), "{ready}");

    let second = "\n[[site]]\ndomain = \"second.kz\"\npublic_url = \"https://t.second.kz\"\norigins = [\"https://second.kz\"]\n\
                  time_zone = \"Asia/Almaty\"\nprofile = \"jetpay\"\n";
    ground.write("tamga.toml", &(first.clone() + second));
    program.send_signal(Signal::HUP);
    // Beacons go on all the time. Each is answered, by the one that ends or by the one that begins.
    let mut sent = 0;
    loop {
        let answer = answered(&program.beacon(view_of(2, sent, "/tariffs"))).await;
        assert_eq!(answer.outcome(), "accepted", "{}", program.log());
        sent += 1;
        if program.log().matches("taking beacons").count() == 2 {
            break;
        }
    }
    manager.hears("RELOADING=1", "MONOTONIC_USEC=");
    manager.hears("READY=1", "STATUS=");
    assert_eq!(of_second(&program, 3).send().await.outcome(), "accepted");
    assert_eq!(program.ask("/readyz").await.status, 200);
    // Retries are known in the new one as well.
    assert_eq!(program.beacon(view_of(2, 0, "/tariffs")).send().await.outcome(), "dropped");

    let (code, _, log) = program.terminate();
    assert_eq!(code, Some(0), "{log}");
    manager.hears("STOPPING=1", "STATUS=");
    assert!(!log.contains("panicked"), "{log}");
    let shown = String::from_utf8(ground.run(&["audit", "show"], &[]).stdout).unwrap();
    assert!(shown.contains("reload") && shown.contains("site second.kz"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_opens_the_listeners_anew_when_their_address_has_changed() {
    let ground = Ground::new();
    ground.send_stores_away();
    let first = fs::read_to_string(ground.folder.path().join("tamga.toml")).unwrap();
    let program = Program::serve(&ground, &[]);
    let port = ports::pair();
    ground.write("tamga.toml", &first.replacen("127.0.0.1:0", &format!("127.0.0.1:{port}"), 1));
    program.send_signal(Signal::HUP);
    program.logged(&format!("taking beacons address=127.0.0.1:{port}"));
    assert!(tokio::net::TcpStream::connect(program.address).await.is_err(), "the old one is closed");
    let moved = tokio::net::TcpStream::connect(("127.0.0.1", port)).await;
    assert!(moved.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_folder_of_keys_it_is_not_ready_and_says_why() {
    let ground = Ground::new();
    ground.send_stores_away();
    let program = Program::serve(&ground, &[]);
    assert_eq!(program.ask("/readyz").await.status, 200);
    fs::remove_dir_all(ground.keys.path()).unwrap();
    let ready = program.ask("/readyz").await;
    let said = String::from_utf8(ready.body).unwrap();
    assert!(ready.status == 503 && said.contains("key folder") && said.contains("No such file"), "{said}");
    assert_eq!(program.figure("tamga_ready").await, 0);
    assert_eq!(program.beacon(view_of(1, 0, "/tariffs")).send().await.status, 503);
    fs::create_dir(ground.keys.path()).unwrap();
    assert_eq!(program.ask("/readyz").await.status, 200);
    assert_eq!(program.beacon(view_of(1, 0, "/tariffs")).send().await.outcome(), "accepted");
    assert_eq!(program.figure("tamga_ready").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_not_trusted_is_said_once_and_in_readyz() {
    let ground = Ground::new();
    ground.send_stores_away();
    let program = Program::serve(&ground, &[("TAMGA__SERVER__TRUSTED_PROXIES", "[]")]);
    for view in 1..=3 {
        // These have the header, and come from this machine.
        assert_eq!(program.beacon(view_of(view, 0, "/tariffs")).send().await.outcome(), "accepted");
    }
    let said = String::from_utf8(program.ask("/readyz").await.body).unwrap();
    assert!(said.starts_with("ready\n") && said.contains("[server] trusted_proxies"), "{said}");
    assert_eq!(program.figure("tamga_proxy_untrusted").await, 1);
    assert_eq!(program.log().matches("is not trusted").count(), 1);
    assert!(!program.log().contains("198.18.0.9"));
}

#[test]
fn a_log_of_objects_has_one_in_each_line_and_begins_with_what_starts() {
    let ground = Ground::new();
    ground.send_stores_away();
    let text = fs::read_to_string(ground.folder.path().join("tamga.toml")).unwrap();
    ground.write("tamga.toml", &format!("{text}\n[log]\nformat = \"json\"\n"));
    let mut child = ground.command(&["serve"]).env("TAMGA__SERVER__NODE", "a-node").spawn().unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    let mut said = Vec::new();
    for line in lines {
        let line = line.unwrap();
        let read: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
        let message = read["fields"]["message"].as_str().unwrap().to_owned();
        assert!(read["level"].is_string() && read["timestamp"].is_string(), "{line}");
        said.push((message, read["fields"].clone()));
        if said.last().is_some_and(|(message, _)| message == "taking beacons") {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let (message, fields) = &said[0];
    assert_eq!((message.as_str(), fields["node"].as_str()), ("starting", Some("a-node")));
    assert_eq!(fields["version"].as_str(), Some(tamga::VERSION));
    assert!(fields["config"].as_str().is_some_and(|file| file.ends_with("tamga.toml")));
}

#[test]
fn the_journal_gets_priorities_and_an_unknown_level_is_refused() {
    let ground = Ground::new();
    ground.send_stores_away();
    let (reader, writer) = std::io::pipe().unwrap();
    let stat = rustix::fs::fstat(&writer).unwrap();
    let mut child = ground
        .command(&["serve"])
        .env("JOURNAL_STREAM", format!("{}:{}", stat.st_dev, stat.st_ino))
        .stderr(writer)
        .spawn()
        .unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(reader));
    let mut warned = false;
    for line in lines.map(Result::unwrap) {
        let priority = if line.contains(" WARN ") { "<4>" } else { "<6>" };
        assert!(line.starts_with(priority) && !line.contains(&format!("{priority}20")), "no time of its own: {line}");
        warned |= priority == "<4>";
        if warned {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    for level in ["verbos", "info,tamga=debug"] {
        let refused = ground.run(&["serve"], &[("TAMGA_LOG", level)]);
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(
            refused.status.code() == Some(1) && said.contains(level) && said.contains("error, warn, info"),
            "{said}"
        );
    }
}

#[test]
fn a_cookie_key_is_made_at_the_first_start_and_not_in_the_place_of_one_that_is_gone() {
    let ground = Ground::new();
    ground.send_stores_away();
    let key = ground.folder.path().join("cookie.key");
    assert_eq!(Program::serve(&ground, &[]).terminate().0, Some(0));
    let first = fs::read(&key).unwrap();
    let refused = |environment: &[(&str, &str)]| {
        let output = ground.run(&["serve"], environment);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        said
    };
    // A typing error in its name, and a volume that is not mounted.
    let other = ground.folder.path().join("coookie.key");
    let said = refused(&[("TAMGA__COOKIE__KEY_FILE", other.to_str().unwrap())]);
    assert!(said.contains("coookie.key") && said.contains("every visitor would be new"), "{said}");
    assert!(!other.exists(), "none was made");
    fs::rename(&key, ground.folder.path().join("elsewhere")).unwrap();
    let said = refused(&[]);
    assert!(said.contains("cookie-key.id") && !key.exists(), "{said}");
    // Another key is taken, and said.
    fs::write(&key, [9; 32]).unwrap();
    let program = Program::serve(&ground, &[]);
    program.logged("every visitor is new");
    assert_eq!(program.terminate().0, Some(0));
    // A lost one is made anew when somebody says so.
    fs::remove_file(&key).unwrap();
    fs::remove_file(ground.data().join("cookie-key.id")).unwrap();
    assert_eq!(Program::serve(&ground, &[]).terminate().0, Some(0));
    assert!(fs::read(&key).unwrap().len() == 32 && fs::read(&key).unwrap() != first);
    let shown = String::from_utf8(ground.run(&["audit", "show", "--action", "cookie key"], &[]).stdout).unwrap();
    assert_eq!(shown.lines().count(), 3, "{shown}");
}

/// A manager may stop what it has just started.
#[test]
fn a_signal_while_it_starts_ends_it_in_order() {
    let ground = Ground::new();
    ground.send_stores_away();
    for (signal, when) in
        [(Signal::TERM, "starting"), (Signal::TERM, "opened the spool"), (Signal::INT, "taking beacons")]
    {
        let child = ground.command(&["serve"]).spawn().unwrap();
        let program = Program::starting(child);
        program.logged(when);
        let status = program.signal(signal);
        assert_eq!(status.code(), Some(0), "{when}: {status}\n{}", program.log());
    }
}

/// All that lies below a folder.
fn below(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            found.extend(below(&entry));
        }
        found.push(entry);
    }
    found
}

/// `tamga` as the service's user has it under systemd: the folder above its own is closed to it.
#[test]
fn a_verb_of_root_leaves_no_file_that_the_service_cannot_read() {
    const SERVICE: u32 = 61_234;
    let ground = Ground::new();
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can act as somebody else");
        return;
    }
    let closed = ground.folder.path().join("private");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let data = closed.join("data");
    fs::create_dir(&data).unwrap();
    let secret = closed.join("secret");
    fs::create_dir(&secret).unwrap();
    for folder in [&data, &secret, &ground.keys.path().to_owned()] {
        chown(folder, Some(SERVICE), Some(SERVICE)).unwrap();
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
    }
    let key = secret.join("cookie.key");
    let text = ground.config().replace(&ground.data().display().to_string(), &data.display().to_string());
    ground.write("tamga.toml", &format!("{text}\n[cookie]\nkey_file = \"{}\"\n", key.display()));
    for verb in [
        &["migrate"][..],
        &["verify"],
        &["analyst", "add", "aigerim"],
        &["audit", "heads"],
        &["keys", "status"],
        &["requests", "add", "access"],
        &["config", "check"],
    ] {
        let output = ground.run(verb, &[]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() || verb == ["verify"], "{verb:?}: {said}");
        assert!(said.contains("acting as the owner"), "{verb:?}: {said}");
    }
    let program = Program::serve(&ground, &[]);
    program.logged("the stores are ready");
    assert_eq!(program.terminate().0, Some(0));
    let all = [below(&data), below(&secret), below(ground.keys.path())].concat();
    assert!(all.len() > 20 && all.iter().any(|path| path.starts_with(data.join("engine/vault"))), "{all:?}");
    let of_root = all.iter().filter(|path| fs::symlink_metadata(path).is_ok_and(|found| found.uid() != SERVICE));
    assert_eq!(of_root.collect::<Vec<_>>(), Vec::<&std::path::PathBuf>::new());

    // Where root may not act as somebody else, nothing is touched.
    let mut bare = Command::new("setpriv");
    bare.args(["--bounding-set=-setuid", "--inh-caps=-setuid"]).arg(programs::tamga()).args(["audit", "heads"]);
    let before = fs::read(data.join("audit.jsonl")).unwrap();
    let Ok(output) = bare.current_dir(ground.folder.path()).stdin(Stdio::null()).output() else {
        println!("skipped in part: there is no setpriv");
        return;
    };
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && said.contains(&SERVICE.to_string()), "{said}");
    assert_eq!(fs::read(data.join("audit.jsonl")).unwrap(), before);
}
