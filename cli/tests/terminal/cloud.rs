//! An AWS whose answers are prepared, in the protocols of its APIs: what `slipway init` is told is what is here. It answers
//! nothing but what reads.

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Response, StatusCode, Uri, header};
use serde_json::{Map, Value, json};

use crate::api::Api;

const PLACE: &str = "eu-central-1:111122223333";
const HOST: &str = "111122223333.dkr.ecr.eu-central-1.amazonaws.com";
/// The services of a cluster: name, family, image, what it is behind.
const SERVICES: [(&str, &str, &str, Behind); 7] = [
    ("shop-staging", "web", "shop-staging-task", Behind::Group("web-staging")),
    ("shop-staging", "worker", "shop-staging-worker", Behind::Nothing),
    ("shop-production", "web", "shop-task", Behind::Group("web")),
    ("shop-production", "worker", "shop-production-worker", Behind::Nothing),
    ("shop-production", "rpc", "shop-rpc", Behind::Group("rpc")),
    ("shop-production", "legacy", "shop-legacy", Behind::CodeDeploy),
    ("shop-production", "proxy", "shop-proxy", Behind::Nothing),
];

#[derive(Clone, Copy)]
enum Behind {
    Nothing,
    Group(&'static str),
    CodeDeploy,
}

/// An account with a shop in two clusters, in which the schedules of EventBridge Scheduler may not be listed.
pub(crate) fn shop() -> Api {
    Api::of(axum::Router::new().fallback(answer))
}

async fn answer(uri: Uri, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let body = String::from_utf8_lossy(&body).into_owned();
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok());
    let path = uri.path();
    if let Some(operation) = target.and_then(|target| target.rsplit('.').next()) {
        let request: Value = serde_json::from_str(&body).unwrap_or_default();
        return said(
            StatusCode::OK,
            "application/x-amz-json-1.1",
            json_answer(operation, &request).to_string(),
        );
    }
    if path.ends_with("/operation/DescribeAlarms") {
        let mut response = said(StatusCode::OK, "application/cbor", cbor(&alarms()));
        response.headers_mut().insert("smithy-protocol", header::HeaderValue::from_static("rpc-v2-cbor"));
        return response;
    }
    if path == "/schedules" {
        let refused = json!({ "Message": "ana is not authorized to perform: scheduler:ListSchedules" });
        let mut response = said(StatusCode::FORBIDDEN, "application/json", refused.to_string());
        let name = header::HeaderValue::from_static("AccessDeniedException");
        response.headers_mut().insert("x-amzn-errortype", name);
        return response;
    }
    let fields: Vec<(String, String)> = serde_urlencoded::from_str(&body).unwrap_or_default();
    let of = |name: &str| fields.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value);
    said(StatusCode::OK, "text/xml", balancers(of("Action"), &fields))
}

fn said(status: StatusCode, kind: &str, body: impl Into<Body>) -> Response<Body> {
    let response = Response::builder().status(status).header(header::CONTENT_TYPE, kind);
    response.body(body.into()).expect("a response")
}

fn json_answer(operation: &str, request: &Value) -> Value {
    match operation {
        "ListClusters" => {
            json!({ "clusterArns": [arn("cluster/shop-staging"), arn("cluster/shop-production")] })
        }
        "ListServices" => {
            let of = SERVICES.iter().filter(|(cluster, ..)| request["cluster"] == *cluster);
            let arns = of.map(|(cluster, name, ..)| arn(&format!("service/{cluster}/{name}")));
            json!({ "serviceArns": arns.collect::<Vec<_>>() })
        }
        "DescribeServices" => {
            let names = request["services"].as_array().cloned().unwrap_or_default();
            let of = SERVICES.iter().filter(|(cluster, name, ..)| {
                request["cluster"] == *cluster && names.iter().any(|one| one == name)
            });
            json!({ "services": of.map(|(cluster, name, family, behind)| service(cluster, name, family, *behind)).collect::<Vec<_>>() })
        }
        "DescribeTaskDefinition" => {
            let name = request["taskDefinition"].as_str().unwrap_or_default();
            let name = name.rsplit('/').next().unwrap_or_default();
            let (family, revision) =
                name.split_once(':').unwrap_or((name, if name == "shop-task" { "9" } else { "7" }));
            json!({ "taskDefinition": definition(family, revision), "tags": [] })
        }
        "DescribeRepositories" => json!({ "repositories": [
            { "repositoryName": "shop", "repositoryArn": format!("arn:aws:ecr:{PLACE}:repository/shop"), "repositoryUri": format!("{HOST}/shop"), "imageTagMutability": "MUTABLE" },
        ] }),
        "ListTagsForResource" => json!({ "tags": [] }),
        "ListRuleNamesByTarget" if request["TargetArn"] == arn("cluster/shop-production") => {
            json!({ "RuleNames": ["shop-nightly"] })
        }
        "ListRuleNamesByTarget" => json!({ "RuleNames": [] }),
        "ListTargetsByRule" => json!({ "Targets": [{
            "Id": "1", "Arn": arn("cluster/shop-production"), "EcsParameters": { "TaskDefinitionArn": arn("task-definition/shop-report:4") },
        }] }),
        other => panic!("{other} is not one that reads what is prepared here"),
    }
}

fn arn(name: &str) -> String {
    format!("arn:aws:ecs:{PLACE}:{name}")
}

fn group(name: &str) -> String {
    format!("arn:aws:elasticloadbalancing:{PLACE}:targetgroup/{name}/6d0ecf831eec9f09")
}

fn balancer(name: &str) -> String {
    let kind = if name == "rpc" { "net" } else { "app" };
    format!("arn:aws:elasticloadbalancing:{PLACE}:loadbalancer/{kind}/shop-{name}/50dc6c495c0c9188")
}

fn service(cluster: &str, name: &str, family: &str, behind: Behind) -> Value {
    let mut service = json!({
        "serviceName": name, "serviceArn": arn(&format!("service/{cluster}/{name}")), "status": "ACTIVE",
        "taskDefinition": arn(&format!("task-definition/{family}:7")), "desiredCount": 2, "runningCount": 2,
        "deploymentConfiguration": { "deploymentCircuitBreaker": { "enable": name != "worker", "rollback": true } },
        "launchType": "FARGATE", "tags": [],
    });
    match behind {
        Behind::Nothing => {}
        Behind::Group(name) => {
            service["loadBalancers"] =
                json!([{ "targetGroupArn": group(name), "containerName": "app", "containerPort": 8080 }]);
        }
        Behind::CodeDeploy => service["deploymentController"] = json!({ "type": "CODE_DEPLOY" }),
    }
    if name == "worker" {
        service.as_object_mut().expect("a service").remove("launchType");
        service["capacityProviderStrategy"] = json!([{ "capacityProvider": "FARGATE_SPOT", "weight": 1 }]);
    }
    service
}

fn definition(family: &str, revision: &str) -> Value {
    let image =
        if family == "shop-proxy" { "nginx:1.27".to_owned() } else { format!("{HOST}/shop:main-4f5c0a1b") };
    let mut containers = vec![json!({ "name": "app", "image": image })];
    if family == "shop-task" {
        containers.push(json!({ "name": "envoy", "image": "envoyproxy/envoy:v1.32" }));
    }
    // The next release of one service brings a role along.
    let role = if (family, revision) == ("shop-task", "9") { "shop-reports" } else { "shop-task" };
    json!({
        "family": family, "revision": revision.parse::<u32>().expect("a number"), "status": "ACTIVE", "networkMode": "awsvpc",
        "taskDefinitionArn": arn(&format!("task-definition/{family}:{revision}")), "containerDefinitions": containers,
        "requiresCompatibilities": ["FARGATE"], "executionRoleArn": "arn:aws:iam::111122223333:role/shop-execution",
        "taskRoleArn": format!("arn:aws:iam::111122223333:role/{role}"),
    })
}

fn alarms() -> Value {
    let of_group = |state: &str, name: &str, actions: &[&str]| {
        json!({
            "AlarmName": name, "StateValue": state, "AlarmActions": actions,
            "Dimensions": [{ "Name": "LoadBalancer", "Value": "app/shop-web/50dc6c495c0c9188" }],
        })
    };
    json!({ "MetricAlarms": [
        of_group("OK", "shop-production-5xx", &["arn:aws:sns:eu-central-1:111122223333:people"]),
        of_group("INSUFFICIENT_DATA", "shop-production ${latency}", &[]),
        of_group("ALARM", "TargetTracking-service/shop-production/web-AlarmLow", &["arn:aws:autoscaling:eu-central-1:111122223333:scalingPolicy:1"]),
    ] })
}

/// What ELB answers, about the target groups and load balancers that the request names.
fn balancers(action: &str, fields: &[(String, String)]) -> String {
    let asked = |name: &str| fields.iter().any(|(_, value)| value.contains(&format!("/{name}/")));
    let forward = |name: &str| {
        format!("<member><Type>forward</Type><TargetGroupArn>{}</TargetGroupArn></member>", group(name))
    };
    let names = ["web-staging", "web", "rpc"].into_iter();
    let members: String = match action {
        "DescribeTargetGroups" => names
            .filter(|name| asked(name))
            .map(|name| {
                let (path, codes) = match name {
                    "rpc" => (String::new(), String::new()),
                    "web" => ("/health".to_owned(), "200-399".to_owned()),
                    _ => ("/health".to_owned(), "200".to_owned()),
                };
                let http = if path.is_empty() {
                    String::new()
                } else {
                    format!("<ProtocolVersion>HTTP1</ProtocolVersion><HealthCheckPath>{path}</HealthCheckPath><Matcher><HttpCode>{codes}</HttpCode></Matcher>")
                };
                format!(
                    "<member><TargetGroupArn>{}</TargetGroupArn>{http}<LoadBalancerArns><member>{}</member></LoadBalancerArns></member>",
                    group(name),
                    balancer(name)
                )
            })
            .collect::<Vec<_>>()
            .concat(),
        "DescribeLoadBalancers" => names
            .filter(|name| asked(&format!("shop-{name}")))
            .map(|name| {
                let kind = if name == "rpc" { "network" } else { "application" };
                format!(
                    "<member><LoadBalancerArn>{}</LoadBalancerArn><LoadBalancerName>shop-{name}</LoadBalancerName><DNSName>shop-{name}-1.eu-central-1.elb.amazonaws.com</DNSName><Scheme>internet-facing</Scheme><Type>{kind}</Type></member>",
                    balancer(name)
                )
            })
            .collect::<Vec<_>>()
            .concat(),
        "DescribeListeners" if asked("shop-web-staging") => format!(
            "<member><ListenerArn>listener/staging</ListenerArn><Protocol>HTTP</Protocol><Port>80</Port><DefaultActions>{}</DefaultActions></member>",
            forward("web-staging")
        ),
        "DescribeListeners" => "<member><ListenerArn>listener/web</ListenerArn><Protocol>HTTPS</Protocol><Port>443</Port><DefaultActions><member><Type>fixed-response</Type></member></DefaultActions></member>".to_owned(),
        "DescribeRules" => format!(
            "<member><RuleArn>rule</RuleArn><Conditions><member><Field>host-header</Field><HostHeaderConfig><Values><member>shop.example.com</member></Values></HostHeaderConfig></member></Conditions><Actions>{}</Actions></member>",
            forward("web")
        ),
        other => panic!("{other} is not one that reads what is prepared here"),
    };
    let list = action.trim_start_matches("Describe");
    format!(
        "<{action}Response><{action}Result><{list}>{members}</{list}></{action}Result></{action}Response>"
    )
}

/// A document as CBOR (RFC 8949), which CloudWatch speaks: its maps, arrays and texts, which are all that is needed.
fn cbor(value: &Value) -> Vec<u8> {
    let head = |kind: u8, length: usize| {
        let mut bytes = vec![(kind << 5) | 0x19];
        bytes.extend(u16::try_from(length).expect("it is short").to_be_bytes());
        bytes
    };
    let text = |text: &str| [head(3, text.len()), text.as_bytes().to_vec()].concat();
    match value {
        Value::String(words) => text(words),
        Value::Array(items) => {
            let items: Vec<u8> = items.iter().flat_map(cbor).collect();
            [head(4, value.as_array().map_or(0, Vec::len)), items].concat()
        }
        Value::Object(fields) => of_fields(fields, &head, &text),
        other => panic!("{other} is of no kind that is prepared here"),
    }
}

fn of_fields(
    fields: &Map<String, Value>,
    head: &impl Fn(u8, usize) -> Vec<u8>,
    text: &impl Fn(&str) -> Vec<u8>,
) -> Vec<u8> {
    let pairs = fields.iter().flat_map(|(name, value)| [text(name), cbor(value)].concat());
    let pairs: Vec<u8> = pairs.collect();
    [head(5, fields.len()), pairs].concat()
}
