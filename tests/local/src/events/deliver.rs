//! Through the deployed rules to their targets, as EventBridge does it.

use std::time::Duration;

use anyhow::{Context as _, bail};
use aws_config::SdkConfig;
use aws_sdk_eventbridge::types::{Rule, RuleState, Target};
use aws_sdk_lambda::{primitives::Blob, types::InvocationType};
use aws_sdk_sqs::types::MessageAttributeValue;
use futures::future::try_join_all;
use serde_json::Value;

/// How often a target is tried again that cannot be reached; EventBridge tries for 24 hours.
const RETRIES: u32 = 3;
/// The pause before the first of them; doubled for each further one.
const PAUSE: Duration = Duration::from_millis(200);

/// What became of an event at one target of a rule that matched it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The rule's name.
    pub rule: String,
    /// The target's ARN.
    pub target: String,
    /// Where it ended.
    pub outcome: Outcome,
}

/// Where an event ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// At the target.
    Invoked,
    /// In the target's dead-letter queue, for this reason.
    DeadLetter(String),
    /// Nowhere: the target could not be invoked for this reason, and has no dead-letter queue.
    Dropped(String),
}

/// Gives an event to the targets of all enabled rules that match it.
///
/// MiniStack evaluates the patterns (`TestEventPattern`), runs the functions, and repeats a function that fails.
///
/// # Errors
///
/// When the rules cannot be read or a pattern cannot be evaluated.
pub async fn deliver(sdk: &SdkConfig, event: &Value) -> anyhow::Result<Vec<Delivery>> {
    let eventbridge = aws_sdk_eventbridge::Client::new(sdk);
    let text = event.to_string();
    let rules = eventbridge.list_rules().send().await?;
    let delivered =
        rules.rules().iter().map(|rule| by_rule(sdk, &eventbridge, rule, &event["source"], &text));
    Ok(try_join_all(delivered).await?.into_iter().flatten().collect())
}

/// Gives an event to the targets of a rule, if it matches.
async fn by_rule(
    sdk: &SdkConfig,
    eventbridge: &aws_sdk_eventbridge::Client,
    rule: &Rule,
    source: &Value,
    event: &str,
) -> anyhow::Result<Vec<Delivery>> {
    let mut deliveries = Vec::new();
    let (Some(name), Some(pattern), Some(RuleState::Enabled)) =
        (rule.name(), rule.event_pattern(), rule.state())
    else {
        return Ok(deliveries);
    };
    if !concerns(pattern, source) {
        return Ok(deliveries);
    }
    let matches = eventbridge
        .test_event_pattern()
        .event(event)
        .event_pattern(pattern)
        .send()
        .await
        .with_context(|| format!("the pattern of rule `{name}` cannot be evaluated"))?
        .result();
    if matches {
        let targets = eventbridge.list_targets_by_rule().rule(name).send().await?;
        for target in targets.targets() {
            let outcome = to_target(sdk, rule, target, event).await;
            deliveries.push(Delivery { rule: name.to_owned(), target: target.arn().to_owned(), outcome });
        }
    }
    Ok(deliveries)
}

/// Whether a pattern that lists its sources lists this one: most rules need not be asked about.
fn concerns(pattern: &str, source: &Value) -> bool {
    let pattern: Value = serde_json::from_str(pattern).unwrap_or_default();
    match pattern["source"].as_array() {
        Some(sources) if sources.iter().all(Value::is_string) => sources.contains(source),
        _ => true,
    }
}

async fn to_target(sdk: &SdkConfig, rule: &Rule, target: &Target, event: &str) -> Outcome {
    let Err(failure) = invoke(sdk, rule, target, event).await else {
        return Outcome::Invoked;
    };
    let reason = format!("{:#}", failure.error);
    let Some(queue) = target.dead_letter_config().and_then(|config| config.arn()) else {
        return Outcome::Dropped(reason);
    };
    match to_queue(sdk, queue, rule, target, event, &failure).await {
        Ok(()) => Outcome::DeadLetter(reason),
        Err(error) => Outcome::Dropped(format!("{reason}; the dead-letter queue: {error:#}")),
    }
}

/// Why a target was not invoked, with EventBridge's word for it.
struct Failure {
    code: &'static str,
    error: anyhow::Error,
}

async fn invoke(sdk: &SdkConfig, rule: &Rule, target: &Target, event: &str) -> Result<(), Failure> {
    let lambda = aws_sdk_lambda::Client::new(sdk);
    let rule = rule.arn().unwrap_or_default();
    let failure = |code| move |error| Failure { code, error };
    let payload = payload_of(target, event).map_err(failure("INVALID_PARAMETER"))?;
    permitted(&lambda, target.arn(), rule).await.map_err(failure("NO_PERMISSIONS"))?;

    let mut pause = PAUSE;
    for attempt in 0.. {
        let answer = lambda
            .invoke()
            .function_name(target.arn())
            .invocation_type(InvocationType::Event)
            .payload(Blob::new(payload.as_str()))
            .send()
            .await;
        match answer {
            Ok(_) => break,
            Err(error) => {
                let gone =
                    error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception());
                if gone {
                    return Err(failure("RESOURCE_NOT_FOUND")(error.into()));
                }
                if attempt == RETRIES {
                    return Err(failure("SDK_CLIENT_ERROR")(error.into()));
                }
            }
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    Ok(())
}

/// What the target gets.
fn payload_of(target: &Target, event: &str) -> anyhow::Result<String> {
    if target.input_path().is_some() || target.input_transformer().is_some() {
        bail!("the local cloud delivers whole events only, without InputPath or InputTransformer");
    }
    Ok(target.input().unwrap_or(event).to_owned())
}

/// Whether the function's own policy lets EventBridge invoke it for this rule. MiniStack does not ask.
async fn permitted(lambda: &aws_sdk_lambda::Client, function: &str, rule: &str) -> anyhow::Result<()> {
    if !function.contains(":function:") {
        bail!("the local cloud delivers to Lambda functions only, not to {function}");
    }
    let answer = lambda.get_policy().function_name(function).send().await;
    let policy = match &answer {
        Ok(answer) => answer.policy().unwrap_or_default(),
        Err(error)
            if error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()) =>
        {
            ""
        }
        Err(_) => {
            answer?;
            unreachable!("an error was just returned")
        }
    };
    let policy: Value = serde_json::from_str(policy).unwrap_or_default();
    let allowed = policy["Statement"]
        .as_array()
        .is_some_and(|statements| statements.iter().any(|statement| allows(statement, rule)));
    if !allowed {
        bail!("the policy of {function} does not let events.amazonaws.com invoke it for {rule}");
    }
    Ok(())
}

fn allows(statement: &Value, rule: &str) -> bool {
    let principal = &statement["Principal"]["Service"];
    let source = statement["Condition"]
        .as_object()
        .into_iter()
        .flat_map(|condition| condition.values())
        .find_map(|keys| {
            keys.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case("aws:SourceArn"))?.1.as_str()
        });
    statement["Effect"] == "Allow"
        && principal == "events.amazonaws.com"
        && source.is_none_or(|source| source == rule)
}

async fn to_queue(
    sdk: &SdkConfig,
    queue: &str,
    rule: &Rule,
    target: &Target,
    event: &str,
    failure: &Failure,
) -> anyhow::Result<()> {
    let sqs = aws_sdk_sqs::Client::new(sdk);
    let name = queue.rsplit(':').next().unwrap_or(queue);
    let address = sqs.get_queue_url().queue_name(name).send().await?;
    let attribute =
        |value: &str| MessageAttributeValue::builder().data_type("String").string_value(value).build();
    sqs.send_message()
        .queue_url(address.queue_url().context("a queue without an address")?)
        .message_body(event)
        .message_attributes("RULE_ARN", attribute(rule.arn().unwrap_or_default())?)
        .message_attributes("TARGET_ARN", attribute(target.arn())?)
        .message_attributes("ERROR_CODE", attribute(failure.code)?)
        .message_attributes("ERROR_MESSAGE", attribute(&format!("{:#}", failure.error))?)
        .send()
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rule_of_other_sources_is_not_asked_about() {
        let source = json!("aws.ecr");
        assert!(
            concerns(r#"{"source":["aws.ecr","slipway"]}"#, &source)
                && !concerns(r#"{"source":["aws.ecs"]}"#, &source)
        );
        assert!(
            concerns(r#"{"source":[{"prefix":"aws."}]}"#, &source)
                && concerns(r#"{"detail-type":["x"]}"#, &source)
        );
    }

    #[test]
    fn only_the_rule_that_the_policy_names_may_invoke() {
        let statement = json!({
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Condition": {"ArnLike": {"AWS:SourceArn": "arn:aws:events:us-east-1:0:rule/push"}},
        });

        assert!(allows(&statement, "arn:aws:events:us-east-1:0:rule/push"));
        assert!(!allows(&statement, "arn:aws:events:us-east-1:0:rule/other"));
    }
}
