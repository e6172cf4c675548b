//! What the tests of whole releases do on the local cloud.
#![expect(clippy::unused_self, reason = "a test says what it does with the world")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_sdk_cloudwatch::types::StateValue;
use aws_sdk_ecs::types::{KeyValuePair, Tag, TaskDefinition};
use serde_json::{Value, json};
use slipway_core::api::{Done, ReleaseBegun};
use slipway_core::image::{Digest, digest_of};
use slipway_core::push::ImageAction;
use slipway_local::cloud::{APPLICATION, SHOP};
use slipway_local::page::Page;
use slipway_local::releases::Execution;
use slipway_local::wire::{CallRule, Entry, EventFault, EventRule, Plan, What};
use slipway_local::{Answer, Awkward, Cloud, Mail, PushOptions, Pushed, Settings};
use tokio::sync::{Semaphore, SemaphorePermit};

/// How long a release may take when nobody has to answer; three times what it takes here.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// The clouds that the tests share, by the folders of their states; each is one test's at a time.
static CLOUDS: LazyLock<Clouds> = LazyLock::new(|| {
    let first = Settings::discover(None).expect("the tests run inside of the repository").state;
    let states: Vec<_> = other_clouds().into_iter().chain([first]).collect();
    Clouds { free: Semaphore::new(states.len()), states: std::sync::Mutex::new(states) }
});
static VERSION: AtomicU32 = AtomicU32::new(0);
/// The file that says, in the cloud's folder, that the test before has failed, in this run or in one before: it may have
/// left a release running, which has the lock, or another configuration.
const LEFT_BEHIND: &str = "left-behind";

/// Where the clouds beside the first one are. The first of them was applied from a bundle.
fn other_clouds() -> Vec<PathBuf> {
    std::env::var_os("SLIPWAY_LOCAL_OTHERS")
        .map(|states| std::env::split_paths(&states).collect())
        .unwrap_or_default()
}

/// The cloud, to one test at a time.
pub(crate) struct World {
    pub(crate) cloud: Cloud,
    /// When the test began, and how much the cloud had logged by then.
    began: jiff::Timestamp,
    logged_before: usize,
    _taken: Taken,
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Without it the next test fails as well, and says so.
            let _written = fs::write(self.left_behind(), "");
        }
    }
}

/// A pushed image and where the inbox and the executions were before.
pub(crate) struct Push {
    pub(crate) tag: String,
    pub(crate) digest: String,
    pub(crate) mails_before: usize,
    executions_before: usize,
}

/// What a service runs. Each update of the service changes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Runs {
    pub(crate) task_definition: String,
    pub(crate) desired_count: i32,
    deployment: String,
}

/// A raw answer of the approval page.
pub(crate) struct RawAnswer {
    pub(crate) status: u16,
    headers: reqwest::header::HeaderMap,
}

impl RawAnswer {
    pub(crate) fn header(&self, name: &str) -> String {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    }
}

struct Clouds {
    free: Semaphore,
    /// Those that are free.
    states: std::sync::Mutex<Vec<PathBuf>>,
}

/// A cloud that is a test's.
struct Taken {
    state: PathBuf,
    _permit: SemaphorePermit<'static>,
}

impl Clouds {
    async fn take(&'static self) -> Taken {
        let permit = self.free.acquire().await.expect("it is never closed");
        let state = self.states.lock().expect("nobody panics with it").pop().expect("one is free");
        Taken { state, _permit: permit }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let state = std::mem::take(&mut self.state);
        CLOUDS.states.lock().expect("nobody panics with it").push(state);
    }
}

impl World {
    pub(crate) async fn enter() -> Self {
        let taken = CLOUDS.take().await;
        let settings = Settings::discover(Some(taken.state.clone())).expect("the repository");
        let cloud = Cloud::attach(&settings)
            .await
            .expect("a local cloud runs: `cargo local test` starts one, or `cargo local up`");
        cloud.wire().reset().await.expect("the wire answers");
        cloud.set_awkward(&Awkward::default()).expect("the cloud is told");
        let logged_before = fs::read(cloud.state().log("ministack")).expect("the cloud logs").len();
        let began = slipway_local::clock::now();
        let world = Self { cloud, began, logged_before, _taken: taken };
        if world.left_behind().exists() {
            world.clean_up().await;
            fs::remove_file(world.left_behind()).expect("it is there");
        }
        for application in [APPLICATION, SHOP] {
            world.end_rest(application).await;
        }
        world
    }

    fn left_behind(&self) -> PathBuf {
        self.cloud.state().path().join(LEFT_BEHIND)
    }

    /// Ends the rest of a lock that an earlier release has given back: nothing of that one comes late any more.
    pub(crate) async fn end_rest(&self, application: &str) {
        let key = (format!("LOCK#{application}"), "LOCK");
        let rests = self.item(&key.0, key.1).await.is_some_and(|lock| lock["rests_until"].is_string());
        if rests {
            self.change(&key.0, key.1, |lock| {
                if lock["holder"].is_null() {
                    lock.as_object_mut().expect("a lock").remove("rests_until");
                }
            })
            .await;
        }
    }

    /// The same where nothing happens by itself, also in an awkward run: the test counts what happens.
    pub(crate) async fn enter_calm() -> Self {
        let world = Self::enter().await;
        world.cloud.set_awkward(&Awkward { calm: true, ..Awkward::default() }).expect("the cloud is told");
        world
    }

    /// The world that was applied from a bundle; none where there is one cloud alone.
    pub(crate) async fn enter_the_one_from_a_bundle() -> Option<Self> {
        let from_a_bundle = other_clouds().into_iter().next()?;
        // Who has another one waits for this one. One test does that: two would wait for each other.
        let mut others = Vec::new();
        loop {
            let world = Self::enter().await;
            if world.cloud.state().path() == from_a_bundle {
                return Some(world);
            }
            others.push(world);
        }
    }

    /// How long something may take: longer where services lose tasks and calls are throttled all the time.
    pub(crate) fn patience(&self) -> Duration {
        if self.cloud.awkwardness().lag_seconds() > 0.0 { PATIENCE * 3 } else { PATIENCE }
    }

    /// Waits until the functions see what was changed just now.
    pub(crate) async fn settle(&self) {
        let lag = self.cloud.awkwardness().lag_seconds();
        tokio::time::sleep(Duration::from_secs_f64(lag * 1.2)).await;
    }

    /// Ends every release that a failed test has left running, and configures the application as Terraform wrote it.
    async fn clean_up(&self) {
        let sfn = aws_sdk_sfn::Client::new(self.cloud.sdk());
        for execution in
            self.cloud.executions().await.expect("executions").into_iter().filter(Execution::is_running)
        {
            sfn.stop_execution().execution_arn(execution.arn).send().await.expect("it is stopped");
        }
        self.configure(|_| {}).await;
        for (sk, _) in self.partition("FREEZE").await {
            self.forget("FREEZE", &sk).await;
        }
        for _ in 0..60 {
            // It records their outcomes and gives the lock back, once none of their functions may be writing.
            let _reconciled = self.invoke("reconcile", &self.event("reconcile.json")).await;
            if self.partition("OPEN").await.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        panic!("the releases that a failed test has left open did not end");
    }

    /// Empties a queue.
    pub(crate) async fn purge(&self, queue: &str) {
        let sqs = aws_sdk_sqs::Client::new(self.cloud.sdk());
        let url = sqs.get_queue_url().queue_name(queue).send().await.expect("the queue exists").queue_url;
        sqs.purge_queue().queue_url(url.expect("a queue has a URL")).send().await.expect("it is emptied");
    }

    /// A version that no test has pushed before.
    pub(crate) fn version(&self) -> String {
        format!("v{}.{}", std::process::id(), VERSION.fetch_add(1, Ordering::Relaxed))
    }

    /// A digest that no image has.
    pub(crate) fn new_digest(&self) -> String {
        format!(
            "sha256:{:0>64}",
            format!("{:x}{:x}", std::process::id(), VERSION.fetch_add(1, Ordering::Relaxed))
        )
    }

    pub(crate) async fn push(&self, options: &PushOptions) -> Push {
        self.push_to(APPLICATION, options).await
    }

    /// The same for an application of another repository.
    pub(crate) async fn push_to(&self, repository: &str, options: &PushOptions) -> Push {
        let mails_before = self.cloud.inbox().expect("the inbox").len();
        let executions_before = self.cloud.executions().await.expect("executions").len();
        let Pushed { tag, digest, .. } = self.cloud.push_to(repository, options).await.expect("it is pushed");
        self.cloud.wait_for_release(&digest, PATIENCE).await.expect("its release begins");
        Push { tag, digest, mails_before, executions_before }
    }

    /// Has staging bake for a while, with an alarm of its own, which is quiet.
    pub(crate) async fn staging_bakes_for(&self, time: &str) {
        self.alarm("e2e-staging-5xx", "OK").await;
        self.configure(|application| {
            application["stages"][0]["bake"] = json!({ "for": time, "alarms": ["e2e-staging-5xx"] });
        })
        .await;
    }

    /// Waits until a stage of the release bakes.
    pub(crate) async fn until_it_bakes(&self, push: &Push) {
        self.until("the stage bakes", async || self.waits_for(push, "BakeStage").await).await;
    }

    /// Makes sure that both stages run a released image.
    pub(crate) async fn has_a_good_release(&self) {
        if self.service("production").await.desired_count == 0 {
            let release = self.push(&PushOptions::good(&self.version())).await;
            self.approve(&release).await;
            assert_eq!(self.ended(&release).await.outcome(), Some("RELEASED"));
        }
    }

    pub(crate) async fn ended(&self, push: &Push) -> Execution {
        self.cloud.wait_for_outcome(&push.digest, self.patience()).await.expect("it ends")
    }

    /// The link of the approval that the push asks for; another release may ask for one meanwhile.
    pub(crate) async fn link(&self, push: &Push) -> String {
        let its = |mail: &Mail| mail.approval_link().is_some() && mail.body.contains(&push.digest);
        let mail =
            self.cloud.wait_for_mail(push.mails_before, self.patience(), its).await.expect("a mail comes");
        mail.approval_link().expect("it has a link").to_owned()
    }

    pub(crate) async fn approve(&self, push: &Push) -> Page {
        self.decide(push, Answer::Approve, "").await
    }

    pub(crate) async fn decide(&self, push: &Push, answer: Answer, reason: &str) -> Page {
        let link = self.link(push).await;
        self.cloud.decide(&link, answer, Some(reason)).await.expect("the page takes the answer")
    }

    pub(crate) fn mails_since(&self, push: &Push) -> Vec<Mail> {
        self.cloud.inbox().expect("the inbox").split_off(push.mails_before)
    }

    pub(crate) async fn executions_since(&self, push: &Push) -> usize {
        self.cloud.executions().await.expect("executions").len() - push.executions_before
    }

    /// What a stage's service runs.
    pub(crate) async fn service(&self, stage: &str) -> Runs {
        self.runs(stage, "web").await
    }

    /// Takes a tag from the service web of a cluster.
    pub(crate) async fn untag(&self, cluster: &str, key: &str) {
        let ecs = aws_sdk_ecs::Client::new(self.cloud.sdk());
        let arn = self.service_arn(cluster).await;
        ecs.untag_resource().resource_arn(arn).tag_keys(key).send().await.expect("ECS takes it");
    }

    /// Tags the service web of a cluster.
    pub(crate) async fn tag(&self, cluster: &str, key: &str, value: &str) {
        let ecs = aws_sdk_ecs::Client::new(self.cloud.sdk());
        let tag = aws_sdk_ecs::types::Tag::builder().key(key).value(value).build();
        ecs.tag_resource()
            .resource_arn(self.service_arn(cluster).await)
            .tags(tag)
            .send()
            .await
            .expect("ECS takes it");
    }

    async fn service_arn(&self, cluster: &str) -> String {
        let ecs = aws_sdk_ecs::Client::new(self.cloud.sdk());
        let answer =
            ecs.describe_services().cluster(cluster).services("web").send().await.expect("ECS answers");
        answer.services()[0].service_arn().expect("an ARN").to_owned()
    }

    /// What a service of a cluster runs.
    pub(crate) async fn runs(&self, cluster: &str, service: &str) -> Runs {
        let ecs = aws_sdk_ecs::Client::new(self.cloud.sdk());
        let answer =
            ecs.describe_services().cluster(cluster).services(service).send().await.expect("ECS answers");
        let service = &answer.services()[0];
        let primary = service
            .deployments()
            .iter()
            .find(|deployment| deployment.status() == Some("PRIMARY"))
            .expect("a primary deployment");
        Runs {
            task_definition: service.task_definition().expect("it runs something").to_owned(),
            desired_count: service.desired_count(),
            deployment: primary.id().expect("it has an id").to_owned(),
        }
    }

    /// The task definition that a stage's service runs.
    pub(crate) async fn task_definition(&self, stage: &str) -> TaskDefinition {
        self.describe(&self.service(stage).await.task_definition).await
    }

    /// Registers a revision of a stage's template, as Terraform does when it changes.
    pub(crate) async fn change_template(&self, stage: &str, cpu: &str, memory: &str, variable: (&str, &str)) {
        let mut template = self.template(stage).await;
        let variable = KeyValuePair::builder().name(variable.0).value(variable.1).build();
        let containers = template.container_definitions.as_mut().expect("containers");
        containers[0].environment.get_or_insert_default().push(variable);
        (template.cpu, template.memory) = (Some(cpu.to_owned()), Some(memory.to_owned()));
        self.register(&format!("{stage}-web-template"), template, vec![]).await;
    }

    /// The template of a stage's service.
    pub(crate) async fn template(&self, stage: &str) -> TaskDefinition {
        self.describe(&format!("{stage}-web-template")).await
    }

    /// Registers a template of a stage's service again, as Terraform does.
    pub(crate) async fn restore_template(&self, stage: &str, template: TaskDefinition) {
        self.register(&format!("{stage}-web-template"), template, vec![]).await;
    }

    /// Registers a revision in the family of a stage's releases that says of itself that a release registered it, and runs
    /// what the stage runs now.
    pub(crate) async fn forge_revision(&self, stage: &str, release: &str) -> String {
        let running = self.task_definition(stage).await;
        let tag = Tag::builder().key("slipway:release").value(release).build();
        self.register(&format!("{stage}-web"), running, vec![tag]).await
    }

    /// Registers a revision like another one, and answers its ARN.
    async fn register(&self, family: &str, like: TaskDefinition, tags: Vec<Tag>) -> String {
        let ecs = aws_sdk_ecs::Client::new(self.cloud.sdk());
        let revision = ecs
            .register_task_definition()
            .family(family)
            .set_container_definitions(like.container_definitions)
            .set_cpu(like.cpu)
            .set_memory(like.memory)
            .set_task_role_arn(like.task_role_arn)
            .set_execution_role_arn(like.execution_role_arn)
            .set_network_mode(like.network_mode)
            .set_requires_compatibilities(like.requires_compatibilities)
            .set_tags((!tags.is_empty()).then_some(tags));
        let registered = revision.send().await.expect("ECS takes it").task_definition.expect("a revision");
        registered.task_definition_arn.expect("it has an ARN")
    }

    async fn describe(&self, task_definition: &str) -> TaskDefinition {
        let ecs = aws_sdk_ecs::Client::new(self.cloud.sdk());
        let answer = ecs
            .describe_task_definition()
            .task_definition(task_definition)
            .send()
            .await
            .expect("ECS answers");
        answer.task_definition.expect("it exists")
    }

    /// The digest that a stage's service runs.
    pub(crate) async fn digest_in(&self, stage: &str) -> String {
        self.digest_of_service(stage, "web").await
    }

    /// The digest that a service of a cluster runs.
    pub(crate) async fn digest_of_service(&self, cluster: &str, service: &str) -> String {
        let task_definition = self.describe(&self.runs(cluster, service).await.task_definition).await;
        let image = task_definition.container_definitions()[0].image().expect("it has an image");
        digest_of(image).as_ref().map(Digest::to_string).unwrap_or_default()
    }

    pub(crate) async fn answer_of(&self, stage: &str, path: &str) -> String {
        // On an awkward cloud its only task may be replaced just now.
        let patience = tokio::time::Instant::now() + self.patience();
        loop {
            let answer = self.cloud.get(stage, path).await.expect("the load balancer answers");
            let is_awkward = self.cloud.awkwardness().lag_seconds() > 0.0;
            if answer.status != 503 || !is_awkward || tokio::time::Instant::now() > patience {
                assert_eq!(answer.status, 200, "{}", answer.body);
                return answer.body;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// An event of `tests/events`.
    pub(crate) fn event(&self, file: &str) -> Value {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../events").join(file);
        let mut event: Value =
            serde_json::from_str(&fs::read_to_string(&path).expect("the event")).expect("it is JSON");
        // It happens now, wherever it says when.
        let now = slipway_release::now();
        if event.get("time").is_some() {
            event["time"] = json!(now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        }
        if let Some(timestamp) = event.pointer_mut("/detail/state/timestamp") {
            *timestamp = json!(now.strftime("%Y-%m-%dT%H:%M:%S.%3f+0000").to_string());
        }
        if event["detail-type"] == "ECR Image Action" && event["detail"].get("image-digest").is_some() {
            serde_json::from_value::<ImageAction>(event["detail"].clone())
                .expect("it is what the function reads");
        }
        event
    }

    /// Gives an event to the deployed rules.
    pub(crate) async fn deliver(&self, event: &Value) {
        self.cloud.deliver(event).await.expect("the rules can be read");
    }

    /// Calls a function and waits for its answer.
    pub(crate) async fn invoke(&self, function: &str, event: &Value) -> anyhow::Result<Value> {
        let lambda = aws_sdk_lambda::Client::new(self.cloud.sdk());
        let payload = aws_sdk_lambda::primitives::Blob::new(event.to_string());
        let answer =
            lambda.invoke().function_name(format!("slipway-{function}")).payload(payload).send().await?;
        let body: Value = serde_json::from_slice(answer.payload().expect("an answer").as_ref())?;
        anyhow::ensure!(answer.function_error().is_none(), "{body}");
        Ok(body)
    }

    /// Waits until what happened has been delivered and handled.
    pub(crate) async fn quiet(&self) {
        tokio::time::sleep(Duration::from_secs(2)).await;
    }

    /// Waits until something holds.
    pub(crate) async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        for _ in 0..600 {
            if holds().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("this did not happen within 60 s: {what}");
    }

    /// No function was refused anything, or failed to notify people, since the test began.
    pub(crate) async fn nothing_was_lost(&self) {
        let log = fs::read(self.cloud.state().log("ministack")).expect("the cloud logs");
        let log = String::from_utf8_lossy(&log[self.logged_before..]).into_owned();
        let lines = log.lines().map(ToOwned::to_owned).chain(self.function_logs().await);
        let lost: Vec<_> = lines
            .filter(|line| line.contains("was refused") || line.contains("NotificationFailed"))
            .collect();
        assert!(lost.is_empty(), "{lost:#?}");
    }

    /// What the functions have logged since the test began, with the metrics in it.
    pub(crate) async fn function_logs(&self) -> Vec<String> {
        let logs = aws_sdk_cloudwatchlogs::Client::new(self.cloud.sdk());
        let groups = logs.describe_log_groups().log_group_name_prefix("/aws/lambda/slipway-").send().await;
        let groups = groups.expect("CloudWatch Logs answers").log_groups.unwrap_or_default();
        assert!(groups.len() > 8, "every function has its log: {groups:?}");
        let mut lines = Vec::new();
        for group in groups {
            let request = logs
                .filter_log_events()
                .set_log_group_name(group.log_group_name)
                .start_time(self.began.as_millisecond());
            let mut pages = request.into_paginator().send();
            while let Some(page) = pages.next().await {
                let events = page.expect("CloudWatch Logs answers").events.unwrap_or_default();
                lines.extend(events.into_iter().filter_map(|event| event.message));
            }
        }
        lines
    }

    /// The errors by which functions have failed in a release, which the alarms on their errors would count: a step that
    /// ends its task has not failed, whatever the task came to.
    pub(crate) async fn failures_of_functions(&self, push: &Push) -> Vec<String> {
        let execution = self.cloud.wait_for_release(&push.digest, PATIENCE).await.expect("it began");
        let states = aws_sdk_sfn::Client::new(self.cloud.sdk());
        let mut pages = states.get_execution_history().execution_arn(execution.arn).into_paginator().send();
        let mut failures = Vec::new();
        while let Some(page) = pages.next().await {
            for event in page.expect("Step Functions answers").events() {
                let Some(failed) = event.task_failed_event_details() else { continue };
                let cause = failed.cause().unwrap_or_default();
                // What Lambda answers for a function that failed.
                if cause.contains("\"errorMessage\"") || cause.contains("\"errorType\"") {
                    failures.push(format!("{}: {cause}", failed.error().unwrap_or_default()));
                }
            }
        }
        failures
    }

    /// How many messages a queue holds.
    pub(crate) async fn messages(&self, queue: &str) -> u32 {
        use aws_sdk_sqs::types::QueueAttributeName::ApproximateNumberOfMessages;
        let sqs = aws_sdk_sqs::Client::new(self.cloud.sdk());
        let url = sqs.get_queue_url().queue_name(queue).send().await.expect("the queue exists");
        let url = url.queue_url().expect("a queue has a URL");
        let answer = sqs
            .get_queue_attributes()
            .queue_url(url)
            .attribute_names(ApproximateNumberOfMessages)
            .send()
            .await
            .expect("SQS answers");
        answer
            .attributes()
            .and_then(|attributes| attributes.get(&ApproximateNumberOfMessages))
            .and_then(|count| count.parse().ok())
            .expect("a number")
    }

    /// Changes the application's configuration, from what Terraform wrote.
    pub(crate) async fn configure(&self, change: impl FnOnce(&mut Value)) {
        self.configure_application(APPLICATION, change).await;
    }

    /// The same for another application.
    pub(crate) async fn configure_application(&self, application: &str, change: impl FnOnce(&mut Value)) {
        let ssm = aws_sdk_ssm::Client::new(self.cloud.sdk());
        let name = &format!("/slipway/applications/{application}");
        let history = ssm.get_parameter_history().name(name).send().await.expect("SSM answers");
        let first = history
            .parameters()
            .iter()
            .min_by_key(|parameter| parameter.version())
            .and_then(|parameter| parameter.value());
        let mut application: Value =
            serde_json::from_str(first.expect("Terraform wrote it")).expect("it is JSON");
        change(&mut application);
        ssm.put_parameter()
            .name(name)
            .value(application.to_string())
            .overwrite(true)
            .send()
            .await
            .expect("it is written");
        self.unsubscribe_former_approvers().await;
    }

    /// Writes down whom the applications ask now, and ends the subscriptions of all others, as Terraform does.
    async fn unsubscribe_former_approvers(&self) {
        let ssm = aws_sdk_ssm::Client::new(self.cloud.sdk());
        let all =
            ssm.get_parameters_by_path().path("/slipway/applications").send().await.expect("SSM answers");
        let approvers: BTreeSet<String> = all
            .parameters()
            .iter()
            .filter_map(|parameter| serde_json::from_str::<Value>(parameter.value()?).ok())
            .flat_map(|application| application["stages"].as_array().cloned().unwrap_or_default())
            .flat_map(|stage| stage["approval"]["approvers"].as_array().cloned().unwrap_or_default())
            .filter_map(|approver| approver.as_str().map(str::to_lowercase))
            .collect();
        ssm.put_parameter()
            .name("/slipway/approvers/000")
            .value(serde_json::to_string(&approvers).expect("addresses are text"))
            .overwrite(true)
            .send()
            .await
            .expect("it is written");
        let (sns, topic) = self.approvals_topic().await;
        let there = sns.list_subscriptions_by_topic().topic_arn(topic).send().await.expect("SNS answers");
        for subscription in there.subscriptions() {
            let endpoint = subscription.endpoint().unwrap_or_default();
            if !approvers.contains(endpoint) {
                let arn = subscription.subscription_arn().unwrap_or_default();
                sns.unsubscribe().subscription_arn(arn).send().await.expect("it is unsubscribed");
            }
        }
    }

    /// SNS, and the ARN of the topic that approvers are subscribed to.
    pub(crate) async fn approvals_topic(&self) -> (aws_sdk_sns::Client, String) {
        let sns = aws_sdk_sns::Client::new(self.cloud.sdk());
        let topics = sns.list_topics().send().await.expect("SNS answers").topics.unwrap_or_default();
        let mut arns = topics.iter().filter_map(|topic| topic.topic_arn());
        let arn = arns.find(|arn| arn.ends_with("slipway-approvals")).map(ToOwned::to_owned);
        (sns, arn.unwrap_or_else(|| panic!("there is the approvals' topic among {topics:?}")))
    }

    /// The application's configuration as it is now.
    pub(crate) async fn configured(&self) -> Value {
        let ssm = aws_sdk_ssm::Client::new(self.cloud.sdk());
        let answer = ssm.get_parameter().name("/slipway/applications/web").send().await.expect("SSM answers");
        let text = answer.parameter.and_then(|parameter| parameter.value).expect("it is there");
        serde_json::from_str(&text).expect("it is JSON")
    }

    /// Subscribes a person to the approvals' topic, as Terraform does, once.
    pub(crate) async fn subscribe(&self, person: &str) {
        let (sns, arn) = self.approvals_topic().await;
        let there = sns.list_subscriptions_by_topic().topic_arn(&arn).send().await.expect("SNS answers");
        if there.subscriptions().iter().all(|subscription| subscription.endpoint() != Some(person)) {
            let filter = serde_json::json!({ "approver": [person] }).to_string();
            let request = sns
                .subscribe()
                .topic_arn(arn)
                .protocol("email")
                .endpoint(person)
                .attributes("FilterPolicy", filter);
            request.send().await.expect("it is subscribed");
        }
    }

    /// Ends a person's subscription, as a mail scanner does that follows its unsubscribe link.
    pub(crate) async fn unsubscribe(&self, endpoint: &str) {
        let (sns, topic) = self.approvals_topic().await;
        let there = sns.list_subscriptions_by_topic().topic_arn(topic).send().await.expect("SNS answers");
        for subscription in there.subscriptions().iter().filter(|one| one.endpoint() == Some(endpoint)) {
            let arn = subscription.subscription_arn().expect("an ARN");
            sns.unsubscribe().subscription_arn(arn).send().await.expect("it is unsubscribed");
        }
    }

    /// The task token that a step parks.
    pub(crate) async fn task_token(&self, release: &str, state: &str) -> String {
        for _ in 0..100 {
            let items = self.partition(&format!("CALLBACK#{release}")).await;
            let its = items.iter().find(|(sk, _)| sk.ends_with(&format!("#{state}")));
            let callback = its.map_or(Value::Null, |(_, document)| {
                serde_json::from_str(document).expect("a document is JSON")
            });
            if let Some(token) = callback["token"].as_str() {
                return token.to_owned();
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{state} parked no token within 10 s");
    }

    /// The sort keys and documents of a partition.
    pub(crate) async fn partition(&self, pk: &str) -> Vec<(String, String)> {
        use aws_sdk_dynamodb::types::AttributeValue::S;
        let dynamodb = aws_sdk_dynamodb::Client::new(self.cloud.sdk());
        let query = dynamodb.query().table_name("slipway").key_condition_expression("pk = :pk");
        let answer = query
            .expression_attribute_values(":pk", S(pk.to_owned()))
            .send()
            .await
            .expect("DynamoDB answers");
        let text = |item: &std::collections::HashMap<String, aws_sdk_dynamodb::types::AttributeValue>,
                    name: &str| {
            item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default()
        };
        answer.items().iter().map(|item| (text(item, "sk"), text(item, "document"))).collect()
    }

    /// All that was logged, by the place where it is.
    pub(crate) async fn logged(&self) -> Vec<(String, String)> {
        let mut written = Vec::new();
        let logs = aws_sdk_cloudwatchlogs::Client::new(self.cloud.sdk());
        let groups = logs
            .describe_log_groups()
            .send()
            .await
            .expect("CloudWatch Logs answers")
            .log_groups
            .unwrap_or_default();
        assert!(groups.len() > 3, "there are logs to look through");
        for group in groups.iter().filter_map(|group| group.log_group_name()) {
            let mut pages = logs.filter_log_events().log_group_name(group).into_paginator().send();
            while let Some(page) = pages.next().await {
                for event in page.expect("CloudWatch Logs answers").events() {
                    written.push((format!("log {group}"), event.message().unwrap_or_default().to_owned()));
                }
            }
        }
        written
    }

    /// Whatever a release has left behind: every log, with the metrics in them, the execution's input, output and
    /// history, and the items that the public function can read; each with its place.
    pub(crate) async fn everything_written(&self, ended: &Execution) -> Vec<(String, String)> {
        let mut written = self.logged().await;
        let states = aws_sdk_sfn::Client::new(self.cloud.sdk());
        let mut pages = states
            .get_execution_history()
            .execution_arn(&ended.arn)
            .include_execution_data(true)
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            for event in page.expect("Step Functions answers").events() {
                written.push((format!("history {:?}", event.r#type()), format!("{event:?}")));
            }
        }
        let id = &ended.name;
        for pk in [format!("APPROVAL#{id}/production"), "AUDIT#web".to_owned()] {
            written.extend(
                self.partition(&pk)
                    .await
                    .into_iter()
                    .map(|(sk, document)| (format!("item {pk} {sk}"), document)),
            );
        }
        let dynamodb = aws_sdk_dynamodb::Client::new(self.cloud.sdk());
        let scan = dynamodb.scan().table_name("slipway").filter_expression("begins_with(pk, :pk)");
        let scan = scan
            .expression_attribute_values(":pk", aws_sdk_dynamodb::types::AttributeValue::S("LINK#".into()));
        let mut items = scan.into_paginator().items().send();
        while let Some(item) = items.next().await {
            written.push(("item LINK#".to_owned(), format!("{:?}", item.expect("DynamoDB answers"))));
        }
        written
    }

    /// The SDK's configuration with a function's role. For this the role trusts the account for a moment.
    pub(crate) async fn role(&self, function: &str) -> aws_config::SdkConfig {
        let iam = aws_sdk_iam::Client::new(self.cloud.sdk());
        let name = format!("slipway-{function}");
        let role = iam
            .get_role()
            .role_name(&name)
            .send()
            .await
            .expect("IAM answers")
            .role
            .expect("there is such a role");
        let trust = percent_decoded(role.assume_role_policy_document().expect("it trusts Lambda"));
        let anybody = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}"#;
        iam.update_assume_role_policy()
            .role_name(&name)
            .policy_document(anybody)
            .send()
            .await
            .expect("it is written");
        let provider = aws_config::sts::AssumeRoleProvider::builder(role.arn())
            .session_name("test")
            .configure(self.cloud.sdk());
        let provider = provider.build().await;
        let credentials = aws_sdk_sfn::config::ProvideCredentials::provide_credentials(&provider).await;
        iam.update_assume_role_policy()
            .role_name(&name)
            .policy_document(trust)
            .send()
            .await
            .expect("it is written");
        let credentials = credentials.expect("the role is taken");
        let provider = aws_sdk_sfn::config::SharedCredentialsProvider::new(credentials);
        self.cloud.sdk().clone().into_builder().credentials_provider(provider).build()
    }

    /// Puts an item as a role; the error in words.
    pub(crate) async fn put_as(
        &self,
        role: &aws_config::SdkConfig,
        pk: &str,
        sk: &str,
    ) -> Result<(), String> {
        use aws_sdk_dynamodb::types::AttributeValue::S;
        let dynamodb = aws_sdk_dynamodb::Client::new(role);
        let request = dynamodb
            .put_item()
            .table_name("slipway")
            .item("pk", S(pk.to_owned()))
            .item("sk", S(sk.to_owned()));
        request.send().await.map(drop).map_err(|error| format!("{error:?}"))
    }

    /// Reads an item as a role; the error in words.
    pub(crate) async fn get_as(
        &self,
        role: &aws_config::SdkConfig,
        pk: &str,
        sk: &str,
    ) -> Result<(), String> {
        use aws_sdk_dynamodb::types::AttributeValue::S;
        let dynamodb = aws_sdk_dynamodb::Client::new(role);
        let request =
            dynamodb.get_item().table_name("slipway").key("pk", S(pk.to_owned())).key("sk", S(sk.to_owned()));
        request.send().await.map(drop).map_err(|error| format!("{error:?}"))
    }

    /// That a function's role may not write these items, nor read anything of these partitions.
    pub(crate) async fn refuses(
        &self,
        role: &aws_config::SdkConfig,
        written: &[(&str, &str)],
        read: &[&str],
    ) {
        for (pk, sk) in written {
            let refused = self.put_as(role, pk, sk).await.expect_err(pk);
            assert!(refused.contains("AccessDenied"), "{pk}: {refused}");
        }
        for pk in read {
            let refused = self.get_as(role, pk, "x").await.expect_err(pk);
            assert!(refused.contains("AccessDenied"), "{pk}: {refused}");
        }
    }

    /// Takes an action away from a function's role, and returns the policy that the role had.
    pub(crate) async fn take_permission_away(&self, function: &str, action: &str) -> String {
        let decoded = self.permissions(function).await;
        let mut policy: Value = serde_json::from_str(&decoded).expect("a policy is JSON");
        for statement in policy["Statement"].as_array_mut().expect("statements") {
            match &mut statement["Action"] {
                Value::Array(actions) => actions.retain(|one| one != action),
                one if one == action => *one = Value::String("ecs:ListClusters".into()),
                _ => {}
            }
        }
        assert!(!policy.to_string().contains(action), "{action} is gone");
        self.put_policy(function, policy.to_string()).await;
        decoded
    }

    /// The policy of a function's role.
    pub(crate) async fn permissions(&self, function: &str) -> String {
        let iam = aws_sdk_iam::Client::new(self.cloud.sdk());
        let role = format!("slipway-{function}");
        let answer = iam.get_role_policy().role_name(role).policy_name("function").send().await;
        percent_decoded(answer.expect("IAM answers").policy_document())
    }

    pub(crate) async fn give_permissions_back(&self, function: &str, policy: String) {
        self.put_policy(function, policy).await;
    }

    async fn put_policy(&self, function: &str, policy: String) {
        let iam = aws_sdk_iam::Client::new(self.cloud.sdk());
        iam.put_role_policy()
            .role_name(format!("slipway-{function}"))
            .policy_name("function")
            .policy_document(policy)
            .send()
            .await
            .expect("IAM takes it");
    }

    /// Makes an alarm, if it is not there, and sets its state.
    pub(crate) async fn alarm(&self, name: &str, state: &str) {
        self.cloud
            .set_alarm(name, StateValue::from(state), "a test says so")
            .await
            .expect("CloudWatch takes it");
    }

    /// Deletes an alarm.
    pub(crate) async fn delete_alarm(&self, name: &str) {
        let cloudwatch = aws_sdk_cloudwatch::Client::new(self.cloud.sdk());
        cloudwatch.delete_alarms().alarm_names(name).send().await.expect("it is deleted");
    }

    /// Whether a release is in this state.
    pub(crate) async fn is_in(&self, push: &Push, state: &str) -> bool {
        let execution = self.cloud.wait_for_release(&push.digest, PATIENCE).await.expect("it began");
        let steps = slipway_local::releases::steps(self.cloud.sdk(), &execution.arn).await;
        let steps = steps.expect("Step Functions answers");
        steps.iter().rfind(|step| step.entered && !step.is_map).is_some_and(|step| step.state == state)
    }

    /// Whether a release waits in this state: its token is parked, or its deadline is near and it looks again.
    pub(crate) async fn waits_for(&self, push: &Push, state: &str) -> bool {
        let execution = self.cloud.wait_for_release(&push.digest, PATIENCE).await.expect("it began");
        let dynamodb = aws_sdk_dynamodb::Client::new(self.cloud.sdk());
        let key = aws_sdk_dynamodb::types::AttributeValue::S(format!("CALLBACK#{}", execution.name));
        let answer = dynamodb
            .query()
            .table_name("slipway")
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", key)
            .send()
            .await;
        let items = answer.expect("DynamoDB answers").items.unwrap_or_default();
        let is_parked = |document: &str| {
            let callback: Value = serde_json::from_str(document).expect("a document is JSON");
            callback["token"].is_string()
        };
        let its =
            items.iter().filter(|item| item["sk"].as_s().is_ok_and(|sk| sk.ends_with(&format!("#{state}"))));
        if its.into_iter().any(|item| item["document"].as_s().is_ok_and(|document| is_parked(document))) {
            return true;
        }
        // For these the callback proves that their effect has begun.
        !["AcquireLock", "CaptureBaseline", "DeployServices", "RollBack"].contains(&state)
            && self.is_in(push, state).await
    }

    /// Asks for a release of an image that was released before, as the root user; else the API's refusal.
    pub(crate) async fn release_again(
        &self,
        image: &str,
        stage: Option<&str>,
        reason: &str,
    ) -> Result<ReleaseBegun, String> {
        let request = json!({ "image": image, "stage": stage, "reason": reason });
        let operators = self.cloud.operators().expect("the API");
        operators.post("applications/web/release", &request).await.map_err(|error| error.to_string())
    }

    /// Asks for a release to end, as the root user. What the API answers.
    pub(crate) async fn abort(&self, release: &str, reason: &str) -> String {
        self.cloud.abort(release, reason).await.expect("it is taken")
    }

    /// Lets an image be released again, as the root user. What the API answers.
    pub(crate) async fn clear(&self, digest: &str) -> String {
        let request = json!({ "image": digest });
        let operators = self.cloud.operators().expect("the API");
        operators.post::<Done>("applications/web/clear", &request).await.expect("it is taken").words
    }

    /// The timeline of a release, in words.
    pub(crate) async fn timeline(&self, release: &str) -> Vec<String> {
        let dynamodb = aws_sdk_dynamodb::Client::new(self.cloud.sdk());
        let key = aws_sdk_dynamodb::types::AttributeValue::S(format!("TIMELINE#{release}"));
        let query = dynamodb
            .query()
            .table_name("slipway")
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", key);
        let items = query.send().await.expect("DynamoDB answers").items.unwrap_or_default();
        items.iter().map(|item| format!("{item:?}")).collect()
    }

    /// Wakes every parked step of a release.
    pub(crate) async fn wakes_every_step(&self, push: &Push) {
        let execution = self.cloud.wait_for_release(&push.digest, PATIENCE).await.expect("it began");
        let record = json!({ "Records": [{ "dynamodb": {
            "Keys": { "pk": { "S": format!("ABORT#{}", execution.name) }, "sk": { "S": "ABORT" } }, "SequenceNumber": "1",
        } }] });
        self.invoke("resume-release", &record).await.expect("it looks");
    }

    /// How many tasks of a cluster, running or stopped, were started by something whose name begins so.
    pub(crate) async fn tasks_started_by(&self, cluster: &str, prefix: &str) -> usize {
        let ecs = aws_sdk_ecs::Client::new(self.cloud.sdk());
        let mut count = 0;
        for status in ["RUNNING", "STOPPED"] {
            let listed = ecs
                .list_tasks()
                .cluster(cluster)
                .desired_status(status.into())
                .send()
                .await
                .expect("ECS answers");
            if listed.task_arns().is_empty() {
                continue;
            }
            let described = ecs
                .describe_tasks()
                .cluster(cluster)
                .set_tasks(Some(listed.task_arns().to_vec()))
                .send()
                .await;
            let tasks = described.expect("ECS answers").tasks.unwrap_or_default();
            count += tasks
                .iter()
                .filter(|task| task.started_by().is_some_and(|name| name.starts_with(prefix)))
                .count();
        }
        count
    }

    /// The manual snapshots of the databases.
    pub(crate) async fn snapshots(&self) -> Vec<String> {
        let rds = aws_sdk_rds::Client::new(self.cloud.sdk());
        let answer = rds.describe_db_snapshots().snapshot_type("manual").send().await.expect("RDS answers");
        answer
            .db_snapshots()
            .iter()
            .filter_map(|one| one.db_snapshot_identifier().map(ToOwned::to_owned))
            .collect()
    }

    /// Takes a snapshot that is not Slipway's.
    pub(crate) async fn snapshot_by_hand(&self, identifier: &str) {
        let rds = aws_sdk_rds::Client::new(self.cloud.sdk());
        let request = rds
            .create_db_snapshot()
            .db_instance_identifier("shop-production")
            .db_snapshot_identifier(identifier);
        request.send().await.expect("RDS takes it");
    }

    pub(crate) async fn remove_snapshot(&self, identifier: &str) {
        let rds = aws_sdk_rds::Client::new(self.cloud.sdk());
        rds.delete_db_snapshot().db_snapshot_identifier(identifier).send().await.expect("RDS removes it");
    }

    /// The time now, as events write it.
    pub(crate) fn time(&self) -> String {
        slipway_local::clock::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// Pushes an image whose event does not come: nothing begins.
    pub(crate) async fn push_unheard(&self, options: &PushOptions) -> Push {
        self.break_events(EventRule::new("ECR Image Action", EventFault::Drop)).await;
        let mails_before = self.cloud.inbox().expect("the inbox").len();
        let executions_before = self.cloud.executions().await.expect("executions").len();
        let Pushed { tag, digest, .. } = self.cloud.push(options).await.expect("it is pushed");
        self.until("its event was dropped", async || {
            let trace = self.cloud.wire().trace(0).await.expect("the wire answers");
            trace.iter().any(|entry| {
                entry.is_broken()
                    && matches!(&entry.what, What::Event { subject, .. } if subject.contains(&tag))
            })
        })
        .await;
        self.mend().await;
        Push { tag, digest, mails_before, executions_before }
    }

    /// Breaks calls from now on.
    pub(crate) async fn break_calls(&self, rule: CallRule) {
        self.break_all_calls(vec![rule]).await;
    }

    /// Breaks the calls that any of these rules is about from now on.
    pub(crate) async fn break_all_calls(&self, calls: Vec<CallRule>) {
        self.cloud.wire().follow(&Plan { calls, events: vec![] }).await.expect("the wire answers");
    }

    /// Breaks events from now on.
    pub(crate) async fn break_events(&self, rule: EventRule) {
        self.cloud
            .wire()
            .follow(&Plan { calls: vec![], events: vec![rule] })
            .await
            .expect("the wire answers");
    }

    /// Breaks nothing any more.
    pub(crate) async fn mend(&self) {
        self.cloud.wire().reset().await.expect("the wire answers");
    }

    /// The number of the trace's last entry.
    pub(crate) async fn entry(&self) -> u64 {
        self.cloud.wire().last().await.expect("the wire answers")
    }

    /// How often a function made a call since the trace's entry of this number.
    pub(crate) async fn calls_since(&self, entry: u64, caller: &str, operation: &str) -> usize {
        let trace = self.cloud.wire().trace(entry).await.expect("the wire answers");
        trace
            .iter()
            .filter_map(Entry::call)
            .filter(|call| call.caller == caller && call.operation == operation)
            .count()
    }

    /// Whether a stage's service runs this digest and nothing else.
    pub(crate) async fn is_steady(&self, stage: &str, digest: &str) -> bool {
        let ecs = aws_sdk_ecs::Client::new(self.cloud.sdk());
        let answer =
            ecs.describe_services().cluster(stage).services("web").send().await.expect("ECS answers");
        let service = &answer.services()[0];
        let steady = service.deployments().len() == 1 && service.running_count() == service.desired_count();
        steady && self.digest_in(stage).await == digest
    }

    /// What the workflow hands to `deploy-services` for a stage of a release.
    pub(crate) async fn deploy_input(&self, push: &Push, position: usize, generation: u64) -> Value {
        let execution = self.cloud.wait_for_release(&push.digest, PATIENCE).await.expect("it began");
        let stage = &execution.input["application"]["stages"][position];
        let name = stage["name"].as_str().expect("a name");
        let baseline = self
            .item(&format!("RELEASE#{}", execution.name), &format!("BASELINE#{name}#1"))
            .await
            .expect("it was recorded");
        json!({
            "token": "of-a-task-that-has-ended",
            "attempt": { "entered_at": slipway_local::clock::now(), "retry": 0 },
            "state": "DeployServices",
            "input": { "release": execution.input["release"], "generation": generation, "stage": stage, "baseline": baseline },
        })
    }

    /// How many revisions of a stage's service are registered.
    pub(crate) async fn revisions(&self, stage: &str) -> usize {
        let ecs = aws_sdk_ecs::Client::new(self.cloud.sdk());
        let list = ecs.list_task_definitions().family_prefix(format!("{stage}-web"));
        let arns: Vec<String> =
            list.into_paginator().items().send().try_collect().await.expect("ECS answers");
        arns.iter().filter(|arn| arn.contains(&format!("/{stage}-web:"))).count()
    }

    /// The newest release's id of a pushed image.
    pub(crate) async fn id_of(&self, push: &Push) -> String {
        self.cloud.wait_for_release(&push.digest, PATIENCE).await.expect("it began").name
    }

    /// Who has the lock.
    pub(crate) async fn lock(&self) -> Value {
        self.item("LOCK#web", "LOCK").await.expect("the lock was taken before")
    }

    /// Gives the lock to a release that nobody pushed, and returns its generation.
    pub(crate) async fn lends_the_lock_to(&self, release: &str) -> u64 {
        let generation = self.lock().await["generation"].as_u64().expect("a number") + 1;
        let holder = json!({ "release": release, "lease_until": slipway_local::clock::now() });
        self.write_lock(APPLICATION, &json!({ "generation": generation, "holder": holder })).await;
        generation
    }

    /// Gives a release the lock of its application, which has none.
    pub(crate) async fn has_the_lock(&self, application: &str, release: &str) {
        let holder = json!({ "release": release, "lease_until": slipway_local::clock::now() });
        self.write_lock(application, &json!({ "generation": 1, "holder": holder })).await;
    }

    /// Frees the lock.
    pub(crate) async fn takes_the_lock_back(&self) {
        let generation = self.lock().await["generation"].as_u64().expect("a number");
        self.write_lock(APPLICATION, &json!({ "generation": generation })).await;
    }

    async fn write_lock(&self, application: &str, lock: &Value) {
        use aws_sdk_dynamodb::types::AttributeValue::{N, S};
        let dynamodb = aws_sdk_dynamodb::Client::new(self.cloud.sdk());
        let request = dynamodb
            .put_item()
            .table_name("slipway")
            .item("pk", S(format!("LOCK#{application}")))
            .item("sk", S("LOCK".into()));
        let request = request.item("document", S(lock.to_string())).item("version", N("1".into()));
        request.send().await.expect("it is written");
    }

    /// The document of an item.
    pub(crate) async fn item(&self, pk: &str, sk: &str) -> Option<Value> {
        self.stored(pk, sk).await.map(|(document, _)| document)
    }

    /// The document of an item, and its version.
    async fn stored(&self, pk: &str, sk: &str) -> Option<(Value, u64)> {
        use aws_sdk_dynamodb::types::AttributeValue::S;
        let dynamodb = aws_sdk_dynamodb::Client::new(self.cloud.sdk());
        let request =
            dynamodb.get_item().table_name("slipway").key("pk", S(pk.to_owned())).key("sk", S(sk.to_owned()));
        let answer = request.consistent_read(true).send().await.expect("DynamoDB answers");
        let document = answer.item()?.get("document")?.as_s().ok()?;
        let version = answer.item()?.get("version")?.as_n().ok()?;
        let document = serde_json::from_str(document).expect("a document is JSON");
        Some((document, version.parse().expect("a version is a number")))
    }

    /// Writes an item into the table.
    pub(crate) async fn put(&self, pk: &str, sk: &str, document: &Value) {
        use aws_sdk_dynamodb::types::AttributeValue::{N, S};
        let dynamodb = aws_sdk_dynamodb::Client::new(self.cloud.sdk());
        let request = dynamodb.put_item().table_name("slipway").item("pk", S(pk.to_owned()));
        let request = request.item("sk", S(sk.to_owned())).item("version", N("1".to_owned()));
        request.item("document", S(document.to_string())).send().await.expect("DynamoDB answers");
    }

    /// Writes a counter, as functions count.
    pub(crate) async fn counted(&self, pk: &str, sk: &str, count: u64) {
        use aws_sdk_dynamodb::types::AttributeValue::{N, S};
        let dynamodb = aws_sdk_dynamodb::Client::new(self.cloud.sdk());
        let item = dynamodb.put_item().table_name("slipway");
        let item = item.item("pk", S(pk.to_owned())).item("sk", S(sk.to_owned()));
        let item = item.item("document", S("null".to_owned())).item("version", N(count.to_string()));
        item.send().await.expect("DynamoDB answers");
    }

    /// Removes an item from the table.
    pub(crate) async fn forget(&self, pk: &str, sk: &str) {
        use aws_sdk_dynamodb::types::AttributeValue::S;
        let dynamodb = aws_sdk_dynamodb::Client::new(self.cloud.sdk());
        let request = dynamodb
            .delete_item()
            .table_name("slipway")
            .key("pk", S(pk.to_owned()))
            .key("sk", S(sk.to_owned()));
        request.send().await.expect("DynamoDB answers");
    }

    /// Moves a time in an item of the table into the past.
    pub(crate) async fn move_back(&self, pk: &str, sk: &str, field: &str, by: jiff::SignedDuration) {
        self.change(pk, sk, |document| {
            let at: jiff::Timestamp =
                document[field].as_str().and_then(|at| at.parse().ok()).expect("a time");
            document[field] = json!(at - by);
        })
        .await;
    }

    /// Ends the time in which a function of the lock's holder may be writing: its process is gone, and nothing comes late.
    pub(crate) async fn end_lease(&self, application: &str) {
        let now = slipway_local::clock::now();
        self.change(&format!("LOCK#{application}"), "LOCK", |lock| {
            if lock["holder"].is_object() {
                lock["holder"]["lease_until"] = json!(now);
            }
        })
        .await;
    }

    /// Has a function of the release that has the lock write for an hour, for all that anybody knows.
    pub(crate) async fn a_function_writes(&self, application: &str) {
        let later = slipway_local::clock::now() + jiff::SignedDuration::from_hours(1);
        self.change(&format!("LOCK#{application}"), "LOCK", |lock| {
            (lock["holder"]["writers"], lock["holder"]["lease_until"]) = (json!(1), json!(later));
        })
        .await;
    }

    /// Fences off every attempt at a step of the release that has the lock, as a later one does.
    pub(crate) async fn fence_off(&self, application: &str) {
        let later = slipway_local::clock::now() + jiff::SignedDuration::from_hours(1);
        self.change(&format!("LOCK#{application}"), "LOCK", |lock| {
            lock["holder"]["fence"] = json!({ "entered_at": later, "retry": 0 });
        })
        .await;
    }

    /// Changes an item of the table. As functions do, it writes the version that follows the one it read, so neither overwrites
    /// the other.
    async fn change(&self, pk: &str, sk: &str, change: impl Fn(&mut Value)) {
        use aws_sdk_dynamodb::types::AttributeValue::{N, S};
        let dynamodb = aws_sdk_dynamodb::Client::new(self.cloud.sdk());
        for _ in 0..20 {
            let (mut document, version) = self.stored(pk, sk).await.expect("it is there");
            change(&mut document);
            let request = dynamodb
                .update_item()
                .table_name("slipway")
                .key("pk", S(pk.to_owned()))
                .key("sk", S(sk.to_owned()));
            let request = request
                .update_expression("SET document = :document, #version = :next")
                .condition_expression("#version = :version")
                .expression_attribute_names("#version", "version")
                .expression_attribute_values(":document", S(document.to_string()))
                .expression_attribute_values(":version", N(version.to_string()))
                .expression_attribute_values(":next", N((version + 1).to_string()));
            match request.send().await {
                Ok(_) => return,
                Err(error)
                    if error
                        .as_service_error()
                        .is_some_and(|error| error.is_conditional_check_failed_exception()) => {}
                Err(error) => panic!("DynamoDB does not answer: {error:?}"),
            }
        }
        panic!("{pk} {sk} is written all the time");
    }

    /// Answers the first approval that is asked for after the inbox held so many mails.
    pub(crate) async fn decide_after(&self, mails: usize, answer: Answer) -> Page {
        let mail = self
            .cloud
            .wait_for_mail(mails, PATIENCE, |mail| mail.approval_link().is_some())
            .await
            .expect("a mail comes");
        let link = mail.approval_link().expect("it has a link").to_owned();
        self.cloud.decide(&link, answer, None).await.expect("the page takes the answer")
    }

    /// Stops a release's execution by hand.
    pub(crate) async fn stop(&self, push: &Push) {
        let execution = self.cloud.wait_for_release(&push.digest, PATIENCE).await.expect("it began");
        aws_sdk_sfn::Client::new(self.cloud.sdk())
            .stop_execution()
            .execution_arn(execution.arn)
            .send()
            .await
            .expect("it is stopped");
    }

    /// Waits until no function of the lock's holder, or of its last one, may be writing any more.
    pub(crate) async fn lease_is_over(&self) {
        let lock = self.lock().await;
        let holder = &lock["holder"];
        let lease =
            if holder["writers"].as_u64() > Some(0) { &holder["lease_until"] } else { &lock["rests_until"] };
        let Some(until) = lease.as_str() else { return };
        let until: jiff::Timestamp = until.parse().expect("a time");
        let left = until.duration_since(slipway_local::clock::now());
        tokio::time::sleep(Duration::try_from(left).unwrap_or_default() + Duration::from_millis(100)).await;
    }

    /// Reconciles at once, and says what was found.
    pub(crate) async fn reconcile(&self) -> Value {
        self.try_to_reconcile().await.expect("it reconciles")
    }

    /// The same where something may be in its way.
    pub(crate) async fn try_to_reconcile(&self) -> anyhow::Result<Value> {
        loop {
            let reconciled = self.invoke("reconcile", &self.event("reconcile.json")).await?;
            if reconciled["another_runs"] != true {
                return Ok(reconciled);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Deregisters the task definition that a service ran.
    pub(crate) async fn deregister(&self, runs: &Runs) {
        let ecs = aws_sdk_ecs::Client::new(self.cloud.sdk());
        ecs.deregister_task_definition()
            .task_definition(&runs.task_definition)
            .send()
            .await
            .expect("ECS takes it");
    }

    /// Lets tags of the repository be moved, or not.
    pub(crate) async fn tags_may_move(&self, may: bool) {
        use aws_sdk_ecr::types::ImageTagMutability::{Immutable, Mutable};
        let ecr = aws_sdk_ecr::Client::new(self.cloud.sdk());
        let change = ecr.put_image_tag_mutability().repository_name("web").image_tag_mutability(if may {
            Mutable
        } else {
            Immutable
        });
        change.send().await.expect("ECR takes it");
    }

    /// Deletes an image from the registry.
    pub(crate) async fn delete_image(&self, digest: &str) {
        let ecr = aws_sdk_ecr::Client::new(self.cloud.sdk());
        let image = aws_sdk_ecr::types::ImageIdentifier::builder().image_digest(digest).build();
        ecr.batch_delete_image().repository_name("web").image_ids(image).send().await.expect("ECR takes it");
    }

    /// Makes an external change of a stage's service: a revision of another family.
    pub(crate) async fn deploy_from_outside(&self, stage: &str, like: &Runs) -> String {
        self.deploy_service_from_outside(stage, "web", like).await
    }

    /// The same for another service than `web`.
    pub(crate) async fn deploy_service_from_outside(
        &self,
        stage: &str,
        service: &str,
        like: &Runs,
    ) -> String {
        let running = self.describe(&like.task_definition).await;
        let arn = self.register("external", running, vec![]).await;
        let ecs = aws_sdk_ecs::Client::new(self.cloud.sdk());
        ecs.update_service()
            .cluster(stage)
            .service(service)
            .task_definition(&arn)
            .send()
            .await
            .expect("ECS takes it");
        self.settle().await;
        arn
    }

    /// Restores what a service ran, as a person does.
    pub(crate) async fn run(&self, runs: &Runs, stage: &str) {
        let ecs = aws_sdk_ecs::Client::new(self.cloud.sdk());
        ecs.update_service()
            .cluster(stage)
            .service("web")
            .task_definition(&runs.task_definition)
            .send()
            .await
            .expect("ECS takes it");
        let digest = self.digest_in(stage).await;
        self.until("the service is steady", async || self.is_steady(stage, &digest).await).await;
    }

    /// Sends a request to the approval page as it is.
    pub(crate) async fn request(
        &self,
        method: &str,
        link: &str,
        content_type: Option<&str>,
        body: &str,
    ) -> RawAnswer {
        let url = reqwest::Url::parse(link).expect("a link");
        let client = slipway_local::client::browser(&url).expect("a client");
        let mut request = client.request(method.parse().expect("a method"), url).body(body.to_owned());
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let answer = request.send().await.expect("the page answers");
        RawAnswer { status: answer.status().as_u16(), headers: answer.headers().clone() }
    }

    /// The value that the form of a link carries.
    pub(crate) fn nonce(&self, token: &str) -> String {
        decide_approval::nonce(token)
    }
}

fn percent_decoded(text: &str) -> String {
    if text.starts_with('{') {
        return text.to_owned();
    }
    serde_urlencoded::from_str::<Vec<(String, String)>>(&format!("policy={text}"))
        .expect("IAM encodes policies for URLs")
        .remove(0)
        .1
}
