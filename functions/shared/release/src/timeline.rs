//! Keeps the timeline of a release.

use slipway_aws::{AwsError, Key, Table};
use slipway_core::name::{ReleaseId, StageName};
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
        let event = TimelineEvent { at: now(), stage: self.stage.cloned(), step, words: words.into() };
        self.table.put_new(&Key::timeline_event(self.release, self.stage, step, detail), &event).await?;
        Ok(())
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
