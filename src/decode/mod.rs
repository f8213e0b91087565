//! Bytes become events. What leaves this room is well-formed and within its limits, so that nothing later checks again.

pub mod beacon;
mod device;
mod fields;
pub mod url;

use beacon::Addressed;

/// How many events a beacon brought: those that were discarded included, and the device part as one.
pub fn events(addressed: &Addressed) -> u32 {
    let beacon = &addressed.beacon;
    beacon.events.len() as u32 + beacon.unknown_events + u32::from(beacon.device.is_some())
}
