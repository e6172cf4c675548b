//! The particular cases, each told step by step. Chance plays them as well.

use slipway_core::protocol::WakeKey;
use slipway_core::release::Outcome;

use crate::aws::Fault;
use crate::rules::{Rule, Rules};
use crate::script::Script;
use crate::world::service::service_arn;
use crate::world::{Stage, State};

const PLAIN: Stage = Stage { approval: false, snapshot: false, migration: false, bake: false, timeouts_are_fixed: false };
const APPROVED: Stage = Stage { approval: true, ..PLAIN };

fn service() -> WakeKey {
    WakeKey::Service(service_arn())
}

#[test]
fn an_old_invocation_that_parks_late_overwrites_no_newer_token() {
    let mut script = Script::new(Rules::AS_IT_IS, APPROVED, 1);
    script.until(0, State::RequestApproval);
    let old = script.hang_before(0, "parks");
    script.try_again(0, &old);
    script.run(0);

    script.on(old, Fault::None);

    let callback = script.callback(0, State::RequestApproval).expect("it waits");
    assert_eq!((callback.attempt.retry, script.seen().outrun), (1, 1));
    script.happen(|world| world.decide(0, 0, true));
    script.forget_events_but_the_last();
    script.deliver();
    script.pass(1);
    script.until(0, State::DeployServices);
}
