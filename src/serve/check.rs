//! `tamga config check`: beyond the settings themselves, whether the files that they name can be used, and whether pages can
//! reach the goals. It makes nothing and connects to nothing, and says what it has not tried.

use std::fs;
use std::path::Path;

use anyhow::{Result, bail};

use super::keys::gone_cookie_key;
use super::{keys_dir, node};
use crate::collect::tls::Tls;
use crate::config::{Config, Site};
use crate::enrich::GeoIp;
use crate::peers::Identity;
use crate::privacy::keys::KeyRing;
use crate::privacy::scrub::PathRules;

/// What is right and what was not tried, for a sound configuration. The error has a line for each thing that is wrong.
pub fn check(config: &Config, name: &Path) -> Result<String> {
    let mut wrong = Vec::new();
    check_files(config, &mut wrong);
    for (index, site) in config.sites.iter().enumerate() {
        check_pages(site, index, &mut wrong);
    }
    if !wrong.is_empty() {
        let lines: Vec<_> = wrong.iter().map(|line| format!("{} is not right: {line}", name.display())).collect();
        bail!(lines.join("\n"));
    }
    let mut out = format!("{} is sound: {} site(s).\n", name.display(), config.sites.len());
    if let Some(warning) = node::passing_name(config) {
        out.push_str(&format!("warning: {warning}\n"));
    }
    for untried in untried(config) {
        out.push_str(&format!("not tried: {untried}\n"));
    }
    Ok(out)
}

fn check_files(config: &Config, wrong: &mut Vec<String>) {
    let Config { server, data, geo, vault, stats, engine, peers, cookie, wall, .. } = config;
    let mut add = |key: &str, problem: Option<String>| wrong.extend(problem.map(|problem| format!("{key}: {problem}")));
    let stats_password = stats.as_ref().map(|store| &store.password_file);
    let probe_password = wall.probe.as_ref().map(|probe| &probe.password_file);
    for (key, path) in [
        ("vault.password_file", vault.password_file.as_ref()),
        ("stats.password_file", stats_password),
        ("wall.probe.password_file", probe_password),
        ("vault.ca_file", vault.ca_file.as_ref()),
        ("stats.ca_file", stats.as_ref().and_then(|store| store.ca_file.as_ref())),
        ("engine.library", engine.library.as_ref()),
        ("engine.program", engine.program.as_ref()),
    ] {
        add(key, path.and_then(|path| unreadable(path)));
    }
    if let (Some(certificate), Some(key)) = (&server.certificate_file, &server.key_file) {
        add("server.certificate_file", Tls::open(certificate, key).err().map(|error| error.to_string()));
    }
    if let (Some(peers), Some(own)) = (peers, &server.node) {
        add("peers", Identity::open(peers, own).err().map(|error| error.to_string()));
    }
    for file in &geo.place {
        add("geo.place", GeoIp::open(std::slice::from_ref(file), &[]).err().map(|error| error.to_string()));
    }
    for file in &geo.provider {
        add("geo.provider", GeoIp::open(&[], std::slice::from_ref(file)).err().map(|error| error.to_string()));
    }
    add("keys.dir", KeyRing::check(&keys_dir(config)).err().map(|error| error.to_string()));
    add("cookie.key_file", gone_cookie_key(config));
    add("server.annotations_file", crate::stats_page::wrong_with_annotations(config));
    for (key, path) in [("data.dir", data.dir.as_path()), ("cookie.key_file", cookie.path())] {
        add(key, no_folder_above(path));
    }
}

/// Why a file cannot be read, if it cannot. An empty one says nothing.
fn unreadable(path: &Path) -> Option<String> {
    let name = path.display();
    match fs::File::open(path).and_then(|file| file.metadata()) {
        Ok(file) if file.is_dir() => Some(format!("{name} is a folder; name a file")),
        Ok(file) if file.len() == 0 => Some(format!("{name} is empty")),
        Ok(_) => None,
        Err(error) => Some(format!("cannot read {name}: {error}; name a file that the service may read")),
    }
}

/// Why nothing can be made at a path: something above it is a file.
fn no_folder_above(path: &Path) -> Option<String> {
    let above = path.ancestors().skip(1).find(|above| above.exists())?;
    (!above.is_dir()).then(|| format!("{} is no folder, so {} cannot be made in it", above.display(), path.display()))
}

/// Pages are counted under their template. A goal or step of another form is never reached.
fn check_pages(site: &Site, index: usize, wrong: &mut Vec<String>) {
    let rules = PathRules::new(&site.paths);
    let goals = site.goals.values().map(|what| ("goals", what));
    let steps = site.funnels.values().flatten().map(|step| ("funnels", step));
    for (key, page) in goals.chain(steps).filter(|(_, what)| what.starts_with('/')) {
        let counted = rules.template(page);
        if counted != *page {
            wrong.push(format!(
                "site[{index}].{key}: no page is counted as {page:?}, because it is counted as {counted:?}; write that, or \
                 add {page:?} to `paths`"
            ));
        }
    }
}

/// What only a running collector finds out.
fn untried(config: &Config) -> Vec<String> {
    let Config { server, vault, stats, .. } = config;
    let mut untried = vec![format!("whether {} and {} are free to listen at", server.listen, server.admin_listen)];
    for (name, url) in [("[vault]", vault.url.as_ref()), ("[stats]", stats.as_ref().map(|store| &store.url))] {
        untried.extend(url.map(|url| format!("whether the server of {name} at {url} answers and takes the password")));
    }
    let names: Vec<_> = config.sites.iter().flat_map(|site| site.collector_urls()).map(|(url, _)| url).collect();
    untried.push(format!("whether browsers reach the collector at {}; /tamga.js?check shows it", names.join(", ")));
    untried
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(from: &str, to: &str) -> String {
        let text = Config::example().replace(from, to);
        let config = Config::parse(&text, Path::new("t.toml"), std::iter::empty()).expect("its settings are sound");
        match check(&config, Path::new("t.toml")) {
            Ok(said) => said,
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn all_files_are_opened_and_all_that_is_wrong_is_said_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let empty = folder.path().join("empty");
        fs::write(&empty, "").expect("written");
        let stores = format!(
            "[vault]\nurl = \"http://a:1\"\nuser = \"u\"\npassword_file = \"/no/vault\"\n[stats]\nurl = \"http://a:1\"\n\
             user = \"u\"\npassword_file = \"{}\"\n[geo]\nplace = [\"/no/place\"]\nprovider = [\"/no/provider\"]\n\
             [keys]\ndir = \"{}\"\n[wall.probe]\nuser = \"u\"\npassword_file = \"/\"\n[data]",
            empty.display(),
            std::env::current_dir().expect("a folder").join("target/keys").display(),
        );
        let said = checked("[data]", &stores);
        let lines: Vec<_> = said.lines().collect();
        for (line, words) in lines.iter().zip([
            "vault.password_file: cannot read /no/vault",
            "stats.password_file",
            "wall.probe.password_file: / is a folder",
            "geo.place",
            "geo.provider",
            "keys.dir",
        ]) {
            assert!(line.starts_with("t.toml is not right: ") && line.contains(words), "{line}");
        }
        assert_eq!(lines.len(), 6, "{said}");
        let tls = checked("[server]", "[server]\ncertificate_file = \"/no/c.pem\"\nkey_file = \"/no/k.pem\"");
        assert!(tls.contains("server.certificate_file") && tls.contains("/no/c.pem"), "{tls}");
    }

    #[test]
    fn a_goal_that_no_page_reaches_is_refused() {
        let with = |goal: &str| checked("[data]", &format!("goals = {{ paid = \"{goal}\" }}\n[data]"));
        assert!(with("/pay/:order").starts_with("t.toml is sound"), "{}", with("/pay/:order"));
        let said = with("/pay/done");
        assert!(said.contains("site[0].goals") && said.contains("counted as \"/pay/:order\""), "{said}");
        assert!(with("/thanks").contains("counted as \"/:x\""), "{}", with("/thanks"));
    }

    #[test]
    fn what_was_not_tried_is_said() {
        let said = checked("", "");
        assert!(said.starts_with("t.toml is sound: 1 site(s).\n"), "{said}");
        assert!(said.contains("not tried: whether 127.0.0.1:8080") && said.contains("https://t.jetpay.kz"), "{said}");
    }
}
