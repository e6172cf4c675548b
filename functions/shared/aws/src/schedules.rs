//! EventBridge Scheduler: what runs tasks at times.

use aws_sdk_scheduler::Client;
use aws_sdk_scheduler::types::ScheduleSummary;

use crate::{AwsError, ScheduledTask};

/// EventBridge Scheduler's schedules.
#[derive(Clone, Debug)]
pub struct Schedules {
    client: Client,
}

impl Schedules {
    pub(crate) const fn new(client: Client) -> Self {
        Self { client }
    }

    /// The schedules that run a task in one of these clusters, by the clusters' ARNs: the target of one is the cluster
    /// ("Using templated targets in EventBridge Scheduler", Amazon EventBridge Scheduler user guide).
    ///
    /// # Errors
    ///
    /// When EventBridge Scheduler cannot be asked.
    pub async fn of_clusters(&self, clusters: &[String]) -> Result<Vec<ScheduledTask>, AwsError> {
        let mut tasks = Vec::new();
        let mut schedules = self.client.list_schedules().into_paginator().items().send();
        while let Some(summary) = schedules
            .try_next()
            .await
            .map_err(|error| AwsError::from_sdk("scheduler:ListSchedules", error))?
        {
            if let Some((name, cluster)) = wanted(&summary, clusters) {
                tasks.extend(self.task(name, summary.group_name(), cluster).await?);
            }
        }
        Ok(tasks)
    }

    /// The task of a schedule; nothing where it runs none, or is gone meanwhile.
    async fn task(
        &self,
        name: &str,
        group: Option<&str>,
        cluster: &str,
    ) -> Result<Option<ScheduledTask>, AwsError> {
        let request = self.client.get_schedule().name(name).set_group_name(group.map(ToOwned::to_owned));
        let schedule = match request.send().await {
            Ok(schedule) => schedule,
            Err(error)
                if error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(AwsError::from_sdk("scheduler:GetSchedule", error)),
        };
        let ecs = schedule.target().and_then(|target| target.ecs_parameters());
        Ok(ecs.map(|ecs| ScheduledTask {
            name: name.to_owned(),
            cluster: cluster.to_owned(),
            task_definition: ecs.task_definition_arn().to_owned(),
        }))
    }
}

/// The schedule's name and its cluster, where that is one of these.
fn wanted<'a>(summary: &'a ScheduleSummary, clusters: &[String]) -> Option<(&'a str, &'a str)> {
    let cluster = summary.target()?.arn();
    clusters.iter().any(|one| one == cluster).then_some((summary.name()?, cluster))
}

#[cfg(test)]
mod tests {
    use aws_sdk_scheduler::operation::get_schedule::GetScheduleOutput;
    use aws_sdk_scheduler::operation::list_schedules::ListSchedulesOutput;
    use aws_sdk_scheduler::types::{EcsParameters, Target, TargetSummary};
    use aws_smithy_mocks::mock;

    use super::*;
    use crate::answering::answering;

    #[tokio::test]
    async fn only_schedules_of_the_clusters_are_read() {
        let cluster = "arn:aws:ecs:eu-central-1:111122223333:cluster/main";
        let listed = mock!(aws_sdk_scheduler::Client::list_schedules).then_output(move || {
            let summary = |name: &str, arn: &str| {
                let target = TargetSummary::builder().arn(arn).build().expect("a target");
                ScheduleSummary::builder().name(name).group_name("default").target(target).build()
            };
            ListSchedulesOutput::builder()
                .schedules(summary("nightly", cluster))
                .schedules(summary("other", "arn:aws:lambda:eu-central-1:111122223333:function:f"))
                .build()
                .expect("schedules")
        });
        let read = mock!(aws_sdk_scheduler::Client::get_schedule)
            .match_requests(|request| request.name() == Some("nightly"))
            .then_output(move || {
                let task = "arn:aws:ecs:eu-central-1:111122223333:task-definition/nightly";
                let ecs = EcsParameters::builder().task_definition_arn(task).build().expect("a task");
                let target = Target::builder().arn(cluster).role_arn("role").ecs_parameters(ecs);
                GetScheduleOutput::builder().target(target.build().expect("a target")).build()
            });
        let schedules = Schedules::new(answering!(aws_sdk_scheduler, [&listed, &read]));

        let tasks = schedules.of_clusters(&[cluster.to_owned()]).await.expect("it answers");

        let names: Vec<_> = tasks.iter().map(|task| task.name.as_str()).collect();
        assert_eq!(names, ["nightly"]);
        assert!(tasks[0].task_definition.ends_with("task-definition/nightly"));
    }
}
