//! The IAM policies: what this command needs, and what whoever tags needs.

use serde_json::{Value, json};
use slipway_core::adoption::{Tagger, Untagged};

/// What `slipway init` asks AWS: all of it reads. Most of these actions have no resources of their own ("Actions, resources,
/// and condition keys", Service Authorization Reference), so the policy names none.
const LOOKS: [&str; 15] = [
    "ecs:ListClusters",
    "ecs:ListServices",
    "ecs:DescribeServices",
    "ecs:DescribeTaskDefinition",
    "elasticloadbalancing:DescribeTargetGroups",
    "elasticloadbalancing:DescribeLoadBalancers",
    "elasticloadbalancing:DescribeListeners",
    "elasticloadbalancing:DescribeRules",
    "cloudwatch:DescribeAlarms",
    "ecr:DescribeRepositories",
    "ecr:ListTagsForResource",
    "events:ListRuleNamesByTarget",
    "events:ListTargetsByRule",
    "scheduler:ListSchedules",
    "scheduler:GetSchedule",
];

/// What `slipway init` needs.
pub(super) fn look() -> String {
    document(&[json!({ "Sid": "LookAtServices", "Effect": "Allow", "Action": LOOKS, "Resource": "*" })])
}

/// What it needs to tag these things; nothing where there are none.
pub(super) fn tag(untagged: &[Untagged]) -> String {
    let statement = |of: Tagger, sid: &str, action: &str| {
        let arns: Vec<_> = untagged.iter().filter(|one| one.of == of).map(|one| &one.arn).collect();
        (!arns.is_empty())
            .then(|| json!({ "Sid": sid, "Effect": "Allow", "Action": action, "Resource": arns }))
    };
    let statements = [
        statement(Tagger::Ecs, "TagServices", "ecs:TagResource"),
        statement(Tagger::Ecr, "TagRepositories", "ecr:TagResource"),
    ];
    document(&statements.into_iter().flatten().collect::<Vec<_>>())
}

fn document(statements: &[Value]) -> String {
    let policy = json!({ "Version": "2012-10-17", "Statement": statements });
    serde_json::to_string_pretty(&policy).expect("a policy is plain values, which make JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_of_the_command_only_reads() {
        for action in LOOKS {
            let (_, verb) = action.split_once(':').expect("a service and an action");
            assert!(["List", "Describe", "Get"].iter().any(|reads| verb.starts_with(reads)), "{action}");
        }
    }

    #[test]
    fn the_policy_for_tags_names_what_is_tagged_and_no_more() {
        let untagged = [Untagged {
            of: Tagger::Ecs,
            arn: "arn:aws:ecs:eu-central-1:111122223333:service/main/web".into(),
        }];
        let policy: Value = serde_json::from_str(&tag(&untagged)).expect("it is JSON");
        assert_eq!(policy["Statement"].as_array().map(Vec::len), Some(1));
        assert_eq!(policy["Statement"][0]["Resource"], json!([untagged[0].arn]));
    }
}
