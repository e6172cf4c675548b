//! A running local cloud, for commands and tests.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use aws_config::SdkConfig;
use aws_sdk_cloudwatch::types::{ComparisonOperator, StateValue, Statistic};
use serde_json::{Value, json};
use slipway_core::{api::Done, name::ReleaseId};
use url::Url;

use crate::{
    Awkward, Gates, Pace, Settings,
    awkward::Awkwardness,
    bundle::Architecture,
    client,
    events::{self, Delivery},
    image::{self, Behaviour, ImageOptions, Make, Platform},
    mail::{self, Mail},
    page::{self, Answer, Filled, Page},
    releases::{self, Execution},
    state::{Running, StateFolder},
    told,
    wire::Control,
};

/// The sample application, which is also its repository's and its services' name.
pub const APPLICATION: &str = "web";
/// The application with three stages of two services, and with every gate.
pub const SHOP: &str = "shop";
/// The person who may approve on the local cloud.
pub const APPROVER: &str = "ana@example.com";

/// The people who are notified of how releases end on the local cloud.
pub const TEAM: &str = "team@example.com";

/// What version of the sample application is pushed, and how.
#[derive(Clone, Debug)]
pub struct PushOptions {
    /// The version that the application shows.
    pub version: String,
    /// The image's tag; the version when none is given.
    pub tag: Option<String>,
    /// What the application does once it runs.
    pub behaviour: Behaviour,
    /// What the image is made of.
    pub make: Make,
    /// What the image says of its migration; nothing where it has no label for it.
    pub migration: Option<String>,
    /// Whether it is built for all platforms, as an index, instead of for this machine only.
    pub multi_architecture: bool,
}

impl PushOptions {
    /// A good version for this machine, under its own name as the tag.
    #[must_use]
    pub fn good(version: &str) -> Self {
        Self {
            version: version.to_owned(),
            tag: None,
            behaviour: Behaviour::Good,
            make: Make::Sample,
            migration: None,
            multi_architecture: false,
        }
    }

    /// The same without the sample application's framework, for tests of many releases: it starts at once.
    #[must_use]
    pub fn light(version: &str) -> Self {
        Self { make: Make::Light, ..Self::good(version) }
    }

    /// The same, which behaves otherwise.
    #[must_use]
    pub fn behaving(self, behaviour: Behaviour) -> Self {
        Self { behaviour, ..self }
    }
}

/// A pushed image.
#[derive(Clone, Debug)]
pub struct Pushed {
    /// The repository's name.
    pub repository: String,
    /// The tag that it was pushed under.
    pub tag: String,
    /// The digest of what the tag points to.
    pub digest: String,
    /// When the push ended, in milliseconds since 1970.
    pub at: i64,
}

/// An answer through a stage's load balancer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: String,
}

/// A local cloud that runs.
#[derive(Clone, Debug)]
pub struct Cloud {
    running: Running,
    state: StateFolder,
    application: PathBuf,
    sdk: SdkConfig,
}

impl Cloud {
    /// The cloud that runs in the settings' state folder.
    ///
    /// # Errors
    ///
    /// When none runs there.
    pub async fn attach(settings: &Settings) -> anyhow::Result<Self> {
        let state = StateFolder::new(&settings.state);
        let running = state.running()?;
        Ok(Self {
            sdk: client::sdk(&running.endpoint).await,
            running,
            state,
            application: settings.repository.join("tests/app"),
        })
    }

    /// The cloud of `SLIPWAY_LOCAL`, or the person's own.
    ///
    /// # Errors
    ///
    /// When none runs there.
    pub async fn find() -> anyhow::Result<Self> {
        Self::attach(&Settings::discover(None)?).await
    }

    /// Where AWS's interfaces answer.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.running.endpoint
    }

    /// The port of the endpoint.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.running.port
    }

    /// The port on which load balancers answer by TLS.
    #[must_use]
    pub fn tls_port(&self) -> u16 {
        self.running.tls_port
    }

    /// How fast its own waiting goes.
    #[must_use]
    pub fn pace(&self) -> Pace {
        self.running.pace
    }

    /// The wire between its functions and the endpoint.
    #[must_use]
    pub fn wire(&self) -> Control {
        Control::of(&self.running.wire)
    }

    /// Has these functions run twice each time, one run after the other, and no others; `*` is all of them.
    ///
    /// Who calls one sees the second run's answer.
    ///
    /// # Errors
    ///
    /// When that cannot be written down.
    pub fn run_twice(&self, functions: &[&str]) -> anyhow::Result<()> {
        let file = self.state.twice();
        let draft = file.with_extension("draft");
        std::fs::write(&draft, functions.join("\n"))?;
        std::fs::rename(&draft, &file).with_context(|| format!("{} cannot be written", file.display()))
    }

    /// What belongs to it on disk.
    #[must_use]
    pub fn state(&self) -> &StateFolder {
        &self.state
    }

    /// The SDK's configuration, as the root user.
    #[must_use]
    pub fn sdk(&self) -> &SdkConfig {
        &self.sdk
    }

    /// Builds a version of the sample application and pushes its image.
    ///
    /// # Errors
    ///
    /// When it cannot be built, or the registry refuses it.
    pub async fn push(&self, options: &PushOptions) -> anyhow::Result<Pushed> {
        self.push_to(APPLICATION, options).await
    }

    /// The same, to a repository of another name.
    ///
    /// # Errors
    ///
    /// When it cannot be built, or the registry refuses it.
    pub async fn push_to(&self, repository: &str, options: &PushOptions) -> anyhow::Result<Pushed> {
        let built = image::build(
            &self.application,
            &ImageOptions {
                version: options.version.clone(),
                behaviour: options.behaviour,
                make: options.make,
                migration: options.migration.clone(),
                platforms: if options.multi_architecture {
                    Platform::ALL.to_vec()
                } else {
                    vec![Platform::host()]
                },
            },
        )?;
        let tag = options.tag.clone().unwrap_or_else(|| options.version.clone());
        let digest = image::push(&built, &Url::parse(self.endpoint())?, repository, &tag).await?;
        Ok(Pushed {
            repository: repository.to_owned(),
            tag,
            digest,
            at: crate::clock::now().as_millisecond(),
        })
    }

    /// Changes what scans found, and how databases are.
    ///
    /// # Errors
    ///
    /// When the file that holds it cannot be read or written.
    pub fn set_gates(&self, change: impl FnOnce(&mut Gates)) -> anyhow::Result<()> {
        let file = self.state.gates();
        let mut gates: Gates = told::read(&file)?;
        change(&mut gates);
        told::write(&file, &gates)
    }

    /// Changes how awkward the cloud is for the test that runs now.
    ///
    /// # Errors
    ///
    /// When the file that holds it cannot be written.
    pub fn set_awkward(&self, awkward: &Awkward) -> anyhow::Result<()> {
        let file = self.state.awkward();
        told::write(&file, &Awkwardness { now: awkward.clone(), ..Awkwardness::read(&file) })
    }

    /// How awkward the cloud is now.
    #[must_use]
    pub fn awkwardness(&self) -> Awkwardness {
        Awkwardness::read(&self.state.awkward())
    }

    /// Makes the cloud awkward for good.
    ///
    /// # Errors
    ///
    /// When the file that holds it cannot be written.
    pub fn is_always(&self, awkward: Awkward) -> anyhow::Result<()> {
        told::write(&self.state.awkward(), &Awkwardness { always: awkward, now: Awkward::default() })
    }

    /// The mails, the oldest first.
    ///
    /// # Errors
    ///
    /// When the inbox cannot be read.
    pub fn inbox(&self) -> anyhow::Result<Vec<Mail>> {
        mail::read(&self.state.inbox())
    }

    /// Waits for a mail that is not among the first `known` ones and that the test accepts.
    ///
    /// # Errors
    ///
    /// When none comes in time.
    pub async fn wait_for_mail(
        &self,
        known: usize,
        patience: Duration,
        accepts: impl Fn(&Mail) -> bool,
    ) -> anyhow::Result<Mail> {
        mail::wait(&self.state.inbox(), known, patience, accepts).await
    }

    /// Opens the page of a link, as a person does.
    ///
    /// # Errors
    ///
    /// When nothing answers there.
    pub async fn open(&self, link: &str) -> anyhow::Result<Page> {
        Ok(page::open(link).await?)
    }

    /// Opens the page of a link and answers it through its form, as a person does.
    ///
    /// # Errors
    ///
    /// When the page has nothing to answer; the error holds its words.
    pub async fn decide(&self, link: &str, answer: Answer, reason: Option<&str>) -> anyhow::Result<Page> {
        let page = page::open(link).await?;
        // A person who decides here has looked at the alarms.
        let filled = Filled { reason: reason.map(ToOwned::to_owned), overrides: true, digest: None };
        Ok(page::answer(link, &page, answer, &filled).await?)
    }

    /// The releases, the newest first.
    ///
    /// # Errors
    ///
    /// When Step Functions cannot be asked.
    pub async fn executions(&self) -> anyhow::Result<Vec<Execution>> {
        let outputs = self.outputs().unwrap_or_default();
        let machine =
            outputs["state_machine_arn"].as_str().map_or_else(releases::state_machine, str::to_owned);
        releases::list(&self.sdk, &machine).await
    }

    /// The releases of an image, the newest first.
    ///
    /// # Errors
    ///
    /// When Step Functions cannot be asked.
    pub async fn executions_of(&self, digest: &str) -> anyhow::Result<Vec<Execution>> {
        let mut executions = self.executions().await?;
        executions.retain(|execution| execution.is_of(digest));
        Ok(executions)
    }

    /// Waits until the release of an image has begun.
    ///
    /// # Errors
    ///
    /// When none begins in time.
    pub async fn wait_for_release(&self, digest: &str, patience: Duration) -> anyhow::Result<Execution> {
        let started = Instant::now();
        loop {
            if let Some(execution) = self.executions_of(digest).await?.into_iter().next() {
                return Ok(execution);
            }
            if started.elapsed() > patience {
                bail!(
                    "no release of {digest} began within {} s; see `cargo local logs receive-push`",
                    patience.as_secs()
                );
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until the newest release of an image has ended, however it ended.
    ///
    /// # Errors
    ///
    /// When none begins, or it does not end in time.
    pub async fn wait_for_outcome(&self, digest: &str, patience: Duration) -> anyhow::Result<Execution> {
        let started = Instant::now();
        let mut execution = self.wait_for_release(digest, patience).await?;
        while execution.is_running() {
            if started.elapsed() > patience {
                bail!(
                    "the release of {digest} did not end within {} s; see `cargo local status`",
                    patience.as_secs()
                );
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
            execution = releases::describe(&self.sdk, &execution.arn).await?;
        }
        Ok(execution)
    }

    /// Waits until an execution has ended, however it ended.
    ///
    /// # Errors
    ///
    /// When it does not end in time.
    pub async fn wait_until_ended(&self, arn: &str, patience: Duration) -> anyhow::Result<Execution> {
        let started = Instant::now();
        loop {
            let execution = releases::describe(&self.sdk, arn).await?;
            if !execution.is_running() {
                return Ok(execution);
            }
            if started.elapsed() > patience {
                bail!(
                    "{} did not end within {} s; see `cargo local status`",
                    execution.name,
                    patience.as_secs()
                );
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Asks the sample application through a stage's load balancer.
    ///
    /// # Errors
    ///
    /// When the load balancer does not answer.
    pub async fn get(&self, stage: &str, path: &str) -> anyhow::Result<Answered> {
        let address = Url::parse(&format!("{}{path}", load_balancer(self.port(), stage)))?;
        let answer = client::browser(&address)?
            .get(address.clone())
            .send()
            .await
            .with_context(|| format!("the load balancer of {stage} does not answer"))?;
        Ok(Answered { status: answer.status().as_u16(), body: answer.text().await? })
    }

    /// Gives an event to the deployed rules.
    ///
    /// # Errors
    ///
    /// When the rules cannot be read.
    pub async fn deliver(&self, event: &Value) -> anyhow::Result<Vec<Delivery>> {
        events::deliver(&self.sdk, event).await
    }

    /// The operators' API, asked as the root user.
    ///
    /// # Errors
    ///
    /// When Terraform has printed no address of it.
    pub fn operators(&self) -> anyhow::Result<slipway_cli::Client> {
        self.operators_as(self.sdk.clone())
    }

    /// The operators' API, asked as whom a configuration's credentials are.
    ///
    /// # Errors
    ///
    /// When Terraform has printed no address of it.
    pub fn operators_as(&self, sdk: SdkConfig) -> anyhow::Result<slipway_cli::Client> {
        let outputs = self.outputs()?;
        let url = outputs["operators_api"]["url"].as_str().context("Terraform printed no operators_api")?;
        Ok(slipway_cli::Client::at(sdk, Url::parse(&format!("{url}/"))?)?)
    }

    /// Asks for a release to end, as the root user. What the API answers, in words.
    ///
    /// # Errors
    ///
    /// When the API refuses, or does not answer.
    pub async fn abort(&self, release: &str, reason: &str) -> anyhow::Result<String> {
        let id = ReleaseId::new(release)?;
        let application = id.application().context("a release's id begins with its application")?;
        let path = format!("applications/{application}/releases/{id}/abort");
        let operators = self.operators()?;
        let done: Done = Box::pin(operators.post(&path, &json!({ "reason": reason }))).await?;
        Ok(done.words)
    }

    /// Makes an alarm, if it is not there, and sets its state, with a reason that people read.
    ///
    /// # Errors
    ///
    /// When CloudWatch refuses.
    pub async fn set_alarm(&self, name: &str, state: StateValue, reason: &str) -> anyhow::Result<()> {
        let cloudwatch = aws_sdk_cloudwatch::Client::new(&self.sdk);
        let there = cloudwatch.describe_alarms().alarm_names(name).send().await?;
        if there.metric_alarms().is_empty() {
            let alarm = cloudwatch.put_metric_alarm().alarm_name(name).namespace("Local").metric_name("5xx");
            let alarm = alarm.statistic(Statistic::Sum).period(60).evaluation_periods(1).threshold(1.0);
            let alarm = alarm.comparison_operator(ComparisonOperator::GreaterThanThreshold);
            alarm.treat_missing_data("ignore").send().await?;
        }
        let set = cloudwatch.set_alarm_state().alarm_name(name).state_value(state);
        set.state_reason(reason).send().await?;
        Ok(())
    }

    /// What Terraform printed as the cloud's outputs when it was set up.
    ///
    /// # Errors
    ///
    /// When the cloud was not set up.
    pub fn outputs(&self) -> anyhow::Result<Value> {
        let file = self.state.outputs();
        let text = std::fs::read(&file).with_context(|| format!("{} cannot be read", file.display()))?;
        Ok(serde_json::from_slice(&text)?)
    }
}

/// Where a stage's load balancer answers on the local cloud.
///
/// Browsers and our functions find `*.localhost` on this machine; not every system's resolver does.
#[must_use]
pub fn load_balancer(port: u16, stage: &str) -> String {
    format!("http://{APPLICATION}-{stage}.alb.localhost:{port}")
}

/// The Terraform variables of the local cloud. Where no packages are named, Terraform finds them.
#[must_use]
pub fn variables(port: u16, packages: Option<&Path>, pace: Pace) -> Value {
    let asked = |stage: &str| json!({ "path": "/health", "url": load_balancer(port, stage) });
    let web = |stage: &str| json!([{ "service": APPLICATION, "desired_count": 1, "health": asked(stage) }]);
    let shop = |stage: &str, check: Option<&Value>| {
        let mut steady = json!({ "for": "2s" });
        if let Some(check) = check {
            steady["command"] = check.clone();
        }
        json!([
            { "service": "web", "health": asked(&format!("{SHOP}-{stage}")) },
            { "service": "worker", "steady": steady },
        ])
    };
    let python = |code: &str| json!(["python", "-I", "-S", "-c", code]);
    let mut variables = json!({
        // It goes away with its folder.
        "deletion_protection": false,
        "notification_emails": [TEAM],
        "databases": { format!("{SHOP}/production"): {} },
        "applications": {
            APPLICATION: {
                "repository": APPLICATION,
                "tags": ["v*"],
                "stages": [
                    { "name": "staging", "services": web("staging") },
                    {
                        "name": "production",
                        "services": web("production"),
                        "approval": { "approvers": [APPROVER], "quorum": 1, "expires_after": "24h" },
                    },
                ],
            },
            // Three stages with two services each, and every gate.
            SHOP: {
                "repository": SHOP,
                "tags": ["v*"],
                "stages": [
                    { "name": "dev", "cluster": format!("{SHOP}-dev"), "services": shop("dev", None) },
                    { "name": "staging", "cluster": format!("{SHOP}-staging"), "services": shop("staging", None) },
                    {
                        "name": "production",
                        "cluster": format!("{SHOP}-production"),
                        "services": shop("production", Some(&python("print('the worker is well')"))),
                        "image_check": { "stop_above": "MEDIUM", "wait": "1m" },
                        "approval": { "approvers": [APPROVER], "quorum": 1, "expires_after": "24h" },
                        "snapshot": { "database": format!("{SHOP}-production"), "keep": 2, "wait": "1m" },
                        "migration": { "service": "web", "command": python("print('a table more')"), "timeout": "1m" },
                    },
                ],
            },
        },
    });
    if let Some(packages) = packages {
        variables["packages"] = json!(packages);
        variables["architecture"] = json!(Architecture::host().to_string());
    }
    if pace == Pace::Quick {
        // Runs of hundreds of releases, all of which mail the same person.
        variables["mails_per_minute"] = json!(300);
    }
    variables
}
