//! Under which pseudonyms a visitor has rows today, so that they can be erased. Its cookie has the identity from which they follow, as
//! long as the day's key lives. Nobody else can ask.
//!
//! Of lists each entry has its own key: there the values of which rows exist must be tried one by one.

use std::sync::Arc;

use jiff::civil::Date;

use super::pairs::Pair;
use super::pseudonym::{DOMAINS, DayKey, Purpose, VISITS_MAX};
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

/// The pseudonyms of a day, by key domain.
pub type ByDomain = Vec<(RowsOf<'static>, Vec<Pseudonym>)>;

/// Under which pseudonyms one browser has rows, on the days whose keys live. Only its cookie leads to them.
pub struct OwnPseudonyms {
    /// The site.
    pub site: Arc<str>,
    /// By day and key domain.
    pub days: Vec<(Date, ByDomain)>,
}

/// The pseudonyms that a visitor may have in rows of each key domain. `entries` are the values that a list can have.
pub fn all<V: AsRef<str>>(
    key: &DayKey,
    identity: &Personal<[u8; 16]>,
    pairs: &[Pair],
    entries: impl Fn(&str) -> Vec<V>,
) -> ByDomain {
    let named = |kind: &'static str| DOMAINS.into_iter().filter_map(move |domain| domain.strip_prefix(kind));
    let attributes = named("attribute ").chain(pairs.iter().map(Pair::attribute)).map(RowsOf::Attribute);
    let signals = named("signal ").map(RowsOf::Signal);
    let domains = [RowsOf::Events, RowsOf::Errors].into_iter().chain(attributes).chain(signals);
    let of = |of: RowsOf<'static>| {
        let values = match of {
            RowsOf::Events | RowsOf::Errors => Vec::new(),
            RowsOf::Attribute(name) | RowsOf::Signal(name) => entries(name),
        };
        (of, pseudonyms(key, identity, of, values))
    };
    domains.map(of).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::items::data_map;
    use crate::secret::Secret;

    #[test]
    fn each_item_of_a_device_is_searched() {
        let key = DayKey::new(Secret::new([4; 32]));
        let searched = all(&key, &Personal::new([1; 16]), &[], |_| Vec::<&str>::new());
        let mut of_devices = 0;
        for (item, entry) in &data_map().item {
            if entry.wire.iter().any(|field| field.starts_with("device.")) {
                let rows = [RowsOf::Attribute(item), RowsOf::Signal(item)];
                assert!(searched.iter().any(|(of, _)| rows.contains(of)), "{item}");
                of_devices += 1;
            }
        }
        assert!(of_devices > 10);
    }
}
