//! Counting what a rule concerns.

use super::{CallRule, EventRule};

/// A rule with how often it was concerned since it was set.
#[derive(Clone, Debug)]
pub(super) struct Counted<R> {
    pub(super) rule: R,
    seen: u32,
}

impl<R> Counted<R> {
    pub(super) fn new(rule: R) -> Self {
        Self { rule, seen: 0 }
    }
}

/// A rule that concerns some consecutive things.
pub(super) trait Window {
    /// The first of them, counted from 1, and how many.
    fn window(&self) -> (u32, u32);
}

impl Window for CallRule {
    fn window(&self) -> (u32, u32) {
        (self.nth, self.times)
    }
}

impl Window for EventRule {
    fn window(&self) -> (u32, u32) {
        (self.nth, self.times)
    }
}

/// Counts for every rule that is concerned, and returns the first one whose turn it is.
pub(super) fn choose<R: Window + Clone>(
    rules: &mut [Counted<R>],
    concerns: impl Fn(&R) -> bool,
) -> Option<R> {
    let mut chosen = None;
    for counted in rules.iter_mut().filter(|counted| concerns(&counted.rule)) {
        counted.seen += 1;
        let (nth, times) = counted.rule.window();
        if chosen.is_none() && counted.seen >= nth && counted.seen - nth < times {
            chosen = Some(counted.rule.clone());
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Fault, call::Call};

    fn call(caller: &str, operation: &str) -> Call {
        Call {
            caller: caller.to_owned(),
            operation: operation.to_owned(),
            attempt: Some(1),
            subject: "production/web".to_owned(),
        }
    }

    fn faults(rules: Vec<CallRule>, calls: &[Call]) -> Vec<Option<Fault>> {
        let mut rules: Vec<_> = rules.into_iter().map(Counted::new).collect();
        calls
            .iter()
            .map(|call| choose(&mut rules, |rule| rule.concerns(call)).map(|rule| rule.fault))
            .collect()
    }

    #[test]
    fn a_rule_breaks_as_many_calls_as_it_says_from_the_nth_on() {
        let rule = CallRule::new("ecs:UpdateService", Fault::LoseAnswer).from(2).times(2);

        let found = faults(vec![rule], &vec![call("deploy-services", "ecs:UpdateService"); 4]);

        assert_eq!(found, [None, Some(Fault::LoseAnswer), Some(Fault::LoseAnswer), None]);
    }

    #[test]
    fn only_what_a_rule_concerns_is_counted() {
        let rule = CallRule::new("ecs:UpdateService", Fault::Throttle).of("roll-back").about("production");

        let calls = [
            call("deploy-services", "ecs:UpdateService"),
            call("roll-back", "ecs:DescribeServices"),
            call("roll-back", "ecs:UpdateService"),
        ];
        let found = faults(vec![rule.clone(), rule.about("staging")], &calls);

        assert_eq!(found, [None, None, Some(Fault::Throttle)]);
    }

    #[test]
    fn each_rule_counts_for_itself_and_the_first_one_due_wins() {
        let rules = vec![
            CallRule::new("*", Fault::Throttle).from(2),
            CallRule::new("sns:Publish", Fault::Delay).times(2),
        ];

        let found = faults(rules, &vec![call("finish-release", "sns:Publish"); 2]);

        assert_eq!(found, [Some(Fault::Delay), Some(Fault::Throttle)]);
    }
}
