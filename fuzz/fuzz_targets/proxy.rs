//! The target is `targets/proxy.rs`; here it meets the engine that makes its input.
#![no_main]

#[path = "../targets/proxy.rs"]
mod proxy;

libfuzzer_sys::fuzz_target!(|data: &[u8]| proxy::run(data));
