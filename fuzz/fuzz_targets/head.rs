//! The target is `targets/head.rs`; here it meets the engine that makes its input.
#![no_main]

#[path = "../targets/head.rs"]
mod head;

libfuzzer_sys::fuzz_target!(|data: &[u8]| head::run(data));
