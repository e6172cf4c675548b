//! AWS's own rates, where they are asked for: each operation has a bucket of tokens that fills again by the second.
//!
//! "Request throttling for the Amazon ECS API" (Amazon ECS API reference), "AWS Step Functions service quotas" (its
//! developer guide, the smaller regions), and the service quotas of CloudWatch, Systems Manager, SNS and Elastic Load
//! Balancing. Those of `DescribeTaskDefinition`, `RunTask` and Elastic Load Balancing were not read there: they are of the order of
//! the others. An account's buckets are everybody's; here only the functions take from them.

use std::{collections::HashMap, time::Instant};

/// Operations that share a bucket, how many tokens it holds, and how many come back in a second.
pub(crate) const BUCKETS: [(&[&str], f64, f64); 11] = [
    (&["ecs:CreateService", "ecs:UpdateService", "ecs:DeleteService"], 50.0, 5.0),
    (&["ecs:RegisterTaskDefinition", "ecs:DeregisterTaskDefinition"], 20.0, 1.0),
    (&["ecs:DescribeServices"], 100.0, 20.0),
    (&["ecs:DescribeTasks", "ecs:ListTasks"], 100.0, 20.0),
    (&["ecs:DescribeTaskDefinition"], 100.0, 20.0),
    (&["ecs:RunTask"], 100.0, 40.0),
    (&["states:StartExecution"], 800.0, 150.0),
    (&["states:SendTaskSuccess", "states:SendTaskFailure"], 500.0, 300.0),
    (&["cloudwatch:DescribeAlarms"], 9.0, 9.0),
    // "AWS Systems Manager endpoints and quotas": 40 a second, which these share.
    (&["ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath"], 40.0, 40.0),
    (
        &[
            "elasticloadbalancing:DescribeTargetHealth",
            "elasticloadbalancing:DescribeTargetGroups",
            "elasticloadbalancing:DescribeLoadBalancers",
            "elasticloadbalancing:DescribeListeners",
            "elasticloadbalancing:DescribeRules",
        ],
        40.0,
        10.0,
    ),
];

/// The buckets, with what is left in each.
#[derive(Debug, Default)]
pub(super) struct Rates(HashMap<usize, Bucket>);

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Rates {
    /// Whether AWS would take one more call of this operation now; it takes a token for it.
    pub(super) fn take(&mut self, operation: &str, now: Instant) -> bool {
        let Some((index, (_, holds, refill))) =
            BUCKETS.iter().enumerate().find(|(_, (operations, ..))| operations.contains(&operation))
        else {
            return true;
        };
        let bucket = self.0.entry(index).or_insert(Bucket { tokens: *holds, at: now });
        bucket.tokens = (bucket.tokens + now.duration_since(bucket.at).as_secs_f64() * refill).min(*holds);
        bucket.at = now;
        let is_taken = bucket.tokens >= 1.0;
        if is_taken {
            bucket.tokens -= 1.0;
        }
        is_taken
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_is_taken_and_then_the_rate() {
        let (mut rates, begun) = (Rates::default(), Instant::now());
        let taken =
            |rates: &mut Rates, at: Instant| (0..100).filter(|_| rates.take("ecs:UpdateService", at)).count();

        assert_eq!(taken(&mut rates, begun), 50);
        assert_eq!(taken(&mut rates, begun), 0);
        assert_eq!(taken(&mut rates, begun + Duration::from_secs(2)), 10);
        assert_eq!(taken(&mut rates, begun + Duration::from_secs(3600)), 50, "it holds no more");
    }

    #[test]
    fn operations_share_a_bucket_as_aws_has_it_and_others_have_none() {
        let (mut rates, now) = (Rates::default(), Instant::now());
        let registered = (0..30).filter(|_| rates.take("ecs:RegisterTaskDefinition", now)).count();

        assert_eq!(registered, 20);
        assert!(!rates.take("ecs:DeregisterTaskDefinition", now));
        assert!((0..1000).all(|_| rates.take("dynamodb:GetItem", now)));
    }
}
