//! SNS: mails to people.

use aws_sdk_sns::Client;
use aws_sdk_sns::types::MessageAttributeValue;

use crate::AwsError;

/// SNS takes subjects of 100 characters at the most.
const LONGEST_SUBJECT: usize = 100;

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

    /// Publishes a mail. A second call sends a second mail.
    ///
    /// # Errors
    ///
    /// When SNS cannot be asked, or refuses.
    pub async fn publish(&self, mail: Mail) -> Result<(), AwsError> {
        const OPERATION: &str = "sns:Publish";
        let mut request = self.client.publish().topic_arn(&self.arn).subject(subject(&mail.subject)).message(mail.text);
        if let Some(approver) = mail.approver {
            let attribute = MessageAttributeValue::builder().data_type("String").string_value(approver).build();
            let attribute = attribute.map_err(|error| AwsError::unusable(OPERATION, error.to_string()))?;
            request = request.message_attributes("approver", attribute);
        }
        request.send().await.map_err(|error| AwsError::from_sdk(OPERATION, error))?;
        Ok(())
    }
}

fn subject(words: &str) -> String {
    words.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).take(LONGEST_SUBJECT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_one_line_of_ascii() {
        assert_eq!(subject("v1\r\nBcc: eve@example.com"), "v1??Bcc: eve@example.com");
        assert_eq!(subject(&"ä".repeat(200)), "?".repeat(100));
    }
}
