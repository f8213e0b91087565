//! What each choice of `publish_every` would make visible: plans of days that the vault still has, computed and thrown away.
//!
//! Nothing is written to either store or to a file, and thresholds are drawn anew, so that nothing about real windows can be
//! read from the answer. It is the operator's to see: shares tell how small a site is.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::PublishError;
use super::plan::{self, Counted, Given, Plan, PublishedSite};
use super::rules::OTHER;
use super::tables::Tables;
use super::window::Schedule;
use crate::config::Identification;
use crate::secret::Secret;

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

/// Tables whose rows add up to a total, the measure that does, and its place in [`Plan::truth`].
pub const TOLD: [(&str, &str, usize); 10] = [
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

/// What one choice makes visible.
#[derive(Debug, Default, PartialEq)]
pub struct Outlook {
    /// Windows that show anything, and all.
    pub windows: (u32, u32),
    /// By table: what stands in rows with a name of their own, and all there is.
    pub tables: BTreeMap<&'static str, (u64, u64)>,
}

impl Outlook {
    /// Takes a window's plan in.
    pub fn add(&mut self, plan: &Plan) {
        self.windows.0 += u32::from(plan.tables.iter().any(|(table, _)| table == "site"));
        self.windows.1 += 1;
        for (table, measure, of) in TOLD {
            let told = self.tables.entry(table).or_default();
            told.1 += plan.truth[of];
            let rows = plan.tables.iter().filter(|(name, _)| name == table).flat_map(|(_, rows)| rows);
            let named = rows.filter(|row| !row.values().any(|value| value == OTHER));
            told.0 += named.filter_map(|row| row.get(measure)?.as_u64()).sum::<u64>();
        }
    }

    /// The share of a table that stands in rows with a name of their own, in percent.
    pub fn percent(&self, table: &str) -> u64 {
        match self.tables.get(table) {
            // Numbers are rounded one by one, so that many small ones may add up to a little more than there is.
            Some((named, all)) if *all > 0 => (named * 100 / all).min(100),
            _ => 0,
        }
    }
}

/// What each choice would have made visible of the local day before `now`; for seven days, of the week's days that the vault
/// still has.
pub async fn of_yesterday<V: Tables>(
    vault: &V,
    site: &PublishedSite,
    now: Timestamp,
) -> Result<Vec<(&'static str, Outlook)>, PublishError> {
    let cut = |minutes| {
        Schedule::new(&site.time_zone, minutes)
            .map_err(|error| PublishError::Site { domain: site.domain.clone(), message: error.to_string() })
    };
    let day = {
        let days = cut(1_440)?;
        let today = days.containing(now);
        days.containing(Timestamp::from_second(today.start.as_second() - 1).unwrap_or(today.start))
    };
    let mut outlooks = Vec::new();
    for (name, minutes) in CHOICES {
        let schedule = cut(minutes)?;
        if schedule.is_weekly() && site.identity != Identification::Cookie {
            continue;
        }
        let mut outlook = Outlook::default();
        let mut window = schedule.containing(day.start);
        loop {
            let site = PublishedSite { schedule: schedule.clone(), ..site.clone() };
            let seed = Secret::random();
            let counted = Counted::default();
            let given = Given { seed: seed.expose(), complete: true, counted: &counted, finer: 0 };
            outlook.add(&plan::compute(vault, &site, &window, &given).await?);
            if window.end >= day.end {
                break;
            }
            window = schedule.after(window.end);
        }
        outlooks.push((name, outlook));
    }
    Ok(outlooks)
}

/// The answer as a table: a line per table, a column per choice.
pub fn describe(site: &str, outlooks: &[(&str, Outlook)]) -> String {
    let mut text =
        format!("{site}, yesterday: percent that stands in rows with a name of their own, by publish_every\n\n");
    let mut line = |name: &str, cells: Vec<String>| {
        let cells: String = cells.iter().map(|cell| format!("{cell:>7}")).collect();
        text += &format!("  {name:<14}{cells}\n");
    };
    line("", outlooks.iter().map(|(name, _)| (*name).to_owned()).collect());
    line("windows shown", outlooks.iter().map(|(_, look)| format!("{}/{}", look.windows.0, look.windows.1)).collect());
    for (table, ..) in TOLD {
        line(table, outlooks.iter().map(|(_, look)| look.percent(table).to_string()).collect());
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_folded_and_windows_that_show_nothing_lower_the_share() {
        let mut shown = Plan { truth: [100, 40, 30], ..Plan::default() };
        let row = |path: &str, views: u64| json!({ "path": path, "views": views }).as_object().expect("a map").clone();
        shown.tables.push(("site".to_owned(), Vec::new()));
        shown.tables.push(("pages".to_owned(), vec![row("/", 60), row("/a", 20), row(OTHER, 20)]));
        let hidden = Plan { truth: [60, 1, 1], ..Plan::default() };
        let mut outlook = Outlook::default();
        outlook.add(&shown);
        assert_eq!(outlook.percent("pages"), 80);
        outlook.add(&hidden);
        assert_eq!((outlook.percent("pages"), outlook.windows), (50, (1, 2)));
        assert_eq!(outlook.percent("entries"), 0);
        assert!(describe("a.kz", &[("24h", outlook)]).contains("pages              50\n"));
    }
}
