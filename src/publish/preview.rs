//! The preview: what each choice of `publish_every` would publish. It computes plans of days that the vault still has, and
//! discards them.
//!
//! Nothing is written to a store or to a file. Each plan has a new random seed, so the answer reveals nothing about real
//! windows. The preview is for the operator: its shares reveal how small a site is.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::cells::OTHER;
use super::error::PublishError;
use super::model::PublishedSite;
use super::plan::{self, Counted, Plan, PlanInput};
use super::tables::Tables;
use crate::config::Identification;
use crate::secret::Secret;
use crate::window::Schedule;

/// The choices, with their minutes.
pub const CHOICES: [(&str, u32); 9] = [
    ("1h", 60),
    ("2h", 120),
    ("3h", 180),
    ("4h", 240),
    ("6h", 360),
    ("8h", 480),
    ("12h", 720),
    ("24h", 1_440),
    ("7d", 10_080),
];

/// Tables whose rows add up to a total; for each the measure and its index in [`Plan::exact_totals`].
pub const SUMMED_TABLES: [(&str, &str, usize); 10] = [
    ("hours", "views", 0),
    ("pages", "views", 0),
    ("entries", "visits", 1),
    ("landings", "visits", 1),
    ("campaigns", "visits", 1),
    ("visits", "visits", 1),
    ("places", "visitors", 2),
    ("clients", "visitors", 2),
    ("devices", "visitors", 2),
    ("retention", "visitors", 2),
];

/// What one choice would publish.
#[derive(Debug, Default, PartialEq)]
pub struct Preview {
    /// Windows of which something is published, and all windows.
    pub windows: (u32, u32),
    /// By table: the sum of the rows that are not `(other)`, and the exact total.
    pub tables: BTreeMap<&'static str, (i64, u64)>,
}

impl Preview {
    /// Adds the plan of a window.
    pub fn add(&mut self, plan: &Plan) {
        self.windows.0 += u32::from(plan.tables.iter().any(|(table, _)| table == "site"));
        self.windows.1 += 1;
        for (table, measure, of) in SUMMED_TABLES {
            let sums = self.tables.entry(table).or_default();
            sums.1 += plan.exact_totals[of];
            let rows = plan.tables.iter().filter(|(name, _)| name == table).flat_map(|(_, rows)| rows);
            let named = rows.filter(|row| !row.values().any(|value| value == OTHER));
            sums.0 += named.filter_map(|row| row.get(measure)?.as_i64()).sum::<i64>();
        }
    }

    /// The share of a table in rows that are not `(other)`, in percent.
    pub fn percent(&self, table: &str) -> u64 {
        match self.tables.get(table) {
            // Each number has its own noise, so they may add up to more than the total, or to less than nothing.
            Some((named, all)) if *all > 0 => (u64::try_from(*named).unwrap_or(0) * 100 / all).min(100),
            _ => 0,
        }
    }
}

/// What each choice would have published of the local day before `now`; for seven days, of the days of that week that the vault
/// still has. Shorter windows than the site's cannot be computed, since no row has a more exact time.
pub async fn of_yesterday<V: Tables>(
    vault: &V,
    site: &PublishedSite,
    now: Timestamp,
) -> Result<Vec<(&'static str, Preview)>, PublishError> {
    let cut = |minutes| {
        Schedule::new(&site.time_zone, minutes)
            .map_err(|error| PublishError::Site { domain: site.domain.clone(), message: error.to_string() })
    };
    let day = {
        let days = cut(1_440)?;
        let today = days.containing(now);
        days.containing(Timestamp::from_second(today.start.as_second() - 1).unwrap_or(today.start))
    };
    let mut previews = Vec::new();
    for (name, minutes) in CHOICES {
        let schedule = cut(minutes)?;
        if schedule.is_weekly() && site.identity != Identification::Cookie {
            continue;
        }
        // Rows have no more exact time than the windows that the site has now.
        if !minutes.is_multiple_of(site.schedule.minutes()) {
            continue;
        }
        let mut preview = Preview::default();
        let mut window = schedule.containing(day.start);
        loop {
            let site = PublishedSite { schedule: schedule.clone(), ..site.clone() };
            let seed = Secret::random();
            let counted = Counted::default();
            let input = PlanInput { seed: seed.expose(), complete: true, counted: &counted, split_shift: 0 };
            preview.add(&plan::compute(vault, &site, &window, &input).await?);
            if window.end >= day.end {
                break;
            }
            window = schedule.after(window.end);
        }
        previews.push((name, preview));
    }
    Ok(previews)
}

/// The answer as a table: a line per table, a column per choice.
pub fn describe(site: &str, previews: &[(&str, Preview)]) -> String {
    let mut text = format!("{site}, yesterday: percent in rows that are not (other), by publish_every\n\n");
    let mut line = |name: &str, cells: Vec<String>| {
        let cells: String = cells.iter().map(|cell| format!("{cell:>7}")).collect();
        text += &format!("  {name:<14}{cells}\n");
    };
    line("", previews.iter().map(|(name, _)| (*name).to_owned()).collect());
    line(
        "windows",
        previews.iter().map(|(_, preview)| format!("{}/{}", preview.windows.0, preview.windows.1)).collect(),
    );
    for (table, ..) in SUMMED_TABLES {
        line(table, previews.iter().map(|(_, preview)| preview.percent(table).to_string()).collect());
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn folded_rows_and_unpublished_windows_lower_the_share() {
        let mut published = Plan { exact_totals: [100, 40, 30], ..Plan::default() };
        let row = |path: &str, views: u64| json!({ "path": path, "views": views }).as_object().expect("a map").clone();
        published.tables.push(("site".to_owned(), Vec::new()));
        published.tables.push(("pages".to_owned(), vec![row("/", 60), row("/a", 20), row(OTHER, 20)]));
        let unpublished = Plan { exact_totals: [60, 1, 1], ..Plan::default() };
        let mut preview = Preview::default();
        preview.add(&published);
        assert_eq!(preview.percent("pages"), 80);
        preview.add(&unpublished);
        assert_eq!((preview.percent("pages"), preview.windows), (50, (1, 2)));
        assert_eq!(preview.percent("entries"), 0);
        assert!(describe("a.kz", &[("24h", preview)]).contains("pages              50\n"));
    }
}
