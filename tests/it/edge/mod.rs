//! Does the edge keep its contract, whatever is sent to it? Each module asks one part of that question.

mod cors;
mod deadlines;
mod durability;
mod hostile;
mod identity;
mod pictures;
mod refusals;
mod wishes;
