//! What a release costs: transitions of its workflow, and connections of its functions.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use slipway_local::wire::What;
use slipway_local::{PushOptions, releases};

use crate::world::World;

/// What AWS bills for a release of two stages with an approval and a bake.
const TRANSITIONS: usize = 25;
const ALARM: &str = "e2e-production-5xx";
/// How many releases may pass until one opens no connection.
const WARM_RELEASES: usize = 3;

/// A transition is a state that is entered, or tried again ("Transitions", AWS Step Functions developer guide). The
/// bake is longer than what a step looks again for instead of parking its token.
#[tokio::test]
async fn a_release_of_two_stages_with_an_approval_and_a_bake_takes_25_transitions() {
    let world = World::enter_calm().await;
    world.has_a_good_release().await;
    world.alarm(ALARM, "OK").await;
    world
        .configure(|application| {
            application["stages"][1]["bake"] = json!({ "for": "32s", "alarms": [ALARM] });
        })
        .await;
    let release = world.push(&PushOptions::light(&world.version())).await;
    world.approve(&release).await;
    let ended = world.ended(&release).await;
    world.configure(|_| {}).await;
    assert_eq!(ended.outcome(), Some("RELEASED"), "{ended:?}");

    let made = releases::transitions(world.cloud.sdk(), &ended.arn).await.expect("Step Functions answers");
    world.nothing_was_lost().await;
    println!(
        "{} transitions: {} states and {} attempts more",
        made.count(),
        made.entered.len(),
        made.further_attempts
    );
    assert!(made.count() <= TRANSITIONS, "{} transitions: {made:?}", made.count());
}

/// What a function opened for its first release, it uses for the next ones: on AWS each connection is a TLS handshake.
///
/// Two events at one moment make an instance more, which opens what it needs once. So of some releases one has to go by
/// warm instances alone; functions that open connections at each call open them for every one.
#[tokio::test]
async fn a_warm_function_opens_no_connection() {
    let world = World::enter_calm().await;
    world.has_a_good_release().await;
    let mut opened: BTreeMap<String, BTreeSet<u16>> = BTreeMap::new();
    let mut after = world.cloud.wire().last().await.expect("the wire answers");
    let mut new = Vec::new();
    for number in 0..=WARM_RELEASES {
        let release = world.push(&PushOptions::light(&world.version())).await;
        world.approve(&release).await;
        assert_eq!(world.ended(&release).await.outcome(), Some("RELEASED"));
        world.quiet().await;
        new.clear();
        // The reconciler's schedule may have started it just now.
        let warm: BTreeSet<_> = opened.keys().cloned().collect();
        for entry in world.cloud.wire().trace(after).await.expect("the wire answers") {
            after = entry.number;
            let What::Call { call, connection, .. } = entry.what else { continue };
            let is_new = opened.entry(call.caller.clone()).or_default().insert(connection);
            if is_new && warm.contains(&call.caller) {
                new.push(format!("{} for {}", call.caller, call.operation));
            }
        }
        if number > 0 && new.is_empty() {
            break;
        }
    }
    let functions: Vec<_> =
        opened.iter().map(|(function, connections)| format!("{function} {}", connections.len())).collect();
    println!("connections: {}", functions.join(", "));
    assert!(functions.len() >= 8, "what calls was seen: {functions:?}");
    assert_eq!(new, Vec::<String>::new(), "the last of {WARM_RELEASES} releases opened these");
}
