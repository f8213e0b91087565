//! Work that is finished even when whoever waits for it goes away.
//!
//! It runs in the task of whoever waits, which costs nothing, and becomes a task of its own only when that one ends first.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

/// See the module. It needs a runtime to go on in; where there is none any more, it ends.
pub(super) struct Outliving<T: Send + 'static>(Option<Pin<Box<dyn Future<Output = T> + Send>>>);

impl<T: Send + 'static> Outliving<T> {
    /// Work that has been begun and must be finished.
    pub(super) fn new(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self(Some(Box::pin(work)))
    }
}

impl<T: Send + 'static> Future for Outliving<T> {
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

impl<T: Send + 'static> Drop for Outliving<T> {
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
    async fn it_ends_where_it_began_or_goes_on_alone() {
        assert_eq!(Outliving::new(async { 7 }).await, 7);
        let ((go, gone), (told, tells)) = (oneshot::channel::<()>(), oneshot::channel());
        let work = Outliving::new(async move {
            gone.await.expect("it is told");
            told.send(8).expect("somebody listens");
        });
        assert!(tokio::time::timeout(Duration::from_millis(5), work).await.is_err());
        go.send(()).expect("it waits still");
        assert_eq!(tells.await, Ok(8));
    }
}
