//! The publisher's way to the nodes: it hears their leases, says which of them are silent, and asks whether a window waits.

use std::time::Instant;

use jiff::Timestamp;

use super::error::PublishError;
use super::leases::{LEASES, Lease, NODES_DIFFER_MS, NodeStates, Nodes, Readiness};
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
    pub(super) async fn hear_nodes(&self) {
        // A vault that cannot be read is said by what needs it.
        if let Ok(states) = self.hear(|nodes, leases, now| nodes.states(leases, now)).await {
            (self.on_nodes)(states);
        }
    }

    /// Whether all nodes have emptied their spools past the window's end.
    pub(super) async fn readiness(&self, window: &Window) -> Result<Readiness, PublishError> {
        self.hear(|nodes, leases, now| nodes.readiness(window.end, leases, now)).await
    }

    /// Judges by the leases as they are now. Two that judge at once hear them in the order in which they were read.
    pub(super) async fn hear<T>(
        &self,
        judge: impl FnOnce(&mut Nodes, &[Lease], Instant) -> T,
    ) -> Result<T, PublishError> {
        let mut nodes = self.nodes.lock().await;
        let leases = ask(&self.vault, "reading the nodes' leases", LEASES, &leases_until(self.clock.now())).await;
        let leases = leases.inspect_err(|_| nodes.vault_was_away())?;
        Ok(judge(&mut nodes, &leases, (self.monotonic)()))
    }
}

/// The parameter of [`LEASES`]: later leases are not believed.
pub(crate) fn leases_until(now: Timestamp) -> [(&'static str, String); 1] {
    [("until", (now.as_millisecond() + NODES_DIFFER_MS).to_string())]
}
