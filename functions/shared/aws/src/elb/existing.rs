//! The target groups that exist already, for `slipway init`.

use std::collections::BTreeMap;

use aws_sdk_elasticloadbalancingv2::operation::describe_target_groups::DescribeTargetGroupsError;
use aws_sdk_elasticloadbalancingv2::types::{self, LoadBalancerSchemeEnum};
use slipway_core::adoption::{ExistingBalancer, ExistingGroup};

use super::LoadBalancers;
use crate::AwsError;

impl LoadBalancers {
    /// The target groups of these ARNs in the same order, with the load balancers that forward to them. One that does not
    /// exist any more is absent.
    ///
    /// # Errors
    ///
    /// When ELB cannot be asked.
    pub async fn existing(&self, groups: &[String]) -> Result<Vec<ExistingGroup>, AwsError> {
        let mut described = Vec::with_capacity(groups.len());
        // ELB describes twenty a call ("Resource limits" of both, Elastic Load Balancing API reference, 2015-12-01).
        for some in groups.chunks(20) {
            match self.described(some).await? {
                Some(found) => described.extend(found),
                // One that is gone makes ELB answer of none ("TargetGroupNotFound", as above).
                None => {
                    for one in some.chunks(1) {
                        described.extend(self.described(one).await?.unwrap_or_default());
                    }
                }
            }
        }
        let mut arns: Vec<_> =
            described.iter().flat_map(types::TargetGroup::load_balancer_arns).cloned().collect();
        arns.sort_unstable();
        arns.dedup();
        let mut balancers = BTreeMap::new();
        for some in arns.chunks(20) {
            let request = self.client.describe_load_balancers().set_load_balancer_arns(Some(some.to_vec()));
            let answer = request.send().await;
            let answer = answer
                .map_err(|error| AwsError::from_sdk("elasticloadbalancing:DescribeLoadBalancers", error))?;
            balancers.extend(answer.load_balancers().iter().filter_map(balancer));
        }
        let existing = |arn: &String| {
            let group = described.iter().find(|group| group.target_group_arn() == Some(arn))?;
            let balancers = group.load_balancer_arns().iter().filter_map(|arn| balancers.get(arn).cloned());
            let matcher = group.matcher();
            let codes = matcher.and_then(|matcher| matcher.http_code().or(matcher.grpc_code()));
            Some(ExistingGroup {
                arn: arn.clone(),
                protocol_version: group.protocol_version().map(ToOwned::to_owned),
                path: group.health_check_path().map(ToOwned::to_owned),
                codes: codes.map(ToOwned::to_owned),
                balancers: balancers.collect(),
            })
        };
        Ok(groups.iter().filter_map(existing).collect())
    }

    /// The target groups; nothing where one of them does not exist.
    async fn described(&self, groups: &[String]) -> Result<Option<Vec<types::TargetGroup>>, AwsError> {
        let request = self.client.describe_target_groups().set_target_group_arns(Some(groups.to_vec()));
        match request.send().await {
            Ok(answer) => Ok(Some(answer.target_groups.unwrap_or_default())),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(DescribeTargetGroupsError::is_target_group_not_found_exception) =>
            {
                Ok(None)
            }
            Err(error) => Err(AwsError::from_sdk("elasticloadbalancing:DescribeTargetGroups", error)),
        }
    }
}

fn balancer(balancer: &types::LoadBalancer) -> Option<(String, ExistingBalancer)> {
    let arn = balancer.load_balancer_arn()?.to_owned();
    let kind = balancer.r#type().map_or("", types::LoadBalancerTypeEnum::as_str).to_owned();
    let is_internal = balancer.scheme() == Some(&LoadBalancerSchemeEnum::Internal);
    let dns_name = balancer.dns_name().unwrap_or_default().to_owned();
    Some((arn.clone(), ExistingBalancer { arn, kind, is_internal, dns_name }))
}

#[cfg(test)]
mod tests {
    use aws_sdk_elasticloadbalancingv2::operation as of;
    use aws_smithy_mocks::mock;

    use super::*;
    use crate::answering::answering;

    #[tokio::test]
    async fn a_target_group_is_read_with_its_health_check_and_its_load_balancers() {
        let groups =
            mock!(aws_sdk_elasticloadbalancingv2::Client::describe_target_groups).then_output(|| {
                let http = types::TargetGroup::builder()
                    .target_group_arn("web")
                    .protocol_version("HTTP1")
                    .health_check_path("/up")
                    .matcher(types::Matcher::builder().http_code("200,302").build())
                    .load_balancer_arns("front");
                let grpc = types::TargetGroup::builder()
                    .target_group_arn("rpc")
                    .protocol_version("GRPC")
                    .matcher(types::Matcher::builder().grpc_code("0").build());
                of::describe_target_groups::DescribeTargetGroupsOutput::builder()
                    .target_groups(grpc.build())
                    .target_groups(http.build())
                    .build()
            });
        let balancers =
            mock!(aws_sdk_elasticloadbalancingv2::Client::describe_load_balancers).then_output(|| {
                let front = types::LoadBalancer::builder()
                    .load_balancer_arn("front")
                    .r#type(types::LoadBalancerTypeEnum::Application)
                    .scheme(LoadBalancerSchemeEnum::Internal)
                    .dns_name("front.example.com");
                of::describe_load_balancers::DescribeLoadBalancersOutput::builder()
                    .load_balancers(front.build())
                    .build()
            });
        let client = answering!(aws_sdk_elasticloadbalancingv2, [&groups, &balancers]);

        let existing = LoadBalancers::new(client).existing(&["web".into(), "rpc".into()]).await;

        let existing = existing.expect("ELB answers");
        let front = ExistingBalancer {
            arn: "front".into(),
            kind: "application".into(),
            is_internal: true,
            dns_name: "front.example.com".into(),
        };
        assert_eq!(
            existing,
            [
                ExistingGroup {
                    arn: "web".into(),
                    protocol_version: Some("HTTP1".into()),
                    path: Some("/up".into()),
                    codes: Some("200,302".into()),
                    balancers: vec![front],
                },
                ExistingGroup {
                    arn: "rpc".into(),
                    protocol_version: Some("GRPC".into()),
                    path: None,
                    codes: Some("0".into()),
                    balancers: Vec::new(),
                },
            ]
        );
    }
}
