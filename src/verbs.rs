//! The command line: its verbs, their arguments and what `--help` says of them. [`run`](crate::run) carries them out.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use tamga::requests::{Kind, Outcome};
use tamga::rights;
use tamga::serve::break_glass::BreakGlassRequest;
use tamga::serve::{Access, PreviewOptions, ReportOptions};

#[derive(Parser)]
#[command(
    name = "tamga",
    version = tamga::VERSION,
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
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Run the collector, its engines and its publisher
    ///
    /// Accepts beacons as soon as the spool is open. Without [vault] and [stats] in the configuration it starts two embedded
    /// ClickHouse engines on loopback, watches them and restarts them when they die. SIGTERM stops in order; a second SIGTERM
    /// stops at once. In both cases no beacon that was answered 202 is lost.
    Serve(ConfigFile),
    /// Bring the schemas of both stores up to date, and say who may do what on their servers
    ///
    /// Migrations go forward only; one that was cut short goes on where it stopped. Published numbers get the configured time to
    /// live. --access applies schema/access to ClickHouse servers: roles, profiles, quotas, row policies, a role for the analysts
    /// of each site. It runs as the service account, or as an administrator who then makes that account too.
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
    /// Print one page about a week or a day of a site, and what stands out
    ///
    /// From published numbers, beside the time before. A change stands out if it is more than noise and chance explain, and at
    /// least a fifth.
    #[command(after_help = REPORT_EXAMPLES)]
    Report(ReportOptions),
    /// Check a configuration, or print an example
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Look at the keys of days, or destroy them
    #[command(subcommand)]
    Keys(KeysVerb),
    /// Look at the nodes that share a vault, and retire one that never comes back
    #[command(subcommand)]
    Node(NodeVerb),
    /// Look at the time that the collector has kept, and put right what a wrong clock did
    #[command(subcommand)]
    Clock(ClockVerb),
    /// Look at the audit log
    #[command(subcommand)]
    Audit(AuditVerb),
    /// Check the wall: is telemetry apart from identified data, and are all limits of what is kept and shown respected?
    ///
    /// For each broken rule, prints the clause of the policy, the evidence and the remedy. The exit status is 0 only when every
    /// rule was checked and holds. Uses the engines of a collector that runs here, or starts them.
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
    /// Give persons accounts on the embedded stats engine, or take them away
    #[command(subcommand)]
    Analyst(AnalystVerb),
    /// Keep the register of visitors' written requests, with their deadlines
    #[command(subcommand)]
    Requests(RequestsVerb),
    /// Check a visitor's receipt for an erasure
    ///
    /// Says on which day this collector took the order, and nothing of whose rows it erased: nobody knows that any more.
    Receipt {
        #[command(flatten)]
        config: ConfigFile,
        /// The site's domain as configured
        site: String,
        /// The receipt, as the visitor's page showed it
        receipt: String,
    },
    /// Write manual pages, and completions for shells, into a folder
    Manual {
        /// The folder, such as /usr/share: man/man1 and completions are made in it
        folder: PathBuf,
    },
    /// Print the line of HTML that a site's pages need
    Snippet {
        #[command(flatten)]
        config: ConfigFile,
        /// The site's domain as configured
        site: String,
    },
}

const REPORT_EXAMPLES: &str = "EXAMPLES\n\
    \x20 tamga report --site jetpay.kz                                           the last week\n\
    \x20 tamga report --site jetpay.kz --send 'mail -s Week aigerim@jetpay.kz'   by mail, each Monday\n\
    \x20 tamga report --site jetpay.kz --day --if-unusual --send 'curl -fsS --data-binary @- https://…'   a webhook, each noon";

#[derive(Args)]
pub(crate) struct ConfigFile {
    /// The configuration; `tamga config example` prints the smallest useful one
    #[arg(long, value_name = "FILE", default_value = "tamga.toml", env = "TAMGA_CONFIG")]
    pub(crate) config: PathBuf,
}

#[derive(Subcommand)]
pub(crate) enum PublishVerb {
    /// Print the share of each table that every choice of publish_every would show of yesterday
    Preview(PreviewOptions),
}

#[derive(Subcommand)]
pub(crate) enum ConfigVerb {
    /// Check a configuration; every error is printed, with its place and remedy
    ///
    /// Opens the files that it names, makes nothing, and says what it has not tried.
    Check(ConfigFile),
    /// Print the smallest useful configuration
    Example,
}

#[derive(Subcommand)]
pub(crate) enum KeysVerb {
    /// Print the site, day and deadline of each key; never a byte of one
    ///
    /// A collector that stops leaves the keys of running days in the key folder, so that its next start goes on with them. A
    /// running collector destroys them on time. A key whose day ended while none was running is shown as overdue.
    Status(ConfigFile),
    /// Destroy keys now, before their day is over
    ///
    /// Nobody can recompute the pseudonyms made with them from then on. The next beacon of the day makes a new key, which
    /// splits the day's visitors in two; the thresholds of its window are doubled.
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
pub(crate) enum NodeVerb {
    /// Print the nodes that have a lease, and how far each has delivered its rows
    List(ConfigFile),
    /// Forget a node that never comes back, so that windows are complete without it
    ///
    /// Removes its lease from the vault. Rows that wait in its spool are in no window then; so start it once more with its data
    /// folder before you retire it, if that is still there. Without --yes, prints what it would do.
    Retire {
        #[command(flatten)]
        config: ConfigFile,
        /// The node's name, as `tamga node list` prints it
        name: String,
        /// Yes, forget it
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Subcommand)]
pub(crate) enum ClockVerb {
    /// Print the time that the collector has kept, and whether the wall clock agrees
    Status(ConfigFile),
    /// Believe the wall clock as it is now, although the collector disputes it
    ///
    /// A wall clock that jumps is not believed: the time goes on by a clock that nobody can set, no key is destroyed and
    /// nothing is published until both agree again. A jump of less than a day that lasts for two hours is taken over without
    /// this verb. Look at the clock first: with a wrong one, keys die early and rows come to be on wrong days.
    Accept {
        #[command(flatten)]
        config: ConfigFile,
        /// Yes, the wall clock is right
        #[arg(long, required = true)]
        yes: bool,
    },
    /// Remove what a clock that was ahead has left in the future
    ///
    /// Without --yes, prints what it would remove: rows of days that have not begun, published windows that have not begun,
    /// leases and keys. Set the clock right first. `tamga verify` finds such rows and keys.
    Repair {
        #[command(flatten)]
        config: ConfigFile,
        /// Yes, remove it
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Subcommand)]
pub(crate) enum AuditVerb {
    /// Follow the chain of hashes; the exit status is 1 when it is broken
    ///
    /// Finds lines that were changed, removed, inserted or moved, and by the file of heads also a log that was cut off.
    /// Somebody who can write both files can forge both. Heads that were kept elsewhere show that.
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
pub(crate) enum AnalystVerb {
    /// Make an account; its random password is printed, and kept only as a hash
    ///
    /// A running collector knows it at once.
    Add {
        #[command(flatten)]
        config: ConfigFile,
        /// The account's name
        name: String,
        /// A site whose numbers it reads; all sites when none is named
        #[arg(long = "site", value_name = "DOMAIN")]
        sites: Vec<String>,
    },
    /// Print the accounts and their sites
    List(ConfigFile),
    /// Remove an account; its next request is refused
    Remove {
        #[command(flatten)]
        config: ConfigFile,
        /// The account's name
        name: String,
    },
}

#[derive(Subcommand)]
pub(crate) enum RequestsVerb {
    /// Add a request, and print its number and its last day
    ///
    /// The register has a number, a site, a kind, dates and an outcome, and no place for a name or a text. Write the number on the
    /// letter. /readyz and /metrics of the collector warn when half of the time is over, and when all of it is.
    Add {
        #[command(flatten)]
        config: ConfigFile,
        /// What it asks for
        kind: Kind,
        /// The site's domain as configured; needed if there are several
        #[arg(long, value_name = "DOMAIN")]
        site: Option<String>,
        /// The day on which it was received, such as 2026-11-29; today if it is left out
        #[arg(long, value_name = "DAY")]
        received: Option<jiff::civil::Date>,
    },
    /// Print the open requests, with their last days
    List {
        #[command(flatten)]
        config: ConfigFile,
        /// Also those that are closed
        #[arg(long)]
        all: bool,
    },
    /// Say how a request ended
    Close {
        #[command(flatten)]
        config: ConfigFile,
        /// The request's number
        number: u32,
        /// How it ended
        outcome: Outcome,
    },
    /// Print the letter that refuses a request which cannot be tied to a browser, with the reason
    ///
    /// It closes nothing: send the letter, then `tamga requests close NUMBER refused`.
    Refusal {
        #[command(flatten)]
        config: ConfigFile,
        /// The request's number
        number: u32,
        /// The language of the letter
        #[arg(long, value_parser = rights::LANGUAGES)]
        lang: String,
    },
}

#[derive(Subcommand)]
pub(crate) enum WallVerb {
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
pub(crate) struct BreakGlass {
    /// Why, in a sentence; it goes into the audit log
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// The code of the first call
    #[arg(long, value_name = "CODE")]
    pub(crate) code: Option<String>,
}

impl BreakGlass {
    pub(crate) fn request<'a>(&'a self, subject: &'a str) -> BreakGlassRequest<'a> {
        BreakGlassRequest { subject, reason: &self.reason, code: self.code.as_deref() }
    }
}

#[derive(Subcommand)]
pub(crate) enum VaultVerb {
    /// Ask the vault one question
    ///
    /// Off unless [wall] break_glass is set. The first call writes the request into the audit log and gives a code. The second
    /// call, with the code and within ten minutes, answers at most 1000 rows. It can change nothing.
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
pub(crate) enum DeadLetterVerb {
    /// List all dead letters, without their rows
    List(ConfigFile),
    /// Print the rows of a dead letter: off by default, in two steps, recorded
    ///
    /// The rows are pseudonymous, so the rules of `tamga vault query` apply: off unless [wall] break_glass is set. The first
    /// call writes the request into the audit log and gives a code. The second call, with the code and within ten minutes,
    /// prints the rows.
    Show {
        #[command(flatten)]
        file: DeadLetter,
        #[command(flatten)]
        access: BreakGlass,
    },
    /// Send the rows of a dead letter to the vault once more, each at most once
    ///
    /// If `serve` runs here, it is asked to do it. Otherwise the vault is reached, or its engine started, from here. Rows that
    /// are refused again become a new dead letter. A day that is published already is not published again.
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
pub(crate) struct DeadLetter {
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    /// The file, as `list` names it
    pub(crate) file: PathBuf,
}
