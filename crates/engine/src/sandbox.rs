//! The sandbox around analysts' statements. After [`enter`] this process can open only files of its data folder, and
//! cannot connect to anything.
//!
//! Landlock restricts the calling thread and the threads that it starts afterwards. So the main thread enters it while
//! no other thread runs: after the library was loaded and before the engine boots.

use std::path::Path;

use anyhow::Context as _;
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, PathBeneath, PathFd, Ruleset,
    RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetStatus, Scope,
};

/// What the engine reads besides the data: time zones (the system may have newer ones than the library), randomness,
/// and the size of memory and processor. None of it contains data of other programs.
const READABLE: [&str; 9] = [
    "/usr/share/zoneinfo",
    "/etc/localtime",
    "/dev/urandom",
    "/dev/random",
    "/proc/meminfo",
    "/proc/cpuinfo",
    "/proc/stat",
    "/sys/fs/cgroup",
    "/sys/devices/system/cpu",
];

/// Enters the sandbox. Returns false if this kernel has no Landlock. `accounts`: the folder of persons' accounts, which is read
/// again when it changes.
pub(crate) fn enter(folder: &Path, library: &Path, accounts: Option<&Path>) -> anyhow::Result<bool> {
    let everything = AccessFs::from_all(ABI::V5);
    let reading = AccessFs::from_read(ABI::V5);
    let ruleset = Ruleset::default()
        .handle_access(everything)
        .and_then(|ruleset| {
            ruleset.set_compatibility(CompatLevel::BestEffort).handle_access(AccessNet::from_all(ABI::V4))
        })
        .and_then(|ruleset| ruleset.scope(Scope::from_all(ABI::V6)))
        .and_then(Ruleset::create)
        .context("cannot prepare the sandbox")?;
    let mut ruleset = allow(ruleset, folder, everything)?;
    ruleset = allow(ruleset, library, reading)?;
    if let Some(accounts) = accounts {
        ruleset = allow(ruleset, accounts, reading)?;
    }
    ruleset = allow(ruleset, Path::new("/dev/null"), AccessFs::from_file(ABI::V5))?;
    for path in READABLE.map(Path::new).into_iter().filter(|path| path.exists()) {
        ruleset = allow(ruleset, path, reading)?;
    }
    let status = ruleset.restrict_self().context("cannot enter the sandbox")?;
    Ok(status.ruleset != RulesetStatus::NotEnforced)
}

fn allow(ruleset: RulesetCreated, path: &Path, access: landlock::BitFlags<AccessFs>) -> anyhow::Result<RulesetCreated> {
    let sentence = || format!("cannot let the engine have {} in its sandbox", path.display());
    let opened = PathFd::new(path).with_context(sentence)?;
    let access = if path.is_dir() { access } else { access & AccessFs::from_file(ABI::V5) };
    ruleset.add_rule(PathBeneath::new(opened, access)).with_context(sentence)
}
