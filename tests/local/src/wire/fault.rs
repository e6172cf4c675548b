//! What can be broken, and when.

use serde::{Deserialize, Serialize};

use super::Call;

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// It has no effect and is answered with 500 `InternalFailure`.
    RefuseBefore,
    /// It has its effect, and the connection is closed without an answer.
    LoseAnswer,
    /// It has no effect and is answered with 400 `ThrottlingException`, in the service's own word for it.
    Throttle,
    /// It has its effect, and the answer is held longer than the functions wait for a call with all its tries.
    Delay,
    /// The connection is closed without an answer, and it has its effect some seconds after that.
    Late,
    /// It has no effect, and the function's process is killed.
    KillBefore,
    /// It has its effect, and the function's process is killed before the answer.
    KillAfter,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::RefuseBefore,
        Self::LoseAnswer,
        Self::Throttle,
        Self::Delay,
        Self::Late,
        Self::KillBefore,
        Self::KillAfter,
    ];

    /// Whether the call has its effect.
    #[must_use]
    pub fn has_effect(self) -> bool {
        matches!(self, Self::LoseAnswer | Self::Delay | Self::Late | Self::KillAfter)
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::RefuseBefore => "refuse-before",
            Self::LoseAnswer => "lose-answer",
            Self::Throttle => "throttle",
            Self::Delay => "delay",
            Self::Late => "late",
            Self::KillBefore => "kill-before",
            Self::KillAfter => "kill-after",
        })
    }
}

/// What becomes of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventFault {
    /// No rule gets it.
    Drop,
    /// Every rule gets it twice, one after the other, with the same id.
    Double,
    /// It is delivered some seconds later.
    Delay,
    /// It is delivered after the next event of its type; after some seconds, when there is none.
    Reorder,
}

impl EventFault {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Drop, Self::Double, Self::Delay, Self::Reorder];
}

impl std::fmt::Display for EventFault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Drop => "drop",
            Self::Double => "double",
            Self::Delay => "delay",
            Self::Reorder => "reorder",
        })
    }
}

/// Everything that is to be broken; counting begins when the plan is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plan {
    /// Among the calls of functions.
    pub calls: Vec<CallRule>,
    /// Among the events that AWS sends by itself.
    pub events: Vec<EventRule>,
}

/// Which calls are broken.
///
/// Every try counts: the SDK tries a call three times, so `times: 1` is what its retry gets over, and with `times: 3`
/// the function sees the failure. Tries of one call follow each other, unless another call matches the rule meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallRule {
    /// Of this function only, such as `deploy-services`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// Of this operation, as IAM names it; `*` for all.
    pub operation: String,
    /// Of calls whose subject holds this text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The first of the matching calls that is broken, counted from 1.
    pub nth: u32,
    /// How many matching calls are broken, one after the other.
    #[serde(default = "once")]
    pub times: u32,
    /// How.
    pub fault: Fault,
}

impl CallRule {
    /// A rule that breaks the first matching call of any function, once.
    #[must_use]
    pub fn new(operation: &str, fault: Fault) -> Self {
        Self { caller: None, operation: operation.to_owned(), subject: None, nth: 1, times: 1, fault }
    }

    /// The same for calls of one function.
    #[must_use]
    pub fn of(self, caller: &str) -> Self {
        Self { caller: Some(caller.to_owned()), ..self }
    }

    /// The same for calls whose subject holds a text.
    #[must_use]
    pub fn about(self, subject: &str) -> Self {
        Self { subject: Some(subject.to_owned()), ..self }
    }

    /// The same from the n-th matching call on, counted from 1.
    #[must_use]
    pub fn from(self, nth: u32) -> Self {
        Self { nth, ..self }
    }

    /// The same for so many matching calls.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }

    pub(super) fn concerns(&self, call: &Call) -> bool {
        is_or_any(&self.operation, &call.operation)
            && self.caller.as_ref().is_none_or(|caller| *caller == call.caller)
            && self.subject.as_ref().is_none_or(|subject| call.subject.contains(subject))
    }
}

/// Which events are broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventRule {
    /// Of this detail type; `*` for all.
    pub detail_type: String,
    /// Whose subject holds this text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The first of the matching events that is broken, counted from 1.
    pub nth: u32,
    /// How many matching events are broken, one after the other.
    #[serde(default = "once")]
    pub times: u32,
    /// How.
    pub fault: EventFault,
}

impl EventRule {
    /// A rule that breaks the first event of a type, once.
    #[must_use]
    pub fn new(detail_type: &str, fault: EventFault) -> Self {
        Self { detail_type: detail_type.to_owned(), subject: None, nth: 1, times: 1, fault }
    }

    /// The same for events whose subject holds a text.
    #[must_use]
    pub fn about(self, subject: &str) -> Self {
        Self { subject: Some(subject.to_owned()), ..self }
    }

    /// The same from the n-th matching event on, counted from 1.
    #[must_use]
    pub fn from(self, nth: u32) -> Self {
        Self { nth, ..self }
    }

    /// The same for so many matching events.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }

    pub(super) fn concerns(&self, detail_type: &str, subject: &str) -> bool {
        is_or_any(&self.detail_type, detail_type)
            && self.subject.as_ref().is_none_or(|wanted| subject.contains(wanted))
    }
}

fn is_or_any(wanted: &str, found: &str) -> bool {
    wanted == "*" || wanted == found
}

fn once() -> u32 {
    1
}
