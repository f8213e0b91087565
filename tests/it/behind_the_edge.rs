//! Something behind the edge is broken at the start: does the edge take beacons, say why, and deliver them after the repair?
//!
//! Each test starts the program once, with several faults on top of each other. The repair of one shows the next.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use tamga::store::{Limits, STATS, Store, VAULT};
use tokio::net::TcpStream;

use crate::support::collector::view_of;
use crate::support::engine::{Engine, PASSWORD, USER, library};
use crate::support::program::{Ground, Program, password};
use crate::support::tls_proxy::certified;
use crate::support::vault::number;
use crate::support::{ports, programs, wait};

/// The longest that a reason or its end may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running collector whose stores are broken, and the beacons that it took.
struct Broken {
    program: Program,
    taken: u8,
}

impl Broken {
    async fn warnings(&self) -> String {
        let ready = self.program.ask("/readyz").await;
        let said = String::from_utf8(ready.body).unwrap();
        assert_eq!(ready.status, 200, "broken stores do not make the edge unready: {said}");
        said
    }

    /// Waits until the collector says what is wrong. Then it still takes beacons.
    async fn says(&mut self, words: &[&str]) {
        let has = |line: &str| line.starts_with("~ ") && words.iter().all(|word| line.contains(word));
        let look = async || self.warnings().await.lines().any(has).then_some(());
        wait::until(PATIENCE, look, || format!("readyz never says {words:?}:\n{}", self.program.log())).await;
        self.taken += 1;
        let answer = self.program.beacon(view_of(self.taken, 0, "/tariffs")).send().await;
        assert_eq!((answer.status, answer.outcome()), (202, "accepted"), "{words:?}");
    }

    /// Waits until the store on this server has every beacon, and stops.
    async fn delivered(self, vault: impl Fn() -> Store) {
        self.program.logged("the stores are ready");
        let all = async || {
            let (accepted, stored) = (
                self.program.figure("tamga_rows_accepted_total").await,
                self.program.figure("tamga_rows_stored").await,
            );
            (accepted > 0 && accepted == stored).then_some(())
        };
        wait::until(PATIENCE, all, || format!("rows are missing:\n{}", self.program.log())).await;
        let views = number(&vault(), "SELECT count() AS number FROM events").await;
        assert_eq!(views, u64::from(self.taken), "each beacon once");
        assert!(!self.warnings().await.contains("cannot be used"), "what works again is not in readyz");
        let (code, _, log) = self.program.terminate();
        assert!(code == Some(0) && !log.contains("panicked"), "{log}");
        let mut reasons: Vec<_> =
            log.lines().filter_map(|line| line.split_once("WARN")).map(|(_, said)| said).collect();
        reasons.retain(|said| said.contains("it is tried again"));
        let said = reasons.len();
        reasons.sort_unstable();
        reasons.dedup();
        assert_eq!(reasons.len(), said, "each reason is logged once: {log}");
    }
}

fn store(url: &str, password: &str, database: &str) -> Store {
    Store::new(url, USER, password, database, Limits::default()).unwrap()
}

/// A file system without a free inode; `None` if this user may not mount.
struct NoInodes<'a>(&'a Path);

impl<'a> NoInodes<'a> {
    fn mount(at: &'a Path) -> Option<Self> {
        mount("tmpfs", at, "tmpfs", MountFlags::empty(), Some(c"size=4m,nr_inodes=2")).ok()?;
        Some(Self(at))
    }
}

impl Drop for NoInodes<'_> {
    fn drop(&mut self) {
        let _ = unmount(self.0, UnmountFlags::DETACH);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_cannot_start_keeps_no_beacon_from_being_taken_and_delivered() {
    let ground = Ground::new();
    let (program, engine_library) = (ground.folder.path().join("engine"), ground.folder.path().join("libchdb.so"));
    let port = ports::pair();
    let config = ground
        .config()
        .replace("vault_listen = \"127.0.0.1:0\"", &format!("vault_listen = \"127.0.0.1:{port}\""))
        .replace(&library().display().to_string(), &engine_library.display().to_string())
        .replace("[engine]\n", &format!("[engine]\nprogram = \"{}\"\n", program.display()));
    ground.write("tamga.toml", &config);
    let engines = ground.data().join("engine");
    let (vault, service_password) = (engines.join("vault"), engines.join("service.password"));
    fs::create_dir(ground.data()).unwrap();
    fs::set_permissions(ground.data(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    fs::write(&engines, "not a folder").unwrap();

    let mut broken = Broken { program: Program::serve(&ground, &[]), taken: 0 };
    broken.says(&["service.password", "Not a directory"]).await;
    fs::remove_file(&engines).unwrap();
    fs::create_dir(&engines).unwrap();
    fs::write(&service_password, "\n").unwrap();
    broken.says(&["service.password", "it is empty"]).await;
    fs::write(&vault, "not a folder").unwrap();
    fs::remove_file(&service_password).unwrap();
    broken.says(&["cannot make the folder", "of the vault engine", "File exists"]).await;
    fs::remove_file(&vault).unwrap();
    broken.says(&["cannot run", "[engine] program"]).await;
    symlink(programs::engine(), &program).unwrap();
    broken.says(&["the vault engine did not start", "libchdb.so", "make engine"]).await;
    fs::write(&engine_library, "not a library").unwrap();
    broken.says(&["the vault engine did not start", "cannot use the engine library"]).await;
    let taken = TcpListener::bind(("127.0.0.1", port)).unwrap();
    fs::remove_file(&engine_library).unwrap();
    symlink(library(), &engine_library).unwrap();
    broken.says(&["the vault engine did not start", "cannot listen", "in use"]).await;
    // Until now the stats engine could not start for the same reasons.
    broken.program.logged("generation=1");
    fs::create_dir_all(vault.join("metadata")).unwrap();
    fs::write(vault.join("metadata/tamga_vault.sql"), "damaged").unwrap();
    drop(taken);
    broken.says(&["vault cannot be used", "the engine did not start on", "it gives no reason"]).await;
    if let Some(full) = NoInodes::mount(&vault) {
        broken.says(&["vault cannot be used", "engine.xml", "No space left on device"]).await;
        drop(full);
    }
    fs::remove_file(vault.join("metadata/tamga_vault.sql")).unwrap();
    let vault = || store(&format!("http://127.0.0.1:{port}"), &password(&ground.data()), VAULT);
    broken.delivered(vault).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_be_used_keeps_no_beacon_from_being_taken_and_delivered() {
    let (engine, ground) = (Engine::start(), Ground::new());
    let folder = ground.folder.path();
    let (right, away) = (certified(&engine, folder, "localhost").await, ports::pair());
    certified(&engine, folder, "other.test").await;
    let file = |name: &str| folder.join(name).display().to_string();
    let section = |header: &str, url: &str, password: &str, rest: &str| {
        format!("{header}url = \"{url}\"\nuser = \"{USER}\"\npassword_file = \"{}\"\n{rest}", file(password))
    };
    // The configuration ends with the section of the vault.
    let vault = section(
        "",
        &format!("https://localhost:{right}"),
        "vault.password",
        &format!("ca_file = \"{}\"\n", file("ca.pem")),
    );
    let stats = section("[stats]\n", &format!("http://127.0.0.1:{away}"), "stats.password", "");
    ground.write("stats.password", PASSWORD);
    // The volume of the audit log's heads is not mounted.
    let heads = folder.join("elsewhere/audit.heads");
    let audit = format!("\n[audit]\nheads_file = \"{}\"\n", heads.display());
    ground.write("tamga.toml", &(ground.config() + &vault + &stats + &audit));
    let newer = "INSERT INTO schema_migrations (version, name, checksum, statement, applied_at) VALUES \
                 (99, 'newer', '', 1, now())";
    let prepared = store(&engine.url(), PASSWORD, VAULT);
    tamga::store::apply(&prepared, tamga::store::migrations_of(&prepared), &tamga::clock::Clock::machine())
        .await
        .unwrap();
    engine.sql(&newer.replace("schema_migrations", "tamga_vault.schema_migrations")).await;

    let mut broken = Broken { program: Program::serve(&ground, &[]), taken: 0 };
    broken.says(&["vault cannot be used", "cannot read the password file", "vault.password"]).await;
    ground.write("vault.password", "");
    broken.says(&["vault cannot be used", "ca.pem", "No such file"]).await;
    ground.write("ca.pem", "");
    broken.says(&["vault cannot be used", "no certificate authority to trust"]).await;
    let trust = |name: &str| fs::copy(folder.join(name), folder.join("ca.pem")).unwrap();
    trust("other.test.pem");
    broken.says(&["vault cannot be used", "an authority that is not trusted"]).await;
    trust("localhost.pem");
    broken.says(&["vault cannot be used", "AUTHENTICATION_FAILED", "Check the user and the password file"]).await;
    ground.write("vault.password", PASSWORD);
    broken.says(&["vault cannot be used", "migration 99", "it was set up by a newer one"]).await;
    engine.sql("ALTER TABLE tamga_vault.schema_migrations DELETE WHERE version = 99 SETTINGS mutations_sync = 1").await;
    broken.says(&["stats cannot be used", "cannot be reached"]).await;
    // The vault does not wait for the stats store.
    let stored = async || (broken.program.figure("tamga_rows_stored").await > 0).then_some(());
    wait::until(PATIENCE, stored, || format!("no row arrives:\n{}", broken.program.log())).await;
    let stats = store(&engine.url(), PASSWORD, STATS);
    tamga::store::apply(&stats, tamga::store::migrations_of(&stats), &tamga::clock::Clock::machine()).await.unwrap();
    engine.sql("ALTER TABLE tamga_stats.schema_migrations UPDATE checksum = 'x' WHERE version = 1 SETTINGS mutations_sync = 1").await;
    pass_on(away, &engine).await;
    broken.says(&["stats cannot be used", "migration 1", "another text"]).await;
    engine.sql("DROP DATABASE tamga_stats SYNC").await;
    fs::create_dir(heads.parent().unwrap()).unwrap();
    broken.delivered(|| store(&engine.url(), PASSWORD, VAULT)).await;
    let verified = ground.run(&["audit", "verify"], &[]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    let heads = fs::read_to_string(&heads).unwrap();
    assert!(heads.starts_with("0 "), "the heads of the time without their volume are there too: {heads}");
}

/// The engine also answers on this port from now on.
async fn pass_on(port: u16, engine: &Engine) {
    let (listener, behind) = (tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap(), engine.address);
    tokio::spawn(async move {
        while let Ok((mut outer, _)) = listener.accept().await {
            tokio::spawn(async move {
                let Ok(mut inner) = TcpStream::connect(behind).await else { return };
                let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
            });
        }
    });
}
