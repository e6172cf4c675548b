//! What an account's quotas make of many releases at one moment: a simulation of their calls and of the buckets that AWS
//! takes them from.
//!
//! A release is what was recorded of one: its invocations in their order, each with its calls. A call that its bucket has no
//! token for is tried three times by the SDK, and then the step fails as throttled and Step Functions tries it again, as the
//! workflow says. Of the further attempts at a stage that has not begun to change some go on in a second, and the others ask AWS
//! for nothing (`further_attempts_a_second` of `slipway_core::protocol`). A step of a stage that has begun gives up once AWS has
//! not answered for its patience. Nothing else takes from the buckets.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use serde::{Deserialize, Serialize};
use slipway_core::protocol::further_attempts_a_second;
use slipway_core::step::{PATIENCE_SECONDS, TASKS};

use super::case::Recording;
use crate::wire::BUCKETS;

/// The workflow's retry of what is throttled (`statemachine/release.asl.yaml`): how often, and the longest wait in seconds.
const RETRIES: u32 = 500;
const LONGEST_WAIT: f64 = 120.0;
/// The tries of a call, as `Aws::connect` sets them, and the SDK's first wait in seconds.
const TRIES: u32 = 3;
const FIRST_WAIT: f64 = 1.0;
/// How many invocations run at once in an account ("Lambda quotas": 1,000 by default).
const CONCURRENT: usize = 1_000;
/// How long an invocation takes, in seconds, and how long lies between two: ECS deploys, people decide.
const INVOCATION: f64 = 0.2;
const BETWEEN: f64 = 5.0;

/// What many releases at one moment came to.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Flood {
    /// How many began.
    pub releases: usize,
    /// How many reached their end.
    pub ended: usize,
    /// How many were throttled until their retries were used up.
    pub failed: usize,
    /// When the last one ended, in seconds.
    pub seconds: f64,
    /// The calls of AWS for each release, with those that were throttled.
    pub calls: f64,
    /// The further attempts of steps for each release.
    pub attempts: f64,
    /// The quota that throttled the most, by its first operation, and how many calls it did.
    pub binds: Option<(String, usize)>,
}

/// A release's invocations, in their order.
pub type Shape = Vec<Invoked>;

/// An invocation of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoked {
    /// The function.
    pub function: String,
    /// Its calls.
    pub calls: Vec<String>,
}

/// What becomes of an invocation that is throttled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It is of a stage that has not begun to change: further attempts at its state wait their turn.
    Waits(&'static str),
    /// It is of a stage that has begun to change: the step gives up after a while.
    Hurries,
    /// It never gives up, and is no step of a stage.
    Stays,
}

impl Invoked {
    fn standing(&self) -> Standing {
        let states = TASKS.iter().filter(|(_, function)| *function == self.function);
        let Some((state, _)) = states.min_by_key(|(state, _)| state.len()) else { return Standing::Stays };
        match *state {
            "AcquireLock" | "FinishRelease" => Standing::Stays,
            "VerifyServices" | "VerifyBaseline" | "BakeStage" | "RollBack" => Standing::Hurries,
            // Once ECS was asked, it looks how far ECS is.
            "DeployServices" if !self.calls.iter().any(|call| call == "ecs:RegisterTaskDefinition") => {
                Standing::Hurries
            }
            state => Standing::Waits(state),
        }
    }
}

/// The shape of the release that a recording holds.
#[must_use]
pub fn shape(recording: &Recording, prefix: &str) -> Shape {
    let mut invocations: Vec<_> = recording.invocations.iter().collect();
    invocations.sort_by_key(|one| one.begun);
    let mut left: Vec<_> = recording.calls.iter().collect();
    // Of two invocations at one time the first takes the calls: each call is one's.
    let mut calls = |function: &str, begun: i64, ended: i64| {
        let of_it =
            |call: &&super::case::Recorded| call.caller == function && (begun..=ended).contains(&call.at);
        let (taken, others): (Vec<_>, Vec<_>) = left.drain(..).partition(of_it);
        left = others;
        taken.into_iter().map(|call| call.operation.clone()).collect::<Vec<_>>()
    };
    invocations
        .iter()
        .map(|one| {
            let function = one.function.strip_prefix(prefix).unwrap_or(&one.function);
            Invoked { function: function.to_owned(), calls: calls(function, one.begun, one.ended) }
        })
        .collect()
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: f64,
    throttled: usize,
}

#[derive(Debug)]
struct Account {
    buckets: Vec<Bucket>,
    calls: usize,
    /// The further attempts at each state in a second.
    further: BTreeMap<(&'static str, u64), u64>,
}

impl Account {
    fn new() -> Self {
        let full = |(_, holds, _): &(&[&str], f64, f64)| Bucket { tokens: *holds, at: 0.0, throttled: 0 };
        Self { buckets: BUCKETS.iter().map(full).collect(), calls: 0, further: BTreeMap::new() }
    }

    /// Whether a further attempt at a state goes on.
    fn lets_go_on(&mut self, state: &'static str, at: u64) -> bool {
        let second = at / 1_000_000;
        // Nobody asks for a second that is over.
        self.further.retain(|(_, of), _| of + 1 >= second);
        let counted = self.further.entry((state, second)).or_default();
        *counted += 1;
        self.calls += 1;
        *counted <= further_attempts_a_second(state)
    }

    fn take(&mut self, operation: &str, now: f64) -> bool {
        self.calls += 1;
        let Some(index) = BUCKETS.iter().position(|(operations, ..)| operations.contains(&operation)) else {
            return true;
        };
        let (bucket, (_, holds, refill)) = (&mut self.buckets[index], BUCKETS[index]);
        // Calls of one invocation may be looked at a little out of order.
        let later = (now - bucket.at).max(0.0);
        bucket.tokens = (bucket.tokens + later * refill).min(holds);
        bucket.at = bucket.at.max(now);
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return true;
        }
        bucket.throttled += 1;
        false
    }
}

/// A moment at which a release's invocation begins, in microseconds so that moments can be ordered.
type Moment = Reverse<(u64, usize)>;

#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    invocation: usize,
    retries: u32,
    attempts: usize,
    /// Since when the invocation is throttled, in seconds.
    since: Option<f64>,
}

/// Lets as many releases of this shape begin within the given seconds, from a seed.
#[must_use]
pub fn flood(shape: &Shape, releases: usize, within: f64, seed: u64) -> Flood {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut account = Account::new();
    let mut all = vec![Progress::default(); releases];
    let mut moments: BinaryHeap<Moment> =
        (0..releases).map(|number| Reverse((micros(random.f64() * within), number))).collect();
    // When each invocation that may run at one time ends.
    let mut running: BinaryHeap<Reverse<u64>> = BinaryHeap::new();
    let mut flood = Flood { releases, ..Flood::default() };
    while let Some(Reverse((at, number))) = moments.pop() {
        let now = seconds(at);
        let progress = &mut all[number];
        let Some(invoked) = shape.get(progress.invocation) else {
            flood.ended += 1;
            flood.seconds = flood.seconds.max(now);
            continue;
        };
        while running.peek().is_some_and(|Reverse(end)| *end <= at) {
            running.pop();
        }
        let standing = invoked.standing();
        let ended = if running.len() >= CONCURRENT {
            Err(now)
        } else if let (Standing::Waits(state), true) = (standing, progress.retries > 0)
            && !account.lets_go_on(state, at)
        {
            Err(now + INVOCATION)
        } else {
            invoke(&mut account, &invoked.calls, now, &mut random)
        };
        let is_over =
            |since: f64| standing == Standing::Hurries && now - since >= f64::from(PATIENCE_SECONDS);
        let next = match ended {
            Ok(ended) => {
                running.push(Reverse(micros(ended)));
                let invocation = progress.invocation + 1;
                *progress = Progress { invocation, retries: 0, since: None, ..*progress };
                ended + BETWEEN
            }
            Err(_) if progress.retries == RETRIES || progress.since.is_some_and(is_over) => {
                flood.failed += 1;
                continue;
            }
            Err(ended) => {
                running.push(Reverse(micros(ended)));
                progress.since.get_or_insert(now);
                let longest = f64::powi(2.0, progress.retries.min(20).cast_signed()).min(LONGEST_WAIT);
                progress.retries += 1;
                progress.attempts += 1;
                ended + random.f64() * longest
            }
        };
        moments.push(Reverse((micros(next), number)));
    }
    #[expect(clippy::cast_precision_loss, reason = "some millions of calls")]
    let of_each = |count: usize| count as f64 / releases.max(1) as f64;
    flood.calls = of_each(account.calls);
    flood.attempts = of_each(all.iter().map(|one| one.attempts).sum());
    let most = account.buckets.iter().enumerate().max_by_key(|(_, bucket)| bucket.throttled);
    flood.binds = most
        .filter(|(_, bucket)| bucket.throttled > 0)
        .and_then(|(index, bucket)| Some(((*BUCKETS[index].0.first()?).to_owned(), bucket.throttled)));
    flood
}

/// Makes an invocation's calls one after the other; when it ends, well or throttled.
fn invoke(account: &mut Account, calls: &[String], now: f64, random: &mut fastrand::Rng) -> Result<f64, f64> {
    let mut now = now;
    for call in calls {
        let mut tries = 1;
        while !account.take(call, now) {
            if tries == TRIES {
                return Err(now);
            }
            now += random.f64() * FIRST_WAIT * f64::powi(2.0, (tries - 1).cast_signed());
            tries += 1;
        }
    }
    Ok(now + INVOCATION)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a moment of a simulation, in microseconds"
)]
fn micros(seconds: f64) -> u64 {
    (seconds * 1e6) as u64
}

#[expect(clippy::cast_precision_loss, reason = "a simulation takes days")]
fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invoked(function: &str, calls: &[&str]) -> Invoked {
        Invoked { function: function.to_owned(), calls: calls.iter().map(ToString::to_string).collect() }
    }

    /// What one stage asks ECS for.
    fn stage() -> Shape {
        vec![
            invoked("capture-baseline", &["ecs:DescribeServices", "ecs:DescribeTaskDefinition"]),
            invoked(
                "deploy-services",
                &["ecs:DescribeServices", "ecs:RegisterTaskDefinition", "ecs:UpdateService"],
            ),
            invoked("deploy-services", &["ecs:DescribeServices"]),
            invoked("verify-services", &["ecs:DescribeTasks"]),
        ]
    }

    fn one_stage() -> Shape {
        vec![
            invoked("acquire-lock", &["dynamodb:UpdateItem"]),
            invoked("deploy-services", &["ecs:RegisterTaskDefinition", "ecs:UpdateService"]),
            invoked("finish-release", &["dynamodb:UpdateItem"]),
        ]
    }

    #[test]
    fn a_few_releases_are_not_throttled() {
        let flood = flood(&one_stage(), 20, 0.0, 1);

        assert_eq!((flood.ended, flood.failed, flood.binds), (20, 0, None));
        assert!((flood.calls - 4.0).abs() < f64::EPSILON && flood.attempts == 0.0, "{}", flood.calls);
    }

    #[test]
    fn hundreds_wait_for_the_registrations_and_all_reach_their_end() {
        let flood = flood(&one_stage(), 300, 0.0, 1);

        assert_eq!((flood.ended, flood.failed), (300, 0));
        assert_eq!(flood.binds.expect("a quota binds").0, "ecs:RegisterTaskDefinition");
        // One a second after a burst of twenty.
        assert!(flood.seconds > 280.0 && flood.seconds < 600.0, "{}", flood.seconds);
    }

    #[test]
    fn of_ten_thousand_releases_of_two_stages_none_is_lost() {
        let mut shape = vec![invoked("acquire-lock", &["dynamodb:UpdateItem"])];
        shape.extend(stage());
        shape.extend(stage());

        let flood = flood(&shape, 10_000, 60.0, 1);

        assert_eq!((flood.ended, flood.failed), (10_000, 0), "{flood:?}");
        // Two registrations each, one a second.
        assert!(flood.seconds > 19_000.0, "{}", flood.seconds);
    }

    #[test]
    fn a_step_whose_stage_has_begun_gives_up_and_one_that_waits_its_turn_does_not() {
        let standings: Vec<_> = stage().iter().map(Invoked::standing).collect();

        let (capture, deploy) = (Standing::Waits("CaptureBaseline"), Standing::Waits("DeployServices"));
        assert_eq!(standings, [capture, deploy, Standing::Hurries, Standing::Hurries]);
        assert_eq!(invoked("receive-push", &[]).standing(), Standing::Stays);
        assert_eq!(invoked("finish-release", &[]).standing(), Standing::Stays);
    }

    #[test]
    fn a_seed_is_a_run() {
        let seen = |seed| flood(&one_stage(), 100, 60.0, seed).seconds;

        assert!((seen(7) - seen(7)).abs() < f64::EPSILON);
        assert!((seen(7) - seen(8)).abs() > f64::EPSILON);
    }
}
