//! Does a full disk refuse instead of losing, drain meanwhile, and recover by itself?

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::laboratory::{Laboratory, Stores};
use super::load::{Journal, Load};
use super::{figures, in_time};

/// A real file system of a few MiB.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` when this user may not mount one.
    fn mount(at: &Path) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=12m", "tmpfs"]).arg(at).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(at.to_owned()))
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// Waits until this many more beacons were refused.
async fn refused(journal: &Journal, more: u64) {
    let (before, begun) = (journal.refused(), Instant::now());
    while journal.refused() < before + more {
        assert!(begun.elapsed() < Duration::from_secs(60), "nothing is refused");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits for the next acknowledgement. How long that took.
async fn taken_again(journal: &Journal) -> Duration {
    let (before, begun) = (journal.acknowledged(), Instant::now());
    while journal.acknowledged() == before {
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not recover");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_drains_and_recovers() {
    let begun = Instant::now();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let Some(disk) = SmallDisk::mount(&data) else {
        figures(begun, "skipped: only root may mount the small disk that this fills");
        return;
    };
    std::fs::write(disk.ballast(), vec![1; 4 << 20]).unwrap();
    let mut laboratory = Laboratory::with_data(&Stores::Vault, folder, data.clone());
    let mut collector = laboratory.collector(None);
    laboratory.taking(&mut collector).await;
    let journal = laboratory.journal.clone();
    let load = Load::start(laboratory.port, 32, &journal);

    // The vault is away: the disk fills up, and stays full.
    refused(&journal, 50).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let at_full = journal.acknowledged();
    refused(&journal, 500).await;
    let while_full = journal.acknowledged() - at_full;
    std::fs::remove_file(disk.ballast()).unwrap();
    let recovered = taken_again(&journal).await;
    assert!(in_time(recovered, Duration::from_secs(2)), "{recovered:?}");

    // Full once more, for a new process too; now the vault comes back, and nothing else frees space.
    refused(&journal, 50).await;
    collector.kill();
    let collector = laboratory.collector(None);
    refused(&journal, 50).await;
    laboratory.vault.start(None);
    laboratory.vault.ready().await;
    let (full, held) = (journal.acknowledged() as u64, Instant::now());
    while laboratory.vault.number("SELECT count() AS number FROM events").await < full {
        assert!(held.elapsed() < Duration::from_secs(60), "it does not drain\n{}", collector.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let drained = held.elapsed();
    taken_again(&journal).await;
    load.stop().await;
    let acknowledged = journal.acknowledged();
    laboratory.settle_and_compare(collector).await;
    drop(laboratory);
    drop(disk);
    figures(
        begun,
        format!(
            "12 MiB tmpfs: {} answered 503, {while_full} of them acknowledged; taken again {recovered:?} after space returned; \
             {full} rows drained in {drained:?} while full; {acknowledged} acknowledged, 0 lost, 0 twice",
            journal.refused()
        ),
    );
}
