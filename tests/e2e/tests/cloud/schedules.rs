//! A fixed few of what `cargo faults` plays by the hundred.

use std::collections::BTreeSet;

use slipway_e2e::invariants::broken;
use slipway_e2e::play::Stand;
use slipway_e2e::points::{self, Point};
use slipway_e2e::schedule::{Schedule, Story, Subject};
use slipway_e2e::seeds;
use slipway_local::wire::{CallRule, EventFault, EventRule, Fault};

use crate::world::World;

/// Plays these, and says what each of them broke.
async fn play(world: &World, schedules: Vec<(String, Schedule)>) {
    let stand = Stand::on(world.cloud.clone(), &BTreeSet::from([Subject::Web]))
        .await
        .expect("both stages run something good");
    for (name, schedule) in schedules {
        let record = stand.play(&schedule).await.expect("it comes to an end");
        world.end_rest("web").await;
        let violations = broken(&record);
        let passed = record.trace.iter().map(|entry| format!("{entry}\n")).collect::<Vec<_>>().concat();
        assert!(violations.is_empty(), "{name}\n{schedule}{passed}{violations:#?}");
    }
}

#[tokio::test]
async fn after_a_call_that_failed_before_or_after_its_effect_everything_holds() {
    let world = World::enter().await;
    let breaking = |line: &str, fault: Fault| {
        let point: Point = line.parse().expect("a call");
        assert!(
            points::kept(Subject::Web).expect("the calls").contains(&point),
            "`{line}` is a call of a release"
        );
        (format!("{fault} at {line}"), Story::Good.schedule().breaking(point.rule(fault)))
    };

    play(
        &world,
        vec![
            breaking(
                "acquire-lock dynamodb:TransactWriteItems 1 LOCK#web LOCK, TIMELINE#* -#ACQUIRED_LOCK",
                Fault::KillAfter,
            ),
            breaking("deploy-services ecs:RegisterTaskDefinition 1 production-web", Fault::LoseAnswer),
            breaking("deploy-services ecs:UpdateService 1 production/web production-web:*", Fault::KillAfter),
            breaking("request-approval states:SendTaskSuccess 1 approval", Fault::LoseAnswer),
            breaking("finish-release dynamodb:PutItem 1 RELEASE#* ENDING", Fault::KillAfter),
            ("every function twice".to_owned(), Story::Good.schedule().twice(&["*"])),
            one_event_whose_callback_keeps_its_token(),
        ],
    )
    .await;
}

/// The callback of an attempt that has ended keeps its token for a while, and wakes nobody.
fn one_event_whose_callback_keeps_its_token() -> (String, Schedule) {
    let refused = CallRule::new("dynamodb:UpdateItem", Fault::RefuseBefore)
        .of("deploy-services")
        .about(" staging#DeployServices")
        .times(3);
    let mut schedule = Story::Good.schedule().breaking(refused);
    schedule.plan.events.push(EventRule::new("ECS Service Action", EventFault::Drop).times(2));
    ("one event, and what takes the token out of its callback refused".to_owned(), schedule)
}

#[tokio::test]
async fn after_two_pushes_that_race_under_three_faults_everything_holds() {
    let world = World::enter().await;
    let points = points::kept(Subject::Web).expect("the calls");

    play(
        &world,
        [3, 5, 14]
            .map(|seed| (format!("seed {seed}"), seeds::schedule(Subject::Web, seed, &points)))
            .to_vec(),
    )
    .await;
}
