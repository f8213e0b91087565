//! The embedded engine.
fn main() {}
