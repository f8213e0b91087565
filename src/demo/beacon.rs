//! Beacons of wire version 1 as the snippet writes them: the sender's half of `schema/wire/beacon.v1.schema.json`.
//!
//! Only what the demo's visitors send. The collector's own reading of beacons is separate, so that one cannot hide a
//! mistake of the other.

use serde::Serialize;

/// The body.
#[derive(Serialize)]
pub(super) struct Beacon<'a> {
    pub(super) v: u8,
    pub(super) site: &'a str,
    pub(super) view: &'a str,
    pub(super) seq: u16,
    pub(super) events: &'a [Event],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) device: Option<&'a serde_json::Value>,
}

/// What happened; `at` is milliseconds since the view began.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Event {
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
    },
    Object {
        at: u32,
    },
}
