//! Turns a push into a release: reads the event, finds the application, starts the workflow.
//!
//! Woken by EventBridge with `ECR Image Action`, `ECR Replication Action` and `ECR Pull Through Cache Action`. ECR's events
//! are best effort and may come twice: the release's id comes from the image's digest, so a second event finds the first
//! one's execution. A further tag of an image that was received before is a release of its own, where it would change
//! something.
//!
//! CloudTrail's record of ECR's `PutImage` says who pushed an image. It comes later than the push, if at all.

mod known;
mod push;

use aws_lambda_events::eventbridge::EventBridgeEvent;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use slipway_aws::{Aws, Key, Update};
use slipway_core::application::Application;
use slipway_core::image::Digest;
use slipway_core::name::ReleaseId;
use slipway_core::push::{Ignored, ImageAction, PullThrough};
use slipway_core::pusher::{Pushers, PutImage};
use slipway_core::release::{Release, Started};
use slipway_release::{Begun, Channels, Notifier, StepError, begin, count, now, parse, parse_at};
use slipway_runtime::{ConfigurationError, Environment};

pub use known::KnownRepositories;

/// The source of ECR's events, and of CloudTrail's about ECR.
const ECR: &str = "aws.ecr";
/// The type of what ECR has fetched from another registry.
const PULL_THROUGH: &str = "ECR Pull Through Cache Action";
/// The type of CloudTrail's events.
const CLOUDTRAIL: &str = "AWS API Call via CloudTrail";

/// The function's configuration, from its environment.
#[derive(Clone, Debug)]
pub struct Config {
    /// The table's name.
    pub table: String,
    /// The workflow's ARN. Its account and region are the ones whose pushes count.
    pub state_machine_arn: String,
    /// The SSM path that the applications' parameters are below.
    pub applications_path: String,
    /// The SSM path of the parameters that say which application a repository belongs to.
    pub repositories_path: String,
    /// Where people are notified that a release has begun.
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
            state_machine_arn: environment.state_machine_arn()?,
            applications_path: environment.applications_path()?,
            repositories_path: environment.repositories_path()?,
            channels: environment.channels()?,
        })
    }

    /// Whether an event is of the account and region that the workflow is in.
    fn is_home(&self, account: Option<&str>, region: Option<&str>) -> bool {
        // arn:aws:states:REGION:ACCOUNT:stateMachine:NAME
        let mut parts = self.state_machine_arn.split(':').skip(3);
        (region, account) == (parts.next(), parts.next())
    }
}

/// What became of a push.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Received {
    /// A release runs.
    Started {
        /// Its id.
        release: ReleaseId,
    },
    /// The same push was received before, or a release with the same image runs.
    Duplicate {
        /// The id of the release that it started.
        release: ReleaseId,
    },
    /// Nothing was started, and nothing is wrong.
    Ignored {
        /// Why.
        reason: String,
    },
    /// Who pushed an image was kept.
    Noted {
        /// The image's digest.
        digest: Digest,
    },
}

/// What wakes the function.
enum Event {
    Push { action: ImageAction, at: Timestamp },
    Elsewhere,
    Record(PutImage),
}

/// Starts the release that a push asks for.
///
/// # Errors
///
/// When the event does not parse, an application's configuration does not fit, or AWS cannot be asked.
pub async fn handle(
    aws: &Aws,
    config: &Config,
    known: &KnownRepositories,
    input: Value,
) -> Result<Received, StepError> {
    match read(config, input)? {
        Event::Push { action, at } => Box::pin(push::handle(aws, config, known, &action, at)).await,
        Event::Elsewhere => Ok(ignore(&Ignored::Elsewhere)),
        Event::Record(record) => note_pusher(aws, config, &record).await,
    }
}

fn read(config: &Config, input: Value) -> Result<Event, StepError> {
    let event: EventBridgeEvent = parse(input)?;
    let at = event
        .time
        .and_then(|time| Timestamp::from_millisecond(time.timestamp_millis()).ok())
        .unwrap_or_else(now)
        // Whoever puts an event writes its time. One in the future would keep every later push from being newer.
        .min(now());
    if event.detail_type == CLOUDTRAIL && event.source == ECR {
        return Ok(Event::Record(parse_at("detail", event.detail)?));
    }
    let action: ImageAction = if event.detail_type == PULL_THROUGH {
        parse_at::<PullThrough>("detail", event.detail)?.into()
    } else {
        parse_at("detail", event.detail)?
    };
    let home = config.is_home(event.account.as_deref(), event.region.as_deref());
    Ok(if home { Event::Push { action, at } } else { Event::Elsewhere })
}

/// Keeps who pushed an image, for approvals that ask for somebody else.
async fn note_pusher(aws: &Aws, config: &Config, record: &PutImage) -> Result<Received, StepError> {
    let Some((repository, digest, identity)) = record.pushed() else {
        return Ok(ignore(&Ignored::NotSuccessful(
            "CloudTrail's record names no image, or nobody".to_owned(),
        )));
    };
    let table = aws.table(&config.table);
    let key = Key::pushers(repository, digest);
    table
        .update(&key, |known: Option<Pushers>| Update::Write(known.unwrap_or_default().and(identity), ()))
        .await?;
    tracing::info!(image.digest = %digest, "{repository}@{digest} was pushed by {identity}");
    Ok(Received::Noted { digest: digest.clone() })
}

async fn start(
    aws: &Aws,
    config: &Config,
    started: Started,
    application: Application,
) -> Result<Received, StepError> {
    let table = aws.table(&config.table);
    let Release { id, image, .. } = &started.release;
    let (release, digest) = (id.clone(), image.digest.clone());
    let notifier = Notifier { aws, table: &table, channels: &config.channels };
    match begin(notifier, &config.state_machine_arn, started, application).await? {
        Begun::Running => Ok(Received::Started { release }),
        Begun::Before => {
            tracing::info!(release.id = %release, image.digest = %digest, "the image was received before, as the release {release}");
            Ok(duplicate(release))
        }
    }
}

fn duplicate(release: ReleaseId) -> Received {
    count("PushIgnored", &[("Reason", "Duplicate")]);
    Received::Duplicate { release }
}

fn ignore(ignored: &Ignored) -> Received {
    tracing::info!(reason = ignored.label(), "the push is ignored: {ignored}");
    count("PushIgnored", &[("Reason", ignored.label())]);
    Received::Ignored { reason: ignored.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config {
            table: "slipway".into(),
            state_machine_arn: "arn:aws:states:us-east-1:000000000000:stateMachine:slipway-release".into(),
            applications_path: "/slipway/applications".into(),
            repositories_path: "/slipway/repositories".into(),
            channels: Channels {
                mails: String::new(),
                chats: String::new(),
                pages: String::new(),
                mails_a_minute: 30,
            },
        }
    }

    #[test]
    fn an_event_says_no_time_in_the_future() {
        let event: Value =
            serde_json::from_str(include_str!("../../../tests/events/image-push.json")).expect("JSON");
        let at = |time: &str| {
            let mut event = event.clone();
            event["time"] = time.into();
            match read(&config(), event).expect("it is read") {
                Event::Push { at, .. } => at,
                _ => panic!("it is a push of this account"),
            }
        };
        assert!(at("2099-01-01T00:00:00Z") <= now());
        assert_eq!(at("2026-01-01T00:00:00Z"), "2026-01-01T00:00:00Z".parse().expect("a time"));
    }

    #[test]
    fn only_the_workflows_own_account_and_region_are_home() {
        let config = config();
        assert!(config.is_home(Some("000000000000"), Some("us-east-1")));
        assert!(!config.is_home(Some("444455556666"), Some("us-east-1")));
        assert!(!config.is_home(Some("000000000000"), Some("eu-central-1")));
        assert!(!config.is_home(None, None));
    }
}
