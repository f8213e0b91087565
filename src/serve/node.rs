//! The nodes that share a vault: the name of this one, and `tamga node`, which lists them and retires one.
//!
//! A node is known by its lease in the vault, and its lease by the node's name. So the name must last: a container that is made
//! anew under another name leaves a lease behind, for which windows wait and then count as incomplete, until it expires.
//! To retire a node is to remove its lease.

use std::fmt::Write as _;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use serde_json::json;

use super::{audit, reach};
use crate::clock::Clock;
use crate::config::Config;
use crate::publish::{LEASES, Lease, leases_until};
use crate::store::Store;

/// A lease is renewed every ten seconds. One that is younger than this is of a node that runs.
const RUNS_MS: i64 = 60_000;
const RETIRE: &str = "ALTER TABLE leases DELETE WHERE node = {node:String} SETTINGS mutations_sync = 2";
/// The characters of random parts in the names that Kubernetes makes up.
const MADE_UP: &str = "bcdfghjklmnpqrstvwxz2456789";

/// The name under which this process writes leases.
pub(super) fn name(config: &Config) -> String {
    config.server.node.clone().unwrap_or_else(|| rustix::system::uname().nodename().to_string_lossy().into_owned())
}

/// What to say if this node's name is a host name that the next start may not have.
pub(super) fn passing_name(config: &Config) -> Option<String> {
    let name = name(config);
    (config.server.node.is_none() && is_passing(&name)).then(|| {
        format!(
            "the host name {name:?} looks as if it were made up anew for each container: give this node a lasting name in \
             [server] node, or windows wait for each former name and count as incomplete"
        )
    })
}

pub(super) fn warn_of_passing_name(config: &Config) {
    if let Some(warning) = passing_name(config) {
        tracing::warn!("{warning}");
    }
}

/// Whether a host name is one that a container engine or Kubernetes makes up, or one that every machine has.
fn is_passing(name: &str) -> bool {
    let is_container = name.len() == 12 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let made_up = |part: Option<&str>, least: usize, most: usize| {
        part.is_some_and(|part| {
            (least..=most).contains(&part.len()) && part.chars().all(|letter| MADE_UP.contains(letter))
        })
    };
    // The pod of a deployment is called NAME-HASH-RANDOM. That of a StatefulSet, NAME-0, keeps its name.
    let mut parts = name.rsplit('-');
    let is_pod = made_up(parts.next(), 5, 5) && made_up(parts.next(), 6, 10) && parts.next().is_some();
    name.is_empty() || name == "localhost" || is_container || is_pod
}

/// What `/readyz` says of a node that is left behind.
pub(super) fn left_behind(node: &str) -> String {
    format!(
        "the node {node} is silent, so windows are published without its rows and count as incomplete: start it, or run \
         `tamga node retire {node}` if it never comes back"
    )
}

/// `tamga node list`: a line for each node that has a lease.
pub async fn list(config: &Config, clock: &Clock) -> Result<String> {
    let reached = reach::reach(config).await?;
    let leases = leases(&reached.stores.vault, clock).await;
    reached.release().await;
    let (own, mut said) = (name(config), String::new());
    for lease in leases? {
        let this = if lease.node == own { ", this node" } else { "" };
        writeln!(said, "{}  {}{this}", lease.node, sentence(&lease, clock.now_ms()))?;
    }
    Ok(if said.is_empty() { "No node has a lease: none has reached this vault yet.\n".to_owned() } else { said })
}

/// `tamga node retire`: removes a node's lease.
pub async fn retire(config: &Config, clock: Clock, node: &str, yes: bool) -> Result<String> {
    if node == name(config) {
        bail!("{node} is the name of this node itself; windows always wait for the node that publishes them");
    }
    let reached = reach::reach(config).await?;
    let retired = async {
        let leases = leases(&reached.stores.vault, &clock).await?;
        let Some(lease) = leases.iter().find(|lease| lease.node == node) else {
            let known: Vec<_> = leases.iter().map(|lease| lease.node.as_str()).collect();
            bail!("no node {node:?} has a lease; there are {}", known.join(", "));
        };
        let said = sentence(lease, clock.now_ms());
        if (clock.now_ms() - lease.written_at).abs() < RUNS_MS {
            bail!("{node} runs: {said}. Stop it first, or its next lease brings it back");
        }
        if !yes {
            return Ok(format!("{node}  {said}\nAdd --yes to forget it. Rows that wait in its spool are in no window then.\n"));
        }
        let log = audit::open(config, clock.clone()).context("nothing was removed")?;
        log.record("retire node", &json!({ "node": node }))?;
        reached.stores.vault.execute(RETIRE, &[("node", node.to_owned())]).await.context("its lease is still there")?;
        Ok(format!("{node} is retired: no window waits for it. It is in the audit log. Started again, it is a node as before.\n"))
    }
    .await;
    reached.release().await;
    retired
}

async fn leases(vault: &Store, clock: &Clock) -> Result<Vec<Lease>> {
    vault.rows(LEASES, &leases_until(clock.now())).await.context("cannot read the nodes' leases")
}

fn sentence(lease: &Lease, now_ms: i64) -> String {
    let seconds = (now_ms - lease.written_at).max(0) / 1000;
    let until = Timestamp::from_millisecond(lease.complete_until).unwrap_or_default();
    let until = until.strftime("%Y-%m-%d %H:%M:%S");
    format!("last lease {seconds} s ago; all rows from before {until} UTC are in the vault")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_a_container_is_given_is_distinguished_from_one_that_lasts() {
        for passing in ["3f1c0d9ab27e", "tamga-7d4b9c6f5d-x2kqp", "my-shop-tamga-6f5d7c9b48-zzbq4", "localhost", ""] {
            assert!(is_passing(passing), "{passing}");
        }
        for lasting in
            ["tamga-0", "collector-1", "t.jetpay.kz", "tamga-eu-north", "deadbeef", "web-server", "kz-almaty-astana"]
        {
            assert!(!is_passing(lasting), "{lasting}");
        }
    }
}
