//! What chance does to the world.

use proptest::prelude::*;

use crate::aws::Fault;
use crate::play::Play;
use crate::rules::Rules;
use crate::world::seen::Seen;
use crate::world::{Stage, State};

/// A world, and what happens in it.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    releases: usize,
    stage: Stage,
    /// Up to where the first release comes in peace.
    peace_until: Option<State>,
    actions: Vec<Action>,
}

/// What happens next. A `which` counts around.
#[derive(Clone, Debug)]
enum Action {
    /// A function makes some calls, and something may go wrong with the last one.
    Go {
        which: usize,
        calls: usize,
        fault: Fault,
    },
    /// An event arrives.
    Deliver(usize),
    /// An event arrives, and will once more.
    DeliverTwice(usize),
    /// An event of AWS is lost. The table's stream loses none.
    Lose(usize),
    /// A function is killed.
    Kill(usize),
    /// Lambda loses a release's function, which goes on all the same.
    LoseSight(usize),
    /// A release's execution is stopped by hand.
    Stop(usize),
    Push(usize),
    Abort(usize),
    Decide {
        release: usize,
        person: usize,
        yes: bool,
    },
    /// ECS ends what is in progress.
    EndDeployment(bool),
    EndMigration {
        release: usize,
        well: bool,
    },
    ChangeDatabase,
    EndSnapshot(usize),
    /// Somebody else deploys.
    ChangeByOthers,
    Fire,
    Throttle(i64),
    Reconcile(usize),
    Pass(i64),
}

impl Action {
    /// The action that a number stands for. Most of a run is drawing numbers, so each action is one.
    fn of(number: u32) -> Self {
        let (kind, number) = (number % 100, (number / 100) as usize);
        let (release, bit) = (number % 3, number / 64 % 2 == 1);
        let which = number % 60;
        match kind {
            0..=43 => {
                let fault = match number / 512 % 48 {
                    0 => Fault::Before,
                    1 => Fault::After,
                    _ => Fault::None,
                };
                // Most often it is the function that was invoked last, else another one is overtaken.
                let which = if bit { usize::MAX } else { which };
                Self::Go { which, calls: [1, 2, 4, 7][number / 128 % 4], fault }
            }
            44..=54 => Self::Deliver(which),
            55 => Self::DeliverTwice(which),
            56..=57 => Self::Lose(which),
            58..=59 => Self::Kill(which),
            60..=62 => Self::LoseSight(release),
            63 => Self::Stop(release),
            64..=66 => Self::Push(release),
            67 => {
                if number / 3 % 4 == 0 {
                    Self::Abort(release)
                } else {
                    Self::Push(release)
                }
            }
            68..=73 => Self::Decide { release, person: number / 3 % 2, yes: number / 6 % 6 != 0 },
            74..=76 => Self::EndDeployment(number % 4 != 0),
            77..=78 => Self::EndMigration { release, well: bit },
            79 => Self::ChangeDatabase,
            80 => Self::EndSnapshot(release),
            81 => {
                if number % 3 == 0 {
                    Self::ChangeByOthers
                } else {
                    Self::EndDeployment(bit)
                }
            }
            82 => {
                if number % 3 == 0 {
                    Self::Fire
                } else {
                    Self::ChangeDatabase
                }
            }
            83 => {
                if number % 3 == 0 {
                    Self::Throttle(if bit { 900 } else { 20 })
                } else {
                    Self::EndSnapshot(release)
                }
            }
            84..=86 => Self::Reconcile(release),
            87..=93 => Self::Pass(1),
            94..=96 => Self::Pass(16),
            97..=98 => Self::Pass(45),
            _ => Self::Pass(if bit { 130 } else { 400 }),
        }
    }

    fn happen(&self, play: &mut Play) {
        let count = play.world.borrow().executions.len();
        let around = |which: usize, len: usize| {
            if which == usize::MAX { len.checked_sub(1) } else { which.checked_rem(len) }
        };
        let event = |which: usize, play: &Play| around(which, play.world.borrow().events.len());
        match *self {
            Self::Go { which, calls, fault } => {
                let Some(which) = around(which, play.running.len()) else { return };
                let last = |call| if call == calls { fault } else { Fault::None };
                let _ended = (1..=calls).any(|call| play.go(which, last(call)));
            }
            Self::Deliver(which) => {
                if let Some(which) = event(which, play) {
                    play.deliver(which);
                }
            }
            Self::DeliverTwice(which) => {
                if let Some(which) = event(which, play) {
                    let about = play.world.borrow().events[which].clone();
                    play.deliver_again(about);
                }
            }
            Self::Lose(which) => {
                if let Some(which) = event(which, play) {
                    let events = &mut play.world.borrow_mut().events;
                    if events[which].may_be_lost() {
                        events.remove(which);
                    }
                }
            }
            Self::Kill(which) => {
                if let Some(which) = around(which, play.running.len()) {
                    play.kill(which);
                }
            }
            Self::LoseSight(release) => play.lose_sight(release % count),
            Self::Stop(release) => play.happen(|world| world.stop(release % count)),
            Self::Push(release) => play.happen(|world| world.push(release % count)),
            Self::Abort(release) => play.happen(|world| world.abort(release % count)),
            Self::Decide { release, person, yes } => {
                play.happen(|world| world.decide(release % count, person, yes));
            }
            Self::EndDeployment(well) => play.happen(|world| world.end_deployment(well)),
            Self::EndMigration { release, well } => {
                play.happen(|world| world.end_migration(release % count, well));
            }
            Self::ChangeDatabase => play.happen(|world| world.change_database()),
            Self::EndSnapshot(release) => play.happen(|world| world.end_snapshot(release % count)),
            Self::ChangeByOthers => play.happen(|world| world.service.change_by_others()),
            Self::Fire => play.happen(|world| world.fire()),
            Self::Throttle(seconds) => {
                play.happen(|world| world.throttled_until = world.now + seconds * 1_000);
            }
            Self::Reconcile(release) => play.reconcile(release % count),
            Self::Pass(seconds) => play.pass(seconds),
        }
    }
}

impl Schedule {
    /// Any, with up to so many actions.
    pub(crate) fn any(actions: usize) -> impl Strategy<Value = Self> {
        let actions = proptest::collection::vec(any::<u32>().prop_map(Action::of), 0..actions);
        (any::<u32>(), actions).prop_map(|(number, actions)| {
            let has = |bit: u32| number >> bit & 1 == 1;
            let stage = Stage {
                approval: has(0),
                snapshot: has(1) && has(2),
                migration: has(3) && has(4),
                bake: has(5) && has(6),
                timeouts_are_fixed: has(7),
            };
            let places = [
                State::RequestApproval,
                State::RunMigration,
                State::DeployServices,
                State::DeployServices,
                State::BakeStage,
                State::RollBack,
            ];
            let peace_until = places.get(number as usize / 256 % 8).copied();
            let releases = [1, 1, 2, 3][number as usize / 4_096 % 4];
            Self { releases, stage, peace_until, actions }
        })
    }

    /// Plays it, then leaves everybody in peace.
    pub(crate) fn play(&self, rules: Rules) -> Result<Seen, String> {
        self.play_in(&mut Play::new(rules, self.stage, self.releases))
    }

    /// The same, told call by call.
    pub(crate) fn story(&self, rules: Rules) -> String {
        let mut play = Play::new(rules, self.stage, self.releases);
        play.world.borrow_mut().story = Some(Vec::new());
        let _told = self.play_in(&mut play);
        let story = play.world.borrow_mut().story.take().unwrap_or_default();
        story.join("\n")
    }

    fn play_in(&self, play: &mut Play) -> Result<Seen, String> {
        if let Some(state) = self.peace_until {
            play.peace_until(state);
        }
        for action in &self.actions {
            play.world.borrow_mut().log(|now| format!("{now:8} {action:?}"));
            action.happen(play);
            play.check()?;
        }
        play.settle()?;
        let seen = play.world.borrow().truth.seen.clone();
        Ok(seen)
    }
}

impl Play {
    /// The first release goes its way until it begins a state, with everything as it wants, if it comes there.
    fn peace_until(&mut self, state: State) {
        self.happen(|world| world.push(0));
        for _ in 0..2_000 {
            if self.world.borrow().executions[0].current.as_ref().is_none_or(|task| task.place.state >= state)
            {
                break;
            }
            if self.running.is_empty() {
                self.happen(|world| world.help(0, state != State::RollBack));
                if !self.world.borrow().events.is_empty() {
                    self.deliver(0);
                }
                self.pass(1);
            } else {
                self.go(self.running.len() - 1, Fault::None);
            }
        }
    }
}
