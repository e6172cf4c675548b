//! The protocol of turns, approvals and waits under every interleaving that chance finds: releases that race, people who
//! click at the wrong moment, executions that die, functions that come back to life after their release lost the turn.
//!
//! The rules are the real ones, from the core. The table under them is modelled as what DynamoDB promises: a read, and later a
//! write on condition that nobody wrote in between.

mod world;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

use world::{Action, Rules, World};

/// How many actions a run has before everybody is left in peace.
const ACTIONS: usize = 120;

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let release = 0..world::RELEASES;
    let seconds = prop_oneof![6 => Just(1_i64), 3 => Just(20), 2 => Just(45), 1 => Just(400)];
    let yes = prop_oneof![5 => Just(true), 1 => Just(false)];
    let action = prop_oneof![
        6 => release.clone().prop_map(Action::Push),
        60 => (release.clone(), any::<bool>(), 1..7_u32).prop_map(|(release, last, calls)| Action::Step { release, last, calls }),
        8 => release.clone().prop_map(Action::TryAgain),
        16 => (release.clone(), 0..2_usize, yes).prop_map(|(release, person, yes)| Action::Decide { release, person, yes }),
        4 => release.clone().prop_map(Action::Kill),
        1 => release.clone().prop_map(Action::Abort),
        6 => release.prop_map(Action::Sweep),
        6 => seconds.prop_map(Action::Pass),
    ];
    vec(action, 0..ACTIONS)
}

/// Most of a run is drawing numbers, so they are cheap ones.
fn config() -> Config {
    Config { failure_persistence: None, rng_algorithm: RngAlgorithm::XorShift, ..Config::default() }
}

/// Plays the actions, then leaves everybody in peace, and checks the invariants after each step.
fn play(rules: Rules, actions: &[Action]) -> Result<World, String> {
    let mut world = World::new(rules);
    for action in actions {
        world.act(action)?;
    }
    world.settle()?;
    Ok(world)
}

#[test]
fn at_most_one_release_changes_a_service_and_every_release_ends_whatever_happens() {
    let mut runner = TestRunner::new(Config { cases: 60_000, ..config() });
    let outcome = runner.run(&actions(), |actions| play(Rules::Real, &actions).map(|_| ()).map_err(TestCaseError::fail));
    if let Err(TestError::Fail(reason, actions)) = &outcome {
        panic!("{reason}\nafter {actions:#?}");
    }
    outcome.expect("every case was tried");
}

#[test]
fn the_test_sees_it_when_a_rule_is_left_out() {
    for rules in [Rules::WithoutGenerations, Rules::WithoutLeases, Rules::TakingFromTheLiving, Rules::WithoutApprovals, Rules::WithoutOrder]
    {
        let config = Config { cases: 60_000, max_shrink_iters: 0, ..config() };
        let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::XorShift));
        let outcome = runner.run(&actions(), |actions| play(rules, &actions).map(|_| ()).map_err(TestCaseError::fail));
        assert!(matches!(outcome, Err(TestError::Fail(..))), "{rules:?}: no interleaving showed what it is good for");
    }
}

#[test]
fn the_runs_reach_what_they_are_meant_to_test() {
    let mut runner = TestRunner::new_with_rng(config(), TestRng::deterministic_rng(RngAlgorithm::XorShift));
    let mut seen = world::Seen::default();
    for _ in 0..4_000 {
        let actions = actions().new_tree(&mut runner).expect("a case").current();
        seen.add(&play(Rules::Real, &actions).unwrap_or_else(|problem| panic!("{problem}\nafter {actions:#?}")).seen);
    }
    let Seen { released, rolled_back, superseded, expired, rejected, aborted, taken_over, stale_writers_refused } = seen;
    for (what, times) in [
        ("released", released),
        ("rolled back", rolled_back),
        ("superseded", superseded),
        ("expired", expired),
        ("rejected", rejected),
        ("aborted", aborted),
        ("turns taken over from the dead", taken_over),
        ("stale writers refused", stale_writers_refused),
    ] {
        assert!(times > 0, "no run had: {what}");
    }
}

use proptest::strategy::ValueTree as _;
use world::Seen;
