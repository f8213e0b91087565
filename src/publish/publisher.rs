//! The publisher at work: which window is next, whether it may be published, and the steps that publish it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use crate::clock::Clock;
use crate::secret::Secret;

use super::PublishError;
use super::files::Files;
use super::leases::{LEASES, Nodes, Readiness};
use super::plan::{self, Counted, Given, Plan, PublishedSite, Row, VAULT_DAYS};
use super::queries::EARLIEST;
use super::tables::Tables;
use super::window::Window;

/// How often a publisher looks whether a window is over; a simulated clock runs through days in seconds.
const POLL: Duration = Duration::from_secs(5);
const POLL_SIMULATED: Duration = Duration::from_millis(200);
/// The finest slices of a vault that fails: 64 times finer than usual.
const FINER_MAX: u32 = 6;
/// How often an insert that was answered but not kept is made again at once.
const INSERT_ATTEMPTS: u32 = 3;

pub(super) const LEDGER_END: &str = "SELECT toUnixTimestamp(max(window_end)) AS end, count() AS count \
     FROM publications WHERE site = {site:String}";
pub(super) const ROWS_OF_WINDOW: &str = "SELECT count() AS count FROM {table:Identifier} \
     WHERE site = {site:String} AND window_start = toDateTime({start:UInt32}, 'UTC')";
pub(super) const SEED: &str = "SELECT toString(seed) AS seed FROM seeds WHERE site = {site:String} \
     AND window_start = toDateTime({start:UInt32}, 'UTC') ORDER BY drawn_at, seed LIMIT 1";
pub(super) const SEEDS_UNTIL: &str = "SELECT count() AS count FROM seeds WHERE site = {site:String} \
     AND window_start <= toDateTime({start:UInt32}, 'UTC')";
pub(super) const DELETE_SEEDS: &str = "ALTER TABLE seeds DELETE WHERE site = {site:String} \
     AND window_start <= toDateTime({start:UInt32}, 'UTC') SETTINGS mutations_sync = 1";

/// How far a site is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// This window was published now.
    Published(Window),
    /// This window is over, but nodes still have rows of it.
    Waiting(Window),
    /// No window is over that is not published.
    UpToDate,
}

/// Told of publications, by site and window.
type Listener = Box<dyn Fn(&str, &Window) + Send + Sync>;

/// Publishes the windows of sites. One process per site.
pub struct Publisher<V, S> {
    vault: V,
    stats: S,
    clock: Clock,
    sites: Vec<PublishedSite>,
    files: Files,
    nodes: Nodes,
    /// Sites whose leftovers of an earlier run are gone.
    tidied: BTreeSet<String>,
    /// What was last said of sites that are not published.
    failing: BTreeMap<String, String>,
    /// Sites whose last plan failed, and how much finer the next is sliced.
    finer: BTreeMap<String, u32>,
    /// Told of every publication.
    published: Listener,
}

#[derive(Deserialize)]
struct LedgerEnd {
    end: i64,
    count: u64,
}

#[derive(Deserialize)]
struct Earliest {
    start: i64,
}

#[derive(Deserialize)]
struct Count {
    count: u64,
}

#[derive(Deserialize)]
struct Seed {
    seed: String,
}

impl<V: Tables, S: Tables> Publisher<V, S> {
    /// A publisher that keeps its plans in `publish` under the data folder.
    pub fn new(
        vault: V,
        stats: S,
        clock: Clock,
        sites: Vec<PublishedSite>,
        data_dir: &Path,
        leave_behind_after: Duration,
    ) -> Result<Self, PublishError> {
        Ok(Self {
            vault,
            stats,
            nodes: Nodes::new(clock.clone(), leave_behind_after),
            clock,
            sites,
            files: Files::open(data_dir.join("publish"))?,
            tidied: BTreeSet::new(),
            failing: BTreeMap::new(),
            finer: BTreeMap::new(),
            published: Box::new(|_, _| ()),
        })
    }

    /// Has every publication told, by its site and window, for the audit log.
    #[must_use]
    pub fn telling(mut self, published: impl Fn(&str, &Window) + Send + Sync + 'static) -> Self {
        self.published = Box::new(published);
        self
    }

    /// Publishes what is due until `shutdown` resolves. To be stopped in the middle is like being killed: nothing is lost.
    pub async fn run(mut self, shutdown: impl Future<Output = ()> + Send) {
        let pause = if self.clock.is_simulated() { POLL_SIMULATED } else { POLL };
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => return,
                () = async {
                    self.pass().await;
                    tokio::time::sleep(pause).await;
                } => {}
            }
        }
    }

    /// Publishes everything that can be published now. Failures are logged.
    pub async fn pass(&mut self) {
        for index in 0..self.sites.len() {
            loop {
                match self.advance(index).await {
                    Ok(Progress::Published(window)) => {
                        let site = &self.sites[index].domain;
                        self.failing.remove(site);
                        tracing::info!(site, start = %window.start, end = %window.end, "published a window");
                        (self.published)(site, &window);
                    }
                    Ok(Progress::Waiting(_) | Progress::UpToDate) => break,
                    Err(error) => {
                        let site = &self.sites[index].domain;
                        self.tidied.remove(site);
                        // An outage is told once, not at every try.
                        if self.failing.insert(site.clone(), error.to_string()) != Some(error.to_string()) {
                            tracing::warn!(site, %error, "a window is not published");
                        }
                        break;
                    }
                }
            }
        }
    }

    /// Publishes the next window of a site, by its index in the list, if it is over and complete.
    pub async fn advance(&mut self, index: usize) -> Result<Progress, PublishError> {
        let site = self.sites[index].clone();
        let Some(window) = self.next(&site).await? else { return Ok(Progress::UpToDate) };
        if self.clock.now() < window.end {
            return Ok(Progress::UpToDate);
        }
        let path = self.files.plan(&site.domain, window.start.as_second());
        let plan = match self.files.read::<Plan>(&path)? {
            Some(plan) => plan,
            None => {
                let Some(plan) = self.plan(&site, &window).await? else { return Ok(Progress::Waiting(window)) };
                self.files.write(&path, &plan)?;
                plan
            }
        };
        self.write(&site, &window, &plan).await?;
        self.forget(&site, window.start.as_second()).await?;
        self.files.remove(&path)?;
        Ok(Progress::Published(window))
    }

    /// The first window that the ledger has not; `None` while the site has no rows at all.
    async fn next(&mut self, site: &PublishedSite) -> Result<Option<Window>, PublishError> {
        let parameters = [("site", site.domain.clone())];
        let ledger: Vec<LedgerEnd> = self
            .stats
            .rows(LEDGER_END, &parameters)
            .await
            .map_err(|source| PublishError::store("reading the ledger", source))?;
        if let Some(published) = ledger.first().filter(|row| row.count > 0) {
            if !self.tidied.contains(&site.domain) {
                self.tidy(site, published.end).await?;
                self.tidied.insert(site.domain.clone());
            }
            return Ok(Some(site.schedule.after(moment(published.end))));
        }
        let earliest: Vec<Earliest> = self
            .vault
            .rows(EARLIEST, &parameters)
            .await
            .map_err(|source| PublishError::store("looking for a site's first row", source))?;
        let start = earliest.first().map_or(0, |row| row.start);
        Ok((start > 0).then(|| site.schedule.containing(moment(start))))
    }

    /// Computes the plan of a window that is over; `None` while a node still has rows of it.
    async fn plan(&mut self, site: &PublishedSite, window: &Window) -> Result<Option<Plan>, PublishError> {
        let counted: Counted = self.files.read(&self.files.counted(&site.domain))?.unwrap_or_default();
        let first_rows_die_s = site.schedule.day_start(window.first_day).as_second() + VAULT_DAYS * 86_400;
        if self.clock.now().as_second() >= first_rows_die_s {
            tracing::warn!(
                site = site.domain, start = %window.start,
                "a window is older than what the vault keeps; the ledger says so and nothing of it is published"
            );
            return Ok(Some(plan::too_old(site, window, &counted)));
        }
        let leases = self
            .vault
            .rows(LEASES, &[])
            .await
            .map_err(|source| PublishError::store("reading the nodes' leases", source))?;
        let complete = match self.nodes.readiness(window.end, &leases) {
            Readiness::Waiting => return Ok(None),
            Readiness::Complete => true,
            Readiness::Incomplete => false,
        };
        let seed = self.seed(site, window).await?;
        let finer = self.finer.get(&site.domain).copied().unwrap_or(0);
        let given = Given { seed: seed.as_bytes(), complete, counted: &counted, finer };
        let plan = plan::compute(&self.vault, site, window, &given).await;
        if plan.is_ok() {
            self.finer.remove(&site.domain);
        } else {
            // It may have been for lack of memory: a pseudonym's share of it is bounded, so smaller slices will do.
            self.finer.insert(site.domain.clone(), (finer + 1).min(FINER_MAX));
        }
        plan.map(Some)
    }

    /// The window's seed; drawn if there is none. Should two have drawn at once, both go by the older.
    async fn seed(&self, site: &PublishedSite, window: &Window) -> Result<String, PublishError> {
        let failed = |source| PublishError::store("reading the window's seed", source);
        let start = window.start.as_second();
        let parameters = [("site", site.domain.clone()), ("start", start.to_string())];
        let drawn: Vec<Seed> = self.vault.rows(SEED, &parameters).await.map_err(failed)?;
        if let Some(row) = drawn.into_iter().next() {
            return Ok(row.seed);
        }
        // 24 random bytes fill the column's 32 as text, so that they travel as JSON.
        let random = Secret::random();
        let row = json!({
            "site": site.domain,
            "window_start": start,
            "seed": base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&random.expose()[..24]),
            "drawn_at": self.clock.now().strftime("%Y-%m-%d %H:%M:%S%.3f").to_string(),
        });
        self.vault
            .insert_json("seeds", &["site", "window_start", "seed", "drawn_at"], &[row], None)
            .await
            .map_err(|source| PublishError::store("drawing the window's seed", source))?;
        let drawn: Vec<Seed> = self.vault.rows(SEED, &parameters).await.map_err(failed)?;
        let row = drawn.into_iter().next();
        row.map(|row| row.seed).ok_or_else(|| PublishError::NotKept { table: "seeds".to_owned() })
    }

    /// Writes what the plan says and is not there yet; the ledger's row last.
    async fn write(&self, site: &PublishedSite, window: &Window, plan: &Plan) -> Result<(), PublishError> {
        for (table, rows) in &plan.tables {
            self.insert_once(site, window, table, rows).await?;
        }
        self.files.write(&self.files.counted(&site.domain), &plan.counted)?;
        let mut ledger = plan.ledger.clone();
        ledger.insert("published_at".to_owned(), self.clock.now().as_second().into());
        self.insert_once(site, window, "publications", &[ledger]).await
    }

    /// Inserts the rows of a table in one insert, which is stored whole or not at all, unless the window's are there. The
    /// engine's memory of tokens may outlive a part that a crash took: an insert that left nothing is made under another.
    async fn insert_once(
        &self,
        site: &PublishedSite,
        window: &Window,
        table: &str,
        rows: &[Row],
    ) -> Result<(), PublishError> {
        let start = window.start.as_second();
        let Some(first) = rows.first() else { return Ok(()) };
        let columns: Vec<&str> = first.keys().map(String::as_str).collect();
        for attempt in 0..=INSERT_ATTEMPTS {
            let parameters = [("table", table.to_owned()), ("site", site.domain.clone()), ("start", start.to_string())];
            let there: Vec<Count> = self
                .stats
                .rows(ROWS_OF_WINDOW, &parameters)
                .await
                .map_err(|source| PublishError::store("looking for published rows", source))?;
            if there.first().is_some_and(|row| row.count > 0) {
                return Ok(());
            }
            if attempt < INSERT_ATTEMPTS {
                let token = format!("{}-{start}-{table}-{attempt}", site.domain);
                self.stats
                    .insert_json(table, &columns, rows, Some(&token))
                    .await
                    .map_err(|source| PublishError::store("writing published rows", source))?;
            }
        }
        Err(PublishError::NotKept { table: table.to_owned() })
    }

    /// Deletes the seeds of a site's windows up to one.
    async fn forget(&self, site: &PublishedSite, start: i64) -> Result<(), PublishError> {
        let failed = |source| PublishError::store("deleting the window's seed", source);
        let parameters = [("site", site.domain.clone()), ("start", start.to_string())];
        let seeds: Vec<Count> = self.vault.rows(SEEDS_UNTIL, &parameters).await.map_err(failed)?;
        if seeds.first().is_some_and(|row| row.count > 0) {
            self.vault.execute(DELETE_SEEDS, &parameters).await.map_err(failed)?;
        }
        Ok(())
    }

    /// Removes what a killed publisher left of windows that are in the ledger.
    async fn tidy(&self, site: &PublishedSite, published_until: i64) -> Result<(), PublishError> {
        self.forget(site, published_until - 1).await?;
        for start in self.files.plans(&site.domain)?.into_iter().filter(|start| *start < published_until) {
            self.files.remove(&self.files.plan(&site.domain, start))?;
        }
        Ok(())
    }
}

fn moment(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or_default()
}
