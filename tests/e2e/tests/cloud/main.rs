//! Whole releases on the local cloud that `SLIPWAY_LOCAL` names, and on others where `SLIPWAY_LOCAL_OTHERS` names them, as a
//! PATH does (`cargo local test` starts all).
//!
//! IAM is enforced in all of them. They share one application, so on each cloud they take turns.

mod adopt;
mod alarms;
mod approvals;
mod approvers;
mod awkward;
mod browser;
mod bundle;
mod console;
mod doctor;
mod economy;
mod faults;
mod floods;
mod freezes;
mod gates;
mod locks;
mod operators;
mod pushes;
mod releases;
mod runbook;
mod schedules;
mod stories;
mod upkeep;
mod world;
