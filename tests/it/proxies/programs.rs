//! nginx, Caddy, HAProxy and Apache, each started with its file of `deploy/proxies`. Only names of files, ports and addresses are
//! changed, and each change must find its place. What Debian has around the file is written as Debian has it, at its most
//! talkative.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::fs::inotify;
use tamga::config::Listen;
use tempfile::TempDir;

use crate::support::{ports, wait};

pub(super) const HOST: &str = "t.jetpay.kz";
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Nginx,
    /// nginx that reaches the collector through a unix socket.
    NginxByUnix,
    Caddy,
    HaProxy,
    /// HAProxy that passes bytes on.
    Balancer,
    Apache,
}

impl Kind {
    fn program(self) -> &'static str {
        match self {
            Self::Nginx | Self::NginxByUnix => "/usr/sbin/nginx",
            Self::Caddy => "/usr/bin/caddy",
            Self::HaProxy | Self::Balancer => "/usr/sbin/haproxy",
            Self::Apache => "/usr/sbin/apache2",
        }
    }

    /// `None`, with a word, if it is not installed.
    pub(super) fn installed(self) -> Option<Self> {
        if Path::new(self.program()).exists() {
            return Some(self);
        }
        let missing = format!("{} is not installed: scripts/prepare proxies", self.program());
        assert!(std::env::var_os("CI").is_none(), "{missing}");
        println!("skipped: {missing}");
        None
    }
}

/// Where the proxy finds the collector.
pub(super) struct Place {
    pub(super) listen: Listen,
    /// The folder of a unix socket.
    _folder: Option<TempDir>,
}

impl Place {
    pub(super) fn of(kind: Kind) -> Self {
        if kind != Kind::NginxByUnix {
            return Self { listen: ([127, 0, 0, 1], ports::pair()).into(), _folder: None };
        }
        let folder = tempfile::tempdir().unwrap();
        // The socket gets the group of the folder.
        if is_root() {
            std::os::unix::fs::chown(folder.path(), None, Some(group_of_nginx())).unwrap();
        }
        set_mode(folder.path(), 0o2750);
        Self { listen: Listen::Unix(folder.path().join("edge.sock")), _folder: Some(folder) }
    }
}

fn group_of_nginx() -> u32 {
    let groups = std::fs::read_to_string("/etc/group").unwrap();
    let number = groups.lines().find_map(|line| line.strip_prefix("www-data:x:")?.split(':').next());
    number.expect("Debian has the group").parse().unwrap()
}

/// A running proxy, with everything that it writes in one folder.
pub(super) struct Proxy {
    child: Child,
    folder: TempDir,
    pub(super) https: SocketAddr,
    pub(super) http: SocketAddr,
    /// What is made in the folders for temporary files.
    made: OwnedFd,
}

impl Proxy {
    /// `is_loud` takes out what keeps it silent.
    pub(super) fn start(kind: Kind, collector: &Place, is_loud: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The proxy may run as another user.
        set_mode(folder.path(), 0o755);
        let port = ports::pair();
        let [https, http] = [port, port + 1].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        for name in ["logs", "tmp", "tmp/body", "tmp/answer"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        certify(folder.path());
        let site = Site {
            folder: folder.path(),
            https: https.port(),
            http: http.port(),
            collector: &collector.listen,
            is_loud,
        };
        let mut command = match kind {
            Kind::Nginx | Kind::NginxByUnix => site.nginx(),
            Kind::Caddy => site.caddy(),
            Kind::HaProxy => site.haproxy(),
            Kind::Balancer => site.balancer(),
            Kind::Apache => site.apache(),
        };
        let made = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
        for name in ["tmp", "tmp/body", "tmp/answer"] {
            inotify::add_watch(&made, folder.path().join(name), inotify::WatchFlags::CREATE).unwrap();
        }
        let output =
            || std::fs::File::options().create(true).append(true).open(folder.path().join("logs/output")).unwrap();
        let mut child = command
            .env("TMPDIR", folder.path().join("tmp"))
            .env("HOME", folder.path())
            .env("XDG_DATA_HOME", folder.path())
            .env("XDG_CONFIG_HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(output())
            .stderr(output())
            .spawn()
            .unwrap();
        let is_up = || {
            let ended = child.try_wait().unwrap();
            let said = || std::fs::read_to_string(folder.path().join("logs/output")).unwrap();
            assert!(ended.is_none(), "it does not start: {}", said());
            [https, http].iter().all(|address| TcpStream::connect(address).is_ok()).then_some(())
        };
        wait::blocking(PATIENCE, is_up, || format!("{} does not listen", kind.program()));
        Self { child, folder, https, http, made }
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn chain(&self) -> PathBuf {
        self.folder.path().join("chain.pem")
    }

    /// Names of the temporary files that it has made, those included that are gone.
    pub(super) fn written_bodies(&self) -> Vec<String> {
        let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
        let mut made = inotify::Reader::new(&self.made, &mut buffer);
        let mut names = Vec::new();
        while let Ok(event) = made.next() {
            names.push(event.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()));
        }
        names
    }

    pub(super) fn stop(&mut self) {
        if self.child.try_wait().unwrap().is_some() {
            return;
        }
        // Its workers end with it. Killed, it would leave them behind.
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        wait::blocking(PATIENCE, || self.child.try_wait().unwrap(), || "the proxy does not end".to_owned());
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop();
    }
}

pub(super) fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
}

fn certify(folder: &Path) {
    let made = rcgen::generate_simple_self_signed([HOST.to_owned()]).unwrap();
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    for (name, text) in [("chain.pem", &chain), ("key.pem", &key), ("both.pem", &(chain.clone() + &key))] {
        std::fs::write(folder.join(name), text).unwrap();
    }
}

/// Where a proxy's file must point.
struct Site<'a> {
    folder: &'a Path,
    https: u16,
    http: u16,
    collector: &'a Listen,
    is_loud: bool,
}

impl Site<'_> {
    /// The file of `deploy/proxies` with these changes, without these lines, and without those that keep it silent if it is to
    /// be loud.
    fn adapted(&self, name: &str, changes: &[(&str, String)], dropped: &[&str], silent: &[&str]) -> String {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/proxies").join(name);
        let mut text = std::fs::read_to_string(path).unwrap();
        let dropped: Vec<&str> = dropped.iter().chain(silent.iter().filter(|_| self.is_loud)).copied().collect();
        for part in &dropped {
            assert!(text.contains(part), "{name} has no {part:?}");
        }
        text = text
            .lines()
            .filter(|line| !dropped.iter().any(|part| line.contains(part)))
            .map(|line| format!("{line}\n"))
            .collect();
        let shipped = match self.collector {
            Listen::Tcp(_) => "127.0.0.1:8080",
            // The line is there, as a choice.
            Listen::Unix(_) => {
                "127.0.0.1:8080;\n    # Through a unix socket instead (deploy/tamga.socket.d/unix.conf):\n    # server unix:/run/tamga-edge.sock"
            }
        };
        for (from, to) in [(shipped, self.collector.to_string())].iter().chain(changes) {
            assert!(text.contains(from), "{name} has no {from:?}");
            text = text.replace(from, to);
        }
        text
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.join(name);
        std::fs::File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
        path
    }

    fn file(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn certificate(&self) -> [(&'static str, String); 2] {
        [
            ("/etc/letsencrypt/live/t.jetpay.kz/fullchain.pem", self.file("chain.pem")),
            ("/etc/letsencrypt/live/t.jetpay.kz/privkey.pem", self.file("key.pem")),
        ]
    }

    fn nginx(&self) -> Command {
        let mut changes = vec![
            ("listen 443", format!("listen 127.0.0.1:{}", self.https)),
            ("listen 80", format!("listen 127.0.0.1:{}", self.http)),
        ];
        changes.extend(self.certificate());
        if self.is_loud {
            changes.push(("client_body_buffer_size 128k", "client_body_buffer_size 8k".to_owned()));
        }
        let site = self.adapted("nginx.conf", &changes, &["listen [::]"], &["error_log", "access_log"]);
        let site = self.write("site.conf", &site);
        let user = if is_root() { "user www-data;" } else { "" };
        let main = format!(
            "{user}\nworker_processes 2;\npid {pid};\nerror_log {log}/error.log info;\nevents {{}}\nhttp {{\n\
             access_log {log}/access.log;\ngzip on;\nclient_body_temp_path {body};\nproxy_temp_path {answer};\n\
             fastcgi_temp_path {tmp}/1;\nuwsgi_temp_path {tmp}/2;\nscgi_temp_path {tmp}/3;\ninclude {site};\n}}\n",
            pid = self.file("pid"),
            log = self.file("logs"),
            body = self.file("tmp/body"),
            answer = self.file("tmp/answer"),
            // Beside the folder that is watched.
            tmp = self.file("logs"),
            site = site.display(),
        );
        let mut command = Command::new(Kind::Nginx.program());
        command.arg("-c").arg(self.write("main.conf", &main)).args(["-e", &self.file("logs/start.log")]);
        command.args(["-g", "daemon off;"]);
        command
    }

    fn caddy(&self) -> Command {
        let certificate = format!("tls {} {}", self.file("chain.pem"), self.file("key.pem"));
        let global = format!("\n{{\n\tadmin off\n\thttp_port {}\n\thttps_port {}\n", self.http, self.https);
        let changes = [
            ("\n{\n", global),
            ("\nt.jetpay.kz {", format!("\nhttps://t.jetpay.kz:{} {{\n\t{certificate}", self.https)),
        ];
        let file = self.write("Caddyfile", &self.adapted("Caddyfile", &changes, &[], &["exclude http"]));
        let mut command = Command::new(Kind::Caddy.program());
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
        command
    }

    fn haproxy(&self) -> Command {
        let mut changes = vec![
            (":::443 v4v6", format!("127.0.0.1:{}", self.https)),
            (":::80 v4v6", format!("127.0.0.1:{}", self.http)),
            ("/etc/haproxy/t.jetpay.kz.pem", self.file("both.pem")),
        ];
        if self.is_loud {
            changes.push(("\nglobal\n", "\nglobal\n\tlog stdout format raw local0\n".to_owned()));
            changes.push(("\tmode http\n", "\tmode http\n\tlog global\n\toption httplog\n".to_owned()));
        }
        self.haproxy_with("haproxy.cfg", &changes)
    }

    fn balancer(&self) -> Command {
        let ports = [(":::443 v4v6", self.https), (":::80 v4v6", self.http)];
        let changes = ports.map(|(shipped, port)| (shipped, format!("127.0.0.1:{port}")));
        self.haproxy_with("haproxy-bytes.cfg", &changes)
    }

    fn haproxy_with(&self, name: &str, changes: &[(&str, String)]) -> Command {
        let rights = ["\tchroot ", "\tuser ", "\tgroup "];
        let dropped: &[&str] = if is_root() { &[] } else { &rights };
        let file = self.write(name, &self.adapted(name, changes, dropped, &[]));
        let mut command = Command::new(Kind::HaProxy.program());
        command.arg("-db").arg("-f").arg(file);
        command
    }

    fn apache(&self) -> Command {
        let mut changes =
            vec![("*:443>", format!("127.0.0.1:{}>", self.https)), ("*:80>", format!("127.0.0.1:{}>", self.http))];
        changes.extend(self.certificate());
        let site = self.adapted("apache.conf", &changes, &[], &["ErrorLog", "LogLevel", "CustomLog"]);
        // The modules of `a2enmod`, and those that Debian enables by itself.
        let modules = "mpm_event authz_core alias headers http2 proxy proxy_http ssl socache_shmcb reqtimeout";
        let load: String = modules
            .split(' ')
            .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
            .collect();
        let user = if is_root() { "User www-data\nGroup www-data" } else { "" };
        let main = format!(
            "{load}{user}\nPidFile {folder}/pid\nDefaultRuntimeDir {folder}/logs\nListen 127.0.0.1:{https}\n\
             Listen 127.0.0.1:{http}\nServerName other.example\nErrorLog {folder}/logs/error.log\nLogLevel info\n\
             LogFormat \"%v:%p %h %l %u %t \\\"%r\\\" %>s %O \\\"%{{Referer}}i\\\" \\\"%{{User-Agent}}i\\\"\" vhost_combined\n\
             CustomLog {folder}/logs/other_vhosts_access.log vhost_combined\n\
             RequestReadTimeout header=20-40,MinRate=500 body=20,MinRate=500\n{site}",
            folder = self.folder.display(),
            https = self.https,
            http = self.http,
        );
        let mut command = Command::new(Kind::Apache.program());
        command.arg("-DFOREGROUND").arg("-d").arg(self.folder).arg("-f").arg(self.write("main.conf", &main));
        command
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
