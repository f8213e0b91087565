//! The preview: what each choice of `publish_every` and of the level would publish, and with which error; and what a month of days would
//! name. It computes plans of days that the vault still has, and discards them.
//!
//! The month is played: each of its days has the cells of yesterday, and of their visitors as many come for the first time in their week
//! and month as is usual by how long they had been away. Not promised: that the month comes so. Days differ, and other names come.
//!
//! Nothing is written to a store or to a file. Each plan has a new random seed, so the answer reveals nothing about real
//! windows. The preview is for the operator: its shares reveal how small a site is.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::civil::Date;

use super::carry::Carried;
use super::counted::Counted;
use super::error::PublishError;
use super::gaussian::Bits;
use super::hours::Hours;
use super::model::PublishedSite;
use super::plan::{self, Names, Plan, PlanInput, Shown};
use super::seen::Seen;
use super::tables::Tables;
use super::total;
use super::window_reader::WindowReader;
use crate::config::{Identification, Protection};
use crate::secret::Secret;
use crate::window::{Schedule, Window};

/// The choices, in hours.
const CHOICES: [u32; 9] = [1, 2, 3, 4, 6, 8, 12, 24, 7 * 24];
const MONTH_MINUTES: u32 = 30 * 1_440;
/// A cell on so many networks has a name every day, at each level. So nothing of it is left for a week.
const SURELY_NAMED: u64 = 100;

/// What one choice would publish.
#[derive(Debug, Default, PartialEq)]
pub struct Preview {
    /// Windows of which something is published, and all windows.
    pub windows: (u32, u32),
    /// By table and column, of all windows together.
    pub shown: BTreeMap<(&'static str, String), Shown>,
    /// The names of all windows together, by table.
    pub names: Names,
}

/// A choice of `publish_every`, with what it would publish at each of [`Protection::ALL`].
pub struct Choice {
    /// As in the configuration.
    pub name: String,
    minutes: u32,
    /// In the order of the levels.
    pub levels: [Preview; 3],
    /// A month of such days, if its weeks and itself name what a day does not.
    pub month: Option<Month>,
}

/// A month, each of whose days is like yesterday.
pub struct Month {
    days: u32,
    /// How many of a day's visitors come for the first time in their week, and in their month.
    first: [f64; 2],
    /// In the order of the levels.
    pub levels: [Preview; 3],
}

impl Preview {
    /// Adds the plan of a window.
    pub fn add(&mut self, plan: &Plan) {
        self.windows.0 += u32::from(plan.tables.iter().any(|(table, _)| table == "site"));
        self.windows.1 += 1;
        for (number, shown) in &plan.shown {
            self.shown.entry(number.clone()).or_default().add(shown);
        }
        for (table, names) in &plan.names {
            self.names.entry(table).or_default().extend(names.iter().cloned());
        }
    }

    /// The share of a number in rows that are not `(other)`, in percent; `None` if `(other)` does not have it.
    pub fn percent(&self, table: &'static str, column: &str) -> Option<u64> {
        let shown = self.shown.get(&(table, column.to_owned())).copied().unwrap_or_default();
        let percent = shown.named.saturating_mul(100).checked_div(shown.all?);
        // Each number has its own noise, so they may add up to more than the total, or to less than nothing.
        Some(percent.unwrap_or(0).clamp(0, 100) as u64)
    }

    /// The standard deviation of the noise of a usual row with a name, in percent of its number: in one window, and in the sum of as
    /// many windows as a month has.
    fn errors(&self, shown: &Shown, level: Protection, minutes: u32) -> [f64; 2] {
        let usual = shown.named as f64 / shown.rows.max(1) as f64;
        let percent = f64::from(level.sigma() * shown.wide) / usual.max(0.01) * 100.0;
        [percent, percent / f64::from(MONTH_MINUTES.div_ceil(minutes)).sqrt()]
    }

    /// The same of all rows of a usual name together, of days, weeks and the month. The noise of a row is that of its windows.
    fn error_of_names(&self, shown: &Shown, level: Protection, names: usize) -> f64 {
        let noise = f64::from(level.sigma() * shown.wide) * (shown.windows as f64 * names as f64).sqrt();
        noise / (shown.named as f64).max(0.01) * 100.0
    }
}

/// What each choice would have published of the local day before `now`; for seven days, of the days of that week that the vault
/// still has. Shorter windows than the site's cannot be computed, since no row has a more exact time.
pub async fn of_yesterday<V: Tables>(
    vault: &V,
    site: &PublishedSite,
    now: Timestamp,
) -> Result<Vec<Choice>, PublishError> {
    let cut = |minutes| {
        Schedule::new(&site.time_zone, minutes)
            .map_err(|error| PublishError::Site { domain: site.domain.clone(), message: error.to_string() })
    };
    let day = {
        let days = cut(1_440)?;
        let today = days.containing(now);
        days.containing(Timestamp::from_second(today.start.as_second() - 1).unwrap_or(today.start))
    };
    let mut choices = Vec::new();
    for hours in CHOICES {
        let minutes = 60 * hours;
        let schedule = cut(minutes)?;
        if schedule.is_weekly() && site.identity != Identification::Cookie {
            continue;
        }
        // Rows have no more exact time than the windows that the site has now.
        if !minutes.is_multiple_of(site.schedule.minutes()) {
            continue;
        }
        let site = PublishedSite { schedule, ..site.clone() };
        let name = if hours > 24 { format!("{}d", hours / 24) } else { format!("{hours}h") };
        let mut choice = Choice { name, minutes, levels: Default::default(), month: None };
        let mut window = site.schedule.containing(day.start);
        loop {
            let seen = look(vault, &site, &window).await?;
            for (level, preview) in Protection::ALL.into_iter().zip(&mut choice.levels) {
                preview.add(&plan_of(&seen, &site, level, &window, &Carried::default()));
            }
            if Carried::default().before(&site, &window).is_some() {
                choice.month = Some(Month::play(seen, &site, window.first_day));
            }
            if window.end >= day.end {
                break;
            }
            window = site.schedule.after(window.end);
        }
        choices.push(choice);
    }
    Ok(choices)
}

/// Reads all that the vault has of a window, also what would not be published.
async fn look<V: Tables>(vault: &V, site: &PublishedSite, window: &Window) -> Result<Seen, PublishError> {
    let reader = WindowReader { vault, site, window, split_shift: 0 };
    let rows = reader.fingerprint().await?;
    let mut seen = Seen::of_total(&reader, &Counted::default(), &rows).await?;
    if site.identity != Identification::None {
        let noise_source = plan::noise_source(site, &seen, Secret::random().expose());
        seen.read_tables(&reader, &noise_source, &rows).await?;
    }
    Ok(seen)
}

fn plan_of(seen: &Seen, site: &PublishedSite, protection: Protection, window: &Window, carried: &Carried) -> Plan {
    let site = PublishedSite { protection, ..site.clone() };
    let (seed, counted, hours) = (Secret::random(), Counted::default(), Hours::default());
    let seed = seed.expose();
    let input = PlanInput { seed, complete: true, counted: &counted, carried, hours: &hours };
    plan::of_seen(seen, &site, window, &input)
}

impl Month {
    /// Plays the month of a day.
    fn play(mut seen: Seen, site: &PublishedSite, day: Date) -> Self {
        let first = first_days(&seen);
        let days = day.days_in_month().unsigned_abs().into();
        let mut month = Self { days, first, levels: Default::default() };
        let mut carried: [Carried; 3] = Default::default();
        let mut dice = Bits::new(Secret::random().expose(), ["first days"]);
        let mut is_first = || {
            let chance = dice.below(1_000_000) as f64 / 1e6;
            first.map(|share| chance < share)
        };
        let mut day = day.first_of_month();
        for _ in 0..days {
            for cell in seen.tables.iter_mut().flat_map(|filled| &mut filled.cells) {
                if cell.crowd.classes() < SURELY_NAMED {
                    cell.crowd.with_first_days(&mut is_first);
                }
            }
            let window = site.schedule.containing(site.schedule.day_start(day));
            for ((level, preview), carried) in Protection::ALL.into_iter().zip(&mut month.levels).zip(&mut carried) {
                let plan = plan_of(&seen, site, level, &window, carried);
                preview.add(&plan);
                *carried = plan.carried.unwrap_or_default();
            }
            day = day.tomorrow().unwrap_or(day);
        }
        month
    }
}

/// Which share of a day's visitors come for the first time in their week and month, on average over its days: who was last there `n` days ago does on
/// `n` days of seven and of thirty. Where nobody knows how long they had been away: which share did yesterday.
fn first_days(seen: &Seen) -> [f64; 2] {
    let away = seen.tables.iter().filter(|filled| filled.target.into == "recency").flat_map(|filled| &filled.cells);
    let away = away.filter_map(|cell| Some((cell.dimensions.first()?.as_str(), *cell.amounts.first()?)));
    let (mut all, mut first) = (0.0, [0.0; 2]);
    for (absence, visitors) in away {
        let digits = absence.split(|of: char| !of.is_ascii_digit()).next().unwrap_or_default();
        all += visitors as f64;
        for (first, days) in first.iter_mut().zip([7f64, 30.0]) {
            *first += visitors as f64 * (digits.parse().unwrap_or(days) / days).min(1.0);
        }
    }
    if all == 0.0 {
        all = total::sum(&seen.patterns, |pattern| pattern.visitors) as f64;
        let with = |bit: u8| total::sum(&seen.patterns, |of| of.visitors * u64::from(of.flags >> bit & 1)) as f64;
        first = [with(1), with(2)];
    }
    first.map(|first| if all > 0.0 { first / all } else { 0.0 })
}

/// The answer as a text: a block for each choice, with a line for each number and a column for each level.
pub fn describe(site: &str, choices: &[Choice]) -> String {
    let mut text = format!(
        "{site}, yesterday. For each level: percent in rows with a name; rows with a name in a window; the error (the standard\n\
         deviation of the noise) of a usual one, in percent of its number, in one window and in the windows of a month together.\n"
    );
    for Choice { name, minutes, levels, month } in choices {
        block(&mut text, &format!("publish_every = \"{name}\""), levels, |preview, number, shown, level| {
            let rows = shown.rows.div_ceil(preview.windows.0.max(1).into());
            let [window, month] = preview.errors(shown, level, *minutes).map(in_percent);
            format!("{:>6}{rows:>6}{window:>9}{month:>9}", share(preview, number))
        });
        let Some(Month { days, first: [week, in_month], levels }) = month else { continue };
        let head = format!(
            "publish_every = \"{name}\", a month of {days} such days, with the names of its weeks and its own. {:.0} % of a day's visitors come for\n\
             the first time in their week, {:.0} % in their month. Percent in rows with a name; names; the error of a usual one in the month.",
            week * 100.0,
            in_month * 100.0
        );
        block(&mut text, &head, levels, |preview, number, shown, level| {
            let names = preview.names.get(number.0).map_or(0, |names| names.len()).max(1);
            let error = in_percent(preview.error_of_names(shown, level, names));
            format!("{:>6}{names:>6}{error:>18}", share(preview, number))
        });
    }
    text
}

/// A table and a column of it.
type Number = (&'static str, String);

/// A line for each number, with a cell for each level.
fn block(
    text: &mut String,
    head: &str,
    levels: &[Preview; 3],
    cell: impl Fn(&Preview, &Number, &Shown, Protection) -> String,
) {
    write!(text, "\n{head}\n  {:<26}", "").expect("a text grows");
    for (level, preview) in Protection::ALL.iter().zip(levels) {
        let name = format!("{level:?}").to_lowercase();
        let head = format!("{name}, {} of {} windows", preview.windows.0, preview.windows.1);
        write!(text, "{head:>30}").expect("a text grows");
    }
    let numbers: std::collections::BTreeSet<_> = levels.iter().flat_map(|preview| preview.shown.keys()).collect();
    for number in numbers {
        write!(text, "\n  {:<26}", format!("{}.{}", number.0, number.1)).expect("a text grows");
        for (level, preview) in Protection::ALL.into_iter().zip(levels) {
            let shown = preview.shown.get(number).filter(|shown| shown.rows > 0);
            let cell = shown.map_or("(other) alone".to_owned(), |shown| cell(preview, number, shown, level));
            write!(text, "{cell:>30}").expect("a text grows");
        }
    }
    text.push('\n');
}

fn share(preview: &Preview, number: &Number) -> String {
    preview.percent(number.0, &number.1).map_or(String::new(), |share| format!("{share} %"))
}

fn in_percent(percent: f64) -> String {
    match percent {
        percent if percent > 999.0 => "> 999 %".to_owned(),
        percent if percent < 10.0 => format!("{percent:.1} %"),
        percent => format!("{percent:.0} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(named: i64, rows: u64, all: Option<i64>) -> Shown {
        Shown { named, rows, windows: rows, all, wide: 1 }
    }

    #[test]
    fn folded_rows_and_unpublished_windows_lower_the_share() {
        let plan = |named, rows, all| {
            let mut plan = Plan::default();
            plan.tables.push(("site".to_owned(), Vec::new()));
            plan.shown.insert(("pages", "views".to_owned()), shown(named, rows, Some(all)));
            plan.shown.insert(("pages", "visitors".to_owned()), shown(named, rows, None));
            plan
        };
        let mut preview = Preview::default();
        preview.add(&plan(80, 2, 100));
        assert_eq!(preview.percent("pages", "views"), Some(80));
        preview.add(&plan(0, 0, 60));
        preview.add(&Plan::default());
        assert_eq!((preview.percent("pages", "views"), preview.windows), (Some(50), (2, 3)));
        assert_eq!((preview.percent("pages", "visitors"), preview.percent("entries", "visits")), (None, None));
    }

    #[test]
    fn an_error_is_that_of_a_usual_row_and_smaller_in_a_month() {
        let mut preview = Preview { windows: (1, 1), ..Preview::default() };
        preview.shown.insert(("entries", "bounces".to_owned()), shown(180, 2, Some(200)));
        let of = |level, minutes| preview.errors(&shown(180, 2, None), level, minutes);
        assert_eq!(of(Protection::Standard, 1_440)[0], 10.0);
        assert!((of(Protection::Standard, 1_440)[1] - 10.0 / 30f64.sqrt()).abs() < 1e-9);
        assert!(of(Protection::Strict, 1_440) > of(Protection::Internal, 1_440));
        let day = Choice {
            name: "24h".to_owned(),
            minutes: 1_440,
            levels: [preview, Preview::default(), Preview::default()],
            month: None,
        };
        let text = describe("a.kz", &[day]);
        let line = text.lines().find(|line| line.contains("entries.bounces")).expect("a line");
        assert_eq!(
            line.split_whitespace().collect::<Vec<_>>().join(" "),
            "entries.bounces 90 % 2 13 % 2.4 % (other) alone (other) alone"
        );
    }
}
