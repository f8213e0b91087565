//! Does the edge keep its contract, whatever is sent to it? Each module asks one part of that question.

mod activation;
mod cors;
mod deadlines;
mod device;
mod durability;
mod hostile;
mod identity;
mod limits;
mod operations;
mod opt_out;
mod pixel;
mod proxy_header;
mod real_inputs;
mod refusals;
mod smuggling;
mod tls;
mod trial;
mod unix;
