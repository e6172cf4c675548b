//! Whole releases on the local cloud that `SLIPWAY_LOCAL` names (`cargo local test` starts one for them).
//!
//! IAM is enforced in all of them. They share one application, so they take turns.

mod alarms;
mod approvals;
mod approvers;
mod awkward;
mod browser;
mod economy;
mod faults;
mod floods;
mod gates;
mod locks;
mod operators;
mod pushes;
mod releases;
mod schedules;
mod stories;
mod world;
