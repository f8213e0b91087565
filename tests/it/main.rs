//! The integration tests, one binary so that they link once. Each module is named by the question it answers.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking, and a measurement prints")]

mod access;
mod analyst;
mod architecture;
mod attacks;
mod books;
mod canary;
mod cli;
mod crash;
mod dead_letters;
mod deploy;
mod disclosure;
mod edge;
mod engine;
mod faults;
mod fuzz;
mod identity;
mod journey;
mod keys;
mod migrations;
mod modes;
mod publish;
mod relocation;
mod retention;
mod schema;
mod scrub;
mod ship;
mod store;
mod stores_by_tls;
mod support;
mod wall;
mod weak_spots;
mod words;
