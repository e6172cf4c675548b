//! What is there: read over AWS's own APIs, with a person's rights.

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use slipway_aws::{Aws, AwsError, ScheduledTask, TaskDefinition};
use slipway_core::adoption::{
    Address, ExistingDefinition, ExistingRevision, ExistingSchedule, ExistingService, Inventory,
    ScheduleKind, Wish, template_family,
};
use slipway_core::name::ClusterName;

use super::refused;
use crate::Error;

/// How many services are looked at at once: ECS's API takes some ten requests in a second.
const AT_ONCE: usize = 4;

/// Looks at the clusters of a wish, and at what belongs to their services.
pub(super) async fn at(aws: &Aws, wish: &Wish) -> Result<Inventory, Error> {
    let clusters: BTreeSet<_> = wish.stages.iter().map(|stage| &stage.cluster).collect();
    let mut found = Vec::new();
    for cluster in clusters {
        found.extend(services(aws, wish, cluster).await?);
    }
    let completed = found.into_iter().map(|service| complete(aws, service));
    let completed = stream::iter(completed.collect::<Vec<_>>()).buffered(AT_ONCE);
    let services: Vec<_> = completed.try_collect().await.map_err(|error| refused(&error))?;

    let place = services.first().map(|service| Arn::of(service.view.arn.as_str())).unwrap_or_default();
    let mut inventory = Inventory {
        account: place.account.clone(),
        region: place.region.clone(),
        services,
        ..Inventory::default()
    };
    inventory.repositories = aws.repositories().existing().await.map_err(|error| refused(&error))?;
    tags(aws, &mut inventory).await;
    match aws.alarms().existing().await {
        Ok(alarms) => inventory.alarms = alarms,
        Err(error) => inventory.unread.push(unread("the alarms", &error)),
    }
    if !inventory.services.is_empty() {
        schedules(aws, wish, &place, &mut inventory).await?;
    }
    Ok(inventory)
}

/// The services of a cluster that some stage may have.
async fn services(aws: &Aws, wish: &Wish, cluster: &ClusterName) -> Result<Vec<ExistingService>, Error> {
    let of_cluster = || wish.stages.iter().filter(|stage| stage.cluster == *cluster);
    let all = aws.ecs().service_names(cluster.as_str()).await.map_err(|error| refused(&error))?;
    for stage in of_cluster() {
        if let Some(missing) = stage.services.iter().find(|name| !all.iter().any(|one| one == name.as_str()))
        {
            return Err(Error::Refused(format!(
                "--{}: the cluster {cluster} has no service {missing}; those that it has: {}",
                stage.name,
                all.join(", ")
            )));
        }
    }
    let takes_all = of_cluster().any(|stage| stage.services.is_empty());
    let named: BTreeSet<_> =
        of_cluster().flat_map(|stage| &stage.services).map(|name| name.as_str()).collect();
    let names: Vec<_> = all.into_iter().filter(|name| takes_all || named.contains(name.as_str())).collect();
    aws.ecs().existing(cluster, &names).await.map_err(|error| refused(&error))
}

/// The service with its task definition, its target groups, and where it can be asked.
async fn complete(aws: &Aws, service: ExistingService) -> Result<ExistingService, AwsError> {
    let (ecs, balancers) = (aws.ecs(), aws.load_balancers());
    let runs = &service.view.task_definition;
    let definition = match ecs.task_definition(runs.as_str()).await? {
        Some(definition) => {
            let is_released = definition.release().is_some();
            let newest = ecs.task_definition(&template_family(&service, is_released)).await?;
            let newest =
                newest.map(|TaskDefinition { arn, document, .. }| ExistingRevision { arn, document });
            Some(ExistingDefinition { document: definition.document, newest, is_released })
        }
        None => None,
    };
    let traffic = &service.view.traffic;
    let first = traffic.balanced().filter_map(|balancer| balancer.target_group.clone());
    let second = traffic.balanced().filter_map(|balancer| balancer.alternate_target_group.clone());
    let groups: Vec<_> = first.chain(second).collect();
    if groups.is_empty() {
        return Ok(ExistingService { definition, ..service });
    }
    let target_groups = balancers.existing(&groups).await?;
    let of_balancers = target_groups.iter().flat_map(|group| &group.balancers);
    let own: BTreeSet<_> = of_balancers.map(|balancer| balancer.dns_name.clone()).collect();
    let address = match balancers.listener_of(&service.view).await? {
        Ok(listener) => Ok(Address {
            url: listener.url(),
            is_of_rule: !own.contains(&listener.host),
            asks: listener.asks,
        }),
        Err(why) => Err(why.to_string()),
    };
    Ok(ExistingService { definition, target_groups, address: Some(address), ..service })
}

/// Reads the tags of the repositories whose images run, or would be released.
async fn tags(aws: &Aws, inventory: &mut Inventory) {
    let definitions = inventory.services.iter().filter_map(|service| service.definition.as_ref());
    let documents = definitions.flat_map(|definition| {
        std::iter::once(&definition.document).chain(definition.newest.iter().map(|newest| &newest.document))
    });
    let images: BTreeSet<_> = documents
        .flat_map(|document| document["containerDefinitions"].as_array().into_iter().flatten())
        .filter_map(|container| container["image"].as_str().map(ToOwned::to_owned))
        .collect();
    let is_run = |name: &str| images.iter().any(|image| image.contains(&format!("/{name}")));
    for repository in inventory.repositories.iter_mut().filter(|one| is_run(one.name.as_str())) {
        match aws.repositories().deployer(&repository.arn).await {
            Ok(deployer) => repository.deployer = deployer,
            Err(error) => {
                inventory
                    .unread
                    .push(unread(&format!("the tags of the repository {}", repository.name), &error));
            }
        }
    }
}

/// Reads what runs tasks in the clusters. Who may not list it is told, and goes on.
async fn schedules(aws: &Aws, wish: &Wish, place: &Arn, inventory: &mut Inventory) -> Result<(), Error> {
    let clusters: BTreeSet<_> = wish.stages.iter().map(|stage| &stage.cluster).collect();
    let arns: Vec<_> = clusters.iter().map(|cluster| place.cluster(cluster)).collect();
    let mut tasks: Vec<(ScheduleKind, ScheduledTask)> = Vec::new();
    for arn in &arns {
        match aws.events().of_cluster(arn).await {
            Ok(found) => tasks.extend(found.into_iter().map(|task| (ScheduleKind::Rule, task))),
            Err(error) => {
                inventory.unread.push(unread("the rules of EventBridge that run tasks", &error));
                break;
            }
        }
    }
    match aws.schedules().of_clusters(&arns).await {
        Ok(found) => tasks.extend(found.into_iter().map(|task| (ScheduleKind::Schedule, task))),
        Err(error) => inventory.unread.push(unread("the schedules of EventBridge Scheduler", &error)),
    }
    for (kind, ScheduledTask { name, cluster, task_definition }) in tasks {
        let Some(cluster) = clusters.iter().find(|one| place.cluster(one) == cluster) else { continue };
        let mut schedule =
            ExistingSchedule { name, kind, cluster: (*cluster).clone(), task_definition, document: None };
        let newest = aws.ecs().task_definition(schedule.family()).await.map_err(|error| refused(&error))?;
        schedule.document = newest.map(|newest| newest.document);
        inventory.schedules.push(schedule);
    }
    Ok(())
}

/// What could not be looked at, in a sentence.
fn unread(what: &str, error: &AwsError) -> String {
    let why = std::error::Error::source(error).map(|source| format!(" ({source})")).unwrap_or_default();
    format!("{what}: {error}{why}")
}

/// What the ARNs of one account and region begin with.
#[derive(Clone, Debug, Default)]
struct Arn {
    partition: String,
    region: String,
    account: String,
}

impl Arn {
    /// Of the ARN of an ECS service: `arn:PARTITION:ecs:REGION:ACCOUNT:service/…`.
    fn of(arn: &str) -> Self {
        let parts: Vec<_> = arn.split(':').collect();
        let part = |index: usize| parts.get(index).map_or_else(String::new, |part| (*part).to_owned());
        Self { partition: part(1), region: part(3), account: part(4) }
    }

    fn cluster(&self, name: &ClusterName) -> String {
        let Self { partition, region, account } = self;
        format!("arn:{partition}:ecs:{region}:{account}:cluster/{name}")
    }
}
