//! The life of a release, as the functions that act on it share it: how it begins and ends, its lock, its revisions,
//! its timeline, its approvals' audit, and whom it notifies.

mod applications;
mod audit;
mod beginning;
mod clock;
mod context;
mod deadline;
mod deployment;
mod ending;
mod error;
mod freeze;
mod lock;
mod log_tail;
mod metric;
mod notification;
mod obstacle;
mod pace;
mod plan;
mod revision;
mod running;
mod successor;
mod tasks;
mod timeline;
mod token;

pub use applications::{
    Applications, Broken, Configured, application_by_repository, applications, approvers, find_application,
};
pub use audit::{audit, audit_with, close_approval, next_entry};
pub use beginning::{Begun, Open, begin, refuse_unless_open, refuse_unopened};
pub use clock::{minute_of, now};
pub use context::{Asked, Context, NOT_ALONE, change_of, image_of, migration_of};
pub use deadline::deadline;
pub use deployment::{Standing, deployed};
pub use ending::{finish, give_lock_back, newest_baseline, quarantine_of, was_released};
pub use error::{StepError, parse, parse_at};
pub use freeze::{ends_frozen, freeze_keys, freezes, frozen_by, frozen_for, stage_frozen, wait_frozen};
pub use lock::{Preconditions, abort_of, interrupted};
pub use log_tail::log_tail;
pub use metric::{count, seconds};
pub use notification::{Channels, Notifier};
pub use obstacle::unreachable;
pub use pace::{Held, Pace};
pub use plan::would_change;
pub use revision::{Definitions, NoRevision, Record, Revision, usable_template};
pub use running::brought_by;
pub use successor::deployer_after;
pub use tasks::{Tasks, usable_task};
pub use timeline::Timeline;
pub use token::{new_token, token_hash};
