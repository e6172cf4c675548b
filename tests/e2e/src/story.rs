//! A release as plain text: the workflow's states in order, what each changed or sent, and the end. The same story is
//! the same text in every run.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use slipway_local::Cloud;
use slipway_local::releases::{self, Step};
use slipway_local::wire::{Call, Entry, What};

use crate::gather::Reader;
use crate::names;
use crate::record::{Revision, tail};
use crate::schedule::Subject;

/// The calls that change or send something.
const EFFECTS: [&str; 4] = ["states:StartExecution", REGISTER, "ecs:UpdateService", "sns:Publish"];

const REGISTER: &str = "ecs:RegisterTaskDefinition";
/// The states in which a release changes services.
const CHANGING: [&str; 2] = ["DeployServices", "RollBack"];

/// A release of a story.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its id.
    pub id: String,
    /// Its image's tag.
    pub tag: String,
}

/// A state of a release, and what was done in it.
struct Visit {
    stage: Option<String>,
    step: Step,
    done: Vec<String>,
}

/// Writes down what these releases did since the trace's entry of this number.
///
/// How often a release asked for the lock is left out: that is a matter of milliseconds.
///
/// # Errors
///
/// When the cloud does not answer.
pub async fn write(cloud: &Cloud, entry: u64, parts: &[Part]) -> anyhow::Result<String> {
    let trace = cloud.wire().trace(entry).await?;
    let reader = Reader::of(cloud, Subject::Web);
    let named = trace.iter().filter_map(Entry::call).filter(|call| call.operation == "ecs:UpdateService");
    let named = named
        .filter_map(|call| call.subject.split_once(' '))
        .map(|(_, revision)| revision.to_owned())
        .collect();
    let revisions = reader.revisions(named).await?;
    let words = Words { parts, revisions: &revisions };

    let mut text = String::new();
    for (position, part) in parts.iter().enumerate() {
        let Some(execution) = reader.execution(&part.id).await? else { continue };
        let mut visits = visits(releases::steps(cloud.sdk(), &execution.arn).await?);
        let mut begun_by = Vec::new();
        for (at, call) in trace.iter().filter_map(|entry| Some((entry.at.as_millisecond(), entry.call()?))) {
            if !EFFECTS.contains(&call.operation.as_str()) || !words.concerns(call, part) {
                continue;
            }
            let line = words.line(call);
            // It begins the release, and notifies people while the first state runs already.
            if call.caller == "receive-push" {
                begun_by.push(line);
                continue;
            }
            match visits.iter_mut().rev().find(|visit| visit.step.at <= at) {
                // Two releases may run: the one that registers is the one that is in such a state.
                Some(visit)
                    if call.operation != REGISTER || CHANGING.contains(&visit.step.state.as_str()) =>
                {
                    visit.done.push(line);
                }
                None if call.operation != REGISTER => begun_by.push(line),
                _ => {}
            }
        }
        // From the last time on that it asked for the lock.
        let first = visits.iter().rposition(|visit| visit.step.state == "AcquireLock").unwrap_or_default();

        let _ = writeln!(text, "{}release-{}", if position == 0 { "" } else { "\n" }, position + 1);
        for line in begun_by {
            let _ = writeln!(text, "  {line}");
        }
        let mut stage = None;
        for visit in &visits[first..] {
            if visit.stage != stage {
                stage.clone_from(&visit.stage);
                let _ = writeln!(text, "  {}", stage.as_deref().unwrap_or("after the stages"));
            }
            let result =
                visit.step.result.as_deref().map(|result| format!(" → {result}")).unwrap_or_default();
            let _ = writeln!(text, "  {}{result}", visit.step.state);
            for line in &visit.done {
                let _ = writeln!(text, "      {line}");
            }
        }
        let stage = execution.stage().map(|stage| format!(" at {stage}")).unwrap_or_default();
        let _ = writeln!(text, "  ended {}{stage}", execution.outcome().unwrap_or("without an outcome"));
    }
    text.push_str(&events(&trace));
    Ok(text)
}

/// What AWS sent by itself and a rule took, in order for each subject.
fn events(trace: &[Entry]) -> String {
    let mut events: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in trace {
        let What::Event { detail_type, subject, rules, .. } = &entry.what else { continue };
        if !rules.is_empty() {
            let (of, name) = subject.rsplit_once(' ').unwrap_or((subject, ""));
            let of = of.split(['@', ':']).next().unwrap_or_default();
            let what = if name.is_empty() { detail_type } else { name };
            events.entry(of.to_owned()).or_default().push(what.to_owned());
        }
    }
    let lines = events.into_iter().map(|(of, events)| format!("  {of}: {}\n", events.join(", ")));
    format!("\nevents that a rule took\n{}", lines.collect::<Vec<_>>().concat())
}

/// The states, in the order in which they were entered, with their results and the stage that they belong to.
fn visits(steps: Vec<Step>) -> Vec<Visit> {
    let mut visits: Vec<Visit> = Vec::new();
    let (mut stage, mut is_over) = (None, false);
    for step in steps {
        if step.entered {
            is_over |= step.state == "FinishRelease";
            if is_over {
                stage = None;
            } else if step.stage.is_some() {
                stage.clone_from(&step.stage);
            }
            visits.push(Visit { stage: stage.clone(), step, done: Vec::new() });
        } else if let Some(visit) = visits.iter_mut().rev().find(|visit| visit.step.state == step.state) {
            visit.step.result = step.result;
        }
    }
    visits
}

/// Names for what is different in every run.
struct Words<'a> {
    parts: &'a [Part],
    revisions: &'a BTreeMap<String, Revision>,
}

impl Words<'_> {
    /// Whether a release made a call, or it was made for the release.
    fn concerns(&self, call: &Call, part: &Part) -> bool {
        match call.operation.as_str() {
            "states:StartExecution" => call.subject == part.id,
            "sns:Publish" => call.subject.split_whitespace().any(|word| word == part.tag),
            // In a story one release changes services at a time; the revision that is restored says whose rollback it
            // is.
            "ecs:UpdateService" => {
                let revision = call.subject.split_once(' ').map(|(_, revision)| revision).unwrap_or_default();
                self.release_of(revision).is_none_or(|release| release == part.id)
            }
            _ => true,
        }
    }

    fn release_of(&self, revision: &str) -> Option<&str> {
        let release = self.revisions.get(revision)?.release.as_deref()?;
        self.parts.iter().map(|part| part.id.as_str()).find(|id| *id == release)
    }

    fn line(&self, call: &Call) -> String {
        let Call { caller, operation, subject, .. } = call;
        let about = match operation.as_str() {
            "ecs:UpdateService" => {
                let (service, revision) = subject.split_once(' ').unwrap_or((subject, ""));
                let whose = self.release_of(revision).map_or_else(
                    || "what it ran before".to_owned(),
                    |id| format!("the revision of {}", self.name(id)),
                );
                format!("{service} to {whose}")
            }
            "states:StartExecution" => self.name(subject),
            "sns:Publish" => subject.split(' ').map(|word| self.name(word)).collect::<Vec<_>>().join(" "),
            _ => names::shape(tail(subject)),
        };
        format!("{caller} {operation} {about}")
    }

    /// A word, or the name that it has in the story.
    fn name(&self, word: &str) -> String {
        for (position, part) in self.parts.iter().enumerate() {
            if word == part.id {
                return format!("release-{}", position + 1);
            }
            if word == part.tag {
                return format!("image-{}", position + 1);
            }
        }
        word.to_owned()
    }
}
