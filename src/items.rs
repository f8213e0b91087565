//! The items of the published policies, as switches. An item that a site's policy does not list is neither requested
//! nor stored.
//!
//! The lists come from `schema/data-map.toml`, which also names the columns, the purposes and the published tables of
//! each item. A test compares the map with [`crate::record::columns`].

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

/// The text of `schema/data-map.toml`.
pub const DATA_MAP: &str = include_str!("../schema/data-map.toml");

/// The parsed data map.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataMap {
    pub item: BTreeMap<String, ItemEntry>,
    /// Item keys by profile.
    pub profile: BTreeMap<String, Vec<String>>,
    /// The purpose of columns without an item: table, column, sentence.
    pub technical: BTreeMap<String, BTreeMap<String, String>>,
}

/// One item of the map.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemEntry {
    /// Its number, as `Tamga-Device` requests it.
    pub number: Option<u8>,
    /// Its name in the policies.
    pub policy: String,
    /// Fields and headers that contain it.
    pub wire: Vec<String>,
    /// `table.column` in the vault.
    pub columns: Vec<String>,
    /// Why it is kept.
    pub purpose: String,
    /// Tables of the stats store.
    pub published: Vec<String>,
}

/// The data map, parsed once.
pub fn data_map() -> &'static DataMap {
    static MAP: LazyLock<DataMap> =
        LazyLock::new(|| toml::from_str(DATA_MAP).expect("a unit test reads the embedded map"));
    &MAP
}

macro_rules! items {
    ($($name:ident = $key:literal, $doc:literal;)*) => {
        /// The items that a site's policy lists.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Items {
            $(#[doc = $doc] pub $name: bool,)*
        }

        impl Items {
            /// The keys of all switches.
            pub const KEYS: &[&str] = &[$($key),*];

            /// Whether the policy lists the item of this key.
            pub fn lists(&self, key: &str) -> bool {
                match key {
                    $($key => self.$name,)*
                    _ => false,
                }
            }

            fn set(&mut self, key: &str) -> bool {
                match key {
                    $($key => self.$name = true,)*
                    _ => return false,
                }
                true
            }
        }
    };
}

items! {
    identifier = "identifier", "Item 1: the identifier assigned by the site.";
    pages = "pages", "Items 2 and 3: pages and how often.";
    movement = "movement", "Item 4: movement between pages.";
    duration = "duration", "Item 5: durations.";
    entry = "entry", "Item 6: entry points.";
    exit = "exit", "Item 7: exit points.";
    country = "country", "Item 8: country.";
    region = "region", "Item 9: region.";
    provider = "provider", "Item 11: provider.";
    browser = "browser", "Item 12: browser.";
    os = "os", "Item 21: operating system.";
    time_zone = "time_zone", "Item 10: time zone of the device.";
    canvas = "canvas", "Item 13: canvas fingerprint.";
    fonts = "fonts", "Item 14: fonts.";
    plugins = "plugins", "Item 15: plugins.";
    webgl = "webgl", "Item 16: WebGL parameters.";
    media_devices = "media_devices", "Item 17: kinds of media devices.";
    active_x = "active_x", "Item 18: ActiveX.";
    languages = "languages", "Item 19: supported languages.";
    cpu = "cpu", "Item 20: processor architecture.";
    screen = "screen", "Item 22: screen.";
    automation = "automation", "Item 23: automation tools.";
    protection = "protection", "Item 24: ports and automation, for account protection.";
    os_version = "os_version", "Item 25: version of the operating system.";
    model = "model", "Item 26: model of the device.";
    search = "search", "Search queries on the site.";
    errors = "errors", "Failures of the site's scripts.";
    events = "events", "The operator's declared events.";
    count_only = "count_only", "Views counted without data.";
}

impl Items {
    /// The numbers of the listed items that only the browser knows, as `Tamga-Device` requests them: `10,13,14`.
    pub fn device_numbers(&self) -> String {
        let of_the_browser = |entry: &ItemEntry| entry.wire.iter().any(|field| field.starts_with("device."));
        let listed = data_map().item.iter().filter(|(key, entry)| self.lists(key) && of_the_browser(entry));
        let mut numbers: Vec<u8> = listed.filter_map(|(_, entry)| entry.number).collect();
        numbers.sort_unstable();
        numbers.iter().map(u8::to_string).collect::<Vec<_>>().join(",")
    }

    /// The items of a profile or of a list. Exactly one of the two must be given. The error is a sentence.
    pub fn of(profile: Option<&str>, own: Option<&[String]>) -> Result<Self, String> {
        let map = data_map();
        let keys = match (profile, own) {
            (Some(name), None) => map.profile.get(name).ok_or_else(|| {
                let known: Vec<_> = map.profile.keys().map(String::as_str).collect();
                format!("no such profile; there are {}. Or give `items` instead.", known.join(", "))
            })?,
            (None, Some(own)) => own,
            _ => return Err("give one of `profile` and `items`; schema/data-map.toml has their names".to_owned()),
        };
        let mut items = Self::default();
        let unknown: Vec<_> = keys.iter().filter(|key| !items.set(key)).map(|key| format!("{key:?}")).collect();
        if !unknown.is_empty() {
            return Err(format!("there is no item {}; there are {}", unknown.join(", "), Self::KEYS.join(", ")));
        }
        Ok(items)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::record::{ColumnType, SCHEMA_VERSION, Table, column_type, columns};

    #[test]
    fn every_column_of_the_vault_is_in_the_map_and_the_other_way_round() {
        let map = data_map();
        let mut mapped: BTreeSet<String> = map.item.values().flat_map(|item| item.columns.iter().cloned()).collect();
        for (table, reasons) in &map.technical {
            mapped.extend(reasons.keys().map(|column| format!("{table}.{column}")));
        }
        let mut stored = BTreeSet::new();
        for table in Table::ALL {
            let names = columns(table, SCHEMA_VERSION).expect("the current version");
            stored.extend(std::iter::once(&"batch").chain(names).map(|column| format!("{}.{column}", table.name())));
        }
        assert_eq!(mapped, stored);
    }

    #[test]
    fn what_lies_apart_has_no_column_beside_what_was_done() {
        let map = data_map();
        for key in
            ["country", "region", "provider", "browser", "os", "search", "canvas", "fonts", "webgl", "screen", "errors"]
        {
            let beside: Vec<_> = map.item[key].columns.iter().filter(|column| column.starts_with("events.")).collect();
            // That a search took place is an event; what for is not.
            assert!(beside.iter().all(|column| key == "search" && *column == "events.type"), "{key}: {beside:?}");
        }
        // No row of any table has a time but the end of its window.
        for table in Table::ALL {
            let names = columns(table, SCHEMA_VERSION).expect("the current version");
            let times = names.iter().filter(|name| matches!(column_type(name), Some(ColumnType::DateTime)));
            assert_eq!(times.copied().collect::<Vec<_>>(), ["window_end"], "{}", table.name());
        }
    }

    #[test]
    fn items_profiles_and_switches_agree() {
        let map = data_map();
        assert_eq!(map.item.keys().map(String::as_str).collect::<BTreeSet<_>>(), Items::KEYS.iter().copied().collect());
        for name in map.profile.keys() {
            assert!(Items::of(Some(name), None).is_ok(), "{name}");
        }
        assert!(Items::of(None, None).is_err());
        assert!(Items::of(Some("jetpay"), Some(&[])).is_err());
        assert!(Items::of(None, Some(&["shoe_size".to_owned()])).is_err());
        let own = Items::of(None, Some(&["pages".to_owned()])).expect("known");
        assert!(own.pages && !own.country);
        let asked = |profile| Items::of(Some(profile), None).expect("known").device_numbers();
        assert_eq!(asked("jetpay"), "10,13,14,15,16,17,18,19,20,22,23");
        assert_eq!((asked("proit").as_str(), own.device_numbers().as_str()), ("23", ""));
        assert_eq!(asked("nomapay"), "25,26", "and nothing else");
    }
}
