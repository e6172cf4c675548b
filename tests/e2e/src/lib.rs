//! Whole releases under faults: plays them on the local cloud, breaks what a schedule says, and judges what is left.
//!
//! [`play`] runs a [`schedule`], [`gather`] reads what it left behind into a [`record`], [`invariants`] judge that.
//! [`flood`] releases
//! hundreds of applications at once. What there is to break is listed from a trace ([`points`]); [`matrix`] breaks it one by one, [`seeds`] at random. A
//! [`story`] is a release as plain text.

pub mod commands;
pub mod flood;
pub mod gather;
pub mod invariants;
pub mod matrix;
pub mod meanwhile;
pub mod names;
pub mod people;
pub mod play;
pub mod points;
pub mod record;
pub mod report;
pub mod schedule;
pub mod seeds;
pub mod setting;
pub mod story;
