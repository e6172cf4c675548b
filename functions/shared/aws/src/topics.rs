//! SNS: mails to people.

use std::collections::BTreeSet;

use aws_sdk_sns::Client;
use aws_sdk_sns::operation::get_subscription_attributes::GetSubscriptionAttributesError;
use aws_sdk_sns::types::{self, MessageAttributeValue};
use slipway_core::name::EmailAddress;
use slipway_core::subscription::Subscription;

use crate::AwsError;

/// "Subjects must be … less than 100 characters long" (Publish, Amazon SNS API reference).
const LONGEST_SUBJECT: usize = 99;

/// An SNS topic.
#[derive(Clone, Debug)]
pub struct Topic {
    client: Client,
    arn: String,
}

/// A mail as SNS sends it: plain text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The subject. Line breaks, and what is not ASCII, are replaced: SNS refuses them.
    pub subject: String,
    /// The text.
    pub text: String,
    /// The one approver whose subscription lets it through; none for everybody.
    pub approver: Option<String>,
}

impl Topic {
    pub(crate) fn new(client: Client, arn: &str) -> Self {
        Self { client, arn: arn.to_owned() }
    }

    /// Who is subscribed. A subscription that is pending has no ARN yet, only the word `PendingConfirmation`
    /// (`ListSubscriptionsByTopic`, Amazon SNS API reference).
    ///
    /// # Errors
    ///
    /// When SNS cannot be asked, or refuses.
    pub async fn subscriptions(&self) -> Result<Vec<Subscription>, AwsError> {
        Ok(self.listed().await?.iter().map(as_read).collect())
    }

    /// Who is subscribed, and of the confirmed subscriptions of these people who may end them
    /// (`ConfirmationWasAuthenticated` of `GetSubscriptionAttributes`, Amazon SNS API reference).
    ///
    /// # Errors
    ///
    /// When SNS cannot be asked, or refuses.
    pub async fn subscriptions_of(
        &self,
        people: &BTreeSet<EmailAddress>,
    ) -> Result<Vec<Subscription>, AwsError> {
        let mut subscriptions = Vec::new();
        for listed in self.listed().await? {
            let mut subscription = as_read(&listed);
            if subscription.confirmed && subscription.person().is_some_and(|person| people.contains(&person))
            {
                subscription.authenticated = self.is_authenticated(listed.subscription_arn()).await?;
            }
            subscriptions.push(subscription);
        }
        Ok(subscriptions)
    }

    async fn listed(&self) -> Result<Vec<types::Subscription>, AwsError> {
        let all = self
            .client
            .list_subscriptions_by_topic()
            .topic_arn(&self.arn)
            .into_paginator()
            .send()
            .try_collect()
            .await;
        let all = all.map_err(|error| AwsError::from_sdk("sns:ListSubscriptionsByTopic", error))?;
        Ok(all.into_iter().flat_map(|page| page.subscriptions.unwrap_or_default()).collect())
    }

    /// Whether a subscription was confirmed by IAM; nothing where it has ended since.
    async fn is_authenticated(&self, arn: Option<&str>) -> Result<Option<bool>, AwsError> {
        let request =
            self.client.get_subscription_attributes().set_subscription_arn(arn.map(ToOwned::to_owned));
        match request.send().await {
            Ok(answer) => Ok(answer
                .attributes()
                .and_then(|attributes| attributes.get("ConfirmationWasAuthenticated"))
                .map(|value| value == "true")),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(GetSubscriptionAttributesError::is_not_found_exception) =>
            {
                Ok(None)
            }
            Err(error) => Err(AwsError::from_sdk("sns:GetSubscriptionAttributes", error)),
        }
    }

    /// Publishes a mail. A second call sends a second mail.
    ///
    /// # Errors
    ///
    /// When SNS cannot be asked, or refuses.
    pub async fn publish(&self, mail: Mail) -> Result<(), AwsError> {
        const OPERATION: &str = "sns:Publish";
        let mut request =
            self.client.publish().topic_arn(&self.arn).subject(subject(&mail.subject)).message(mail.text);
        if let Some(approver) = mail.approver {
            let attribute =
                MessageAttributeValue::builder().data_type("String").string_value(approver).build();
            let attribute = attribute.map_err(|error| AwsError::unusable(OPERATION, error.to_string()))?;
            request = request.message_attributes("approver", attribute);
        }
        request.send().await.map_err(|error| AwsError::from_sdk(OPERATION, error))?;
        Ok(())
    }
}

fn as_read(subscription: &types::Subscription) -> Subscription {
    Subscription {
        protocol: subscription.protocol().unwrap_or_default().to_owned(),
        endpoint: subscription.endpoint().unwrap_or_default().to_owned(),
        confirmed: subscription.subscription_arn().is_some_and(|arn| arn.starts_with("arn:")),
        authenticated: None,
    }
}

fn subject(words: &str) -> String {
    words
        .chars()
        .map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' })
        .take(LONGEST_SUBJECT)
        .collect()
}

#[cfg(test)]
mod tests {
    use aws_sdk_sns::operation::get_subscription_attributes::GetSubscriptionAttributesOutput;
    use aws_sdk_sns::operation::list_subscriptions_by_topic::ListSubscriptionsByTopicOutput;
    use aws_smithy_mocks::mock;

    use super::*;
    use crate::answering::answering;

    #[tokio::test]
    async fn every_subscription_is_listed_and_one_that_is_pending_is_not_confirmed() {
        let listed = mock!(aws_sdk_sns::Client::list_subscriptions_by_topic).then_output(|| {
            let subscription = |endpoint: &str, protocol: &str, arn: &str| {
                aws_sdk_sns::types::Subscription::builder()
                    .endpoint(endpoint)
                    .protocol(protocol)
                    .subscription_arn(arn)
                    .build()
            };
            ListSubscriptionsByTopicOutput::builder()
                .subscriptions(subscription(
                    "ana@example.com",
                    "email",
                    "arn:aws:sns:eu-central-1:111122223333:slipway-approvals:1",
                ))
                .subscriptions(subscription("bo@example.com", "email", "PendingConfirmation"))
                .subscriptions(subscription(
                    "https://example.com",
                    "https",
                    "arn:aws:sns:eu-central-1:111122223333:slipway-approvals:2",
                ))
                .build()
        });
        let topic = Topic::new(
            answering!(aws_sdk_sns, [&listed]),
            "arn:aws:sns:eu-central-1:111122223333:slipway-approvals",
        );

        let found = topic.subscriptions().await.expect("SNS answers");
        let found: Vec<_> =
            found.iter().map(|one| (one.protocol.as_str(), one.endpoint.as_str(), one.confirmed)).collect();
        assert_eq!(
            found,
            [
                ("email", "ana@example.com", true),
                ("email", "bo@example.com", false),
                ("https", "https://example.com", true)
            ]
        );
    }

    #[tokio::test]
    async fn of_the_people_alone_it_is_looked_up_who_may_end_their_subscription() {
        let listed = mock!(aws_sdk_sns::Client::list_subscriptions_by_topic).then_output(|| {
            let subscription = |endpoint: &str, arn: &str| {
                let subscription = types::Subscription::builder().endpoint(endpoint).protocol("email");
                subscription.subscription_arn(arn).build()
            };
            ListSubscriptionsByTopicOutput::builder()
                .subscriptions(subscription("ana@example.com", "arn:safe"))
                .subscriptions(subscription("bo@example.com", "arn:ended-by-a-link"))
                .subscriptions(subscription("cy@example.com", "arn:of-another-application"))
                .subscriptions(subscription("di@example.com", "PendingConfirmation"))
                .build()
        });
        let attributes = |arn: &'static str, authenticated: &'static str| {
            mock!(aws_sdk_sns::Client::get_subscription_attributes)
                .match_requests(move |request| request.subscription_arn() == Some(arn))
                .then_output(move || {
                    GetSubscriptionAttributesOutput::builder()
                        .attributes("ConfirmationWasAuthenticated", authenticated)
                        .build()
                })
        };
        let (safe, ended) = (attributes("arn:safe", "true"), attributes("arn:ended-by-a-link", "false"));
        let topic = Topic::new(answering!(aws_sdk_sns, [&listed, &safe, &ended]), "arn:topic");
        let people = ["ana@example.com", "bo@example.com", "di@example.com"];
        let people = people.map(|person| EmailAddress::new(person).expect("an address")).into();

        let found = topic.subscriptions_of(&people).await.expect("SNS answers");

        let found: Vec<_> = found.iter().map(|one| one.authenticated).collect();
        assert_eq!(found, [Some(true), Some(false), None, None]);
    }

    #[test]
    fn a_subject_is_one_line_of_ascii() {
        assert_eq!(subject("v1\r\nBcc: eve@example.com"), "v1??Bcc: eve@example.com");
        assert_eq!(subject(&"ä".repeat(200)), "?".repeat(99));
    }
}
