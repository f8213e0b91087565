//! What the tests share.

pub(crate) mod engine;
pub(crate) mod fake_vault;
