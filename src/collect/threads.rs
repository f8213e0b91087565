//! Threads that answer requests. Each has a runtime of its own, and a connection stays where it was begun.
//!
//! A runtime of several threads wakes another one for whatever it finds, in case there is more, and tasks go from core to core. At 500 beacons
//! a second that took a third of the collector's processor (`make bench`, docs/benchmarks.md). And what else this process does, such as
//! the plan of a window or a page for analysts, delays no answer here.

use std::io;
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::{Builder, Handle};
use tokio_util::either::Either;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::listener::Connection;

/// Threads, which end when this is dropped. By default there is none, and connections are on the runtime of the caller.
#[derive(Default)]
pub(super) struct Threads {
    handles: Vec<Handle>,
    next: usize,
    _ended: Option<DropGuard>,
}

impl Threads {
    /// So many threads. Each has a timer that expires so often.
    pub(super) fn start(number: usize, tick: Duration) -> io::Result<Self> {
        let end = CancellationToken::new();
        let mut handles = Vec::new();
        for _ in 0..number {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            handles.push(runtime.handle().clone());
            let end = end.clone();
            let run = async move {
                let mut ticks = tokio::time::interval(tick);
                while end.run_until_cancelled(ticks.tick()).await.is_some() {}
            };
            std::thread::Builder::new().name("connections".to_owned()).spawn(move || runtime.block_on(run))?;
        }
        Ok(Self { handles, next: 0, _ended: Some(end.drop_guard()) })
    }

    /// The next thread in turn, and the connection moved there.
    pub(super) fn take(&mut self, connection: Connection) -> io::Result<(Handle, Connection)> {
        self.next = (self.next + 1) % self.handles.len().max(1);
        let Some(handle) = self.handles.get(self.next) else { return Ok((Handle::current(), connection)) };
        let _there = handle.enter();
        let connection = match connection {
            Either::Left(stream) => Either::Left(TcpStream::from_std(stream.into_std()?)?),
            Either::Right(stream) => Either::Right(UnixStream::from_std(stream.into_std()?)?),
        };
        Ok((handle.clone(), connection))
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn connections_are_dealt_out_in_turn_and_each_stays_on_its_thread() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let mut threads = Threads::start(2, Duration::from_secs(1)).expect("threads");
        let mut seen = Vec::new();
        for _ in 0..4 {
            let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
            let (mut client, (accepted, _)) = (client.expect("a connection"), accepted.expect("a connection"));
            let (thread, mut connection) = threads.take(Either::Left(accepted)).expect("it is open");
            let reading = thread.spawn(async move {
                let begun = thread::current().id();
                connection.read_u8().await.expect("a byte");
                (begun, thread::current().id())
            });
            client.write_all(b"x").await.expect("it is open");
            seen.push(reading.await.expect("it ends"));
        }
        assert!(seen.iter().all(|(begun, ended)| begun == ended && *begun != thread::current().id()));
        assert!(seen[0] == seen[2] && seen[1] == seen[3] && seen[0] != seen[1], "{seen:?}");
        let thread = threads.handles[0].clone();
        drop(threads);
        assert!(thread.spawn(std::future::pending::<()>()).await.is_err(), "the thread has ended");
    }
}
