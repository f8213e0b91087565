//! Beacons of wire version 1 as the snippet writes them: the sender's half of `schema/wire/beacon.v1.schema.json`.
//!
//! Only what the demo's visitors send. The collector's own reading of beacons is separate, so that one cannot hide a
//! mistake of the other.

use serde::Serialize;

/// The body.
#[derive(Serialize)]
pub(crate) struct Beacon<'a> {
    pub(crate) v: u8,
    pub(crate) site: &'a str,
    pub(crate) view: &'a str,
    pub(crate) seq: u16,
    pub(crate) events: &'a [Event],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) device: Option<&'a serde_json::Value>,
}

/// What happened; `at` is milliseconds since the view began.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Event {
    View {
        at: u32,
        url: String,
        #[serde(skip_serializing_if = "String::is_empty")]
        referrer: String,
    },
    Engage {
        at: u32,
        engaged_ms: u32,
    },
    Exit {
        at: u32,
        url: &'static str,
    },
    Search {
        at: u32,
        query: &'static str,
    },
    Error {
        at: u32,
        message: String,
    },
    #[serde(rename = "event")]
    Named {
        at: u32,
        name: &'static str,
        #[serde(skip_serializing_if = "str::is_empty")]
        variant: &'static str,
    },
    Object {
        at: u32,
    },
}
