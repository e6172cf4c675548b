//! What a call or an event is about, in few words for people.

use serde_json::Value;

use super::call::Protocol;

/// What a call is about; nothing when that is not known.
pub(super) fn of_call(service: &str, operation: &str, protocol: Protocol, body: &[u8]) -> String {
    match protocol {
        Protocol::Query => of_form(&form(body)),
        Protocol::Json => {
            let body = serde_json::from_slice(body).unwrap_or_default();
            match service {
                "dynamodb" => of_items(&body),
                "ecs" if operation == "UpdateService" => of_change(&body),
                "ecs" => of_ecs(&body),
                "states" => of_execution(operation, &body),
                _ => of_first(&body, &["Path", "Name", "Names", "repositoryName", "AlarmNames", "AlarmName"]),
            }
        }
        Protocol::Cbor => String::new(),
    }
}

/// What an event is about.
pub(super) fn of_event(event: &Value) -> String {
    let detail = &event["detail"];
    let what = if let Some(repository) = detail["repository-name"].as_str() {
        let tag = detail["image-tag"].as_str().map(|tag| format!(":{tag}")).unwrap_or_default();
        format!("{repository}{tag}@{}", short(detail["image-digest"].as_str().unwrap_or_default()))
    } else if let Some(alarm) = detail["alarmName"].as_str() {
        format!("{alarm} {}", detail["state"]["value"].as_str().unwrap_or_default())
    } else {
        event["resources"][0].as_str().map(tail).unwrap_or_default()
    };
    [what, detail["eventName"].as_str().unwrap_or_default().to_owned()].join(" ").trim().to_owned()
}

/// The fields of a form.
pub(super) fn form(body: &[u8]) -> Vec<(String, String)> {
    serde_urlencoded::from_bytes(body).unwrap_or_default()
}

/// What the arguments name; of a mail, its subject too.
fn of_form(fields: &[(String, String)]) -> String {
    let field = |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str());
    let what = [
        "TopicArn",
        "TargetGroupArn",
        "TargetGroupArns.member.1",
        "ListenerArns.member.1",
        "ListenerArn",
        "LoadBalancerArns.member.1",
    ]
    .into_iter()
    .find_map(|name| field(name).map(tail))
    .unwrap_or_default();
    match field("Subject") {
        Some(subject) => format!("{what} {subject}"),
        None => what,
    }
}

/// The keys of every item in a request; of a query, the values that it asks for.
fn of_items(body: &Value) -> String {
    let mut keys = Vec::new();
    collect_keys(body, &mut keys);
    if keys.is_empty() && body["KeyConditionExpression"].is_string() {
        let values = body["ExpressionAttributeValues"].as_object().into_iter().flatten();
        keys.extend(values.filter_map(|(_, value)| value["S"].as_str()).map(|value| format!("{value} …")));
        // The SDK writes them in any order.
        keys.sort();
    }
    keys.join(", ")
}

fn collect_keys(value: &Value, keys: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if let (Some(pk), Some(sk)) = (value["pk"]["S"].as_str(), value["sk"]["S"].as_str()) {
                keys.push(format!("{pk} {sk}"));
                return;
            }
            fields.values().for_each(|value| collect_keys(value, keys));
        }
        Value::Array(values) => values.iter().for_each(|value| collect_keys(value, keys)),
        _ => {}
    }
}

fn of_ecs(body: &Value) -> String {
    let cluster = body["cluster"].as_str().map(|cluster| format!("{}/", tail(cluster))).unwrap_or_default();
    let what = of_first(
        body,
        &[
            "service",
            "services",
            "serviceName",
            "family",
            "familyPrefix",
            "taskDefinition",
            "tasks",
            "resourceArn",
        ],
    );
    // An ARN's end names the cluster already.
    if what.contains(&cluster) { what } else { format!("{cluster}{what}") }
}

/// The service, and what it is to run.
fn of_change(body: &Value) -> String {
    match body["taskDefinition"].as_str() {
        Some(task_definition) => format!("{} {}", of_ecs(body), tail(task_definition)),
        None => of_ecs(body),
    }
}

/// The execution, or the result that it gets. Never the token: who has it can answer for it.
fn of_execution(operation: &str, body: &Value) -> String {
    match operation {
        "StartExecution" => body["name"].as_str().unwrap_or_default().to_owned(),
        "SendTaskSuccess" => {
            let output: Value = body["output"]
                .as_str()
                .and_then(|output| serde_json::from_str(output).ok())
                .unwrap_or_default();
            // The names of its fields say what the step answers.
            output
                .as_object()
                .into_iter()
                .flat_map(serde_json::Map::keys)
                .cloned()
                .collect::<Vec<_>>()
                .join(", ")
        }
        "SendTaskFailure" => body["error"].as_str().unwrap_or_default().to_owned(),
        _ => body["executionArn"].as_str().map(tail).unwrap_or_default(),
    }
}

/// The first of these fields that there is.
fn of_first(body: &Value, fields: &[&str]) -> String {
    let of = |field: &&str| match &body[*field] {
        Value::String(text) => Some(tail(text)),
        Value::Array(texts) => {
            Some(texts.iter().filter_map(Value::as_str).map(tail).collect::<Vec<_>>().join(", "))
        }
        _ => None,
    };
    fields.iter().find_map(of).unwrap_or_default()
}

/// The end of an ARN, without the kind of thing it is; any other text as it is.
fn tail(text: &str) -> String {
    if !text.starts_with("arn:") {
        return text.to_owned();
    }
    let resource = text.splitn(6, ':').nth(5).unwrap_or(text);
    let kinds = [
        "service/",
        "task-definition/",
        "task/",
        "cluster/",
        "targetgroup/",
        "loadbalancer/app/",
        "listener/app/",
        "function:",
        "parameter",
    ];
    if let Some(execution) = resource.strip_prefix("execution:") {
        return execution.split_once(':').map_or(execution, |(_, name)| name).to_owned();
    }
    kinds.into_iter().find_map(|kind| resource.strip_prefix(kind)).unwrap_or(resource).to_owned()
}

/// The beginning of a digest.
fn short(digest: &str) -> &str {
    let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
    hex.get(..8).unwrap_or(hex)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(service: &str, operation: &str, body: &Value) -> String {
        of_call(service, operation, Protocol::Json, body.to_string().as_bytes())
    }

    #[test]
    fn an_item_is_named_by_its_keys() {
        let key = json!({"pk": {"S": "RELEASE#a"}, "sk": {"S": "ENDING"}});

        assert_eq!(
            of("dynamodb", "GetItem", &json!({"TableName": "slipway", "Key": key})),
            "RELEASE#a ENDING"
        );
        assert_eq!(
            of(
                "dynamodb",
                "TransactWriteItems",
                &json!({"TransactItems": [{"Put": {"Item": key}}, {"Delete": {"Key": key}}]})
            ),
            "RELEASE#a ENDING, RELEASE#a ENDING"
        );
        let query = json!({"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": "WAIT#a"}}});
        assert_eq!(of("dynamodb", "Query", &query), "WAIT#a …");
    }

    #[test]
    fn what_ecs_is_asked_about_is_named_with_its_cluster() {
        let arn = "arn:aws:ecs:us-east-1:000000000000:service/staging/web";

        assert_eq!(
            of("ecs", "UpdateService", &json!({"cluster": "staging", "service": "web"})),
            "staging/web"
        );
        let revision = "arn:aws:ecs:us-east-1:000000000000:task-definition/staging-web:7";
        let change = json!({"cluster": "staging", "service": "web", "taskDefinition": revision});
        assert_eq!(of("ecs", "UpdateService", &change), "staging/web staging-web:7");
        assert_eq!(
            of("ecs", "DescribeServices", &json!({"cluster": "staging", "services": [arn]})),
            "staging/web"
        );
        assert_eq!(of("ecs", "RegisterTaskDefinition", &json!({"family": "staging-web"})), "staging-web");
    }

    #[test]
    fn a_tasks_token_is_never_written_down_and_its_result_is() {
        let of_output =
            |output: &str| of("states", "SendTaskSuccess", &json!({"taskToken": "secret", "output": output}));

        assert_eq!(of_output("{}"), "");
        assert_eq!(of_output(r#"{"generation": 3}"#), "generation");
        assert_eq!(
            of("states", "SendTaskFailure", &json!({"taskToken": "secret", "error": "Woken", "cause": "{}"})),
            "Woken"
        );
    }

    #[test]
    fn a_mail_is_named_by_its_topic_and_its_subject() {
        let form = b"Action=Publish&TopicArn=arn%3Aaws%3Asns%3Aus-east-1%3A0%3Amails&Subject=web%20v1%20RELEASED&Message=secret";

        assert_eq!(of_call("sns", "Publish", Protocol::Query, form), "mails web v1 RELEASED");
    }

    #[test]
    fn an_execution_is_named_as_it_was_started() {
        let arn = "arn:aws:states:us-east-1:000000000000:execution:slipway-release:web-1-abc";

        assert_eq!(of("states", "StartExecution", &json!({"name": "web-1-abc", "input": "{}"})), "web-1-abc");
        assert_eq!(of("states", "DescribeExecution", &json!({"executionArn": arn})), "web-1-abc");
    }

    #[test]
    fn an_event_is_named_by_what_changed() {
        let push = json!({"detail": {"repository-name": "web", "image-tag": "v1", "image-digest": "sha256:0123456789abcdef"}});
        let deployment = json!({"resources": ["arn:aws:ecs:us-east-1:0:service/staging/web"], "detail": {"eventName": "SERVICE_STEADY_STATE"}});
        let alarm =
            json!({"resources": ["arn:…"], "detail": {"alarmName": "errors", "state": {"value": "ALARM"}}});

        assert_eq!(
            [of_event(&push), of_event(&deployment), of_event(&alarm)],
            ["web:v1@01234567", "staging/web SERVICE_STEADY_STATE", "errors ALARM"]
        );
    }
}
