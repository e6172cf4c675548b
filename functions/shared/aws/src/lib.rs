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
mod functions;
mod http;
mod keys;
mod logs;
mod operators;
mod parameters;
mod place;
mod queues;
mod schedules;
mod settings;
mod snapshots;
mod table;
mod topics;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_dynamodb::config::SharedCredentialsProvider;

pub use alarms::Alarms;
pub use ecr::{Repositories, Tagged};
pub use ecs::{Ecs, LogStream, OneOff, OneOffTask, Registration, TaskDefinition};
pub use elb::{Listener, LoadBalancers, Unreachable};
pub use error::AwsError;
pub use events::{Events, ScheduledTask};
pub use executions::{Delivery, Executions, Start};
pub use functions::Functions;
pub use keys::{Item, Key};
pub use logs::{Found, Logged, Logs};
pub use operators::OperatorsApi;
pub use parameters::{Parameter, Parameters};
pub use place::Place;
pub use queues::{Queue, Queues, Received};
pub use schedules::Schedules;
pub use settings::Settings;
pub use snapshots::{Requested, Snapshots};
pub use table::{Items, Latest, Stored, Table, Update, Write};
pub use topics::{Mail, Topic};

/// How long one try of a call that looks may take, and the call with all its tries. The shortest time-out of a function
/// is 10 seconds.
const LOOKING: (u64, u64) = (3, 8);
/// The same of a call that changes something: AWS may take a while over it, and one that is given up has its effect all
/// the same. The functions that make such calls have 30 seconds and more.
const CHANGING: (u64, u64) = (10, 20);
/// How often a call is tried.
const ATTEMPTS: u32 = 3;

/// The connection to AWS: one pool of HTTP connections, and one client of each AWS service on it.
///
/// A clone is cheap and shares both, and so does everything that it gives out: what is opened during a function's
/// init serves every invocation.
#[derive(Clone, Debug)]
pub struct Aws {
    shared: Arc<Shared>,
}

/// What all clones share.
#[derive(Debug)]
struct Shared {
    config: SdkConfig,
    clients: Clients,
}

/// The SDK's clients, each made when it is first asked for: a function pays, in its start and in its size, only for
/// those that it uses.
#[derive(Debug, Default)]
struct Clients {
    cloudwatch: OnceLock<aws_sdk_cloudwatch::Client>,
    dynamodb: OnceLock<aws_sdk_dynamodb::Client>,
    ecr: OnceLock<aws_sdk_ecr::Client>,
    ecs: OnceLock<aws_sdk_ecs::Client>,
    elb: OnceLock<aws_sdk_elasticloadbalancingv2::Client>,
    eventbridge: OnceLock<aws_sdk_eventbridge::Client>,
    lambda: OnceLock<aws_sdk_lambda::Client>,
    logs: OnceLock<aws_sdk_cloudwatchlogs::Client>,
    rds: OnceLock<aws_sdk_rds::Client>,
    scheduler: OnceLock<aws_sdk_scheduler::Client>,
    sfn: OnceLock<aws_sdk_sfn::Client>,
    sns: OnceLock<aws_sdk_sns::Client>,
    sqs: OnceLock<aws_sdk_sqs::Client>,
    ssm: OnceLock<aws_sdk_ssm::Client>,
}

impl Aws {
    /// Connects a function with the credentials that Lambda has put into its environment.
    ///
    /// Nothing else is asked for credentials, and no profile for settings: a function has none, and each other source makes
    /// its package larger and its start longer. The SDK has no time-outs of its own for reading, attempts and operations: they
    /// are set here, once, below the functions' own, so that a function ends by its own words and not by being killed.
    ///
    /// The function's name goes along with every call, and is in the account's trail of API calls.
    #[must_use]
    pub fn connect(function: &str, settings: &Settings) -> Self {
        let credentials = SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new());
        Self::of(configured(function, settings, credentials))
    }

    /// Connects with the credentials, the region and the endpoint of a configuration that was loaded elsewhere: of a person's
    /// profile. Time-outs and tries are those of the functions.
    #[must_use]
    pub fn with(config: &SdkConfig) -> Self {
        let config = config
            .to_builder()
            .http_client(http::client(http::Trust::System))
            .timeout_config(timeouts(LOOKING))
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .build();
        Self::of(config)
    }

    fn of(config: SdkConfig) -> Self {
        Self { shared: Arc::new(Shared { config, clients: Clients::default() }) }
    }

    /// The connection to another place.
    #[must_use]
    pub fn at(&self, place: &Place) -> Self {
        match place {
            Place::Home => self.clone(),
        }
    }

    /// The region that is spoken to.
    #[must_use]
    pub fn region(&self) -> &str {
        self.shared.config.region().map_or("", Region::as_ref)
    }

    /// CloudWatch's alarms.
    #[must_use]
    pub fn alarms(&self) -> Alarms {
        Alarms::new(
            self.shared
                .clients
                .cloudwatch
                .get_or_init(|| aws_sdk_cloudwatch::Client::new(&self.shared.config))
                .clone(),
        )
    }

    /// ECR's repositories.
    #[must_use]
    pub fn repositories(&self) -> Repositories {
        Repositories::new(
            self.shared.clients.ecr.get_or_init(|| aws_sdk_ecr::Client::new(&self.shared.config)).clone(),
        )
    }

    /// ECS's services, tasks and task definitions.
    #[must_use]
    pub fn ecs(&self) -> Ecs {
        Ecs::new(
            self.shared.clients.ecs.get_or_init(|| aws_sdk_ecs::Client::new(&self.shared.config)).clone(),
        )
    }

    /// The load balancers.
    #[must_use]
    pub fn load_balancers(&self) -> LoadBalancers {
        LoadBalancers::new(
            self.shared
                .clients
                .elb
                .get_or_init(|| aws_sdk_elasticloadbalancingv2::Client::new(&self.shared.config))
                .clone(),
        )
    }

    /// The workflow's executions.
    #[must_use]
    pub fn executions(&self) -> Executions {
        Executions::new(
            self.shared.clients.sfn.get_or_init(|| aws_sdk_sfn::Client::new(&self.shared.config)).clone(),
        )
    }

    /// The applications' configurations.
    #[must_use]
    pub fn parameters(&self) -> Parameters {
        Parameters::new(
            self.shared.clients.ssm.get_or_init(|| aws_sdk_ssm::Client::new(&self.shared.config)).clone(),
        )
    }

    /// RDS's databases and their snapshots.
    #[must_use]
    pub fn snapshots(&self) -> Snapshots {
        Snapshots::new(
            self.shared.clients.rds.get_or_init(|| aws_sdk_rds::Client::new(&self.shared.config)).clone(),
        )
    }

    /// The operators' API at this address, asked as whom this connection is.
    ///
    /// # Errors
    ///
    /// When the address is none, or there are no credentials.
    pub fn operators_api(&self, address: &str) -> Result<OperatorsApi, AwsError> {
        OperatorsApi::new(&self.shared.config, address)
    }

    /// Lambda's functions.
    #[must_use]
    pub fn functions(&self) -> Functions {
        Functions::new(
            self.shared
                .clients
                .lambda
                .get_or_init(|| aws_sdk_lambda::Client::new(&self.shared.config))
                .clone(),
        )
    }

    /// The logs of tasks and functions.
    #[must_use]
    pub fn logs(&self) -> Logs {
        Logs::new(
            self.shared
                .clients
                .logs
                .get_or_init(|| aws_sdk_cloudwatchlogs::Client::new(&self.shared.config))
                .clone(),
        )
    }

    /// The table of this name.
    #[must_use]
    pub fn table(&self, name: &str) -> Table {
        Table::new(
            self.shared
                .clients
                .dynamodb
                .get_or_init(|| aws_sdk_dynamodb::Client::new(&self.shared.config))
                .clone(),
            name,
        )
    }

    /// The account's default event bus.
    #[must_use]
    pub fn events(&self) -> Events {
        Events::new(
            self.shared
                .clients
                .eventbridge
                .get_or_init(|| aws_sdk_eventbridge::Client::new(&self.shared.config))
                .clone(),
        )
    }

    /// EventBridge Scheduler's schedules.
    #[must_use]
    pub fn schedules(&self) -> Schedules {
        Schedules::new(
            self.shared
                .clients
                .scheduler
                .get_or_init(|| aws_sdk_scheduler::Client::new(&self.shared.config))
                .clone(),
        )
    }

    /// SQS's queues.
    #[must_use]
    pub fn queues(&self) -> Queues {
        Queues::new(
            self.shared.clients.sqs.get_or_init(|| aws_sdk_sqs::Client::new(&self.shared.config)).clone(),
        )
    }

    /// The SNS topic of this ARN.
    #[must_use]
    pub fn topic(&self, arn: &str) -> Topic {
        Topic::new(
            self.shared.clients.sns.get_or_init(|| aws_sdk_sns::Client::new(&self.shared.config)).clone(),
            arn,
        )
    }
}

/// The time-outs of a try and of a call, in seconds. Those of the connection are the same for all, because the HTTP
/// client has a pool for each set of them.
fn timeouts((attempt, operation): (u64, u64)) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .read_timeout(Duration::from_secs(CHANGING.0))
        .operation_attempt_timeout(Duration::from_secs(attempt))
        .operation_timeout(Duration::from_secs(operation))
        .build()
}

/// Gives a request of an SDK's client the time of a call that changes something.
macro_rules! patiently {
    ($sdk:ident, $request:expr) => {
        $request
            .customize()
            .config_override($sdk::config::Config::builder().timeout_config(crate::timeouts(crate::CHANGING)))
    };
}
pub(crate) use patiently;

/// How all clients of a function are set up.
fn configured(function: &str, settings: &Settings, credentials: SharedCredentialsProvider) -> SdkConfig {
    let trust = if settings.trusts_amazon_alone() { http::Trust::Amazon } else { http::Trust::System };
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(settings.region.clone()))
        .use_fips(settings.use_fips)
        .use_dual_stack(settings.use_dual_stack)
        .credentials_provider(credentials)
        .http_client(http::client(trust))
        .timeout_config(timeouts(LOOKING))
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS));
    config.set_endpoint_url(settings.endpoint_url.clone());
    config.set_app_name(AppName::new(format!("slipway-{function}")).ok());
    config.build()
}
