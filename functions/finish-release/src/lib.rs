//! Records how a release ended, and then tells people. The record comes first: telling may fail and be tried again
//! without changing what is told.

use serde_json::Value;
use slipway_aws::{Aws, Key, Mail};
use slipway_core::failure::ending;
use slipway_core::release::{Ended, Ending, Outcome, Release, Started};
use slipway_core::step::FinishReleaseInput;
use slipway_runtime::{ConfigurationError, Environment, StepError, count, now, parse, seconds};

/// What the function is told by its environment.
#[derive(Clone, Debug)]
pub struct Config {
    /// The table's name.
    pub table: String,
    /// The ARN of the topic that tells people how releases end.
    pub notification_topic_arn: String,
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
            notification_topic_arn: environment.require("SLIPWAY_NOTIFICATION_TOPIC_ARN", "the ARN of the notifications' SNS topic")?,
        })
    }
}

/// Records the ending and tells it. The first recorded ending stands.
///
/// # Errors
///
/// When the input does not parse, or AWS cannot be asked.
pub async fn handle(aws: &Aws, config: &Config, input: Value) -> Result<Ending, StepError> {
    let FinishReleaseInput { release, failure } = parse(input)?;
    let (error, cause) = failure.map_or((None, None), |caught| (Some(caught.error), caught.cause));
    let ending = ending(error.as_deref(), cause.as_deref());
    let table = aws.table(&config.table);
    let key = Key::ending(&release.id);
    let mut ended = Ended { ending, at: now() };
    if table.put_new(&key, &ended).await? {
        log(&release, &ended.ending);
        let application = ("Application", release.application.as_str());
        count("ReleaseEnded", &[application, ("Outcome", ended.ending.outcome.as_str())]);
        if let (Outcome::Released, Some(started)) = (ended.ending.outcome, table.get::<Started>(&Key::release(&release.id)).await?) {
            seconds("LeadTime", ended.at.duration_since(started.document.at), &[application]);
        }
    } else if let Some(first) = table.get::<Ended>(&key).await? {
        ended = first.document;
    }
    aws.topic(&config.notification_topic_arn).publish(notification(&release, &ended)).await?;
    Ok(ended.ending)
}

fn log(release: &Release, ending: &Ending) {
    let Ending { outcome, reason, .. } = ending;
    let stage = ending.stage.as_ref().map_or("", |stage| stage.as_str());
    if matches!(outcome, Outcome::Failed | Outcome::RolledBack | Outcome::Stuck) {
        tracing::warn!(release.id = %release.id, %outcome, stage, reason, "the release {} ended {outcome}: {reason}", release.id);
    } else {
        tracing::info!(release.id = %release.id, %outcome, stage, reason, "the release {} ended {outcome}: {reason}", release.id);
    }
}

fn notification(release: &Release, ended: &Ended) -> Mail {
    let Ending { outcome, stage, reason } = &ended.ending;
    let image = &release.image;
    let at_stage = stage.as_ref().map_or_else(String::new, |stage| format!(" at {stage}"));
    let what_now = match outcome {
        Outcome::Released => "Every stage runs the image.",
        Outcome::RolledBack => "The stage runs what it ran before.",
        Outcome::Rejected | Outcome::Expired | Outcome::Superseded | Outcome::Failed => "The stage was not changed.",
        Outcome::Stuck => "A PERSON IS NEEDED: look at what the stage's services run, and see the runbook under STUCK.",
    };
    Mail {
        subject: format!("{} {} {outcome}{at_stage}", release.application, image.tag),
        text: format!(
            "{} {} ended {outcome}{at_stage}.\n\n{reason}\n\n{what_now}\n\nImage    {}@{}\nTag      {}\nRelease  {}\nEnded    {:.0}\n",
            release.application, image.tag, image.repository, image.digest, image.tag, release.id, ended.at
        ),
        approver: None,
    }
}

#[cfg(test)]
mod tests {
    use slipway_core::image::{Digest, Image};
    use slipway_core::name::{ApplicationName, ReleaseId, RepositoryName, StageName};

    use super::*;

    #[test]
    fn people_are_told_the_outcome_the_reason_and_what_runs() {
        let release = Release {
            id: ReleaseId::new("web-a1").expect("an id"),
            application: ApplicationName::new("web").expect("a name"),
            image: Image {
                repository: RepositoryName::new("web").expect("a name"),
                digest: Digest::new(format!("sha256:{}", "a".repeat(64))).expect("a digest"),
                tag: "v3".into(),
            },
        };
        let ending = Ending {
            outcome: Outcome::RolledBack,
            stage: Some(StageName::new("staging").expect("a name")),
            reason: "web answered 500".into(),
        };
        let mail = notification(&release, &Ended { ending, at: jiff::Timestamp::from_second(0).expect("in range") });

        assert_eq!(mail.subject, "web v3 ROLLED_BACK at staging");
        for words in ["web answered 500", "The stage runs what it ran before.", "Ended    1970-01-01T00:00:00Z"] {
            assert!(mail.text.contains(words), "{}", mail.text);
        }
    }
}
