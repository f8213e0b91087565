//! Do the files under `deploy/` fit the program, and each other?

use std::path::Path;

use tamga::config::Config;

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name);
    std::fs::read_to_string(path).expect("a file of this repository")
}

fn config(name: &str) -> Config {
    Config::parse(&read(name), Path::new(name), std::iter::empty()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn every_configuration_is_sound() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    let names: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder is part of the repository")
        .map(|entry| entry.expect("readable").file_name().into_string().expect("ASCII"))
        .filter(|name| name.ends_with(".toml"))
        .collect();
    assert!(names.len() >= 3, "{names:?}");
    for name in &names {
        assert!(!config(name).sites.is_empty(), "{name}");
    }
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
    assert!(config.keys.dir.expect("named").starts_with("/run/tamga"));
    for address in
        [config.server.listen, config.server.admin_listen, config.engine.vault_listen, config.engine.stats_listen]
    {
        assert!(address.ip().is_loopback() && unit.contains(&format!("SocketBindAllow=ipv4:tcp:{}\n", address.port())));
    }
}

#[test]
fn the_containers_have_the_stores_secrets_and_folders_that_the_configuration_names() {
    let (compose, config) = (read("compose.yaml"), config("tamga.compose.toml"));
    for (name, store) in [("vault", config.vault), ("stats", config.stats)] {
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
