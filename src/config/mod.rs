//! Every setting: the unit is in its name, the default and its reason are in its comment. Unknown keys are refused.
//!
//! A configuration is one TOML file; any scalar can also be given as `TAMGA__SECTION__KEY` in the environment, secrets only
//! as files. It is read once, checked as a whole, and passed on in parts. [`Config::example`] is the smallest useful one,
//! and a test loads it.

mod check;
pub mod declared;
mod domains;
mod error;
mod listen;
mod load;
mod log;
mod names;
mod peers;
mod protect;
mod rights;
mod stores;
mod written;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::Deserialize;

pub use declared::Campaigns;
pub use error::ConfigError;
pub use listen::Listen;
pub use log::{AuditLog, Log, LogFormat};
pub use names::{is_event_name, is_loopback_name, is_sql_name};
pub use peers::{Peers, host_and_port};
pub use protect::{Protect, VerdictKeys};
pub use rights::{CalendarDays, Deadlines, Operator};
pub use stores::{Engine, ServerStore, Vault};

/// The whole configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The two listeners.
    pub server: Server,
    /// The sites whose visits are counted; at least one.
    #[serde(rename = "site")]
    pub sites: Vec<Site>,
    /// Where Tamga keeps its data.
    #[serde(default)]
    pub data: Data,
    /// GeoIP files. Default none: countries, regions and providers stay empty.
    #[serde(default)]
    pub geo: Geo,
    /// The vault. Its server is given by `url`, `user` and `password_file`. Default: an embedded engine.
    #[serde(default)]
    pub vault: Vault,
    /// The server of the stats store. Default: an embedded engine.
    pub stats: Option<ServerStore>,
    /// The embedded engines.
    #[serde(default)]
    pub engine: Engine,
    /// Where day keys are kept.
    #[serde(default)]
    pub keys: Keys,
    /// The nodes on other machines. Default none: one node, or nodes that share `[keys] dir`.
    pub peers: Option<Peers>,
    /// The key that authenticates cookies.
    #[serde(default)]
    pub cookie: CookieKey,
    /// The keys that sign verdicts of account protection.
    #[serde(default)]
    pub protect: VerdictKeys,
    /// The publisher.
    #[serde(default)]
    pub publish: Publish,
    /// The audit log.
    #[serde(default)]
    pub audit: AuditLog,
    /// The log.
    #[serde(default)]
    pub log: Log,
    /// Rate limits.
    #[serde(default)]
    pub limits: Limits,
    /// The identified data that telemetry is kept apart from.
    #[serde(default)]
    pub wall: Wall,
    /// How long rows and numbers are kept.
    #[serde(default)]
    pub retention: Retention,
    /// The working calendar of Kazakhstan, for deadlines in working days. Public holidays of fixed dates are known, and a day
    /// off is moved from a weekend; what is decided anew each year is given here.
    #[serde(default)]
    pub calendar: CalendarDays,
}

/// Rate limits; 0 is no limit. The requests of ten seconds may come at once.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Requests a second from one network (/24 or /48); above it, the answer is 429. Default 200: more than any office
    /// sends, less than what fills a spool.
    pub network_per_s: u32,
    /// Requests a second for one site; above it, the answer is 429. Default 0: a limit is useful only if several sites share
    /// a spool.
    pub site_per_s: u32,
    /// Events an hour of one visitor; above it, they are dropped. Default 2000: a page a minute with all its events.
    pub visitor_events_per_h: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { network_per_s: 200, site_per_s: 0, visitor_events_per_h: 2000 }
    }
}

/// The two listeners.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Address for browsers, or for the proxy before the collector. A proxy on this machine may connect to a unix socket
    /// instead, `unix:` and its file; it is trusted. Default 127.0.0.1:8080: a proxy on this machine.
    pub listen: Listen,
    /// Address for operations; not for the internet. Default 127.0.0.1:9090: this machine only.
    pub admin_listen: SocketAddr,
    /// Further names of `admin_listen`, beside addresses and `localhost`. Default none: others can make a name point there.
    pub admin_hosts: Vec<String>,
    /// A file (TOML) of annotations for the page `/stats`, read anew for each page. Default none: no annotations.
    pub annotations_file: Option<PathBuf>,
    /// The certificate chain (PEM) for TLS at `listen`; needs `key_file`. Both files are read again when they change. Default
    /// none: a proxy before the collector ends TLS.
    pub certificate_file: Option<PathBuf>,
    /// The private key (PEM) of `certificate_file`. Default none: no TLS.
    pub key_file: Option<PathBuf>,
    /// Networks of proxies whose forwarding headers are believed, not wider than a /8 (IPv6: a /16). Default none: everybody
    /// can write such a header.
    pub trusted_proxies: Vec<IpNet>,
    /// The one header in which trusted proxies name the client: `X-Forwarded-For`, `Forwarded` (RFC 7239), or one with a single
    /// address, such as `CF-Connecting-IP`. Proxies must not pass on a client's. Default `X-Forwarded-For`: most write it.
    pub client_address_header: String,
    /// Whether each connection begins with a PROXY header, version 2, of a trusted proxy; others end. Default no: most send none.
    pub proxy_protocol: bool,
    /// The maximum of open connections, lowered to what the limit of open files allows; others wait. Default 4096: 50 MiB.
    pub max_connections: u32,
    /// Seconds within which a request's head must arrive, also on an idle connection. Default 10: slow phones need less.
    pub head_deadline_s: u32,
    /// Seconds within which a request's body must arrive. Default 10: slow phones need less.
    pub body_deadline_s: u32,
    /// Seconds that open requests get when the collector stops. Default 5: most end within one.
    pub stop_grace_s: u32,
    /// The name of this node's lease. Default the machine's host name: it differs between nodes. A container needs one that
    /// lasts.
    pub node: Option<String>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: ([127, 0, 0, 1], 8080).into(),
            admin_listen: ([127, 0, 0, 1], 9090).into(),
            admin_hosts: Vec::new(),
            annotations_file: None,
            certificate_file: None,
            key_file: None,
            trusted_proxies: Vec::new(),
            client_address_header: "X-Forwarded-For".to_owned(),
            proxy_protocol: false,
            max_connections: 4096,
            head_deadline_s: 10,
            body_deadline_s: 10,
            stop_grace_s: 5,
            node: None,
        }
    }
}

/// One site.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// The site's name in every row and in the snippet's `data-site`; usually its registrable domain.
    pub domain: String,
    /// The URL at which browsers reach the collector for this site: a separate host name in the site's registrable domain.
    pub public_url: String,
    /// The origins whose pages send beacons, as browsers write them: `https://jetpay.kz`. An origin belongs to one site. Pages under
    /// another domain than `public_url` need a name of the collector there: `tamga snippet` prints it.
    pub origins: Vec<String>,
    /// The IANA time zone whose midnight ends the day of keys and windows.
    pub time_zone: String,
    /// The policy that the site publishes: `jetpay`, `jetleasing`, `nomapay`, `proit`, `aitu`. Default none: give `items`.
    pub profile: Option<String>,
    /// The items of another policy, by their keys in `schema/data-map.toml`. Default none: give `profile`.
    pub items: Option<Vec<String>>,
    /// Paths as templates: `:name` folds a segment, `*` at the end keeps any rest. Default none: segments
    /// that could identify a person are folded.
    #[serde(default)]
    pub paths: Vec<String>,
    /// Names of events that pages may send; others are dropped. `[a-z0-9_.-]{1,64}`.
    #[serde(default)]
    pub events: Vec<String>,
    /// Variants that events may have; others become `other`.
    #[serde(default)]
    pub variants: Vec<String>,
    /// Goals by name: what reaches each, the path of a page or the name of an event.
    #[serde(default)]
    pub goals: BTreeMap<String, String>,
    /// Funnels by name: their steps in order, each the path of a page or the name of an event.
    #[serde(default)]
    pub funnels: BTreeMap<String, Vec<String>>,
    /// Experiments: names of events whose variant is the visit's variant.
    #[serde(default)]
    pub experiments: Vec<String>,
    /// Pairs of dimensions that are published together, of those that [`declared::DIMENSIONS`] names.
    #[serde(default)]
    pub pairs: Vec<Vec<String>>,
    /// The words of campaigns; others become `other`.
    #[serde(default)]
    pub campaigns: Campaigns,
    /// Registrable domains whose referrals do not begin a visit, such as a bank's page in the middle of a payment.
    #[serde(default)]
    pub ignored_referrers: Vec<String>,
    /// The length of the windows that are published: a divisor of 24 h from local midnight, or `7d`. Default 24h: shorter
    /// windows show fewer rows.
    #[serde(default = "Site::default_publish_every")]
    pub publish_every: String,
    /// How much noise published numbers have: `strict`, `standard` or `internal`. Default `standard`: what one visit adds is
    /// hidden, and a site of 500 visits a day is still shown. `docs/publishing.md` compares them.
    #[serde(default)]
    pub protection: Protection,
    /// How visitors are distinguished. Default `cookie`: the identifier changes every day.
    #[serde(default)]
    pub identity: Identification,
    /// Whether `DNT: 1` has the effect of `Sec-GPC: 1`. Default false: browsers have given it up, and some sent it by default.
    #[serde(default)]
    pub dnt: bool,
    /// Signs of automation whose senders are dropped and counted, not kept and flagged: `no_agent`, `headless`, `no_language`,
    /// `no_fetch_metadata`, `platform_mismatch`. Default none: first look at what a sign catches
    /// (`tamga_events_suspect_total`, and the stats table `automation`).
    #[serde(default)]
    pub drop_suspects: Vec<String>,
    /// The version of the site's policy, `[a-z0-9_.-]{1,64}`; consent is counted by it. Default none: it is not counted.
    pub policy_version: Option<String>,
    /// In whose name the visitor's page `/privacy` speaks.
    #[serde(default)]
    pub operator: Operator,
    /// Within which time a visitor's written request is done, by its kind: `7 working days`, `30 days`, `6 months`, and not more.
    #[serde(default)]
    pub deadlines: Deadlines,
    /// Account protection: signed verdicts for pages where people sign in. Default none: it is off.
    pub protect: Option<Protect>,
}

/// How much noise a site's published numbers have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protection {
    /// For numbers that the public sees.
    Strict,
    /// For numbers that many people see.
    #[default]
    Standard,
    /// For numbers that few people see.
    Internal,
}

/// How the visitors of a site are distinguished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Identification {
    /// By a cookie whose identifier changes every day.
    #[default]
    Cookie,
    /// Without a cookie, for one day, by a keyed hash in memory over the network (/24 or /48) and the agent.
    DailyAddress,
    /// Not at all: views are counted, visitors are not.
    None,
}

impl Site {
    fn default_publish_every() -> String {
        "24h".to_owned()
    }
}

/// Where Tamga keeps its data.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Data {
    /// Folder of the spool, the embedded stores and the audit log. Default `data`: in the working directory.
    pub dir: PathBuf,
    /// MiB that the spool may take while the vault is away; above it, beacons are answered 503. Default 1024: it fits a
    /// small disk.
    pub spool_quota_mib: u64,
}

impl Default for Data {
    fn default() -> Self {
        Self { dir: "data".into(), spool_quota_mib: 1024 }
    }
}

/// GeoIP files in the MaxMind format; each may hold IPv4, IPv6 or both.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Geo {
    /// Files with country and region of an address.
    pub place: Vec<PathBuf>,
    /// Files with the organisation of an address.
    pub provider: Vec<PathBuf>,
}

/// Where day keys are kept.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keys {
    /// A folder on memory-backed storage. Default: `tamga/keys` under `$RUNTIME_DIRECTORY`, `$XDG_RUNTIME_DIR` or `/dev/shm`.
    pub dir: Option<PathBuf>,
}

/// The lasting key that authenticates cookies. It links nothing: with it a cookie can be forged, not read.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CookieKey {
    /// 32 bytes, made at the first start; nodes share it. `spool.key` lies beside it. Default: `cookie.key` beside this file.
    pub key_file: Option<PathBuf>,
}

/// The identified data that telemetry is kept apart from, and how that is checked.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Wall {
    /// Databases with identified data on the servers of vault or stats store.
    pub identified_databases: Vec<String>,
    /// Roles that read these databases. An account with such a role cannot query the vault.
    pub identified_roles: Vec<String>,
    /// Other databases on these servers, with neither telemetry nor identified data.
    pub other_databases: Vec<String>,
    /// Service accounts beside the ones that this configuration names.
    pub service_accounts: Vec<String>,
    /// Hosts that the stores may be on. Default none: all hosts are allowed.
    pub store_hosts: Vec<String>,
    /// The country in which the stores are, as ISO 3166-1 alpha-2, checked by `[geo] place`.
    pub country: Option<String>,
    /// The server's query log. Default `system.query_log`: ClickHouse's default.
    pub query_log: String,
    /// An account with an identified role, to test the wall with. Default none: the test is left out.
    pub probe: Option<Probe>,
    /// Hours between two checks by a running collector; with 0 only `tamga verify` checks. Default 24: a change is seen
    /// within a day.
    pub verify_every_h: u32,
    /// Whether `tamga vault query` may be used. Default false: rows of the vault are not for people.
    pub break_glass: bool,
}

impl Default for Wall {
    fn default() -> Self {
        Self {
            identified_databases: Vec::new(),
            identified_roles: Vec::new(),
            other_databases: Vec::new(),
            service_accounts: Vec::new(),
            store_hosts: Vec::new(),
            country: None,
            query_log: "system.query_log".to_owned(),
            probe: None,
            verify_every_h: 24,
            break_glass: false,
        }
    }
}

/// An account that the wall must stop.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// The account's name.
    pub user: String,
    /// The file with the account's password.
    pub password_file: PathBuf,
}

/// The publisher.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Publish {
    /// Whether this node publishes; of several nodes exactly one must. Default true: most installations have one node.
    pub enabled: bool,
    /// Seconds after which a silent node, other than this one, is no longer waited for. Default 900: a restart takes less.
    pub node_timeout_s: u32,
}

impl Default for Publish {
    fn default() -> Self {
        Self { enabled: true, node_timeout_s: 900 }
    }
}

/// How long rows and numbers are kept. Both may be shorter, or longer as far as the published policies allow.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Hours that a day of the vault stays after its last window was published, at most 72; it is always deleted nine
    /// days after the day began. Default 24: for objections and for comparing.
    pub vault_hours: u32,
    /// Months that published numbers stay, at most 36. Default 25: two years can be compared.
    pub stats_months: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { vault_hours: 24, stats_months: 25 }
    }
}

impl Retention {
    /// Three years, the maximum of all policies.
    pub const MOST_STATS_MONTHS: u32 = 36;
    /// The most hours that a published day may stay.
    pub const MOST_VAULT_HOURS: u32 = 72;

    /// Months that published numbers stay; never more than three years.
    pub fn stats_months(&self) -> u32 {
        self.stats_months.clamp(1, Self::MOST_STATS_MONTHS)
    }
}

impl Site {
    /// The host, with its port if it has one, of `public_url`.
    pub fn public_host(&self) -> Option<String> {
        let rest = self.public_url.strip_prefix("https://").or_else(|| self.public_url.strip_prefix("http://"))?;
        let host = rest.strip_suffix('/').unwrap_or(rest);
        (!host.is_empty() && !host.contains(['/', '?', '#', '@'])).then(|| host.to_owned())
    }

    /// `publish_every` in minutes; `None` when it is not one of the allowed.
    pub fn publish_minutes(&self) -> Option<u32> {
        match self.publish_every.as_str() {
            "7d" => Some(7 * 24 * 60),
            hours => {
                let hours: u32 = hours.strip_suffix('h')?.parse().ok()?;
                (hours > 0 && 24 % hours == 0).then_some(hours * 60)
            }
        }
    }
}
