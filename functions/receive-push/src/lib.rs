//! Turns a push into a release: reads the event, finds the application, starts the workflow.
//!
//! Woken by EventBridge with `ECR Image Action`. ECR's events are best effort and may come twice: the release's id comes
//! from the image's digest, so a second event finds the first one's execution.

use aws_lambda_events::eventbridge::EventBridgeEvent;
use serde::Serialize;
use serde_json::Value;
use slipway_aws::{Aws, Key, Start};
use slipway_core::application::Application;
use slipway_core::name::ReleaseId;
use slipway_core::push::{self, Ignored, ImageAction};
use slipway_core::release::Started;
use slipway_core::step::ReleaseInput;
use slipway_runtime::{ConfigurationError, Environment, StepError, count, now, parse};

/// What the function is told by its environment.
#[derive(Clone, Debug)]
pub struct Config {
    /// The table's name.
    pub table: String,
    /// The workflow's ARN. Its account and region are the ones whose pushes count.
    pub state_machine_arn: String,
    /// The SSM path that the applications' parameters are below.
    pub applications_path: String,
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
            state_machine_arn: environment.require("SLIPWAY_STATE_MACHINE_ARN", "the ARN of the release workflow")?,
            applications_path: environment
                .require("SLIPWAY_APPLICATIONS_PATH", "the SSM path of the applications, such as /slipway/applications")?,
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
    /// The same push, or another tag of the same image, was received before.
    Duplicate {
        /// The id of the release that it started.
        release: ReleaseId,
    },
    /// Nothing was started, and nothing is wrong.
    Ignored {
        /// Why.
        reason: String,
    },
}

/// Starts the release that a push asks for.
///
/// # Errors
///
/// When the event does not parse, an application's configuration does not fit, or AWS cannot be asked.
pub async fn handle(aws: &Aws, config: &Config, input: Value) -> Result<Received, StepError> {
    let event: EventBridgeEvent<ImageAction> = parse(input)?;
    let image = if config.is_home(event.account.as_deref(), event.region.as_deref()) {
        push::image_of(&event.detail)
    } else {
        Err(Ignored::Elsewhere)
    };
    let image = match image {
        Ok(image) => image,
        Err(ignored) => return Ok(ignore(&ignored)),
    };
    let applications = read_applications(aws, config).await?;
    let (release, application) = match push::release_of(image, applications) {
        Ok(found) => found,
        Err(ignored) => return Ok(ignore(&ignored)),
    };

    let table = aws.table(&config.table);
    let key = Key::release(&release.id);
    let mut started = Started { release: release.clone(), at: now() };
    if !table.put_new(&key, &started).await?
        && let Some(first) = table.get::<Started>(&key).await?
    {
        // The tag may be another one, and the first one's is the release's.
        started = first.document;
    }
    table.put(&Key::history(&release.application, started.at, &release.id), &started).await?;
    let input = ReleaseInput { release: started.release, application };
    let start = aws.executions().start(&config.state_machine_arn, release.id.as_str(), &input).await?;

    let image = &input.release.image;
    match start {
        Start::Running => {
            tracing::info!(release.id = %release.id, application = %release.application, image.digest = %image.digest, image.tag, "the release {} of {} begins", release.id, image.tag);
            count("ReleaseStarted", &[("Application", release.application.as_str())]);
            Ok(Received::Started { release: release.id })
        }
        Start::AlreadyThere => {
            tracing::info!(release.id = %release.id, application = %release.application, image.digest = %image.digest, "the image was received before, as the release {}", release.id);
            count("PushIgnored", &[("Reason", "Duplicate")]);
            Ok(Received::Duplicate { release: release.id })
        }
    }
}

fn ignore(ignored: &Ignored) -> Received {
    tracing::info!(reason = ignored.label(), "the push is ignored: {ignored}");
    count("PushIgnored", &[("Reason", ignored.label())]);
    Received::Ignored { reason: ignored.to_string() }
}

async fn read_applications(aws: &Aws, config: &Config) -> Result<Vec<Application>, StepError> {
    let parameters = aws.parameters().below(&config.applications_path).await?;
    parameters
        .iter()
        .map(|(name, value)| Application::parse(value).map_err(|error| StepError::InvalidConfiguration(format!("{name}: {error}"))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_workflows_own_account_and_region_are_home() {
        let config = Config {
            table: "slipway".into(),
            state_machine_arn: "arn:aws:states:eu-central-1:111122223333:stateMachine:slipway-release".into(),
            applications_path: "/slipway/applications".into(),
        };
        assert!(config.is_home(Some("111122223333"), Some("eu-central-1")));
        assert!(!config.is_home(Some("444455556666"), Some("eu-central-1")));
        assert!(!config.is_home(Some("111122223333"), Some("us-east-1")));
        assert!(!config.is_home(None, None));
    }
}
