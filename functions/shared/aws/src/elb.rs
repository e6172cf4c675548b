//! Elastic Load Balancing: what it thinks of targets, and where it listens.

use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::types::{ProtocolEnum, TargetHealthStateEnum};
use slipway_core::verification::Target;

use crate::AwsError;

/// The load balancers.
#[derive(Clone, Debug)]
pub struct LoadBalancers {
    client: Client,
}

/// Where a load balancer listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The load balancer's DNS name.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Whether it speaks TLS.
    pub tls: bool,
}

impl Listener {
    /// `http://host` or `https://host`, with the port where it is not the usual one.
    #[must_use]
    pub fn url(&self) -> String {
        match (self.tls, self.port) {
            (false, 80) => format!("http://{}", self.host),
            (true, 443) => format!("https://{}", self.host),
            (false, port) => format!("http://{}:{port}", self.host),
            (true, port) => format!("https://{}:{port}", self.host),
        }
    }
}

impl LoadBalancers {
    pub(crate) const fn new(client: Client) -> Self {
        Self { client }
    }

    /// The targets of a target group and whether they are healthy.
    ///
    /// # Errors
    ///
    /// When ELB cannot be asked.
    pub async fn targets(&self, target_group: &str) -> Result<Vec<Target>, AwsError> {
        let request = self.client.describe_target_health().target_group_arn(target_group);
        let answer = request
            .send()
            .await
            .map_err(|error| AwsError::from_sdk("elasticloadbalancing:DescribeTargetHealth", error))?;
        let targets = answer.target_health_descriptions().iter().filter_map(|described| {
            let health = described.target_health()?;
            Some(Target {
                group: target_group.to_owned(),
                address: described.target()?.id()?.to_owned(),
                healthy: health.state() == Some(&TargetHealthStateEnum::Healthy),
                reason: health
                    .description()
                    .or_else(|| {
                        health
                            .reason()
                            .map(aws_sdk_elasticloadbalancingv2::types::TargetHealthReasonEnum::as_str)
                    })
                    .unwrap_or_default()
                    .to_owned(),
            })
        });
        Ok(targets.collect())
    }

    /// The listener that a target group is reached through: the first load balancer's, TLS before plain HTTP.
    ///
    /// # Errors
    ///
    /// When ELB cannot be asked. A target group without load balancer is nothing, and no error.
    pub async fn listener(&self, target_group: &str) -> Result<Option<Listener>, AwsError> {
        let groups = self.client.describe_target_groups().target_group_arns(target_group).send().await;
        let groups =
            groups.map_err(|error| AwsError::from_sdk("elasticloadbalancing:DescribeTargetGroups", error))?;
        let Some(balancer) =
            groups.target_groups().first().and_then(|group| group.load_balancer_arns().first())
        else {
            return Ok(None);
        };

        let balancers = self.client.describe_load_balancers().load_balancer_arns(balancer).send().await;
        let balancers = balancers
            .map_err(|error| AwsError::from_sdk("elasticloadbalancing:DescribeLoadBalancers", error))?;
        let Some(host) = balancers.load_balancers().first().and_then(|balancer| balancer.dns_name()) else {
            return Ok(None);
        };

        let listeners = self.client.describe_listeners().load_balancer_arn(balancer).send().await;
        let listeners =
            listeners.map_err(|error| AwsError::from_sdk("elasticloadbalancing:DescribeListeners", error))?;
        let mut found: Vec<Listener> = listeners
            .listeners()
            .iter()
            .filter_map(|listener| {
                let tls = match listener.protocol()? {
                    ProtocolEnum::Https => true,
                    ProtocolEnum::Http => false,
                    _ => return None,
                };
                Some(Listener { host: host.to_owned(), port: u16::try_from(listener.port()?).ok()?, tls })
            })
            .collect();
        found.sort_by_key(|listener| (!listener.tls, listener.port));
        Ok(found.into_iter().next())
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_elasticloadbalancingv2::operation::describe_target_health::DescribeTargetHealthOutput;
    use aws_sdk_elasticloadbalancingv2::types::{
        TargetDescription, TargetHealth, TargetHealthDescription, TargetHealthReasonEnum,
    };
    use aws_smithy_mocks::mock;

    use super::*;
    use crate::answering::answering;

    #[test]
    fn the_usual_port_is_not_written() {
        let at = |port, tls| Listener { host: "lb.example.com".into(), port, tls }.url();
        assert_eq!(at(80, false), "http://lb.example.com");
        assert_eq!(at(443, true), "https://lb.example.com");
        assert_eq!(at(8443, true), "https://lb.example.com:8443");
    }

    #[tokio::test]
    async fn only_healthy_is_healthy() {
        let rule = mock!(aws_sdk_elasticloadbalancingv2::Client::describe_target_health).then_output(|| {
            let described = |address: &str, state: TargetHealthStateEnum| {
                TargetHealthDescription::builder()
                    .target(TargetDescription::builder().id(address).build())
                    .target_health(
                        TargetHealth::builder()
                            .state(state)
                            .reason(TargetHealthReasonEnum::ResponseCodeMismatch)
                            .build(),
                    )
                    .build()
            };
            DescribeTargetHealthOutput::builder()
                .target_health_descriptions(described("10.0.0.1", TargetHealthStateEnum::Healthy))
                .target_health_descriptions(described("10.0.0.2", TargetHealthStateEnum::Initial))
                .target_health_descriptions(described("10.0.0.3", TargetHealthStateEnum::Unhealthy))
                .target_health_descriptions(described("10.0.0.4", TargetHealthStateEnum::Draining))
                .build()
        });
        let balancers = LoadBalancers::new(answering!(aws_sdk_elasticloadbalancingv2, [&rule]));

        let targets = balancers.targets("arn:aws:elasticloadbalancing:…").await.expect("ELB answers");

        assert_eq!(
            targets
                .iter()
                .filter(|target| target.healthy)
                .map(|target| target.address.as_str())
                .collect::<Vec<_>>(),
            ["10.0.0.1"]
        );
        assert_eq!(targets[2].reason, "Target.ResponseCodeMismatch");
    }
}
