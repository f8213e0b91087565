//! What the tests share.

pub(crate) mod engine;
pub(crate) mod fake_vault;
pub(crate) mod product;
pub(crate) mod ship;
pub(crate) mod vault;
