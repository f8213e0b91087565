//! The verbs of `tamga`: each a role of the same program.

mod verbs;

use std::fs;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{CommandFactory, Parser};
use clap_complete::Shell;
use tamga::clock::Clock;
use tamga::config::{Config, LogFormat, Site};
use tamga::serve::break_glass::BreakGlassRequest;
use tamga::serve::verify::Form;
use tamga::serve::wall::IdentifiedZone;
use tamga::store::Command;
use tamga::{collect, serve};
use verbs::{
    AnalystVerb, AuditVerb, Cli, ClockVerb, ConfigFile, ConfigVerb, DeadLetterVerb, KeysVerb, NodeVerb, PublishVerb,
    RequestsVerb, VaultVerb, Verb, WallVerb,
};

fn main() -> ExitCode {
    match run(Cli::parse().verb) {
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
    // `serve` logs in the form that its configuration gives.
    if !matches!(verb, Verb::Serve(_)) {
        serve::log_to_stderr("info", LogFormat::Text)?;
    }
    match verb {
        Verb::Serve(file) => serve(&file),
        Verb::Migrate { config, access } => {
            let config = load(&config.config)?;
            print(&runtime()?.block_on(serve::migrate(&config, &access))?)
        }
        Verb::MoveStats(file) => {
            let config = load(&file.config)?;
            print(&runtime()?.block_on(serve::move_stats(&config))?)
        }
        Verb::Publish(PublishVerb::Preview(options)) => {
            let config = load(&options.config)?;
            print(&runtime()?.block_on(serve::preview(&config, &options))?)
        }
        Verb::Report(options) => {
            let config = load(&options.config)?;
            print(&runtime()?.block_on(serve::report(&config, &options))?)
        }
        Verb::Config(ConfigVerb::Check(file)) => {
            let config = load(&file.config)?;
            print(&serve::check::check(&config, &file.config)?)
        }
        Verb::Config(ConfigVerb::Example) => print(Config::example()),
        Verb::Keys(verb) => print(&keys(verb)?),
        Verb::Node(verb) => print(&node(verb)?),
        Verb::Clock(verb) => print(&clock(verb)?),
        Verb::Audit(verb) => print(&audit(verb)?),
        Verb::Verify { config, json, html } => {
            let colours =
                std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
            let plain = if html { Form::Html } else { Form::Text { colours } };
            let form = if json { Form::Json } else { plain };
            let config = load(&config.config)?;
            let (report, is_whole) = runtime()?.block_on(serve::verify::verify(&config, form))?;
            print(&report)?;
            if !is_whole {
                bail!("a rule of the wall is broken or could not be checked; the report names the rules");
            }
            Ok(())
        }
        Verb::Wall(WallVerb::Init { config, databases, roles, apply }) => {
            let zone = IdentifiedZone { databases, roles, apply };
            let config = load(&config.config)?;
            print(&runtime()?.block_on(serve::wall::init(&config, &zone))?)
        }
        Verb::Vault(VaultVerb::Query { config, access, sql }) => print(&vault_query(&config, access.request(&sql))?),
        Verb::DeadLetters(verb) => print(&dead_letters(verb)?),
        Verb::Analyst(verb) => print(&analyst(verb)?),
        Verb::Requests(verb) => print(&requests(verb)?),
        Verb::Receipt { config, site, receipt } => print(&check_receipt(&config, &site, &receipt)?),
        Verb::Manual { folder } => manual(&folder),
        Verb::Snippet { config, site } => {
            let config = load(&config.config)?;
            print(&collect::installation(site_of(&config, &site)?))
        }
    }
}

/// A manual page of each verb, and completions of three shells.
fn manual(folder: &Path) -> Result<()> {
    let (pages, completions) = (folder.join("man/man1"), folder.join("completions"));
    for made in [&pages, &completions] {
        fs::create_dir_all(made).with_context(|| format!("cannot make {}", made.display()))?;
    }
    let mut command = Cli::command();
    for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
        clap_complete::generate_to(shell, &mut command, "tamga", &completions)?;
    }
    Ok(clap_mangen::generate_to(command, &pages)?)
}

/// Runs the collector, until it is to stop or to begin anew.
fn serve(file: &ConfigFile) -> Result<()> {
    let config = Config::load(&file.config)?;
    serve::log_to_stderr("info", config.log.format)?;
    serve::act_as_owner(&config)?;
    let next = runtime()?.block_on(async {
        let (mut ending, hangup) = (serve::Ending::listen()?, serve::Hangup::listen()?);
        serve::log_start(&config, &file.config);
        let clock = Clock::kept_in(&config.data.dir);
        let running = tokio::select! {
            running = serve::start(config, clock) => running?,
            () = ending.wanted() => return Ok(None),
        };
        running.stop_at(ending);
        running.serve_from(&file.config, hangup);
        running.wait().await
    })?;
    next.map_or(Ok(()), |next| Err(next.begin()))
}

/// The configuration of a verb, which works as the owner of what it names from now on.
fn load(file: &Path) -> Result<Config> {
    let config = Config::load(file)?;
    serve::act_as_owner(&config)?;
    Ok(config)
}

fn site_of<'a>(config: &'a Config, domain: &str) -> Result<&'a Site> {
    let Some(site) = config.site(domain) else {
        let domains: Vec<_> = config.sites.iter().map(|site| site.domain.as_str()).collect();
        bail!("the configuration has no [[site]] of the domain {domain:?}; there are {}", domains.join(", "));
    };
    Ok(site)
}

fn vault_query(file: &ConfigFile, request: BreakGlassRequest<'_>) -> Result<String> {
    let config = load(&file.config)?;
    runtime()?.block_on(serve::vault::query(&config, &Clock::kept_in(&config.data.dir), request))
}

fn check_receipt(file: &ConfigFile, site: &str, receipt: &str) -> Result<String> {
    let config = load(&file.config)?;
    let site = &site_of(&config, site)?.domain;
    match serve::receipt_day(&config, site, receipt)? {
        Some(day) => Ok(format!("genuine: an erasure was ordered on {site} on {day}\n")),
        None => bail!("this collector has given no such receipt for {site}"),
    }
}

fn keys(verb: KeysVerb) -> Result<String> {
    match verb {
        KeysVerb::Status(file) => {
            let config = load(&file.config)?;
            serve::keys_status(&config, &Clock::kept_in(&config.data.dir))
        }
        KeysVerb::Destroy { yes: false, .. } => {
            bail!("a destroyed key cannot be restored, and its day's visitors split in two; add --yes to do it")
        }
        KeysVerb::Destroy { config, site, day, .. } => {
            let config = load(&config.config)?;
            serve::destroy_keys(&config, Clock::kept_in(&config.data.dir), site.as_deref().zip(day))
        }
    }
}

fn node(verb: NodeVerb) -> Result<String> {
    let (NodeVerb::List(file) | NodeVerb::Retire { config: file, .. }) = &verb;
    let config = load(&file.config)?;
    let clock = Clock::kept_in(&config.data.dir);
    runtime()?.block_on(async {
        match &verb {
            NodeVerb::List(_) => serve::node::list(&config, &clock).await,
            NodeVerb::Retire { name, yes, .. } => serve::node::retire(&config, clock, name, *yes).await,
        }
    })
}

fn clock(verb: ClockVerb) -> Result<String> {
    match verb {
        ClockVerb::Status(file) => Ok(serve::clock::status(&load(&file.config)?.data.dir)),
        ClockVerb::Accept { config, .. } => serve::clock::accept(&load(&config.config)?),
        ClockVerb::Repair { config, yes } => {
            let config = load(&config.config)?;
            runtime()?.block_on(serve::repair::repair(&config, yes))
        }
    }
}

fn audit(verb: AuditVerb) -> Result<String> {
    match verb {
        AuditVerb::Verify { config, moved, heads } => {
            serve::audit::verify(&load(&config.config)?, moved.as_deref(), &heads)
        }
        AuditVerb::Show { config, action, since, json } => {
            serve::audit::show(&load(&config.config)?, action.as_deref(), since, json)
        }
        AuditVerb::Heads { config, all } => serve::audit::heads(&load(&config.config)?, all),
    }
}

fn analyst(verb: AnalystVerb) -> Result<String> {
    let clock = |config: &Config| Clock::kept_in(&config.data.dir);
    match verb {
        AnalystVerb::Add { config, name, sites } => {
            let config = load(&config.config)?;
            serve::analysts::add(&config, clock(&config), &name, &sites)
        }
        AnalystVerb::List(file) => serve::analysts::list(&load(&file.config)?),
        AnalystVerb::Remove { config, name } => {
            let config = load(&config.config)?;
            serve::analysts::remove(&config, clock(&config), &name)
        }
    }
}

fn requests(verb: RequestsVerb) -> Result<String> {
    let (RequestsVerb::Add { config, .. }
    | RequestsVerb::List { config, .. }
    | RequestsVerb::Close { config, .. }
    | RequestsVerb::Refusal { config, .. }) = &verb;
    let config = load(&config.config)?;
    let clock = Clock::kept_in(&config.data.dir);
    match verb {
        RequestsVerb::Add { kind, site, received, .. } => {
            serve::requests::add(&config, &clock, kind, site.as_deref(), received)
        }
        RequestsVerb::List { all, .. } => serve::requests::list(&config, &clock, all),
        RequestsVerb::Close { number, outcome, .. } => serve::requests::close(&config, &clock, number, outcome),
        RequestsVerb::Refusal { number, lang, .. } => serve::requests::refusal(&config, number, &lang),
    }
}

fn dead_letters(verb: DeadLetterVerb) -> Result<String> {
    let (file, command) = match verb {
        DeadLetterVerb::List(file) => return serve::dead_letters::list(&load(&file.config)?),
        DeadLetterVerb::Show { file, access } => {
            let (config, subject) = (load(&file.config.config)?, serve::dead_letters::name_of(&file.file));
            return serve::dead_letters::show(&config, &Clock::kept_in(&config.data.dir), access.request(&subject));
        }
        DeadLetterVerb::Replay(file) => (file, Command::Replay),
        DeadLetterVerb::Drop { file, .. } => (file, Command::Drop),
    };
    let (config, name) = (load(&file.config.config)?, serve::dead_letters::name_of(&file.file));
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
