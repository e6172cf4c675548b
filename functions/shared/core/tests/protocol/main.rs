//! The protocol of steps, locks and approvals under every interleaving that chance finds: functions that die, and functions that go on
//! after Step Functions gave them up; events that are lost, doubled, early or late; releases that race; people who click at the wrong
//! moment; executions that are stopped by hand.
//!
//! The rules are the real ones, from the core. The functions around them are modelled call by call (`step.rs`, `wake.rs`,
//! `reconcile.rs`), and so is what they call: the table with its versions, Step Functions with its task tokens, ECS with its deployments
//! (`world.rs`). What must hold is in `world/truth.rs`, what is played in `schedule.rs`.

mod aws;
mod play;
mod reconcile;
mod rules;
mod schedule;
mod step;
mod wake;
mod world;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

use rules::{Rule, Rules};
use schedule::Schedule;
use world::truth::Seen;

/// How many actions a run has at the most before everybody is left in peace.
const ACTIONS: usize = 120;

/// Most of a run is drawing numbers, so they are cheap ones.
fn config(cases: u32) -> Config {
    Config { cases, failure_persistence: None, rng_algorithm: RngAlgorithm::XorShift, ..Config::default() }
}

/// Plays schedules that chance makes.
fn every_interleaving(rules: Rules, cases: u32) {
    let mut runner = TestRunner::new(config(cases));
    let outcome = runner.run(&Schedule::any(ACTIONS), |schedule| schedule.play(rules).map(|_| ()).map_err(TestCaseError::fail));
    if let Err(TestError::Fail(reason, schedule)) = &outcome {
        panic!("{reason}\nin {schedule:?}, which went:\n{}", schedule.story(rules));
    }
    outcome.expect("every case was tried");
}

#[test]
fn the_protocol_as_it_is_holds_whatever_happens() {
    every_interleaving(Rules::AS_IT_IS, 30_000);
}

#[test]
fn the_protocol_with_every_rule_holds_whatever_happens() {
    every_interleaving(Rules::MENDED, 30_000);
}

#[test]
fn the_model_sees_it_when_a_rule_is_left_out() {
    for rule in Rule::ALL {
        let config = Config { max_shrink_iters: 0, ..config(60_000) };
        let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::XorShift));
        let n = std::cell::Cell::new(0);
        let found = runner.run(&Schedule::any(ACTIONS), |schedule| {
            n.set(n.get() + 1);
            schedule.play(Rules::without(rule)).map(|_| ()).map_err(TestCaseError::fail)
        });
        println!(
            "{rule:?} after {} {}",
            n.get(),
            found.map_err(|e| e.to_string().chars().take(150).collect::<String>()).err().unwrap_or_default()
        );
    }
}
