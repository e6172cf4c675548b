//! The services that exist already, for `slipway init`.

use aws_sdk_ecs::types::{self, ServiceField};
use slipway_core::adoption::ExistingService;
use slipway_core::name::{ClusterName, ServiceName};

use super::{Ecs, service_view};
use crate::AwsError;

impl Ecs {
    /// The names of all clusters, in order.
    ///
    /// # Errors
    ///
    /// When ECS cannot be asked.
    pub async fn clusters(&self) -> Result<Vec<String>, AwsError> {
        let arns = self.client.list_clusters().into_paginator().items().send().try_collect().await;
        Ok(names(&arns.map_err(|error| AwsError::from_sdk("ecs:ListClusters", error))?))
    }

    /// The names of all services of a cluster, in order.
    ///
    /// # Errors
    ///
    /// When ECS cannot be asked, or there is no such cluster.
    pub async fn service_names(&self, cluster: &str) -> Result<Vec<String>, AwsError> {
        // "ListServices" gives 10 a page, and 100 at the most (Amazon ECS API reference).
        let request = self.client.list_services().cluster(cluster).max_results(100);
        let arns = request.into_paginator().items().send().try_collect().await;
        Ok(names(&arns.map_err(|error| AwsError::from_sdk("ecs:ListServices", error))?))
    }

    /// The active services of these names, without what belongs to other AWS services: their task definitions and target
    /// groups are looked at by themselves.
    ///
    /// # Errors
    ///
    /// When ECS cannot be asked, or there is no such cluster.
    pub async fn existing(
        &self,
        cluster: &ClusterName,
        names: &[String],
    ) -> Result<Vec<ExistingService>, AwsError> {
        const OPERATION: &str = "ecs:DescribeServices";
        let mut services = Vec::with_capacity(names.len());
        // ECS describes ten services a call.
        for some in names.chunks(10) {
            let request = self
                .client
                .describe_services()
                .cluster(cluster.as_str())
                .include(ServiceField::Tags)
                .set_services(Some(some.to_vec()));
            let answer =
                Box::pin(request.send()).await.map_err(|error| AwsError::from_sdk(OPERATION, error))?;
            for service in answer.services().iter().filter(|service| service.status() == Some("ACTIVE")) {
                services.push(existing(cluster, service).ok_or_else(|| {
                    AwsError::unusable(OPERATION, "a service without name, ARN or task definition")
                })?);
            }
        }
        Ok(services)
    }
}

fn existing(cluster: &ClusterName, service: &types::Service) -> Option<ExistingService> {
    let providers = service.capacity_provider_strategy().iter();
    let mut runs_on: Vec<_> = providers.map(|one| one.capacity_provider().to_owned()).collect();
    if runs_on.is_empty() {
        runs_on.extend(service.launch_type().map(|launch_type| launch_type.as_str().to_owned()));
    }
    Some(ExistingService {
        cluster: cluster.clone(),
        name: ServiceName::new(service.service_name()?).ok()?,
        view: service_view(service)?,
        runs_on,
        definition: None,
        target_groups: Vec::new(),
        address: None,
    })
}

/// What ARNs end with, in order.
fn names(arns: &[String]) -> Vec<String> {
    let mut names: Vec<_> =
        arns.iter().filter_map(|arn| arn.rsplit('/').next()).map(ToOwned::to_owned).collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use aws_sdk_ecs::operation::describe_services::DescribeServicesOutput;
    use aws_sdk_ecs::operation::list_services::ListServicesOutput;
    use aws_smithy_mocks::mock;

    use super::*;
    use crate::answering::answering;

    #[tokio::test]
    async fn services_are_listed_over_all_pages() {
        let page = |name: &str, next: Option<&str>| {
            ListServicesOutput::builder()
                .service_arns(format!("arn:aws:ecs:eu-central-1:111122223333:service/main/{name}"))
                .set_next_token(next.map(ToOwned::to_owned))
                .build()
        };
        let (first, second) = (page("web", Some("more")), page("api", None));
        let begins = mock!(aws_sdk_ecs::Client::list_services)
            .match_requests(|request| request.next_token().is_none() && request.cluster() == Some("main"))
            .then_output(move || first.clone());
        let goes_on = mock!(aws_sdk_ecs::Client::list_services)
            .match_requests(|request| request.next_token() == Some("more"))
            .then_output(move || second.clone());
        let ecs = Ecs::new(answering!(aws_sdk_ecs, [&begins, &goes_on]));

        assert_eq!(ecs.service_names("main").await.expect("ECS answers"), ["api", "web"]);
    }

    #[tokio::test]
    async fn a_service_runs_on_its_capacity_providers_or_its_launch_type() {
        let answered = mock!(aws_sdk_ecs::Client::describe_services).then_output(|| {
            let service = |name: &str| {
                types::Service::builder()
                    .service_name(name)
                    .service_arn(format!("arn:aws:ecs:eu-central-1:111122223333:service/main/{name}"))
                    .task_definition("arn:aws:ecs:eu-central-1:111122223333:task-definition/web:7")
            };
            let spot = types::CapacityProviderStrategyItem::builder().capacity_provider("FARGATE_SPOT");
            let spot = spot.build().expect("it has a provider");
            DescribeServicesOutput::builder()
                .services(service("a").status("ACTIVE").launch_type(types::LaunchType::Fargate).build())
                .services(service("b").status("ACTIVE").capacity_provider_strategy(spot).build())
                .services(service("c").status("DRAINING").build())
                .build()
        });
        let ecs = Ecs::new(answering!(aws_sdk_ecs, [&answered]));
        let cluster = ClusterName::new("main").expect("a name");

        let services = ecs.existing(&cluster, &["a".into(), "b".into(), "c".into()]).await;

        let services = services.expect("ECS answers");
        let runs_on: Vec<_> = services.iter().map(|one| (one.name.as_str(), one.runs_on.join(" "))).collect();
        assert_eq!(runs_on, [("a", "FARGATE".to_owned()), ("b", "FARGATE_SPOT".to_owned())]);
    }
}
