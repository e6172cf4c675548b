//! The people of an approval: each is sent a link, reminded, and notified of what became of it.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use slipway_aws::{Aws, Key, Mail, Table};
use slipway_core::approval::{Approval, Link};
use slipway_core::audit::{NewEntry, What};
use slipway_core::name::EmailAddress;
use slipway_core::notification::Notification;
use slipway_core::timeline::{Step, TimelineEvent};
use slipway_release::{Notifier, StepError, Timeline, audit, count, new_token, now, token_hash};

use crate::{Config, mail};

/// How long the notification of a decision is tried.
const NOTIFIED_WITHIN: SignedDuration = SignedDuration::from_mins(2);

/// An approval, and how its people are reached.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) aws: &'a Aws,
    pub(crate) config: &'a Config,
    pub(crate) table: &'a Table,
    pub(crate) approval: &'a Approval,
}

impl Asked<'_> {
    /// Sends each approver a mail, and notifies everybody that they were asked; each of it once.
    pub(crate) async fn ask(&self) -> Result<(), StepError> {
        let Self { aws, config, table, approval } = *self;
        let round = self.round();
        let asked = Key::timeline_event(&approval.release.id, Some(&approval.stage), Step::Asked, &round);
        if table.get::<Value>(&asked).await?.is_some() {
            return Ok(());
        }
        for approver in &approval.approvers {
            self.ask_one(approver).await?;
        }
        let notifier = Notifier { aws, table, channels: &config.channels };
        notifier.notify_once(&approval.release.id, Notification::waiting(approval)).await?;
        let people: Vec<_> = approval.approvers.iter().map(EmailAddress::as_str).collect();
        let words = format!(
            "Asked {} ({} must approve) until {:.0}",
            people.join(", "),
            approval.quorum,
            approval.expires_at
        );
        Timeline::of(table, &approval.release.id)
            .in_stage(&approval.stage)
            .record_each(Step::Asked, &round, words)
            .await?;
        Ok(())
    }

    /// Asks those again, once, who have not answered and whose subscription may have been too new for the first mail.
    pub(crate) async fn ask_again(&self) -> Result<(), StepError> {
        for approver in self.approval.unanswered() {
            let again = Key::asked_again(&self.approval.id, approver.as_str());
            if self.approval.new_approvers.contains(approver)
                && self.table.get::<Timestamp>(&again).await?.is_none()
            {
                let url = self.new_link(approver).await?;
                self.send(mail::again(self.approval, approver, &url)).await?;
                self.table.put(&again, &now()).await?;
            }
        }
        Ok(())
    }

    /// Reminds each approver who has not answered, once, with a further link: the first one's token is not kept anywhere.
    pub(crate) async fn remind(&self) -> Result<(), StepError> {
        for approver in self.approval.unanswered() {
            self.remind_one(approver).await?;
        }
        Ok(())
    }

    /// Notifies every approver of what became of the approval, once. It is tried for a while; a failed notification does
    /// not change the decision.
    pub(crate) async fn notify(&self) -> Result<(), StepError> {
        let Self { table, approval, .. } = *self;
        let decided =
            Key::timeline_event(&approval.release.id, Some(&approval.stage), Step::Decided, &self.round());
        let decided_at =
            table.get::<TimelineEvent>(&decided).await?.map_or_else(now, |event| event.document.at);
        let is_late = now().duration_since(decided_at) > NOTIFIED_WITHIN;
        for approver in &approval.approvers {
            match self.notify_one(approver).await {
                Err(error) if error.may_be_tried_again() && !is_late => return Err(error),
                Err(error) => {
                    tracing::warn!(release.id = %approval.release.id, stage = %approval.stage, "an approver was not notified of the decision: {error}");
                    count("NotificationFailed", &[("Channel", "Approver")]);
                }
                Ok(()) => {}
            }
        }
        Ok(())
    }

    /// The number of the approval's round; the first one needs none.
    pub(crate) fn round(&self) -> String {
        let round = self.approval.baseline.round;
        if round > 1 { round.to_string() } else { String::new() }
    }

    /// Sends one approver a mail, if none was sent before. An answer of SNS that is lost may mean a second mail, with
    /// another link to the same approval.
    async fn ask_one(&self, approver: &EmailAddress) -> Result<(), StepError> {
        let mailed = Key::mailed(&self.approval.id, approver.as_str());
        if self.table.get::<Timestamp>(&mailed).await?.is_some() {
            return Ok(());
        }
        let url = self.new_link(approver).await?;
        self.send(mail::request(self.approval, approver, &url)).await?;
        self.table.put(&mailed, &now()).await?;
        Ok(())
    }

    async fn remind_one(&self, approver: &EmailAddress) -> Result<(), StepError> {
        let reminded = Key::reminded(&self.approval.id, approver.as_str());
        if self.table.get::<Timestamp>(&reminded).await?.is_some() {
            return Ok(());
        }
        let url = self.new_link(approver).await?;
        self.send(mail::reminder(self.approval, approver, &url)).await?;
        if self.table.put_new(&reminded, &now()).await? {
            let entry = NewEntry {
                at: now(),
                what: What::Reminded,
                person: Some(approver.clone()),
                words: String::new(),
            };
            audit(self.table, self.approval, &entry).await?;
        }
        Ok(())
    }

    async fn notify_one(&self, approver: &EmailAddress) -> Result<(), StepError> {
        let receipt = Key::receipt(&self.approval.id, approver.as_str());
        if self.table.get::<Timestamp>(&receipt).await?.is_none() {
            self.send(mail::receipt(self.approval, approver, now())).await?;
            self.table.put(&receipt, &now()).await?;
        }
        Ok(())
    }

    async fn send(&self, mail: Mail) -> Result<(), StepError> {
        self.aws.topic(&self.config.approval_topic_arn).publish(mail).await?;
        Ok(())
    }

    async fn new_link(&self, approver: &EmailAddress) -> Result<String, StepError> {
        let token = new_token()?;
        let link = Link { approval: self.approval.id.clone(), approver: approver.clone() };
        self.table.put_new(&Key::link(&token_hash(&token)), &link).await?;
        Ok(format!("{}/approvals/{token}", self.config.channels.pages))
    }
}
