//! The target is `targets/guard.rs`; here it meets the engine that makes its input, and the modules of `tamga-engine`.
#![no_main]
#![allow(dead_code, reason = "the program uses more of its modules than the target does")]

#[path = "../../crates/engine/src/ast.rs"]
mod ast;
#[path = "../../crates/engine/src/dump.rs"]
mod dump;
#[path = "../targets/guard.rs"]
mod guard;
#[path = "../../crates/engine/src/reader.rs"]
mod reader;
#[path = "../../crates/engine/src/show_statements.rs"]
mod show_statements;
#[path = "../../crates/engine/src/statement/mod.rs"]
mod statement;

libfuzzer_sys::fuzz_target!(|data: &[u8]| guard::run(data));
