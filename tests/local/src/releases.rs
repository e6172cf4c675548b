//! Releases, as their executions show them.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use aws_config::SdkConfig;
use aws_sdk_sfn::{
    Client,
    types::{ExecutionStatus, HistoryEvent, HistoryEventType},
};
use serde_json::Value;

use crate::client::{ACCOUNT, REGION};

/// The state machine's ARN.
#[must_use]
pub fn state_machine() -> String {
    format!("arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:slipway-release")
}

/// One release.
#[derive(Clone, Debug)]
pub struct Execution {
    /// The execution's ARN.
    pub arn: String,
    /// Its name, which is the release's id.
    pub name: String,
    /// Where it is.
    pub status: ExecutionStatus,
    /// When it began, in milliseconds since 1970.
    pub started: i64,
    /// When it ended, in milliseconds since 1970.
    pub stopped: Option<i64>,
    /// What it was started with.
    pub input: Value,
    /// What it came to, when it succeeded.
    pub output: Option<Value>,
    /// Why it failed, when it did: the error's name and its cause.
    pub failure: Option<(String, String)>,
}

impl Execution {
    /// The release's outcome, such as `RELEASED`, when it has one.
    #[must_use]
    pub fn outcome(&self) -> Option<&str> {
        find(self.output.as_ref()?, "outcome")?.as_str()
    }

    /// The stage that ended the release, when one did.
    #[must_use]
    pub fn stage(&self) -> Option<&str> {
        self.ending()?["stage"].as_str()
    }

    /// Why the release ended so, in words.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        if let Some(reason) = self.ending().and_then(|ending| ending["reason"].as_str()) {
            return Some(reason.to_owned());
        }
        let (error, cause) = self.failure.as_ref()?;
        Some(format!("{error}: {cause}"))
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.status == ExecutionStatus::Running
    }

    /// Whether it releases that image.
    #[must_use]
    pub fn is_of(&self, digest: &str) -> bool {
        self.input.to_string().contains(digest)
    }

    fn ending(&self) -> Option<&Value> {
        holder(self.output.as_ref()?, "outcome")
    }
}

/// The releases that are executions of a state machine, the newest first.
///
/// # Errors
///
/// When Step Functions cannot be asked.
pub async fn list(sdk: &SdkConfig, state_machine: &str) -> anyhow::Result<Vec<Execution>> {
    let sfn = Client::new(sdk);
    let mut executions = Vec::new();
    let mut pages = sfn.list_executions().state_machine_arn(state_machine).into_paginator().send();
    while let Some(page) = pages.next().await {
        for item in page?.executions() {
            executions.push(describe(sdk, item.execution_arn()).await?);
        }
    }
    executions.sort_by_key(|execution| std::cmp::Reverse(execution.started));
    Ok(executions)
}

/// One release.
///
/// Each that has ended is asked about once: nothing changes it any more, and a cloud may have had hundreds.
///
/// # Errors
///
/// When Step Functions cannot be asked, or does not know it.
pub async fn describe(sdk: &SdkConfig, arn: &str) -> anyhow::Result<Execution> {
    static ENDED: Mutex<BTreeMap<(String, String), Execution>> = Mutex::new(BTreeMap::new());
    let ended = || ENDED.lock().unwrap_or_else(PoisonError::into_inner);
    let place = (sdk.endpoint_url().unwrap_or_default().to_owned(), arn.to_owned());
    if let Some(execution) = ended().get(&place) {
        return Ok(execution.clone());
    }
    let execution = ask(sdk, arn).await?;
    if !execution.is_running() {
        ended().insert(place, execution.clone());
    }
    Ok(execution)
}

async fn ask(sdk: &SdkConfig, arn: &str) -> anyhow::Result<Execution> {
    let answer = Client::new(sdk).describe_execution().execution_arn(arn).send().await?;
    let document = |text: Option<&str>| text.and_then(|text| serde_json::from_str(text).ok());
    Ok(Execution {
        arn: arn.to_owned(),
        name: answer.name().unwrap_or_default().to_owned(),
        status: answer.status().clone(),
        started: answer.start_date().to_millis().unwrap_or_default(),
        stopped: answer.stop_date().and_then(|time| time.to_millis().ok()),
        input: document(answer.input()).unwrap_or_default(),
        output: (*answer.status() == ExecutionStatus::Succeeded).then(|| document(answer.output())).flatten(),
        failure: answer
            .error()
            .map(|error| (error.to_owned(), answer.cause().unwrap_or_default().to_owned())),
    })
}

/// A state that a release entered or left.
#[derive(Clone, Debug)]
pub struct Step {
    /// The state's name.
    pub state: String,
    /// The stage that it works for, when it works for one.
    pub stage: Option<String>,
    /// Whether the state was entered (or left).
    pub entered: bool,
    /// Whether it is a Map, which only holds other states.
    pub is_map: bool,
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// What its function answered, such as `TAKEN`, when a task was left with an answer that says so.
    pub result: Option<String>,
}

/// What a release did so far, in its order.
///
/// # Errors
///
/// When Step Functions cannot be asked.
pub async fn steps(sdk: &SdkConfig, arn: &str) -> anyhow::Result<Vec<Step>> {
    let mut steps = Vec::new();
    let mut pages = Client::new(sdk).get_execution_history().execution_arn(arn).into_paginator().send();
    while let Some(page) = pages.next().await {
        steps.extend(page?.events().iter().filter_map(step));
    }
    Ok(steps)
}

fn step(event: &HistoryEvent) -> Option<Step> {
    let at = event.timestamp().to_millis().unwrap_or_default();
    let is_map = event.r#type().as_str().starts_with("MapState");
    if let Some(entered) = event.state_entered_event_details() {
        let input = serde_json::from_str(entered.input().unwrap_or_default()).unwrap_or_default();
        return Some(Step {
            state: entered.name().to_owned(),
            stage: stage_of(&input),
            entered: true,
            is_map,
            at,
            result: None,
        });
    }
    let exited = event.state_exited_event_details()?;
    let is_task = event.r#type().as_str().starts_with("TaskState");
    let output: Value = exited
        .output()
        .filter(|_| is_task)
        .and_then(|output| serde_json::from_str(output).ok())
        .unwrap_or_default();
    let result = [&output["result"], &output["Payload"]["result"]]
        .into_iter()
        .find_map(Value::as_str)
        .map(str::to_owned);
    Some(Step { state: exited.name().to_owned(), stage: None, entered: false, is_map, at, result })
}

/// What AWS bills of an execution: each state that is entered, and each further attempt at one ("Transitions", AWS Step
/// Functions developer guide).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transitions {
    /// The states that were entered, in their order.
    pub entered: Vec<String>,
    /// How often one was tried again.
    pub further_attempts: usize,
}

impl Transitions {
    /// How many they are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.entered.len() + self.further_attempts
    }
}

/// The transitions of an execution so far.
///
/// # Errors
///
/// When Step Functions cannot be asked.
pub async fn transitions(sdk: &SdkConfig, arn: &str) -> anyhow::Result<Transitions> {
    let history = Client::new(sdk).get_execution_history().execution_arn(arn);
    let events: Vec<_> = history.into_paginator().items().send().try_collect().await?;
    let count = |kind: &HistoryEventType| events.iter().filter(|event| event.r#type() == kind).count();
    let entered = events.iter().filter_map(|event| event.state_entered_event_details());
    Ok(Transitions {
        entered: entered.map(|details| details.name().to_owned()).collect(),
        further_attempts: count(&HistoryEventType::TaskScheduled)
            - count(&HistoryEventType::TaskStateEntered),
    })
}

/// The stage that a state's input names.
fn stage_of(input: &Value) -> Option<String> {
    let by_position = || {
        let position = usize::try_from(input["position"].as_u64()?).ok()?;
        input["application"]["stages"].get(position)?["name"].as_str()
    };
    input["stage"]
        .as_str()
        .or_else(|| input["stage"]["name"].as_str())
        .or_else(by_position)
        .map(str::to_owned)
}

/// The first value of that name, however deep.
fn find<'a>(document: &'a Value, name: &str) -> Option<&'a Value> {
    holder(document, name).map(|holder| &holder[name])
}

/// The first object that has that name, however deep.
fn holder<'a>(document: &'a Value, name: &str) -> Option<&'a Value> {
    match document {
        Value::Object(fields) if fields.contains_key(name) => Some(document),
        Value::Object(fields) => fields.values().find_map(|value| holder(value, name)),
        Value::Array(items) => items.iter().find_map(|value| holder(value, name)),
        _ => None,
    }
}
