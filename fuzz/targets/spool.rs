//! Recovery: over any damage a spool opens, takes rows again (where it has grown beyond its quota, once it is drained),
//! and hands out no row that was not appended.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use tamga::spool::{
    self, AppendError, Appended, DeliveryLimits, Disk, Frame, Options, Reader, RetryFiles, StreamKey, Writer,
};
use tokio::runtime::{Builder, Runtime};

/// What the spool may take, in bytes.
const QUOTA: u64 = 1 << 20;
/// An append, and the segment that it may begin, in bytes.
const APPEND: u64 = 2_048;

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_time().build().expect("a runtime"));

/// The files of a spool with frames of two streams, an unfinished delivery batch among them.
static SOUND: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
    let folder = tempfile::tempdir_in("/dev/shm").expect("a folder in memory");
    let (writer, mut reader, _) = open(folder.path());
    RUNTIME.block_on(async {
        for number in 0..12_u8 {
            let hash = Some(u64::from(number)).filter(|hash| hash % 3 > 0);
            let append = writer.enter(i64::from(number)).append_as(hash, vec![frame(number)]);
            append.await.expect("there is space");
            if number == 5 {
                let limits = DeliveryLimits { max_rows: 4, ..DeliveryLimits::default() };
                reader.next_delivery(&limits).await.expect("readable").expect("there are rows");
            }
        }
    });
    writer.close();
    drop(reader);
    let files = fs::read_dir(folder.path()).expect("a folder").map(|entry| entry.expect("an entry").path());
    let plain = files.filter(|path| path.is_file());
    plain
        .map(|path| (name(&path), fs::read(&path).expect("a file")))
        .map(|(name, bytes)| (name, unreserved(bytes)))
        .collect()
});

/// The files are changed as the input says: five bytes each of file, place and what to do there.
pub(crate) fn run(data: &[u8]) {
    let mut files = SOUND.clone();
    for change in data.chunks_exact(5).take(64) {
        let at = usize::from(change[0] >> 3) % files.len();
        let bytes = &mut files[at].1;
        let place = usize::from(u16::from_le_bytes([change[1], change[2]])) % (bytes.len() + 1);
        match change[0] & 7 {
            0 => bytes.truncate(place),
            1 => bytes.extend(std::iter::repeat_n(change[3], place)),
            2 => bytes.splice(place..place, [change[3], change[4]]).for_each(drop),
            3 => bytes.drain(place..bytes.len().min(place + usize::from(change[3]))).for_each(drop),
            _ => bytes.iter_mut().skip(place).zip(&change[3..]).for_each(|(byte, other)| *byte ^= other),
        }
    }
    let folder = tempfile::tempdir_in("/dev/shm").expect("a folder in memory");
    for (name, bytes) in &files {
        fs::write(folder.path().join(name), bytes).expect("space in memory");
    }
    let (writer, mut reader, _) = open(folder.path());
    let known: HashSet<Vec<u8>> = (0..12).chain([99]).flat_map(rows).collect();
    RUNTIME.block_on(async {
        let mut appended = append(&writer).await;
        let taken: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(appended != Err(AppendError::Full) || taken as u64 + APPEND > QUOTA, "full of what nobody wrote");
        let began = Instant::now();
        while appended == Err(AppendError::Full) && began.elapsed() < Duration::from_secs(10) {
            // The files have grown beyond the quota; there is space soon after they have been read.
            drain(&writer, &mut reader, &known).await;
            tokio::time::sleep(Duration::from_millis(1)).await;
            appended = append(&writer).await;
        }
        appended.expect("a spool that opens takes rows");
        let seen = drain(&writer, &mut reader, &known).await;
        assert!(seen, "what was appended after the damage is not handed out");
    });
    writer.close();
}

async fn append(writer: &Writer) -> Result<Appended, AppendError> {
    writer.enter(0).append(vec![frame(99)]).await
}

/// Takes all that is there; whether the row that was appended last is in it. What turns out to be lost is settled
/// without a delivery batch, so that waiting for one must end when nothing is pending.
async fn drain(writer: &Writer, reader: &mut Reader, known: &HashSet<Vec<u8>>) -> bool {
    let limits = DeliveryLimits::default();
    let emptied = async || {
        while writer.usage().pending_frames > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let mut seen = false;
    loop {
        let delivery = tokio::select! {
            biased;
            () = emptied() => return seen,
            delivery = reader.next_delivery(&limits) => delivery.expect("memory can be read").expect("it is open"),
        };
        for row in delivery.batches.iter().flat_map(|batch| batch.iter()) {
            assert!(known.contains(row), "a row that nobody appended");
            seen |= row == rows(99)[0];
        }
        reader.finish(&delivery).await.expect("the delivery is open");
    }
}

fn open(folder: &Path) -> (Writer, Reader, spool::Recovery) {
    // Beside the segments, so that they are damaged as well. Memory has no damage, but other processes write there.
    let retries = RetryFiles { folder: folder.to_owned(), owner: 0, bytes_max: 4_096, boot_ms: Arc::new(|| 0) };
    let keys = spool::Keys::new(tamga::secret::Secret::new([7; 32]), []);
    let options = Options { segment_bytes: 2_048, retries: Some(retries), ..Options::new(QUOTA, 1, keys) };
    spool::open(folder, options, Arc::new(Disk)).expect("damage is no reason not to open")
}

fn rows(number: u8) -> Vec<Vec<u8>> {
    (0..3_usize).map(|row| vec![number; 40 + row]).collect()
}

fn frame(number: u8) -> Frame {
    let stream = if number.is_multiple_of(2) { "events" } else { "attributes" };
    let mut frame = Frame::new(StreamKey::new(stream).expect("a short name"));
    rows(number).iter().for_each(|row| frame.push(row));
    frame
}

fn name(path: &Path) -> String {
    path.file_name().expect("a file").to_string_lossy().into_owned()
}

/// Without the zeros that are reserved at the end: changes would mostly hit them.
fn unreserved(bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 64);
    bytes[..end.min(bytes.len())].to_vec()
}
