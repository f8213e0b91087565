//! The target is `targets/beacon.rs`; here it meets the engine that makes its input.
#![no_main]

#[path = "../targets/beacon.rs"]
mod beacon;

libfuzzer_sys::fuzz_target!(|data: &[u8]| beacon::run(data));
