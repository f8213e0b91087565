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
use tamga::config::{Config, Site};
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
        Verb::Report(options) => print(&runtime()?.block_on(serve::report(&options))?),
        Verb::Config(ConfigVerb::Check(file)) => {
            let config = Config::load(&file.config)?;
            print(&serve::check::check(&config, &file.config)?)
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
        Verb::Node(verb) => print(&node(verb)?),
        Verb::Clock(verb) => print(&clock(verb)?),
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
        Verb::Vault(VaultVerb::Query { config, access, sql }) => print(&vault_query(&config, access.request(&sql))?),
        Verb::DeadLetters(verb) => print(&dead_letters(verb)?),
        Verb::Analyst(verb) => print(&analyst(verb)?),
        Verb::Requests(verb) => print(&requests(verb)?),
        Verb::Receipt { config, site, receipt } => print(&check_receipt(&config, &site, &receipt)?),
        Verb::Manual { folder } => manual(&folder),
        Verb::Snippet { config, site } => {
            let config = Config::load(&config.config)?;
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

fn site_of<'a>(config: &'a Config, domain: &str) -> Result<&'a Site> {
    let Some(site) = config.site(domain) else {
        let domains: Vec<_> = config.sites.iter().map(|site| site.domain.as_str()).collect();
        bail!("the configuration has no [[site]] of the domain {domain:?}; there are {}", domains.join(", "));
    };
    Ok(site)
}

fn vault_query(file: &ConfigFile, request: BreakGlassRequest<'_>) -> Result<String> {
    let config = Config::load(&file.config)?;
    runtime()?.block_on(serve::vault::query(&config, &Clock::kept_in(&config.data.dir), request))
}

fn check_receipt(file: &ConfigFile, site: &str, receipt: &str) -> Result<String> {
    let config = Config::load(&file.config)?;
    let site = &site_of(&config, site)?.domain;
    match serve::receipt_day(&config, site, receipt)? {
        Some(day) => Ok(format!("genuine: an erasure was ordered on {site} on {day}\n")),
        None => bail!("this collector has given no such receipt for {site}"),
    }
}

fn node(verb: NodeVerb) -> Result<String> {
    let (NodeVerb::List(file) | NodeVerb::Retire { config: file, .. }) = &verb;
    let config = Config::load(&file.config)?;
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
        ClockVerb::Status(file) => Ok(serve::clock::status(&Config::load(&file.config)?.data.dir)),
        ClockVerb::Accept { config, .. } => serve::clock::accept(&Config::load(&config.config)?),
        ClockVerb::Repair { config, yes } => {
            runtime()?.block_on(serve::repair::repair(&Config::load(&config.config)?, yes))
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

fn analyst(verb: AnalystVerb) -> Result<String> {
    let clock = |config: &Config| Clock::kept_in(&config.data.dir);
    match verb {
        AnalystVerb::Add { config, name, sites } => {
            let config = Config::load(&config.config)?;
            serve::analysts::add(&config, clock(&config), &name, &sites)
        }
        AnalystVerb::List(file) => serve::analysts::list(&Config::load(&file.config)?),
        AnalystVerb::Remove { config, name } => {
            let config = Config::load(&config.config)?;
            serve::analysts::remove(&config, clock(&config), &name)
        }
    }
}

fn requests(verb: RequestsVerb) -> Result<String> {
    let (RequestsVerb::Add { config, .. }
    | RequestsVerb::List { config, .. }
    | RequestsVerb::Close { config, .. }
    | RequestsVerb::Refusal { config, .. }) = &verb;
    let config = Config::load(&config.config)?;
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
