//! Random runs: two pushes that race, and three faults, all of them drawn from a seed.

use std::time::Duration;

use fastrand::Rng;
use slipway_local::image::Behaviour;
use slipway_local::wire::{EventFault, EventRule, Fault, Plan};

use crate::people::Reply;
use crate::points::Point;
use crate::schedule::{Meanwhile, Pushing, Schedule, Subject};

/// How many things are broken in a run.
const FAULTS: usize = 3;
/// The longest time between the two pushes, in milliseconds: a whole release takes about as long.
const APART: u64 = 5_000;
/// The events that AWS sends by itself in a release, and how many of each.
const EVENTS: [(&str, u32); 3] =
    [("ECR Image Action", 2), ("ECS Deployment State Change", 8), ("ECS Service Action", 4)];
/// The same in one with gates.
const EVENTS_WITH_GATES: [(&str, u32); 6] = [
    ("ECR Image Action", 2),
    ("ECR Image Scan", 2),
    ("ECS Deployment State Change", 8),
    ("ECS Service Action", 4),
    ("ECS Task State Change", 4),
    ("RDS DB Snapshot Event", 2),
];

/// The run of a seed, with its faults at these calls.
#[must_use]
pub fn schedule(subject: Subject, seed: u64, points: &[Point]) -> Schedule {
    let mut random = Rng::with_seed(seed);
    let first = Pushing {
        after: Duration::ZERO,
        behaviour: behaviour(&mut random),
        reply: reply(&mut random),
        meanwhile: None,
    };
    let after = Duration::from_millis(random.u64(0..APART));
    let (behaviour, reply) = (behaviour(&mut random), reply(&mut random));
    let meanwhile = (random.u8(0..20) == 0).then_some(Meanwhile::Abort);
    let second = Pushing { after, behaviour, reply, meanwhile };
    let mut plan = Plan::default();
    for _ in 0..FAULTS {
        if points.is_empty() || random.u8(0..4) == 0 {
            plan.events.push(event(subject, &mut random));
        } else {
            let point = &points[random.usize(0..points.len())];
            let fault = fault(&mut random);
            // Two releases make a call more often than one.
            let nth = point.nth + u32::from(random.u8(0..4) == 0);
            let mut rule = point.rule(fault).from(nth);
            if fault != Fault::Delay && random.bool() {
                rule = rule.times(random.u32(1..=4));
            }
            plan.calls.push(rule);
        }
    }
    Schedule { subject, pushes: vec![first, second], plan, ..Schedule::default() }
}

fn behaviour(random: &mut Rng) -> Behaviour {
    match random.u8(0..10) {
        0 => Behaviour::Answer500,
        1 => Behaviour::Crash,
        _ => Behaviour::Good,
    }
}

fn reply(random: &mut Rng) -> Reply {
    match random.u8(0..10) {
        0 | 1 => Reply::Reject,
        2..=4 => Reply::ApproveLate,
        _ => Reply::Approve,
    }
}

/// A delay is drawn less often: it takes ten seconds.
fn fault(random: &mut Rng) -> Fault {
    match random.u8(0..16) {
        0 => Fault::Delay,
        1..=3 => Fault::RefuseBefore,
        4..=6 => Fault::Throttle,
        7..=9 => Fault::LoseAnswer,
        10..=12 => Fault::KillBefore,
        _ => Fault::KillAfter,
    }
}

fn event(subject: Subject, random: &mut Rng) -> EventRule {
    let events = match subject {
        Subject::Web => EVENTS.as_slice(),
        Subject::Shop => EVENTS_WITH_GATES.as_slice(),
    };
    let (detail_type, most) = events[random.usize(0..events.len())];
    let fault = EventFault::ALL[random.usize(0..EventFault::ALL.len())];
    EventRule::new(detail_type, fault).from(random.u32(1..=most)).times(random.u32(1..=2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points() -> Vec<Point> {
        let point = |nth| Point {
            caller: "acquire-lock".to_owned(),
            operation: "dynamodb:GetItem".to_owned(),
            shape: String::new(),
            nth,
        };
        (1..=9).map(point).collect()
    }

    #[test]
    fn a_seed_is_always_the_same_run_and_another_seed_is_another_one() {
        assert_eq!(schedule(Subject::Web, 7, &points()), schedule(Subject::Web, 7, &points()));
        assert_ne!(schedule(Subject::Web, 7, &points()), schedule(Subject::Web, 8, &points()));
    }

    #[test]
    fn every_run_pushes_twice_and_breaks_three_things() {
        for (subject, seed) in
            Subject::ALL.into_iter().flat_map(|subject| (0..200).map(move |seed| (subject, seed)))
        {
            let Schedule { pushes, plan, .. } = schedule(subject, seed, &points());
            assert_eq!((pushes.len(), plan.calls.len() + plan.events.len()), (2, FAULTS), "seed {seed}");
        }
    }
}
