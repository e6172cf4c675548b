//! The calls that the functions make in a story, each a place to break something at.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use anyhow::Context as _;
use slipway_local::wire::{Call, CallRule, Entry, Fault};

use crate::names;
use crate::schedule::Subject;

/// How often the SDK tries a call: a fault that lasts so long reaches the function itself.
pub const TRIES: u32 = 3;

/// One call of a story.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// The function.
    pub caller: String,
    /// The operation, as IAM names it.
    pub operation: String,
    /// What it is about, with `*` for what varies.
    pub shape: String,
    /// Which of the calls that its rule concerns it is, counted from 1.
    pub nth: u32,
}

impl Point {
    /// The rule that breaks this call, and it alone.
    ///
    /// A killed function is not tried again by the SDK. A fault that the SDK sees lasts for all of its tries.
    #[must_use]
    pub fn rule(&self, fault: Fault) -> CallRule {
        let times = match fault {
            Fault::KillBefore | Fault::KillAfter | Fault::Delay => 1,
            Fault::RefuseBefore | Fault::LoseAnswer | Fault::Late | Fault::Throttle => TRIES,
        };
        let rule = CallRule::new(&self.operation, fault).of(&self.caller).from(self.nth).times(times);
        match names::fixed(&self.shape) {
            Some(subject) => rule.about(&subject),
            None => rule,
        }
    }

    fn concerns(&self, call: &Call) -> bool {
        self.caller == call.caller
            && self.operation == call.operation
            && names::fixed(&self.shape).is_none_or(|subject| call.subject.contains(&subject))
    }
}

impl fmt::Display for Point {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {} {} {}", self.caller, self.operation, self.nth, self.shape)
    }
}

/// The calls that random runs of an application break, kept so that a seed is the same run for everybody:
/// `cargo faults calls` writes them.
///
/// # Errors
///
/// When a line is not a call.
pub fn kept(subject: Subject) -> anyhow::Result<Vec<Point>> {
    let calls = match subject {
        Subject::Web => include_str!("calls/web.txt"),
        Subject::Shop => include_str!("calls/shop.txt"),
    };
    calls.lines().map(str::parse).collect()
}

impl FromStr for Point {
    type Err = anyhow::Error;

    /// What `Display` writes.
    fn from_str(line: &str) -> anyhow::Result<Self> {
        let mut words = line.splitn(4, ' ');
        let mut word = || {
            words.next().with_context(|| format!("`{line}` is not function, operation, number and subject"))
        };
        let (caller, operation, nth) = (word()?.to_owned(), word()?.to_owned(), word()?.parse()?);
        Ok(Self { caller, operation, nth, shape: words.next().unwrap_or_default().to_owned() })
    }
}

/// Every call of a trace, in order, without those that functions make while they start.
#[must_use]
pub fn points(trace: &[Entry]) -> Vec<Point> {
    let calls: Vec<&Call> = trace.iter().filter_map(Entry::call).filter(|call| !is_warm_up(call)).collect();
    let mut seen = BTreeSet::new();
    let mut points = Vec::new();
    for (position, call) in calls.iter().enumerate() {
        let shape = names::shape(&call.subject);
        let mut point =
            Point { caller: call.caller.clone(), operation: call.operation.clone(), shape, nth: 0 };
        let nth = calls[..=position].iter().filter(|earlier| point.concerns(earlier)).count();
        point.nth = u32::try_from(nth).unwrap_or(u32::MAX);
        if seen.insert(point.clone()) {
            points.push(point);
        }
    }
    points
}

fn is_warm_up(call: &Call) -> bool {
    call.subject.contains("WARM-UP") || call.subject.contains("slipway-warm-up")
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipway_local::wire::What;

    fn entry(caller: &str, operation: &str, subject: &str) -> Entry {
        let call = Call {
            caller: caller.to_owned(),
            operation: operation.to_owned(),
            attempt: Some(1),
            subject: subject.to_owned(),
        };
        Entry {
            number: 0,
            at: jiff::Timestamp::UNIX_EPOCH,
            what: What::Call { call, status: Some(200), fault: None, connection: 0 },
        }
    }

    #[test]
    fn the_same_call_is_counted_and_others_are_not() {
        let get = |subject: &str| entry("deploy-services", "dynamodb:GetItem", subject);
        let id = "web-dcd42a92cbdbaf083cabdcdb5cd34f0f";
        let trace = [
            get("WARM-UP WARM-UP"),
            get(&format!("RELEASE#{id} DEPLOYED#staging#web#")),
            get("LOCK#web LOCK"),
            get(&format!("RELEASE#{id} DEPLOYED#staging#web#")),
            get(&format!("RELEASE#{id} DEPLOYED#production#web#")),
        ];

        let found: Vec<_> = points(&trace).into_iter().map(|point| (point.shape, point.nth)).collect();

        let expected = [
            ("RELEASE#* DEPLOYED#staging#web#", 1),
            ("LOCK#web LOCK", 1),
            ("RELEASE#* DEPLOYED#staging#web#", 2),
            ("RELEASE#* DEPLOYED#production#web#", 1),
        ];
        assert_eq!(found, expected.map(|(shape, nth)| (shape.to_owned(), nth)));
    }

    #[test]
    fn the_kept_calls_are_read_as_they_are_written() {
        for (subject, text) in
            [(Subject::Web, include_str!("calls/web.txt")), (Subject::Shop, include_str!("calls/shop.txt"))]
        {
            let kept = kept(subject).expect("every line is a call");

            assert!(kept.len() > 100, "{}", kept.len());
            let written: String = kept.iter().map(|point| format!("{point}\n")).collect::<Vec<_>>().concat();
            assert_eq!(written, text);
        }
    }

    #[test]
    fn its_rule_lasts_as_long_as_the_function_needs_to_see_it() {
        let point =
            points(&[entry("deploy-services", "ecs:UpdateService", "staging/web staging-web:7")]).remove(0);

        let lost = point.rule(Fault::LoseAnswer);
        assert_eq!((lost.subject.as_deref(), lost.nth, lost.times), (Some("staging/web staging-web:"), 1, 3));
        assert_eq!(point.rule(Fault::KillAfter).times, 1);
    }
}
