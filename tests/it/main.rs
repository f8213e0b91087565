//! The integration tests: modules named by the question they answer.

mod architecture;
