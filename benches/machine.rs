//! What the measured processes use, read from `/proc`, and what this machine is.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// How long a thread that only reads the clock was held up, in milliseconds: the longest time, and all within a second on average. What
/// is shorter than half a millisecond is not counted. No latency can be better than the machine.
pub(crate) fn held_up_ms() -> [f64; 2] {
    const SECONDS: f64 = 5.0;
    let (begun, mut before) = (Instant::now(), Instant::now());
    let (mut longest, mut all) = (Duration::ZERO, Duration::ZERO);
    while begun.elapsed().as_secs_f64() < SECONDS {
        let now = Instant::now();
        let pause = now - before;
        if pause > Duration::from_micros(500) {
            (longest, all) = (longest.max(pause), all + pause);
        }
        before = now;
    }
    [longest.as_secs_f64() * 1e3, all.as_secs_f64() * 1e3 / SECONDS]
}

/// Where the servers of this process have their keys, in memory. Who starts one removes it at the end.
pub(crate) fn keys_folder() -> PathBuf {
    PathBuf::from(format!("/dev/shm/tamga-bench-{}", std::process::id()))
}

/// A process and all that descend from it.
pub(crate) fn with_descendants(process: u32) -> Vec<u32> {
    let mut all = vec![process];
    let mut at = 0;
    while let Some(parent) = all.get(at).copied() {
        // Each thread has a list of the children that it has started.
        let threads = fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
        for thread in threads {
            let list = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            all.extend(list.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
        at += 1;
    }
    all
}

/// Seconds of processor time that processes have used, without those of children that have ended.
pub(crate) fn cpu_seconds(processes: &[u32]) -> f64 {
    // After the name in brackets; in hundredths of a second on every Linux there is.
    let ticks = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields: Vec<_> = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ').collect();
        let field = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        field(11) + field(12)
    };
    processes.iter().map(ticks).sum::<u64>() as f64 / 100.0
}

/// Resident memory in bytes.
pub(crate) fn resident_bytes(processes: &[u32]) -> u64 {
    let of = |pid: &u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
        line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
    };
    processes.iter().map(of).sum()
}

/// The machine and the versions of the programs, in a line.
pub(crate) fn description() -> String {
    let first = |path: &str, key: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default().to_owned();
        line.split_once(':').map_or(String::new(), |(_, value)| value.trim().to_owned())
    };
    let said = |program: &str, argument: &str| {
        let output = Command::new(program).arg(argument).output();
        let text = output.map(|output| [output.stdout, output.stderr].concat()).unwrap_or_default();
        String::from_utf8_lossy(&text).lines().next().unwrap_or_default().trim().to_owned()
    };
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    // Not `available_parallelism`: a program that measures may be pinned to one of them.
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cores = processors.lines().filter(|line| line.starts_with("processor")).count();
    format!(
        "{} ({cores} cores), {}, Linux {}; {}, {}, tamga {}",
        first("/proc/cpuinfo", "model name"),
        first("/proc/meminfo", "MemTotal"),
        kernel.trim(),
        said("rustc", "--version"),
        said("/usr/sbin/nginx", "-v").replace("nginx version: ", ""),
        env!("CARGO_PKG_VERSION"),
    )
}
