//! What Slipway's functions take, measured beside what people would use instead: `cargo local bench`.
//!
//! Releases are played on a local cloud and recorded: each function's event and its calls with their answers. Then every
//! function starts anew, many times, in front of a Runtime API and an endpoint that give it just these, in turn with a
//! hello-world function in Rust and with a twin in Python that makes the same calls.

pub mod case;
pub mod cold;
mod endpoint;
pub mod growth;
mod lambda;
pub mod quotas;
pub mod report;

pub use case::{Case, Recording};
