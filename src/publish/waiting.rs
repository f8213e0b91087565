//! The publisher's way to the nodes: it hears their leases, says which of them are silent, and asks whether a window waits.

use jiff::Timestamp;

use super::error::PublishError;
use super::leases::{LEASES, Lease, NODES_DIFFER_MS, NodeStates, Readiness};
use super::publisher::Publisher;
use super::tables::{Tables, ask};
use crate::window::Window;

impl<V: Tables, S: Tables> Publisher<V, S> {
    /// Calls a function with the state of all nodes, again and again.
    #[must_use]
    pub fn on_nodes(mut self, listener: impl Fn(NodeStates) + Send + Sync + 'static) -> Self {
        self.on_nodes = Box::new(listener);
        self
    }

    /// Hears the nodes, also while no window waits for them. So a node that fell silent at noon does not delay midnight.
    pub(super) async fn hear_nodes(&mut self) {
        // A vault that cannot be read is said by what needs it.
        if let Ok(leases) = self.leases().await {
            let states = self.nodes.states(&leases, (self.monotonic)());
            (self.on_nodes)(states);
        }
    }

    /// Whether all nodes have emptied their spools past the window's end.
    pub(super) async fn readiness(&mut self, window: &Window) -> Result<Readiness, PublishError> {
        let leases = self.leases().await?;
        Ok(self.nodes.readiness(window.end, &leases, (self.monotonic)()))
    }

    pub(super) async fn leases(&mut self) -> Result<Vec<Lease>, PublishError> {
        let leases = ask(&self.vault, "reading the nodes' leases", LEASES, &leases_until(self.clock.now())).await;
        leases.inspect_err(|_| self.nodes.vault_was_away())
    }
}

/// The parameter of [`LEASES`]: later leases are not believed.
pub(crate) fn leases_until(now: Timestamp) -> [(&'static str, String); 1] {
    [("until", (now.as_millisecond() + NODES_DIFFER_MS).to_string())]
}
