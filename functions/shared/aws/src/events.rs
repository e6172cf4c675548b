//! EventBridge: events for whoever wants to hear of releases.

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use serde_json::Value;

use crate::AwsError;

/// The account's default bus.
#[derive(Clone, Debug)]
pub struct Events {
    client: Client,
}

/// A task that a rule or a schedule runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduledTask {
    /// The name of the rule, or of the schedule.
    pub name: String,
    /// The ARN of the cluster.
    pub cluster: String,
    /// The ARN of the task definition, with or without a revision.
    pub task_definition: String,
}

impl Events {
    pub(crate) const fn new(client: Client) -> Self {
        Self { client }
    }

    /// Puts an event with the source `slipway` on the bus.
    ///
    /// # Errors
    ///
    /// When EventBridge cannot be asked, or does not take it.
    pub async fn put(&self, detail_type: &str, detail: &Value) -> Result<(), AwsError> {
        const OPERATION: &str = "events:PutEvents";
        let entry = PutEventsRequestEntry::builder()
            .source("slipway")
            .detail_type(detail_type)
            .detail(detail.to_string())
            .build();
        let answer = self
            .client
            .put_events()
            .entries(entry)
            .send()
            .await
            .map_err(|error| AwsError::from_sdk(OPERATION, error))?;
        // The call succeeds when entries fail: each says so by itself.
        let failed = answer
            .entries()
            .iter()
            .find_map(|entry| Some((entry.error_code()?, entry.error_message().unwrap_or_default())));
        failed.map_or(Ok(()), |(code, message)| Err(AwsError::from_words(OPERATION, code, message)))
    }

    /// The tasks that rules of the bus run in a cluster, by its ARN: it is a rule's target (`EcsParameters` of `Target`,
    /// Amazon EventBridge API reference).
    ///
    /// # Errors
    ///
    /// When EventBridge cannot be asked.
    pub async fn of_cluster(&self, cluster: &str) -> Result<Vec<ScheduledTask>, AwsError> {
        let mut tasks = Vec::new();
        // The SDK has no paginators for EventBridge.
        let mut next = None;
        loop {
            let request = self.client.list_rule_names_by_target().target_arn(cluster).set_next_token(next);
            let answer = request.send().await;
            let answer = answer.map_err(|error| AwsError::from_sdk("events:ListRuleNamesByTarget", error))?;
            for rule in answer.rule_names() {
                tasks.extend(self.of_rule(rule, cluster).await?);
            }
            next = answer.next_token;
            if next.is_none() {
                return Ok(tasks);
            }
        }
    }

    /// The tasks that a rule runs in a cluster. A rule has five targets at the most ("Amazon EventBridge quotas"), so one page.
    async fn of_rule(&self, rule: &str, cluster: &str) -> Result<Vec<ScheduledTask>, AwsError> {
        let answer = self.client.list_targets_by_rule().rule(rule).send().await;
        let answer = answer.map_err(|error| AwsError::from_sdk("events:ListTargetsByRule", error))?;
        let targets = answer.targets().iter().filter(|target| target.arn() == cluster);
        let tasks = targets.filter_map(|target| {
            Some(ScheduledTask {
                name: rule.to_owned(),
                cluster: cluster.to_owned(),
                task_definition: target.ecs_parameters()?.task_definition_arn().to_owned(),
            })
        });
        Ok(tasks.collect())
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_eventbridge::operation::list_rule_names_by_target::ListRuleNamesByTargetOutput;
    use aws_sdk_eventbridge::operation::list_targets_by_rule::ListTargetsByRuleOutput;
    use aws_sdk_eventbridge::operation::put_events::PutEventsOutput;
    use aws_sdk_eventbridge::types::{EcsParameters, PutEventsResultEntry, Target};
    use aws_smithy_mocks::mock;

    use super::*;
    use crate::answering::answering;

    #[tokio::test]
    async fn an_entry_that_is_not_taken_is_an_error_although_the_call_succeeds() {
        let failed =
            |code: &str| PutEventsResultEntry::builder().error_code(code).error_message("in words").build();
        for (entry, is_taken, may_be_tried_again) in [
            (PutEventsResultEntry::builder().event_id("1").build(), true, false),
            (failed("ThrottlingException"), false, true),
            (failed("InternalFailure"), false, true),
            (failed("MalformedDetail"), false, false),
        ] {
            let rule = mock!(aws_sdk_eventbridge::Client::put_events)
                .then_output(move || PutEventsOutput::builder().entries(entry.clone()).build());
            let events = Events::new(answering!(aws_sdk_eventbridge, [&rule]));

            let put = events.put("Slipway Notification", &Value::Null).await;

            assert_eq!(put.is_ok(), is_taken, "{put:?}");
            assert_eq!(put.is_err_and(|error| error.may_be_tried_again()), may_be_tried_again);
        }
    }

    #[tokio::test]
    async fn the_rules_that_run_tasks_in_a_cluster_are_found_over_all_pages() {
        let page = |rule: &str, next: Option<&str>| {
            ListRuleNamesByTargetOutput::builder()
                .rule_names(rule)
                .set_next_token(next.map(ToOwned::to_owned))
                .build()
        };
        let (first, second) = (page("nightly", Some("more")), page("hourly", None));
        let begins = mock!(aws_sdk_eventbridge::Client::list_rule_names_by_target)
            .match_requests(|request| request.next_token().is_none() && request.target_arn() == Some("main"))
            .then_output(move || first.clone());
        let goes_on = mock!(aws_sdk_eventbridge::Client::list_rule_names_by_target)
            .match_requests(|request| request.next_token() == Some("more"))
            .then_output(move || second.clone());
        let targets = mock!(aws_sdk_eventbridge::Client::list_targets_by_rule).then_output(|| {
            let ecs = EcsParameters::builder().task_definition_arn("task").build().expect("a task");
            let target = |arn: &str| Target::builder().id("1").arn(arn);
            let task = target("main").ecs_parameters(ecs).build().expect("a target");
            let function = target("function").build().expect("a target");
            ListTargetsByRuleOutput::builder().targets(function).targets(task).build()
        });
        let events = Events::new(answering!(aws_sdk_eventbridge, [&begins, &goes_on, &targets]));

        let tasks = events.of_cluster("main").await.expect("EventBridge answers");

        let names: Vec<_> =
            tasks.iter().map(|task| (task.name.as_str(), task.task_definition.as_str())).collect();
        assert_eq!(names, [("nightly", "task"), ("hourly", "task")]);
    }
}
