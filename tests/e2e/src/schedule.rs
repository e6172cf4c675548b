//! What is done in a run, and what is broken in it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use slipway_local::image::Behaviour;
use slipway_local::wire::{CallRule, EventRule, Plan};

use crate::people::Reply;

/// A run: pushes, what people answer, and what is broken meanwhile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// What is pushed, in order.
    pub pushes: Vec<Pushing>,
    /// What is broken.
    pub plan: Plan,
    /// The functions that run twice each time.
    pub twice: Vec<String>,
}

/// A push within a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pushing {
    /// How long after the push before it.
    pub after: Duration,
    /// What the image does.
    pub behaviour: Behaviour,
    /// What people say to it.
    pub reply: Reply,
    /// What happens while its release runs.
    pub meanwhile: Option<Meanwhile>,
}

/// What happens while a release runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meanwhile {
    /// A person aborts it while the first stage changes.
    Abort,
    /// An alarm fires while the first stage bakes.
    Alarm,
}

/// The stories whose calls the matrix breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Story {
    /// A good image, approved.
    Good,
    /// An image that answers 500: rolled back in the first stage.
    Bad,
    /// A good image whose event is lost: the reconciler begins its release.
    Lost,
    /// An image that hangs; a person aborts its release while the first stage changes.
    Aborted,
    /// A good image; an alarm fires while the first stage bakes.
    Alarm,
}

impl Story {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Good, Self::Bad, Self::Lost, Self::Aborted, Self::Alarm];

    /// The story with nothing broken but what makes it.
    #[must_use]
    pub fn schedule(self) -> Schedule {
        use slipway_local::wire::EventFault;

        let behaviour = match self {
            Self::Good | Self::Lost | Self::Alarm => Behaviour::Good,
            Self::Bad => Behaviour::Answer500,
            Self::Aborted => Behaviour::Hang,
        };
        let meanwhile = match self {
            Self::Aborted => Some(Meanwhile::Abort),
            Self::Alarm => Some(Meanwhile::Alarm),
            Self::Good | Self::Bad | Self::Lost => None,
        };
        let lost = EventRule::new("ECR Image Action", EventFault::Drop);
        Schedule {
            pushes: vec![Pushing { after: Duration::ZERO, behaviour, reply: Reply::Approve, meanwhile }],
            plan: Plan { calls: vec![], events: (self == Self::Lost).then_some(lost).into_iter().collect() },
            twice: vec![],
        }
    }
}

impl fmt::Display for Story {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Lost => "lost",
            Self::Aborted => "aborted",
            Self::Alarm => "alarm",
        })
    }
}

impl Schedule {
    /// Whether the first stage bakes under an alarm.
    #[must_use]
    pub fn bakes(&self) -> bool {
        self.pushes.iter().any(|pushing| pushing.meanwhile == Some(Meanwhile::Alarm))
    }

    /// The same with one more call broken.
    #[must_use]
    pub fn breaking(mut self, rule: CallRule) -> Self {
        self.plan.calls.push(rule);
        self
    }

    /// The same with functions that run twice.
    #[must_use]
    pub fn twice(self, functions: &[&str]) -> Self {
        Self { twice: functions.iter().map(|&name| name.to_owned()).collect(), ..self }
    }
}

/// In words, a line for each thing.
impl fmt::Display for Schedule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Pushing { after, behaviour, reply, meanwhile } in &self.pushes {
            let meanwhile = meanwhile.map(|meanwhile| format!(", {meanwhile:?}")).unwrap_or_default();
            writeln!(formatter, "after {} ms: push {behaviour}, {reply:?}{meanwhile}", after.as_millis())?;
        }
        for CallRule { caller, operation, subject, nth, times, fault } in &self.plan.calls {
            let (caller, subject) =
                (caller.as_deref().unwrap_or("any function"), subject.as_deref().unwrap_or_default());
            writeln!(formatter, "{fault}: {caller} {operation} `{subject}`, number {nth}, {times} times")?;
        }
        for EventRule { detail_type, subject, nth, times, fault } in &self.plan.events {
            writeln!(
                formatter,
                "{fault}: {detail_type} `{}`, number {nth}, {times} times",
                subject.as_deref().unwrap_or_default()
            )?;
        }
        if !self.twice.is_empty() {
            writeln!(formatter, "twice: {}", self.twice.join(" "))?;
        }
        Ok(())
    }
}
