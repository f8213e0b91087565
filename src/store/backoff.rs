//! How long to wait before the next try: doubling, with jitter, cut short by news.

use std::time::Duration;

use tokio::sync::watch;

/// Resolves at the next change; never when there will be none.
pub(super) async fn changed(news: &mut watch::Receiver<u64>) {
    if news.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Waits that double from `first` to `most`.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    most: Duration,
    next: Duration,
}

impl Backoff {
    pub(super) fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, next: first }
    }

    /// From 0.2 s to 30 s, for requests to a store.
    pub(crate) fn for_requests() -> Self {
        Self::new(Duration::from_millis(200), Duration::from_secs(30))
    }

    /// The next wait: between half and all of the current step, so that many who failed together do not return together.
    pub(crate) fn step(&mut self) -> Duration {
        let step = self.next;
        self.next = (self.next * 2).min(self.most);
        // Without randomness the jitter is gone; the waiting is not.
        let share = f64::from(getrandom::u32().unwrap_or(u32::MAX)) / f64::from(u32::MAX);
        step.mul_f64(0.5 + share / 2.0)
    }

    /// Begins again with the shortest wait.
    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_the_most_and_begin_again() {
        let mut backoff = Backoff::for_requests();
        assert!((100..=200).contains(&backoff.step().as_millis()));
        let waits: Vec<_> = (0..20).map(|_| backoff.step()).collect();
        assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(30)));
        assert!(waits[15..].iter().all(|wait| *wait >= Duration::from_secs(15)));
        backoff.reset();
        assert!(backoff.step() <= Duration::from_millis(200));
    }
}
