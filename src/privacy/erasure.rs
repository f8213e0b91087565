//! Under which pseudonyms a visitor has rows today, so that they can be erased. Its cookie has the identity from which they follow, as
//! long as the day's key lives. Nobody else can ask.
//!
//! Of lists each entry has its own key: there the values of which rows exist must be tried one by one.

use super::pseudonym::{DayKey, Purpose, VISITS_MAX};
use super::pseudonymous::Pseudonym;
use crate::secret::Personal;

/// Rows of one key domain.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowsOf<'a> {
    Events,
    Errors,
    /// The attribute of this name.
    Attribute(&'a str),
    /// The signal of this name.
    Signal(&'a str),
}

/// All pseudonyms that a visitor may have in such rows. `values` are those that rows of the attribute or signal have.
pub fn pseudonyms(
    key: &DayKey,
    identity: &Personal<[u8; 16]>,
    of: RowsOf<'_>,
    values: impl IntoIterator<Item: AsRef<str>>,
) -> Vec<Pseudonym> {
    let id = identity.expose();
    let under = |purpose: &Purpose<'_>, entry: &str| purpose.visitor(entry, id);
    let domain = match of {
        RowsOf::Events => return vec![key.visitor(id)],
        RowsOf::Errors => "errors".to_owned(),
        RowsOf::Attribute(name) => format!("attribute {name}"),
        RowsOf::Signal(name) => format!("signal {name}"),
    };
    key.purpose(&domain, |purpose| {
        let of_visits = (0..VISITS_MAX).map(|number| purpose.visit_of_number(id, number));
        let of_values = values.into_iter().map(|value| under(purpose, value.as_ref()));
        std::iter::once(under(purpose, "")).chain(of_visits).chain(of_values).collect()
    })
}
