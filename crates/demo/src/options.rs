//! What can be chosen when the demo is started.

use std::path::PathBuf;

use crate::site::{DAYS, VISITORS_PER_DAY};

/// Runs a small shop, five weeks of its visitors and the collector that counts them, on loopback.
///
/// Publishes the days before yesterday. Then it starts a collector, its engines and the shop on a simulated clock that
/// begins yesterday at midnight, sends the visitors' beacons over HTTP until the clock has caught up with real time, and
/// stays. A second start on the same day plays nothing.
#[derive(clap::Parser)]
#[command(
    name = "tamga-demo",
    version,
    max_term_width = 100,
    after_long_help = "ENVIRONMENT\n\x20 TAMGA_LOG    what is logged: error, warn (the default), info, debug\n\n\
        EXIT STATUS\n\x20 0 done, 1 it could not be done and the last line says why, 2 the command line is wrong"
)]
pub(crate) struct Options {
    /// The folder for the demo's data; deleted and filled anew when it is of another day
    #[arg(long, value_name = "DIR", default_value = "data/demo")]
    pub(crate) data: PathBuf,
    /// The port of shop and collector; the admin listener has the next one
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    pub(crate) port: u16,
    /// Ports of the embedded engines: the vault's, and the next one for the stats store
    #[arg(long, value_name = "PORT", default_value_t = 8123)]
    pub(crate) engine_port: u16,
    /// Visitors of a day
    #[arg(long, value_name = "COUNT", default_value_t = VISITORS_PER_DAY)]
    pub(crate) visitors: u32,
    /// Days since the shop opened, today included; those before yesterday are not sent beacon by beacon
    #[arg(long, value_name = "COUNT", default_value_t = DAYS, value_parser = clap::value_parser!(u32).range(2..=366))]
    pub(crate) days: u32,
    /// `libchdb.so`; the default is where `make engine` puts it
    #[arg(long, value_name = "FILE")]
    pub(crate) library: Option<PathBuf>,
    /// End when the visitors have been played and the numbers are published
    #[arg(long)]
    pub(crate) once: bool,
    /// Print yesterday's beacons, one JSON object per line, and end
    #[arg(long)]
    pub(crate) list_beacons: bool,
}
