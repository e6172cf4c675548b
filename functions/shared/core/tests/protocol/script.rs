//! A run that a test tells step by step.

use slipway_core::protocol::{Callback, WakeKey};
use slipway_core::release::Outcome;

use crate::aws::Fault;
use crate::play::{Play, Running};
use crate::rules::Rules;
use crate::world::table::About;
use crate::world::{Place, Stage, State, World};

/// A world, played by a test. Nothing happens in it but what the test says.
pub(crate) struct Script {
    play: Play,
}

/// A function that hangs.
pub(crate) struct Hanging(Running);

impl Script {
    /// The world of so many releases, of which the first was pushed.
    pub(crate) fn new(rules: Rules, stage: Stage, releases: usize) -> Self {
        let mut script = Self { play: Play::new(rules, stage, releases) };
        script.happen(|world| world.push(0));
        script
    }

    /// Something happens in the world.
    pub(crate) fn happen<T>(&mut self, happen: impl FnOnce(&mut World) -> T) -> T {
        self.play.happen(happen)
    }

    /// The functions of a release work, one after the other, until it begins this state.
    pub(crate) fn until(&mut self, release: usize, state: State) {
        while self.state(release) != state {
            let which = self.which(release);
            self.play.go(which, Fault::None);
        }
    }

    /// A release's newest function works until it is about to make this call, and hangs there.
    pub(crate) fn hang_before(&mut self, release: usize, call: &str) -> Hanging {
        let which = self.which(release);
        while self.play.running[which].next_call() != call {
            assert!(!self.play.go(which, Fault::None), "it has ended before it {call}");
        }
        Hanging(self.play.running.remove(which))
    }

    /// A function that hung goes on until it is about to make this call, and hangs there.
    pub(crate) fn on_until(&mut self, Hanging(hanging): Hanging, call: &str) -> Hanging {
        self.play.running.push(hanging);
        let which = self.play.running.len() - 1;
        self.play.go(which, Fault::None);
        while self.play.running[which].next_call() != call {
            assert!(!self.play.go(which, Fault::None), "it has ended before it {call}");
        }
        Hanging(self.play.running.remove(which))
    }

    /// A function that hung goes on to its end. What goes wrong goes wrong with its next call.
    pub(crate) fn on(&mut self, Hanging(hanging): Hanging, fault: Fault) {
        self.play.running.push(hanging);
        let which = self.play.running.len() - 1;
        let mut ended = self.play.go(which, fault);
        while !ended {
            ended = self.play.go(which, Fault::None);
        }
    }

    /// A function that hung is killed.
    pub(crate) fn kill(&mut self, Hanging(hanging): Hanging) {
        self.play.running.push(hanging);
        self.play.kill(self.play.running.len() - 1);
    }

    /// A release's newest function works to its end.
    pub(crate) fn run(&mut self, release: usize) {
        let hanging = Hanging(self.play.running.remove(self.which(release)));
        self.on(hanging, Fault::None);
    }

    /// Lambda loses a release's function, which hangs; Step Functions tries again.
    pub(crate) fn try_again(&mut self, release: usize, Hanging(hanging): &Hanging) {
        assert!(
            matches!(&hanging.work, crate::play::Work::Step(task) if self.is_current(release, task.token)),
            "it is an old function"
        );
        self.happen(|world| world.lose(release));
        self.play.pass(1);
    }

    /// The oldest event is brought, and has its effect.
    pub(crate) fn deliver(&mut self) {
        self.play.deliver(0);
        let which = self.play.running.len() - 1;
        while !self.play.go(which, Fault::None) {}
    }

    /// An event is brought, whether there was one or not, and has its effect.
    pub(crate) fn bring(&mut self, key: WakeKey) {
        self.play.deliver_again(About::Key(key));
        let which = self.play.running.len() - 1;
        while !self.play.go(which, Fault::None) {}
    }

    /// Every event that is on its way is brought, in order.
    pub(crate) fn deliver_all(&mut self) {
        while !self.play.world.borrow().events.is_empty() {
            self.deliver();
        }
    }

    /// Every event that is on its way is lost, or has found nobody.
    pub(crate) fn forget_events(&mut self) {
        self.play.world.borrow_mut().events.clear();
    }

    pub(crate) fn pass(&mut self, seconds: i64) {
        self.play.pass(seconds);
    }

    /// The reconciler looks after a release, and what it finds is woken.
    pub(crate) fn reconcile(&mut self, release: usize) {
        self.play.reconcile(release);
        let which = self.play.running.len() - 1;
        while !self.play.go(which, Fault::None) {}
        self.deliver_all();
    }

    /// Everybody is left in peace.
    pub(crate) fn settle(&mut self) -> Result<(), String> {
        self.play.settle()
    }

    /// The state that a release is at.
    pub(crate) fn state(&self, release: usize) -> State {
        self.play.world.borrow().executions[release].current.as_ref().expect("it has begun").place.state
    }

    /// How often the state that a release is at was tried again.
    pub(crate) fn retries(&self, release: usize) -> u32 {
        self.play.world.borrow().executions[release].current.as_ref().map_or(0, |task| task.attempt.retry)
    }

    pub(crate) fn outcome(&self, release: usize) -> Option<Outcome> {
        self.play.world.borrow().table.records[release].ending
    }

    pub(crate) fn runs(&self) -> u32 {
        self.play.world.borrow().service.runs()
    }

    pub(crate) fn callback(&self, release: usize, state: State) -> Option<Callback> {
        self.play.world.borrow_mut().table.callback(Place { release, state }).get().cloned()
    }

    /// How often it came to something.
    pub(crate) fn times(&self, what: &str) -> u32 {
        self.play.world.borrow().truth.seen.times(what)
    }

    /// What does not hold, if anything.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.play.check()
    }

    /// Everybody is left in peace, then a function that hung goes on to its end, and everybody is left in peace again.
    pub(crate) fn settle_before(&mut self, old: Hanging) -> Result<(), String> {
        self.settle()?;
        self.on(old, Fault::None);
        self.settle()
    }

    fn is_current(&self, release: usize, token: usize) -> bool {
        self.play.world.borrow().executions[release].waits_for(token)
    }

    /// A release's newest function, which runs.
    fn which(&self, release: usize) -> usize {
        let of_release = |running: &Running| matches!(&running.work, crate::play::Work::Step(task) if task.place.release == release);
        self.play.running.iter().rposition(of_release).expect("a function of the release runs")
    }
}
