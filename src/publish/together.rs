//! Windows of several sites are published together: each is planned by itself, and then the rows of all are written by the same inserts.
//! Small sites take an engine more time for the statements than for their rows.
//!
//! A window keeps the name of those it is written with in its plan, and nothing joins a name later: so an insert that was not confirmed comes
//! again with the same token, also after a kill.

use std::collections::{BTreeMap, VecDeque};
use std::ops::{ControlFlow, Range};

use super::error::PublishError;
use super::files::{CARRIED, COUNTED, HOURS};
use super::inserts::{Insert, Refused};
use super::plan::Plan;
use super::publisher::{Planned, Publisher, TOGETHER};
use super::tables::Tables;

/// With so many rows nothing more is added: they are in memory.
const ROWS: usize = 10_000;

impl<V: Tables, S: Tables> Publisher<V, S> {
    /// Publishes the windows of some sites that can be published now. Failures are logged. Of a site that has nothing to publish yet nothing
    /// is asked: each of many sites would ask every few seconds. A clock that was ahead ends the rest when it is put right.
    pub(super) async fn publish(&self, sites: Range<usize>) {
        let now = self.clock.now_to_publish();
        let rests = |index: &usize| {
            let (rests, site) = (&self.of_sites().rests, &self.sites[*index].domain);
            now.is_some_and(|now| rests.get(site).is_some_and(|rest| rest.contains(&now)))
        };
        let mut open: VecDeque<usize> = sites.filter(|index| !rests(index)).collect();
        while !open.is_empty() {
            for mut windows in self.gather(&mut open).await {
                let refused = self.write(&mut windows).await;
                for (at, Planned { index, window, .. }) in windows.iter().enumerate() {
                    let next = self.sites[*index].schedule.after(window.end);
                    match refused.as_ref().map(|refused| refused.get(&at)) {
                        Err(error) | Ok(Some(error)) => self.note_failure(*index, error),
                        Ok(None) if self.is_over(&next) => open.push_back(*index),
                        Ok(None) => {}
                    }
                }
            }
            self.forget_if(TOGETHER).await;
        }
    }

    /// Plans windows of the next sites, and says which are written together: the new ones, and those that were before.
    async fn gather(&self, open: &mut VecDeque<usize>) -> Vec<Vec<Planned>> {
        let (mut all, mut name, mut count, mut rows) = (BTreeMap::<_, Vec<_>>::new(), None, 0, 0);
        while count < TOGETHER
            && rows < ROWS
            && let Some(index) = open.pop_front()
        {
            match self.prepare(index, &mut name).await {
                Ok(ControlFlow::Continue(planned)) => {
                    count += 1;
                    rows += planned.plan.tables.iter().map(|(_, rows)| rows.len()).sum::<usize>();
                    all.entry(planned.plan.written_with.clone()).or_default().push(planned);
                }
                Ok(ControlFlow::Break(_)) => {}
                Err(error) => self.note_failure(index, &error),
            }
        }
        all.into_values().collect()
    }

    /// Logs why a site's window could not be published. An outage is logged once, not at every try.
    fn note_failure(&self, index: usize, error: &PublishError) {
        let (mut of_sites, site) = (self.of_sites(), &self.sites[index].domain);
        of_sites.tidied.remove(site);
        if of_sites.failing.insert(site.clone(), error.to_string()) != Some(error.to_string()) {
            tracing::warn!(site, %error, "a window could not be published");
        }
    }

    /// Writes the tables of windows that are not written yet; the ledger's rows are the last. Planning takes a while: a window that is not
    /// over by the clock of now leaves the list.
    pub(super) async fn write(&self, windows: &mut Vec<Planned>) -> Result<Refused, PublishError> {
        windows.retain(|planned| self.is_over(&planned.window));
        let name = windows.first().and_then(|planned| planned.plan.written_with.as_deref());
        let tables = windows
            .iter()
            .enumerate()
            .flat_map(|(of, planned)| planned.plan.tables.iter().map(move |(table, rows)| Insert { table, rows, of }));
        let inserts: Vec<_> = tables.collect();
        let mut refused = self.insert_once(name, &inserts).await?;
        let now_s = self.clock.now().as_second();
        let mut ledger = BTreeMap::new();
        for (of, Planned { index, plan, .. }) in windows.iter().enumerate().filter(|(of, _)| !refused.contains_key(of))
        {
            self.write_counts(&self.sites[*index].domain, plan)?;
            let mut row = plan.ledger.clone();
            row.insert("published_at".to_owned(), now_s.into());
            ledger.insert(of, row);
        }
        let inserts: Vec<_> = ledger
            .iter()
            .map(|(of, row)| Insert { table: "publications", rows: std::slice::from_ref(row), of: *of })
            .collect();
        refused.append(&mut self.insert_once(name, &inserts).await?);
        for (_, planned) in windows.iter().enumerate().filter(|(of, _)| !refused.contains_key(of)) {
            self.end(planned)?;
        }
        Ok(refused)
    }

    /// Writes what must be known of a window before its row is in the ledger.
    fn write_counts(&self, site: &str, plan: &Plan) -> Result<(), PublishError> {
        let path = self.files.of(site, CARRIED);
        match &plan.carried {
            Some(carried) => self.files.write(&path, carried)?,
            None => self.files.remove(&path)?,
        }
        self.files.write(&self.files.of(site, COUNTED), &plan.counted)
    }

    /// Ends the publication of a window that is in the ledger.
    fn end(&self, Planned { index, window, plan, path }: &Planned) -> Result<(), PublishError> {
        let site = &self.sites[*index].domain;
        self.files.remove(&self.files.of(site, HOURS))?;
        (self.on_publication)(site, window, &plan.first_declared);
        self.files.remove(path)?;
        let mut of_sites = self.of_sites();
        of_sites.seeds.insert(site.clone(), window.start.as_second());
        of_sites.failing.remove(site);
        tracing::info!(site, start = %window.start, end = %window.end, "published a window");
        Ok(())
    }
}
