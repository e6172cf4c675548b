//! What is done in a run, and what is broken in it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use slipway_local::cloud::{APPLICATION, SHOP};
use slipway_local::image::Behaviour;
use slipway_local::wire::{CallRule, EventRule, Plan};

use crate::people::Reply;

/// The application whose releases are played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Subject {
    /// Two stages with a service each; the second one asks people.
    #[default]
    Web,
    /// One stage with two services and every gate.
    Shop,
}

impl Subject {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Web, Self::Shop];

    /// The application's name, which is its repository's too.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Web => APPLICATION,
            Self::Shop => SHOP,
        }
    }
}

/// A run: pushes, what people answer, and what is broken meanwhile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// The application.
    pub subject: Subject,
    /// What is pushed, in order.
    pub pushes: Vec<Pushing>,
    /// What is broken.
    pub plan: Plan,
    /// The functions that run twice each time.
    pub twice: Vec<String>,
    /// Whether what is broken stays so until the execution has ended.
    pub lasts: bool,
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
    /// A good image through every gate, approved, to two services.
    Gates,
    /// An image that answers 500, through every gate: its migration has run, and both services are rolled back.
    BadGates,
}

impl Story {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Good, Self::Bad, Self::Lost, Self::Aborted, Self::Alarm, Self::Gates, Self::BadGates];

    /// The application that it is about.
    #[must_use]
    pub fn subject(self) -> Subject {
        match self {
            Self::Good | Self::Bad | Self::Lost | Self::Aborted | Self::Alarm => Subject::Web,
            Self::Gates | Self::BadGates => Subject::Shop,
        }
    }

    /// The story with nothing broken but what makes it.
    #[must_use]
    pub fn schedule(self) -> Schedule {
        use slipway_local::wire::EventFault;

        let behaviour = match self {
            Self::Good | Self::Lost | Self::Alarm | Self::Gates => Behaviour::Good,
            Self::Bad | Self::BadGates => Behaviour::Answer500,
            Self::Aborted => Behaviour::Hang,
        };
        let meanwhile = match self {
            Self::Aborted => Some(Meanwhile::Abort),
            Self::Alarm => Some(Meanwhile::Alarm),
            Self::Good | Self::Bad | Self::Lost | Self::Gates | Self::BadGates => None,
        };
        let lost = EventRule::new("ECR Image Action", EventFault::Drop);
        Schedule {
            subject: self.subject(),
            pushes: vec![Pushing { after: Duration::ZERO, behaviour, reply: Reply::Approve, meanwhile }],
            plan: Plan { calls: vec![], events: (self == Self::Lost).then_some(lost).into_iter().collect() },
            ..Schedule::default()
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
            Self::Gates => "gates",
            Self::BadGates => "bad-gates",
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

    /// The same, broken until the execution has ended.
    #[must_use]
    pub fn lasting(self) -> Self {
        Self { lasts: true, ..self }
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
