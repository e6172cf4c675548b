//! Notifies people, wherever they read it: mails, chats, and their own programs.

use futures::join;
use jiff::Timestamp;
use slipway_aws::{Aws, AwsError, Key, Mail, Table};
use slipway_core::name::ReleaseId;
use slipway_core::notification::Notification;
use slipway_core::timeline::View;

use crate::token::{new_token, token_hash};
use crate::{Held, Pace, StepError, count, now};

/// The `detail-type` of the events for programs.
const DETAIL_TYPE: &str = "Slipway Notification";
/// What all who are notified are paced by: they are subscribed to one topic.
const EVERYBODY: &str = "notifications";
/// How many notifications one mail sums up: SNS takes 256 KiB.
const IN_ONE_MAIL: usize = 500;

/// Where people are notified.
#[derive(Clone, Debug)]
pub struct Channels {
    /// The ARN of the topic whose subscribers get mails.
    pub mails: String,
    /// The ARN of the topic that Amazon Q Developer brings to chats.
    pub chats: String,
    /// Where the releases' pages are, without a slash at the end.
    pub pages: String,
    /// How many mails go alone to one address in a minute; what is more is summed up.
    pub mails_a_minute: u64,
}

/// Who notifies people.
#[derive(Clone, Copy, Debug)]
pub struct Notifier<'a> {
    /// AWS.
    pub aws: &'a Aws,
    /// Where it is kept what people were notified of.
    pub table: &'a Table,
    /// Where people are notified.
    pub channels: &'a Channels,
}

impl Notifier<'_> {
    /// Sends a notification. A second call sends it a second time.
    ///
    /// That the mails go out counts. What does not reach a chat or a program is a line in the log and a metric.
    ///
    /// # Errors
    ///
    /// When the mails cannot be handed to SNS.
    pub async fn notify(&self, notification: Notification) -> Result<(), StepError> {
        let Self { aws, table, channels } = self;
        let notification = match &notification.release {
            Some(release) => {
                let token = new_token()?;
                table
                    .put_new(&Key::view(&token_hash(table, &token)), &View { release: release.clone() })
                    .await?;
                notification.and_link("The release", format!("{}/releases/{token}", channels.pages))
            }
            None => notification,
        };
        let (title, events, event) = (notification.title.clone(), aws.events(), notification.event());
        // What asks people to act is never held.
        let pace = self.pace();
        let alone = pace.is_one_of_few().await? && pace.has_room().await?;
        if alone || notification.kind.is_urgent() {
            aws.topic(&channels.mails)
                .publish(Mail { subject: title.clone(), text: notification.text(), approver: None })
                .await?;
            let chat = Mail { subject: title, text: notification.chat().to_string(), approver: None };
            let chats = aws.topic(&channels.chats);
            let (chat, program) =
                join!(Box::pin(chats.publish(chat)), Box::pin(events.put(DETAIL_TYPE, &event)));
            reached("Chat", chat);
            reached("Program", program);
        } else {
            self.hold(&notification).await?;
            reached("Program", events.put(DETAIL_TYPE, &event).await);
        }
        Ok(())
    }

    const fn pace(&self) -> Pace<'_> {
        Pace { table: self.table, to: EVERYBODY, a_minute: self.channels.mails_a_minute }
    }

    /// Keeps a notification for a mail that sums up what came too fast for one each.
    async fn hold(&self, notification: &Notification) -> Result<(), StepError> {
        let links = notification.links.iter().map(|link| link.value.as_str());
        let line: Vec<_> = [notification.title.as_str()].into_iter().chain(links).collect();
        let held = Held { line: line.join("\n  "), approval: None, sent: None, since: now() };
        count("NotificationHeld", &[]);
        Ok(self.table.put(&Key::held(EVERYBODY, &new_token()?), &held).await?)
    }

    /// Sends one mail, and one message to chats, of all that was held, where some of it has waited long enough. How many there
    /// were.
    ///
    /// # Errors
    ///
    /// When AWS cannot be asked; what is held is sent the next time then.
    pub async fn notify_of_held(&self) -> Result<usize, StepError> {
        let held = self.pace().held().await?;
        if !held.first().is_some_and(|(_, oldest)| oldest.is_due(now())) {
            return Ok(0);
        }
        let Self { aws, channels, .. } = self;
        for part in held.chunks(IN_ONE_MAIL) {
            let lines: Vec<_> = part.iter().map(|(_, held)| held.line.as_str()).collect();
            let subject = format!("{} notifications", lines.len());
            let text = format!("They came too fast for a mail each:\n\n{}\n", lines.join("\n"));
            aws.topic(&channels.mails)
                .publish(Mail { subject: subject.clone(), text, approver: None })
                .await?;
            for (key, _) in part {
                self.table.delete(key).await?;
            }
        }
        Ok(held.len())
    }

    /// Sends a notification about a release, unless it was sent before.
    ///
    /// # Errors
    ///
    /// When AWS cannot be asked.
    pub async fn notify_once(
        &self,
        release: &ReleaseId,
        notification: Notification,
    ) -> Result<(), StepError> {
        let notified = Key::notified(release, notification.kind, notification.stage.as_ref());
        if self.table.get::<Timestamp>(&notified).await?.is_none() {
            self.notify(notification).await?;
            self.table.put(&notified, &now()).await?;
        }
        Ok(())
    }
}

fn reached(channel: &str, sent: Result<(), AwsError>) {
    if let Err(error) = sent {
        tracing::warn!("a notification was not handed over ({channel}): {error}");
        count("NotificationFailed", &[("Channel", channel)]);
    }
}
