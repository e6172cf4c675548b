//! What the protocol lacked when this model was written, each shown by a short story, which is played with the rule
//! that mends it and without.

use slipway_core::lock::LEASE_SECONDS;
use slipway_core::release::Outcome;

use crate::aws::Fault;
use crate::cases::{APPROVED, PLAIN};
use crate::rules::{Rule, Rules};
use crate::script::Script;
use crate::world::{Stage, State};

/// The story shows the problem without the rule, and nothing with it.
fn mends(rule: Rule, problem: &str, story: impl Fn(Rules) -> Result<(), String>) {
    story(Rules::All).expect("the rule mends it");
    let found = story(Rules::Without(rule)).expect_err("the rule is needed");
    assert!(found.contains(problem), "{found}");
}

/// A release waits for the lock. Its first invocation saw a dead holder, so that it is about to look again and
/// removes its callback, but hangs. Its second one parks, because another release has the lock. The first one goes
/// on, and removes what points to the second.
#[test]
fn an_old_invocation_removes_what_points_to_a_newer_token() {
    mends(Rule::PointersStay, "the pointer of", |rules| {
        let mut script = Script::new(rules, PLAIN, 3);
        script.until(0, State::DeployServices);
        let writing = script.hang_before(0, "tells ECS");
        script.happen(|world| world.push(1));
        let claiming = script.hang_before(1, "reads the lock");
        script.happen(|world| world.push(2));
        let parked = script.hang_before(2, "points to it");
        let parked = script.on_until(parked, "reads what comes first");
        script.happen(|world| world.stop(0));
        let forgetting = script
            .on_until(parked, if rules.keep(Rule::PointersStay) { "forgets" } else { "removes a pointer" });
        script.on(writing, Fault::None);
        script.on(claiming, Fault::None);
        script.deliver_all();
        script.pass(1);
        script.run(2);

        script.on(forgetting, Fault::None);

        script.check()?;
        script.settle()
    });
}

/// The same release, and a version that is counted from 1 again: its second invocation hangs between reading the
/// callback and writing it. The third one removes the callback, the fourth one parks a new one, of the version that
/// was read, which the second one overwrites.
#[test]
fn an_old_invocation_overwrites_a_newer_token_of_the_same_version() {
    mends(Rule::PointersStay, "its callback is gone", |rules| {
        let mut script = Script::new(rules, PLAIN, 3);
        script.until(0, State::DeployServices);
        let writing = script.hang_before(0, "tells ECS");
        script.happen(|world| world.push(1));
        let claiming = script.hang_before(1, "reads the lock");
        script.happen(|world| world.push(2));
        script.run(2);
        script.deliver_all();
        script.pass(1);
        let old = script.hang_before(2, "parks");
        script.try_again(2, &old);
        script.happen(|world| world.stop(0));
        script.run(2);
        script.on(writing, Fault::None);
        script.on(claiming, Fault::None);
        script.pass(15);
        script.run(2);

        script.on(old, Fault::None);

        script.check()?;
        script.settle()
    });
}

/// People are asked. The first invocation hangs, the second one parks. The first one fails and keeps since when, in
/// the callback of the second. Hours later people approve; AWS hiccups once, and the step gives up.
#[test]
fn the_failure_of_an_old_invocation_counts_against_a_newer_one() {
    mends(Rule::OwnFailures, "gave up after 0 s", |rules| {
        let mut script = Script::new(rules, APPROVED, 1);
        script.until(0, State::RequestApproval);
        let old = script.hang_before(0, "reads the approval");
        script.try_again(0, &old);
        script.run(0);
        script.forget_events();
        script.on(old, Fault::Before);
        script.pass(650);
        script.happen(|world| world.decide(0, 0, true));
        script.deliver_all();
        script.pass(1);

        let looking = script.hang_before(0, "reads the approval");
        script.on(looking, Fault::Before);

        script.check()?;
        script.settle()
    });
}

/// A migration is killed between the two records that it begins, somebody else deploys, and the retry restarts the
/// stage.
#[test]
fn a_migration_that_has_begun_restarts_the_stage() {
    mends(Rule::MigrationReadsTheChange, "restarts after it has begun", |rules| {
        let mut script = Script::new(rules, Stage { migration: true, ..APPROVED }, 1);
        script.until(0, State::RequestApproval);
        script.run(0);
        script.happen(|world| world.decide(0, 0, true));
        script.deliver_all();
        script.pass(1);
        script.until(0, State::RunMigration);
        let beginning = script.hang_before(0, "keeps that it begins");
        script.kill(beginning);
        script.happen(|world| world.service.change_by_others());
        // Whoever is to be alone waits until the one that was killed cannot be writing any more.
        script.pass(60);

        script.settle()
    });
}

/// The first invocation of a deployment hangs before it writes. The second one deploys, fails, and is rolled back.
/// The first one goes on, and deploys again what was rolled back.
#[test]
fn an_old_invocation_deploys_after_the_rollback() {
    mends(Rule::Fence, "was deployed by an old function", |rules| {
        let mut script = Script::new(rules, PLAIN, 1);
        script.until(0, State::DeployServices);
        let old = script.hang_before(0, "registers a revision");
        script.try_again(0, &old);
        script.run(0);
        script.happen(|world| world.end_deployment(false));
        script.deliver_all();
        script.pass(1);
        script.until(0, State::RollBack);
        script.run(0);

        script.on(old, Fault::None);

        script.check()?;
        script.settle()?;
        assert_eq!(script.outcome(0), Some(Outcome::RolledBack));
        assert_eq!(script.runs() == 0, rules.keep(Rule::Fence), "people read that it is rolled back");
        Ok(())
    });
}

/// The first invocation of a deployment hangs before it writes. A newer push comes, so that the second one ends the
/// release, as unchanged. The first one goes on before the lock is given back, and deploys.
#[test]
fn an_old_invocation_deploys_for_a_release_that_says_it_changed_nothing() {
    mends(Rule::LockBeforeOutcome, "ended SUPERSEDED, and had changed the service", |rules| {
        let mut script = Script::new(rules, PLAIN, 2);
        script.until(0, State::DeployServices);
        let old = script.hang_before(0, "registers a revision");
        script.happen(|world| world.push(1));
        script.try_again(0, &old);
        script.until(0, State::FinishRelease);
        let ending = script.hang_before(0, "records the outcome");

        script.on(old, Fault::None);

        script.on(ending, Fault::None);
        script.check()?;
        script.settle()
    });
}

/// A deployment is killed once ECS was told, and before that is kept. A person aborts. The rollback puts the baseline
/// back and is killed; its retry finds the baseline, and says that nothing was changed.
#[test]
fn a_rollback_that_is_killed_says_that_nothing_was_changed() {
    mends(Rule::RollbackRemembers, "ended FAILED, and had changed the service", |rules| {
        let mut script = Script::new(rules, PLAIN, 1);
        script.until(0, State::DeployServices);
        let told = script.hang_before(0, "tells ECS");
        let told = script.on_until(told, "stops writing");
        script.kill(told);
        script.happen(|world| world.abort(0));
        script.pass(1);
        script.until(0, State::RollBack);
        let beginning = script.hang_before(0, "reads whether it is restored");
        script.happen(|world| world.now += LEASE_SECONDS * 1_000);
        let restored = script.on_until(beginning, "puts the baseline back");
        let restored = script.on_until(restored, "stops writing");
        script.happen(|world| world.end_deployment(true));
        script.kill(restored);

        script.settle()
    });
}

/// The first invocation that claims the lock hangs. A newer push comes, and the release ends. The first invocation
/// goes on, and takes the lock for a release that has ended. Whoever asks next gets it, but until then nobody gives
/// it back.
#[test]
fn an_old_invocation_takes_the_lock_for_a_release_that_has_ended() {
    mends(Rule::LocksOfTheEnded, "has ended, and has the lock", |rules| {
        let mut script = Script::new(rules, PLAIN, 2);
        let old = script.hang_before(0, "claims the lock");
        script.happen(|world| world.push(1));
        script.try_again(0, &old);
        script.happen(|world| world.stop(1));
        script.settle_before(old)
    });
}
