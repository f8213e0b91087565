//! The integration tests: modules named by the question they answer.

mod architecture;
//! The tests of the whole, in one program; each module is named by the question it answers.

mod deploy;
//! The integration tests, one binary so that they link once. Each module is named by the question it answers.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking, and a measurement prints")]

mod engine;
mod support;
