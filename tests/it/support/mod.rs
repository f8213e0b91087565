//! Shared code of the tests.

pub(crate) mod collector;
pub(crate) mod disk;
pub(crate) mod engine;
pub(crate) mod fake_vault;
pub(crate) mod http;
pub(crate) mod ports;
pub(crate) mod product;
pub(crate) mod program;
pub(crate) mod programs;
pub(crate) mod random;
pub(crate) mod repository;
pub(crate) mod rows;
pub(crate) mod ship;
pub(crate) mod tls_proxy;
pub(crate) mod traffic;
pub(crate) mod vault;
pub(crate) mod wait;
pub(crate) mod widths;
