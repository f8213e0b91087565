//! Decoding: bytes become events. Decoded events are well-formed and within all limits, so later stages need no checks.

pub mod beacon;
mod device;
mod fields;
pub mod pixel;
pub mod url;

use beacon::Addressed;

/// How many events a beacon brought: those that were discarded included, and the device part as one.
pub fn events(addressed: &Addressed) -> u32 {
    let beacon = &addressed.beacon;
    let discarded = beacon.unknown_events + addressed.invalid_events;
    beacon.events.len() as u32 + discarded + u32::from(beacon.device.is_some())
}
