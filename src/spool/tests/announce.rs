//! Who else is to know which requests become durable hears of each commit before it is written, and of its end before anybody
//! is answered.

use std::sync::Mutex;

use rustix::io::Errno;

use super::super::retries::RetryFiles;
use super::sim::{MEMORY, Op};
use super::*;

/// What was heard, with the syncs that the disk had done by then.
#[derive(Default)]
struct Log {
    sim: Sim,
    said: Mutex<Vec<(String, u64)>>,
}

impl Log {
    fn note(&self, said: String) {
        self.said.lock().unwrap().push((said, self.sim.syncs()));
    }

    fn take(&self) -> Vec<(String, u64)> {
        std::mem::take(&mut *self.said.lock().unwrap())
    }
}

impl Announce for Log {
    fn found(&self, hashes: &[u64]) {
        self.note(format!("found {hashes:?}"));
    }

    fn writing(&self, hashes: &[u64]) {
        self.note(format!("writing {hashes:?}"));
    }

    fn written(&self, is_durable: bool) {
        self.note(format!("written {is_durable}"));
    }
}

fn start(sim: &Sim) -> (Arc<Log>, Writer) {
    let log = Arc::new(Log { sim: sim.clone(), said: Mutex::default() });
    let files = RetryFiles { folder: MEMORY.into(), owner: 7, bytes_max: 1 << 20, boot_ms: Arc::new(|| 0) };
    let options = Options { retries: Some(files), announce: Some(log.clone()), ..options() };
    let (writer, ..) = open(Path::new(DIR), options, Arc::new(sim.clone())).expect("a healthy disk opens");
    (log, writer)
}

async fn append_as(writer: &Writer, hash: Option<u64>) -> Result<Appended, AppendError> {
    writer.enter(0).append_as(hash, vec![frame("events", &["row"])]).await
}

#[tokio::test]
async fn a_commit_is_announced_before_it_is_written_and_its_end_before_it_is_answered() {
    let sim = Sim::default();
    let (log, writer) = start(&sim);
    append_as(&writer, Some(1)).await.unwrap();
    assert_eq!(log.take().first().map(|(said, _)| &**said), Some("found []"));
    let syncs = sim.syncs();
    append_as(&writer, Some(2)).await.unwrap();
    assert_eq!(log.take(), [("writing [2]".to_owned(), syncs), ("written true".to_owned(), syncs + 1)]);
    sim.fail(Op::Sync, 0, Errno::IO, false);
    append_as(&writer, Some(3)).await.unwrap_err();
    let said: Vec<_> = log.take().into_iter().map(|(said, _)| said).collect();
    assert_eq!(said, ["writing [3]", "written false"]);
    drop(writer);
    let (log, writer) = start(&sim.kill());
    assert_eq!(log.take().first().map(|(said, _)| &**said), Some("found [1, 2]"));
    append_as(&writer, None).await.unwrap();
    let said: Vec<_> = log.take().into_iter().map(|(said, _)| said).collect();
    assert_eq!(said, ["writing []", "written true"], "a request without a hash is not named");
}
