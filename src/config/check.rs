//! The checks of a configuration whose values have the right types. Each check adds its error to the list, so that
//! `tamga config check` shows all of them.

use ipnet::IpNet;
use url::Url;

use super::error::Errors;
use super::names::{is_domain, is_event_name, is_host, is_loopback_name, is_sql_name};
use super::peers::check_peers;
use super::rights::{check_calendar, check_deadlines, check_operator};
use super::written::{is_same_site, is_server};
use super::{Config, Engine, Identification, Retention, Site, declared, protect};
use crate::items::Items;
use crate::outcome::SUSPICIONS;

/// Longer than five minutes, and a stop or a restart would leave many rows behind.
const LINGER_S: std::ops::RangeInclusive<u32> = 1..=300;
/// More MiB than any disk has: their bytes still fit an i64.
const SPOOL_QUOTA_MIB: std::ops::Range<u64> = 1..1 << 43;

/// Checks all keys, each by itself and with the others.
pub(super) fn check(config: &Config, errors: &mut Errors<'_>) {
    check_server(config, errors);
    check_stores(config, errors);
    check_peers(config, errors);
    check_names_of_files(config, errors);
    check_retention(config, errors);
    check_wall(config, errors);
    check_calendar(&config.calendar, errors);
    errors.require(
        !config.sites.is_empty(),
        "site",
        "at least one [[site]] is needed; `tamga config example` prints one",
    );
    for (index, site) in config.sites.iter().enumerate() {
        errors.prefix = format!("site[{index}].");
        let is_new = config.sites[..index].iter().all(|other| other.domain != site.domain);
        errors.require(is_new, "domain", "two sites have the same domain; give each its own");
        let is_own = |origin| config.sites[..index].iter().all(|other| !other.origins.contains(origin));
        errors.require(
            site.origins.iter().all(is_own),
            "origins",
            "another site has one of these origins; an origin belongs to one site, since two would publish the same visits \
             with noise of their own",
        );
        check_site(site, errors);
    }
}

fn check_server(config: &Config, errors: &mut Errors<'_>) {
    let server = &config.server;
    for (key, value) in [
        ("server.max_connections", server.max_connections),
        ("server.head_deadline_s", server.head_deadline_s),
        ("server.body_deadline_s", server.body_deadline_s),
    ] {
        errors.require(value > 0, key, "with 0 nobody could be served; leave the key out for its default");
    }
    errors.require(
        server.client_address_header.parse::<http::HeaderName>().is_ok(),
        "server.client_address_header",
        "a header's name is expected, such as X-Forwarded-For",
    );
    for network in server.trusted_proxies.iter().filter(|network| is_wide(**network)) {
        let message = format!("{network} is half the internet or more; give the networks of your own proxies");
        errors.require(false, "server.trusted_proxies", &message);
    }
    errors.require(
        !server.proxy_protocol || !server.trusted_proxies.is_empty() || server.listen.tcp().is_none(),
        "server.proxy_protocol",
        "a PROXY header is read of trusted proxies alone; name them in trusted_proxies",
    );
    errors.require(
        server.certificate_file.is_some() == server.key_file.is_some(),
        "server.certificate_file",
        "TLS needs both certificate_file and key_file; without TLS give neither",
    );
    errors.require(
        server.listen.tcp() != Some(server.admin_listen) || server.admin_listen.port() == 0,
        "server.admin_listen",
        "it is also [server] listen; give the operations' listener another port",
    );
    errors.require(
        SPOOL_QUOTA_MIB.contains(&config.data.spool_quota_mib),
        "data.spool_quota_mib",
        "give the MiB that the spool may take, at least 1; 1024 is the default",
    );
}

/// Whether a network is too wide to be of proxies. A mapped one (`::ffff:0:0/96`) is what it maps.
fn is_wide(network: IpNet) -> bool {
    match network {
        IpNet::V4(network) => network.prefix_len() < 8,
        IpNet::V6(network) if network.addr().to_ipv4_mapped().is_some() => network.prefix_len() < 96 + 8,
        // `fc00::/7` holds the addresses of local networks.
        IpNet::V6(network) => network.prefix_len() < 16 && !network.addr().is_unique_local(),
    }
}

/// An empty name of a file or folder is the working directory, or nothing.
fn check_names_of_files(config: &Config, errors: &mut Errors<'_>) {
    let Config { server, data, geo, vault, stats, engine, keys, cookie, protect, audit, wall, .. } = config;
    let optional = [
        ("server.annotations_file", &server.annotations_file),
        ("server.certificate_file", &server.certificate_file),
        ("server.key_file", &server.key_file),
        ("vault.ca_file", &vault.ca_file),
        ("vault.password_file", &vault.password_file),
        ("engine.library", &engine.library),
        ("engine.program", &engine.program),
        ("engine.analyst_password_file", &engine.analyst_password_file),
        ("keys.dir", &keys.dir),
        ("cookie.key_file", &cookie.key_file),
        ("protect.key_dir", &protect.key_dir),
        ("audit.heads_file", &audit.heads_file),
    ];
    let given = optional.into_iter().filter_map(|(key, path)| Some((key, path.as_ref()?)));
    let given = given.chain([("data.dir", &data.dir)]);
    let given = given.chain(stats.iter().map(|stats| ("stats.password_file", &stats.password_file)));
    let given = given.chain(wall.probe.iter().map(|probe| ("wall.probe.password_file", &probe.password_file)));
    let given = given.chain(geo.place.iter().map(|path| ("geo.place", path)));
    for (key, path) in given.chain(geo.provider.iter().map(|path| ("geo.provider", path))) {
        errors.require(!path.as_os_str().is_empty(), key, "it is empty; name a file or folder, or leave the key out");
    }
}

fn check_stores(config: &Config, errors: &mut Errors<'_>) {
    let vault = &config.vault;
    errors.require(
        LINGER_S.contains(&vault.linger_s),
        "vault.linger_s",
        "rows stay in the spool for 1 to 300 seconds; 30 is the default",
    );
    let given = [vault.url.is_some(), vault.user.is_some(), vault.password_file.is_some()];
    errors.require(
        given == [true; 3] || given == [false; 3] && vault.ca_file.is_none() && vault.cluster.is_none(),
        "vault.url",
        "a server needs url, user and password_file; an embedded engine needs none of them",
    );
    let stats = config.stats.as_ref().and_then(|store| store.cluster.as_deref());
    for (key, name) in [("vault.cluster", vault.cluster.as_deref()), ("stats.cluster", stats)] {
        errors.require(
            name.is_none_or(|name| is_event_name(&name.to_ascii_lowercase())),
            key,
            "a cluster's name has 1 to 64 of the characters A-Z a-z 0-9 _ . -",
        );
    }
    let urls = [("vault.url", config.vault.url.as_ref()), ("stats.url", config.stats.as_ref().map(|store| &store.url))];
    for (key, url) in urls {
        errors.require(
            url.is_none_or(|url| is_server(url)),
            key,
            "a URL of scheme, host and port alone is expected, such as https://clickhouse:8443",
        );
    }
    let engine = &config.engine;
    for (key, address) in [("engine.vault_listen", engine.vault_listen), ("engine.stats_listen", engine.stats_listen)] {
        errors.require(
            address.ip().is_loopback(),
            key,
            "the embedded engines listen on loopback only, such as 127.0.0.1:8123",
        );
    }
    errors.require(
        engine.vault_listen != engine.stats_listen || engine.vault_listen.port() == 0,
        "engine.stats_listen",
        "it is also [engine] vault_listen; give each engine a port of its own",
    );
    check_analysts(engine, errors);
}

/// Whether an origin is written as browsers send it.
fn is_exact(origin: &str) -> bool {
    Url::parse(origin).is_ok_and(|url| url.origin().ascii_serialization() == origin)
}

fn check_analysts(engine: &Engine, errors: &mut Errors<'_>) {
    let given = [
        engine.analysts_listen.is_some(),
        engine.analysts_certificate_file.is_some(),
        engine.analysts_key_file.is_some(),
        !engine.analysts_hosts.is_empty(),
    ];
    errors.require(
        given == [true; 4] || given == [false; 4],
        "engine.analysts_listen",
        "it needs analysts_certificate_file, analysts_key_file and analysts_hosts; without it give none of them",
    );
    errors.require(
        engine.analysts_hosts.iter().all(|host| is_host(host)),
        "engine.analysts_hosts",
        "a name or an address without a port is expected, such as stats.example.kz",
    );
    errors.require(
        engine.analysts_origins.iter().all(|origin| is_exact(origin)),
        "engine.analysts_origins",
        "an origin is expected, such as https://bi.example.kz",
    );
}

fn check_retention(config: &Config, errors: &mut Errors<'_>) {
    errors.require(
        (1..=Retention::MOST_STATS_MONTHS).contains(&config.retention.stats_months),
        "retention.stats_months",
        "published numbers stay 1 to 36 months; no policy allows more than three years",
    );
    errors.require(
        config.retention.vault_hours <= Retention::MOST_VAULT_HOURS,
        "retention.vault_hours",
        "a published day stays in the vault for at most 72 hours",
    );
}

fn check_wall(config: &Config, errors: &mut Errors<'_>) {
    let wall = &config.wall;
    for (key, names) in [
        ("wall.identified_databases", &wall.identified_databases),
        ("wall.identified_roles", &wall.identified_roles),
        ("wall.other_databases", &wall.other_databases),
        ("wall.service_accounts", &wall.service_accounts),
    ] {
        let are_names = names.iter().all(|name| is_sql_name(name));
        errors.require(are_names, key, "a name has 1 to 64 of the characters a-z A-Z 0-9 _ . -");
    }
    errors.require(
        wall.query_log.split('.').all(is_sql_name),
        "wall.query_log",
        "a table is expected, such as system.query_log",
    );
}

fn check_site(site: &Site, errors: &mut Errors<'_>) {
    check_addresses(site, errors);
    check_operator(&site.operator, errors);
    check_deadlines(&site.deadlines, errors);
    errors.require(
        jiff::tz::TimeZone::get(&site.time_zone).is_ok(),
        "time_zone",
        "an IANA time zone is expected, such as Asia/Almaty",
    );
    errors.require(
        site.publish_minutes().is_some(),
        "publish_every",
        "1h, 2h, 3h, 4h, 6h, 8h, 12h, 24h or 7d is expected",
    );
    errors.require(
        site.identity == Identification::Cookie || site.publish_every != "7d",
        "publish_every",
        "without a cookie nobody knows a visitor's first day of a week, so 7d would show nothing; give 24h or less",
    );
    errors.require(
        site.policy_version.as_deref().is_none_or(is_event_name),
        "policy_version",
        "a version has 1 to 64 of the characters a-z 0-9 _ . -",
    );
    for unknown in site.drop_suspects.iter().filter(|sign| !SUSPICIONS.contains(&sign.as_str())) {
        let message = format!("there is no sign {unknown:?}; there are {}", SUSPICIONS.join(", "));
        errors.require(false, "drop_suspects", &message);
    }
    for (key, names) in [("events", &site.events), ("variants", &site.variants)] {
        let are_names = names.iter().all(|name| is_event_name(name));
        errors.require(are_names, key, "a name has 1 to 64 of the characters a-z 0-9 _ . -");
    }
    let items = Items::of(site.profile.as_deref(), site.items.as_deref());
    if let Err(message) = &items {
        errors.require(false, if site.items.is_some() { "items" } else { "profile" }, message);
    }
    protect::check(site, items.as_ref().ok(), errors);
    declared::check(site, items.ok().as_ref(), errors);
}

fn check_addresses(site: &Site, errors: &mut Errors<'_>) {
    errors.require(is_domain(&site.domain), "domain", "a lower-case domain name is expected, such as jetpay.kz");
    let public = site.public_host();
    errors.require(
        site.public_url.starts_with("https://") || public.is_none_or(|host| is_loopback_name(&host)),
        "public_url",
        "plain http is for loopback only; use https",
    );
    errors.require(
        !site.origins.is_empty(),
        "origins",
        "list the origins of the site's pages, such as \"https://jetpay.kz\"",
    );
    let host = |url: &str| Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
    let hosts: Vec<String> = site.origins.iter().filter_map(|origin| host(origin)).collect();
    let is_beside = |name: &str| hosts.iter().any(|host| is_same_site(host, name));
    let is_reached =
        hosts.is_empty() || host(&site.public_url).is_none_or(|name| is_loopback_name(&name) || is_beside(&name));
    errors.require(
        is_reached,
        "public_url",
        "browsers send it no cookie from pages of `origins`, because it is of another registrable domain; give the \
         collector a host name beside theirs, such as https://t.jetpay.kz for https://jetpay.kz",
    );
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{Config, ConfigError};

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, Path::new("dir/tamga.toml"), std::iter::empty())
    }

    const PEERS: &str = "[peers]\nlisten = \"10.0.0.1:9443\"\nnodes = { a = \"10.0.0.1:9443\", b = \"10.0.0.2:9443\" }\n\
                         certificate_file = \"c\"\nkey_file = \"k\"\nca_file = \"ca\"\n[data]";

    #[test]
    fn an_error_names_its_key() {
        for (from, to, key) in [
            ("Asia/Almaty", "Asia/Nowhere", "site[0].time_zone"),
            ("https://t.jetpay.kz", "http://t.jetpay.kz", "site[0].public_url"),
            ("[\"https://jetpay.kz\"]", "[\"https://*.jetpay.kz\"]", "site[0].origins"),
            ("https://t.jetpay.kz", "https://t.aitu.kz", "site[0].public_url"),
            ("https://t.jetpay.kz", "https://t.jetpay.kz/collect", "site[0].public_url"),
            ("[\"127.0.0.0/8\"]", "[\"0.0.0.0/0\"]", "server.trusted_proxies"),
            ("[\"127.0.0.0/8\"]", "[\"10.0.0.0/8\", \"::/1\"]", "server.trusted_proxies"),
            ("[\"127.0.0.0/8\"]", "[\"::ffff:0:0/96\"]", "server.trusted_proxies"),
            ("[data]", "[vault]\nurl = \"clickhouse:8123\"\nuser = \"u\"\npassword_file = \"p\"\n[data]", "vault.url"),
            ("[data]", "[keys]\ndir = \"\"\n[data]", "keys.dir"),
            ("profile = \"jetpay\"", "items = [\"pages\", \"shoe_size\"]", "site[0].items"),
            ("admin_listen = \"127.0.0.1:9090\"", "admin_listen = \"127.0.0.1:8080\"", "server.admin_listen"),
            ("[server]", "[server]\nmax_connections = 0", "server.max_connections"),
            ("[server]", "[server]\nbody_deadline_s = 0", "server.body_deadline_s"),
            ("[server]", "[server]\nclient_address_header = \"X Real\"", "server.client_address_header"),
            ("[server]", "[server]\nkey_file = \"key.pem\"", "server.certificate_file"),
            ("trusted_proxies = [\"127.0.0.0/8\"]", "proxy_protocol = true", "server.proxy_protocol"),
            ("[data]", "[data]\nspool_quota_mib = 0", "data.spool_quota_mib"),
            ("[data]", "[engine]\nvault_listen = \"127.0.0.1:8124\"\n[data]", "engine.stats_listen"),
            (
                "[data]",
                "[stats]\nurl = \"http://a:1\"\nuser = \"u\"\npassword_file = \"p\"\ncluster = \"a'b\"\n[data]",
                "stats.cluster",
            ),
            ("[data]", "[vault]\nlinger_s = 0\n[data]", "vault.linger_s"),
            ("[data]", PEERS, "server.node"),
            ("[data]", &*PEERS.replace("a = \"10.0.0.1:9443\"", "a = \"10.0.0.1\""), "peers.nodes"),
            ("[data]", &*PEERS.replace(", b = \"10.0.0.2:9443\"", ""), "peers.nodes"),
            ("[data]", &*PEERS.replace("\"ca\"", "\"\""), "peers.ca_file"),
            ("[data]", "[vault]\nlinger_s = 301\n[data]", "vault.linger_s"),
            ("[data]", "[vault]\nurl = \"http://a:1\"\nuser = \"u\"\n[data]", "vault.url"),
            ("[data]", "[vault]\ncluster = \"a\"\n[data]", "vault.url"),
            ("[data]", "[retention]\nstats_months = 37\n[data]", "retention.stats_months"),
            ("[data]", "[retention]\nstats_months = 0\n[data]", "retention.stats_months"),
            ("[data]", "[retention]\nvault_hours = 73\n[data]", "retention.vault_hours"),
            ("\"jetpay\"", "\"jetpy\"", "site[0].profile"),
            ("[data]", "[site.protect]\naudience = \"a b\"\n[data]", "site[0].protect.audience"),
            ("\"jetpay\"", "\"proit\"\n[site.protect]\naudience = \"https://a.kz\"", "site[0].protect"),
            ("[data]", "[protect]\nkey_dir = \"\"\n[data]", "protect.key_dir"),
            ("[data]", "[site.operator]\nframed_by = [\"https://*.jetpay.kz\"]\n[data]", "site[0].operator.framed_by"),
            ("[data]", "[site.deadlines]\naccess = \"7 months\"\n[data]", "site[0].deadlines.access"),
            ("[data]", "[site.deadlines]\nblocked = \"soon\"\n[data]", "site[0].deadlines.blocked"),
            ("[data]", "[calendar]\nholidays = [\"2026-02-29\"]\n[data]", "calendar.holidays"),
            ("profile =", "drop_suspects = [\"headles\"]\nprofile =", "site[0].drop_suspects"),
            ("domain = \"jetpay.kz\"", "domain = \"Jetpay.kz\"", "site[0].domain"),
        ] {
            let error = parse(&Config::example().replace(from, to)).expect_err(key).to_string();
            assert!(error.contains(&format!("is not right: {key}: ")), "{error}");
        }
    }

    #[test]
    fn an_origin_belongs_to_one_site() {
        let example = Config::example();
        let (_, site) = example.split_once("[[site]]").expect("the example has a site");
        let site =
            site.split("\n[").next().expect("a first part").replace("domain = \"jetpay.kz\"", "domain = \"twin.kz\"");
        let with = |site: &str| parse(&format!("{example}\n[[site]]{site}"));
        let error = with(&site).expect_err("the same origin twice").to_string();
        assert!(error.contains("site[1].origins: another site has one of these origins"), "{error}");
        for same in ["HTTPS://JetPay.KZ", "https://jetpay.kz:443", "https://jetpay.kz/", "https://jetpay.kz."] {
            let error = with(&site.replace("\"https://jetpay.kz\"", &format!("{same:?}"))).expect_err(same).to_string();
            assert!(error.contains("site[1].origins: "), "{error}");
        }
        let twin =
            site.replace("https://jetpay.kz", "https://twin.kz").replace("https://t.jetpay.kz", "https://t.twin.kz");
        assert!(with(&twin).is_ok());
    }

    #[test]
    fn all_errors_are_reported_at_once() {
        let text = Config::example()
            .replace("[server]", "[server]\nmax_connections = 0")
            .replace("Asia/Almaty", "Asia/Nowhere")
            .replace("\"jetpay\"", "\"jetpy\"\ngoals = { order = \"unknown\" }\npairs = [[\"os\", \"os\"]]");
        let errors = parse(&text).expect_err("five errors").to_string();
        let keys = ["server.max_connections", "site[0].time_zone", "site[0].profile", "site[0].goals", "site[0].pairs"];
        assert_eq!(errors.lines().count(), keys.len(), "{errors}");
        for (line, key) in errors.lines().zip(keys) {
            assert!(line.starts_with(&format!("the configuration dir/tamga.toml is not right: {key}: ")), "{line}");
        }
    }
}
