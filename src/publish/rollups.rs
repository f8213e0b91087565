//! The tables that are counted from events, for one site: the list ([`super::rollup_list`]) and what the site declares.
//! [`super::queries`] makes one query of all.

use super::cells::{Cell, CellsByPlace, Measure, Rest, Table};
use super::model::PublishedSite;
use super::rollup_list::{
    BEGUN, By, Contribution, DIMENSIONS, FIRST, GOALS, OF_VISITS, SECONDS, TABLES, VISITORS, VISITS_MAX, contribution,
    goals_of_visits_wide, goals_wide,
};
use super::target::Target;

/// The contributions to one source of cells, each with its dimensions. Several tables may be made of one source.
pub(super) type Source = Vec<(Contribution, [String; 2])>;

/// How the cells of a source become rows of a table.
pub(super) struct Rollup {
    /// The index of the source.
    pub(super) source: usize,
    pub(super) target: Target,
    /// The query's measures that it has, in its order.
    pub(super) takes: Vec<usize>,
    /// The steps of a funnel. Empty for all other tables.
    pub(super) steps: Vec<String>,
}

/// All sources and tables of a site.
#[derive(Default)]
pub(super) struct Rollups {
    pub(super) sources: Vec<Source>,
    pub(super) tables: Vec<Rollup>,
    /// SQL columns of a visit for what the site declared.
    pub(super) declared: Vec<String>,
    /// The names of the site's goals; the query has a measure for each.
    pub(super) goals: Vec<String>,
}

impl Rollup {
    /// The table's cells out of the cells of its source.
    pub(super) fn cells(&self, source: Option<&CellsByPlace>) -> Vec<Cell> {
        let cells = source.into_iter().flat_map(CellsByPlace::iter);
        cells.map(|cell| cell.with(&self.takes).at(self.target.table.dimensions.len())).collect()
    }
}

impl Rollups {
    /// The tables that a site's policy lists, and those that its configuration declares.
    pub(super) fn of(site: &PublishedSite) -> Self {
        let mut all = Self { goals: site.goals.keys().cloned().collect(), ..Self::default() };
        for (at, what) in site.goals.values().enumerate() {
            let column = if what.starts_with('/') { "path" } else { "name" };
            all.declared.push(format!("max({column} = {}) AS goal_{at}", literal(what)));
        }
        for entry in TABLES.iter().filter(|entry| (entry.listed)(&site.items)) {
            let source = all.source(entry.contributions.iter().map(|known| (*known, known.place.map(str::to_owned))));
            let (mut measures, mut takes): (Vec<_>, Vec<_>) = (entry.measures)().into_iter().unzip();
            let has_goals = entry.contributions.iter().any(|known| known.by == By::Goals);
            if has_goals {
                let wide = goals_of_visits_wide(site.goals.len());
                measures.extend(site.goals.iter().map(|(name, what)| goal(&format!("goal {name}"), what, wide)));
                takes.extend((0..all.goals.len()).map(|goal| GOALS + goal));
            }
            let mut target = Target { has_goals, ..Target::new(entry.into, entry.columns, measures, entry.cells) };
            (target.table.overlapping, target.table.parent_wide) = (entry.overlapping, entry.parent_wide);
            all.tables.push(Rollup { source, target, takes, steps: Vec::new() });
        }
        all.experiments(site);
        all.funnels(site);
        all.pairs(site);
        all
    }

    /// How many seconds a visitor-day adds to a cell of a source at most.
    pub(super) fn seconds_of(&self, source: usize) -> u32 {
        let tables = self.tables.iter().filter(|table| table.source == source);
        let measures = tables.flat_map(|table| table.takes.iter().zip(&table.target.table.measures));
        measures.filter(|(take, _)| **take == SECONDS).map(|(_, measure)| measure.bound).max().unwrap_or(0)
    }

    fn source(&mut self, contributions: impl Iterator<Item = (Contribution, [String; 2])>) -> usize {
        self.sources.push(contributions.collect());
        self.sources.len() - 1
    }

    /// A source to which each visit that began in the window adds one.
    fn source_of_visits(&mut self, by: By, place: [String; 2]) -> usize {
        self.source([(contribution(by, BEGUN, ["", ""], ["1", "", "", ""]), place)].into_iter())
    }

    /// The first variant of every visit. Each experiment and goal has a table; an experiment's tables share one source.
    fn experiments(&mut self, site: &PublishedSite) {
        let wide = goals_wide(site.goals.len());
        for (at, name) in site.experiments.iter().enumerate() {
            let of = literal(name);
            self.declared
                .push(format!("argMinIf(toString(variant), step, name = {of} AND variant != '') AS variant_{at}"));
            let source = self.source_of_visits(By::Goals, [format!("variant_{at}"), String::new()]);
            for (at, (goal_name, what)) in site.goals.iter().enumerate() {
                let measures =
                    vec![Measure::new("visits", OF_VISITS, VISITS_MAX).wide(2), goal("converted", what, wide)];
                let table = Table::new("experiments", &[name], measures, VISITS_MAX);
                let fixed = vec![("experiment", name.clone().into()), ("goal", goal_name.clone().into())];
                let target = Target { table, fixed, ..Target::new("experiments", &[&["variant"]], Vec::new(), 0) };
                self.tables.push(Rollup { source, target, takes: vec![FIRST, GOALS + at], steps: Vec::new() });
            }
        }
    }

    /// How many steps of a funnel every visit took, in their order.
    fn funnels(&mut self, site: &PublishedSite) {
        if !site.funnels.is_empty() {
            self.declared.push(
                "arraySort(groupArrayIf(400)((step, toString(if(type = 'view', path, name))), type IN ('view', 'event'))) \
                 AS actions"
                    .to_owned(),
            );
        }
        for (at, (name, steps)) in site.funnels.iter().enumerate() {
            let list: Vec<_> = steps.iter().map(|step| literal(step)).collect();
            self.declared.push(format!(
                "arrayFold((taken, action) -> toUInt8(taken + (action.2 = [{}][taken + 1])), actions, toUInt8(0)) AS taken_{at}",
                list.join(", ")
            ));
            let place = [format!("leftPad(toString(taken_{at}), 2, '0')"), String::new()];
            let source = self.source_of_visits(By::Visit, place);
            let measures = vec![Measure::new("visits", Rest::Unpublished, VISITS_MAX)];
            let table = Table::new("funnels", &["step"], measures, 12);
            let fixed = vec![("funnel", name.clone().into())];
            let target = Target { table, fixed, ..Target::new("funnels", &[], Vec::new(), 0) };
            self.tables.push(Rollup { source, target, takes: vec![FIRST], steps: steps.clone() });
        }
    }

    /// The pairs of which `events` has both dimensions.
    fn pairs(&mut self, site: &PublishedSite) {
        for [first, second] in &site.pairs {
            let sql = |name: &str| DIMENSIONS.iter().find(|known| known.0 == name).map(|known| known.1.to_owned());
            let (Some(one), Some(other)) = (sql(first), sql(second)) else { continue };
            let place = [one, other];
            let source = self.source_of_visits(By::Visit, place);
            let (target, takes) = (pair(first, second), vec![FIRST, VISITORS]);
            self.tables.push(Rollup { source, target, takes, steps: Vec::new() });
        }
    }
}

/// A number of visits that reached a goal, by what reaches it.
fn goal(name: &str, what: &str, wide: u32) -> Measure {
    Measure { key: format!("goal {what}"), ..Measure::new(name, Rest::OwnOfVisits, VISITS_MAX).wide(wide) }
}

/// What a declared pair is published as.
pub(super) fn pair(first: &str, second: &str) -> Target {
    let measures = vec![Measure::new("visits", OF_VISITS, VISITS_MAX), Measure::new("visitors", Rest::Unpublished, 1)];
    let table = Table::new("pairs", &[first, second], measures, VISITS_MAX);
    let fixed = vec![("first_dimension", first.into()), ("second_dimension", second.into())];
    Target { table, fixed, ..Target::new("pairs", &[&["first"], &["second"]], Vec::new(), 0) }
}

/// A text as an SQL literal.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declared_text_cannot_leave_its_literal() {
        assert_eq!(literal(r"/a'b\"), r"'/a\'b\\'");
    }
}
