//! Whose files a verb makes: those of the user who owns `[data] dir`.
//!
//! The service runs as a user of its own, and root runs verbs beside it. A file that root made in the service's folder could not be
//! read by the service, which would not start again. So root becomes the folder's owner before anything is written. Of root's rights
//! one stays: to read, since folders above the service's own may be closed to its user (`/var/lib/private`).

use std::os::unix::fs::MetadataExt as _;

use anyhow::{Context, Result};
use rustix::fs::{Gid, Uid};
use rustix::io;
use rustix::process::geteuid;
use rustix::thread::{
    CapabilitySet, CapabilitySets, configure_capability_in_ambient_set, set_capabilities, set_keep_capabilities,
    set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

use crate::config::Config;

/// If this is root, and somebody else owns the data folder: becomes that user, with all programs that it starts. Rights belong to threads,
/// so this comes before there are others.
pub fn act_as_owner(config: &Config) -> Result<()> {
    let Ok(folder) = std::fs::metadata(&config.data.dir) else { return Ok(()) };
    let (user, group) = (folder.uid(), folder.gid());
    if !geteuid().is_root() || user == 0 {
        return Ok(());
    }
    become_user(user, group).with_context(|| {
        format!(
            "{} belongs to the user {user}, and this process may not act as that user; files of root there would keep the \
             service from starting. Run this as the user {user}, or as root with its usual rights",
            config.data.dir.display()
        )
    })?;
    tracing::info!(user, group, "acting as the owner of [data] dir");
    Ok(())
}

fn become_user(user: u32, group: u32) -> io::Result<()> {
    const READ: CapabilitySet = CapabilitySet::DAC_READ_SEARCH;
    let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
    set_thread_groups(&[])?;
    set_thread_res_gid(group, group, group)?;
    set_keep_capabilities(true)?;
    set_thread_res_uid(user, user, user)?;
    set_keep_capabilities(false)?;
    set_capabilities(None, CapabilitySets { effective: READ, permitted: READ, inheritable: READ })?;
    // For the engines.
    configure_capability_in_ambient_set(READ, true)
}
