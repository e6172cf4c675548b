//! Keeps the timeline of a release.

use slipway_aws::{AwsError, Key, Table, Write};
use slipway_core::name::{ReleaseId, StageName};
use slipway_core::release::Ending;
use slipway_core::timeline::{Step, TimelineEvent, in_order};

use crate::now;

/// The timeline of a release, or of one of its stages.
#[derive(Clone, Copy, Debug)]
pub struct Timeline<'a> {
    table: &'a Table,
    release: &'a ReleaseId,
    stage: Option<&'a StageName>,
}

impl<'a> Timeline<'a> {
    /// The timeline of a release.
    #[must_use]
    pub const fn of(table: &'a Table, release: &'a ReleaseId) -> Self {
        Self { table, release, stage: None }
    }

    /// What happens in a stage.
    #[must_use]
    pub const fn in_stage(self, stage: &'a StageName) -> Self {
        Self { stage: Some(stage), ..self }
    }

    /// Writes down that something happened, unless it is written down.
    ///
    /// # Errors
    ///
    /// When DynamoDB cannot be asked.
    pub async fn record(&self, step: Step, words: impl Into<String>) -> Result<(), AwsError> {
        self.record_each(step, "", words).await
    }

    /// The same of something that happens more than once in a stage: `detail` tells the events apart.
    ///
    /// # Errors
    ///
    /// When DynamoDB cannot be asked.
    pub async fn record_each(
        &self,
        step: Step,
        detail: &str,
        words: impl Into<String>,
    ) -> Result<(), AwsError> {
        self.write(detail, &TimelineEvent::new(now(), self.stage.cloned(), step, words)).await
    }

    /// What writes down that something happened, to be written together with what makes it so.
    #[must_use]
    pub fn to_record(&self, step: Step, words: impl Into<String>) -> Write {
        let event = TimelineEvent::new(now(), self.stage.cloned(), step, words);
        Write::new(&self.key_of("", &event), &event)
    }

    /// Writes down that a step failed, which has the stage rolled back. It stands beside the step's success: a retry of a
    /// function that was killed over its verdict may find all well.
    ///
    /// # Errors
    ///
    /// When DynamoDB cannot be asked.
    pub async fn record_failure(
        &self,
        step: Step,
        detail: &str,
        words: impl Into<String>,
    ) -> Result<(), AwsError> {
        let event = TimelineEvent::new(now(), self.stage.cloned(), step, words);
        let detail = format!("{detail}#FAILED");
        self.write(&detail, &TimelineEvent { failed: true, ..event }).await
    }

    /// Writes down that the release began, and which stages it goes through.
    ///
    /// # Errors
    ///
    /// When DynamoDB cannot be asked.
    pub async fn begun(&self, stages: Vec<StageName>, words: impl Into<String>) -> Result<(), AwsError> {
        let event = TimelineEvent::new(now(), None, Step::Began, words);
        self.write("", &TimelineEvent { stages, ..event }).await
    }

    /// Writes down what was found of the stage: what it runs, in a word.
    ///
    /// # Errors
    ///
    /// When DynamoDB cannot be asked.
    pub async fn captured(
        &self,
        detail: &str,
        runs: Option<String>,
        words: impl Into<String>,
    ) -> Result<(), AwsError> {
        self.write(detail, &self.capture(runs, words)).await
    }

    /// What writes down what was found of the stage, to be written together with it.
    #[must_use]
    pub fn to_capture(&self, detail: &str, runs: Option<String>, words: impl Into<String>) -> Write {
        let event = self.capture(runs, words);
        Write::new(&self.key_of(detail, &event), &event)
    }

    fn capture(&self, runs: Option<String>, words: impl Into<String>) -> TimelineEvent {
        let event = TimelineEvent::new(now(), self.stage.cloned(), Step::Captured, words);
        TimelineEvent { runs, ..event }
    }

    /// Writes down how the release ended.
    ///
    /// # Errors
    ///
    /// When DynamoDB cannot be asked.
    pub async fn ended(&self, ending: &Ending) -> Result<(), AwsError> {
        let Ending { outcome, stage, reason, .. } = ending;
        let words = format!("The release ended {outcome}: {reason}");
        let event = TimelineEvent::new(now(), stage.clone(), Step::Ended, words);
        self.write("", &TimelineEvent { outcome: Some(*outcome), ..event }).await
    }

    async fn write(&self, detail: &str, event: &TimelineEvent) -> Result<(), AwsError> {
        self.table.put_new(&self.key_of(detail, event), event).await?;
        Ok(())
    }

    fn key_of(&self, detail: &str, event: &TimelineEvent) -> Key {
        Key::timeline_event(self.release, self.stage, event.step, detail)
    }

    /// Everything that happened to the release, in order.
    ///
    /// # Errors
    ///
    /// When DynamoDB cannot be asked.
    pub async fn events(&self) -> Result<Vec<TimelineEvent>, AwsError> {
        let events = self.table.list::<TimelineEvent>(&Key::timeline(self.release), "").await?;
        Ok(in_order(events.into_iter().map(|(_, stored)| stored.document).collect()))
    }
}
