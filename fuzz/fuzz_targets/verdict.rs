//! The target is `targets/verdict.rs`; here it meets the engine that makes its input.
#![no_main]

#[path = "../targets/verdict.rs"]
mod verdict;

libfuzzer_sys::fuzz_target!(|data: &[u8]| verdict::run(data));
