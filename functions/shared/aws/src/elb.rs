//! Elastic Load Balancing: what it thinks of targets, and where it listens.

mod existing;

use std::fmt;

use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::types::{
    self, LoadBalancerSchemeEnum, LoadBalancerTypeEnum, ProtocolEnum, TargetGroup, TargetHealthStateEnum,
};
use slipway_core::deployment::ServiceView;
use slipway_core::verification::Target;
use slipway_core::words;

use crate::AwsError;

/// The load balancers.
#[derive(Clone, Debug)]
pub struct LoadBalancers {
    client: Client,
}

/// Where a load balancer listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The load balancer's DNS name, or the host that a rule asks for.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// What its rule asks for besides a host, in ELB's words (`path-pattern /api/*`).
    pub asks: Vec<String>,
}

/// Why a service cannot be asked through its load balancer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreachable {
    /// No listener for HTTP or HTTPS forwards to its target groups.
    NoListener,
    /// Its load balancer is not one for applications.
    OtherType {
        /// The load balancer's name.
        name: String,
        /// Its type, in ELB's word.
        kind: String,
    },
    /// Its load balancer has private addresses alone.
    Internal {
        /// The load balancer's name.
        name: String,
    },
    /// Its load balancer has no public IPv4 address.
    Ipv6Alone {
        /// The load balancer's name.
        name: String,
    },
    /// Its target group takes requests of another protocol than HTTP/1.1.
    OtherProtocol {
        /// The target group's name.
        group: String,
        /// Its protocol version, in ELB's word.
        version: String,
    },
    /// Its rule takes hosts of a pattern alone.
    HostPattern {
        /// The pattern.
        pattern: String,
    },
    /// It is asked by TLS, and no rule says for which name.
    NoName {
        /// The listener's port.
        port: u16,
    },
    /// People sign in before it answers.
    SignIn {
        /// The listener's port.
        port: u16,
    },
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoListener => f.write_str("no listener for HTTP or HTTPS forwards to it"),
            Self::OtherType { name, kind } => {
                write!(f, "{name} is a load balancer of the type {kind}, which answers no HTTP")
            }
            Self::Internal { name } => {
                write!(f, "{name} is an internal load balancer, which answers within its VPC alone")
            }
            Self::Ipv6Alone { name } => write!(f, "{name} has no public IPv4 address"),
            Self::OtherProtocol { group, version } => {
                write!(f, "its target group {group} takes {version}, and Slipway asks by HTTP/1.1")
            }
            Self::HostPattern { pattern } => {
                write!(f, "its rule takes hosts like {pattern}, and does not name one")
            }
            Self::NoName { port } => {
                write!(
                    f,
                    "the listener on port {port} speaks TLS, and no rule with a host says which name its certificate has"
                )
            }
            Self::SignIn { port } => {
                write!(f, "the listener on port {port} has people sign in before the service answers")
            }
        }
    }
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
                reason: health.description().map_or_else(
                    || health.reason().map_or("", types::TargetHealthReasonEnum::as_str).to_owned(),
                    |words| words::line(words, words::LONGEST_MESSAGE),
                ),
            })
        });
        Ok(targets.collect())
    }

    /// The listener of a service: of the first of its load balancers that has target groups.
    ///
    /// # Errors
    ///
    /// When ELB cannot be asked.
    pub async fn listener_of(
        &self,
        service: &ServiceView,
    ) -> Result<Result<Listener, Unreachable>, AwsError> {
        let Some(balancer) = service.traffic.balanced().next() else {
            return Ok(Err(Unreachable::NoListener));
        };
        self.listener(&balancer.target_groups().collect::<Vec<_>>()).await
    }

    /// The name of a target group of a service that no load balancer forwards to: its targets are never checked, and never
    /// healthy ("unused", `TargetHealth`, Elastic Load Balancing API reference, 2015-12-01).
    ///
    /// # Errors
    ///
    /// When ELB cannot be asked.
    pub async fn unattached(&self, service: &ServiceView) -> Result<Option<String>, AwsError> {
        let groups: Vec<_> =
            service.traffic.balanced().filter_map(|balancer| balancer.target_group.clone()).collect();
        let described = self.described_groups(groups).await?;
        let unattached = described.iter().find(|group| group.load_balancer_arns().is_empty());
        Ok(unattached.map(|group| group.target_group_name().unwrap_or_default().to_owned()))
    }

    async fn described_groups(&self, arns: Vec<String>) -> Result<Vec<TargetGroup>, AwsError> {
        let described = self.client.describe_target_groups().set_target_group_arns(Some(arns)).send().await;
        let described = described
            .map_err(|error| AwsError::from_sdk("elasticloadbalancing:DescribeTargetGroups", error))?;
        Ok(described.target_groups.unwrap_or_default())
    }

    /// The listener that forwards to one of these target groups, by its default action or by a rule: TLS before plain
    /// HTTP. Several applications may share a load balancer. Where a rule tells them apart by the host, that is the host to
    /// ask. Else why nobody can ask from outside the VPC, where the functions are.
    async fn listener(&self, groups: &[&str]) -> Result<Result<Listener, Unreachable>, AwsError> {
        let described = self.described_groups(owned(groups)).await?;
        if let Some(other) = described.iter().find_map(other_protocol) {
            return Ok(Err(other));
        }
        let mut balancers = described.iter().flat_map(TargetGroup::load_balancer_arns);
        let Some(balancer) = balancers.next() else { return Ok(Err(Unreachable::NoListener)) };

        let balancers = self.client.describe_load_balancers().load_balancer_arns(balancer).send().await;
        let balancers = balancers
            .map_err(|error| AwsError::from_sdk("elasticloadbalancing:DescribeLoadBalancers", error))?;
        let Some((balancer, host)) =
            balancers.load_balancers().first().and_then(|found| Some((found, found.dns_name()?)))
        else {
            return Ok(Err(Unreachable::NoListener));
        };
        if let Some(unreachable) = unreachable(balancer) {
            return Ok(Err(unreachable));
        }

        let arn = balancer.load_balancer_arn().unwrap_or_default();
        let listeners = self.client.describe_listeners().load_balancer_arn(arn).send().await;
        let listeners =
            listeners.map_err(|error| AwsError::from_sdk("elasticloadbalancing:DescribeListeners", error))?;
        let mut found: Vec<(&types::Listener, Listener)> = listeners
            .listeners()
            .iter()
            .filter_map(|listener| {
                let tls = match listener.protocol()? {
                    ProtocolEnum::Https => true,
                    ProtocolEnum::Http => false,
                    _ => return None,
                };
                let port = u16::try_from(listener.port()?).ok()?;
                Some((listener, Listener { host: host.to_owned(), port, tls, asks: Vec::new() }))
            })
            .collect();
        found.sort_by_key(|(_, listener)| (!listener.tls, listener.port));
        let mut why = None;
        let by_default = found.iter().filter(|(listener, _)| forwards(listener.default_actions(), groups));
        for (listener, place) in by_default {
            match reachable(listener.default_actions(), None, place.clone()) {
                Ok(listener) => return Ok(Ok(listener)),
                Err(unreachable) => why = why.or(Some(unreachable)),
            }
        }
        for (listener, place) in &found {
            let Some(arn) = listener.listener_arn() else { continue };
            let rules = self.client.describe_rules().listener_arn(arn).send().await;
            let rules =
                rules.map_err(|error| AwsError::from_sdk("elasticloadbalancing:DescribeRules", error))?;
            for rule in rules.rules().iter().filter(|rule| forwards(rule.actions(), groups)) {
                let place = Listener { asks: other_conditions(rule), ..place.clone() };
                let asked = host_of(rule).and_then(|host| reachable(rule.actions(), host, place));
                match asked {
                    Ok(listener) => return Ok(Ok(listener)),
                    Err(unreachable) => why = why.or(Some(unreachable)),
                }
            }
        }
        Ok(Err(why.unwrap_or(Unreachable::NoListener)))
    }
}

/// Why the load balancer itself answers nobody who asks by HTTP from outside its VPC.
///
/// Its types, schemes and kinds of addresses: `LoadBalancer` (Elastic Load Balancing API reference, 2015-12-01). A function
/// without a VPC has no IPv6 address.
fn unreachable(balancer: &types::LoadBalancer) -> Option<Unreachable> {
    let name = balancer.load_balancer_name().unwrap_or_default().to_owned();
    if let Some(other) = balancer.r#type().filter(|kind| **kind != LoadBalancerTypeEnum::Application) {
        return Some(Unreachable::OtherType { name, kind: other.as_str().to_owned() });
    }
    if balancer.scheme() == Some(&LoadBalancerSchemeEnum::Internal) {
        return Some(Unreachable::Internal { name });
    }
    (balancer.ip_address_type() == Some(&types::IpAddressType::DualstackWithoutPublicIpv4))
        .then_some(Unreachable::Ipv6Alone { name })
}

/// That a target group takes another protocol than the one that Slipway asks by: "GRPC" and "HTTP2", not "HTTP1"
/// (`ProtocolVersion` of `TargetGroup`, as above). A load balancer answers 464 where the versions do not fit ("Troubleshoot your
/// Application Load Balancers", Elastic Load Balancing).
fn other_protocol(group: &TargetGroup) -> Option<Unreachable> {
    let version = group.protocol_version().filter(|version| *version != "HTTP1")?;
    let group = group.target_group_name().unwrap_or_default().to_owned();
    Some(Unreachable::OtherProtocol { group, version: version.to_owned() })
}

/// Where to ask, if these actions answer; `host` is the one that a rule names.
fn reachable(
    actions: &[types::Action],
    host: Option<String>,
    place: Listener,
) -> Result<Listener, Unreachable> {
    // "authenticate-oidc", "authenticate-cognito", "jwt-validation" (ActionTypeEnum, as above): before the service answers.
    let port = place.port;
    let mut kinds = actions.iter().filter_map(types::Action::r#type).map(types::ActionTypeEnum::as_str);
    if kinds.any(|kind| kind.starts_with("authenticate-") || kind.starts_with("jwt-")) {
        return Err(Unreachable::SignIn { port });
    }
    match host {
        Some(host) => Ok(Listener { host, ..place }),
        // A certificate names the domain, never the load balancer's own name.
        None if place.tls => Err(Unreachable::NoName { port }),
        None => Ok(place),
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

/// Whether requests are forwarded to one of the groups.
fn forwards(actions: &[types::Action], groups: &[&str]) -> bool {
    actions.iter().any(|action| {
        let weighted = action.forward_config().map(types::ForwardActionConfig::target_groups);
        let weighted = weighted.unwrap_or_default().iter().filter(|one| one.weight() != Some(0));
        let named = weighted.filter_map(types::TargetGroupTuple::target_group_arn);
        named.chain(action.target_group_arn()).any(|group| groups.contains(&group))
    })
}

/// What a rule asks for besides a host: the path, a header, a query, a method, an address (`RuleCondition`, as above).
fn other_conditions(rule: &types::Rule) -> Vec<String> {
    let conditions = rule.conditions().iter().filter(|one| one.field() != Some("host-header"));
    let asked = conditions.filter_map(|one| {
        let paths =
            one.path_pattern_config().map(types::PathPatternConditionConfig::values).unwrap_or_default();
        let header = one.http_header_config().and_then(types::HttpHeaderConditionConfig::http_header_name);
        let values =
            one.values().iter().map(String::as_str).chain(paths.iter().map(String::as_str)).chain(header);
        let mut words: Vec<_> = std::iter::once(one.field()?).chain(values).collect();
        words.dedup();
        Some(words.join(" "))
    });
    asked.collect()
}

/// The first host that a rule asks for by its name; nothing where it takes any.
fn host_of(rule: &types::Rule) -> Result<Option<String>, Unreachable> {
    let conditions = rule.conditions().iter().filter(|one| one.field() == Some("host-header"));
    let hosts = conditions.flat_map(|one| {
        let configured = one.host_header_config().map(types::HostHeaderConditionConfig::values);
        one.values().iter().chain(configured.unwrap_or_default())
    });
    let hosts: Vec<_> = hosts.collect();
    match (hosts.iter().find(|host| !host.contains(['*', '?'])), hosts.first()) {
        (Some(named), _) => Ok(Some((*named).clone())),
        (None, Some(pattern)) => Err(Unreachable::HostPattern { pattern: (*pattern).clone() }),
        (None, None) => Ok(None),
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
        let at = |port, tls| Listener { host: "lb.example.com".into(), port, tls, asks: vec![] }.url();
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

    /// A load balancer with a listener for HTTPS and one for HTTP, and one for HTTP that redirects.
    async fn found(
        groups: &[&str],
        actions: [types::Action; 2],
        rules: Vec<types::Rule>,
    ) -> Result<String, Unreachable> {
        found_at(types::LoadBalancer::builder(), groups, actions, rules).await
    }

    async fn found_at(
        balancer: types::builders::LoadBalancerBuilder,
        groups: &[&str],
        actions: [types::Action; 2],
        rules: Vec<types::Rule>,
    ) -> Result<String, Unreachable> {
        use aws_sdk_elasticloadbalancingv2::operation as of;
        use aws_sdk_elasticloadbalancingv2::types::ActionTypeEnum;

        let described =
            mock!(aws_sdk_elasticloadbalancingv2::Client::describe_target_groups).then_output(|| {
                let group = TargetGroup::builder().load_balancer_arns("lb");
                of::describe_target_groups::DescribeTargetGroupsOutput::builder()
                    .target_groups(group.build())
                    .build()
            });
        let balancer =
            mock!(aws_sdk_elasticloadbalancingv2::Client::describe_load_balancers).then_output(move || {
                let balancer = balancer.clone().load_balancer_name("front").dns_name("lb.example.com");
                of::describe_load_balancers::DescribeLoadBalancersOutput::builder()
                    .load_balancers(balancer.build())
                    .build()
            });
        let listener = |protocol, port, action: types::Action| {
            types::Listener::builder()
                .listener_arn(format!("listener/{port}"))
                .protocol(protocol)
                .port(port)
                .default_actions(action)
                .build()
        };
        let redirect = types::Action::builder().r#type(ActionTypeEnum::Redirect).build();
        let [first, second] = actions;
        let listeners = vec![
            listener(ProtocolEnum::Http, 80, redirect),
            listener(ProtocolEnum::Https, 443, first),
            listener(ProtocolEnum::Http, 8080, second),
        ];
        let listening =
            mock!(aws_sdk_elasticloadbalancingv2::Client::describe_listeners).then_output(move || {
                of::describe_listeners::DescribeListenersOutput::builder()
                    .set_listeners(Some(listeners.clone()))
                    .build()
            });
        let ruled = mock!(aws_sdk_elasticloadbalancingv2::Client::describe_rules).then_output(move || {
            of::describe_rules::DescribeRulesOutput::builder().set_rules(Some(rules.clone())).build()
        });
        let client = answering!(aws_sdk_elasticloadbalancingv2, [&described, &balancer, &listening, &ruled]);
        let balancers = LoadBalancers::new(client);
        balancers.listener(groups).await.expect("ELB answers").map(|listener| listener.url())
    }

    fn forward(group: &str) -> types::Action {
        types::Action::builder().r#type(types::ActionTypeEnum::Forward).target_group_arn(group).build()
    }

    #[tokio::test]
    async fn of_a_shared_load_balancer_the_listener_that_forwards_to_the_group_is_asked() {
        let both = || [forward("a"), forward("b")];

        assert_eq!(found(&["a"], both(), vec![]).await, Err(Unreachable::NoName { port: 443 }));
        assert_eq!(found(&["b"], both(), vec![]).await.as_deref(), Ok("http://lb.example.com:8080"));
        assert_eq!(found(&["c"], both(), vec![]).await, Err(Unreachable::NoListener));

        let weighted = |weight| {
            let tuple = types::TargetGroupTuple::builder().target_group_arn("c").weight(weight).build();
            let config = types::ForwardActionConfig::builder().target_groups(tuple).build();
            types::Action::builder().r#type(types::ActionTypeEnum::Forward).forward_config(config).build()
        };
        let host = types::RuleCondition::builder()
            .field("host-header")
            .values("*.example.com")
            .values("shop.example.com");
        let rule = |action| types::Rule::builder().conditions(host.clone().build()).actions(action).build();
        assert_eq!(
            found(&["c"], both(), vec![rule(weighted(100))]).await.as_deref(),
            Ok("https://shop.example.com")
        );
        assert_eq!(found(&["c"], both(), vec![rule(weighted(0))]).await, Err(Unreachable::NoListener));
    }

    #[tokio::test]
    async fn what_cannot_be_asked_from_outside_is_said_with_its_cause() {
        let both = || [forward("a"), forward("b")];
        let at = |balancer| found_at(balancer, &["b"], both(), vec![]);
        let any = types::LoadBalancer::builder;

        for (balancer, words) in [
            (any().scheme(LoadBalancerSchemeEnum::Internal), "front is an internal load balancer"),
            (any().r#type(LoadBalancerTypeEnum::Network), "of the type network"),
            (any().ip_address_type(types::IpAddressType::DualstackWithoutPublicIpv4), "no public IPv4"),
        ] {
            let why = at(balancer).await.expect_err("it answers nobody outside").to_string();
            assert!(why.contains(words), "{why}");
        }
        let open = any()
            .r#type(LoadBalancerTypeEnum::Application)
            .scheme(LoadBalancerSchemeEnum::InternetFacing)
            .ip_address_type(types::IpAddressType::Dualstack);
        assert_eq!(at(open).await.as_deref(), Ok("http://lb.example.com:8080"));

        let signs_in = types::Action::builder().r#type(types::ActionTypeEnum::AuthenticateOidc).build();
        let signed_in = types::Rule::builder().actions(signs_in).actions(forward("c")).build();
        assert_eq!(found(&["c"], both(), vec![signed_in]).await, Err(Unreachable::SignIn { port: 443 }));
    }
}
