//! Who else is to know which requests become durable, by the hashes of their appends.

/// Is called by the writer's thread, which waits meanwhile: it must return at once, and not wait for another machine.
pub trait Announce: Send + Sync {
    /// These were durable when the spool was opened, oldest first.
    fn found(&self, hashes: &[u64]);
    /// These are about to be written. What becomes of them is said before the next ones.
    fn writing(&self, hashes: &[u64]);
    /// What was being written is durable, and nobody was answered yet; or it is not there.
    fn written(&self, is_durable: bool);
}
