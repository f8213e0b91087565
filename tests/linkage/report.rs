//! The figures, the bars that they are held against, and the text of `docs/linkage.md`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::What;
use crate::at_rest::AtRest;
use crate::attack::FIELDS;
use crate::collector::Collector;
use crate::insider::Insider;
use crate::judge::{Rate, advantage};
use crate::nminus1::{self, TrapResult, traps};
use crate::parts::{self, Watched};
use crate::repeated::{self, Found};
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
    pub(crate) insider: Insider,
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
    /// What multiplied looks reveal.
    pub(crate) repeated: Found,
    /// Questions for rows that were answered, and that were asked.
    pub(crate) oracles: [usize; 2],
    /// By visits a day: small cells attacked with linear programs, and found.
    pub(crate) bounds: BTreeMap<usize, [usize; 2]>,
    /// Targets whose mark the colluding developer found again.
    pub(crate) markers: Rate,
    /// The developer's advantage from `/metrics`.
    pub(crate) metrics: (f64, f64),
    /// Who watches rows arrive.
    pub(crate) watched: Vec<Watched>,
    pub(crate) at_rest: AtRest,
    /// Equal identities of mirrored view ids, and of retries.
    pub(crate) mirrored: [Rate; 2],
    pub(crate) seconds: u64,
}

/// Link rate beyond chance, in percentage points, and advantage: the bars.
const LINK_BAR: f64 = 0.005;
const ADVANTAGE_BAR: f64 = 0.05;
/// Everything that a row says of one visitor, and a page together with the way to it, which are two rows.
const ROW_BAR: f64 = 0.07;
const N_MINUS_1_BAR: f64 = 0.1;
/// One number of thirty windows.
const WINDOWS_BAR: f64 = 0.3;

fn bar_of(attack: &str) -> f64 {
    match attack {
        "control" => 1.0,
        repeated::OVER_WINDOWS => WINDOWS_BAR,
        _ => ROW_BAR,
    }
}

/// The share of payments that an insider may link by rows, by visits a day.
fn insider_bar(visits: usize) -> f64 {
    match visits {
        0..2_000 => 0.03,
        2_000..20_000 => 0.01,
        _ => 0.002,
    }
}

impl Scale {
    /// The attacker who gains most over chance.
    pub(crate) fn best(&self) -> (&'static str, [Rate; 3]) {
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

    /// The highest advantage of any attacker on one fact. On the only day of a world nobody comes back after days.
    fn inferred_of(&self, field: &str) -> Option<(&'static str, (f64, f64))> {
        let is_fact = field != "absence" || self.days > 1;
        let of = self.inferred.iter().filter(|((known, _), _)| is_fact && *known == field);
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
    pub(crate) fn over_the_bars(&self, what: What) -> Vec<String> {
        let mut over: Vec<String> =
            self.watched.iter().flat_map(|watched| watched.over(insider_bar(watched.visits))).collect();
        if what == What::Watcher {
            return over;
        }
        for scale in &self.scales {
            let (name, [main, _, chance]) = scale.best();
            if main.interval().0 > chance.share() + LINK_BAR {
                over.push(format!("{} visits a day: {name} links {}", scale.visits, main.shown()));
            }
            if scale.insider.rows.share() > insider_bar(scale.visits) {
                over.push(format!("{} visits a day: the insider links {}", scale.visits, scale.insider.rows.shown()));
            }
            let (what, (gain, half)) = scale.inference();
            if gain - half > ADVANTAGE_BAR {
                over.push(format!("{} visits a day: inference of {what}: {gain:.3}", scale.visits));
            }
            if scale.membership.0 - scale.membership.1 > ADVANTAGE_BAR {
                over.push(format!("{} visits a day: membership {:.3}", scale.visits, scale.membership.0));
            }
        }
        for (name, advantage) in &self.repeated.advantages {
            if advantage.share() - 2.0 * advantage.deviation() > bar_of(name) {
                over.push(format!("{name}: {:.3}", advantage.share()));
            }
        }
        let (bits, clones) = (self.repeated.bits_of_a_visitor(), self.repeated.clones_named);
        // Of a large crowd one in a thousand may be left out beside more names than may have a row.
        let blanked = self.repeated.blanked as f64
            > self.repeated.advantages.values().map(repeated::Advantage::tries).sum::<f64>() / 1e3;
        if bits > 1.0 || clones + self.repeated.unequal > 0 || blanked {
            over.push(format!(
                "{bits:.2} bits of marks, {clones} clones with a name, {} unequal goals, {} large crowds without a name",
                self.repeated.unequal, self.repeated.blanked
            ));
        }
        for trap in &self.traps {
            for (how, (gain, half), bar) in [
                ("weighed", trap.weighed, ROW_BAR),
                ("with the way", trap.weighed_both, N_MINUS_1_BAR),
                ("learnt", trap.learnt, N_MINUS_1_BAR),
            ] {
                if gain - half > bar {
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
        if self.mirrored[0].hits > 0.0 || self.mirrored[1].hits == 0.0 {
            over.push(format!("mirrored identities: {:?}", self.mirrored));
        }
        let AtRest { spool: [frames, rows], dead_letters, query_log: [_, of_events, marks] } = self.at_rest;
        if frames == 0 || of_events == 0 || dead_letters[0] == 0 || rows + dead_letters[1] + marks > 0 {
            over.push(format!(
                "{rows} rows of {frames} frames in the spool, {} of {} refused rows, {marks} marks in a log of {of_events} statements",
                dead_letters[1], dead_letters[0]
            ));
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
    out += "| visits a day | days × worlds | payments, with telemetry / refused | positive control: naive rows | analyst, best of three | chance | the same of those who refused |\n\
            |---|---|---|---|---|---|---|\n";
    for scale in &figures.scales {
        let (name, [main, control, chance]) = scale.best();
        let _ = writeln!(
            out,
            "| {} | {} × {} | {} / {} | {} | {} ({name}) | {:.2} % | {} |",
            scale.visits,
            scale.days,
            scale.seeds,
            scale.targets,
            scale.controls,
            scale.naive.shown(),
            main.shown(),
            chance.share() * 100.0,
            control.shown(),
        );
    }
    out += "\n![Link rates by visits a day](linkage.svg)\n\nIn brackets: Wilson's intervals at 95 %. The bar for the analyst is chance + 0.5 percentage points.\n";
    insiders(figures, &mut out);
    out += &parts::section(&figures.watched, insider_bar);
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
                None => out += " – |",
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
    traps(&figures.traps, &mut out);
    repeated(&figures.repeated, &mut out);
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

/// What can be multiplied.
fn repeated(found: &Found, out: &mut String) {
    *out += REPEATED;
    for (name, advantage) in &found.advantages {
        let (gain, half) = (advantage.share(), 2.0 * advantage.deviation());
        let bar = if *name == "control" { "–".to_owned() } else { bar_of(name).to_string() };
        let _ = writeln!(out, "| {name} | {} | {gain:.3} ± {half:.3} | {bar} |", advantage.tries());
    }
    let [right, all] = found.bits;
    let _ = writeln!(
        out,
        "\nA page that sends an event again and again whenever a bit of its visitor is set, among sixty who send it once: {:.1} % of {all} bits were read\nrightly, where half are by chance. That is {:.2} of {} bits of a visitor (bar 1). Of thirty visitors on one network, {} rows had a name. A goal that is\ndeclared twice showed two numbers in {} rows.\n",
        100.0 * right / all.max(1.0),
        found.bits_of_a_visitor(),
        repeated::BITS,
        found.clones_named,
        found.unequal,
    );
}

/// A page of an earlier run, with the figures of insiders from this one.
pub(crate) fn with_insiders(page: &str, figures: &Figures) -> anyhow::Result<String> {
    let mut section = String::new();
    insiders(figures, &mut section);
    section += "\nThis section was measured by itself (`make linkage VAULT=1`), after the others.\n";
    with_section(page, INSIDERS_HEADING, &section)
}

/// A page of an earlier run, with what fakes and many looks at published numbers give in this one.
pub(crate) fn with_published(page: &str, figures: &Figures) -> anyhow::Result<String> {
    let mut sections = String::new();
    traps(&figures.traps, &mut sections);
    repeated(&figures.repeated, &mut sections);
    sections +=
        "This section and the one before were measured by themselves (`make linkage PUBLISHED=1`), after the others.\n";
    // Both stand in the place of the first; an older second one goes.
    let older = page.split_once(REPEATED_HEADING).and_then(|(before, rest)| {
        let (_, after) = rest.split_once("\n## ")?;
        Some(format!("{before}\n## {after}"))
    });
    with_section(older.as_deref().unwrap_or(page), nminus1::HEADING, &sections)
}

/// A page of an earlier run, with the figures of the watcher from this one.
pub(crate) fn with_watcher(page: &str, figures: &Figures) -> anyhow::Result<String> {
    let mut section = parts::section(&figures.watched, insider_bar);
    section += "\nThis section was measured by itself (`make linkage WATCHER=1`), after the others.\n";
    with_section(page, parts::HEADING, &section)
}

/// Puts a section into the place of that with the same heading.
fn with_section(page: &str, heading: &str, section: &str) -> anyhow::Result<String> {
    let (before, rest) = page.split_once(heading).ok_or_else(|| anyhow::anyhow!("the page has no section{heading}"))?;
    let (_, after) =
        rest.split_once("\n## ").ok_or_else(|| anyhow::anyhow!("the page has no section behind{heading}"))?;
    Ok(format!("{before}{section}\n## {after}"))
}

/// What insiders get.
fn insiders(figures: &Figures, out: &mut String) {
    *out += INSIDERS;
    for scale in &figures.scales {
        let payments = scale.insider.rows.of;
        let Insider { rows, chance, former, thief, .. } = &scale.insider;
        let _ = writeln!(
            out,
            "| {} | {payments} | {} | {} | {:.2} % | {:.1} % | {} |",
            scale.visits,
            former.shown(),
            rows.shown(),
            chance.share() * 100.0,
            insider_bar(scale.visits) * 100.0,
            thief.shown(),
        );
    }
    let joining: Vec<_> = figures.scales.iter().flat_map(|scale| scale.insider.joining()).collect();
    let joining = if joining.is_empty() { "none".to_owned() } else { joining.join(", ") };
    let AtRest { spool: [frames, rows], dead_letters: [refused, in_letters], query_log: [lines, of_events, marks] } =
        figures.at_rest;
    let [mirrored, retries] = figures.mirrored;
    let _ = writeln!(
        out,
        "\nColumns that say what the payment log has: {joining}.\n\n\
         What lies beside the vault was searched for rows, and for what points at one:\n\n\
         | place | what lay there | found |\n|---|---|---|\n\
         | folder of the spool, copied without its key | {frames} frames | {rows} rows |\n\
         | query log of the vault's engine | {lines} statements, {of_events} of them about `events` | {marks} pseudonyms or batches |\n\
         | data folder without the engines' files, copied without the key, when rows were refused | {refused} rows in dead letters | {in_letters} rows |\n\
         | identity of a mirrored view id | {:.0} tries from another network or with another agent | {:.0} equal identities |\n\
         | the same, with network and agent of the visitor (control) | {:.0} tries within ten minutes | {:.0} equal identities |",
        mirrored.of, mirrored.hits, retries.of, retries.hits,
    );
}

const INTRODUCTION: &str = "# Can it be joined?\n\n\
    Somebody has a log of identified payments, and looks for the visits of the people in it. This page says how often that succeeds, with\n\
    what is published, and with the rows of the vault. `make linkage` measures it and writes this page.\n\n\
    A generator of its own makes people in regions, behind shared addresses, with one or two browsers, who come back after days. They send\n\
    beacons to the real collector on a simulated clock. A payment service logs what it sees of them: the time to the second, by a clock that\n\
    is a little wrong, address, user agent and region. This log and the truth are kept apart. Attackers get the log, and the judge has\n\
    the truth.\n\n\
    ## Who has what is published\n\n\
    * **Naive rows** are a positive control: the same people in a store with a row for each payment page, with the second, region and\n\
      browser. If the attacker finds less than 97 % there, the run is void, because a weak attacker proves nothing.\n\
    * **The analyst** has the payment log, the stats store with free SQL, and every published day. Counts have no row to name. So the\n\
      attacker must say everything that the payment log does not know of the visit: where it came from, where it began, how long it was,\n\
      where it went, as far as any of it is published. A colluding site developer has the same counts, and what is below.\n\
    * **Chance** is how often the attacker's guess is right of somebody else who paid on that site and day. Of those who refused (Global\n\
      Privacy Control) there is no telemetry, so what the attacker gets right of them is luck. The attacker shown is the one of three who\n\
      gains most, chosen afterwards, which favours it.\n\n";

const INSIDERS_HEADING: &str = "\n## Who has the rows of the vault\n";
const INSIDERS: &str = "\n## Who has the rows of the vault\n\n\
    * **The insider** holds the whole vault of a day and the payment log, and names a row of the payment page. It knows the rows of a\n\
      fifth of the payments (its own, for instance), and learns from them which columns agree with the log, and which tables join. Where\n\
      none does, it weighs by what rows of all key domains have in common: whether the cookie came back, and whether the visitor is new.\n\
    * **The former schema** is the positive control: the same insider and the same rows, with region, browser, version, system and hour\n\
      beside each visit, as they stood there formerly. Below 95 % at 500 visits a day the run is void.\n\
    * **Chance** is to name any row of that day's payment page.\n\
    * **The thief of the day's key** is an insider who also computes the network's byte of an address. The key is dead half an hour\n\
      after its day.\n\
    \n\
    | visits a day | payments | former schema (control) | insider | chance | bar | thief of the day's key |\n\
    |---|---|---|---|---|---|---|\n";

const REPEATED_HEADING: &str = "\n## What can be multiplied\n";
const REPEATED: &str = "## What can be multiplied\n\n\
    Thousands of places a window, each a channel, a source and a page of its own. So many visitors come to each, and in half of them one more. All do\n\
    everything once: the only page of their visit is the first and the last, they bounce and reach the goal. The attacker knows the rules and everybody else, and\n\
    weighs all that a row, its parent and its rest show in one table. The same visitor comes in every window again: *one number of every\n\
    window* is the visits of a source. The control reads the same numbers without noise.\n\n\
    | attack | tries | advantage | bar |\n|---|---|---|---|\n";

const READING: &str = "## How to read this\n\n\
    Who has vault and payment log, and nothing else, does hardly better than naming any payment of the day. On a small site that is one of a\n\
    few dozen. This is why nobody but service accounts reaches the vault, why it is kept for about two days, in rows that do not join, and\n\
    why `tamga verify` looks who could. Longer windows (`publish_every`) and fewer items in the site's profile lower the figure.\n\n\
    A scale that is not in the table was not run for it. Not tried here: an attacker who watches the network.\n";
