//! The table, as DynamoDB keeps it: every item has a version, which a conditional write names.

use std::collections::BTreeMap;

use jiff::Timestamp;
use slipway_core::approval::{Approval, Status};
use slipway_core::lock::Lock;
use slipway_core::protocol::{Callback, WakeKey};
use slipway_core::release::Outcome;
use slipway_core::rollback::{Baseline, Change};

use super::{Job, Place, State};

/// An item. The first version is 1, also where there was one before that was deleted.
#[derive(Clone, Debug)]
pub(crate) struct Item<T> {
    document: Option<T>,
    version: u64,
    /// How often it came into being, which only the proof knows.
    births: u32,
    law: fn(Option<&T>, &T) -> Result<(), String>,
}

/// What an item was when it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version(u64, u32);

/// What became of a conditional write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// It is done.
    Done,
    /// It is done, and should not be.
    Wrong(String),
    /// It is done, and should not be: the condition held, although the item is another one than was read.
    Mistaken,
    /// Somebody was first.
    Refused,
}

impl<T> Default for Item<T> {
    fn default() -> Self {
        Self::under(|_, _| Ok(()))
    }
}

impl<T> Item<T> {
    /// An item that is not there yet, with what must hold between a document and the next.
    fn under(law: fn(Option<&T>, &T) -> Result<(), String>) -> Self {
        Self { document: None, version: 0, births: 0, law }
    }

    /// What it is, where it is there.
    pub(crate) fn get(&self) -> Option<&T> {
        self.document.as_ref()
    }

    /// What it is, and in which version.
    pub(crate) fn read(&self) -> (Option<T>, Version)
    where
        T: Clone,
    {
        (self.document.clone(), Version(self.version, self.births))
    }

    /// Writes it where it is still in the version that was read, or not there.
    pub(crate) fn write(&mut self, document: T, Version(version, births): Version) -> Written {
        if version != self.version {
            return Written::Refused;
        }
        let written = match (self.law)(self.document.as_ref(), &document) {
            Ok(()) => Written::Done,
            Err(_) if births != self.births => Written::Mistaken,
            Err(problem) => Written::Wrong(problem),
        };
        self.births += u32::from(self.document.is_none());
        self.version += 1;
        self.document = Some(document);
        written
    }

    /// Deletes it where it is still in the version that was read.
    pub(crate) fn delete(&mut self, Version(version, _): Version) {
        if version == self.version {
            self.remove();
        }
    }

    /// Deletes it, whatever it is.
    pub(crate) fn remove(&mut self) {
        self.document = None;
        self.version = 0;
    }
}

/// What the table's stream, or an event of AWS, is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// Something that steps wait for.
    Key(WakeKey),
    /// A person asked for a release to end.
    Abort(usize),
    /// The reconciler has found that a step is due.
    Due(Place),
}

impl About {
    /// Whether it may be lost.
    pub(crate) fn may_be_lost(&self) -> bool {
        matches!(self, Self::Key(key) if key.may_be_lost())
    }
}

/// What the table has of all releases.
#[derive(Debug)]
pub(crate) struct Table {
    pub lock: Item<Lock>,
    /// What points from a wake key to a callback.
    pub pointers: Vec<(WakeKey, Place)>,
    pub records: Vec<Record>,
}

/// What the table has of one release.
#[expect(clippy::struct_excessive_bools, reason = "each is a record that is there or is not")]
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// Its push was received: it is in the history.
    pub pushed: bool,
    /// It has no outcome that people know.
    pub open: bool,
    pub aborted: bool,
    pub round: u32,
    pub baselines: BTreeMap<u32, Baseline>,
    pub approvals: BTreeMap<u32, Item<Approval>>,
    pub change: Option<Change>,
    /// The migration was begun, and how its task ended, where that is known.
    pub migration: Option<Job>,
    /// The release has a task definition.
    pub registered: bool,
    /// ECS was told to run it.
    pub told: bool,
    /// ECS was told to run the baseline.
    pub restored: bool,
    pub first_looks: BTreeMap<State, Timestamp>,
    pub callbacks: BTreeMap<State, Item<Callback>>,
    pub ending: Option<Outcome>,
}

impl Table {
    /// The table before anything was pushed.
    pub(crate) fn new(releases: usize) -> Self {
        let records = (0..releases).map(|_| Record::default()).collect();
        Self { lock: Item::under(lock_law), pointers: Vec::new(), records }
    }

    /// A step's callback.
    pub(crate) fn callback(&mut self, Place { release, state }: Place) -> &mut Item<Callback> {
        self.records[release].callbacks.entry(state).or_insert_with(|| Item::under(callback_law))
    }

    /// A release's approval of a round.
    pub(crate) fn approval(&mut self, release: usize, round: u32) -> &mut Item<Approval> {
        self.records[release].approvals.entry(round).or_insert_with(|| Item::under(approval_law))
    }

    /// The lock as it is.
    pub(crate) fn lock(&self) -> Lock {
        self.lock.get().cloned().unwrap_or_default()
    }

    /// Who waits for a key.
    pub(crate) fn waiting_for(&self, key: &WakeKey) -> Vec<Place> {
        self.pointers.iter().filter(|(pointer, _)| pointer == key).map(|(_, place)| *place).collect()
    }
}

/// A generation follows the one before, and is one release's.
fn lock_law(before: Option<&Lock>, after: &Lock) -> Result<(), String> {
    let before = before.cloned().unwrap_or_default();
    let same = match (&before.holder, &after.holder) {
        (Some(before), Some(after)) => before.release == after.release,
        (None, Some(_)) => false,
        (_, None) => true,
    };
    if after.generation == before.generation + u64::from(!same) {
        Ok(())
    } else {
        Err(format!("the lock went from {before:?} to {after:?}"))
    }
}

/// No newer token is overwritten by an older invocation.
fn callback_law(before: Option<&Callback>, after: &Callback) -> Result<(), String> {
    match before {
        Some(before) if before.attempt > after.attempt => {
            Err(format!("{before:?} was overwritten by {after:?}"))
        }
        _ => Ok(()),
    }
}

/// A decision counts once: nothing follows it but that the stage has changed since.
fn approval_law(before: Option<&Approval>, after: &Approval) -> Result<(), String> {
    let Some(before) = before else { return Ok(()) };
    let decided_anew = before.decisions != after.decisions && before.status != Status::Pending;
    let changed = before.status != after.status && before.status != Status::Pending;
    let voided = before.status == Status::Approved && after.status == Status::Voided;
    let mut people: Vec<_> = after.decisions.iter().map(|decision| &decision.by).collect();
    people.sort();
    let twice = people.windows(2).any(|two| two[0] == two[1]);
    if decided_anew || (changed && !voided) || twice {
        return Err(format!(
            "an approval went from {:?} {:?} to {:?} {:?}",
            before.status, before.decisions, after.status, after.decisions
        ));
    }
    Ok(())
}
