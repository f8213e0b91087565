//! Metrics of the process itself, and of what its operator must know: is it ready, what cannot be used, what is late.
//!
//! Those whose names begin with `process_` are named as other programs name them too.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Unit;

use super::{Label, Registered};

/// Parts behind the spool that can be unusable, as the label names them.
pub const PARTS: [&str; 4] = ["vault", "stats", "publisher", "geoip"];
/// The two listeners, as the label names them.
pub const LISTENERS: [&str; 2] = ["public", "operations"];

/// See the module. All are gauges, so that a scrape can set them; 0 where nothing is wrong.
#[derive(Default)]
pub struct Operations {
    build: Family<Label, Gauge>,
    /// When the process began, in seconds since 1970.
    pub process_start: Gauge,
    /// CPU time of the process, in seconds.
    pub process_cpu: Counter<f64, AtomicU64>,
    /// Memory of the process, in bytes.
    pub process_memory: Gauge,
    /// Open file descriptors.
    pub process_fds: Gauge,
    /// How many may be open.
    pub process_fds_max: Gauge,
    connections: Family<Label, Gauge>,
    connections_max: Family<Label, Gauge>,
    /// Whether beacons are accepted: 0 or 1.
    pub ready: Gauge,
    unusable: Family<Label, Gauge>,
    /// For how long the oldest row has been in the spool, in seconds.
    pub spool_oldest: Gauge,
    /// For how long rows cannot be delivered because of the vault, in seconds.
    pub vault_away: Gauge,
    /// Whether this node publishes: 0 or 1.
    pub publishes: Gauge,
    /// For how long a window has ended that is not published, in seconds.
    pub windows_late: Gauge,
    /// When this process last published a window, in seconds since 1970.
    pub window_published: Gauge,
    /// Until when the certificate of the public listener is valid, in seconds since 1970.
    pub certificate_not_after: Gauge,
    /// Whether the configuration of the last reload was refused: 0 or 1.
    pub reload_refused: Gauge,
    /// Whether the cookie key was another one at the start: 0 or 1.
    pub cookie_key_replaced: Gauge,
    /// Whether a proxy seems to be missing in `trusted_proxies`: 0 or 1.
    pub proxy_untrusted: Gauge,
}

impl Operations {
    /// Open connections of a listener of [`LISTENERS`].
    pub fn connections(&self, listener: &'static str) -> Gauge {
        self.connections.get_or_create(&[("listener", listener)]).clone()
    }

    /// The most connections of a listener.
    pub fn set_connections_max(&self, listener: &'static str, most: usize) {
        self.connections_max.get_or_create(&[("listener", listener)]).set(most as i64);
    }

    /// Whether a part of [`PARTS`] cannot be used.
    pub fn set_unusable(&self, part: &'static str, is_unusable: bool) {
        self.unusable.get_or_create(&[("part", part)]).set(is_unusable.into());
    }

    pub(super) fn register(&self, all: &mut Registered) {
        self.build.get_or_create(&[("version", env!("CARGO_PKG_VERSION"))]).set(1);
        for listener in LISTENERS {
            drop((self.connections(listener), self.connections_max.get_or_create(&[("listener", listener)])));
        }
        for part in PARTS {
            drop(self.unusable.get_or_create(&[("part", part)]));
        }
        let seconds = || Some(Unit::Seconds);
        all.add("build_info", None, Some("version"), "1; the label has the version", self.build.clone());
        self.register_process(all);
        let help = "Open connections; more than the most wait in the kernel";
        all.add("connections", None, Some("listener"), help, self.connections.clone());
        let help = "The most connections that may be open";
        all.add("connections_max", None, Some("listener"), help, self.connections_max.clone());
        all.add("ready", None, None, "1 if beacons can be accepted, as in /readyz", self.ready.clone());
        let help = "1 if a part behind the spool cannot be used, as in /readyz";
        all.add("unusable", None, Some("part"), help, self.unusable.clone());
        let help =
            "For how long the oldest row has been in the spool; by default rows wait for the end of their window";
        all.add("spool_oldest", seconds(), None, help, self.spool_oldest.clone());
        let help = "For how long rows could not be delivered because of the vault; 0 while they can";
        all.add("vault_away", seconds(), None, help, self.vault_away.clone());
        all.add("publishes", None, None, "1 if this node publishes", self.publishes.clone());
        let help = "For how long a window has ended that this node has not published; 0 if there is none";
        all.add("windows_late", seconds(), None, help, self.windows_late.clone());
        let help = "Time of the last window that this process published, since 1970; 0 before";
        all.add("window_published_timestamp", seconds(), None, help, self.window_published.clone());
        let help = "Time at which the certificate of [server] certificate_file expires, since 1970; 0 without one";
        all.add("certificate_not_after_timestamp", seconds(), None, help, self.certificate_not_after.clone());
        let help = "1 if the configuration of the last reload was refused";
        all.add("reload_refused", None, None, help, self.reload_refused.clone());
        let help = "1 if the cookie key was another one at the start than at the start before: every visitor was new";
        all.add("cookie_key_replaced", None, None, help, self.cookie_key_replaced.clone());
        let help = "1 if a proxy names its clients and is not in [server] trusted_proxies: all seem to be one network";
        all.add("proxy_untrusted", None, None, help, self.proxy_untrusted.clone());
    }

    fn register_process(&self, all: &mut Registered) {
        let help = "Time at which the process began, since 1970";
        all.add("process_start_time", Some(Unit::Seconds), None, help, self.process_start.clone());
        let help = "CPU time of the process";
        all.add("process_cpu", Some(Unit::Seconds), None, help, self.process_cpu.clone());
        let help = "Memory of the process, without its engines";
        all.add("process_resident_memory", Some(Unit::Bytes), None, help, self.process_memory.clone());
        all.add("process_open_fds", None, None, "Open file descriptors of the process", self.process_fds.clone());
        all.add("process_max_fds", None, None, "File descriptors that may be open", self.process_fds_max.clone());
    }
}
