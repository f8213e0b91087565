//! `tamga report`: reads the published numbers of a week or a day, prints them or hands them to a command.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use jiff::tz::TimeZone;

use super::reach::reach;
use crate::clock::Clock;
use crate::config::Config;
use crate::report::{self, Period, Words};
use crate::rights::LANGUAGES;

/// The options of `tamga report`.
#[derive(clap::Args, Clone, Debug)]
pub struct ReportOptions {
    /// The configuration; `tamga config example` prints the smallest useful one
    #[arg(long, value_name = "FILE", default_value = "tamga.toml", env = "TAMGA_CONFIG")]
    pub config: PathBuf,
    /// The site's domain as configured
    #[arg(long, value_name = "DOMAIN")]
    site: String,
    /// A week, such as 2026-W48; without it the last one that is over
    #[arg(long, value_name = "WEEK", conflicts_with = "day")]
    week: Option<String>,
    /// Yesterday, beside the same day of the four weeks before
    #[arg(long)]
    day: bool,
    /// The language
    #[arg(long, value_parser = LANGUAGES, default_value = "en")]
    language: String,
    /// An HTML page
    #[arg(long)]
    html: bool,
    /// Nothing, if nothing stands out
    #[arg(long)]
    if_unusual: bool,
    /// Gives the report to a shell command on its standard input, such as `sendmail aigerim@jetpay.kz`
    #[arg(long, value_name = "COMMAND")]
    send: Option<String>,
}

/// The report, as text or HTML; empty if it was sent, or need not be.
pub async fn report(config: &Config, options: &ReportOptions) -> Result<String> {
    let Some(site) = config.site(&options.site) else {
        bail!("the configuration has no [[site]] of the domain {:?}", options.site);
    };
    let zone = TimeZone::get(&site.time_zone).context("the site's time zone is not known")?;
    let today = Clock::kept_in(&config.data.dir).now().to_zoned(zone).date();
    let period = match &options.week {
        Some(week) => Period::week(week).with_context(|| format!("{week:?} is no week; write it as 2026-W48"))?,
        None if options.day => Period::yesterday(today),
        None => Period::last_week(today),
    };
    let reached = reach(config).await?;
    let read = report::read(&reached.stores.stats, &site.domain, period).await;
    reached.release().await;
    let report = read?;
    if options.if_unusual && !report.is_unusual() {
        return Ok(String::new());
    }
    let words = Words::of(&options.language);
    let shown = if options.html { report::html(&report, words) } else { report::text(&report, words) };
    let Some(command) = &options.send else { return Ok(shown) };
    send(command, &shown)?;
    Ok(String::new())
}

/// Hands a report to a shell command.
fn send(command: &str, shown: &str) -> Result<()> {
    let mut child =
        Command::new("sh").args(["-c", command]).stdin(Stdio::piped()).spawn().context("cannot start sh")?;
    let written = child.stdin.take().map(|mut stdin| stdin.write_all(shown.as_bytes()));
    let status = child.wait().context("cannot wait for the command of --send")?;
    ensure!(status.success(), "the command of --send has failed: {status}");
    written.transpose().context("the command of --send does not read the report")?;
    Ok(())
}
