//! The queries of the page: one file each in `sql`, and their parameters.
//!
//! Each has the parameters `site`, `from`, `to` (not included), `zone` and `item`, of which it uses what it needs. `noise` in an
//! answer is the σ of the windows of that row; the page knows how much wider the noise of each number is (`schema/noise.json`).

use jiff::civil::Date;

/// The sites that an account reads, each with the seconds of its first and last published window.
pub(super) const SITES: &str = include_str!("sql/sites.sql");

/// The longest period, in days: longer than numbers are kept.
const DAYS_MAX: i32 = 1200;

macro_rules! panels {
    ($($name:literal),* $(,)?) => {
        /// The panels' names and queries.
        const PANELS: &[(&str, &str)] = &[$(($name, include_str!(concat!("sql/", $name, ".sql")))),*];
    };
}

panels![
    "attributes",
    "bots",
    "browsers",
    "campaigns",
    "channels",
    "countries",
    "days",
    "declared",
    "depth",
    "devices",
    "errors",
    "experiments",
    "flow",
    "funnels",
    "goals",
    "hours",
    "landings",
    "length",
    "outbound",
    "outcomes",
    "pages",
    "recency",
    "regions",
    "retention",
    "searches",
    "sections",
    "sources",
    "today",
    "totals",
    "trust",
    "ways",
];

/// The query of a panel.
pub(super) fn sql(panel: &str) -> Option<&'static str> {
    PANELS.iter().find(|(name, _)| *name == panel).map(|(_, sql)| *sql)
}

/// A period of whole days.
pub(super) struct Period {
    pub(super) from: String,
    pub(super) to: String,
}

impl Period {
    /// Both days as `2026-11-29`; the second is not included.
    pub(super) fn of(from: &str, to: &str) -> Option<Self> {
        let day = |text: &str| (text.len() == 10).then(|| text.parse::<Date>().ok()).flatten();
        let (from, to) = (day(from)?, day(to)?);
        let days = from.until(to).ok()?.get_days();
        (1..=DAYS_MAX).contains(&days).then(|| Self { from: from.to_string(), to: to.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_of_whole_days_in_order() {
        let given = |from: &str, to: &str| Period::of(from, to).map(|period| (period.from, period.to));
        assert_eq!(given("2026-02-28", "2026-03-01"), Some(("2026-02-28".to_owned(), "2026-03-01".to_owned())));
        for (from, to) in [
            ("2026-03-01", "2026-03-01"),
            ("2026-03-02", "2026-03-01"),
            ("2020-01-01", "2026-01-01"),
            ("2026-02-30", "2026-03-01"),
            ("2026-03-01T00:00", "2026-04-01"),
            ("", ""),
        ] {
            assert_eq!(given(from, to), None, "{from} {to}");
        }
    }
}
