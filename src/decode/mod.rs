//! From bytes to a received beacon: what is well-formed and within its limits goes on, all else is refused by name.

pub mod url;
