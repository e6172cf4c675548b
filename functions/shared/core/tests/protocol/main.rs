//! The protocol of steps, locks and approvals under every interleaving that chance finds: functions that die, and
//! functions that go on after Step Functions gave them up; events that are lost, doubled, early or late; releases
//! that race; people who click at the wrong moment; executions that are stopped by hand.
//!
//! The rules are the real ones, from the core. The functions around them are modelled call by call (`step.rs`,
//! `wake.rs`, `reconcile.rs`), and so is what they call: the table with its versions, Step Functions with its task
//! tokens, ECS with its deployments (`world.rs`). What must hold is in `world/truth.rs`, what is played in
//! `schedule.rs`. The particular cases are told in `cases.rs`, what each rule is good for in `faults.rs`; `rules.rs`
//! says which rules there are.
//!
//! There is one stage with one service. Left out are mails, logs, the timeline, `VerifyServices` and `CheckImage`, a
//! rollback that may not cross its migration, and reads of ECS that lag behind its events: the reconciler makes up
//! for them as for a lost event.

mod aws;
mod cases;
mod faults;
mod play;
mod reconcile;
mod rules;
mod schedule;
mod script;
mod step;
mod wake;
mod world;

use std::cell::RefCell;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

use rules::{Rule, Rules};
use schedule::Schedule;
use world::seen::Seen;

/// How many schedules chance makes for each test of the protocol.
const SCHEDULES: u32 = 40_000;
/// How many actions a schedule has at the most before everybody is left in peace.
const ACTIONS: usize = 120;

/// Most of a run is drawing numbers, so they are cheap ones.
fn config(cases: u32) -> Config {
    Config { cases, failure_persistence: None, rng_algorithm: RngAlgorithm::XorShift, ..Config::default() }
}

/// Plays schedules that chance makes. What they came to shows that they test something.
fn every_interleaving(rules: Rules) {
    let mut runner = TestRunner::new(config(SCHEDULES));
    let all = RefCell::new(Seen::default());
    let outcome = runner.run(&Schedule::any(ACTIONS), |schedule| {
        all.borrow_mut().add(&schedule.play(rules).map_err(TestCaseError::fail)?);
        Ok(())
    });
    if let Err(TestError::Fail(reason, schedule)) = &outcome {
        panic!("{reason}\nin {schedule:?}, which went:\n{}", schedule.story(rules));
    }
    outcome.expect("every case was tried");
    assert_eq!(all.borrow().never(), Vec::<&str>::new(), "no run had these");
}

#[test]
fn the_protocol_holds_whatever_happens() {
    every_interleaving(Rules::All);
}

#[test]
fn the_model_sees_it_when_a_rule_is_left_out() {
    for rule in Rule::FOUND_BY_CHANCE {
        let config = Config { max_shrink_iters: 0, ..config(SCHEDULES) };
        let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::XorShift));
        let outcome =
            runner.run(&Schedule::any(ACTIONS), |schedule| match schedule.play(Rules::Without(rule)) {
                Ok(_) => Ok(()),
                Err(problem) => Err(TestCaseError::fail(problem)),
            });
        assert!(
            matches!(outcome, Err(TestError::Fail(..))),
            "{rule:?}: no interleaving showed what it is good for"
        );
    }
}
