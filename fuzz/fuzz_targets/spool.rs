//! The target is `targets/spool.rs`; here it meets the engine that makes its input.
#![no_main]

#[path = "../targets/spool.rs"]
mod spool;

libfuzzer_sys::fuzz_target!(|data: &[u8]| spool::run(data));
