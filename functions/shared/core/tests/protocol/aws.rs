//! How the modelled functions call the modelled AWS: one call at a time, and between two of them anything may happen.
//!
//! A function is an `async fn` as the real one is. Each call waits for its turn, which the play gives; then it
//! happens at once. A call may fail before it happened or after: the function cannot tell. A function that is killed
//! is never given a turn again.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use jiff::Timestamp;

use crate::rules::Rule;
use crate::world::table::{About, Item, Written};
use crate::world::{Place, World};

/// What goes wrong with the next call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    #[default]
    None,
    /// It does not happen, and fails.
    Before,
    /// It happens, and its answer is lost.
    After,
}

impl Fault {
    fn in_words(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Before => ", which does not happen",
            Self::After => ", and has no answer",
        }
    }
}

/// A call that failed: whether it happened is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unknown;

/// What a decision makes of an item.
pub(crate) enum Update<T, R> {
    /// This takes its place.
    Write(T, R),
    /// It stays.
    Leave(R),
}

/// Who calls.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Caller {
    Step(Place, u32),
    Wake,
    Reconcile(usize),
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step(Place { release, state }, retry) => write!(f, "{state:?} {retry} of {release}"),
            Self::Wake => f.write_str("resume-release"),
            Self::Reconcile(release) => write!(f, "reconcile of {release}"),
        }
    }
}

/// One function's connection to AWS.
#[derive(Clone)]
pub(crate) struct Aws {
    world: Rc<RefCell<World>>,
    caller: Caller,
    fault: Rc<Cell<Fault>>,
    next: Rc<Cell<&'static str>>,
}

impl Aws {
    /// A new function's. `fault` is what goes wrong with the call that is given its turn next.
    pub(crate) fn new(world: Rc<RefCell<World>>, caller: Caller, fault: Rc<Cell<Fault>>) -> Self {
        Self { world, caller, fault, next: Rc::default() }
    }

    /// The call that the function makes next.
    pub(crate) fn next_call(&self) -> &'static str {
        self.next.get()
    }

    /// The function's clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.world.borrow().time()
    }

    /// Whether the run keeps a rule.
    pub(crate) fn keeps(&self, rule: Rule) -> bool {
        self.world.borrow().rules.keep(rule)
    }

    /// Writes down for the proof what a function knows. It is no call.
    pub(crate) fn note(&self, note: impl FnOnce(&mut World)) {
        note(&mut self.world.borrow_mut());
    }

    /// One call.
    pub(crate) async fn call<T>(
        &self,
        what: &'static str,
        happen: impl FnOnce(&mut World) -> T,
    ) -> Result<T, Unknown> {
        self.next.set(what);
        let mut turns = 0;
        poll_fn(|_| {
            turns += 1;
            if turns > 1 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        let fault = self.fault.take();
        self.world.borrow_mut().log(|now| format!("{now:8} {} {what}{}", self.caller, fault.in_words()));
        if fault == Fault::Before {
            return Err(Unknown);
        }
        let answer = happen(&mut self.world.borrow_mut());
        if fault == Fault::After { Err(Unknown) } else { Ok(answer) }
    }

    /// One call to ECS or Step Functions, which may throttle for minutes.
    pub(crate) async fn ask<T>(
        &self,
        what: &'static str,
        happen: impl FnOnce(&mut World) -> T,
    ) -> Result<T, Unknown> {
        let answer =
            self.call(what, |world| (world.now >= world.throttled_until).then(|| happen(world))).await?;
        answer.ok_or(Unknown)
    }

    /// Reads an item, decides, and writes it on condition that nobody has written it since; else once more, from the
    /// read on. `about` is what the table's stream tells of it.
    pub(crate) async fn update<T: Clone, R>(
        &self,
        what: &'static str,
        item: impl Fn(&mut World) -> &mut Item<T>,
        about: Option<About>,
        mut decide: impl FnMut(Option<T>) -> Update<T, R>,
    ) -> Result<R, Unknown> {
        loop {
            let (current, version) = self.call("reads an item", |world| item(world).read()).await?;
            let (document, answer) = match decide(current) {
                Update::Leave(answer) => return Ok(answer),
                Update::Write(document, answer) => (document, answer),
            };
            let write = |world: &mut World| {
                let written = item(world).write(document, version);
                world.written(written, about.clone())
            };
            if self.call(what, write).await? {
                return Ok(answer);
            }
        }
    }
}

impl World {
    /// Judges a write, and has the table's stream tell of it. `false` where somebody was first.
    pub(crate) fn written(&mut self, written: Written, about: Option<About>) -> bool {
        match written {
            Written::Refused => return false,
            Written::Done => {}
            Written::Wrong(problem) => self.truth.violated(problem),
            // It harms where somebody waits with what was there.
            Written::Mistaken => (0..self.executions.len()).for_each(|release| self.judge_waiting(release)),
        }
        self.events.extend(about);
        true
    }
}
