//! `tamga-demo`: a small Kazakh outdoor shop, five weeks of its visitors, and the player that sends those of the last two days to
//! the collector.
//!
//! [`world::World`] is computed from a seed and does no I/O. [`player::Player`] sends it over HTTP on a simulated
//! clock, as browsers behind a proxy would. [`shop`] is the shop itself, for people who want to click. [`past`] publishes the
//! days before, and [`run`] puts all around a collector. Everything is on loopback: the shop is `shop.demo.localhost`, the collector
//! `t.demo.localhost`, and browsers resolve both to this machine.

mod beacon;
mod browser;
mod device;
mod folder;
mod geo;
mod live;
mod options;
mod past;
mod pattern;
mod places;
mod player;
mod progress;
mod random;
mod report;
mod returning;
mod run;
mod shop;
mod site;
mod walk;
mod world;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use tamga::config::LogFormat;

fn main() -> ExitCode {
    let options = options::Options::parse();
    // The demo itself says how far it is. Its log is needed only when something is wrong.
    let logs = tamga::serve::log_to_stderr("warn", LogFormat::Text);
    match logs.and_then(|()| run::run(options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "tamga-demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}
