//! A future that runs to its end even if the task that waits for it is cancelled.
//!
//! It runs in the waiting task, which costs nothing. If it is dropped before its end, it becomes a new task.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

/// See the module. A dropped future needs a runtime to continue; without one it ends.
pub(super) struct DetachOnDrop<T: Send + 'static>(Option<Pin<Box<dyn Future<Output = T> + Send>>>);

impl<T: Send + 'static> DetachOnDrop<T> {
    /// Wraps work that must run to its end.
    pub(super) fn new(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self(Some(Box::pin(work)))
    }
}

impl<T: Send + 'static> Future for DetachOnDrop<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let work = self.0.as_mut().expect("a future that has ended is not polled again");
        let result = work.as_mut().poll(context);
        if result.is_ready() {
            self.0 = None;
        }
        result
    }
}

impl<T: Send + 'static> Drop for DetachOnDrop<T> {
    fn drop(&mut self) {
        if let Some(work) = self.0.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(work);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn work_ends_in_its_task_or_continues_in_a_new_one() {
        assert_eq!(DetachOnDrop::new(async { 7 }).await, 7);
        let ((go, wait), (report, reported)) = (oneshot::channel::<()>(), oneshot::channel());
        let work = DetachOnDrop::new(async move {
            wait.await.expect("the sender is alive");
            report.send(8).expect("the receiver is alive");
        });
        assert!(tokio::time::timeout(Duration::from_millis(5), work).await.is_err());
        go.send(()).expect("the work still waits");
        assert_eq!(reported.await, Ok(8));
    }
}
