//! The target is `targets/scrub.rs`; here it meets the engine that makes its input.
#![no_main]

#[path = "../targets/scrub.rs"]
mod scrub;

libfuzzer_sys::fuzz_target!(|data: &[u8]| scrub::run(data));
