//! Are several nodes one installation: do they have one key a day, and is a node that is gone waited for no longer?

mod drill;
mod erasure;
mod handing;
pub(crate) mod machines;
mod marks;
mod retire;
