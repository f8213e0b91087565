//! The publisher: which window is next, whether it may be published, and the steps that publish it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Deserialize;

use crate::clock::Clock;

use super::carry::Carried;
use super::counted::{Counted, VAULT_DAYS};
use super::error::PublishError;
use super::files::{CARRIED, COUNTED, FOLDER, Files};
use super::hours;
use super::leases::{NodeStates, Nodes, Readiness};
use super::model::PublishedSite;
use super::plan::{self, Plan, PlanInput};
use super::queries::EARLIEST;
use super::tables::{Tables, ask};
use super::window_reader::WindowReader;
use crate::window::Window;

/// How often the publisher checks whether a window is over. A simulated clock runs through days in seconds.
const POLL: Duration = Duration::from_secs(5);
const POLL_SIMULATED: Duration = Duration::from_millis(200);
/// The smallest slices of a vault that fails: 64 times smaller than usual.
const SPLIT_SHIFT_MAX: u32 = 6;
/// How often a window is counted if rows of it arrive meanwhile, before it waits for the next pass.
const COUNT_ATTEMPTS: u32 = 3;
/// So long before the vault drops the first rows of a window, it is published with what is there, even if nodes still have rows.
const LAST_CALL_S: i64 = 3_600;
/// So many take sites at a time.
const WORKERS: usize = 4;
/// So many windows are written together at most, and so many seeds deleted.
pub(super) const TOGETHER: usize = 16;

pub(super) const LEDGER_END: &str = "SELECT toUnixTimestamp(max(window_end)) AS end, count() AS count \
     FROM publications WHERE site = {site:String}";

/// The result of one step for a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The window was published now.
    Published(Window),
    /// The window is over, but nodes still have rows of it.
    Waiting(Window),
    /// All windows that are over are published.
    UpToDate,
}

/// A window whose plan is in its file.
pub(super) struct Planned {
    /// Of the site.
    pub(super) index: usize,
    pub(super) window: Window,
    pub(super) plan: Plan,
    pub(super) path: PathBuf,
}

/// Called with the site and the window of each publication, and with what was declared for it for the first time.
type Listener = Box<dyn Fn(&str, &Window, &[String]) + Send + Sync>;

/// Publishes the windows of sites. Only one process may publish a site.
pub struct Publisher<V, S> {
    pub(super) vault: V,
    pub(super) stats: S,
    pub(super) clock: Clock,
    pub(super) sites: Vec<PublishedSite>,
    pub(super) files: Files,
    pub(super) nodes: tokio::sync::Mutex<Nodes>,
    /// A clock that never jumps.
    pub(super) monotonic: Box<dyn Fn() -> Instant + Send + Sync>,
    /// When files were removed of which nothing will be published.
    pub(super) cleared_s: Option<i64>,
    of_sites: Mutex<OfSites>,
    pub(super) on_publication: Listener,
    pub(super) on_nodes: Box<dyn Fn(NodeStates) + Send + Sync>,
}

/// What a publisher knows of its sites from one pass to the next.
#[derive(Default)]
pub(super) struct OfSites {
    /// Sites of which the files of an earlier run were deleted.
    pub(super) tidied: BTreeSet<String>,
    /// By site: the last logged failure.
    pub(super) failing: BTreeMap<String, String>,
    /// By site: how much smaller the slices of the next plan are, if the last plan failed.
    split_shift: BTreeMap<String, u32>,
    /// By site: since and until when there is nothing to publish.
    pub(super) rests: BTreeMap<String, Range<Timestamp>>,
    /// By site: the start of the last published window, if its seed is still there.
    pub(super) seeds: BTreeMap<String, i64>,
}

/// An end of a window, if any was counted.
#[derive(Deserialize)]
struct WindowEnd {
    end: i64,
    count: u64,
}

impl<V: Tables, S: Tables> Publisher<V, S> {
    /// A publisher that keeps its plans in `publish` under the data folder. `node` is the name under which this process writes
    /// leases.
    pub fn new(
        vault: V,
        stats: S,
        clock: Clock,
        sites: Vec<PublishedSite>,
        data_dir: &Path,
        node: &str,
        node_timeout: Duration,
    ) -> Result<Self, PublishError> {
        Ok(Self {
            vault,
            stats,
            nodes: Nodes::new(node, node_timeout).into(),
            monotonic: Box::new(Instant::now),
            clock,
            sites,
            files: Files::open(data_dir.join(FOLDER))?,
            cleared_s: None,
            of_sites: Mutex::default(),
            on_publication: Box::new(|_, _, _| ()),
            on_nodes: Box::new(|_| ()),
        })
    }

    /// Calls a function with every publication, for the audit log.
    #[must_use]
    pub fn on_publication(mut self, listener: impl Fn(&str, &Window, &[String]) + Send + Sync + 'static) -> Self {
        self.on_publication = Box::new(listener);
        self
    }

    /// Hears silence by another clock.
    #[cfg(test)]
    pub(super) fn with_monotonic(mut self, now: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        self.monotonic = Box::new(now);
        self
    }

    /// Publishes windows until `shutdown` resolves. It may be stopped at any point: nothing is lost.
    pub async fn run(mut self, shutdown: impl Future<Output = ()> + Send) {
        let pause = if self.clock.is_simulated() { POLL_SIMULATED } else { POLL };
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => return,
                () = async {
                    self.hear_nodes().await;
                    self.pass().await;
                    tokio::time::sleep(pause).await;
                } => {}
            }
        }
    }

    /// Publishes all windows that can be published now, of several sites at a time: much of what a small site asks takes an engine one
    /// thread, and an insert waits for the disk. Failures are logged.
    pub async fn pass(&mut self) {
        if let Err(error) = self.clear() {
            tracing::warn!(%error, "files of which nothing will be published are still there");
        }
        let (publisher, next, count) = (&*self, AtomicUsize::new(0), self.sites.len());
        // All have as many sites to write together, at most so many, and none is left for the last.
        let rounds = count.div_ceil(WORKERS * TOGETHER).max(1);
        let each = count.div_ceil(WORKERS * rounds).max(1);
        let worker = async || {
            while let first = next.fetch_add(each, Ordering::Relaxed)
                && first < count
            {
                publisher.publish(first..count.min(first + each)).await;
            }
        };
        tokio::join!(worker(), worker(), worker(), worker());
        self.forget_if(1).await;
    }

    pub(super) fn of_sites(&self) -> MutexGuard<'_, OfSites> {
        self.of_sites.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes the next window of a site, by its index in the list, if it is over and complete.
    pub async fn advance(&self, index: usize) -> Result<Progress, PublishError> {
        let planned = match self.prepare(index, &mut None).await? {
            ControlFlow::Continue(planned) => planned,
            ControlFlow::Break(progress) => return Ok(progress),
        };
        let (window, mut windows) = (planned.window, vec![planned]);
        if let Some((_, error)) = self.write(&mut windows).await?.pop_first() {
            return Err(error);
        }
        self.forget().await?;
        Ok(if windows.is_empty() { Progress::Waiting(window) } else { Progress::Published(window) })
    }

    /// Whether a window is over, by a clock that may be believed.
    pub(super) fn is_over(&self, window: &Window) -> bool {
        self.clock.now_to_publish().is_some_and(|now| now >= window.end)
    }

    /// Plans the next window of a site, if it is over and complete. A new plan is written with those under `name`, which the first one gives.
    pub(super) async fn prepare(
        &self,
        index: usize,
        name: &mut Option<String>,
    ) -> Result<ControlFlow<Progress, Planned>, PublishError> {
        let site = &self.sites[index];
        let next = self.next(site).await?;
        // Before a site's first window ends, all of its rows wait in spools. Then they come at any time, and are asked for again.
        let may_rest = next.is_some();
        let window = next.unwrap_or_else(|| site.schedule.containing(self.clock.now()));
        if !self.is_over(&window) {
            if let Some(now) = self.clock.now_to_publish()
                && self.publish_hours(site, &window, now).await?
                && may_rest
            {
                let until = window.end.min(hours::next_reports(now));
                self.of_sites().rests.insert(site.domain.clone(), now..until);
            }
            return Ok(ControlFlow::Break(Progress::UpToDate));
        }
        let path = self.files.plan(&site.domain, window.start.as_second());
        let plan = match self.files.read::<Plan>(&path)? {
            Some(plan) => plan,
            None => {
                let Some(mut plan) = self.plan(site, &window).await? else {
                    return Ok(ControlFlow::Break(Progress::Waiting(window)));
                };
                let own = || format!("{}-{}", site.domain, window.start.as_second());
                plan.written_with = Some(name.get_or_insert_with(own).clone());
                self.files.write(&path, &plan)?;
                plan
            }
        };
        Ok(ControlFlow::Continue(Planned { index, window, plan, path }))
    }

    /// The first window that is not in the ledger; `None` while the site has no rows.
    async fn next(&self, site: &PublishedSite) -> Result<Option<Window>, PublishError> {
        let parameters = [("site", site.domain.clone())];
        let end = |rows: Vec<WindowEnd>| rows.first().filter(|row| row.count > 0).map(|row| row.end);
        let in_ledger = end(ask(&self.stats, "reading the ledger", LEDGER_END, &parameters).await?);
        let counted = self.last_counted(site)?;
        if let Some(end) = in_ledger.max(counted) {
            if !self.of_sites().tidied.contains(&site.domain) {
                if counted > in_ledger {
                    tracing::warn!(
                        site = site.domain,
                        "the stats store lacks windows that were published, so an older copy was put back; what is published once \
                         is never published again, and these windows stay empty"
                    );
                }
                self.tidy(site, end).await?;
                self.of_sites().tidied.insert(site.domain.clone());
            }
            return Ok(Some(site.schedule.after(moment(end))));
        }
        let earliest = end(ask(&self.vault, "looking for a site's first row", EARLIEST, &parameters).await?);
        Ok(earliest.map(|end| site.schedule.containing(moment(end - 1))))
    }

    /// The end of the last window that this node's file of counts knows as published, whatever the stats store says. A window with
    /// a plan is just being written; one that has not begun was published by a wrong clock.
    fn last_counted(&self, site: &PublishedSite) -> Result<Option<i64>, PublishError> {
        let counted: Counted = self.files.read(&self.files.of(&site.domain, COUNTED))?.unwrap_or_default();
        let (planned, now) = (self.files.plans(&site.domain)?, self.clock.now().as_second());
        let is_published = |&&(start, ..): &&(i64, i64, u64)| !planned.contains(&start) && start < now;
        Ok(counted.windows.iter().filter(is_published).map(|(_, end, _)| *end).max())
    }

    /// Computes the plan of a window that is over; `None` while a node still has rows of it.
    async fn plan(&self, site: &PublishedSite, window: &Window) -> Result<Option<Plan>, PublishError> {
        let counted: Counted = self.files.read(&self.files.of(&site.domain, COUNTED))?.unwrap_or_default();
        let first_rows_die_s = site.schedule.day_start(window.first_day).as_second() + VAULT_DAYS * 86_400;
        if self.clock.now().as_second() >= first_rows_die_s {
            tracing::warn!(
                site = site.domain, start = %window.start,
                "a window is older than the rows of the vault; nothing of it is published, and the ledger says that it is incomplete"
            );
            return Ok(Some(plan::too_old(site, window, &counted)));
        }
        let is_last_call = self.clock.now().as_second() >= first_rows_die_s - LAST_CALL_S;
        for _ in 0..COUNT_ATTEMPTS {
            let complete = match self.readiness(window).await? {
                Readiness::Complete => true,
                Readiness::Incomplete => false,
                Readiness::Waiting if is_last_call => false,
                Readiness::Waiting => return Ok(None),
            };
            if let Some(plan) = self.count(site, window, complete, &counted).await? {
                return Ok(Some(plan));
            }
        }
        tracing::info!(
            site = site.domain, start = %window.start, "rows of a window arrive while it is counted; it is counted again soon"
        );
        Ok(None)
    }

    /// Computes the plan of a window from one state of the vault; `None` if its rows changed meanwhile.
    async fn count(
        &self,
        site: &PublishedSite,
        window: &Window,
        complete: bool,
        counted: &Counted,
    ) -> Result<Option<Plan>, PublishError> {
        let seed = self.seed(site, window).await?;
        let split_shift = self.of_sites().split_shift.get(&site.domain).copied().unwrap_or(0);
        let carried: Carried = self.files.read(&self.files.of(&site.domain, CARRIED))?.unwrap_or_default();
        let hours = self.write_last_hour(site, window).await?;
        let input = PlanInput { seed: seed.as_bytes(), complete, counted, carried: &carried, hours: &hours };
        let reader = WindowReader { vault: &self.vault, site, window, split_shift };
        let before = reader.fingerprint().await?;
        let plan = plan::compute(&reader, &before, &input).await;
        if plan.is_err() {
            // The engine may have run out of memory. The memory for one pseudonym is bounded, so smaller slices need less.
            self.of_sites().split_shift.insert(site.domain.clone(), (split_shift + 1).min(SPLIT_SHIFT_MAX));
        }
        let plan = plan?;
        let is_unchanged = reader.fingerprint().await? == before;
        self.of_sites().split_shift.remove(&site.domain);
        Ok(is_unchanged.then_some(plan))
    }

    /// Removes the files and seeds that a killed publisher left for windows that are in the ledger.
    async fn tidy(&self, site: &PublishedSite, published_until: i64) -> Result<(), PublishError> {
        self.forget_until(site, published_until - 1).await?;
        for start in self.files.plans(&site.domain)?.into_iter().filter(|start| *start < published_until) {
            self.files.remove(&self.files.plan(&site.domain, start))?;
        }
        Ok(())
    }
}

fn moment(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or_default()
}
