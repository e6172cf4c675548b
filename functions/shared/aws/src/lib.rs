//! The only place that speaks to AWS: one file per service, in the workflow's words.
//!
//! It translates and decides nothing. No type of the AWS SDK crosses its boundary.

#[cfg(test)]
mod answering;

mod alarms;
mod answer;
mod ecr;
mod ecs;
mod elb;
mod error;
mod events;
mod executions;
mod logs;
mod parameters;
mod snapshots;
mod table;
mod topics;

use std::time::Duration;

use aws_config::{AppName, BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};

pub use alarms::Alarms;
pub use ecr::{Repositories, Tagged};
pub use ecs::{Ecs, LogStream, OneOff, OneOffTask, TaskDefinition};
pub use elb::{Listener, LoadBalancers};
pub use error::AwsError;
pub use events::Events;
pub use executions::{Delivery, Executions, Start};
pub use logs::Logs;
pub use parameters::{Parameter, Parameters};
pub use snapshots::{Requested, Snapshots};
pub use table::{Key, Stored, Table};
pub use topics::{Mail, Topic};

/// How long one try of a call may take. Every function's own time-out is above [`OPERATION_SECONDS`].
const ATTEMPT_SECONDS: u64 = 3;
/// How long a call may take with all its tries; the shortest function time-out is 10 seconds.
const OPERATION_SECONDS: u64 = 8;
/// How often a call is tried.
const ATTEMPTS: u32 = 3;

/// The connection to AWS that all of a function's clients share.
#[derive(Clone, Debug)]
pub struct Aws {
    config: SdkConfig,
}

impl Aws {
    /// Connects with the credentials, the region and the endpoint that the environment gives.
    ///
    /// The SDK has no time-outs of its own for reading, attempts and operations: they are set here, once, below
    /// the functions' own, so that a function ends by its own words and not by being killed.
    ///
    /// The function's name goes along with every call, and is in the account's trail of API calls.
    pub async fn connect(function: &'static str) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(2))
            .read_timeout(Duration::from_secs(ATTEMPT_SECONDS))
            .operation_attempt_timeout(Duration::from_secs(ATTEMPT_SECONDS))
            .operation_timeout(Duration::from_secs(OPERATION_SECONDS))
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS));
        if let Ok(name) = AppName::new(format!("slipway-{function}")) {
            loader = loader.app_name(name);
        }
        Self { config: loader.load().await }
    }

    /// The region that is spoken to.
    #[must_use]
    pub fn region(&self) -> &str {
        self.config.region().map_or("", Region::as_ref)
    }

    /// CloudWatch's alarms.
    #[must_use]
    pub fn alarms(&self) -> Alarms {
        Alarms::new(aws_sdk_cloudwatch::Client::new(&self.config))
    }

    /// ECR's repositories.
    #[must_use]
    pub fn repositories(&self) -> Repositories {
        Repositories::new(aws_sdk_ecr::Client::new(&self.config))
    }

    /// ECS's services, tasks and task definitions.
    #[must_use]
    pub fn ecs(&self) -> Ecs {
        Ecs::new(aws_sdk_ecs::Client::new(&self.config))
    }

    /// The load balancers.
    #[must_use]
    pub fn load_balancers(&self) -> LoadBalancers {
        LoadBalancers::new(aws_sdk_elasticloadbalancingv2::Client::new(&self.config))
    }

    /// The workflow's executions.
    #[must_use]
    pub fn executions(&self) -> Executions {
        Executions::new(aws_sdk_sfn::Client::new(&self.config))
    }

    /// The applications' configurations.
    #[must_use]
    pub fn parameters(&self) -> Parameters {
        Parameters::new(aws_sdk_ssm::Client::new(&self.config))
    }

    /// RDS's databases and their snapshots.
    #[must_use]
    pub fn snapshots(&self) -> Snapshots {
        Snapshots::new(aws_sdk_rds::Client::new(&self.config))
    }

    /// The logs of tasks.
    #[must_use]
    pub fn logs(&self) -> Logs {
        Logs::new(aws_sdk_cloudwatchlogs::Client::new(&self.config))
    }

    /// The table of this name.
    #[must_use]
    pub fn table(&self, name: &str) -> Table {
        Table::new(aws_sdk_dynamodb::Client::new(&self.config), name)
    }

    /// The account's default event bus.
    #[must_use]
    pub fn events(&self) -> Events {
        Events::new(aws_sdk_eventbridge::Client::new(&self.config))
    }

    /// The SNS topic of this ARN.
    #[must_use]
    pub fn topic(&self, arn: &str) -> Topic {
        Topic::new(aws_sdk_sns::Client::new(&self.config), arn)
    }
}
