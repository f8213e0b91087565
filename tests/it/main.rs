//! The integration tests, one binary so that they link once. Each module is named by the question it answers.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking, and a measurement prints")]

mod access;
mod analyst;
mod architecture;
mod arrival;
mod attacks;
mod behind_the_edge;
mod break_glass;
mod canary;
mod cli;
mod crash;
mod dead_letters;
mod deploy;
mod disclosure;
mod documents;
mod edge;
mod engine;
mod faults;
mod from_a_desk;
mod fuzz;
mod grafana;
mod identity;
mod identity_modes;
mod insider;
mod journey;
mod keys;
mod made_up;
mod migrations;
mod navigation;
mod peer_weaknesses;
mod publish;
mod relocation;
mod requests;
mod retention;
mod rights;
mod row_accounting;
mod schema;
mod scrub;
mod ship;
mod stats_page;
mod store;
mod stores_by_tls;
mod support;
mod wall;
mod words;
