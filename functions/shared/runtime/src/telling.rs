//! Tells people, wherever they read it: mails, chats, and their own programs.

use jiff::Timestamp;
use slipway_aws::{Aws, AwsError, Key, Mail, Table};
use slipway_core::name::ReleaseId;
use slipway_core::notification::Notification;
use slipway_core::timeline::View;

use crate::locator::{locator_hash, new_locator};
use crate::{ConfigurationError, Environment, StepError, count, now};

/// The `detail-type` of the events for programs.
const DETAIL_TYPE: &str = "Slipway Notification";

/// Where people are told.
#[derive(Clone, Debug)]
pub struct Channels {
    /// The ARN of the topic whose subscribers get mails.
    pub mails: String,
    /// The ARN of the topic that Amazon Q Developer brings to chats.
    pub chats: String,
    /// Where the releases' pages are, without a slash at the end.
    pub pages: String,
}

impl Channels {
    /// Reads the configuration.
    ///
    /// # Errors
    ///
    /// When a variable is not set.
    pub fn read(environment: &Environment<'_>) -> Result<Self, ConfigurationError> {
        Ok(Self {
            mails: environment.require("SLIPWAY_NOTIFICATION_TOPIC_ARN", "the ARN of the notifications' SNS topic")?,
            chats: environment.require("SLIPWAY_CHAT_TOPIC_ARN", "the ARN of the SNS topic for chats")?,
            pages: environment.pages_url()?,
        })
    }
}

/// Tells it. A second call tells it a second time.
///
/// That the mails go out counts. What does not reach a chat or a program is a line in the log and a metric.
///
/// # Errors
///
/// When the mails cannot be handed to SNS.
pub async fn tell(aws: &Aws, table: &Table, channels: &Channels, notification: Notification) -> Result<(), StepError> {
    let notification = match &notification.release {
        Some(release) => {
            let locator = new_locator()?;
            table.put_new(&Key::view(&locator_hash(&locator)), &View { release: release.clone() }).await?;
            notification.and_link("The release", format!("{}/releases/{locator}", channels.pages))
        }
        None => notification,
    };
    let title = notification.title.clone();
    aws.topic(&channels.mails).publish(Mail { subject: title.clone(), text: notification.text(), approver: None }).await?;
    let chat = Mail { subject: title, text: notification.chat().to_string(), approver: None };
    reached("Chat", aws.topic(&channels.chats).publish(chat).await);
    reached("Program", aws.events().put(DETAIL_TYPE, &notification.event()).await);
    Ok(())
}

/// Tells one thing about a release, unless it was told before.
///
/// # Errors
///
/// When AWS cannot be asked.
pub async fn tell_once(
    aws: &Aws,
    table: &Table,
    channels: &Channels,
    release: &ReleaseId,
    notification: Notification,
) -> Result<(), StepError> {
    let told = Key::notified(release, notification.kind, notification.stage.as_ref());
    if table.get::<Timestamp>(&told).await?.is_none() {
        tell(aws, table, channels, notification).await?;
        table.put(&told, &now()).await?;
    }
    Ok(())
}

fn reached(who: &str, sent: Result<(), AwsError>) {
    if let Err(error) = sent {
        tracing::warn!("a notification was not handed over ({who}): {error}");
        count("NotificationLost", &[("Channel", who)]);
    }
}
