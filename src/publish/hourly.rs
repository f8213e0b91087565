//! The publisher's way for the hours of a running window ([`super::hours`]): each is judged once, noted in a file, and then written.

use std::path::Path;

use jiff::Timestamp;

use super::apart_tables::ApartTable;
use super::crowd::NETWORK_CAP;
use super::error::PublishError;
use super::files::HOURS;
use super::hours::{self, Hour, Hours, REPORTED, Reported, WRITTEN, Written};
use super::inserts::Insert;
use super::model::PublishedSite;
use super::noise::NoiseSource;
use super::publisher::Publisher;
use super::tables::{Tables, ask};
use crate::window::Window;

impl<V: Tables, S: Tables> Publisher<V, S> {
    /// Publishes the hours of a running window that all nodes have reported. It stops at one that a node still has to report; true if
    /// there is none.
    pub(super) async fn publish_hours(
        &self,
        site: &PublishedSite,
        window: &Window,
        now: Timestamp,
    ) -> Result<bool, PublishError> {
        let ended = site.hours_of(window, now);
        if ended.is_empty() {
            return Ok(true);
        }
        let (path, target) = (self.files.of(&site.domain, HOURS), ApartTable::hours());
        let mut known = self.write_last_hour(site, window).await?;
        let until = known.until;
        for hour in ended.iter().filter(|hour| hour.window.end.as_second() > until) {
            let Some(reported) = self.reported(site, hour).await? else { return Ok(false) };
            known.until = hour.window.end.as_second();
            if let Some(Written { views, visits }) = self.written(site, window, hour).await? {
                known.judged.insert(hour.name.clone(), Some(vec![views, visits]));
            } else if hours::is_complete(&reported) {
                let seed = self.seed(site, window).await?;
                let noise_source = NoiseSource::new(seed.as_bytes(), site.protection, NETWORK_CAP);
                let noise_source = noise_source.keys_lost(hours::keys_lost(&reported));
                let row = hours::judge(&target.table, &noise_source, &hour.name, &reported);
                let numbers = row.as_ref().map(|row| row.measures.iter().map(|number| number.unwrap_or(0)).collect());
                known.judged.insert(hour.name.clone(), numbers);
                known.unwritten = row.map(|row| target.row(site.row(window), row));
            }
            if self.clock.now_to_publish().is_none() {
                return Ok(false);
            }
            self.write_hour(&path, &mut known).await?;
        }
        Ok(true)
    }

    /// Writes the row that was judged before and may not be written; returns what is known of the window's hours.
    pub(super) async fn write_last_hour(&self, site: &PublishedSite, window: &Window) -> Result<Hours, PublishError> {
        let path = self.files.of(&site.domain, HOURS);
        let mut known = self.files.read::<Hours>(&path)?.unwrap_or_default().of(window);
        if known.unwritten.is_some() {
            self.write_hour(&path, &mut known).await?;
        }
        Ok(known)
    }

    /// Notes what was judged before it can be seen, so that it is never judged again.
    async fn write_hour(&self, path: &Path, known: &mut Hours) -> Result<(), PublishError> {
        self.files.write(path, known)?;
        if let Some(row) = known.unwritten.take() {
            let insert = Insert { table: hours::TABLE, rows: &[row], of: 0 };
            if let Some((_, refused)) = self.insert_once(None, &[insert]).await?.pop_first() {
                return Err(refused);
            }
            self.files.write(path, known)?;
        }
        Ok(())
    }

    /// The numbers of an hour that the stats store has.
    async fn written(
        &self,
        site: &PublishedSite,
        window: &Window,
        hour: &Hour,
    ) -> Result<Option<Written>, PublishError> {
        let [start, end] = [window.start, window.end].map(|at| at.as_second().to_string());
        let parameters = [("site", site.domain.clone()), ("start", start), ("end", end), ("hour", hour.name.clone())];
        Ok(ask(&self.stats, "looking for a published hour", WRITTEN, &parameters).await?.into_iter().next())
    }

    /// What the nodes have reported of an hour; `None` while one that is not silent has not.
    async fn reported(&self, site: &PublishedSite, hour: &Hour) -> Result<Option<Vec<Reported>>, PublishError> {
        let end = hour.window.end.as_second().to_string();
        let of_hour = [("site", site.domain.clone()), ("end", end)];
        let reported: Vec<Reported> = ask(&self.vault, "reading the counts of an hour", REPORTED, &of_hour).await?;
        if reported.is_empty() {
            return Ok(None);
        }
        let has_reported = |node: &str| reported.iter().any(|of| of.node == node);
        let waits = self.hear(|nodes, leases, now| nodes.hour_waits(has_reported, leases, now)).await?;
        Ok((!waits).then_some(reported))
    }
}
