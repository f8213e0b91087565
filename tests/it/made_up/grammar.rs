//! Makes a statement of a number: valid enough to be run, hostile enough to hurt.

use super::catalogue::{Catalogue, Function, Kind};
use super::hostile::*;
use super::ways::{EXPLAINS, WAYS_OUT, WAYS_TO_CAST, WAYS_TO_STATES};
use crate::support::random::Random;

/// A statement, and the settings that the URL has beside it. `{folder}`, `{file}` and `{port}` stand for places that it
/// must not reach.
pub(super) struct Statement {
    pub(super) parameters: Vec<(String, String)>,
    pub(super) sql: String,
}

/// The statement of a seed.
pub(super) fn statement(catalogue: &Catalogue, seed: u64) -> Statement {
    // Neighbours must not be alike: the first number of a stream becomes its seed.
    let random = Random(Random(seed).next());
    let mut maker = Maker { catalogue, random };
    let mut sql = maker.query();
    if maker.chance(25) {
        let format = maker.pick(&catalogue.formats).clone();
        sql = format!("{sql} FORMAT {format}");
    }
    Statement { parameters: maker.parameters(), sql }
}

struct Maker<'a> {
    catalogue: &'a Catalogue,
    random: Random,
}

impl Maker<'_> {
    fn below(&mut self, bound: usize) -> usize {
        self.random.below(bound as u64) as usize
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<'l, T>(&mut self, list: &'l [T]) -> &'l T {
        &list[self.below(list.len())]
    }

    fn text(&mut self, list: &[&str]) -> String {
        (*self.pick(list)).to_owned()
    }

    fn parameters(&mut self) -> Vec<(String, String)> {
        let mut parameters = Vec::new();
        while parameters.len() < 3 && self.chance(12) {
            let name = match self.chance(50) {
                true => self.pick(&self.catalogue.settings).clone(),
                false => {
                    let shapes = |name: &&String| name.starts_with("output_format_");
                    let of_answers: Vec<String> = self.catalogue.settings.iter().filter(shapes).cloned().collect();
                    self.pick(&of_answers).clone()
                }
            };
            let value =
                if self.chance(60) { self.text(&COUNTS) } else { self.text(&["", "1", "a", "{folder}/x", "-1"]) };
            parameters.push((name, value));
        }
        parameters
    }

    fn query(&mut self) -> String {
        match self.below(26) {
            0..6 => self.example(),
            6..11 => format!("SELECT {} FROM {}", self.expression(2), self.rows()),
            11..13 => format!("SELECT {}", self.expression(3)),
            13..16 => self.grouped(),
            16 => self.filled(),
            17 => self.windowed(),
            18 => self.table(),
            19 => format!("SELECT {} FROM {}", self.cast(), self.rows()),
            20 | 21 => self.state(),
            22 => self.joined(),
            23 => self.outside(),
            24 => {
                let before = self.text(&EXPLAINS);
                let after = if before.ends_with('(') { ")" } else { "" };
                format!("{before}{}{after}", self.query())
            }
            _ => {
                let (first, second) = (self.query(), self.query());
                let both =
                    self.text(&[" UNION ALL ", " UNION DISTINCT ", " EXCEPT ", " INTERSECT ", "; ", " PARALLEL WITH "]);
                format!("{first}{both}{second}")
            }
        }
    }

    /// An example of the engine's documentation, with one or more of its literals replaced.
    fn example(&mut self) -> String {
        let example = self.pick(&self.catalogue.examples).clone();
        let mut sql = String::new();
        let mut rest = example.as_str();
        while let Some(first) = rest.chars().next() {
            let length = match first {
                '\'' => rest[1..].find('\'').map_or(rest.len(), |end| end + 2),
                '0'..='9' => rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()),
                // A name with digits in it is no number.
                _ if first.is_alphabetic() => {
                    rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
                }
                _ => first.len_utf8(),
            };
            let (token, after) = rest.split_at(length);
            let replaced = matches!(first, '\'' | '0'..='9') && self.chance(30);
            let token = match first {
                _ if !replaced => token.to_owned(),
                '\'' => self.value(Kind::Text, 0),
                _ => self.value(Kind::Whole, 0),
            };
            sql.push_str(&token);
            rest = after;
        }
        sql
    }

    fn rows(&mut self) -> String {
        match self.below(8) {
            0 => "site".to_owned(),
            1 => "pages".to_owned(),
            2 => format!("numbers({})", self.text(&COUNTS)),
            3 => format!("(SELECT {} AS x, number FROM numbers(10))", self.expression(1)),
            4 => "numbers(100000)".to_owned(),
            5 => "system.one".to_owned(),
            _ => "numbers(20)".to_owned(),
        }
    }

    fn grouped(&mut self) -> String {
        let aggregate = self.aggregate(2);
        let after = self.text(&[
            "",
            "",
            " GROUP BY number % 3",
            " GROUP BY number WITH ROLLUP",
            " GROUP BY number WITH CUBE",
            " GROUP BY number WITH TOTALS",
            " GROUP BY ALL",
            " HAVING 1",
            " GROUP BY GROUPING SETS ((number), ())",
        ]);
        let rows = self.text(&["numbers(3)", "numbers(100)", "numbers(100000)", "numbers(5000000)", "site", "pages"]);
        format!("SELECT {aggregate} FROM {rows}{after}")
    }

    fn filled(&mut self) -> String {
        let (from, to, step) = (self.text(&NUMBERS), self.text(&NUMBERS), self.text(&NUMBERS));
        let order = self.text(&["number", "toDate(number)", "toDateTime(number)", "toString(number)", "number / 3"]);
        format!("SELECT {order} AS x FROM numbers(3) ORDER BY x WITH FILL FROM {from} TO {to} STEP {step}")
    }

    fn windowed(&mut self) -> String {
        let function = if self.chance(50) { self.aggregate(1) } else { self.expression(1) };
        let (count, other) = (self.text(&COUNTS), self.text(&COUNTS));
        let frame = match self.below(4) {
            0 => format!("ROWS BETWEEN {count} PRECEDING AND {other} FOLLOWING"),
            1 => format!("RANGE BETWEEN {count} PRECEDING AND CURRENT ROW"),
            2 => format!("ROWS BETWEEN UNBOUNDED PRECEDING AND {other} FOLLOWING"),
            _ => String::new(),
        };
        format!("SELECT {function} OVER (PARTITION BY number % 7 ORDER BY number {frame}) FROM numbers(1000)")
    }

    fn table(&mut self) -> String {
        let name = self.pick(&self.catalogue.table_functions).clone();
        let arguments: Vec<String> = (0..self.below(4))
            .map(|_| match self.below(6) {
                0 => "'{file}'".to_owned(),
                1 => "'http://127.0.0.1:{port}/'".to_owned(),
                2 => "'127.0.0.1:{port}'".to_owned(),
                3 => "secret.people".to_owned(),
                _ => self.value(Kind::Any, 1),
            })
            .collect();
        format!("SELECT * FROM {name}({}) LIMIT 5", arguments.join(", "))
    }

    fn joined(&mut self) -> String {
        let kind = self.text(&[
            "INNER",
            "LEFT",
            "FULL",
            "CROSS",
            "ASOF",
            "PASTE",
            "ANY LEFT",
            "SEMI LEFT",
            "ANTI RIGHT",
            "ARRAY",
        ]);
        match kind.as_str() {
            "ARRAY" => format!("SELECT * FROM numbers(5) ARRAY JOIN {} AS a", self.value(Kind::Array, 2)),
            "CROSS" | "PASTE" => format!("SELECT count() FROM {} AS a {kind} JOIN {} AS b", self.rows(), self.rows()),
            _ => {
                let on = self.text(&[
                    "a.number = b.number",
                    "a.number >= b.number",
                    "1",
                    "a.number = b.number AND a.number < b.number",
                ]);
                format!("SELECT {} FROM numbers(1000) AS a {kind} JOIN numbers(5000) AS b ON {on}", self.expression(1))
            }
        }
    }

    /// Ways out: files, connections, other users' rows, settings that stay.
    fn outside(&mut self) -> String {
        let inner = self.expression(1);
        self.text(&WAYS_OUT).replace("{e}", &inner)
    }

    /// Ways to bring a made-up state of an aggregate function to life.
    fn state(&mut self) -> String {
        let function = self.aggregate_name();
        let column = self.text(&["UInt64", "String", "Array(UInt8)", "Float64, UInt64", "UInt64, UInt64"]);
        let bytes: String = (0..self.below(40)).map(|_| format!("{:02x}", self.below(256))).collect();
        let bytes = if self.chance(40) { self.text(&STATES) } else { bytes };
        let inner = self.value(Kind::Any, 1);
        self.text(&WAYS_TO_STATES)
            .replace("{f}", &function)
            .replace("{t}", &column)
            .replace("{b}", &bytes)
            .replace("{v}", &inner)
    }

    fn cast(&mut self) -> String {
        let kind = self.of_type(2);
        let value = self.value(Kind::Any, 2);
        self.text(&WAYS_TO_CAST).replace("{v}", &value).replace("{t}", &kind)
    }

    fn of_type(&mut self, depth: usize) -> String {
        let name = self.pick(&self.catalogue.types).clone();
        let inner = |maker: &mut Self| if depth == 0 { "UInt8".to_owned() } else { maker.of_type(depth - 1) };
        match name.as_str() {
            "Array" | "Nullable" | "LowCardinality" => format!("{name}({})", inner(self)),
            "Map" => format!("Map({}, {})", inner(self), inner(self)),
            "Tuple" | "Variant" => format!("{name}({}, {})", inner(self), inner(self)),
            "Nested" => format!("Nested(a {}, b {})", inner(self), inner(self)),
            "FixedString" | "DateTime64" | "Time64" => format!("{name}({})", self.text(&COUNTS)),
            "Decimal" => format!("Decimal({}, {})", self.text(&COUNTS), self.text(&COUNTS)),
            "Enum8" | "Enum16" | "Enum" => format!("{name}('a' = {}, 'b' = 2)", self.text(&NUMBERS)),
            "AggregateFunction" | "SimpleAggregateFunction" => {
                format!("{name}({}, {})", self.aggregate_name(), inner(self))
            }
            "Dynamic" => format!("Dynamic(max_types = {})", self.text(&COUNTS)),
            "JSON" => format!("JSON(a {}, max_dynamic_paths = {})", inner(self), self.text(&COUNTS)),
            "QBit" => format!("QBit({}, {})", inner(self), self.text(&COUNTS)),
            _ => name,
        }
    }

    fn expression(&mut self, depth: usize) -> String {
        match self.below(12) {
            0 if depth > 0 => self.cast(),
            1 if depth > 0 => format!(
                "({} {} {})",
                self.value(Kind::Any, depth - 1),
                self.operator(),
                self.value(Kind::Any, depth - 1)
            ),
            2 if depth > 0 => format!("(SELECT {})", self.expression(depth - 1)),
            _ => {
                let catalogue = self.catalogue;
                let function = self.pick(&catalogue.functions);
                if function.is_aggregate { self.aggregate(depth) } else { self.call(function, depth) }
            }
        }
    }

    fn operator(&mut self) -> String {
        self.text(&[
            "+",
            "-",
            "*",
            "/",
            "%",
            "||",
            "=",
            "<",
            "IN",
            "LIKE",
            "AND",
            "DIV",
            "REGEXP",
            "IS NOT DISTINCT FROM",
            "BETWEEN 1 AND",
        ])
    }

    fn call(&mut self, function: &Function, depth: usize) -> String {
        format!("{}({})", function.name, self.arguments(function, depth))
    }

    fn arguments(&mut self, function: &Function, depth: usize) -> String {
        let known = function.arguments.len();
        let count = match self.below(10) {
            0 => self.below(6),
            1..5 if known > 1 => 1 + self.below(known),
            _ if known == 0 => self.below(3),
            _ => known,
        };
        let arguments: Vec<String> = (0..count)
            .map(|at| {
                let kind = match function.arguments.get(at) {
                    Some(kinds) if !self.chance(8) => *self.pick(kinds),
                    _ => Kind::Any,
                };
                self.value(kind, depth.saturating_sub(1))
            })
            .collect();
        arguments.join(", ")
    }

    fn aggregate_name(&mut self) -> String {
        let catalogue = self.catalogue;
        loop {
            let function = self.pick(&catalogue.functions);
            if function.is_aggregate {
                return function.name.clone();
            }
        }
    }

    fn aggregate(&mut self, depth: usize) -> String {
        let catalogue = self.catalogue;
        let aggregates: Vec<&Function> = catalogue.functions.iter().filter(|function| function.is_aggregate).collect();
        let function = *self.pick(&aggregates);
        let mut name = function.name.clone();
        let mut arguments = self.arguments(function, depth);
        for _ in 0..2 {
            if self.chance(30) {
                let combinator = self.pick(&catalogue.combinators).clone();
                match combinator.as_str() {
                    "If" => arguments.push_str(", 1"),
                    "Array" | "ForEach" => arguments = format!("[{arguments}]"),
                    "Map" => arguments = format!("map(1, {arguments})"),
                    "ArgMin" | "ArgMax" => arguments.push_str(", number"),
                    "Resample" => arguments.push_str(", 1"),
                    _ => {}
                }
                name.push_str(&combinator);
            }
        }
        let parameters: Vec<String> = match function.has_parameters || self.chance(15) {
            true => (0..1 + self.below(3)).map(|_| self.parameter()).collect(),
            false => Vec::new(),
        };
        if parameters.is_empty() {
            format!("{name}({arguments})")
        } else {
            format!("{name}({})({arguments})", parameters.join(", "))
        }
    }

    fn parameter(&mut self) -> String {
        match self.below(6) {
            0 => self.text(&FLOATS),
            1 => "'a'".to_owned(),
            2 => self.text(&[
                "'(?1)(?2)'",
                "'(?1).*(?2)'",
                "'(?1)(?t<1000)(?2)'",
                "'exact'",
                "'two-sided'",
                "'(?1)(?1)(?1).*.*.*(?2)'",
            ]),
            _ => self.text(&COUNTS),
        }
    }

    fn value(&mut self, kind: Kind, depth: usize) -> String {
        if depth > 0 && self.chance(35) {
            return self.expression(depth - 1);
        }
        let wrapped = self.chance(15);
        let value = match kind {
            Kind::Text => self.text(&TEXTS),
            Kind::Whole => self.text(&NUMBERS),
            Kind::Float => self.text(&FLOATS),
            Kind::Date => self.text(&DATES),
            Kind::Map => self.text(&MAPS),
            Kind::Lambda => self.text(&LAMBDAS),
            Kind::Document => self.text(&DOCUMENTS),
            Kind::Shape => self.text(&SHAPES),
            Kind::Tuple => format!("({}, {})", self.value(Kind::Any, 0), self.value(Kind::Any, 0)),
            Kind::Array => match self.below(6) {
                0 => format!("[{}, {}]", self.value(Kind::Any, 0), self.value(Kind::Any, 0)),
                1 => format!("range({})", self.text(&COUNTS)),
                2 => format!("arrayWithConstant({}, {})", self.text(&COUNTS), self.value(Kind::Any, 0)),
                3 => "arrayMap(x -> toString(x), range(100000))".to_owned(),
                4 => self.text(&[
                    "[]",
                    "[NULL]",
                    "[1, 2, 3]",
                    "['a', 'b']",
                    "[[1], [2, 3]]",
                    "[nan, inf]",
                    "range(number)",
                    "['a', NULL, '']",
                ]),
                _ => format!("splitByChar('a', {})", self.text(&TEXTS)),
            },
            Kind::Any => {
                let kinds = [
                    Kind::Text,
                    Kind::Text,
                    Kind::Whole,
                    Kind::Whole,
                    Kind::Float,
                    Kind::Array,
                    Kind::Tuple,
                    Kind::Map,
                    Kind::Date,
                    Kind::Lambda,
                ];
                let kind = *self.pick(&kinds);
                return self.value(kind, 0);
            }
        };
        match kind {
            Kind::Lambda => value,
            _ if wrapped => format!(
                "{}({value})",
                self.text(&["materialize", "toNullable", "toLowCardinality", "identity", "toString", "assumeNotNull"])
            ),
            _ => value,
        }
    }
}
