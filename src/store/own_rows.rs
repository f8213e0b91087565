//! The rows of one browser, for its visitor's own eyes: those that wait in this node's spool, those that the vault refused (this node's
//! dead letters), and those in the vault.
//!
//! This is all that the visitor's page gets of the stores. It answers one question, for [`OwnPseudonyms`]: only module `privacy` makes them,
//! from the cookie of a request and keys that live. The statements are fixed, and no pseudonym is in a statement, a file or a log
//! (pseudonyms.rs). A server is asked for one key domain at a time, in a random order: what lies beside each other there joins no two domains.
//! A cluster, where that would take too long, is asked for all at once. Who asks may go away; the question is finished all the same.
//!
//! A question reads all that waits in the spool, so few are answered at once, one for each browser, and the rows of an answer are
//! bounded. Columns with random marks are left out: with them, somebody else could find the rows again.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::civil::Date;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};

use super::pseudonyms::Condition;
use super::{DeadLetters, Store, StoreError};
use crate::privacy::erasure::{OwnPseudonyms, RowsOf};
use crate::record::{self, ColumnType, Fields, Partition, SCHEMA_VERSION, Stream, Table, epoch_date};
use crate::spool::Writer;

/// The most rows of an answer. A visitor has a few dozen on most days.
const ROWS_MAX: usize = 5_000;
/// Questions that are answered at once.
const AT_ONCE: usize = 2;
/// How long a question waits for its turn, and how long who asks waits for the answer.
const TURN: Duration = Duration::from_secs(3);
const TIME: Duration = Duration::from_secs(5);
/// Pseudonyms in a parameter. It is a part of the request's head, of which an engine reads 64 KiB.
const IN_A_PARAMETER: usize = 1_000;

/// A row, as its visitor may read it.
pub struct OwnRow {
    /// The table.
    pub table: &'static str,
    /// Names and values of its columns.
    pub values: serde_json::Map<String, Value>,
}

/// What is held of a browser.
#[derive(Default)]
pub struct Held {
    /// The rows.
    pub rows: Vec<OwnRow>,
    /// There are no others. Without this there are more than 5,000, or some that cannot be read.
    pub complete: bool,
}

/// Why there is no answer: too many ask, or the spool or the vault cannot be read now.
#[derive(Debug, PartialEq, Eq)]
pub struct NotNow;

/// See the module.
pub struct OwnRows {
    spool: Writer,
    /// `None` until the vault is there.
    vault: watch::Receiver<Option<Store>>,
    refused: DeadLetters,
    turns: Arc<Semaphore>,
    busy: Mutex<HashSet<u64>>,
}

/// The pseudonyms by day, table and name.
type Wanted = HashMap<(Date, Table, String), HashSet<[u8; 16]>>;

impl OwnRows {
    /// For the spool and the dead letters of this node, and the vault as soon as it is there.
    pub fn new(spool: Writer, vault: watch::Receiver<Option<Store>>, refused: DeadLetters) -> Self {
        Self { spool, vault, refused, turns: Arc::new(Semaphore::new(AT_ONCE)), busy: Mutex::default() }
    }

    /// All rows with these pseudonyms. `browser` is a number for who asks.
    pub async fn find(&self, browser: u64, whose: &OwnPseudonyms) -> Result<Held, NotNow> {
        let _alone = Alone::new(&self.busy, browser).ok_or(NotNow)?;
        let turn = tokio::time::timeout(TURN, self.turns.clone().acquire_owned()).await;
        let turn = turn.map_err(|_| NotNow)?.map_err(|_| NotNow)?;
        let vault = self.vault.borrow().clone().ok_or(NotNow)?;
        let question = Question { site: whose.site.to_string(), wanted: wanted(whose) };
        let (spool, refused) = (self.spool.clone(), self.refused.clone());
        let answered = tokio::spawn(async move {
            // First what waits: a row that leaves meanwhile is seen twice rather than never.
            let waiting = tokio::task::spawn_blocking(move || (question.on_disk(&spool, &refused), question));
            let (held, question) = waiting.await.map_err(|_| NotNow)?;
            let mut held = held.map_err(|_| NotNow)?;
            let stored = question.stored(&vault, &mut held).await;
            drop(turn);
            stored.map(|()| held).map_err(|error| {
                tracing::warn!(error = error.name, "the vault cannot be read for a visitor");
                NotNow
            })
        });
        tokio::time::timeout(TIME, answered).await.map_err(|_| NotNow)?.map_err(|_| NotNow)?
    }
}

/// A browser asks one question at a time.
struct Alone<'a>(&'a Mutex<HashSet<u64>>, u64);

impl<'a> Alone<'a> {
    fn new(busy: &'a Mutex<HashSet<u64>>, browser: u64) -> Option<Self> {
        busy.lock().unwrap_or_else(PoisonError::into_inner).insert(browser).then_some(Self(busy, browser))
    }
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

impl Held {
    fn add(&mut self, table: Table, columns: &[&str], row: &[u8]) {
        if self.rows.len() < ROWS_MAX {
            self.rows.push(OwnRow { table: table.name(), values: readable(columns, row) });
        } else {
            self.complete = false;
        }
    }
}

fn wanted(whose: &OwnPseudonyms) -> Wanted {
    let mut wanted = Wanted::new();
    for (day, domains) in &whose.days {
        for (of, pseudonyms) in domains {
            let (table, name) = place(*of);
            let known = wanted.entry((*day, table, name.to_owned())).or_default();
            known.extend(pseudonyms.iter().map(|pseudonym| *pseudonym.bytes()));
        }
    }
    wanted
}

/// The table of a key domain's rows, and the name in it.
fn place(of: RowsOf<'_>) -> (Table, &str) {
    match of {
        RowsOf::Events => (Table::Events, ""),
        RowsOf::Errors => (Table::Errors, ""),
        RowsOf::Attribute(name) => (Table::Attributes, name),
        RowsOf::Signal(name) => (Table::Signals, name),
    }
}

/// The table of a stream, and the pseudonyms that are looked for in it.
type OfStream<'a> = (Table, &'a HashSet<[u8; 16]>);

/// A day of a table.
type Place = (Date, Table);

/// What is asked.
struct Question {
    site: String,
    wanted: Wanted,
}

impl Question {
    /// Rows that wait in the spool, and those that the vault refused.
    fn on_disk(&self, spool: &Writer, refused: &DeadLetters) -> io::Result<Held> {
        let mut held = Held { complete: true, ..Held::default() };
        self.waiting(spool, &mut held)?;
        self.refused(refused, &mut held)?;
        Ok(held)
    }

    fn refused(&self, refused: &DeadLetters, held: &mut Held) -> io::Result<()> {
        let days = self.wanted.keys().map(|(day, ..)| *day).collect();
        let whole = refused.look(&days, |day, table, columns, row| {
            let of_place = self.wanted.iter().filter(|((of, at, _), _)| (*of, *at) == (day, table));
            if of_place.into_iter().any(|(_, pseudonyms)| self.is_own(pseudonyms, columns, row)) {
                held.add(table, columns, row);
            }
        })?;
        held.complete &= whole;
        Ok(())
    }

    /// Whether the row is of this site and one of these pseudonyms.
    fn is_own(&self, pseudonyms: &HashSet<[u8; 16]>, columns: &[&str], row: &[u8]) -> bool {
        record::site_and_visitor(columns, row).is_some_and(|(of, visitor)| {
            of == self.site.as_bytes()
                && visitor.try_into().is_ok_and(|visitor: [u8; 16]| pseudonyms.contains(&visitor))
        })
    }

    fn waiting(&self, spool: &Writer, held: &mut Held) -> io::Result<()> {
        let mut streams = HashMap::<String, Option<OfStream<'_>>>::new();
        let whole = spool.look(|label, schema_version, row| {
            if !streams.contains_key(label) {
                let of_stream = Stream::parse(label).and_then(|stream| {
                    let Partition { day, table, .. } = stream.partition;
                    Some((table, self.wanted.get(&(day, table, stream.name().to_owned()))?))
                });
                streams.insert(label.to_owned(), of_stream);
            }
            let Some((table, pseudonyms)) = streams[label] else { return };
            let Some(columns) = record::columns(table, schema_version) else { return };
            if self.is_own(pseudonyms, columns, row) {
                held.add(table, columns, row);
            }
        })?;
        held.complete &= whole;
        Ok(())
    }

    /// Adds the rows of the vault.
    async fn stored(&self, vault: &Store, held: &mut Held) -> Result<(), StoreError> {
        let places: BTreeSet<Place> = self.wanted.keys().map(|(day, table, _)| (*day, *table)).collect();
        if vault.is_embedded {
            for place in places {
                let of_place = self.wanted.iter().filter(|((day, table, _), _)| (*day, *table) == place);
                let pseudonyms: Vec<&[u8; 16]> = of_place.flat_map(|(_, pseudonyms)| pseudonyms).collect();
                for some in pseudonyms.chunks(IN_A_PARAMETER) {
                    self.ask(vault, place, Store::in_parameter(some.iter().copied()), held).await?;
                }
            }
            return Ok(());
        }
        let none = || StoreError::setup("no random numbers".to_owned());
        if vault.is_clustered() {
            let asked = async |own: String| {
                for place in places {
                    self.ask(vault, place, (own.clone(), None), held).await?;
                }
                Ok(())
            };
            let number = getrandom::u64().map_err(|_| none())?;
            return vault.with_pseudonyms(number, None, self.wanted.values().flatten(), asked).await;
        }
        // A map of Rust has a random order of its own, each time.
        for ((day, table, _), pseudonyms) in &self.wanted {
            let asked = async |own: String| self.ask(vault, (*day, *table), (own, None), held).await;
            vault.with_pseudonyms(getrandom::u64().map_err(|_| none())?, None, pseudonyms, asked).await?;
        }
        Ok(())
    }

    /// Adds the rows of a day of a table for which the condition holds.
    async fn ask(
        &self,
        vault: &Store,
        (day, table): Place,
        (own, parameter): Condition,
        held: &mut Held,
    ) -> Result<(), StoreError> {
        let columns = record::columns(table, SCHEMA_VERSION).unwrap_or_default();
        let listed: Vec<String> = columns.iter().map(|column| format!("`{column}`")).collect();
        let sql = format!(
            "SELECT {} FROM `{}` WHERE site = {{site:String}} AND day = {{day:Date}} AND {own} LIMIT {}",
            listed.join(", "),
            table.name(),
            ROWS_MAX + 1
        );
        let params = [("site", self.site.clone()), ("day", day.to_string())];
        let params: Vec<_> = params.into_iter().chain(parameter).collect();
        let answer = vault.bytes(&sql, &params, "RowBinary").await?;
        let mut rest = &answer[..];
        while !rest.is_empty() {
            let mut fields = Fields::new(columns, rest);
            fields.by_ref().for_each(drop);
            let unread = || StoreError::setup("an answer is not of these columns".to_owned());
            let behind = fields.behind().ok_or_else(unread)?;
            held.add(table, columns, &rest[..rest.len() - behind.len()]);
            rest = behind;
        }
        Ok(())
    }
}

/// The columns that say something; empty texts do not.
fn readable(columns: &[&str], row: &[u8]) -> serde_json::Map<String, Value> {
    let mut values = serde_json::Map::new();
    for (name, kind, bytes) in Fields::new(columns, row) {
        let value = match (kind, bytes) {
            (ColumnType::Bytes16, _) | (ColumnType::Text, []) => continue,
            _ if name == "visit_tag" => continue,
            (ColumnType::Text, text) => json!(String::from_utf8_lossy(text)),
            (ColumnType::Bool, bytes) => json!(bytes == [1]),
            (ColumnType::Date, bytes) => json!(epoch_date(number(bytes) as u16).to_string()),
            (ColumnType::DateTime, bytes) => {
                json!(jiff::Timestamp::from_second(number(bytes).into()).unwrap_or_default().to_string())
            }
            (ColumnType::U8 | ColumnType::U16 | ColumnType::U32, bytes) => json!(number(bytes)),
        };
        values.insert(name.to_owned(), value);
    }
    values
}

/// Of at most four bytes, little-endian.
fn number(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}
