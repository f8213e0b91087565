//! The clock of a running collector: what is said of it, what is saved, and the verbs `tamga clock …`.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::audit::Audit;
use crate::clock::{Clock, ClockStatus};
use crate::config::Config;

/// How often the clocks are compared when nobody asks for the time, in real time.
const EVERY: Duration = Duration::from_millis(500);
/// How often the time is saved. What it has followed NTP since then is lost by a crash: half a second at most.
const SAVE_EVERY: Duration = Duration::from_secs(10);

/// Watches the clock until `shutdown`: says when it is disputed and when it agrees again, carries out what a person accepts,
/// and saves the time.
pub(super) async fn keep(clock: Clock, audit: Arc<Audit>, shutdown: CancellationToken) {
    let mut said = ClockStatus::Agreed;
    let mut saved: Option<Instant> = None;
    let mut cannot_save = false;
    loop {
        let changed = carry_out(&clock, &audit);
        let status = clock.status();
        say(&said, &status, &audit);
        said = status;
        let stops = shutdown.is_cancelled();
        if stops || changed || saved.is_none_or(|saved| saved.elapsed() >= SAVE_EVERY) {
            let failed = clock.save().err();
            if let Some(error) = failed.as_ref().filter(|_| !cannot_save) {
                tracing::warn!(%error, "cannot save the time in [data] dir; after a restart a wrong clock may be believed");
            }
            (saved, cannot_save) = (Some(Instant::now()), failed.is_some());
        }
        if stops {
            return;
        }
        tokio::select! {
            () = shutdown.cancelled() => (),
            () = tokio::time::sleep(EVERY) => (),
        }
    }
}

/// Takes over what a person accepts, and says what was taken over without one. Returns whether the time has changed.
fn carry_out(clock: &Clock, audit: &Audit) -> bool {
    let accepted = clock.take_acceptance().unwrap_or_else(|error| {
        tracing::error!(%error, "cannot carry out `tamga clock accept`");
        None
    });
    let steps = [("accepted", accepted), ("lasted", clock.taken_over())];
    for (why, step_s) in steps.iter().filter_map(|(why, step)| Some((why, (*step)?))) {
        tracing::warn!(why, step_s, "the time of the wall clock was taken over");
        audit.note("clock set", &json!({ "why": why, "step_s": step_s }));
    }
    steps.iter().any(|(_, step)| step.is_some())
}

/// Says it once when the status changes. That an offset changes a little is no news.
fn say(before: &ClockStatus, now: &ClockStatus, audit: &Audit) {
    let name = |status: &ClockStatus| match status {
        ClockStatus::Agreed => ("agrees", "", false),
        ClockStatus::Disputed { whose, lasting, .. } => ("disputed", *whose, *lasting),
        ClockStatus::Unknown { .. } => ("unknown", "", false),
    };
    if name(before) == name(now) {
        return;
    }
    match now.sentence() {
        Some(sentence) => tracing::error!("{sentence}"),
        None => tracing::info!("the clocks agree again"),
    }
    let (state, whose, _) = name(now);
    let offset_s = match now {
        ClockStatus::Agreed => 0,
        ClockStatus::Disputed { offset_s, .. } | ClockStatus::Unknown { offset_s } => *offset_s,
    };
    audit.note("clock", &json!({ "state": state, "whose": whose, "offset_s": offset_s }));
}

/// `tamga clock status`: the time that this node has kept, and whether the wall clock agrees.
pub fn status(data: &Path) -> String {
    let clock = Clock::kept_in(data);
    let status = clock.status().sentence().unwrap_or_else(|| "The wall clock agrees.".to_owned());
    format!("{}\n{status}\n", clock.now())
}

/// `tamga clock accept`: the collector believes the wall clock as it is now.
pub fn accept(config: &Config) -> Result<String> {
    let clock = Clock::kept_in(&config.data.dir);
    let offset_s = clock.wall_offset_s();
    if clock.status() == ClockStatus::Agreed {
        bail!("the wall clock is not disputed: there is nothing to accept");
    }
    let audit = super::audit::open(config, clock.clone()).context("nothing was accepted")?;
    audit.record("clock accept", &json!({ "by": "verb", "offset_s": offset_s }))?;
    clock.order_acceptance().context("cannot leave the order in [data] dir")?;
    Ok(format!(
        "The time will change by {offset_s} s. A running collector takes it over within a second, another at its start.\n"
    ))
}
