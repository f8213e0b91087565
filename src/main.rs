//! The verbs of `tamga`: each a role of the same program.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, Parser, Subcommand};
use tamga::clock::Clock;
use tamga::config::Config;
use tamga::serve::Access;
use tamga::serve::break_glass::BreakGlassRequest;
use tamga::serve::verify::Form;
use tamga::serve::wall::IdentifiedZone;
use tamga::store::Command;
use tamga::{collect, serve};

#[derive(Parser)]
#[command(
    name = "tamga",
    version,
    max_term_width = 100,
    about = "Counts what happens on a site and cannot tell to whom.",
    long_about = "Tamga counts what happens on a site and cannot tell to whom.\n\n\
        It takes beacons from a snippet on the site's pages, replaces whatever identifies by hashes whose keys die with \
        the day, makes the rows durable before it answers, keeps them for about two days in a vault that people have no \
        access to, and publishes counts that are large and round enough to show to anyone.",
    after_long_help = "EXAMPLES\n\
        \x20 tamga config example > tamga.toml       the smallest useful configuration\n\
        \x20 tamga config check --config tamga.toml  is it sound?\n\
        \x20 tamga serve --config tamga.toml         run it\n\n\
        ENVIRONMENT\n\
        \x20 TAMGA__SECTION__KEY    any scalar of the configuration, such as TAMGA__SERVER__LISTEN\n\
        \x20 TAMGA_LOG              what is logged: error, warn, info (the default), debug\n\n\
        EXIT STATUS\n\
        \x20 0 done, 1 not done: the last lines, with `tamga:`, say why, 2 the command line is wrong"
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run the collector, its engines and its publisher
    #[command(long_about = "Run the collector, its engines and its publisher.\n\n\
        Accepts beacons as soon as the spool is open. Without [vault] and [stats] in the configuration it starts two \
        embedded ClickHouse engines on loopback, watches them and restarts them when they die. SIGTERM stops in \
        order; a second SIGTERM stops at once. In both cases no beacon that was answered 202 is lost.")]
    Serve(ConfigFile),
    /// Bring the schemas of both stores up to date, and say who may do what on their servers
    #[command(
        long_about = "Bring the schemas of both stores up to date. Migrations go forward only; one that was cut short goes on where it stopped. Published numbers get the configured time \
        to live. --access applies schema/access to ClickHouse servers: roles, profiles, quotas, row policies, a role for the \
        analysts of each site. It runs as the service account, or as an administrator who then makes that account too."
    )]
    Migrate {
        #[command(flatten)]
        config: ConfigFile,
        #[command(flatten)]
        access: Access,
    },
    /// Copy the embedded engine's published numbers to the server that [stats] names
    #[command(
        after_help = "Stop `serve`, write [stats] into the configuration, run this, start `serve`. Nothing is deleted. Numbers \
        that exist there are compared and not changed. After an interruption, run it again."
    )]
    MoveStats(ConfigFile),
    /// Preview what would be published
    #[command(subcommand)]
    Publish(PublishVerb),
    /// Check a configuration, or print an example
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Look at the keys of days, or destroy them
    #[command(subcommand)]
    Keys(KeysVerb),
    /// Look at the time that the collector has kept, and put right what a wrong clock did
    #[command(subcommand)]
    Clock(ClockVerb),
    /// Look at the audit log
    #[command(subcommand)]
    Audit(AuditVerb),
    /// Check the wall: is telemetry apart from identified data, and are all limits of what is kept and shown respected?
    #[command(
        long_about = "Check the wall: is telemetry apart from identified data, and are all limits of what is kept \
        and shown respected?\n\n\
        For each broken rule, prints the clause of the policy, the evidence and the remedy. The exit status is 0 \
        only when every rule was checked and holds. Uses the engines of a collector that runs here, or starts them."
    )]
    Verify {
        #[command(flatten)]
        config: ConfigFile,
        /// The report as JSON
        #[arg(long, conflicts_with = "html")]
        json: bool,
        /// The report as an HTML page for printing
        #[arg(long)]
        html: bool,
    },
    /// Build the wall between the vault and identified data on one ClickHouse
    #[command(subcommand)]
    Wall(WallVerb),
    /// Look at rows of the vault, for the rare fault: off by default, in two steps, recorded
    #[command(subcommand)]
    Vault(VaultVerb),
    /// Look at rows that the vault refused, send them again, or drop them
    #[command(subcommand)]
    DeadLetters(DeadLetterVerb),
    /// Print the line of HTML that a site's pages need
    Snippet {
        #[command(flatten)]
        config: ConfigFile,
        /// The site's domain as configured
        site: String,
    },
}

#[derive(Args)]
struct ConfigFile {
    /// The configuration; `tamga config example` prints the smallest useful one
    #[arg(long, value_name = "FILE", default_value = "tamga.toml", env = "TAMGA_CONFIG")]
    config: PathBuf,
}

#[derive(Subcommand)]
enum PublishVerb {
    /// Print the share of each table that every choice of publish_every would show of yesterday
    Preview(serve::PreviewOptions),
}

#[derive(Subcommand)]
enum ConfigVerb {
    /// Check a configuration; every error is printed, with its place and remedy
    Check(ConfigFile),
    /// Print the smallest useful configuration
    Example,
}

#[derive(Subcommand)]
enum KeysVerb {
    /// Print the site, day and deadline of each key; never a byte of one
    #[command(long_about = "Print the site, day and deadline of each key; never a byte of one.\n\n\
        A collector that stops leaves the keys of running days in the key folder, so that its next start goes on with them. \
        A running collector destroys them on time. A key whose day ended while none was running is shown as overdue.")]
    Status(ConfigFile),
    /// Destroy keys now, before their day is over
    #[command(long_about = "Destroy keys now, before their day is over.\n\n\
        Nobody can recompute the pseudonyms made with them from then on. The next beacon of the day makes a new key, which \
        splits the day's visitors in two; the thresholds of its window are doubled.")]
    Destroy {
        #[command(flatten)]
        config: ConfigFile,
        /// The site's domain as configured
        #[arg(required_unless_present = "all", requires = "day")]
        site: Option<String>,
        /// The site-local day, such as 2026-11-22
        day: Option<jiff::civil::Date>,
        /// All keys
        #[arg(long, conflicts_with = "site")]
        all: bool,
        /// Confirm
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Subcommand)]
enum ClockVerb {
    /// Print the time that the collector has kept, and whether the wall clock agrees
    Status(ConfigFile),
    /// Believe the wall clock as it is now, although the collector disputes it
    #[command(long_about = "Believe the wall clock as it is now, although the collector disputes it.\n\n\
        A wall clock that jumps is not believed: the time goes on by a clock that nobody can set, no key is destroyed and \
        nothing is published until both agree again. A jump of less than a day that lasts for two hours is taken over without \
        this verb. Look at the clock first: with a wrong one, keys die early and rows come to be on wrong days.")]
    Accept {
        #[command(flatten)]
        config: ConfigFile,
        /// Yes, the wall clock is right
        #[arg(long, required = true)]
        yes: bool,
    },
}

#[derive(Subcommand)]
enum AuditVerb {
    /// Follow the chain of hashes; the exit status is 1 when it is broken
    #[command(long_about = "Follow the chain of hashes; the exit status is 1 when it is broken.\n\n\
        Finds lines that were changed, removed, inserted or moved, and by the file of heads also a log that was cut off. \
        Somebody who can write both files can forge both. Heads that were kept elsewhere show that.")]
    Verify {
        #[command(flatten)]
        config: ConfigFile,
        /// A folder to which full logs, `audit-….jsonl`, were moved
        #[arg(long, value_name = "DIR")]
        moved: Option<PathBuf>,
        /// Heads that were kept elsewhere, as `tamga audit heads` printed them
        #[arg(long, value_name = "FILE")]
        heads: Vec<PathBuf>,
    },
    /// Print the log, a line per entry
    Show {
        #[command(flatten)]
        config: ConfigFile,
        /// Only entries of this action, such as publish
        #[arg(long, value_name = "ACTION")]
        action: Option<String>,
        /// Only entries from this moment on, such as 2026-11-22T00:00:00Z
        #[arg(long, value_name = "TIME")]
        since: Option<jiff::Timestamp>,
        /// Print the lines unchanged
        #[arg(long)]
        json: bool,
    },
    /// Print the hash of the last line, to be kept elsewhere
    Heads {
        #[command(flatten)]
        config: ConfigFile,
        /// Print the hashes of all lines
        #[arg(long)]
        all: bool,
    },
}

#[derive(Subcommand)]
enum WallVerb {
    /// Print the statements that build it, or carry them out
    Init {
        #[command(flatten)]
        config: ConfigFile,
        /// A database with identified data on the vault's server
        #[arg(long = "identified-database", value_name = "NAME")]
        databases: Vec<String>,
        /// A role that reads it
        #[arg(long = "identified-role", value_name = "NAME")]
        roles: Vec<String>,
        /// Carry the statements out, as the vault's service account
        #[arg(long)]
        apply: bool,
    },
}

/// The two steps by which rows may be looked at.
#[derive(Args)]
struct BreakGlass {
    /// Why, in a sentence; it goes into the audit log
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// The code of the first call
    #[arg(long, value_name = "CODE")]
    code: Option<String>,
}

impl BreakGlass {
    fn request<'a>(&'a self, subject: &'a str) -> BreakGlassRequest<'a> {
        BreakGlassRequest { subject, reason: &self.reason, code: self.code.as_deref() }
    }
}

#[derive(Subcommand)]
enum VaultVerb {
    /// Ask the vault one question
    #[command(long_about = "Ask the vault one question.\n\n\
        Off unless [wall] break_glass is set. The first call writes the request into the audit log and gives a code. The \
        second call, with the code and within ten minutes, answers at most 1000 rows. It can change nothing.")]
    Query {
        #[command(flatten)]
        config: ConfigFile,
        #[command(flatten)]
        access: BreakGlass,
        /// The query
        sql: String,
    },
}

#[derive(Subcommand)]
enum DeadLetterVerb {
    /// List all dead letters, without their rows
    List(ConfigFile),
    /// Print the rows of a dead letter: off by default, in two steps, recorded
    #[command(long_about = "Print the rows of a dead letter, with the reason of each.\n\n\
        The rows are pseudonymous, so the rules of `tamga vault query` apply: off unless [wall] break_glass is set. The first \
        call writes the request into the audit log and gives a code. The second call, with the code and within ten \
        minutes, prints the rows.")]
    Show {
        #[command(flatten)]
        file: DeadLetter,
        #[command(flatten)]
        access: BreakGlass,
    },
    /// Send the rows of a dead letter to the vault once more, each at most once
    #[command(long_about = "Send the rows of a dead letter to the vault once more, each at most once.\n\n\
        If `serve` runs here, it is asked to do it. Otherwise the vault is reached, or its engine started, from here. Rows \
        that are refused again become a new dead letter. A day that is published already is not published again.")]
    Replay(DeadLetter),
    /// Delete a dead letter and its rows
    Drop {
        #[command(flatten)]
        file: DeadLetter,
        /// Confirm: these rows are lost
        #[arg(long, required = true)]
        yes: bool,
    },
}

#[derive(Args)]
struct DeadLetter {
    #[command(flatten)]
    config: ConfigFile,
    /// The file, as `list` names it
    file: PathBuf,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    serve::log_to_stderr("info");
    match run(cli.verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            for line in format!("{error:#}").lines() {
                let _ = writeln!(std::io::stderr(), "tamga: {line}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> Result<()> {
    match verb {
        Verb::Serve(file) => {
            let config = Config::load(&file.config)?;
            runtime()?.block_on(async {
                let clock = Clock::kept_in(&config.data.dir);
                let running = serve::start(config, clock).await?;
                running.stop_on_signals()?;
                running.wait().await
            })
        }
        Verb::Migrate { config, access } => {
            let config = Config::load(&config.config)?;
            print(&runtime()?.block_on(serve::migrate(&config, &access))?)
        }
        Verb::MoveStats(file) => print(&runtime()?.block_on(serve::move_stats(&Config::load(&file.config)?))?),
        Verb::Publish(PublishVerb::Preview(options)) => print(&runtime()?.block_on(serve::preview(&options))?),
        Verb::Config(ConfigVerb::Check(file)) => {
            let config = Config::load(&file.config)?;
            print(&format!("{} is sound: {} site(s).\n", file.config.display(), config.sites.len()))
        }
        Verb::Config(ConfigVerb::Example) => print(Config::example()),
        Verb::Keys(KeysVerb::Status(file)) => {
            let config = Config::load(&file.config)?;
            print(&serve::keys_status(&config, &Clock::kept_in(&config.data.dir))?)
        }
        Verb::Keys(KeysVerb::Destroy { config, site, day, all: _, yes }) => {
            if !yes {
                bail!("a destroyed key cannot be restored, and its day's visitors split in two; add --yes to do it");
            }
            let config = Config::load(&config.config)?;
            print(&serve::destroy_keys(&config, Clock::kept_in(&config.data.dir), site.as_deref().zip(day))?)
        }
        Verb::Clock(ClockVerb::Status(file)) => print(&serve::clock::status(&Config::load(&file.config)?.data.dir)),
        Verb::Clock(ClockVerb::Accept { config, .. }) => print(&serve::clock::accept(&Config::load(&config.config)?)?),
        Verb::Audit(verb) => print(&audit(verb)?),
        Verb::Verify { config, json, html } => {
            let colours =
                std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
            let plain = if html { Form::Html } else { Form::Text { colours } };
            let form = if json { Form::Json } else { plain };
            let (report, is_whole) =
                runtime()?.block_on(serve::verify::verify(&Config::load(&config.config)?, form))?;
            print(&report)?;
            if !is_whole {
                bail!("a rule of the wall is broken or could not be checked; the report names the rules");
            }
            Ok(())
        }
        Verb::Wall(WallVerb::Init { config, databases, roles, apply }) => {
            let zone = IdentifiedZone { databases, roles, apply };
            print(&runtime()?.block_on(serve::wall::init(&Config::load(&config.config)?, &zone))?)
        }
        Verb::Vault(VaultVerb::Query { config, access, sql }) => {
            let config = Config::load(&config.config)?;
            print(&runtime()?.block_on(serve::vault::query(
                &config,
                &Clock::kept_in(&config.data.dir),
                access.request(&sql),
            ))?)
        }
        Verb::DeadLetters(verb) => print(&dead_letters(verb)?),
        Verb::Snippet { config, site } => {
            let config = Config::load(&config.config)?;
            let Some(site) = config.site(&site) else { bail!("the configuration has no [[site]] of that domain") };
            print(&collect::installation(site))
        }
    }
}

fn audit(verb: AuditVerb) -> Result<String> {
    match verb {
        AuditVerb::Verify { config, moved, heads } => {
            serve::audit::verify(&Config::load(&config.config)?, moved.as_deref(), &heads)
        }
        AuditVerb::Show { config, action, since, json } => {
            serve::audit::show(&Config::load(&config.config)?, action.as_deref(), since, json)
        }
        AuditVerb::Heads { config, all } => serve::audit::heads(&Config::load(&config.config)?, all),
    }
}

fn dead_letters(verb: DeadLetterVerb) -> Result<String> {
    let (file, command) = match verb {
        DeadLetterVerb::List(file) => return serve::dead_letters::list(&Config::load(&file.config)?),
        DeadLetterVerb::Show { file, access } => {
            let (config, subject) = (Config::load(&file.config.config)?, serve::dead_letters::name_of(&file.file));
            return serve::dead_letters::show(&config, &Clock::kept_in(&config.data.dir), access.request(&subject));
        }
        DeadLetterVerb::Replay(file) => (file, Command::Replay),
        DeadLetterVerb::Drop { file, .. } => (file, Command::Drop),
    };
    let (config, name) = (Config::load(&file.config.config)?, serve::dead_letters::name_of(&file.file));
    runtime()?.block_on(serve::dead_letters::execute(&config, command, &name))
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// To standard output; a reader that went away is no error.
fn print(text: &str) -> Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
