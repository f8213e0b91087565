//! The target is `targets/cookie.rs`; here it meets the engine that makes its input.
#![no_main]

#[path = "../targets/cookie.rs"]
mod cookie;

libfuzzer_sys::fuzz_target!(|data: &[u8]| cookie::run(data));
