//! The timeline of a release: what happened to it, as its page and its history show it.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::name::StageName;
use crate::release::{Outcome, Release};

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
    /// The stages that the release goes through, in order. Its beginning has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageName>,
    /// What the stage runs, in a word. What was captured of it has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs: Option<String>,
    /// What the release came to. Its end has it, and the stage that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Whether the step failed: what the stage ran before is restored then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
}

impl TimelineEvent {
    /// What happened, in words.
    #[must_use]
    pub fn new(at: Timestamp, stage: Option<StageName>, step: Step, words: impl Into<String>) -> Self {
        Self {
            at,
            stage,
            step,
            words: words.into(),
            stages: Vec::new(),
            runs: None,
            outcome: None,
            failed: false,
        }
    }
}

/// What can happen to a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Step {
    /// Its push was received, or it was asked for.
    Began,
    /// It got its application's lock.
    AcquiredLock,
    /// The stage is frozen, and the release waits.
    Frozen,
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
            Self::Frozen => "FROZEN",
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

/// How far a release is in one of its stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StageState {
    /// It comes later.
    Later,
    /// It is frozen.
    Frozen,
    /// It is looked at, and its gates are asked.
    Checked,
    /// People are asked.
    Asked,
    /// ECS deploys.
    Deploying,
    /// ECS has deployed, and the services are verified.
    Verifying,
    /// Its services serve the release, and an alarm may still undo it.
    Verified,
    /// It is done.
    Done,
    /// It has failed, and what it ran before is restored and verified.
    RollingBack,
    /// The release ended in it.
    Ended(Outcome),
    /// The release ended before it.
    NotReached,
}

impl StageState {
    /// The state in a word, for programs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Later => "LATER",
            Self::Frozen => "FROZEN",
            Self::Checked => "CHECKED",
            Self::Asked => "ASKED",
            Self::Deploying => "DEPLOYING",
            Self::Verifying => "VERIFYING",
            Self::Verified => "VERIFIED",
            Self::Done => "RELEASED",
            Self::RollingBack => "ROLLING_BACK",
            Self::Ended(outcome) => outcome.as_str(),
            Self::NotReached => "NOT_REACHED",
        }
    }

    /// The state in words.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Later => "Later",
            Self::Frozen => "Waits for the end of a freeze",
            Self::Checked => "Is checked",
            Self::Asked => "Waits for approval",
            Self::Deploying => "Is deployed",
            Self::Verifying => "Is verified",
            Self::Verified => "Serves",
            Self::Done | Self::Ended(Outcome::Released) => "Released",
            Self::RollingBack => "Is rolled back",
            Self::Ended(Outcome::RolledBack) => "Rolled back",
            Self::Ended(Outcome::Rejected) => "Rejected",
            Self::Ended(Outcome::Expired) => "Expired",
            Self::Ended(Outcome::Superseded) => "Superseded",
            Self::Ended(Outcome::Failed) => "Failed, not changed",
            Self::Ended(Outcome::Stuck) => "Stuck: a person is needed",
            Self::NotReached => "Not reached",
        }
    }

    /// Whether something happens in it now.
    #[must_use]
    pub const fn is_active(self) -> bool {
        matches!(
            self,
            Self::Frozen
                | Self::Checked
                | Self::Asked
                | Self::Deploying
                | Self::Verifying
                | Self::Verified
                | Self::RollingBack
        )
    }
}

/// What a stage of a release shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageProgress {
    /// The stage.
    pub stage: StageName,
    /// How far the release is in it.
    pub state: StageState,
    /// What it ran when it was looked at, in a word.
    pub ran: Option<String>,
    /// How long the release has been in it, or was.
    pub took: Option<SignedDuration>,
}

/// The stages of a release, in order, from what happened until now. None where its beginning does not name them.
#[must_use]
pub fn progress(events: &[TimelineEvent], now: Timestamp) -> Vec<StageProgress> {
    let Some(began) = events.iter().find(|event| event.step == Step::Began) else { return Vec::new() };
    let end = events.iter().find(|event| event.step == Step::Ended);
    let of = |stage: &StageName| {
        let its = |event: &&TimelineEvent| event.stage.as_ref() == Some(stage) && event.step != Step::Ended;
        events.iter().filter(its).collect::<Vec<_>>()
    };
    let last = began.stages.iter().rposition(|stage| !of(stage).is_empty());
    let stages = began.stages.iter().enumerate().map(|(position, stage)| {
        let own = of(stage);
        let state = state(position, last, &own, end, stage);
        let from = own.first().map(|event| event.at);
        let until = match end {
            _ if !state.is_active() && !matches!(state, StageState::Ended(_)) => {
                own.last().map(|event| event.at)
            }
            Some(end) => Some(end.at),
            None => Some(now),
        };
        StageProgress {
            stage: stage.clone(),
            state,
            ran: own.iter().rev().find_map(|event| event.runs.clone()),
            took: from.zip(until).map(|(from, until)| until.duration_since(from)),
        }
    });
    stages.collect()
}

fn state(
    position: usize,
    last: Option<usize>,
    own: &[&TimelineEvent],
    end: Option<&TimelineEvent>,
    stage: &StageName,
) -> StageState {
    let is_before_the_last = last.is_some_and(|last| position < last);
    if let Some(end) = end {
        let outcome = end.outcome.unwrap_or(Outcome::Released);
        // One that ended without a stage to blame ended where it was.
        let is_blamed = match &end.stage {
            Some(blamed) => blamed == stage,
            None => last == Some(position),
        };
        return match outcome {
            Outcome::Released => StageState::Done,
            outcome if is_blamed => StageState::Ended(outcome),
            _ if is_before_the_last || last == Some(position) => StageState::Done,
            _ => StageState::NotReached,
        };
    }
    if is_before_the_last {
        return StageState::Done;
    }
    // From a failure on all that happens is the rollback, which verifies the stage once more.
    let is_restored = own.iter().any(|event| matches!(event.step, Step::RollingBack | Step::Restored));
    match own.last().map(|event| event.step) {
        _ if is_restored || own.last().is_some_and(|event| event.failed) => StageState::RollingBack,
        None | Some(Step::Began | Step::AcquiredLock | Step::Ended) => StageState::Later,
        Some(Step::Frozen) => StageState::Frozen,
        Some(Step::Captured | Step::Checked | Step::Decided | Step::Snapshotted | Step::Migrated) => {
            StageState::Checked
        }
        Some(Step::Asked) => StageState::Asked,
        Some(Step::Deploying) => StageState::Deploying,
        Some(Step::Deployed) => StageState::Verifying,
        Some(Step::Verified) => StageState::Verified,
        Some(Step::Baked) => StageState::Done,
        Some(Step::RollingBack | Step::Restored) => StageState::RollingBack,
    }
}

/// A length of time in words, in its two largest units.
#[must_use]
pub fn in_words(time: SignedDuration) -> String {
    let seconds = time.as_secs().max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let day = if days == 1 { "day" } else { "days" };
    let units = [(days, day), (hours, "h"), (minutes, "min"), (seconds % 60, "s")];
    let first = units.iter().position(|(count, _)| *count > 0).unwrap_or(units.len() - 1);
    let shown = units[first..].iter().take(2).filter(|(count, _)| *count > 0 || seconds == 0);
    shown.map(|(count, unit)| format!("{count} {unit}")).collect::<Vec<_>>().join(" ")
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
        TimelineEvent::new(Timestamp::from_second(second).expect("in range"), stage, step, "")
    }

    fn stages() -> Vec<StageName> {
        ["dev", "staging", "production"].map(|name| StageName::new(name).expect("a name")).into()
    }

    /// The states of the stages of a release that began at 0 and has reached production, with more events, at 200.
    fn states(more: Vec<TimelineEvent>) -> Vec<(StageState, Option<i64>)> {
        let mut events = vec![
            TimelineEvent { stages: stages(), ..event(0, None, Step::Began) },
            event(10, Some("dev"), Step::Captured),
            event(30, Some("dev"), Step::Verified),
            event(31, Some("staging"), Step::Captured),
            event(50, Some("staging"), Step::Baked),
            TimelineEvent { runs: Some("v1".into()), ..event(60, Some("production"), Step::Captured) },
        ];
        events.extend(more);
        let now = Timestamp::from_second(200).expect("in range");
        let progress = progress(&in_order(events), now);
        assert_eq!(progress[2].ran.as_deref(), Some("v1"));
        progress.iter().map(|one| (one.state, one.took.map(|took| took.as_secs()))).collect()
    }

    #[test]
    fn a_stage_shows_how_far_the_release_is_in_it_and_for_how_long() {
        for (step, state) in [
            (Step::Checked, StageState::Checked),
            (Step::Asked, StageState::Asked),
            (Step::Decided, StageState::Checked),
            (Step::Deploying, StageState::Deploying),
            (Step::Deployed, StageState::Verifying),
            (Step::Verified, StageState::Verified),
            (Step::RollingBack, StageState::RollingBack),
        ] {
            let states = states(vec![event(100, Some("production"), step)]);
            assert_eq!(states[..2], [(StageState::Done, Some(20)), (StageState::Done, Some(19))]);
            assert_eq!(states[2], (state, Some(140)), "{step:?}");
        }
        let baked = states(vec![event(100, Some("production"), Step::Baked)]);
        assert_eq!(baked[2], (StageState::Done, Some(40)));
    }

    #[test]
    fn a_stage_that_has_failed_is_rolled_back_until_the_release_ends() {
        let production = |second, step| event(second, Some("production"), step);
        let failed = |second, step| TimelineEvent { failed: true, ..production(second, step) };
        let rolled_back = [
            production(110, Step::RollingBack),
            production(120, Step::Restored),
            production(130, Step::Verified),
        ];

        for step in [Step::Migrated, Step::Deployed, Step::Verified, Step::Baked] {
            for happened in 0..=rolled_back.len() {
                let mut events = vec![production(90, Step::Deploying), failed(100, step)];
                events.extend(rolled_back[..happened].iter().cloned());
                let of_production = states(events)[2];
                assert_eq!(of_production, (StageState::RollingBack, Some(140)), "{step:?}, {happened}");
            }
        }
        // A function that was killed over its verdict is tried again, and finds all well.
        let again = vec![failed(100, Step::Verified), production(101, Step::Verified)];
        assert_eq!(states(again)[2].0, StageState::Verified);
    }

    #[test]
    fn a_release_that_has_ended_shows_where() {
        use StageState::{Done, Ended, NotReached};

        let ended = |stage: Option<&str>, outcome| {
            let end = TimelineEvent { outcome: Some(outcome), ..event(150, stage, Step::Ended) };
            states(vec![end]).into_iter().map(|(state, _)| state).collect::<Vec<_>>()
        };
        assert_eq!(ended(None, Outcome::Released), [Done, Done, Done]);
        assert_eq!(ended(Some("production"), Outcome::RolledBack), [Done, Done, Ended(Outcome::RolledBack)]);
        assert_eq!(ended(None, Outcome::Failed), [Done, Done, Ended(Outcome::Failed)]);

        let begun = TimelineEvent { stages: stages(), ..event(0, None, Step::Began) };
        let end = TimelineEvent { outcome: Some(Outcome::Rejected), ..event(9, Some("dev"), Step::Ended) };
        let asked = event(5, Some("dev"), Step::Asked);
        let shown = progress(&[begun, asked, end], Timestamp::from_second(99).expect("in range"));
        assert_eq!(
            shown.iter().map(|one| one.state).collect::<Vec<_>>(),
            [Ended(Outcome::Rejected), NotReached, NotReached]
        );
        assert_eq!(shown[0].took, Some(SignedDuration::from_secs(4)));
    }

    #[test]
    fn what_an_older_release_wrote_is_read_and_shows_no_stages() {
        let begun: TimelineEvent =
            serde_json::from_str(r#"{"at":"2026-11-20T08:00:00Z","step":"BEGAN","words":"It begins."}"#)
                .expect("it fits");
        assert_eq!(progress(&[begun], Timestamp::UNIX_EPOCH), []);
    }

    #[test]
    fn a_length_of_time_has_its_two_largest_units() {
        for (seconds, words) in [
            (-1, "0 s"),
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (192, "3 min 12 s"),
            (3_601, "1 h"),
            (86_400, "1 day"),
            (527_400, "6 days 2 h"),
        ] {
            assert_eq!(in_words(SignedDuration::from_secs(seconds)), words);
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
