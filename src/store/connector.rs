//! TCP connections that cannot hang: connecting has a limit, and so has silence while an answer is due.
//!
//! The client library hands the waiting for an insert's answer to a task of its own, which outlives the caller's patience.
//! The limit on silence ends that task, so a store that accepts everything and answers nothing costs a bounded number of
//! connections.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};
use tower::Service;

/// Makes connections with limits.
#[derive(Clone)]
pub(super) struct Connector {
    inner: HttpConnector,
    silence: Duration,
}

impl Connector {
    pub(super) fn new(connect: Duration, silence: Duration) -> Self {
        let mut inner = HttpConnector::new();
        inner.set_connect_timeout(Some(connect));
        inner.set_nodelay(true);
        inner.set_keepalive(Some(Duration::from_secs(30)));
        Self { inner, silence }
    }
}

impl Service<Uri> for Connector {
    type Response = Watched;
    type Error = <HttpConnector as Service<Uri>>::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Watched, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::<Uri>::poll_ready(&mut self.inner, context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (connecting, silence) = (self.inner.call(uri), self.silence);
        Box::pin(async move {
            Ok(Watched { inner: connecting.await?, silence, timer: Box::pin(tokio::time::sleep(silence)) })
        })
    }
}

/// A connection that fails when nothing has moved in either direction for too long.
pub(super) struct Watched {
    inner: TokioIo<TcpStream>,
    silence: Duration,
    timer: Pin<Box<Sleep>>,
}

impl Watched {
    fn moved(&mut self) {
        self.timer.as_mut().reset(Instant::now() + self.silence);
    }

    /// Notes progress; turns waiting beyond the limit into an error.
    fn judge<T>(&mut self, context: &mut Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            self.moved();
            return poll;
        }
        match self.timer.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Read for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.inner).poll_read(context, buffer);
        self.judge(context, poll)
    }
}

impl Write for Watched {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.judge(context, poll)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Flushing a socket does nothing: no progress to note.
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

impl Connection for Watched {
    fn connected(&self) -> Connected {
        self.inner.connected()
    }
}
