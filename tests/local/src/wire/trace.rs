//! What passed the wire.

use std::{collections::VecDeque, fmt};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Call, EventFault, Fault};
use crate::clock;

/// How many entries are kept: a release makes a few hundred.
const KEPT: usize = 50_000;

/// A call or an event, as it passed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Counted from 1 since the wire began to listen.
    pub number: u64,
    /// When it came.
    pub at: Timestamp,
    /// What it was.
    pub what: What,
}

/// What passed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// A call of a function.
    Call {
        /// Which.
        call: Call,
        /// What the endpoint, or the fault in its place, answered; none while it works, and none if it was never asked.
        status: Option<u16>,
        /// How it was broken.
        fault: Option<Fault>,
        /// The connection that it came by: its port at the function's end.
        #[serde(default)]
        connection: u16,
    },
    /// An event of AWS itself.
    Event {
        /// Its type, such as `ECR Image Action`.
        detail_type: String,
        /// What it is about.
        subject: String,
        /// How it was broken.
        fault: Option<EventFault>,
        /// The rules that it reached, once for each time.
        rules: Vec<String>,
    },
}

impl Entry {
    /// The call, when it is one.
    #[must_use]
    pub fn call(&self) -> Option<&Call> {
        match &self.what {
            What::Call { call, .. } => Some(call),
            What::Event { .. } => None,
        }
    }

    /// Whether something was broken.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        matches!(self.what, What::Call { fault: Some(_), .. } | What::Event { fault: Some(_), .. })
    }
}

/// One line for a person.
impl fmt::Display for Entry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:>6} {} {}", self.number, self.at.strftime("%H:%M:%S.%3f"), self.what)
    }
}

impl fmt::Display for What {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call { call, status, fault, .. } => {
                write!(formatter, "{call}")?;
                if let Some(status) = status {
                    write!(formatter, " {status}")?;
                }
                if let Some(fault) = fault {
                    write!(formatter, " [{fault}]")?;
                }
            }
            Self::Event { detail_type, subject, fault, rules } => {
                write!(
                    formatter,
                    "event {detail_type} {subject} → {}",
                    if rules.is_empty() { "nobody".to_owned() } else { rules.join(", ") }
                )?;
                if let Some(fault) = fault {
                    write!(formatter, " [{fault}]")?;
                }
            }
        }
        Ok(())
    }
}

/// The last entries.
#[derive(Debug, Default)]
pub(super) struct Trace {
    written: u64,
    entries: VecDeque<Entry>,
}

impl Trace {
    /// Writes an entry, and returns its number.
    pub(super) fn write(&mut self, what: What) -> u64 {
        self.written += 1;
        self.entries.push_back(Entry { number: self.written, at: clock::now(), what });
        if self.entries.len() > KEPT {
            self.entries.pop_front();
        }
        self.written
    }

    /// Adds what a call was answered.
    pub(super) fn answer(&mut self, number: u64, answered: u16) {
        if let Some(What::Call { status, .. }) = self.entry(number) {
            *status = Some(answered);
        }
    }

    /// Adds the rules that an event reached.
    pub(super) fn deliver(&mut self, number: u64, more: Vec<String>) {
        if let Some(What::Event { rules, .. }) = self.entry(number) {
            rules.extend(more);
        }
    }

    /// The number of the last entry; 0 when there is none.
    pub(super) fn last(&self) -> u64 {
        self.written
    }

    /// The entries after the one of this number.
    pub(super) fn after(&self, number: u64) -> Vec<Entry> {
        self.entries.iter().filter(|entry| entry.number > number).cloned().collect()
    }

    fn entry(&mut self, number: u64) -> Option<&mut What> {
        let first = self.entries.front()?.number;
        let place = usize::try_from(number.checked_sub(first)?).ok()?;
        self.entries.get_mut(place).map(|entry| &mut entry.what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> What {
        What::Event {
            detail_type: "ECR Image Action".to_owned(),
            subject: "web:v1".to_owned(),
            fault: None,
            rules: Vec::new(),
        }
    }

    #[test]
    fn old_entries_make_room_and_keep_their_numbers() {
        let mut trace = Trace::default();
        for _ in 0..=KEPT {
            trace.write(event());
        }

        trace.deliver(KEPT as u64, vec!["push".to_owned()]);
        trace.deliver(1, vec!["gone".to_owned()]);

        let last = trace.after(KEPT as u64 - 1);
        assert_eq!(trace.entries.len(), KEPT);
        assert_eq!(last.iter().map(|entry| entry.number).collect::<Vec<_>>(), [KEPT as u64, KEPT as u64 + 1]);
        assert_eq!(last[0].what.to_string(), "event ECR Image Action web:v1 → push");
    }
}
