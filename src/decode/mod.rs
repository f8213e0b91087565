//! Bytes become events. What leaves this room is well-formed and within its limits, so that nothing later checks again.

pub mod beacon;
pub mod url;

use beacon::Addressed;

/// How many events a beacon brought, those that were discarded included.
pub fn events(addressed: &Addressed) -> u32 {
    addressed.beacon.events.len() as u32 + addressed.beacon.unknown_events
}
