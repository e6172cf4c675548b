//! ECS: services, their tasks, and task definitions.

mod existing;

use std::net::IpAddr;

use aws_sdk_ecs::Client;
use aws_sdk_ecs::operation::stop_service_deployment::StopServiceDeploymentError;
use aws_sdk_ecs::types::{self, DeploymentRolloutState, DesiredStatus, ServiceField, TaskDefinitionField};
use aws_smithy_types::DateTime;
use aws_smithy_types::body::SdkBody;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use slipway_core::definition::registration;
use slipway_core::deployment::{Balancer, Deployment, Rollout, ServiceEvent, ServiceView, TaskView, Traffic};
use slipway_core::image::digest_of;
use slipway_core::name::{ReleaseId, ServiceArn, ServiceName, TaskDefinitionArn};
use slipway_core::span::Span;
use slipway_core::strategy::{Hook, ServiceDeployment, Strategy, minutes};
use slipway_core::words;

use crate::answer::Answer;
use crate::{AwsError, patiently};

/// The tag on a task definition that names the release which registered it.
const RELEASE_TAG: &str = "slipway:release";
/// The tag on a service that names the deployer which may change it: the functions' rights ask for it.
pub(crate) const DEPLOYER_TAG: &str = "slipway:deployer";
/// The tag that names the generation it was registered in.
const GENERATION_TAG: &str = "slipway:generation";
/// How many of ECS's messages about a service are kept.
const EVENTS: usize = 10;
/// How many stopped tasks are looked through: a service that crashes all the time has hundreds an hour.
const STOPPED_TASKS: usize = 1_000;
/// How many different reasons of stopped tasks are given. ECS forgets a stopped task after an hour.
const STOPPED_REASONS: usize = 3;

/// ECS, as the workflow needs it.
#[derive(Clone, Debug)]
pub struct Ecs {
    client: Client,
}

/// A revision of a task definition: the whole document, and what is read of it.
#[derive(Clone, Debug)]
pub struct TaskDefinition {
    /// ECS's own JSON of it. Kept as it came, so that a field which this program's SDK does not know is not lost when
    /// the document is registered again.
    pub document: Value,
    /// Its ARN.
    pub arn: TaskDefinitionArn,
    /// Its tags, in order.
    pub tags: Vec<(String, String)>,
    /// Whether a service may run it: not once it was deregistered.
    pub active: bool,
}

/// What ECS still knows of the stopped tasks of one task definition.
#[derive(Clone, Debug, Default)]
pub struct StoppedTasks {
    /// Why the newest stopped, in ECS's words, each reason once.
    pub reasons: Vec<String>,
    /// When the first of them was created.
    pub since: Option<Timestamp>,
    /// When the newest ended that did so by itself, and why.
    pub ended: Option<(Timestamp, String)>,
}

/// Whether a task ended by its own doing: its container exited, it could not be started, or a health check failed. Others are
/// replaced by ECS (scaling, zone rebalancing, Spot, retirement of hosts: "Amazon ECS stopped tasks error messages" and
/// `stopCode` of `Task`, Amazon ECS API reference).
fn ended_by_itself(task: &types::Task) -> bool {
    matches!(
        task.stop_code(),
        Some(types::TaskStopCode::EssentialContainerExited | types::TaskStopCode::TaskFailedToStart)
    ) || task.stopped_reason().is_some_and(|reason| reason.contains("health check"))
}

/// A revision that is to be registered.
#[derive(Clone, Copy, Debug)]
pub struct Registration<'a> {
    /// The document that it is made from.
    pub document: &'a Value,
    /// That document's tags. AWS's and Slipway's own are not taken along.
    pub tags: &'a [(String, String)],
    /// Its family.
    pub family: &'a str,
    /// The release that registers it.
    pub release: &'a ReleaseId,
    /// The generation of that release's lock.
    pub generation: u64,
}

/// A task that runs once, with what a service of the stage runs with.
#[derive(Clone, Debug)]
pub struct OneOff<'a> {
    /// The cluster.
    pub cluster: &'a str,
    /// The service whose network and launch type it takes.
    pub service: &'a ServiceName,
    /// What it runs.
    pub task_definition: &'a TaskDefinitionArn,
    /// That revision's tags. AWS's and Slipway's own are not taken along.
    pub tags: &'a [(String, String)],
    /// The container whose command is replaced.
    pub container: &'a str,
    /// The command.
    pub command: &'a [String],
    /// What it is called, so that a second request finds the first one's task: letters, digits, hyphens and
    /// underscores, 64 at the most.
    pub name: &'a str,
    /// The release that it is for.
    pub release: &'a ReleaseId,
}

/// A one-off task as ECS describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneOffTask {
    /// Whether it has stopped.
    pub stopped: bool,
    /// The exit code of the container; none while it runs, and where it never ran.
    pub exit_code: Option<i32>,
    /// Why it stopped, in ECS's words.
    pub reason: String,
}

/// Where a container's log is, as its task definition says for the driver `awslogs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogStream {
    /// The log group.
    pub group: String,
    /// The stream: prefix, container and task.
    pub name: String,
}

impl TaskDefinition {
    /// The release that registered it; none for Terraform's.
    #[must_use]
    pub fn release(&self) -> Option<&str> {
        self.tags.iter().find(|(key, _)| key == RELEASE_TAG).map(|(_, value)| value.as_str())
    }

    /// The images of its containers, in order.
    #[must_use]
    pub fn images(&self) -> Vec<&str> {
        let containers = self.document["containerDefinitions"].as_array().into_iter().flatten();
        containers.filter_map(|container| container["image"].as_str()).collect()
    }

    /// Where the log of a container of a task is; nothing where its driver is another one.
    #[must_use]
    pub fn log_of(&self, container: &str, task_arn: &str) -> Option<LogStream> {
        let containers = self.document["containerDefinitions"].as_array()?;
        let options = &containers.iter().find(|one| one["name"] == container)?["logConfiguration"]["options"];
        let task = task_arn.rsplit('/').next()?;
        Some(LogStream {
            group: options["awslogs-group"].as_str()?.to_owned(),
            name: format!("{}/{container}/{task}", options["awslogs-stream-prefix"].as_str()?),
        })
    }
}

impl Ecs {
    pub(crate) const fn new(client: Client) -> Self {
        Self { client }
    }

    /// Opens the connection ahead of the first real call, during a function's init. What ECS answers does not matter.
    pub async fn warm_up(self) {
        let _opened = self.client.describe_task_definition().task_definition("slipway-warm-up").send().await;
    }

    /// The services of these names, as they are now. A service that does not exist, or is being deleted, is absent.
    ///
    /// # Errors
    ///
    /// When ECS cannot be asked, or there is no such cluster.
    pub async fn services(&self, cluster: &str, names: &[&str]) -> Result<Vec<ServiceView>, AwsError> {
        const OPERATION: &str = "ecs:DescribeServices";
        let mut views = Vec::with_capacity(names.len());
        // ECS describes ten services a call.
        for some in names.chunks(10) {
            let request = self
                .client
                .describe_services()
                .cluster(cluster)
                .include(ServiceField::Tags)
                .set_services(Some(some.iter().map(ToString::to_string).collect()));
            let answer =
                Box::pin(request.send()).await.map_err(|error| AwsError::from_sdk(OPERATION, error))?;
            for service in answer.services() {
                if service.status() == Some("ACTIVE") {
                    views.push(service_view(service).ok_or_else(|| {
                        AwsError::unusable(OPERATION, "a service without ARN or task definition")
                    })?);
                }
            }
        }
        Ok(views)
    }

    /// The task definition of this ARN, or the newest active revision of this family; nothing where there is none.
    ///
    /// # Errors
    ///
    /// When ECS cannot be asked.
    pub async fn task_definition(&self, arn_or_family: &str) -> Result<Option<TaskDefinition>, AwsError> {
        const OPERATION: &str = "ecs:DescribeTaskDefinition";
        let json = Answer::default();
        let request = self
            .client
            .describe_task_definition()
            .task_definition(arn_or_family)
            .include(TaskDefinitionField::Tags);
        let answer = match Box::pin(request.customize().interceptor(json.clone()).send()).await {
            Ok(answer) => answer,
            Err(error)
                if error.as_service_error().is_some_and(|error| {
                    error.is_client_exception() && is_missing(error.meta().message())
                }) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(AwsError::from_sdk(OPERATION, error)),
        };
        let found =
            answer.task_definition().ok_or_else(|| AwsError::unusable(OPERATION, "no task definition"))?;
        let document = json.field(OPERATION, "taskDefinition")?;
        Ok(Some(TaskDefinition {
            document,
            arn: arn_of(found.task_definition_arn(), OPERATION)?,
            tags: answer
                .tags()
                .iter()
                .filter_map(|tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned())))
                .collect(),
            active: found.status() == Some(&types::TaskDefinitionStatus::Active),
        }))
    }

    /// Registers a revision: the document with its images replaced where `image_for` gives another one, with the
    /// document's tags, and tagged with the release and its generation. A client token does not exist for this call: look
    /// for the tag before calling it again.
    ///
    /// # Errors
    ///
    /// When ECS cannot be asked, or refuses.
    pub async fn register(&self, registration: &Registration<'_>) -> Result<TaskDefinitionArn, AwsError> {
        const OPERATION: &str = "ecs:RegisterTaskDefinition";
        let family = registration.family;
        let registration = registration.document();
        let body = serde_json::to_vec(&registration)
            .map_err(|error| AwsError::unusable(OPERATION, error.to_string()))?;
        // The SDK's own types would drop what they do not know of the document, so the request's body is the document.
        let request = patiently!(aws_sdk_ecs, self.client.register_task_definition().family(family));
        let request = request.mutate_request(move |request| {
            request.headers_mut().insert("content-length", body.len().to_string());
            *request.body_mut() = SdkBody::from(body.clone());
        });
        let answer = Box::pin(request.send()).await.map_err(|error| AwsError::from_sdk(OPERATION, error))?;
        arn_of(answer.task_definition().and_then(types::TaskDefinition::task_definition_arn), OPERATION)
    }

    /// Tells a service to run a task definition, how many tasks of it where that is to change, and how gently where
    /// the stage says so.
    ///
    /// # Errors
    ///
    /// When ECS cannot be asked, or refuses.
    pub async fn update(
        &self,
        cluster: &str,
        service: &ServiceName,
        task_definition: &TaskDefinitionArn,
        desired_count: Option<u32>,
        strategy: Option<&Strategy>,
    ) -> Result<(), AwsError> {
        const OPERATION: &str = "ecs:UpdateService";
        let configuration = match strategy {
            Some(strategy) => Some(self.with_strategy(cluster, service, strategy).await?),
            None => None,
        };
        let request = self
            .client
            .update_service()
            .cluster(cluster)
            .service(service.as_str())
            .task_definition(task_definition.as_str())
            .set_desired_count(desired_count.map(|count| i32::try_from(count).unwrap_or(i32::MAX)))
            .set_deployment_configuration(configuration);
        let request = patiently!(aws_sdk_ecs, request);
        Box::pin(request.send()).await.map_err(|error| AwsError::from_sdk(OPERATION, error))?;
        Ok(())
    }

    /// The service's deployment configuration with another strategy: what it says of its circuit breaker, its alarms
    /// and its tasks stays, because ECS replaces the whole of it.
    async fn with_strategy(
        &self,
        cluster: &str,
        service: &ServiceName,
        strategy: &Strategy,
    ) -> Result<types::DeploymentConfiguration, AwsError> {
        let answer = self.client.describe_services().cluster(cluster).services(service.as_str()).send().await;
        let answer = answer.map_err(|error| AwsError::from_sdk("ecs:DescribeServices", error))?;
        let mut configuration = answer
            .services()
            .first()
            .and_then(|service| service.deployment_configuration().cloned())
            .unwrap_or_else(|| types::DeploymentConfiguration::builder().build());
        let in_minutes = |span: &Span| i32::try_from(minutes(span)).unwrap_or(i32::MAX);
        configuration.strategy = Some(types::DeploymentStrategy::from(strategy.as_str()));
        // "The deployment circuit breaker can only be used for services using the rolling update (ECS) deployment type"
        // (DeploymentConfiguration, Amazon ECS API reference). A rolling update has it again after one that shifted traffic.
        configuration.deployment_circuit_breaker = if strategy.shifts_traffic() {
            None
        } else {
            let on = || types::DeploymentCircuitBreaker::builder().enable(true).rollback(true).build();
            Some(configuration.deployment_circuit_breaker.take().unwrap_or_else(on))
        };
        (configuration.canary_configuration, configuration.linear_configuration) = (None, None);
        configuration.bake_time_in_minutes = match strategy {
            Strategy::Rolling {} => None,
            Strategy::BlueGreen { bake } | Strategy::Canary { bake, .. } | Strategy::Linear { bake, .. } => {
                Some(bake.as_ref().map_or(0, in_minutes))
            }
        };
        match strategy {
            Strategy::Canary { percent, step_bake, .. } => {
                let canary = types::CanaryConfiguration::builder();
                let canary =
                    canary.canary_percent(percent.value()).canary_bake_time_in_minutes(in_minutes(step_bake));
                configuration.canary_configuration = Some(canary.build());
            }
            Strategy::Linear { percent, step_bake, .. } => {
                let linear = types::LinearConfiguration::builder();
                let linear =
                    linear.step_percent(percent.value()).step_bake_time_in_minutes(in_minutes(step_bake));
                configuration.linear_configuration = Some(linear.build());
            }
            Strategy::Rolling {} | Strategy::BlueGreen { .. } => {}
        }
        Ok(configuration)
    }

    /// The newest deployment of a service, where ECS keeps one: it does so for 90 days.
    ///
    /// # Errors
    ///
    /// When ECS cannot be asked.
    pub async fn newest_deployment(
        &self,
        cluster: &str,
        service: &ServiceName,
    ) -> Result<Option<ServiceDeployment>, AwsError> {
        let request = self.client.list_service_deployments().cluster(cluster).service(service.as_str());
        let answer = Box::pin(request.send())
            .await
            .map_err(|error| AwsError::from_sdk("ecs:ListServiceDeployments", error))?;
        let newest = answer
            .service_deployments()
            .iter()
            .max_by_key(|one| one.created_at().map_or((0, 0), |at| (at.secs(), at.subsec_nanos())));
        let Some(newest) = newest else { return Ok(None) };
        let target = match newest.target_service_revision_arn() {
            Some(revision) if newest.status() == Some(&types::ServiceDeploymentStatus::Successful) => {
                self.revision(revision).await?
            }
            _ => None,
        };
        Ok(Some(ServiceDeployment {
            arn: newest.service_deployment_arn().unwrap_or_default().to_owned(),
            status: newest.status().map_or("", types::ServiceDeploymentStatus::as_str).to_owned(),
            reason: message(newest.status_reason()),
            created_at: newest.created_at().and_then(timestamp),
            target,
        }))
    }

    /// The lifecycle hooks that hold the newest deployment of a service, and where ("Lifecycle hooks for Amazon ECS service
    /// deployments", Amazon ECS developer guide).
    ///
    /// # Errors
    ///
    /// When ECS cannot be asked.
    pub async fn hooks(&self, cluster: &str, service: &ServiceName) -> Result<Vec<Hook>, AwsError> {
        const OPERATION: &str = "ecs:DescribeServiceDeployments";
        let Some(newest) = self.newest_deployment(cluster, service).await? else { return Ok(Vec::new()) };
        let request = self.client.describe_service_deployments().service_deployment_arns(&newest.arn);
        let answer = Box::pin(request.send()).await.map_err(|error| AwsError::from_sdk(OPERATION, error))?;
        let deployments = answer.service_deployments().iter();
        let hooks = deployments.flat_map(|deployment| {
            let stage =
                deployment.lifecycle_stage().map_or("", types::ServiceDeploymentLifecycleStage::as_str);
            let holding = deployment.lifecycle_hook_details().iter().filter(|hook| {
                use types::DeploymentLifecycleHookStatus::{AwaitingAction, InProgress};
                matches!(hook.status(), Some(AwaitingAction | InProgress))
            });
            holding.map(|hook| Hook {
                stage: stage.to_owned(),
                function: hook.target_arn().map(ToOwned::to_owned),
                id: hook.hook_id().unwrap_or_default().to_owned(),
                deployment: newest.arn.clone(),
            })
        });
        Ok(hooks.collect())
    }

    /// What a service revision runs.
    async fn revision(&self, arn: &str) -> Result<Option<TaskDefinitionArn>, AwsError> {
        const OPERATION: &str = "ecs:DescribeServiceRevisions";
        let request = self.client.describe_service_revisions().service_revision_arns(arn);
        let answer = Box::pin(request.send()).await.map_err(|error| AwsError::from_sdk(OPERATION, error))?;
        let found = answer.service_revisions().first().and_then(types::ServiceRevision::task_definition);
        found.map(|found| arn_of(Some(found), OPERATION)).transpose()
    }

    /// Stops a deployment that is in flight, so that ECS shifts the traffic back to what ran before. One that has
    /// ended stays as it is.
    ///
    /// # Errors
    ///
    /// When ECS cannot be asked, or refuses.
    pub async fn stop_deployment(&self, arn: &str) -> Result<(), AwsError> {
        let request = self
            .client
            .stop_service_deployment()
            .service_deployment_arn(arn)
            .stop_type(types::StopServiceDeploymentStopType::Rollback);
        match Box::pin(patiently!(aws_sdk_ecs, request).send()).await {
            Ok(_) => Ok(()),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(StopServiceDeploymentError::is_conflict_exception) =>
            {
                Ok(())
            }
            Err(error) => Err(AwsError::from_sdk("ecs:StopServiceDeployment", error)),
        }
    }

    /// The tasks that a service means to keep running.
    ///
    /// # Errors
    ///
    /// When ECS cannot be asked.
    pub async fn running_tasks(&self, cluster: &str, service: &str) -> Result<Vec<TaskView>, AwsError> {
        let request = self
            .client
            .list_tasks()
            .cluster(cluster)
            .service_name(service)
            .desired_status(DesiredStatus::Running);
        let arns = request.into_paginator().items().send().try_collect().await;
        let arns = arns.map_err(|error| AwsError::from_sdk("ecs:ListTasks", error))?;
        let tasks = self.describe_tasks(cluster, &arns).await?;
        tasks.iter().filter(|task| task.last_status() == Some("RUNNING")).map(task_view).collect()
    }

    /// The stopped tasks of a task definition that ECS still knows.
    ///
    /// # Errors
    ///
    /// When ECS cannot be asked.
    pub async fn stopped_tasks(
        &self,
        cluster: &str,
        service: &str,
        of: &TaskDefinitionArn,
    ) -> Result<StoppedTasks, AwsError> {
        // ECS lists them in no order, and cannot be asked for one task definition's: a few pages, sorted here.
        let request = self
            .client
            .list_tasks()
            .cluster(cluster)
            .service_name(service)
            .desired_status(DesiredStatus::Stopped);
        let mut pages = request.into_paginator().send();
        let mut arns = Vec::new();
        while arns.len() < STOPPED_TASKS
            && let Some(page) = pages.next().await
        {
            let page = page.map_err(|error| AwsError::from_sdk("ecs:ListTasks", error))?;
            arns.extend(page.task_arns.unwrap_or_default());
        }
        let mut tasks = self.describe_tasks(cluster, &arns).await?;
        tasks.sort_by_key(|task| {
            std::cmp::Reverse(task.stopped_at().map_or(0, aws_sdk_ecs::primitives::DateTime::secs))
        });
        let mut stopped = StoppedTasks::default();
        for task in tasks {
            let view = task_view(&task)?;
            if view.task_definition != *of {
                continue;
            }
            let created_at = task.created_at().and_then(timestamp);
            stopped.since = [stopped.since, created_at].into_iter().flatten().min();
            if stopped.ended.is_none() && ended_by_itself(&task) {
                let at = task.stopping_at().or(task.stopped_at()).and_then(timestamp);
                stopped.ended = at.zip(view.stopped_reason.clone());
            }
            if let Some(reason) = view.stopped_reason.filter(|reason| !stopped.reasons.contains(reason)) {
                stopped.reasons.push(reason);
            }
        }
        stopped.reasons.truncate(STOPPED_REASONS);
        Ok(stopped)
    }

    /// Runs a task once, in the network and with the launch type of a service, and answers its ARN, which is to be kept.
    /// A task of the same name that runs already is answered instead, and for a day, by the client token, one that has
    /// stopped within the last hour.
    ///
    /// # Errors
    ///
    /// When ECS cannot be asked, refuses, or has no place for the task.
    pub async fn run_once(&self, one_off: &OneOff<'_>) -> Result<String, AwsError> {
        const OPERATION: &str = "ecs:RunTask";
        let OneOff { cluster, service, task_definition, tags, container, command, name, release } = one_off;
        // The client token finds one that has stopped.
        if let Some(arn) = self.running_one_off(cluster, name).await? {
            return Ok(arn);
        }
        let answer =
            self.client.describe_services().cluster(*cluster).services(service.as_str()).send().await;
        let answer = answer.map_err(|error| AwsError::from_sdk("ecs:DescribeServices", error))?;
        let like = answer
            .services()
            .first()
            .ok_or_else(|| AwsError::unusable("ecs:DescribeServices", format!("no service {service}")))?;
        let overridden =
            types::ContainerOverride::builder().name(*container).set_command(Some(command.to_vec())).build();
        let tags = others(tags)
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .chain([(RELEASE_TAG, release.as_str())])
            .map(|(key, value)| types::Tag::builder().key(key).value(value).build());
        let request = self
            .client
            .run_task()
            .cluster(*cluster)
            .task_definition(task_definition.as_str())
            .set_network_configuration(like.network_configuration().cloned())
            .set_platform_version(like.platform_version().map(ToOwned::to_owned))
            .overrides(types::TaskOverride::builder().container_overrides(overridden).build())
            .started_by(*name)
            .client_token(*name)
            .set_volume_configurations(volumes_of(like))
            .set_tags(Some(tags.collect()));
        // "If a capacityProviderStrategy is specified, the launchType parameter must be omitted" (RunTask, Amazon ECS
        // API reference).
        let request = if like.capacity_provider_strategy().is_empty() {
            request.set_launch_type(like.launch_type().cloned())
        } else {
            request.set_capacity_provider_strategy(Some(like.capacity_provider_strategy().to_vec()))
        };
        let answer = Box::pin(patiently!(aws_sdk_ecs, request).send()).await;
        let answer = answer.map_err(|error| AwsError::from_sdk(OPERATION, error))?;
        if let Some(arn) = answer.tasks().first().and_then(types::Task::task_arn) {
            return Ok(arn.to_owned());
        }
        let failures = answer.failures().iter().map(|failure| failure.reason().unwrap_or("no reason given"));
        let reasons = format!("no task: {}", failures.collect::<Vec<_>>().join("; "));
        // A cluster that is full, or a zone without capacity, has room again by itself ("API failure reasons", Amazon
        // ECS developer guide).
        let is_full = ["RESOURCE:", "apacity"].iter().any(|word| reasons.contains(word));
        Err(if is_full {
            AwsError::transient(OPERATION, "failures", &reasons)
        } else {
            AwsError::unusable(OPERATION, reasons)
        })
    }

    /// The ARN of the one-off task of this name that runs, if one does.
    ///
    /// # Errors
    ///
    /// When ECS cannot be asked.
    pub async fn running_one_off(&self, cluster: &str, name: &str) -> Result<Option<String>, AwsError> {
        // "startedBy must be the only filter" (ListTasks, Amazon ECS API reference), so without a status, which is RUNNING.
        let request = self.client.list_tasks().cluster(cluster).started_by(name);
        let answer =
            Box::pin(request.send()).await.map_err(|error| AwsError::from_sdk("ecs:ListTasks", error))?;
        Ok(answer.task_arns().first().cloned())
    }

    /// A one-off task as it is now; nothing once ECS has forgotten it, an hour after its end.
    ///
    /// # Errors
    ///
    /// When ECS cannot be asked.
    pub async fn one_off(
        &self,
        cluster: &str,
        arn: &str,
        container: Option<&str>,
    ) -> Result<Option<OneOffTask>, AwsError> {
        let tasks = self.describe_tasks(cluster, &[arn.to_owned()]).await?;
        Ok(tasks.first().map(|task| {
            let ran =
                task.containers().iter().find(|one| container.is_none_or(|name| one.name() == Some(name)));
            OneOffTask {
                stopped: task.last_status() == Some("STOPPED"),
                exit_code: ran.and_then(types::Container::exit_code),
                reason: message(task.stopped_reason()),
            }
        }))
    }

    /// Stops a one-off task.
    ///
    /// # Errors
    ///
    /// When ECS cannot be asked, or refuses.
    pub async fn stop(&self, cluster: &str, arn: &str, reason: &str) -> Result<(), AwsError> {
        let request = self.client.stop_task().cluster(cluster).task(arn).reason(reason);
        Box::pin(request.send()).await.map_err(|error| AwsError::from_sdk("ecs:StopTask", error))?;
        Ok(())
    }

    async fn describe_tasks(&self, cluster: &str, arns: &[String]) -> Result<Vec<types::Task>, AwsError> {
        let mut tasks = Vec::with_capacity(arns.len());
        // ECS describes a hundred tasks a call.
        for some in arns.chunks(100) {
            let request = self.client.describe_tasks().cluster(cluster).set_tasks(Some(some.to_vec()));
            let answer = Box::pin(request.send())
                .await
                .map_err(|error| AwsError::from_sdk("ecs:DescribeTasks", error))?;
            tasks.extend(answer.tasks.unwrap_or_default());
        }
        Ok(tasks)
    }
}

fn is_missing(message: Option<&str>) -> bool {
    // ECS has no error of its own for a missing task definition, only this message of ClientException.
    message.is_some_and(|message| message.contains("Unable to describe task definition"))
}

impl Registration<'_> {
    /// What is registered: the document without what ECS says of its revision.
    fn document(&self) -> Map<String, Value> {
        let registration = registration(self.document, self.family);
        let mut registration = registration.as_object().cloned().unwrap_or_default();
        let tags: Vec<_> = others(self.tags)
            .map(|(key, value)| (key.as_str(), value.clone()))
            .chain([(RELEASE_TAG, self.release.to_string()), (GENERATION_TAG, self.generation.to_string())])
            .map(|(key, value)| json!({ "key": key, "value": value }))
            .collect();
        registration.insert("tags".into(), json!(tags));
        registration
    }
}

/// The volumes that a task of a service is given when it starts, for a task that runs alone: without them ECS refuses a task
/// definition whose volume is `configuredAtLaunch`. Such a volume goes with its task (`TaskManagedEBSVolumeConfiguration`,
/// Amazon ECS API reference).
fn volumes_of(service: &types::Service) -> Option<Vec<types::TaskVolumeConfiguration>> {
    let primary = service.deployments().iter().find(|one| one.status() == Some("PRIMARY"))?;
    let volumes = primary.volume_configurations().iter().filter_map(|volume| {
        let of = volume.managed_ebs_volume()?;
        let ebs = types::TaskManagedEbsVolumeConfiguration::builder()
            .set_encrypted(of.encrypted())
            .set_kms_key_id(of.kms_key_id().map(ToOwned::to_owned))
            .set_volume_type(of.volume_type().map(ToOwned::to_owned))
            .set_size_in_gib(of.size_in_gib())
            .set_snapshot_id(of.snapshot_id().map(ToOwned::to_owned))
            .set_iops(of.iops())
            .set_throughput(of.throughput())
            .set_tag_specifications(of.tag_specifications.clone())
            .role_arn(of.role_arn())
            .set_filesystem_type(of.filesystem_type().cloned())
            .build()
            .ok()?;
        types::TaskVolumeConfiguration::builder().name(volume.name()).managed_ebs_volume(ebs).build().ok()
    });
    let volumes: Vec<_> = volumes.collect();
    (!volumes.is_empty()).then_some(volumes)
}

/// The tags that are people's: AWS refuses its own in a request, and Slipway's say what made a thing.
fn others(tags: &[(String, String)]) -> impl Iterator<Item = &(String, String)> {
    tags.iter().filter(|(key, _)| !key.starts_with("aws:") && !key.starts_with("slipway:"))
}

fn arn_of(arn: Option<&str>, operation: &'static str) -> Result<TaskDefinitionArn, AwsError> {
    TaskDefinitionArn::new(arn.unwrap_or_default())
        .map_err(|error| AwsError::unusable(operation, error.to_string()))
}

/// What ECS says, which quotes what it was given, and what containers and people gave as reasons.
fn message(words: Option<&str>) -> String {
    words::line(words.unwrap_or_default(), words::LONGEST_MESSAGE)
}

fn timestamp(at: &DateTime) -> Option<Timestamp> {
    Timestamp::new(at.secs(), i32::try_from(at.subsec_nanos()).ok()?).ok()
}

fn count(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

fn service_view(service: &types::Service) -> Option<ServiceView> {
    let deployments = service.deployments().iter().filter_map(deployment).collect();
    Some(ServiceView {
        arn: ServiceArn::new(service.service_arn()?).ok()?,
        deployer: service
            .tags()
            .iter()
            .find(|tag| tag.key() == Some(DEPLOYER_TAG))
            .and_then(|tag| tag.value().map(ToOwned::to_owned)),
        task_definition: TaskDefinitionArn::new(service.task_definition()?).ok()?,
        desired_count: count(service.desired_count()),
        running_count: count(service.running_count()),
        deployments,
        traffic: Traffic {
            controller: service
                .deployment_controller()
                .map(|controller| controller.r#type().as_str().to_owned()),
            strategy: service
                .deployment_configuration()
                .and_then(types::DeploymentConfiguration::strategy)
                .map(|strategy| strategy.as_str().to_owned()),
            balancers: service.load_balancers().iter().map(balancer).collect(),
            has_circuit_breaker: service
                .deployment_configuration()
                .and_then(types::DeploymentConfiguration::deployment_circuit_breaker)
                .is_some_and(types::DeploymentCircuitBreaker::enable),
        },
        events: service.events().iter().take(EVENTS).filter_map(service_event).collect(),
    })
}

fn balancer(balancer: &types::LoadBalancer) -> Balancer {
    let advanced = balancer.advanced_configuration();
    Balancer {
        target_group: balancer.target_group_arn().map(ToOwned::to_owned),
        alternate_target_group: advanced
            .and_then(|advanced| advanced.alternate_target_group_arn().map(ToOwned::to_owned)),
        has_production_rule: advanced.is_some_and(|advanced| advanced.production_listener_rule().is_some()),
        has_role: advanced.is_some_and(|advanced| advanced.role_arn().is_some()),
    }
}

fn service_event(event: &types::ServiceEvent) -> Option<ServiceEvent> {
    Some(ServiceEvent {
        at: event.created_at().and_then(timestamp)?,
        message: message(Some(event.message()?)),
    })
}

fn deployment(deployment: &types::Deployment) -> Option<Deployment> {
    Some(Deployment {
        id: deployment.id()?.to_owned(),
        task_definition: TaskDefinitionArn::new(deployment.task_definition()?).ok()?,
        rollout: match deployment.rollout_state() {
            Some(DeploymentRolloutState::Completed) => Rollout::Completed,
            Some(DeploymentRolloutState::Failed) => Rollout::Failed,
            // A state that ECS may add is not an end.
            _ => Rollout::InProgress,
        },
        reason: message(deployment.rollout_state_reason()),
        running_count: count(deployment.running_count()),
        created_at: deployment.created_at().and_then(timestamp),
    })
}

fn task_view(task: &types::Task) -> Result<TaskView, AwsError> {
    // A task in a subnet with IPv6 alone has no other address ("NetworkInterface", Amazon ECS API reference).
    let details = task.attachments().iter().flat_map(types::Attachment::details);
    let of_attachment = details.filter(|detail| detail.name() == Some("privateIPv4Address"));
    let interfaces = task.containers().iter().flat_map(types::Container::network_interfaces);
    let of_interfaces =
        interfaces.flat_map(|interface| [interface.private_ipv4_address(), interface.ipv6_address()]);
    let mut addresses: Vec<IpAddr> = of_attachment
        .filter_map(types::KeyValuePair::value)
        .chain(of_interfaces.flatten())
        .filter_map(|address| address.parse().ok())
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    let stopped_reason = (task.last_status() == Some("STOPPED")).then(|| {
        let exits = task.containers().iter().filter_map(|container| {
            let why = container.reason().map(|reason| format!(", {reason}")).unwrap_or_default();
            container
                .exit_code()
                .map(|code| format!("{} exited with {code}{why}", container.name().unwrap_or("a container")))
        });
        let exits = exits.collect::<Vec<_>>().join("; ");
        let reason = task.stopped_reason().unwrap_or("no reason given");
        let why = if exits.is_empty() { reason.to_owned() } else { format!("{reason} ({exits})") };
        message(Some(&why))
    });
    Ok(TaskView {
        task_definition: arn_of(task.task_definition_arn(), "ecs:DescribeTasks")?,
        addresses,
        digests: task
            .containers()
            .iter()
            .filter_map(|container| container.image().and_then(digest_of))
            .collect(),
        started_at: task.started_at().and_then(timestamp),
        stopped_reason,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use aws_sdk_ecs::operation::describe_task_definition::DescribeTaskDefinitionError;
    use aws_sdk_ecs::operation::register_task_definition::RegisterTaskDefinitionOutput;
    use aws_sdk_ecs::types::error::ClientException;
    use aws_smithy_mocks::mock;
    use aws_smithy_runtime_api::box_error::BoxError;
    use aws_smithy_runtime_api::client::interceptors::Intercept;
    use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef;
    use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
    use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
    use aws_smithy_runtime_api::http::StatusCode;
    use aws_smithy_types::config_bag::ConfigBag;

    use super::*;
    use crate::answering::answering;

    const REVISION: &str = "arn:aws:ecs:eu-central-1:111122223333:task-definition/staging-web:9";
    const TEMPLATE: &str = r#"{"taskDefinition": {
        "taskDefinitionArn": "arn:aws:ecs:eu-central-1:111122223333:task-definition/staging-web-template:4",
        "family": "staging-web-template", "revision": 4, "status": "ACTIVE", "registeredAt": 1.7e9, "registeredBy": "terraform",
        "requiresAttributes": [{"name": "x"}], "compatibilities": ["FARGATE"], "cpu": "512", "taskRoleArn": null,
        "aFieldOfNextYear": {"kept": true},
        "containerDefinitions": [
            {"name": "web", "image": "host/web:template", "environment": [{"name": "LEVEL", "value": "info"}]},
            {"name": "proxy", "image": "envoyproxy/envoy:v1"}
        ]
    }, "tags": [{"key": "cost-center", "value": "4711"}, {"key": "aws:cloudformation:stack", "value": "s"}, {"key": "slipway:generation", "value": "1"}]}"#;

    #[tokio::test]
    async fn a_revision_is_the_whole_document_with_its_owners_tags() {
        let found = mock!(aws_sdk_ecs::Client::describe_task_definition).then_http_response(|| {
            HttpResponse::new(StatusCode::try_from(200).expect("a status"), SdkBody::from(TEMPLATE))
        });
        let ecs = Ecs::new(answering!(aws_sdk_ecs, [&found]));

        let template =
            ecs.task_definition("staging-web-template").await.expect("ECS answers").expect("it exists");
        let release = ReleaseId::new("web-a1").expect("an id");
        let registration = Registration {
            document: &template.document,
            tags: &template.tags,
            family: "staging-web",
            release: &release,
            generation: 7,
        };
        let registration = registration.document();

        assert_eq!((template.active, template.release()), (true, None));
        assert_eq!(template.images(), ["host/web:template", "envoyproxy/envoy:v1"]);
        assert_eq!(
            Value::Object(registration),
            json!({
                "family": "staging-web",
                "cpu": "512",
                "aFieldOfNextYear": { "kept": true },
                "containerDefinitions": [
                    { "name": "web", "image": "host/web:template", "environment": [{ "name": "LEVEL", "value": "info" }] },
                    { "name": "proxy", "image": "envoyproxy/envoy:v1" },
                ],
                "tags": [{ "key": "cost-center", "value": "4711" }, { "key": "slipway:release", "value": "web-a1" }, { "key": "slipway:generation", "value": "7" }],
            })
        );
    }

    #[tokio::test]
    async fn what_was_registered_is_known_by_its_arn() {
        let registered = mock!(aws_sdk_ecs::Client::register_task_definition)
            .match_requests(|request| request.family() == Some("staging-web"))
            .then_output(|| {
                let document = types::TaskDefinition::builder().task_definition_arn(REVISION).build();
                RegisterTaskDefinitionOutput::builder().task_definition(document).build()
            });
        let ecs = Ecs::new(answering!(aws_sdk_ecs, [&registered]));

        let release = ReleaseId::new("web-a1").expect("an id");
        let document = json!({});
        let registration = Registration {
            document: &document,
            tags: &[],
            family: "staging-web",
            release: &release,
            generation: 1,
        };
        let arn = ecs.register(&registration).await;

        assert_eq!(arn.expect("ECS accepts it").as_str(), REVISION);
    }

    #[tokio::test]
    async fn a_family_without_revisions_is_nothing_and_no_error() {
        let missing = mock!(aws_sdk_ecs::Client::describe_task_definition).then_error(|| {
            let words = "Unable to describe task definition.";
            let metadata = aws_smithy_types::error::ErrorMetadata::builder()
                .code("ClientException")
                .message(words)
                .build();
            DescribeTaskDefinitionError::ClientException(
                ClientException::builder().message(words).meta(metadata).build(),
            )
        });
        let ecs = Ecs::new(answering!(aws_sdk_ecs, [&missing]));

        assert!(ecs.task_definition("staging-web").await.expect("no error").is_none());
    }

    #[test]
    fn a_stopped_task_says_why_with_its_exit_code() {
        let task = types::Task::builder()
            .task_definition_arn(REVISION)
            .last_status("STOPPED")
            .stopped_reason("Essential container\nin task exited")
            .containers(
                types::Container::builder().name("web").image("host/web@sha256:1").exit_code(1).build(),
            )
            .build();
        let view = task_view(&task).expect("it can be read");
        assert_eq!(
            view.stopped_reason.as_deref(),
            Some("Essential container in task exited (web exited with 1)")
        );
    }

    #[test]
    fn a_rollout_state_that_is_new_is_no_end() {
        let of = |state: &str| {
            let document = types::Deployment::builder()
                .id("ecs-svc/1")
                .task_definition(REVISION)
                .rollout_state(state.into())
                .build();
            deployment(&document).expect("it can be read").rollout
        };
        assert_eq!(
            (of("COMPLETED"), of("FAILED"), of("SOMETHING_NEW")),
            (Rollout::Completed, Rollout::Failed, Rollout::InProgress)
        );
    }

    /// The bodies of the requests, as they go to ECS.
    #[derive(Clone, Debug, Default)]
    struct Sent(Arc<Mutex<Vec<Value>>>);

    impl Intercept for Sent {
        fn name(&self) -> &'static str {
            "Sent"
        }

        fn read_before_transmit(
            &self,
            context: &BeforeTransmitInterceptorContextRef<'_>,
            _components: &RuntimeComponents,
            _config: &mut ConfigBag,
        ) -> Result<(), BoxError> {
            let body = context.request().body().bytes().unwrap_or_default();
            self.0.lock().expect("no test panics here").push(serde_json::from_slice(body)?);
            Ok(())
        }
    }

    fn service_as_terraform_made_it() -> types::Service {
        let configuration = types::DeploymentConfiguration::builder()
            .maximum_percent(200)
            .minimum_healthy_percent(100)
            .deployment_circuit_breaker(
                types::DeploymentCircuitBreaker::builder().enable(true).rollback(true).build(),
            )
            .alarms(
                types::DeploymentAlarms::builder()
                    .alarm_names("web-production-5xx")
                    .enable(true)
                    .rollback(true)
                    .build()
                    .expect("names"),
            )
            .canary_configuration(types::CanaryConfiguration::builder().canary_percent(50.0).build());
        types::Service::builder().deployment_configuration(configuration.build()).build()
    }

    #[tokio::test]
    async fn ecs_is_given_each_strategy_in_its_own_words_and_keeps_its_circuit_breaker_and_alarms() {
        let cases = [
            ("rolling", json!({ "type": "ROLLING" })),
            ("blue-green", json!({ "type": "BLUE_GREEN", "bake": "10m" })),
            ("canary", json!({ "type": "CANARY", "percent": 0.5, "step_bake": "10m", "bake": "5m" })),
            ("linear", json!({ "type": "LINEAR", "percent": 25, "step_bake": "2m" })),
        ];
        for (name, strategy) in cases {
            let described = mock!(aws_sdk_ecs::Client::describe_services).then_output(|| {
                aws_sdk_ecs::operation::describe_services::DescribeServicesOutput::builder()
                    .services(service_as_terraform_made_it())
                    .build()
            });
            let updated = mock!(aws_sdk_ecs::Client::update_service).then_output(|| {
                aws_sdk_ecs::operation::update_service::UpdateServiceOutput::builder().build()
            });
            let sent = Sent::default();
            let client = answering!(aws_sdk_ecs, [&described, &updated]);
            let config = client.config().to_builder().interceptor(sent.clone()).build();
            let ecs = Ecs::new(Client::from_conf(config));
            let strategy: Strategy = serde_json::from_value(strategy).expect("it fits");
            let task_definition = TaskDefinitionArn::new(
                "arn:aws:ecs:eu-central-1:111122223333:task-definition/production-web:2",
            )
            .expect("an ARN");

            ecs.update(
                "production",
                &ServiceName::new("web").expect("a name"),
                &task_definition,
                None,
                Some(&strategy),
            )
            .await
            .expect("ECS takes it");

            let request = sent.0.lock().expect("no test panics here").pop().expect("a request");
            let text = format!("{}\n", serde_json::to_string_pretty(&request).expect("JSON"));
            expectorate::assert_contents(format!("tests/strategies/{name}.json"), &text);
        }
    }

    #[tokio::test]
    async fn the_newest_deployment_is_the_one_that_counts_and_is_stopped_with_a_rollback() {
        let brief = |arn: &str, second: i64, status: types::ServiceDeploymentStatus| {
            types::ServiceDeploymentBrief::builder()
                .service_deployment_arn(arn)
                .created_at(aws_sdk_ecs::primitives::DateTime::from_secs(second))
                .status(status)
                .build()
        };
        let listed = mock!(aws_sdk_ecs::Client::list_service_deployments).then_output(move || {
            aws_sdk_ecs::operation::list_service_deployments::ListServiceDeploymentsOutput::builder()
                .service_deployments(brief("old", 1, types::ServiceDeploymentStatus::Successful))
                .service_deployments(brief("new", 2, types::ServiceDeploymentStatus::InProgress))
                .build()
        });
        let stopped = mock!(aws_sdk_ecs::Client::stop_service_deployment)
            .match_requests(|request| {
                request.service_deployment_arn() == Some("new")
                    && request.stop_type() == Some(&types::StopServiceDeploymentStopType::Rollback)
            })
            .then_output(|| {
                aws_sdk_ecs::operation::stop_service_deployment::StopServiceDeploymentOutput::builder()
                    .build()
            });
        let ecs = Ecs::new(answering!(aws_sdk_ecs, [&listed, &stopped]));

        let newest = ecs
            .newest_deployment("production", &ServiceName::new("web").expect("a name"))
            .await
            .expect("ECS answers")
            .expect("one");
        ecs.stop_deployment(&newest.arn).await.expect("it is stopped");

        assert!(newest.is_in_flight(), "{newest:?}");
        assert_eq!(stopped.num_calls(), 1);
    }

    #[tokio::test]
    async fn a_hook_that_holds_a_deployment_is_named_with_its_stage() {
        use aws_sdk_ecs::operation::describe_service_deployments::DescribeServiceDeploymentsOutput;
        use types::{DeploymentLifecycleHookDetail, DeploymentLifecycleHookStatus};

        let listed = mock!(aws_sdk_ecs::Client::list_service_deployments).then_output(|| {
            let brief = types::ServiceDeploymentBrief::builder()
                .service_deployment_arn("arn:deployment")
                .status(types::ServiceDeploymentStatus::InProgress);
            aws_sdk_ecs::operation::list_service_deployments::ListServiceDeploymentsOutput::builder()
                .service_deployments(brief.build())
                .build()
        });
        let described = mock!(aws_sdk_ecs::Client::describe_service_deployments)
            .match_requests(|request| request.service_deployment_arns() == ["arn:deployment"])
            .then_output(|| {
                let hook = DeploymentLifecycleHookDetail::builder;
                let deployment = types::ServiceDeployment::builder()
                    .lifecycle_stage(types::ServiceDeploymentLifecycleStage::PostTestTrafficShift)
                    .lifecycle_hook_details(
                        hook()
                            .status(DeploymentLifecycleHookStatus::Succeeded)
                            .target_arn("arn:done")
                            .build(),
                    )
                    .lifecycle_hook_details(
                        hook()
                            .status(DeploymentLifecycleHookStatus::InProgress)
                            .target_arn("arn:check")
                            .build(),
                    )
                    .lifecycle_hook_details(
                        hook().status(DeploymentLifecycleHookStatus::AwaitingAction).hook_id("h1").build(),
                    );
                DescribeServiceDeploymentsOutput::builder().service_deployments(deployment.build()).build()
            });
        let ecs = Ecs::new(answering!(aws_sdk_ecs, [&listed, &described]));

        let hooks = ecs.hooks("production", &ServiceName::new("web").expect("a name")).await;

        let words: Vec<_> = hooks.expect("ECS answers").iter().map(Hook::to_string).collect();
        assert_eq!(
            words,
            [
                "its lifecycle hook arn:check has not let it go on at POST_TEST_TRAFFIC_SHIFT",
                "its pause hook holds it at POST_TEST_TRAFFIC_SHIFT until somebody continues it (aws ecs continue-service-deployment \
                 --service-deployment-arn arn:deployment --hook-id h1)",
            ]
        );
    }

    #[tokio::test]
    async fn services_are_described_ten_at_a_time() {
        let described = mock!(aws_sdk_ecs::Client::describe_services)
            .match_requests(|request| (1..=10).contains(&request.services().len()))
            .then_output(|| {
                aws_sdk_ecs::operation::describe_services::DescribeServicesOutput::builder().build()
            });
        let ecs = Ecs::new(answering!(aws_sdk_ecs, [&described]));
        let names: Vec<_> = (0..45).map(|number| format!("web-{number}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();

        ecs.services("production", &names).await.expect("ECS answers");

        assert_eq!(described.num_calls(), 5);
    }

    #[tokio::test]
    async fn a_deployment_that_has_ended_meanwhile_is_not_stopped() {
        let ended = mock!(aws_sdk_ecs::Client::stop_service_deployment).then_error(|| {
            StopServiceDeploymentError::ConflictException(types::error::ConflictException::builder().build())
        });
        let ecs = Ecs::new(answering!(aws_sdk_ecs, [&ended]));

        ecs.stop_deployment("old").await.expect("nothing is left to stop");
    }

    #[tokio::test]
    async fn what_ecs_shifts_traffic_with_is_read_of_the_service() {
        let described = mock!(aws_sdk_ecs::Client::describe_services).then_output(|| {
            let advanced = types::AdvancedConfiguration::builder()
                .alternate_target_group_arn("other")
                .role_arn("role")
                .build();
            let service = types::Service::builder()
                .service_arn("arn:aws:ecs:eu-central-1:111122223333:service/production/web")
                .task_definition("arn:aws:ecs:eu-central-1:111122223333:task-definition/production-web:1")
                .status("ACTIVE")
                .deployment_controller(
                    types::DeploymentController::builder()
                        .r#type(types::DeploymentControllerType::Ecs)
                        .build()
                        .expect("a type"),
                )
                .deployment_configuration(
                    types::DeploymentConfiguration::builder()
                        .deployment_circuit_breaker(
                            types::DeploymentCircuitBreaker::builder().enable(true).rollback(true).build(),
                        )
                        .build(),
                )
                .load_balancers(
                    types::LoadBalancer::builder()
                        .target_group_arn("one")
                        .advanced_configuration(advanced)
                        .build(),
                );
            aws_sdk_ecs::operation::describe_services::DescribeServicesOutput::builder()
                .services(service.build())
                .build()
        });
        let ecs = Ecs::new(answering!(aws_sdk_ecs, [&described]));

        let service = ecs.services("production", &["web"]).await.expect("ECS answers").remove(0);

        let balancer = Balancer {
            target_group: Some("one".into()),
            alternate_target_group: Some("other".into()),
            has_production_rule: false,
            has_role: true,
        };
        assert_eq!(
            service.traffic,
            Traffic {
                controller: Some("ECS".into()),
                balancers: vec![balancer],
                has_circuit_breaker: true,
                ..Traffic::default()
            }
        );
    }

    #[tokio::test]
    async fn a_one_off_task_runs_as_the_service_does_and_is_not_run_twice() {
        let none = mock!(aws_sdk_ecs::Client::list_tasks)
            .match_requests(|request| {
                request.started_by() == Some("slipway-migration-1") && request.desired_status().is_none()
            })
            .then_output(|| aws_sdk_ecs::operation::list_tasks::ListTasksOutput::builder().build());
        let described = mock!(aws_sdk_ecs::Client::describe_services).then_output(|| {
            let service = types::Service::builder().launch_type(types::LaunchType::Fargate);
            aws_sdk_ecs::operation::describe_services::DescribeServicesOutput::builder()
                .services(service.build())
                .build()
        });
        let run = mock!(aws_sdk_ecs::Client::run_task)
            .match_requests(|request| {
                let overridden =
                    request.overrides().map(|overrides| overrides.container_overrides()).unwrap_or_default();
                request.client_token() == Some("slipway-migration-1")
                    && request.started_by() == Some("slipway-migration-1")
                    && request.launch_type() == Some(&types::LaunchType::Fargate)
                    && request
                        .tags()
                        .iter()
                        .filter_map(types::Tag::key)
                        .eq(["cost-center", "slipway:release"])
                    && overridden.len() == 1
                    && overridden[0].command() == ["migrate"]
            })
            .then_output(|| {
                let task = types::Task::builder().task_arn("arn:task/1").build();
                aws_sdk_ecs::operation::run_task::RunTaskOutput::builder().tasks(task).build()
            });
        let ecs = Ecs::new(answering!(aws_sdk_ecs, [&none, &described, &run]));
        let task_definition =
            TaskDefinitionArn::new("arn:aws:ecs:eu-central-1:111122223333:task-definition/production-web:2")
                .expect("an ARN");
        let tags = [("cost-center", "4711"), ("slipway:generation", "7")];
        let tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let (service, release) =
            (ServiceName::new("web").expect("a name"), ReleaseId::new("web-a1").expect("an id"));
        let one_off = OneOff {
            cluster: "production",
            service: &service,
            task_definition: &task_definition,
            tags: &tags,
            container: "web",
            command: &["migrate".to_owned()],
            name: "slipway-migration-1",
            release: &release,
        };
        assert_eq!(ecs.run_once(&one_off).await.expect("it runs"), "arn:task/1");

        let there = mock!(aws_sdk_ecs::Client::list_tasks)
            .match_requests(|request| request.desired_status().is_none())
            .then_output(|| {
                aws_sdk_ecs::operation::list_tasks::ListTasksOutput::builder().task_arns("arn:task/1").build()
            });
        let ecs = Ecs::new(answering!(aws_sdk_ecs, [&there]));
        assert_eq!(ecs.run_once(&one_off).await.expect("it ran"), "arn:task/1");

        for (reason, again) in
            [("RESOURCE:MEMORY", true), ("Capacity is unavailable at this time", true), ("MISSING", false)]
        {
            let failed = mock!(aws_sdk_ecs::Client::run_task).then_output(move || {
                let failure = types::Failure::builder().reason(reason).build();
                aws_sdk_ecs::operation::run_task::RunTaskOutput::builder().failures(failure).build()
            });
            let ecs = Ecs::new(answering!(aws_sdk_ecs, [&none, &described, &failed]));
            let error = ecs.run_once(&one_off).await.expect_err("no task");
            assert_eq!(error.may_be_tried_again(), again, "{error:?}");
        }
    }
}
