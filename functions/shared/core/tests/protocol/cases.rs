//! The particular cases, each told step by step. Chance plays them as well.

use slipway_core::lock::LEASE_SECONDS;
use slipway_core::protocol::{TaskError, WakeKey};
use slipway_core::release::Outcome;

use crate::aws::Fault;
use crate::play::Play;
use crate::rules::{Rule, Rules};
use crate::script::Script;
use crate::world::names;
use crate::world::service::service_arn;
use crate::world::workflow::{Status, TaskEnd};
use crate::world::{Stage, State};

pub(crate) const PLAIN: Stage =
    Stage { approval: false, snapshot: false, migration: false, bake: false, timeouts_are_fixed: false };
pub(crate) const APPROVED: Stage = Stage { approval: true, ..PLAIN };

fn service() -> WakeKey {
    WakeKey::Service(service_arn())
}

/// The first release waits for its deployment, and no event is on its way.
fn deploying() -> Script {
    let mut script = Script::new(Rules::All, PLAIN, 1);
    script.until(0, State::DeployServices);
    script.run(0);
    script.forget_events();
    script
}

#[test]
fn an_old_invocation_that_parks_late_overwrites_no_newer_token() {
    let mut script = Script::new(Rules::All, APPROVED, 1);
    script.until(0, State::RequestApproval);
    let old = script.hang_before(0, "parks");
    script.try_again(0, &old);
    script.run(0);

    script.on(old, Fault::None);

    let callback = script.callback(0, State::RequestApproval).expect("it waits");
    assert_eq!((callback.attempt.retry, script.times("late park refused")), (1, 1));
    script.forget_events();
    script.happen(|world| world.decide(0, 0, true));
    script.deliver_all();
    script.pass(1);
    script.until(0, State::DeployServices);
    script.check().expect("it is woken with its newest token");
}

#[test]
fn an_event_before_the_token_is_parked_is_seen_by_the_look_after_it() {
    let mut script = Script::new(Rules::All, PLAIN, 1);
    script.until(0, State::DeployServices);
    let parking = script.hang_before(0, "parks");
    script.happen(|world| world.end_deployment(true));
    script.deliver_all();

    script.on(parking, Fault::None);

    assert_eq!(script.state(0), State::FinishRelease);
    assert_eq!(script.times("woken"), 0);
}

#[test]
fn an_event_between_the_token_and_what_points_to_it_is_seen_as_well() {
    let mut script = Script::new(Rules::All, PLAIN, 1);
    script.until(0, State::DeployServices);
    let parking = script.hang_before(0, "points to it");
    script.happen(|world| world.end_deployment(true));
    script.deliver_all();

    script.on(parking, Fault::None);

    assert_eq!(script.state(0), State::FinishRelease);
}

#[test]
fn a_wake_up_while_the_step_runs_lets_the_retry_answer() {
    let mut script = Script::new(Rules::All, APPROVED, 1);
    script.until(0, State::RequestApproval);
    let parked = script.hang_before(0, "points to it");
    let looking = script.on_until(parked, "reads the approval");
    script.forget_events();
    script.happen(|world| world.decide(0, 0, true));
    script.deliver_all();

    script.on(looking, Fault::None);

    assert_eq!(
        (script.state(0), script.times("woken while it ran"), script.times("nobody waits for the answer")),
        (State::RequestApproval, 1, 1)
    );
    script.pass(1);
    script.run(0);
    assert_eq!(script.state(0), State::DeployServices);
}

#[test]
fn a_doubled_wake_up_ends_one_attempt() {
    let mut script = deploying();
    script.happen(|world| world.end_deployment(true));
    script.deliver_all();

    script.bring(service());
    script.pass(1);
    script.bring(service());
    script.run(0);
    script.bring(service());

    assert_eq!((script.state(0), script.times("woken")), (State::FinishRelease, 1));
    script.settle().expect("it ends");
    assert_eq!(script.outcome(0), Some(Outcome::Released));
}

#[test]
fn a_step_that_is_woken_for_nothing_is_parked_again() {
    let mut script = deploying();

    script.bring(service());
    script.pass(1);
    script.run(0);

    let callback = script.callback(0, State::DeployServices).expect("it waits");
    assert_eq!((callback.attempt.retry, callback.token.is_some()), (1, true));
    script.happen(|world| world.end_deployment(true));
    script.deliver_all();
    script.pass(1);
    script.until(0, State::FinishRelease);
}

#[test]
fn a_time_out_at_the_moment_of_success_leaves_one_success() {
    let mut script = deploying();
    script.happen(|world| world.end_deployment(true));
    script.deliver_all();
    script.pass(1);
    let answering = script.hang_before(0, "answers");
    script.happen(|world| world.time_out(0));

    script.on(answering, Fault::None);

    assert_eq!((script.state(0), script.times("nobody waits for the answer")), (State::DeployServices, 1));
    script.pass(1);
    script.run(0);
    assert_eq!(script.state(0), State::FinishRelease);
    script.settle().expect("it ends");
    assert_eq!(script.outcome(0), Some(Outcome::Released));
}

#[test]
fn a_late_wake_up_after_roll_back_changes_nothing() {
    let mut script = deploying();
    let token =
        script.callback(0, State::DeployServices).and_then(|callback| callback.token).expect("it waits");
    script.happen(|world| world.abort(0));
    script.deliver_all();
    script.pass(1);
    script.until(0, State::RollBack);
    script.run(0);

    let late = token.parse().expect("a number");
    let ended = script.happen(|world| world.end_task(late, TaskEnd::Failed(TaskError::Woken, None)));
    script.bring(service());
    script.pass(1);
    script.run(0);

    assert_eq!((ended, script.state(0), script.retries(0)), (false, State::RollBack, 1));
    script.happen(|world| world.end_deployment(true));
    script.settle().expect("it ends");
    assert_eq!((script.outcome(0), script.runs()), (Some(Outcome::RolledBack), 0));
}

#[test]
fn an_old_invocation_ends_no_task_of_a_later_state() {
    let mut script = Script::new(Rules::All, PLAIN, 1);
    script.until(0, State::CaptureBaseline);
    let old = script.hang_before(0, "answers");
    script.try_again(0, &old);
    script.until(0, State::DeployServices);

    script.on(old, Fault::None);

    assert_eq!((script.state(0), script.retries(0)), (State::DeployServices, 0));
    script.check().expect("its token is its own attempt's");
}

#[test]
fn a_step_killed_between_its_effect_and_its_answer_finds_its_effect() {
    let mut script = Script::new(Rules::All, PLAIN, 1);
    script.until(0, State::DeployServices);
    let told = script.hang_before(0, "tells ECS");
    let told = script.on_until(told, "reads an item");
    script.kill(told);
    script.pass(1);
    script.run(0);

    script.happen(|world| world.end_deployment(true));
    script.settle().expect("it ends");

    assert_eq!((script.outcome(0), script.runs()), (Some(Outcome::Released), 1));
}

#[test]
fn the_reconciler_makes_up_for_a_lost_event() {
    let mut script = deploying();
    script.happen(|world| world.end_deployment(true));
    script.forget_events();

    script.reconcile(0);
    script.pass(1);
    script.run(0);

    assert_eq!((script.state(0), script.times("found by the reconciler")), (State::FinishRelease, 1));
}

/// People take their time. Whatever wakes the step has nothing for it, and AWS fails it after every tenth wake-up.
#[test]
fn a_state_that_is_woken_a_hundred_times_uses_up_no_patience() {
    let mut script = Script::new(Rules::All, APPROVED, 1);
    script.until(0, State::RequestApproval);
    script.run(0);
    let woken = |script: &mut Script, fails: bool| {
        script.bring(WakeKey::Push(names::application()));
        script.pass(1);
        if fails {
            let looking = script.hang_before(0, "reads the approval");
            script.on(looking, Fault::Before);
            let failed = script.retries(0);
            while script.retries(0) == failed {
                script.pass(1);
            }
        }
        script.run(0);
    };
    for wake_up in 1..=100 {
        woken(&mut script, wake_up % 10 == 0);
    }
    assert_eq!((script.state(0), script.retries(0)), (State::RequestApproval, 110));
    assert_eq!(script.times("gave up"), 0, "the first failure is longer ago than the step has patience");

    script.happen(|world| world.decide(0, 0, true));
    script.deliver_all();
    script.pass(1);
    script.until(0, State::DeployServices);
    script.run(0);
    script.happen(|world| world.end_deployment(true));
    script.settle().expect("it ends");
    assert_eq!(script.outcome(0), Some(Outcome::Released));
}

#[test]
fn a_stage_that_others_changed_is_captured_anew_and_asked_for_again() {
    let mut script = Script::new(Rules::All, APPROVED, 1);
    script.until(0, State::RequestApproval);
    script.run(0);
    script.happen(|world| world.decide(0, 0, true));
    script.deliver_all();
    script.pass(1);
    script.until(0, State::DeployServices);
    script.happen(|world| world.service.change_by_others());

    script.run(0);

    assert_eq!((script.state(0), script.times("restarted")), (State::CaptureBaseline, 1));
    script.until(0, State::RequestApproval);
    script.run(0);
    assert_eq!(script.state(0), State::RequestApproval, "what was approved before does not count");
    script.settle().expect("it ends");
    assert_eq!(script.outcome(0), Some(Outcome::Expired));
}

#[test]
fn nobody_takes_the_lock_while_a_dead_holders_function_may_write() {
    let story = |rules| {
        let mut script = Script::new(rules, PLAIN, 2);
        script.until(0, State::DeployServices);
        let old = script.hang_before(0, "tells ECS");
        script.happen(|world| world.stop(0));
        script.happen(|world| world.push(1));
        script.run(1);
        script.on(old, Fault::None);
        script.check()?;
        script.pass(LEASE_SECONDS);
        script.settle()
    };

    story(Rules::All).expect("it waits for the lease");
    let problem = story(Rules::Without(Rule::Leases)).expect_err("without the lease it does not");
    assert!(problem.contains("wrote while the lock was"), "{problem}");
}

/// A release to which something happens at one call, while everything else goes as it wants.
fn release_with(happens: impl Fn(&mut Play, usize), at_call: usize) -> (bool, Option<Outcome>) {
    let stage =
        Stage { approval: true, snapshot: true, migration: true, bake: true, timeouts_are_fixed: false };
    let mut play = Play::new(Rules::All, stage, 1);
    play.happen(|world| world.push(0));
    let mut calls = 0;
    while play.world.borrow().executions[0].status == Status::Running {
        let Some(last) = play.running.len().checked_sub(1) else {
            play.happen(|world| world.help(0, true));
            if play.world.borrow().events.is_empty() {
                play.pass(5);
            } else {
                play.deliver(0);
            }
            play.pass(1);
            continue;
        };
        if calls == at_call {
            happens(&mut play, last);
        } else {
            play.go(last, Fault::None);
        }
        calls += 1;
    }
    play.settle().expect("what holds always holds");
    let outcome = play.world.borrow().table.records[0].ending;
    (calls > at_call, outcome)
}

#[test]
fn a_function_may_be_killed_at_any_call_and_the_release_goes_through() {
    for happens in [Play::kill, lose_the_answer, lose_the_call, bring_everything_twice] {
        let mut calls = 0;
        while let (true, outcome) = release_with(happens, calls) {
            assert_eq!(outcome, Some(Outcome::Released), "at call {calls}");
            calls += 1;
        }
        assert!(calls > 100, "a release makes more than {calls} calls");
    }
}

fn lose_the_answer(play: &mut Play, which: usize) {
    play.go(which, Fault::After);
}

fn lose_the_call(play: &mut Play, which: usize) {
    play.go(which, Fault::Before);
}

/// Step Functions begins another attempt, and both go on.
fn bring_everything_twice(play: &mut Play, _: usize) {
    play.lose_sight(0);
    play.pass(1);
}
