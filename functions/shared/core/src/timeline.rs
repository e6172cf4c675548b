//! The timeline of a release: what happened to it, as its page and its history show it.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::name::StageName;
use crate::release::Release;

/// One thing that happened to a release. It is written once: what happens twice keeps its first time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineEvent {
    /// When.
    pub at: Timestamp,
    /// In which stage; none for what is about the whole release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<StageName>,
    /// What.
    pub step: Step,
    /// The same in words, with figures.
    pub words: String,
}

/// What can happen to a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Step {
    /// Its push was received, or it was asked for.
    Began,
    /// It got its application's lock.
    AcquiredLock,
    /// What a stage ran was recorded, and nothing kept it from changing.
    Captured,
    /// The image's scan was judged.
    Checked,
    /// People were asked.
    Asked,
    /// They decided, or need not any more.
    Decided,
    /// A snapshot of the stage's database was there, or could not be had.
    Snapshotted,
    /// The migration had run, or had failed.
    Migrated,
    /// A stage began to change.
    Deploying,
    /// ECS had deployed it, or had not.
    Deployed,
    /// A service was seen through its load balancer.
    Verified,
    /// The stage had baked, or an alarm fired.
    Baked,
    /// The baseline was being restored.
    RollingBack,
    /// ECS had restored it, or had not.
    Restored,
    /// The release had its outcome.
    Ended,
}

impl Step {
    /// The step in the word that the table keeps.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Began => "BEGAN",
            Self::AcquiredLock => "ACQUIRED_LOCK",
            Self::Captured => "CAPTURED",
            Self::Checked => "CHECKED",
            Self::Asked => "ASKED",
            Self::Decided => "DECIDED",
            Self::Snapshotted => "SNAPSHOTTED",
            Self::Migrated => "MIGRATED",
            Self::Deploying => "DEPLOYING",
            Self::Deployed => "DEPLOYED",
            Self::Verified => "VERIFIED",
            Self::Baked => "BAKED",
            Self::RollingBack => "ROLLING_BACK",
            Self::Restored => "RESTORED",
            Self::Ended => "ENDED",
        }
    }
}

/// What a link to a release's page stands for. It is found by the hash of its token, and lets one read only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// The release.
    pub release: Release,
}

/// A release's events in the order in which they happened.
#[must_use]
pub fn in_order(mut events: Vec<TimelineEvent>) -> Vec<TimelineEvent> {
    events.sort_by_key(|event| event.at);
    events
}

/// How long people were waited for, in every stage together. Who was not answered until the end was waited for until
/// then.
#[must_use]
pub fn waited_for_people(events: &[TimelineEvent], ended_at: Timestamp) -> Option<SignedDuration> {
    let asked = events.iter().filter(|event| event.step == Step::Asked);
    let waits: Vec<_> = asked
        .map(|asked| {
            let decided =
                events.iter().find(|event| event.step == Step::Decided && event.stage == asked.stage);
            decided.map_or(ended_at, |decided| decided.at).duration_since(asked.at)
        })
        .collect();
    (!waits.is_empty()).then(|| waits.into_iter().sum())
}

/// How long a stage ran something that had to be rolled back, from the first change to the end.
#[must_use]
pub fn restored_after(
    events: &[TimelineEvent],
    stage: Option<&StageName>,
    ended_at: Timestamp,
) -> Option<SignedDuration> {
    let changed =
        events.iter().find(|event| event.step == Step::Deploying && event.stage.as_ref() == stage)?;
    Some(ended_at.duration_since(changed.at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(second: i64, stage: Option<&str>, step: Step) -> TimelineEvent {
        let stage = stage.map(|stage| StageName::new(stage).expect("a name"));
        TimelineEvent {
            at: Timestamp::from_second(second).expect("in range"),
            stage,
            step,
            words: String::new(),
        }
    }

    #[test]
    fn the_figures_come_from_the_timeline() {
        let events = in_order(vec![
            event(40, Some("production"), Step::Deploying),
            event(0, None, Step::Began),
            event(5, Some("staging"), Step::Deploying),
            event(10, Some("production"), Step::Asked),
            event(30, Some("production"), Step::Decided),
        ]);
        let end = Timestamp::from_second(100).expect("in range");
        let production = StageName::new("production").expect("a name");

        assert_eq!(events.iter().map(|event| event.at.as_second()).collect::<Vec<_>>(), [0, 5, 10, 30, 40]);
        assert_eq!(waited_for_people(&events, end), Some(SignedDuration::from_secs(20)));
        assert_eq!(waited_for_people(&events[..3], end), Some(SignedDuration::from_secs(90)));
        assert_eq!(waited_for_people(&events[..2], end), None);
        assert_eq!(restored_after(&events, Some(&production), end), Some(SignedDuration::from_secs(60)));
        assert_eq!(restored_after(&events[..4], Some(&production), end), None);
    }
}
