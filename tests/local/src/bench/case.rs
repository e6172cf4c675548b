//! What a function was invoked with, and the calls that it made, as they were recorded.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

/// One invocation of a function.
#[derive(Clone, Debug)]
pub struct Case {
    /// The function, such as `deploy-services`.
    pub function: String,
    /// What it was invoked with.
    pub event: Value,
    /// Its calls, in their order.
    pub calls: Vec<Recorded>,
}

/// A call that a function made.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Recorded {
    /// The function.
    pub caller: String,
    /// The operation as IAM names it.
    pub operation: String,
    /// When it came, in microseconds since 1970.
    pub at: i64,
    /// When its answer had come.
    pub ended: i64,
    /// What was asked.
    pub request: Request,
    /// What was answered.
    pub answer: Answer,
}

impl Recorded {
    /// Whether init made it, to open a connection (`warm_up` in `functions/shared/aws`).
    fn opens_a_connection(&self) -> bool {
        let body = self.request.body.as_str().unwrap_or_default();
        body.contains("\"WARM-UP\"") || body.contains("\"slipway-warm-up\"")
    }
}

/// A request as it was recorded.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Request {
    /// The path, with the query.
    pub path: String,
    /// Text, or bytes as `{"hex": "…"}`.
    pub body: Value,
}

/// An answer as it was recorded.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Those of its headers that matter.
    pub headers: BTreeMap<String, String>,
    /// Text, or bytes as `{"hex": "…"}`.
    pub body: Value,
}

/// A body that was recorded, as it was sent.
///
/// # Errors
///
/// When it is neither text nor hexadecimal.
pub fn bytes(body: &Value) -> anyhow::Result<Vec<u8>> {
    match body {
        Value::String(text) => Ok(text.clone().into_bytes()),
        other => hex::decode(other["hex"].as_str().context("a body is text or {\"hex\": …}")?)
            .context("a body that is not hexadecimal"),
    }
}

/// An invocation of a function, as it was recorded.
#[derive(Clone, Debug, Deserialize)]
pub struct Invocation {
    /// The function's name.
    pub function: String,
    /// What it was invoked with.
    pub event: Value,
    /// When it began, in microseconds since 1970.
    pub begun: i64,
    /// When it ended.
    pub ended: i64,
}

impl Invocation {
    /// Whether it made a call: it is the function's, and came while the invocation ran.
    fn made(&self, call: &Recorded) -> bool {
        let is_of_it = self
            .function
            .strip_suffix(&call.caller)
            .is_some_and(|prefix| prefix.is_empty() || prefix.ends_with('-'));
        is_of_it && (self.begun..=self.ended).contains(&call.at)
    }

    /// Whether a call before it may have caused it: the start of an execution and the end of a task a step, a write of the table
    /// what its stream invokes.
    fn is_caused_by(&self, call: &Recorded) -> bool {
        let is_of_the_stream = self.function.ends_with("resume-release");
        let causes = match call.operation.as_str() {
            "states:StartExecution" | "states:SendTaskSuccess" | "states:SendTaskFailure" => {
                !is_of_the_stream
            }
            "dynamodb:PutItem" | "dynamodb:UpdateItem" | "dynamodb:TransactWriteItems" => is_of_the_stream,
            _ => false,
        };
        causes && call.at < self.begun
    }
}

/// What a folder of recordings holds.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The invocations.
    pub invocations: Vec<Invocation>,
    /// The calls of all functions.
    pub calls: Vec<Recorded>,
}

impl Recording {
    /// Reads a recording.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or holds nothing.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let invocations: Vec<_> = lines(&folder.join("invocations.jsonl"))?;
        let mut calls: Vec<Recorded> = lines(&folder.join("calls.jsonl"))?;
        // What init opens its connections with is no invocation's, though the first one waits for it.
        calls.retain(|call| !call.opens_a_connection());
        ensure!(!invocations.is_empty(), "nothing was recorded in {}", folder.display());
        Ok(Self { invocations, calls })
    }

    /// What happened from one moment until another, in microseconds since 1970.
    #[must_use]
    pub fn between(&self, from: i64, until: i64) -> Self {
        let within = |at: i64| (from..=until).contains(&at);
        Self {
            invocations: self.invocations.iter().filter(|one| within(one.begun)).cloned().collect(),
            calls: self.calls.iter().filter(|one| within(one.at)).cloned().collect(),
        }
    }

    /// The longest row of calls of which each waits for the one before. Of one invocation a call waits for those that were
    /// answered before it began; an invocation waits for the call that caused it.
    #[must_use]
    pub fn in_a_row(&self) -> usize {
        let mut left: Vec<_> = self.calls.iter().collect();
        left.sort_by_key(|call| call.at);
        let mut invocations: Vec<_> = self.invocations.iter().collect();
        invocations.sort_by_key(|one| one.begun);
        // The calls that were looked at, each with the length of the row that ends with it.
        let mut rows: Vec<(&Recorded, usize)> = Vec::new();
        for invocation in invocations {
            let (calls, others): (Vec<_>, Vec<_>) = left.into_iter().partition(|call| invocation.made(call));
            left = others;
            let causes = rows.iter().filter(|(call, _)| invocation.is_caused_by(call));
            let caused = causes.map(|(_, row)| *row).max().unwrap_or(0);
            let first = rows.len();
            for call in calls {
                let before = rows[first..].iter().filter(|(other, _)| other.ended <= call.at);
                let before = before.map(|(_, row)| *row).max().unwrap_or(caused);
                rows.push((call, before + 1));
            }
        }
        rows.into_iter().map(|(_, row)| row).max().unwrap_or(0)
    }

    /// The requests that write to DynamoDB, and those that read. An item of a transaction is two ("Amazon DynamoDB
    /// pricing for on-demand capacity").
    #[must_use]
    pub fn table_requests(&self) -> (usize, usize) {
        let mut requests = (0, 0);
        for call in &self.calls {
            match call.operation.as_str() {
                "dynamodb:PutItem" | "dynamodb:UpdateItem" | "dynamodb:DeleteItem" => requests.0 += 1,
                "dynamodb:TransactWriteItems" => {
                    let body: Value = call
                        .request
                        .body
                        .as_str()
                        .and_then(|body| serde_json::from_str(body).ok())
                        .unwrap_or_default();
                    requests.0 += 2 * body["TransactItems"].as_array().map_or(1, Vec::len);
                }
                "dynamodb:GetItem" | "dynamodb:Query" => requests.1 += 1,
                "dynamodb:BatchGetItem" => requests.1 += keys_of(call),
                _ => {}
            }
        }
        requests
    }

    /// What Lambda bills for the invocations: whole milliseconds.
    #[must_use]
    pub fn billed(&self) -> u64 {
        self.invocations
            .iter()
            .map(|one| u64::try_from(one.ended - one.begun).unwrap_or(0).div_ceil(1_000))
            .sum()
    }
}

/// How many items a batch of reads asks for: each is a request ("Amazon DynamoDB pricing for on-demand capacity").
fn keys_of(call: &Recorded) -> usize {
    let body = call.request.body.as_str().and_then(|body| serde_json::from_str::<Value>(body).ok());
    let tables = body.as_ref().and_then(|body| body["RequestItems"].as_object());
    tables
        .into_iter()
        .flat_map(serde_json::Map::values)
        .map(|batch| batch["Keys"].as_array().map_or(0, Vec::len))
        .sum()
}

/// Of each function the invocation that made the most calls, of those whose calls are told apart from another invocation's
/// of the same function.
#[must_use]
pub fn cases(recording: &Recording, prefix: &str) -> Vec<Case> {
    let Recording { invocations, calls } = recording;
    let mut cases: BTreeMap<String, Case> = BTreeMap::new();
    for (number, one) in invocations.iter().enumerate() {
        let function = one.function.strip_prefix(prefix).unwrap_or(&one.function).to_owned();
        let is_alone = invocations.iter().enumerate().all(|(other, another)| {
            other == number
                || another.function != one.function
                || another.ended < one.begun
                || one.ended < another.begun
        });
        if !is_alone {
            continue;
        }
        let of_it = |call: &&Recorded| call.caller == function && (one.begun..=one.ended).contains(&call.at);
        let mut calls: Vec<_> = calls.iter().filter(of_it).cloned().collect();
        calls.sort_by_key(|call| call.at);
        let case = Case { function: function.clone(), event: one.event.clone(), calls };
        if cases.get(&function).is_none_or(|best| best.calls.len() < case.calls.len()) {
            cases.insert(function, case);
        }
    }
    cases.into_values().collect()
}

fn lines<T: DeserializeOwned>(file: &Path) -> anyhow::Result<Vec<T>> {
    let text = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    text.lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("{}: {line}", file.display())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(invocations: &[(&str, i64, i64)], calls: &[(&str, &str, i64)]) -> Vec<Case> {
        let folder = tempfile::tempdir().expect("a folder");
        let invocations: Vec<_> = invocations
            .iter()
            .map(|(function, begun, ended)| {
                format!(r#"{{"function":"slipway-{function}","event":{{"at":{begun}}},"begun":{begun},"ended":{ended}}}"#)
            })
            .collect();
        let calls: Vec<_> = calls
            .iter()
            .map(|(caller, operation, at)| {
                format!(
                    r#"{{"caller":"{caller}","operation":"{operation}","at":{at},"ended":{at},"request":{{"method":"POST","path":"/","headers":{{}},"body":""}},"answer":{{"status":200,"headers":{{}},"body":{{"hex":"a0"}}}}}}"#
                )
            })
            .collect();
        fs::write(folder.path().join("invocations.jsonl"), invocations.join("\n")).expect("it is written");
        fs::write(folder.path().join("calls.jsonl"), calls.join("\n")).expect("it is written");
        cases(&Recording::read(folder.path()).expect("a recording"), "slipway-")
    }

    fn call(operation: &str, at: i64, ended: i64, body: &str) -> Recorded {
        Recorded {
            caller: "deploy-services".to_owned(),
            operation: operation.to_owned(),
            at,
            ended,
            request: Request { path: "/".to_owned(), body: body.into() },
            answer: Answer { status: 200, headers: BTreeMap::new(), body: "".into() },
        }
    }

    #[test]
    fn what_opens_a_connection_is_no_call_of_an_invocation() {
        let bodies = [r#"{"Key":{"pk":{"S":"WARM-UP"}}}"#, r#"{"taskDefinition":"slipway-warm-up"}"#, "{}"];

        let opens = bodies.map(|body| call("dynamodb:GetItem", 0, 1, body).opens_a_connection());
        assert_eq!(opens, [true, true, false]);
    }

    fn invoked(function: &str, begun: i64, ended: i64) -> Invocation {
        Invocation { function: format!("slipway-{function}"), event: Value::Null, begun, ended }
    }

    #[test]
    fn calls_that_are_made_together_are_one_in_the_row() {
        let calls = [(0, 10), (1, 4), (11, 30), (12, 14), (31, 32)];
        let calls = calls.map(|(at, ended)| call("ecs:A", at, ended, "")).to_vec();
        let invocations = vec![invoked("deploy-services", 0, 40)];

        assert_eq!(Recording { invocations, calls }.in_a_row(), 3);
    }

    #[test]
    fn a_row_goes_from_a_step_to_the_next_by_the_end_of_its_task() {
        let by = |caller: &str, operation: &str, at: i64| Recorded {
            caller: caller.to_owned(),
            ..call(operation, at, at + 1, "")
        };
        let calls = vec![
            by("receive-push", "states:StartExecution", 1),
            // Nobody waits for these.
            by("receive-push", "sns:Publish", 4),
            by("receive-push", "sns:Publish", 12),
            by("acquire-lock", "dynamodb:UpdateItem", 10),
            by("resume-release", "dynamodb:Query", 15),
            by("acquire-lock", "states:SendTaskSuccess", 14),
            by("deploy-services", "ecs:UpdateService", 20),
        ];
        let invocations = vec![
            invoked("receive-push", 0, 14),
            invoked("acquire-lock", 9, 17),
            invoked("resume-release", 13, 18),
            invoked("deploy-services", 19, 22),
        ];

        assert_eq!(Recording { invocations, calls }.in_a_row(), 4);
    }

    #[test]
    fn a_transaction_is_two_requests_for_each_item_and_a_batch_one() {
        let calls = vec![
            call("dynamodb:TransactWriteItems", 0, 1, r#"{"TransactItems":[{},{},{}]}"#),
            call("dynamodb:UpdateItem", 2, 3, "{}"),
            call("dynamodb:Query", 2, 3, "{}"),
            call("dynamodb:BatchGetItem", 2, 3, r#"{"RequestItems":{"slipway":{"Keys":[{},{},{}]}}}"#),
            call("ecs:UpdateService", 2, 3, "{}"),
        ];

        assert_eq!(Recording { invocations: vec![], calls }.table_requests(), (7, 4));
    }

    #[test]
    fn each_function_has_the_invocation_with_the_most_calls() {
        let cases = recorded(
            &[("bake-stage", 1, 5), ("bake-stage", 10, 20), ("roll-back", 12, 18)],
            &[
                ("bake-stage", "ecs:A", 2),
                ("bake-stage", "ecs:B", 11),
                ("roll-back", "ecs:C", 13),
                ("bake-stage", "ecs:D", 14),
            ],
        );

        let seen: Vec<_> = cases
            .iter()
            .map(|case| {
                (
                    case.function.as_str(),
                    case.event["at"].as_i64(),
                    case.calls.iter().map(|call| call.operation.as_str()).collect::<Vec<_>>(),
                )
            })
            .collect();
        assert_eq!(
            seen,
            [("bake-stage", Some(10), vec!["ecs:B", "ecs:D"]), ("roll-back", Some(12), vec!["ecs:C"])]
        );
        assert_eq!(bytes(&cases[0].calls[0].answer.body).expect("bytes"), [0xa0]);
    }

    #[test]
    fn invocations_at_one_time_are_left_out() {
        let cases = recorded(
            &[("bake-stage", 1, 5), ("bake-stage", 4, 20), ("bake-stage", 30, 31)],
            &[("bake-stage", "ecs:A", 4), ("bake-stage", "ecs:B", 5)],
        );

        assert_eq!((cases.len(), cases[0].event["at"].as_i64(), cases[0].calls.len()), (1, Some(30), 0));
    }
}
