//! The people of an approval: each is sent a link, reminded, and notified of what became of it. Many mails at once to one
//! person are paced, and those that do not go alone are summed up in one.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use slipway_aws::{Aws, Key, Mail, Table};
use slipway_core::approval::{Approval, ApprovalId, Link};
use slipway_core::audit::{About, NewEntry, What};
use slipway_core::name::EmailAddress;
use slipway_core::notification::Notification;
use slipway_core::resend::Resend;
use slipway_core::timeline::{Step, TimelineEvent};
use slipway_release::{Held, Notifier, Pace, StepError, Timeline, audit, count, new_token, now, token_hash};

use crate::{Config, mail};

/// How long the notification of a decision is tried.
const NOTIFIED_WITHIN: SignedDuration = SignedDuration::from_mins(2);
/// How many mails one sums up: SNS takes 256 KiB.
const IN_ONE_MAIL: usize = 400;

/// An approval, and how its people are reached.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) aws: &'a Aws,
    pub(crate) config: &'a Config,
    pub(crate) table: &'a Table,
    pub(crate) approval: &'a Approval,
}

/// What a mail to an approver is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose<'a> {
    Ask,
    AskAgain,
    Remind,
    /// As an operator asked for it, in the request of this hash.
    SendAgain {
        request: &'a str,
        resend: &'a Resend,
    },
    Notify,
}

impl Purpose<'_> {
    /// Where it is written down that it was sent.
    pub(crate) fn sent(self, id: &ApprovalId, approver: &EmailAddress) -> Key {
        match self {
            Self::Ask => Key::mailed(id, approver.as_str()),
            Self::AskAgain => Key::asked_again(id, approver.as_str()),
            Self::Remind => Key::reminded(id, approver.as_str()),
            Self::SendAgain { request, .. } => Key::resent(id, request, approver.as_str()),
            Self::Notify => Key::receipt(id, approver.as_str()),
        }
    }
}

impl Asked<'_> {
    /// Sends each approver a mail, and notifies everybody that they were asked; each of it once. `false` while some wait for
    /// the mail that sums them up.
    pub(crate) async fn ask(&self) -> Result<bool, StepError> {
        let Self { aws, config, table, approval } = *self;
        let round = self.round();
        let asked = Key::timeline_event(&approval.release.id, Some(&approval.stage), Step::Asked, &round);
        if table.get::<Value>(&asked).await?.is_some() {
            return Ok(true);
        }
        if !self.deliver_to(approval.reachable(), Purpose::Ask).await? {
            return Ok(false);
        }
        let notifier = Notifier { aws, table, channels: &config.channels };
        notifier.notify_once(&approval.release.id, Notification::waiting(approval)).await?;
        let people: Vec<_> = approval.reachable().map(EmailAddress::as_str).collect();
        let words = format!(
            "Asked {} ({} must approve) until {:.0}{}",
            people.join(", "),
            approval.quorum,
            approval.expires_at,
            approval.not_asked().map(|words| format!("; {words}")).unwrap_or_default()
        );
        Timeline::of(table, &approval.release.id)
            .in_stage(&approval.stage)
            .record_each(Step::Asked, &round, words)
            .await?;
        Ok(true)
    }

    /// Asks those again, once, who have not answered and whose subscription may have been too new for the first mail.
    pub(crate) async fn ask_again(&self) -> Result<bool, StepError> {
        let new =
            self.approval.unanswered().filter(|approver| self.approval.new_approvers.contains(approver));
        self.deliver_to(new, Purpose::AskAgain).await
    }

    /// Reminds each approver who has not answered, once, with a further link: the first one's token is not kept anywhere.
    pub(crate) async fn remind(&self) -> Result<bool, StepError> {
        self.deliver_to(self.approval.unanswered(), Purpose::Remind).await
    }

    /// Notifies every approver of what became of the approval, once. It is tried for a while; a failed notification does
    /// not change the decision.
    pub(crate) async fn notify(&self) -> Result<bool, StepError> {
        let Self { table, approval, .. } = *self;
        let decided =
            Key::timeline_event(&approval.release.id, Some(&approval.stage), Step::Decided, &self.round());
        let decided_at =
            table.get::<TimelineEvent>(&decided).await?.map_or_else(now, |event| event.document.at);
        let is_late = now().duration_since(decided_at) > NOTIFIED_WITHIN;
        let mut all = true;
        for approver in &approval.approvers {
            match self.deliver(approver, Purpose::Notify).await {
                Err(error) if error.may_be_tried_again() && !is_late => return Err(error),
                Err(error) => {
                    tracing::warn!(release.id = %approval.release.id, stage = %approval.stage, "an approver was not notified of the decision: {error}");
                    count("NotificationFailed", &[("Channel", "Approver")]);
                }
                Ok(sent) => all &= sent || is_late,
            }
        }
        Ok(all)
    }

    /// The number of the approval's round; the first one needs none.
    pub(crate) fn round(&self) -> String {
        let round = self.approval.baseline.round;
        if round > 1 { round.to_string() } else { String::new() }
    }

    async fn deliver_to(
        &self,
        people: impl Iterator<Item = &EmailAddress>,
        purpose: Purpose<'_>,
    ) -> Result<bool, StepError> {
        let mut all = true;
        for approver in people {
            all &= self.deliver(approver, purpose).await?;
        }
        Ok(all)
    }

    /// Sends one approver a mail, if none was sent before: alone, where few go to them, else together with others. `false`
    /// while it waits for those. An answer of SNS that is lost may mean a second mail, with another link to the same
    /// approval.
    pub(crate) async fn deliver(
        &self,
        approver: &EmailAddress,
        purpose: Purpose<'_>,
    ) -> Result<bool, StepError> {
        let Self { table, approval, .. } = *self;
        let sent = purpose.sent(&approval.id, approver);
        if table.get::<Timestamp>(&sent).await?.is_some() {
            return Ok(true);
        }
        let pace = self.pace(approver);
        let key = Key::held(pace.to, &format!("{}#{}", sent.pk, sent.sk));
        if let Some(held) = table.get::<Held>(&key).await? {
            return if held.document.is_due(now()) { self.sum_up(approver, &sent).await } else { Ok(false) };
        }
        let mut alone = pace.is_one_of_few().await?;
        if alone {
            let mail = self.mail(approver, purpose).await?;
            alone = pace.has_room().await?;
            // A step that was woken twice may have sent it meanwhile.
            if table.get::<Timestamp>(&sent).await?.is_some() {
                return Ok(true);
            }
            if alone {
                self.send(mail).await?;
            }
        }
        let first = if alone {
            table.put_new(&sent, &now()).await?
        } else {
            let held = Held {
                line: mail::in_a_line(approval, now()),
                approval: (purpose != Purpose::Notify).then(|| approval.id.clone()),
                sent: Some((sent.pk, sent.sk)),
                since: now(),
            };
            table.put_new(&key, &held).await?
        };
        if first && purpose == Purpose::Remind {
            let entry = NewEntry {
                at: now(),
                what: What::Reminded,
                person: Some(approver.clone()),
                caller: None,
                words: String::new(),
            };
            audit(table, &About::from(approval), &entry).await?;
        }
        Ok(alone)
    }

    /// Sends an approver one mail of all that waits for them, whatever approval it is of. Whether that of `sent` was among
    /// them.
    async fn sum_up(&self, approver: &EmailAddress, sent: &Key) -> Result<bool, StepError> {
        let pace = self.pace(approver);
        // Of hundreds that wait one does it; the others find it done when they look again.
        if !pace.sums_up().await? {
            return Ok(false);
        }
        let mut held = pace.held().await?;
        held.truncate(IN_ONE_MAIL);
        let mut lines = Vec::new();
        for (_, Held { line, approval, .. }) in &held {
            let link = match approval {
                Some(approval) => Some(self.new_link(approval, approver).await?),
                None => None,
            };
            lines.push((line.as_str(), link));
        }
        if !pace.has_room().await? {
            return Ok(false);
        }
        self.send(mail::summary(approver, &lines)).await?;
        for (key, Held { sent, .. }) in &held {
            if let Some((pk, sk)) = sent {
                self.table.put(&Key { pk: pk.clone(), sk: sk.clone() }, &now()).await?;
            }
            self.table.delete(key).await?;
        }
        count("MailsSummedUp", &[]);
        Ok(held.iter().any(|(_, held)| held.sent.as_ref() == Some(&(sent.pk.clone(), sent.sk.clone()))))
    }

    async fn mail(&self, approver: &EmailAddress, purpose: Purpose<'_>) -> Result<Mail, StepError> {
        let approval = self.approval;
        if purpose == Purpose::Notify {
            return Ok(mail::receipt(approval, approver, now()));
        }
        let url = self.new_link(&approval.id, approver).await?;
        Ok(match purpose {
            Purpose::AskAgain => mail::again(approval, approver, &url),
            Purpose::Remind => mail::reminder(approval, approver, &url),
            Purpose::SendAgain { resend, .. } => mail::sent_again(approval, approver, &url, resend),
            Purpose::Ask | Purpose::Notify => mail::request(approval, approver, &url),
        })
    }

    fn pace<'a>(&'a self, approver: &'a EmailAddress) -> Pace<'a> {
        Pace { table: self.table, to: approver.as_str(), a_minute: self.config.channels.mails_a_minute }
    }

    async fn send(&self, mail: Mail) -> Result<(), StepError> {
        self.aws.topic(&self.config.approval_topic_arn).publish(mail).await?;
        Ok(())
    }

    async fn new_link(&self, approval: &ApprovalId, approver: &EmailAddress) -> Result<String, StepError> {
        let token = new_token()?;
        let link = Link { approval: approval.clone(), approver: approver.clone() };
        self.table.put_new(&Key::link(&token_hash(self.table, &token)), &link).await?;
        Ok(format!("{}/approvals/{token}", self.config.channels.pages))
    }
}
