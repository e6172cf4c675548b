//! Slipway's words as types, and every decision as a pure function.
//!
//! Nothing here speaks to AWS, reads a clock or does I/O: what is needed is given in as values, so that every
//! rule can be tested by calling it. The words are those of `docs/glossary.md`.

pub mod adoption;
pub mod alarm;
pub mod api;
pub mod application;
pub mod approval;
pub mod audit;
pub mod caller;
pub mod console;
pub mod dead_letter;
pub mod definition;
pub mod deployment;
pub mod doctor;
pub mod failure;
#[cfg(test)]
mod fixtures;
pub mod freeze;
pub mod history;
#[cfg(test)]
mod hostile;
pub mod image;
pub mod lock;
pub mod log;
pub mod migration;
pub mod name;
pub mod notification;
pub mod obstacle;
pub mod origin;
pub mod protocol;
pub mod push;
pub mod pusher;
pub mod quarantine;
pub mod reconciliation;
pub mod release;
pub mod request;
pub mod resend;
pub mod rollback;
pub mod scan;
pub mod snapshot;
pub mod span;
pub mod status;
pub mod step;
pub mod strategy;
pub mod subscription;
pub mod timeline;
pub mod verification;
pub mod words;
