//! What `/metrics` says of the process itself. Read when somebody asks, from the files of the kernel.

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::metrics::Operations;

/// Sets what the kernel knows of this process.
pub(super) fn set_process(operations: &Operations) {
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9;
    operations.process_cpu.inner().store(seconds.to_bits(), std::sync::atomic::Ordering::Relaxed);
    operations.process_memory.set(resident_bytes(&read("/proc/self/status")));
    let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    operations.process_fds.set(open as i64);
    let most = getrlimit(Resource::Nofile).current.unwrap_or(0);
    operations.process_fds_max.set(most as i64);
}

/// A file of the kernel; empty if it cannot be read.
fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The resident memory in the kernel's status of a process.
fn resident_bytes(status: &str) -> i64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<i64>().ok());
    kib.map_or(0, |kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_figures_are_read() {
        assert_eq!(resident_bytes("VmHWM:\t  9 kB\nVmRSS:\t    1234 kB\nThreads:\t1\n"), 1234 * 1024);
        assert_eq!(resident_bytes(""), 0);
        let operations = Operations::default();
        set_process(&operations);
        assert!(operations.process_memory.get() > 1 << 20 && operations.process_cpu.get() > 0.0);
        assert!(operations.process_fds.get() > 2 && operations.process_fds_max.get() > operations.process_fds.get());
    }
}
