//! What other nodes say of the beacons that they take, as hashes under a key that all nodes have: `duplicates.rs`.

use super::Collector;

/// What a node says.
#[derive(Clone, Copy)]
pub enum TakenElsewhere<'a> {
    /// These are durable.
    Kept(&'a [u64]),
    /// It is writing these, beside those that it said before.
    Writing(&'a [u64]),
    /// What it was writing is durable, or is not there.
    Written(bool),
    /// It has said all, and writes nothing.
    InStep,
    /// It is out of reach.
    Lost,
}

impl Collector {
    /// Takes in what a node says. Each node has a number.
    pub fn hear(&self, node: usize, said: TakenElsewhere<'_>) {
        match said {
            TakenElsewhere::Kept(hashes) => self.duplicates.kept_elsewhere(hashes),
            TakenElsewhere::Writing(hashes) => self.duplicates.writing_elsewhere(node, hashes),
            TakenElsewhere::Written(is_durable) => self.duplicates.written_elsewhere(node, is_durable),
            TakenElsewhere::InStep => self.duplicates.in_step(node),
            TakenElsewhere::Lost => self.duplicates.lost(node),
        }
    }
}
