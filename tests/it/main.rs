//! The integration tests: modules named by the question they answer.

mod architecture;
//! The tests of the whole, in one program; each module is named by the question it answers.

mod deploy;
