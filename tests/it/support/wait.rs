//! Waits until something is true, and fails a test with a reason if it takes too long.

use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(10);

/// Calls `look` until it returns something. After `limit` the test fails with the text of `why`.
pub(crate) fn blocking<T>(limit: Duration, mut look: impl FnMut() -> Option<T>, why: impl Fn() -> String) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(since.elapsed() < limit, "not within {limit:?}: {}", why());
        std::thread::sleep(PAUSE);
    }
}

/// The same as [`blocking`], for tests in an async runtime.
pub(crate) async fn until<T>(limit: Duration, mut look: impl AsyncFnMut() -> Option<T>, why: impl Fn() -> String) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(since.elapsed() < limit, "not within {limit:?}: {}", why());
        tokio::time::sleep(PAUSE).await;
    }
}
