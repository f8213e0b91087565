//! `tamga verify`, and the regular examination by a running collector: metrics, a line in the log, an entry in the audit log.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::audit;
use super::keys::keys_dir;
use super::reach::{self, Stores};
use crate::audit::Audit;
use crate::clock::Clock;
use crate::config::Config;
use crate::enrich::GeoIp;
use crate::metrics::Metrics;
use crate::store::{Limits, Store, VAULT};
use crate::verify::{Examined, Host, Report, Subject, Target, Verdict, examine};

/// How long after its start a collector examines the wall for the first time: when the first rows are stored.
const FIRST_AFTER: Duration = Duration::from_secs(15);

/// In which form a report is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A table for a terminal, with colours or without.
    Text {
        /// Whether the reader sees colours.
        colours: bool,
    },
    /// JSON.
    Json,
    /// A page to print.
    Html,
}

/// Examines an installation; returns the report in its form, and whether the wall is whole.
pub async fn verify(config: &Config, form: Form) -> Result<(String, bool)> {
    let reached = reach::reach(config).await?;
    let clock = Clock::kept_in(&config.data.dir);
    let report = report(config, &clock, &reached.stores).await;
    reached.release().await;
    let report = report?;
    audit::open(config, clock)?.record("verify", &detail(&report, "verb"))?;
    let shown = match form {
        Form::Text { colours } => crate::verify::text(&report, colours),
        Form::Json => serde_json::to_string_pretty(&report)? + "\n",
        Form::Html => crate::verify::html(&report),
    };
    Ok((shown, report.is_whole()))
}

async fn report(config: &Config, clock: &Clock, stores: &Stores) -> Result<Report> {
    let target = |store: &Store, server: &Option<crate::config::ServerStore>| match server {
        Some(server) => Target::on_server(store.clone(), &server.url, &config.wall),
        None => Target::embedded(store.clone()),
    };
    let vault = config.vault.server();
    let probe = match (&config.wall.probe, &vault) {
        (Some(probe), Some(vault)) => {
            let (user, password_file) = (probe.user.clone(), probe.password_file.clone());
            let server = crate::config::ServerStore { user, password_file, ..vault.clone() };
            Some(Store::on_server(&server, VAULT, Limits::default())?)
        }
        _ => None,
    };
    let geo = Arc::new(GeoIp::open(&config.geo.place, &[])?);
    let subject = Subject {
        config,
        clock,
        targets: [target(&stores.vault, &vault), target(&stores.stats, &config.stats)],
        host: Host {
            keys_dir: keys_dir(config),
            cookie_key: config.cookie.path().to_owned(),
            country: Box::new(move |address| geo.lookup(address).country.to_string()),
        },
        audit: audit::place(config),
        probe,
    };
    Ok(examine(&subject).await)
}

fn detail(report: &Report, by: &str) -> serde_json::Value {
    json!({ "by": by, "broken": report.names_of_broken(), "not_seen": report.unknown() })
}

/// The parts of a running collector that examine the wall and report.
pub(super) struct Examiner<'a> {
    pub(super) config: &'a Config,
    pub(super) clock: &'a Clock,
    pub(super) audit: &'a Audit,
    pub(super) metrics: &'a Metrics,
    pub(super) shutdown: &'a CancellationToken,
}

/// Examines the wall again and again while a collector runs.
pub(super) async fn keep_examining(examiner: Examiner<'_>, stores: &Stores) {
    let hours = examiner.config.wall.verify_every_h;
    if hours == 0 {
        return;
    }
    let mut pause = FIRST_AFTER;
    loop {
        tokio::select! {
            () = examiner.shutdown.cancelled() => return,
            () = tokio::time::sleep(pause) => (),
        }
        pause = Duration::from_secs(u64::from(hours) * 3600);
        let examined = tokio::select! {
            () = examiner.shutdown.cancelled() => return,
            examined = report(examiner.config, examiner.clock, stores) => examined,
        };
        match examined {
            Ok(report) => report_outcome(&examiner, &report),
            Err(error) => tracing::error!(error = %anyhow!(error), "cannot examine the wall"),
        }
    }
}

fn report_outcome(examiner: &Examiner<'_>, report: &Report) {
    let rules = report.rules.iter().map(|Examined { rule, verdict }| {
        (rule.name, matches!(verdict, Verdict::Broken(_)), matches!(verdict, Verdict::Unknown(_)))
    });
    examiner.metrics.set_wall(examiner.clock.now().as_second(), rules);
    let broken = report.names_of_broken();
    if broken.is_empty() {
        tracing::info!(not_seen = report.unknown(), "examined the wall: no rule is broken");
    } else {
        tracing::error!(rules = broken.join(", "), "the wall is not whole; `tamga verify` shows the evidence");
    }
    examiner.audit.note("verify", &detail(report, "collector"));
}
