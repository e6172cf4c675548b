//! Asks people: opens the approval, and sends each approver a mail with a link of their own. Reminds those who have not
//! answered, looks whether they have decided, and notifies all of them of what became of it.
//!
//! A link carries a token of 32 random bytes; the table keeps only its hash. A second run sends mails only to those who
//! were not sent one, with new links to the same approval.

mod asked;
mod mail;
mod opening;
mod resend;

use slipway_aws::{Aws, Key, Table};
use slipway_core::approval::{Approval, ApprovalId, Status};
use slipway_core::protocol::{End, StepResult, WakeKey};
use slipway_core::release::Outcome;
use slipway_core::step::{Approved, StageInput};
use slipway_core::timeline::Step;
use slipway_release::{Channels, StepError, Timeline, close_approval, interrupted, now};
use slipway_runtime::{ConfigurationError, Environment};

use crate::asked::Asked;
use crate::opening::Opening;

/// The function's configuration, from its environment.
#[derive(Clone, Debug)]
pub struct Config {
    /// The table's name.
    pub table: String,
    /// The ARN of the topic that the approvers' subscriptions are on.
    pub approval_topic_arn: String,
    /// The SSM path of the parameters that name all approvers: nobody else may be on the topic.
    pub approvers_path: String,
    /// Where everybody is notified that people are asked.
    pub channels: Channels,
}

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    ///
    /// When a variable is not set.
    pub fn read(environment: &Environment<'_>) -> Result<Self, ConfigurationError> {
        Ok(Self {
            table: environment.table()?,
            approval_topic_arn: environment
                .require("SLIPWAY_APPROVAL_TOPIC_ARN", "the ARN of the approvals' SNS topic")?,
            approvers_path: environment.approvers_path()?,
            channels: environment.channels()?,
        })
    }
}

/// Asks for the stage's approval, once, and looks whether people have decided.
///
/// # Errors
///
/// When the stage asks for no approval, or AWS cannot be asked.
pub async fn handle(
    aws: &Aws,
    config: &Config,
    input: StageInput,
) -> Result<StepResult<Approved>, StepError> {
    let Some(policy) = &input.stage.approval else {
        return Err(StepError::InvalidInput {
            field: "stage.approval".into(),
            problem: "the stage asks for no approval".into(),
        });
    };
    let table = aws.table(&config.table);
    let id = ApprovalId::of(&input.release, &input.stage.name, input.baseline.round);
    let approval = match table.get::<Approval>(&Key::approval(&id)).await? {
        Some(open) => open.document,
        None => match (Opening { aws, config, table: &table, input: &input, policy }).open().await? {
            Ok(opened) => opened,
            Err(end) => return Ok(StepResult::End(end)),
        },
    };
    let all_asked = Asked { aws, config, table: &table, approval: &approval }.ask().await?;
    let approval = close_if_over(&table, &input, approval).await?;
    let asked = Asked { aws, config, table: &table, approval: &approval };
    match approval.decided_at(now()) {
        None => {
            let ask_again_at = approval.ask_again_at();
            let mut all_sent = all_asked;
            if ask_again_at.is_some_and(|at| now() >= at) {
                all_sent &= asked.ask_again().await?;
            }
            if approval.remind_at.is_some_and(|at| now() >= at) {
                all_sent &= asked.remind().await?;
            }
            all_sent &= asked.send_again().await?;
            if !all_sent {
                return Ok(summed_up());
            }
            let on = vec![
                WakeKey::Approval(id.as_str().to_owned()),
                WakeKey::Push(input.release.application.clone()),
            ];
            let next =
                [ask_again_at, approval.remind_at].into_iter().flatten().filter(|at| now() < *at).min();
            let deadline = next.unwrap_or(approval.expires_at);
            Ok(StepResult::Wait { on, deadline })
        }
        Some(decided) => {
            let (result, words) = match decided {
                Ok(words) => (StepResult::Done(Approved { approval: id }), words),
                Err((outcome, reason)) => (StepResult::End(End::unchanged(outcome, reason.clone())), reason),
            };
            let timeline = Timeline::of(&table, &approval.release.id).in_stage(&approval.stage);
            timeline.record_each(Step::Decided, &asked.round(), words).await?;
            Ok(if asked.notify().await? { result } else { summed_up() })
        }
    }
}

/// Mails to people who get many wait for the one that sums them up.
fn summed_up() -> StepResult<Approved> {
    StepResult::LookAgain { reason: "mails wait for one that sums them up".to_owned() }
}

/// The approval, closed where people need not decide any more: an abort, a newer push, or its time.
async fn close_if_over(table: &Table, input: &StageInput, approval: Approval) -> Result<Approval, StepError> {
    if approval.status != Status::Pending {
        return Ok(approval);
    }
    let interrupted = interrupted(table, &input.release, input.generation).await?;
    let closed = close_approval(table, &approval.id, |approval| match &interrupted {
        Some(End { outcome: Outcome::Superseded, reason, .. }) => approval.superseded(reason),
        Some(End { reason, .. }) => approval.withdrawn(reason),
        None if approval.status_at(now()) == Status::Expired => approval.closed(),
        None => approval.clone(),
    });
    Ok(closed.await?.unwrap_or(approval))
}
