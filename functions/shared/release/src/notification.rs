//! Notifies people, wherever they read it: mails, chats, and their own programs.

use jiff::Timestamp;
use slipway_aws::{Aws, AwsError, Key, Mail, Table};
use slipway_core::name::ReleaseId;
use slipway_core::notification::Notification;
use slipway_core::timeline::View;

use crate::token::{new_token, token_hash};
use crate::{StepError, count, now};

/// The `detail-type` of the events for programs.
const DETAIL_TYPE: &str = "Slipway Notification";

/// Where people are notified.
#[derive(Clone, Debug)]
pub struct Channels {
    /// The ARN of the topic whose subscribers get mails.
    pub mails: String,
    /// The ARN of the topic that Amazon Q Developer brings to chats.
    pub chats: String,
    /// Where the releases' pages are, without a slash at the end.
    pub pages: String,
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
                table.put_new(&Key::view(&token_hash(&token)), &View { release: release.clone() }).await?;
                notification.and_link("The release", format!("{}/releases/{token}", channels.pages))
            }
            None => notification,
        };
        let title = notification.title.clone();
        aws.topic(&channels.mails)
            .publish(Mail { subject: title.clone(), text: notification.text(), approver: None })
            .await?;
        let chat = Mail { subject: title, text: notification.chat().to_string(), approver: None };
        reached("Chat", aws.topic(&channels.chats).publish(chat).await);
        reached("Program", aws.events().put(DETAIL_TYPE, &notification.event()).await);
        Ok(())
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
