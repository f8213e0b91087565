//! The insider: who holds the whole vault of a day and the identified payment log, and looks for the row of each payment.
//!
//! Nothing of the schema is taken for granted but that a payment page was viewed. Whatever stands in a row of that view counts,
//! and whatever any other table has under a value of that row (a join). Which columns agree with which facts of the payment log
//! is learnt from payments of which the insider knows the row, its own for instance. So a column that joins is used as soon
//! as it comes back. Where nothing joins, the insider weighs by what rows have in common with rows of other key domains.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::collector::Collector;
use super::judge::Rate;
use super::world::{DAY_MS, Payment, World};

/// A row, and what joins with it, by column.
type Row = BTreeMap<String, String>;

/// What the payment log says, in the words that a column may have.
pub(crate) const FACTS: [&str; 7] = ["region", "browser", "major", "os", "hour", "time", "network"];
type Facts = [String; FACTS.len()];
/// Where the vault has values of these facts, each under another pseudonym.
const APART: [(usize, &str, &str); 5] = [
    (0, "place", "detail"),
    (1, "client", "value"),
    (2, "client", "detail"),
    (3, "device", "detail"),
    (4, "hour", "value"),
];
/// Columns that rows of all key domains have, and which say something of the visitor.
const COMMON: [&str; 3] = ["confirmed", "new_week", "new_month"];
/// How sure the insider must be that a column agrees with a fact, in standard deviations. There are some hundred pairs.
const SURE: f64 = 4.0;

/// A payment, and which row is its own: for the judge, and of the insider's own payments for the insider.
pub(crate) struct Target {
    facts: Facts,
    view: String,
    /// The hour as it was, and not by the payment service's clock.
    hour: String,
}

impl Target {
    /// Of the payments of one day whose telemetry was sent. With the day's key the network's byte is a fact as well.
    pub(crate) fn all(world: &World, number: usize, day: usize, key: &[u8; 32], has_key: bool) -> Vec<Self> {
        let is_of_day = |payment: &&Payment| {
            let visit = &world.visits[payment.visit];
            !world.devices[visit.device].refuses && visit.paid.is_some_and(|paid| paid / DAY_MS == day as i64)
        };
        world.payments.iter().filter(is_of_day).map(|payment| Self::of(world, number, payment, key, has_key)).collect()
    }

    fn of(world: &World, number: usize, payment: &Payment, key: &[u8; 32], has_key: bool) -> Self {
        let hour = payment.second.rem_euclid(DAY_MS / 1000) / 3600;
        let network = if has_key { network_byte(key, payment.address).to_string() } else { String::new() };
        let facts = [
            payment.region.clone(),
            payment.agent.browser.to_owned(),
            payment.agent.major.to_string(),
            payment.agent.os.to_owned(),
            format!("{hour:02}"),
            // The vault's own times are UTC, five hours behind Almaty.
            format!(" {:02}:", (hour + 19) % 24),
            network,
        ];
        let views = &world.visits[payment.visit].views;
        let at = views.len() - 1;
        let paid_in = format!("{:02}", views[at].0.rem_euclid(DAY_MS) / 3_600_000);
        let view = view_pseudonym(key, super::world::view_number(number, payment.visit, at));
        Self { facts, view, hour: paid_in }
    }

    /// Its view as the row has it, and the spool's frame.
    pub(crate) fn view_bytes(&self) -> [u8; 8] {
        view_bytes(&self.view)
    }
}

/// The bytes of a view's pseudonym that are not always zero.
pub(crate) fn view_bytes(view: &str) -> [u8; 8] {
    std::array::from_fn(|at| u8::from_str_radix(&view[2 * at..2 * at + 2], 16).expect("hex"))
}

/// What the insider links in all worlds of one scale.
#[derive(Default)]
pub(crate) struct Insider {
    /// With the vault and the payment log; and by naming any row of the day's payments.
    pub(crate) rows: Rate,
    pub(crate) chance: Rate,
    /// The positive control: the former schema.
    pub(crate) former: Rate,
    /// With the day's key as well.
    pub(crate) thief: Rate,
    learners: [Learner; 3],
}

impl Insider {
    /// Attacks one site's day. The insider knows the rows of a fifth of the payments.
    pub(crate) fn attack(&mut self, copy: &Copy, targets: &[Target], with_key: &[Target]) {
        let known = targets.len() / 5;
        let former = copy.former(targets);
        let [of_rows, of_former, of_thief] = &mut self.learners;
        for (learner, rate, copy, targets) in [
            (of_rows, &mut self.rows, copy, targets),
            (of_former, &mut self.former, &former, targets),
            (of_thief, &mut self.thief, copy, with_key),
        ] {
            let (known, targets) = targets.split_at(known);
            learner.learn(copy, known);
            *rate = rate.and(copy.link(learner, targets));
        }
        let chance = 1.0 / copy.rows.len().max(1) as f64;
        self.chance = self.chance.and(Rate::sum(targets[known..].iter().map(|_| chance)));
    }

    /// Columns that say what the payment log has.
    pub(crate) fn joining(&self) -> Vec<String> {
        self.learners[0].joining()
    }
}

/// A table of clients that lie under the pseudonyms of `events`, as a positive control: it must be found, and link.
#[allow(dead_code, reason = "the small form of the measurement has it")]
pub(crate) fn joined(site: &str, day: &str, targets: &[Target]) -> String {
    let list = |of: &dyn Fn(&Target) -> String| list(targets.iter().map(|target| format!("'{}'", of(target))));
    let views = list(&|target| target.view.clone());
    let column =
        |fact: usize| format!("transform(hex(view), [{views}], [{}], '')", list(&|target| target.facts[fact].clone()));
    format!(
        "CREATE TABLE joined ENGINE = Memory AS SELECT site, day, 'client' AS attribute, visitor, {} AS value, {} AS detail \
         FROM events WHERE site = '{site}' AND day = '{day}' AND type = 'view' AND path = '/pay/:order'",
        column(1),
        column(2),
    )
}

/// The first bytes of a keyed hash of one part, as the documentation has it. Of a view eight are kept, and zeros.
fn keyed(key: &[u8; 32], domain: &str, part: &[u8]) -> [u8; 8] {
    let domain = blake3::derive_key(&format!("tamga 2026-11-22 {domain} v1"), key);
    let mut hasher = blake3::Hasher::new_keyed(&domain);
    hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    hasher.finalize().as_bytes()[..8].try_into().expect("eight bytes")
}

/// How a view is called in the vault.
pub(crate) fn view_pseudonym(key: &[u8; 32], view: u64) -> String {
    hex(&keyed(key, "view", &super::world::view_id(view))) + &"0".repeat(16)
}

/// One byte of the network of an address, by who has the day's key.
fn network_byte(key: &[u8; 32], address: u32) -> u8 {
    keyed(key, "network", &address.to_be_bytes()[..3])[0]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// A copy of the vault: the rows that may be a payment's, and how frequent values are by what rows have in common.
pub(crate) struct Copy {
    rows: Vec<Row>,
    apart: HashMap<(usize, String), BTreeMap<Vec<String>, f64>>,
    apart_all: HashMap<usize, BTreeMap<Vec<String>, f64>>,
}

impl Copy {
    /// Takes the rows of a site and day.
    pub(crate) async fn take(collector: &Collector, site: &str, day: &str) -> anyhow::Result<Self> {
        let tables = tables(collector).await?;
        let of_day = format!("site = '{site}' AND day = '{day}'");
        let candidates = format!("FROM events WHERE {of_day} AND type = 'view' AND path = '/pay/:order'");
        let events = &tables["events"];
        let of_visitor = COMMON.map(|name| {
            format!("visitor IN (SELECT visitor FROM events WHERE {of_day} AND {name}) AS `visitor.{name}`")
        });
        let shown = events.iter().map(Column::shown);
        let shown = shown.chain(COMMON.map(|name| format!("toString(`visitor.{name}`) AS `visitor.{name}`")));
        let sql = format!("SELECT {} FROM (SELECT *, {} {candidates})", list(shown), of_visitor.join(", "));
        let mut rows: Vec<Row> = collector.administrator(&sql).await?;
        let others = tables.iter().filter(|(name, of)| *name != "events" && has(of, "site") && has(of, "day"));
        for (table, columns) in others {
            for own in events.iter().filter(|column| column.is_key) {
                for other in columns.iter().filter(|column| column.is_key && column.kind == own.kind) {
                    let condition = format!("{of_day} AND {} IN (SELECT {} {candidates})", other.name, own.name);
                    join(collector, &mut rows, table, columns, (&own.name, other), &condition).await?;
                }
            }
        }
        let mut copy = Self { rows, apart: HashMap::new(), apart_all: HashMap::new() };
        copy.take_apart(collector, &of_day).await?;
        Ok(copy)
    }

    /// How often each value of a fact stands beside which common columns, in rows of that fact's own key domain.
    async fn take_apart(&mut self, collector: &Collector, of_day: &str) -> anyhow::Result<()> {
        for (fact, attribute, column) in APART {
            let common = list(COMMON.map(|name| format!("toString(max({name}))")));
            let sql = format!(
                "SELECT value, common, toString(count()) AS count FROM (SELECT any({column}) AS value, [{common}] AS common \
                 FROM attributes WHERE {of_day} AND attribute = '{attribute}' GROUP BY visitor) GROUP BY value, common"
            );
            #[derive(serde::Deserialize)]
            struct Cell {
                value: String,
                common: Vec<String>,
                count: String,
            }
            for Cell { value, common, count } in collector.administrator::<Cell>(&sql).await? {
                let (count, common): (f64, Vec<_>) = (count.parse()?, common.iter().map(|flag| truth(flag)).collect());
                *self.apart.entry((fact, value)).or_default().entry(common.clone()).or_default() += count;
                *self.apart_all.entry(fact).or_default().entry(common).or_default() += count;
            }
        }
        Ok(())
    }

    /// What points at one row or one visitor: the values of the columns that can tell rows apart.
    pub(crate) fn marks(&self) -> BTreeSet<String> {
        let of_row = |row: &Row| ["view", "visit", "visitor", "batch"].map(|column| row[column].clone());
        self.rows.iter().flat_map(of_row).collect()
    }

    /// How many rows may be a payment's.
    #[allow(dead_code, reason = "the small form of the measurement looks")]
    pub(crate) fn candidates(&self) -> usize {
        self.rows.len()
    }

    /// The former schema: what the payment log has stands beside each visit. The positive control.
    pub(crate) fn former(&self, truths: &[Target]) -> Self {
        let truths: HashMap<_, _> = truths.iter().map(|target| (&target.view, target)).collect();
        let mut rows = self.rows.clone();
        for row in &mut rows {
            let Some(truth) = truths.get(&row["view"]) else { continue };
            row.extend((0..4).map(|at| (format!("former {}", FACTS[at]), truth.facts[at].clone())));
            row.insert("former hour".to_owned(), truth.hour.clone());
        }
        Self { rows, apart: HashMap::new(), apart_all: HashMap::new() }
    }

    /// How much likelier the value is beside these common columns than beside any, as a logarithm.
    fn weight_apart(&self, fact: usize, value: &str, common: &[String]) -> f64 {
        let Some(all) = self.apart_all.get(&fact) else { return 0.0 };
        let of = |cells: Option<&BTreeMap<Vec<String>, f64>>| {
            let cells = cells.into_iter().flatten();
            cells.fold([0.0, 0.0], |[here, sum], (of, count)| {
                [if of == common { here + count } else { here }, sum + count]
            })
        };
        let [[here, sum], [all_here, all_sum]] = [of(self.apart.get(&(fact, value.to_owned()))), of(Some(all))];
        // Half a row more everywhere, so that nothing is impossible.
        ((here + 0.5) / (all_here + 0.5) * (all_sum + 1.0) / (sum + 1.0)).ln()
    }

    /// Which share of the targets is linked: the insider names one row of those that fit best.
    pub(crate) fn link(&self, learner: &Learner, targets: &[Target]) -> Rate {
        let pairs = learner.pairs();
        let columns: BTreeSet<&str> = pairs.iter().map(|pair| pair.column.as_str()).collect();
        // Rows that look alike to the insider.
        let mut groups: BTreeMap<Vec<&str>, BTreeSet<&str>> = BTreeMap::new();
        let common = COMMON.map(|name| format!("visitor.{name}"));
        let shown: Vec<&str> = columns.into_iter().chain(common.iter().map(String::as_str)).collect();
        for row in &self.rows {
            let looks = shown.iter().map(|column| row.get(*column).map_or("", String::as_str)).collect();
            groups.entry(looks).or_default().insert(&row["view"]);
        }
        let groups: Vec<_> = groups.into_iter().collect();
        let of_column: HashMap<&str, usize> = shown.iter().enumerate().map(|(at, column)| (*column, at)).collect();
        let commons = groups
            .iter()
            .map(|(looks, _)| looks[looks.len() - COMMON.len()..].iter().map(|flag| truth(flag)).collect());
        let commons: Vec<Vec<String>> = commons.collect();
        let classes: Vec<&Vec<String>> = commons.iter().collect::<BTreeSet<_>>().into_iter().collect();
        let class_of: Vec<usize> =
            commons.iter().map(|common| classes.partition_point(|class| *class < common)).collect();
        let best = |target: &Target| {
            let facts = &target.facts;
            let of_class = |common: &Vec<String>| {
                APART.iter().map(|&(fact, ..)| self.weight_apart(fact, &facts[fact], common)).sum::<f64>()
            };
            let apart: Vec<f64> = classes.iter().map(|common| of_class(common)).collect();
            let score = |at: usize| {
                let looks = &groups[at].0;
                let beside = pairs.iter().map(|pair| {
                    let is = agrees(looks[of_column[pair.column.as_str()]], pair.fact, facts);
                    if is { pair.agrees } else { pair.differs }
                });
                beside.sum::<f64>() + apart[class_of[at]]
            };
            let scored = (0..groups.len()).map(|at| (score(at), at));
            scored.max_by(|one, two| one.0.total_cmp(&two.0)).map(|(_, at)| at)
        };
        // Payments of which the log says the same are thought to be of the same rows.
        let mut known: HashMap<&Facts, Option<usize>> = HashMap::new();
        Rate::sum(targets.iter().map(|target| {
            let best = *known.entry(&target.facts).or_insert_with(|| best(target));
            best.map_or(0.0, |at| {
                let rows = &groups[at].1;
                if rows.contains(target.view.as_str()) { 1.0 / rows.len() as f64 } else { 0.0 }
            })
        }))
    }
}

/// `visitor IN …` is 0 or 1, a flag is false or true.
fn truth(flag: &str) -> String {
    if matches!(flag, "1" | "true") { "true".to_owned() } else { "false".to_owned() }
}

fn agrees(value: &str, fact: usize, facts: &Facts) -> bool {
    let fact_value = &facts[fact];
    if fact_value.is_empty() {
        false
    } else if FACTS[fact] == "time" {
        value.contains(fact_value)
    } else {
        value == fact_value
    }
}

/// Which columns agree with which facts, learnt from payments of which the insider knows the row.
#[derive(Default)]
pub(crate) struct Learner {
    /// By column and fact: agreements with the own row and with all rows, and how many payments there were.
    seen: BTreeMap<(String, usize), [f64; 3]>,
}

struct Pair {
    column: String,
    fact: usize,
    agrees: f64,
    differs: f64,
}

impl Learner {
    pub(crate) fn learn(&mut self, copy: &Copy, known: &[Target]) {
        let mut values: BTreeMap<&str, HashMap<&str, f64>> = BTreeMap::new();
        for (column, value) in copy.rows.iter().flatten() {
            *values.entry(column).or_default().entry(value).or_default() += 1.0 / copy.rows.len() as f64;
        }
        // A column that is the same everywhere says nothing.
        values.retain(|_, of| of.len() > 1);
        let by_view: HashMap<_, _> = copy.rows.iter().map(|row| (&row["view"], row)).collect();
        for target in known {
            let Some(row) = by_view.get(&target.view) else { continue };
            for (column, values) in &values {
                for fact in 0..FACTS.len() {
                    let agree = |value: &str| agrees(value, fact, &target.facts);
                    let own = row.get(*column).is_some_and(|value| agree(value));
                    let others: f64 = values.iter().filter(|(value, _)| agree(value)).map(|(_, share)| share).sum();
                    let seen = self.seen.entry(((*column).to_owned(), fact)).or_default();
                    *seen = [seen[0] + f64::from(u8::from(own)), seen[1] + others, seen[2] + 1.0];
                }
            }
        }
    }

    /// The columns that agree more often with the own row than with others, beyond chance.
    pub(crate) fn joining(&self) -> Vec<String> {
        self.pairs().into_iter().map(|pair| format!("{} ({})", pair.column, FACTS[pair.fact])).collect()
    }

    fn pairs(&self) -> Vec<Pair> {
        let pair = |((column, fact), &[own, others, of]): (&(String, usize), &[f64; 3])| {
            let (m, u) = ((own + 0.5) / (of + 1.0), (others + 0.5) / (of + 1.0));
            let is_sure = own - others > SURE * (others * (1.0 - others / of.max(1.0)) + 1.0).sqrt();
            is_sure.then(|| Pair {
                column: column.clone(),
                fact: *fact,
                agrees: (m / u).ln(),
                differs: ((1.0 - m).max(1e-4) / (1.0 - u).max(1e-4)).ln(),
            })
        };
        self.seen.iter().filter_map(pair).collect()
    }
}

/// A column of the vault.
struct Column {
    name: String,
    kind: String,
    /// Whether it can tell rows apart: a pseudonym, or a large number.
    is_key: bool,
}

impl Column {
    fn shown(&self) -> String {
        let name = &self.name;
        if self.kind.starts_with("FixedString") {
            format!("hex({name}) AS {name}")
        } else {
            format!("toString({name}) AS {name}")
        }
    }
}

fn has(columns: &[Column], name: &str) -> bool {
    columns.iter().any(|column| column.name == name)
}

fn list(of: impl IntoIterator<Item = String>) -> String {
    of.into_iter().collect::<Vec<_>>().join(", ")
}

async fn tables(collector: &Collector) -> anyhow::Result<BTreeMap<String, Vec<Column>>> {
    #[derive(serde::Deserialize)]
    struct Line {
        table: String,
        name: String,
        kind: String,
    }
    let sql =
        "SELECT table, name, type AS kind FROM system.columns WHERE database = 'tamga_vault' ORDER BY table, position";
    let mut tables: BTreeMap<String, Vec<Column>> = BTreeMap::new();
    for Line { table, name, kind } in collector.administrator::<Line>(sql).await? {
        let is_key = kind.starts_with("FixedString") || kind == "UInt64" || kind == "UUID";
        tables.entry(table).or_default().push(Column { name, kind, is_key });
    }
    Ok(tables)
}

/// Puts beside each row what another table has under the same key.
async fn join(
    collector: &Collector,
    rows: &mut [Row],
    table: &str,
    columns: &[Column],
    (own, other): (&str, &Column),
    condition: &str,
) -> anyhow::Result<()> {
    let (shown, key) = (list(columns.iter().map(Column::shown)), &other.name);
    let sql = format!("SELECT {shown} FROM (SELECT * FROM {table} WHERE {condition})");
    let found: Vec<BTreeMap<String, Value>> = collector.administrator(&sql).await?;
    let text = |row: &BTreeMap<String, Value>, column: &str| row.get(column).and_then(Value::as_str).map(str::to_owned);
    let mut by_key: HashMap<String, Row> = HashMap::new();
    for row in &found {
        let Some(under) = text(row, key) else { continue };
        let kind = ["attribute", "signal"].iter().find_map(|column| text(row, column)).unwrap_or_default();
        let beside = columns.iter().filter(|column| !column.is_key);
        let beside =
            beside.filter_map(|column| Some((format!("{table}.{kind}.{}", column.name), text(row, &column.name)?)));
        by_key.entry(under).or_default().extend(beside);
    }
    for row in rows {
        if let Some(beside) = row.get(own).and_then(|value| by_key.get(value)) {
            row.extend(beside.clone());
        }
    }
    Ok(())
}
