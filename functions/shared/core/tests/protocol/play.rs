//! Plays the world: which function makes its next call, which event arrives, what people and AWS do, and how time
//! passes.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::aws::{Aws, Caller, Fault};
use crate::rules::Rules;
use crate::world::table::About;
use crate::world::workflow::{Status, Task, TaskEnd};
use crate::world::{Stage, World};
use crate::{reconcile, step, wake};

/// After so many seconds Lambda ends a function.
const FUNCTION_SECONDS: i64 = 30;
/// After so many seconds a function has begun, or never does.
const LATE_SECONDS: i64 = 10;
/// How long after it was invoked a function may live.
pub(crate) const LONGEST_SECONDS: i64 = LATE_SECONDS + FUNCTION_SECONDS;
/// How many functions, events and retries are played in peace before it counts as endless.
const ENDLESS: usize = 20_000;

/// A function's work, which it goes on with when it is polled.
type Future = Pin<Box<dyn std::future::Future<Output = Result<(), TaskEnd>>>>;

/// What a function works on.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    Step(Box<Task>),
    Wake(About),
    Reconcile,
}

/// A function that runs.
pub(crate) struct Running {
    pub work: Work,
    aws: Aws,
    future: Future,
    /// Until when it lives, in milliseconds. It counts from its first call, as Lambda may begin late.
    until: i64,
    has_begun: bool,
}

/// What comes by itself as time passes.
enum Timer {
    Dies(usize),
    Retries(usize),
    TimesOut(usize),
}

/// A world that is being played.
pub(crate) struct Play {
    pub world: Rc<RefCell<World>>,
    fault: Rc<Cell<Fault>>,
    /// Those that were invoked last are last.
    pub running: Vec<Running>,
}

impl Play {
    pub(crate) fn new(rules: Rules, stage: Stage, releases: usize) -> Self {
        Self {
            world: Rc::new(RefCell::new(World::new(rules, stage, releases))),
            fault: Rc::default(),
            running: Vec::new(),
        }
    }

    /// Something that happens in the world, and the functions that are invoked by it.
    pub(crate) fn happen<T>(&mut self, happen: impl FnOnce(&mut World) -> T) -> T {
        let (happened, invoked) = {
            let mut world = self.world.borrow_mut();
            (happen(&mut world), std::mem::take(&mut world.invoked))
        };
        for task in invoked {
            let aws = self.aws(Caller::Step(task.place, task.attempt.retry));
            let future = {
                let (aws, task) = (aws.clone(), task.clone());
                Box::pin(async move { step::serve(&aws, &task).await })
            };
            self.begin(Work::Step(Box::new(task)), aws, future);
        }
        happened
    }

    /// An event, or a record of the table's stream, reaches `resume-release`.
    pub(crate) fn deliver(&mut self, which: usize) {
        let about = self.world.borrow_mut().events.remove(which);
        self.deliver_again(about);
    }

    /// The same once more.
    pub(crate) fn deliver_again(&mut self, about: About) {
        let aws = self.aws(Caller::Wake);
        let future = {
            let (aws, about) = (aws.clone(), about.clone());
            Box::pin(async move { wake::handle(&aws, &about).await.map_err(|_| TaskEnd::Transient) })
        };
        self.begin(Work::Wake(about), aws, future);
    }

    /// The reconciler looks after a release.
    pub(crate) fn reconcile(&mut self, release: usize) {
        let aws = self.aws(Caller::Reconcile(release));
        let future = {
            let aws = aws.clone();
            Box::pin(async move { reconcile::handle(&aws, release).await.map_err(|_| TaskEnd::Transient) })
        };
        self.begin(Work::Reconcile, aws, future);
    }

    /// A function makes its next call, with which something may go wrong. `true` once it has ended.
    pub(crate) fn go(&mut self, which: usize, fault: Fault) -> bool {
        let now = self.world.borrow().now;
        let running = &mut self.running[which];
        if !running.has_begun {
            (running.has_begun, running.until) = (true, now + FUNCTION_SECONDS * 1_000);
        }
        self.fault.set(fault);
        let polled = running.future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let ended = match polled {
            Poll::Pending => None,
            Poll::Ready(result) => Some((self.running.remove(which).work, result)),
        };
        let is_over = ended.is_some();
        self.happen(|world| match ended {
            Some((Work::Step(task), Ok(()))) => world.ended(&task),
            Some((Work::Step(task), Err(thrown))) => _ = world.end_task(task.token, thrown),
            // It is brought again.
            Some((Work::Wake(about), Err(_))) => world.events.push(about),
            Some((Work::Wake(_) | Work::Reconcile, _)) | None => {}
        });
        is_over
    }

    /// A function is killed.
    pub(crate) fn kill(&mut self, which: usize) {
        let killed = self.running.remove(which);
        self.happen(|world| match killed.work {
            Work::Step(task) => _ = world.end_task(task.token, TaskEnd::Transient),
            Work::Wake(about) => world.events.push(about),
            Work::Reconcile => {}
        });
    }

    /// Lambda loses a release's function, which goes on all the same.
    pub(crate) fn lose_sight(&mut self, release: usize) {
        let current = self.world.borrow().executions[release].current.as_ref().map(|task| task.token);
        if current.is_some_and(|token| self.running.iter().any(|running| running.has(token))) {
            self.happen(|world| world.lose(release));
        }
    }

    /// Time passes, and what comes by itself comes in its order.
    pub(crate) fn pass(&mut self, seconds: i64) {
        let until = self.world.borrow().now + seconds * 1_000;
        while let Some((at, timer)) = self.next_timer().filter(|(at, _)| *at <= until) {
            self.happen(|world| world.now = world.now.max(at));
            match timer {
                Timer::Dies(which) => self.kill(which),
                Timer::Retries(release) => self.happen(|world| world.retry(release)),
                Timer::TimesOut(release) => self.happen(|world| world.time_out(release)),
            }
        }
        self.happen(|world| world.now = world.now.max(until));
    }

    fn next_timer(&self) -> Option<(i64, Timer)> {
        let world = self.world.borrow();
        let deaths =
            self.running.iter().enumerate().map(|(which, running)| (running.until, Timer::Dies(which)));
        let alive =
            world.executions.iter().enumerate().filter(|(_, execution)| execution.status == Status::Running);
        let executions = alive.map(|(release, execution)| match execution.retry_at {
            Some(at) => (at, Timer::Retries(release)),
            None => (execution.times_out_at, Timer::TimesOut(release)),
        });
        deaths.chain(executions).min_by_key(|(at, _)| *at)
    }

    /// What does not hold, if anything.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.world.borrow_mut().truth.broken.take().map_or(Ok(()), Err)
    }

    fn aws(&self, caller: Caller) -> Aws {
        Aws::new(Rc::clone(&self.world), caller, Rc::clone(&self.fault))
    }

    /// A function begins: it runs up to its first call, which waits for its turn.
    fn begin(&mut self, work: Work, aws: Aws, future: Future) {
        let until = self.world.borrow().now + LATE_SECONDS * 1_000;
        let mut running = Running { work, aws, future, until, has_begun: false };
        let polled = running.future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending(), "every function makes a call");
        self.running.push(running);
    }
}

impl Running {
    /// Whether it is the function of this task token.
    pub(crate) fn has(&self, token: usize) -> bool {
        matches!(&self.work, Work::Step(task) if task.token == token)
    }

    /// The call that it makes next.
    pub(crate) fn next_call(&self) -> &'static str {
        self.aws.next_call()
    }
}

/// In peace: nothing goes wrong any more.
impl Play {
    /// Functions work, events arrive, what was tried is tried again, until nothing is on its way.
    pub(crate) fn calm_down(&mut self) -> Result<(), String> {
        for _ in 0..ENDLESS {
            self.check()?;
            if !self.running.is_empty() {
                self.go(self.running.len() - 1, Fault::None);
            } else if !self.world.borrow().events.is_empty() {
                self.deliver(0);
            } else if let Some(seconds) = self.until_the_next_retry() {
                self.pass(seconds);
            } else {
                self.world.borrow_mut().judge_rest(false);
                return self.check();
            }
        }
        Err("it never comes to rest".into())
    }

    fn until_the_next_retry(&self) -> Option<i64> {
        let world = self.world.borrow();
        let next = world.executions.iter().filter_map(|execution| execution.retry_at).min()?;
        Some((next - world.now).max(0) / 1_000 + 1)
    }

    /// Time passes and the reconciler looks, until every release has ended.
    pub(crate) fn settle(&mut self) -> Result<(), String> {
        let releases = self.world.borrow().executions.len();
        self.world.borrow_mut().throttled_until = 0;
        for _ in 0..100 {
            self.calm_down()?;
            (0..releases).for_each(|release| self.reconcile(release));
            self.calm_down()?;
            self.world.borrow_mut().judge_rest(true);
            self.check()?;
            if self.is_at_rest() {
                break;
            }
            self.pass(90);
        }
        self.world.borrow_mut().judge_the_end();
        self.check()
    }

    fn is_at_rest(&self) -> bool {
        let world = self.world.borrow();
        let over = world.executions.iter().all(|execution| execution.status != Status::Running);
        over && world.table.records.iter().all(|record| !record.open)
    }
}
