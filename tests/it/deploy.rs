//! Do the files under `deploy/` fit the program, and each other?

use std::collections::BTreeSet;
use std::path::Path;

use tamga::config::Config;
use tamga::metrics::{Metrics, RowCounts};

use crate::support::program::{Ground, Program};
use crate::support::repository::{code_spans, section, table_rows, tracked};

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name);
    std::fs::read_to_string(path).expect("a file of this repository")
}

fn config(name: &str) -> Config {
    Config::parse(&read(name), Path::new(name), std::iter::empty()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn every_configuration_is_sound_and_names_a_node_that_lasts() {
    let names = tracked().iter().filter_map(|path| path.strip_prefix("deploy/")).filter(|name| name.ends_with(".toml"));
    let names: Vec<_> = names.collect();
    assert!(names.len() >= 4, "{names:?}");
    for name in &names {
        assert!(!config(name).sites.is_empty(), "{name}");
    }
    for name in ["tamga.toml", "tamga.compose.toml"] {
        assert!(config(name).server.node.is_some(), "{name}: a new name leaves a node behind for which windows wait");
    }
    assert!(read("kubernetes/statefulset.yaml").contains("- name: TAMGA__SERVER__NODE\n"), "the pod has its name");
}

#[test]
fn the_pods_have_the_folders_ports_and_secrets_that_the_configuration_names() {
    let (pods, config) = (read("kubernetes/statefulset.yaml"), config("kubernetes/tamga.toml"));
    let cookie_key = config.cookie.key_file.expect("named");
    let keys = config.keys.dir.expect("named");
    for mounted in [&config.data.dir, cookie_key.parent().expect("in a folder"), keys.parent().expect("in a folder")] {
        assert!(pods.contains(&format!("mountPath: {} }}\n", mounted.display())), "{}", mounted.display());
    }
    assert!(pods.contains("emptyDir:\n            medium: Memory\n"), "keys are in memory");
    let network = read("kubernetes/network.yaml");
    for (name, address) in
        [("beacons", config.server.listen.tcp().expect("a port")), ("operations", config.server.admin_listen)]
    {
        assert!(pods.contains(&format!("- name: {name}\n              containerPort: {}\n", address.port())));
        assert!(network.contains(&format!("port: {name} }}\n")));
    }
    let kustomization = read("kubernetes/kustomization.yaml");
    for store in [config.vault.server(), config.stats] {
        let password = store.expect("both stores are servers").password_file;
        assert!(pods.contains("mountPath: /run/secrets,") && password.starts_with("/run/secrets"));
        let name = password.file_name().expect("a file").to_str().expect("ASCII");
        assert!(kustomization.contains(&format!("--from-file={name}")), "{name}");
    }
    let resources = tracked().iter().filter_map(|path| path.strip_prefix("deploy/kubernetes/"));
    for name in resources.filter(|name| name.ends_with(".yaml") && *name != "kustomization.yaml") {
        assert!(kustomization.contains(&format!("  - {name}\n")), "{name} is applied");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_image_knows_whether_the_collector_in_it_lives() {
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Containerfile")).expect("it is here");
    let command = text.split_once("HEALTHCHECK").and_then(|(_, rest)| rest.split_once("CMD ")).expect("a check").1;
    let command: Vec<String> = serde_json::from_str(command.lines().next().expect("a line")).expect("a list of words");
    let ground = Ground::new();
    ground.send_stores_away();
    let product = Program::serve(&ground, &[]);
    let port = product.admin.port().to_string();
    let is_well = || {
        let words: Vec<String> = command.iter().map(|word| word.replace("9090", &port)).collect();
        std::process::Command::new(&words[0]).args(&words[1..]).status().expect("bash is there").success()
    };
    assert!(is_well());
    product.terminate();
    assert!(!is_well());
}

#[test]
fn the_service_may_write_and_bind_what_its_configuration_names() {
    let (unit, config) = (read("tamga.service"), config("tamga.toml"));
    let state: Vec<_> = unit
        .lines()
        .find_map(|line| line.strip_prefix("StateDirectory="))
        .expect("the unit has state")
        .split(' ')
        .map(|name| Path::new("/var/lib").join(name))
        .collect();
    assert!(state.contains(&config.data.dir));
    let cookie_key = config.cookie.key_file.expect("named");
    assert!(state.iter().any(|dir| cookie_key.starts_with(dir)) && !cookie_key.starts_with(&config.data.dir));
    assert!(unit.contains("RuntimeDirectory=tamga\n"));
    // The collector says when it is ready, and SIGHUP is a reload: tests/it/service.rs.
    assert!(unit.contains("\nType=notify\n") && unit.contains("\nExecReload=/bin/kill -HUP $MAINPID\n"));
    assert!(config.keys.dir.expect("named").starts_with("/run/tamga"));
    let (server, engine) = (&config.server, &config.engine);
    let public = server.listen.tcp().expect("a port");
    for address in [public, server.admin_listen, engine.vault_listen, engine.stats_listen] {
        assert!(address.ip().is_loopback() && unit.contains(&format!("SocketBindAllow=ipv4:tcp:{}\n", address.port())));
    }
}

#[test]
fn the_containers_have_the_stores_secrets_and_folders_that_the_configuration_names() {
    let (compose, config) = (read("compose.yaml"), config("tamga.compose.toml"));
    for (name, store) in [("vault", config.vault.server()), ("stats", config.stats)] {
        let store = store.expect("both stores are servers");
        assert_eq!(store.url, format!("http://{name}:8123"));
        assert!(compose.contains(&format!("\n  {name}:\n")), "a service called {name}");
        assert_eq!(store.password_file, Path::new(&format!("/run/secrets/{name}_password")));
        assert!(compose.contains(&format!("\n  {name}_password:\n    file: ./secrets/{name}.password\n")));
        assert!(read("clickhouse/users.xml").contains(&format!("<{}>", store.user)));
    }
    for mounted in [&config.data.dir, config.cookie.key_file.expect("named").parent().expect("in a folder")] {
        assert!(compose.contains(&format!(":{}\n", mounted.display())), "{}", mounted.display());
    }
    assert!(config.keys.dir.expect("named").starts_with("/run/tamga") && compose.contains("tmpfs: [\"/run/tamga:"));
    let proxy = config.server.trusted_proxies[0].addr();
    assert!(compose.contains(&format!("gateway: {proxy}\n")));
}

/// The names of all metrics, those that appear with their first value too.
pub(crate) fn known_metrics() -> BTreeSet<String> {
    let metrics = Metrics::default();
    metrics.set_wall(1, tamga::verify::RULES.iter().map(|rule| (rule.name, false, false)));
    metrics.set_engine_restarts("vault", 0);
    // `name{labels} value`, or `name value`.
    let exposed = metrics.encode(&RowCounts::default());
    let lines = exposed.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split(['{', ' ']).next()).map(str::to_owned).collect()
}

/// `promtool test rules` tries the alerts: each fires for its fault alone.
#[test]
fn every_alert_is_tried() {
    let (rules, tests) = (read("prometheus/tamga.rules.yaml"), read("prometheus/tamga.tests.yaml"));
    for alert in rules.lines().filter_map(|line| line.strip_prefix("      - alert: ")) {
        let fires = format!("{{alertname=\"{alert}\"}}");
        assert!(tests.contains(&fires), "{alert} is in no test of deploy/prometheus/tamga.tests.yaml");
    }
}

/// The rules are read by their indentation, which the file keeps.
#[test]
fn every_alert_asks_for_metrics_that_there_are_and_the_wall_s_are_among_them() {
    let known = known_metrics();
    let rules = read("prometheus/tamga.rules.yaml");
    let names = regex::Regex::new(r"\b(tamga|process)_[a-z_]+").expect("a pattern");
    let (mut alerts, mut asked) = (0, BTreeSet::new());
    let mut lines = rules.lines().peekable();
    while let Some(line) = lines.next() {
        assert!(!line.contains('\t'), "{line}");
        let Some(alert) = line.strip_prefix("      - alert: ") else { continue };
        alerts += 1;
        let expr = lines.next().and_then(|line| line.strip_prefix("        expr: "));
        let expr = expr.unwrap_or_else(|| panic!("{alert} has an expression"));
        let found: Vec<&str> = names.find_iter(expr).map(|name| name.as_str()).collect();
        assert!(!found.is_empty() && expr.matches('(').count() == expr.matches(')').count(), "{alert}: {expr}");
        for name in found {
            assert!(known.contains(name), "{alert}: there is no {name}");
            asked.insert(name);
        }
        let rest: Vec<&str> = std::iter::from_fn(|| lines.next_if(|line| line.starts_with("        "))).collect();
        for part in ["          severity: ", "          summary: \"", "          description: \""] {
            assert!(rest.iter().any(|line| line.starts_with(part)), "{alert} has {}", part.trim());
        }
    }
    assert_eq!(alerts, rules.matches("alert:").count());
    // A label's value that no series has would never alert.
    let selected = regex::Regex::new(r#"tamga_[a-z_]+\{[a-z]+="[a-z]+"\}"#).expect("a pattern");
    let exposed = Metrics::default().encode(&RowCounts::default());
    let selected: Vec<&str> = selected.find_iter(&rules).map(|series| series.as_str()).collect();
    assert!(
        selected.len() >= 2 && selected.iter().all(|series| exposed.contains(&format!("\n{series} "))),
        "{selected:?}"
    );
    for name in [
        "tamga_wall_broken",
        "tamga_wall_check_unknown",
        "tamga_wall_examined_timestamp_seconds",
        "tamga_audit_waiting",
        "tamga_rows_lost_total",
        "tamga_spool_frames_lost_total",
        "tamga_spool_late_seconds",
        "tamga_spool_state_lost",
        "tamga_spool_unsynced",
        "tamga_spool_quarantined_files",
        "tamga_requests",
        "tamga_requests_unreadable",
        "tamga_ready",
        "tamga_unusable",
        "tamga_vault_away_seconds",
        "tamga_windows_late_seconds",
        "tamga_publishes",
        "tamga_certificate_not_after_timestamp_seconds",
        "tamga_reload_refused",
        "tamga_proxy_untrusted",
        "tamga_cookie_key_replaced",
        "tamga_connections",
    ] {
        assert!(asked.contains(name), "{name}");
    }
}

/// Whether there is a test of this name, as `cargo test` has it.
fn has_test(folder: &str, name: &str) -> bool {
    let (modules, function) = name.rsplit_once("::").expect("a module and a function");
    let inner = modules.strip_suffix("::tests").unwrap_or(modules);
    let files = [modules, inner].map(|modules| format!("{folder}/{}", modules.replace("::", "/")));
    let files = files.iter().flat_map(|file| [format!("{file}.rs"), format!("{file}/mod.rs")]);
    files.filter_map(|file| std::fs::read_to_string(file).ok()).any(|text| text.contains(&format!("fn {function}(")))
}

#[test]
fn every_drill_has_its_test_and_its_alert() {
    let (drills, rules) = (section("docs/operations.md", "Operations"), read("prometheus/tamga.rules.yaml"));
    let rows = table_rows(&drills);
    assert!(rows.len() >= 30, "{}", rows.len());
    for (number, row) in (1..).zip(&rows) {
        assert_eq!((row[0].as_str(), row[4].as_str()), (number.to_string().as_str(), "0"), "{row:?}");
        let test = &code_spans(&row[5])[0];
        let (target, name) = test.split_once(' ').expect("a target and a name");
        let folder = if target == "it" { "tests/it" } else { "src" };
        assert!(has_test(folder, name), "there is no test {test}");
        for alert in code_spans(&row[3]) {
            assert!(rules.contains(&format!("- alert: {alert}\n")), "there is no alert {alert}");
        }
    }
    assert!(!has_test("tests/it", "deploy::no_such_test"));
}
