//! The figures, the bars that they are held against, the table and the picture of `docs/linkage.md`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::attack::FIELDS;
use crate::collector::Collector;
use crate::judge::{Rate, advantage};
use crate::nminus1::TrapResult;
use crate::world::World;

/// One number of visits a day.
#[derive(Default)]
pub(crate) struct Scale {
    pub(crate) visits: usize,
    pub(crate) days: usize,
    pub(crate) seeds: usize,
    pub(crate) targets: usize,
    pub(crate) controls: usize,
    /// The best attacker on a naive row store.
    pub(crate) naive: Rate,
    /// By attacker: all facts right, of payers whose telemetry was sent and of those who refused; and chance, which is how
    /// often the guesses are right of somebody else.
    pub(crate) linked: BTreeMap<&'static str, [Rate; 3]>,
    /// By fact and attacker, likewise.
    pub(crate) inferred: BTreeMap<(&'static str, &'static str), [Rate; 2]>,
    pub(crate) administrator: Rate,
    pub(crate) thief: Rate,
    pub(crate) membership: (f64, f64),
    /// Views sent, views published, views in named pages.
    pub(crate) views: [f64; 3],
    /// Visits sent, visits published.
    pub(crate) visits_counted: [f64; 2],
}

/// Everything.
#[derive(Default)]
pub(crate) struct Figures {
    pub(crate) scales: Vec<Scale>,
    pub(crate) traps: Vec<TrapResult>,
    /// Questions for rows that were answered, and that were asked.
    pub(crate) oracles: [usize; 2],
    /// By visits a day: small cells attacked with linear programs, and found.
    pub(crate) bounds: BTreeMap<usize, [usize; 2]>,
    /// Targets whose mark the colluding developer found again.
    pub(crate) markers: Rate,
    /// The developer's advantage from `/metrics`.
    pub(crate) metrics: (f64, f64),
    pub(crate) seconds: u64,
}

/// Link rate beyond chance, in percentage points, and advantage: the bars.
const LINK_BAR: f64 = 0.005;
const ADVANTAGE_BAR: f64 = 0.05;

impl Scale {
    /// The attacker who gains most over chance.
    fn best(&self) -> (&'static str, [Rate; 3]) {
        let gain = |rates: &[Rate; 3]| rates[0].share() - rates[2].share();
        let best = self.linked.iter().max_by(|one, two| gain(one.1).total_cmp(&gain(two.1)));
        best.map_or(("none", [Rate::default(); 3]), |(name, rates)| (name, *rates))
    }

    /// The highest advantage of any attacker on any one fact, which is one published table.
    fn inference(&self) -> (String, (f64, f64)) {
        let all = FIELDS.into_iter().filter_map(|field| {
            let (name, gain) = self.inferred_of(field)?;
            Some((format!("{field}, {name}"), gain))
        });
        all.max_by(|one, two| one.1.0.total_cmp(&two.1.0)).unwrap_or_default()
    }

    /// The highest advantage of any attacker on one fact.
    fn inferred_of(&self, field: &str) -> Option<(&'static str, (f64, f64))> {
        let of = self.inferred.iter().filter(|((known, _), _)| *known == field);
        of.map(|((_, name), [main, control])| (*name, advantage(*main, *control)))
            .max_by(|one, two| one.1.0.total_cmp(&two.1.0))
    }

    pub(crate) async fn utility(&mut self, collector: &Collector, world: &World) -> anyhow::Result<()> {
        #[derive(serde::Deserialize)]
        struct Row {
            views: f64,
            visits: f64,
            named: f64,
        }
        let sql = format!(
            "SELECT (SELECT toFloat64(sum(views)) FROM site WHERE site = '{0}') AS views, \
             (SELECT toFloat64(sum(visits)) FROM site WHERE site = '{0}') AS visits, \
             (SELECT toFloat64(sum(views)) FROM pages WHERE site = '{0}' AND path != '(other)') AS named",
            world.site
        );
        let sent = world.visits.iter().filter(|visit| !world.devices[visit.device].refuses);
        let (visits, views) = sent.fold((0, 0), |(visits, views), visit| (visits + 1, views + visit.views.len()));
        if let Some(row) = collector.analyst::<Row>(&sql).await?.first() {
            self.views = [self.views[0] + views as f64, self.views[1] + row.views, self.views[2] + row.named];
            self.visits_counted = [self.visits_counted[0] + f64::from(visits), self.visits_counted[1] + row.visits];
        }
        Ok(())
    }
}

impl Figures {
    /// What is over a bar by more than its interval explains.
    pub(crate) fn over_the_bars(&self) -> Vec<String> {
        let mut over = Vec::new();
        for scale in &self.scales {
            let (name, [main, _, chance]) = scale.best();
            if main.interval().0 > chance.share() + LINK_BAR {
                over.push(format!("{} visits a day: {name} links {}", scale.visits, main.shown()));
            }
            let (what, (gain, half)) = scale.inference();
            if gain - half > ADVANTAGE_BAR {
                over.push(format!("{} visits a day: inference of {what}: {gain:.3}", scale.visits));
            }
            if scale.membership.0 - scale.membership.1 > ADVANTAGE_BAR {
                over.push(format!("{} visits a day: membership {:.3}", scale.visits, scale.membership.0));
            }
        }
        for trap in &self.traps {
            for (how, (gain, half)) in
                [("weighed", trap.weighed), ("with the way", trap.weighed_both), ("learnt", trap.learnt)]
            {
                if gain - half > ADVANTAGE_BAR {
                    over.push(format!(
                        "{} fakes on {} networks, {how}: {gain:.3}",
                        trap.kind.fakes, trap.kind.networks
                    ));
                }
            }
        }
        let found: usize = self.bounds.values().map(|of| of[1]).sum();
        if found > 0 {
            over.push(format!("{found} small cells were found by linear programming"));
        }
        if self.markers.hits > 0.0 {
            over.push(format!("{} marks of the colluding developer were found again", self.markers.hits));
        }
        if self.oracles[0] > 0 {
            over.push(format!("{} questions for rows were answered", self.oracles[0]));
        }
        over
    }
}

/// The page.
pub(crate) fn markdown(figures: &Figures) -> String {
    let mut out = String::from(INTRODUCTION);
    let _ = writeln!(
        out,
        "| visits a day | payers with telemetry / refused | naive rows | analyst, best attacker | chance | the same of those who refused | administrator with the vault | thief of the day's key |\n\
         |---|---|---|---|---|---|---|---|"
    );
    for scale in &figures.scales {
        let (name, [main, control, chance]) = scale.best();
        let _ = writeln!(
            out,
            "| {} × {} days × {} seeds | {} / {} | {} | {} ({name}) | {:.2} % | {} | {} | {} |",
            scale.visits,
            scale.days,
            scale.seeds,
            scale.targets,
            scale.controls,
            scale.naive.shown(),
            main.shown(),
            chance.share() * 100.0,
            control.shown(),
            scale.administrator.shown(),
            scale.thief.shown()
        );
    }
    out += "\n![Link rates by visits a day](linkage.svg)\n\nIn brackets: Wilson's intervals at 95 %. The bar for the analyst is chance + 0.5 percentage points.\n";
    out += "\n## Inference, membership, and what the numbers are still good for\n\n\
            | visits a day | highest inference advantage (bar 0.05) | membership advantage (bar 0.05) | views published of views sent | views in named pages | visits published of visits sent |\n\
            |---|---|---|---|---|---|\n";
    for scale in &figures.scales {
        let (what, (gain, half)) = scale.inference();
        let share = |part: f64, whole: f64| format!("{:.1} %", 100.0 * part / whole.max(1.0));
        let _ = writeln!(
            out,
            "| {} | {gain:.3} ± {half:.3} ({what}) | {:.3} ± {:.3} | {} | {} | {} |",
            scale.visits,
            scale.membership.0,
            scale.membership.1,
            share(scale.views[1], scale.views[0]),
            share(scale.views[2], scale.views[1]),
            share(scale.visits_counted[1], scale.visits_counted[0]),
        );
    }
    out += "\nBy fact, the best of three attackers, each chosen after the fact:\n\n| fact (table) |";
    for scale in &figures.scales {
        let _ = write!(out, " {} visits a day |", scale.visits);
    }
    out += "\n|---|";
    out += &"---|".repeat(figures.scales.len());
    const TABLES: [&str; 7] = ["entries", "pages", "visits", "exits", "transitions", "recency", "landings"];
    for (field, table) in FIELDS.into_iter().zip(TABLES) {
        let _ = write!(out, "\n| {field} (`{table}`) |");
        for scale in &figures.scales {
            match scale.inferred_of(field) {
                Some((_, (gain, half))) => out += &format!(" {gain:.3} ± {half:.3} |"),
                None => out += " not published |",
            }
        }
    }
    out += "\n\n## Differencing and linear programming\n\n\
            Of each world's first day, all published sums of visits by channel, source and landing page as bounds on the true cells, whose names\n\
            the attacker is given. A cell is found when the bounds prove that somebody is in it and fewer than ten are.\n\n\
            | visits a day | small cells attacked | found |\n|---|---|---|\n";
    for (visits, [attacked, found]) in &figures.bounds {
        let _ = writeln!(out, "| {visits} | {attacked} | {found} |");
    }
    out += "\n## n − 1: fake visitors against one more\n\n\
            The sender knows everybody on a page but one, and looks whether that one was there. Advantage is true less false positives:\n\
            *weighed* by the likelihood of everything that shows of the page under the published rules, with and without the one more;\n\
            *with the way* also by that of the way to the page in `transitions`, of which the sender knows all else too; *learnt* from pages on\n\
            which the sender plays the one more too.\n\n\
            | fakes | on networks | tries | weighed (bar 0.05) | with the way (bar 0.05) | learnt (bar 0.05) |\n|---|---|---|---|---|---|\n";
    for TrapResult { kind, tries, weighed, weighed_both, learnt } in &figures.traps {
        let [weighed, both, learnt] =
            [weighed, weighed_both, learnt].map(|(gain, half)| format!("{gain:.3} ± {half:.3}"));
        let entering =
            if kind.entering > 0 { format!(", {} of them enter by it", kind.entering) } else { String::new() };
        let _ =
            writeln!(out, "| {}{entering} | {} | {tries} | {weighed} | {both} | {learnt} |", kind.fakes, kind.networks);
    }
    let _ = writeln!(out, "\n{}", N_MINUS_1);
    let (gain, half) = figures.metrics;
    let _ = writeln!(
        out,
        "## The colluding site developer\n\n\
         The developer's own logs know what every visitor did on the site, and the developer answers for that. What Tamga could add is a bridge: a\n\
         mark, put by the page into what is sent, that comes out beside counts. Marks were put into path, referrer, campaign, source, search,\n\
         name and variant of an event, error, link out and view identifier, one for each of {} visitors; {} were found in any published\n\
         table or in `/metrics`: {}. A mark that many visitors are made to carry is the attack above.\n\n\
         Who reads `/metrics` before and after each beacon of a collector that has nothing else to do sees whether its visitor refuses with\n\
         an advantage of {gain:.2} ± {half:.2}. A proxy's log of the same request says so as well (the header `Sec-GPC`), which is why these counters\n\
         have no site in steps smaller than ten, and why `/metrics` is for operations.\n",
        figures.markers.of,
        figures.markers.hits,
        figures.markers.shown(),
    );
    let _ = writeln!(
        out,
        "## Questions for rows\n\n{} of {} questions that reach for rows, files, other systems or a list of the attacker's own were answered.\n",
        figures.oracles[0], figures.oracles[1]
    );
    out += READING;
    out
}

const INTRODUCTION: &str = "# Can it be joined?\n\n\
    Written by `make linkage`. A generator of its own makes people in regions, behind shared addresses, with one or two browsers,\n\
    who come back after days; they send beacons to the real collector on a simulated clock. What a payment service logs of them (time to\n\
    the second with a skewed clock and jitter, address, user agent, region) is kept apart, and so is the truth. When the days are published,\n\
    attackers try to tie payments to visits.\n\n\
    * **Naive rows** is the positive control: the same people in a row store with time to the second, region and browser. An attacker is\n\
      right who names the row. Below 97 % the run is void, because a weak attacker proves nothing.\n\
    * **The analyst** has the payment log, the stats store with free SQL, and every published day. On counts there is no row to name, so\n\
      what must be right is everything that the payment log does not know of the visit: where it came from, where it began, how long it was,\n\
      where it went, as far as any of it is published. A colluding site developer has the same counts, and what is below.\n\
    * **Chance** is how often the attacker's guess is right of somebody else who paid on that site and day. Beside it stands the negative\n\
      control: what the attacker gets right of payers who refused (GPC), of whom there is no telemetry. The attacker shown is the one of\n\
      three who gains most, chosen after the fact, which favours it.\n\
    * **The administrator** has a copy of the vault, for as long as it is kept (about two days), and picks among the visits to the\n\
      payment page of that day: place, client and hour lie under other pseudonyms. **The thief** has the day's key as well, and so the\n\
      network's byte.\n\n";

const N_MINUS_1: &str = "On one network any number of fakes counts as three, and nothing is to be had. On many networks, one in 55 random offsets of a cell reveals the visitor.\n\
    What the rules allow by calculation, and when it is more, stands in\n\
    [publishing.md](publishing.md#what-one-person-more-changes): a subset that the fakes fill to where it shows adds to it, and so does the way\n\
    to the page, which is a second cell. The rules hold for each number and cell; who stands in several cells of which all else is\n\
    known is distinguished by the sum. It costs the sender the forging of every other visitor of the page.\n";

const READING: &str = "## How to read this\n\n\
    The rows of a vault can be tied to a name by the one who has both, most of all on small sites: this is why nobody but service accounts\n\
    reaches it, why it is kept for about two days, in rows that do not join, and why `tamga verify` looks who could.\n\
    What lowers the administrator's figure: longer windows (`publish_every`), fewer items in the site's profile. The thief's key is dead half an hour after its day.\n\n\
    A scale that is not in the table was not run for it. Not tried here: an attacker who watches the network, and one who runs the machine while it works.\n";

/// Bars by scale: naive, administrator, thief, analyst, chance.
pub(crate) fn picture(figures: &Figures) -> String {
    const COLOURS: [&str; 5] = ["#8c2d04", "#cc6d2e", "#e8a363", "#2a6f97", "#a9c6d8"];
    const NAMES: [&str; 5] = ["naive rows", "administrator", "thief of the key", "analyst", "chance"];
    let (height, group) = (220.0, 150.0);
    let width = 60.0 + group * figures.scales.len() as f64;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} 300\" font-family=\"sans-serif\" font-size=\"11\" role=\"img\">\
         <title>Link rates by visits a day</title><rect width=\"{width}\" height=\"300\" fill=\"#fff\"/>"
    );
    for percent in [0, 25, 50, 75, 100] {
        let y = 20.0 + height * (1.0 - f64::from(percent) / 100.0);
        let _ = write!(
            out,
            "<line x1=\"45\" x2=\"{width}\" y1=\"{y}\" y2=\"{y}\" stroke=\"#ddd\"/><text x=\"40\" y=\"{}\" text-anchor=\"end\">{percent} %</text>",
            y + 4.0
        );
    }
    for (at, scale) in figures.scales.iter().enumerate() {
        let [main, _, chance] = scale.best().1;
        let x = 55.0 + group * at as f64;
        for (bar, rate) in [scale.naive, scale.administrator, scale.thief, main, chance].into_iter().enumerate() {
            let tall = (height * rate.share()).max(1.0);
            let left = x + 25.0 * bar as f64;
            let _ = write!(
                out,
                "<rect x=\"{left}\" y=\"{:.1}\" width=\"22\" height=\"{tall:.1}\" fill=\"{}\"><title>{}: {}</title></rect>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"9\">{:.1}</text>",
                20.0 + height - tall,
                COLOURS[bar],
                NAMES[bar],
                rate.shown(),
                left + 11.0,
                16.0 + height - tall,
                rate.share() * 100.0
            );
        }
        let _ = write!(
            out,
            "<text x=\"{}\" y=\"256\" text-anchor=\"middle\">{} visits a day</text>",
            x + 62.0,
            scale.visits
        );
    }
    for (at, (name, colour)) in NAMES.iter().zip(COLOURS).enumerate() {
        let x = 55.0 + 110.0 * at as f64;
        let _ = write!(
            out,
            "<rect x=\"{x}\" y=\"272\" width=\"10\" height=\"10\" fill=\"{colour}\"/><text x=\"{}\" y=\"281\">{name}</text>",
            x + 14.0
        );
    }
    out + "</svg>\n"
}
