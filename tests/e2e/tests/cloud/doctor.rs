//! `slipway doctor`: what is right is right, and what is broken is found, with what to do and an exit code that says whether it
//! would stop a release.

use aws_sdk_ecs::types::DeploymentCircuitBreaker;
use aws_sdk_sqs::types::Message;
use serde_json::json;
use slipway_core::doctor::{Checkup, Severity, Subject};
use slipway_local::PushOptions;

use crate::operators::{text, words};
use crate::world::World;

/// The queue of what the function receive-push could not do.
const QUEUE: &str = "slipway-receive-push-dead-letters";

impl World {
    /// The command's exit code, and what it printed.
    async fn doctor(&self, arguments: &[&str]) -> (i32, String) {
        let operator = self.operator("the-doctors-friend", &["GET/*"]).await;
        let arguments = [&["doctor"], arguments].concat();
        let output = self.run_slipway(&operator, &arguments).await;
        (output.status.code().expect("nobody killed it"), words(&output))
    }

    /// The checkup of the application web.
    async fn checkup(&self) -> Checkup {
        self.operators().get("applications/web/doctor").await.expect("it answers")
    }

    /// Sets whether ECS gives up a deployment of a stage's service whose tasks do not start.
    async fn circuit_breaker(&self, stage: &str, is_on: bool) {
        let ecs = aws_sdk_ecs::Client::new(self.cloud.sdk());
        let described = ecs.describe_services().cluster(stage).services("web").send().await;
        let described = described.expect("ECS answers");
        let had = described.services()[0].deployment_configuration().cloned();
        let mut changed = had.expect("it has a deployment configuration");
        let breaker = DeploymentCircuitBreaker::builder().enable(is_on).rollback(is_on).build();
        changed.deployment_circuit_breaker = Some(breaker);
        let update = ecs.update_service().cluster(stage).service("web").deployment_configuration(changed);
        update.send().await.expect("ECS takes it");
        self.settle().await;
    }

    /// Takes away every revision of a stage's template.
    async fn remove_template(&self, stage: &str) {
        let ecs = aws_sdk_ecs::Client::new(self.cloud.sdk());
        let family = format!("{stage}-web-template");
        let list = ecs.list_task_definitions().family_prefix(&family);
        let arns: Vec<String> =
            list.into_paginator().items().send().try_collect().await.expect("ECS answers");
        for arn in arns.iter().filter(|arn| arn.contains(&format!("/{family}:"))) {
            ecs.deregister_task_definition().task_definition(arn).send().await.expect("ECS takes it");
        }
        self.settle().await;
    }

    /// Puts a dead letter into the queue of receive-push.
    async fn dead_letter(&self) {
        let (sqs, url) = self.queue().await;
        sqs.send_message().queue_url(url).message_body(r#"{"a":"test"}"#).send().await.expect("SQS takes it");
    }

    /// Takes it out again.
    async fn no_dead_letter(&self) {
        let (sqs, url) = self.queue().await;
        let received = sqs.receive_message().queue_url(&url).max_number_of_messages(10).send().await;
        let received = received.expect("SQS answers").messages.unwrap_or_default();
        let ours = |message: &&Message| message.body() == Some(r#"{"a":"test"}"#);
        for message in received.iter().filter(ours) {
            let handle = message.receipt_handle().expect("a handle");
            sqs.delete_message().queue_url(&url).receipt_handle(handle).send().await.expect("SQS takes it");
        }
    }

    async fn queue(&self) -> (aws_sdk_sqs::Client, String) {
        let sqs = aws_sdk_sqs::Client::new(self.cloud.sdk());
        let url = sqs.get_queue_url().queue_name(QUEUE).send().await.expect("the queue exists");
        (sqs, url.queue_url.expect("a queue has a URL"))
    }
}

/// The finding that says this, and the remedy on the lines below it, as people read them.
fn said(output: &str, what: &str) -> String {
    let lines: Vec<_> = output.lines().collect();
    let found = lines.iter().position(|line| line.contains(what));
    let found = found.unwrap_or_else(|| panic!("{what:?} is not found:\n{output}"));
    assert!(lines[found + 1].starts_with("    → "), "its remedy is on the next line:\n{output}");
    format!("{} {}", lines[found].trim(), lines[found + 1].trim())
}

#[tokio::test]
async fn where_all_is_right_nothing_would_stop_a_release() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    world.reconcile().await;

    let (code, output) = world.doctor(&["web"]).await;
    let (whole_code, whole) = world.doctor(&["--all"]).await;
    let operator = world.operator("the-doctors-friend", &["GET/*"]).await;
    let json = world.run_slipway(&operator, &["doctor", "--output", "json"]).await;

    assert_eq!((code, whole_code), (0, 0), "{output}{whole}");
    assert!(!output.contains('✗') && output.contains("Looked at"), "{output}");
    for fine in [
        "✓ web: the repository web is there",
        "✓ web production: the subscription of ana@example.com is confirmed, and IAM alone may end it",
        "✓ web staging: slipway may change web",
        "✓ web staging: web has its circuit breaker on",
        "✓ web staging: a release can be made from staging-web-template:",
        "✓ web staging: staging-web-template has a role that Slipway may pass on",
        "✓ web staging: web can be verified",
        "✓ web staging: web runs what was released",
        "✓ the configuration of shop can be used",
        "✓ the last reconciliation was",
        "✓ slipway-receive-push-dead-letters is empty",
    ] {
        assert!(whole.contains(fine), "{fine}:\n{whole}");
    }
    let checkup: Checkup = serde_json::from_slice(&json.stdout).expect("the API's document");
    assert_eq!(checkup.applications.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["shop", "web"]);
    assert!(!checkup.stops() && checkup.looked_at() > 40, "{checkup:?}");
    world.nothing_was_lost().await;
}

#[tokio::test]
async fn what_would_stop_a_release_is_found_with_its_remedy_and_exit_code_1() {
    let world = World::enter().await;
    world.has_a_good_release().await;

    world
        .approval_is(|approval| {
            approval["approvers"] = json!(["ana@example.com", "bo@example.com"]);
            approval["quorum"] = json!(2);
        })
        .await;
    world.unsubscribe("bo@example.com").await;
    let unconfirmed = world.doctor(&["web"]).await;
    world
        .configure(|web| web["stages"][0]["bake"] = json!({ "for": "1s", "alarms": ["e2e-there-is-none"] }))
        .await;
    let alarm = world.doctor(&["web"]).await;
    world.configure(|_| {}).await;
    let template = world.template("production").await;
    world.remove_template("production").await;
    let no_template = world.doctor(&["web"]).await;
    world.restore_template("production", template).await;
    world.untag("staging", "slipway:deployer").await;
    let untagged = world.doctor(&["web"]).await;
    world.tag("staging", "slipway:deployer", "other").await;
    let of_another = world.doctor(&["web"]).await;
    world.tag("staging", "slipway:deployer", "slipway").await;
    world.configure(|web| web["repository"] = json!("there-is-none")).await;
    let repository = world.doctor(&["web"]).await;
    world.configure(|web| web["stages"][0]["cluster"] = json!("there-is-none")).await;
    let cluster = world.doctor(&["web"]).await;
    world.configure(|web| web["stages"] = json!([])).await;
    let broken = world.doctor(&[]).await;
    world.configure(|_| {}).await;
    let mended = world.doctor(&["web"]).await;

    for ((code, output), what, remedy) in [
        (unconfirmed, "✗ bo@example.com has no confirmed subscription", "infra/tools/confirm-subscription"),
        (alarm, "✗ the alarm e2e-there-is-none does not exist", "bake.alarms"),
        (no_template, "✗ there is no task definition production-web-template", "apply the Terraform"),
        (untagged, "✗ web in the cluster staging has no tag slipway:deployer", "tag the service"),
        (of_another, "✗ web in the cluster staging has the tag slipway:deployer = other", "tag the service"),
        (repository, "repository there-is-none", "tag it slipway:deployer = slipway"),
        (cluster, "✗ the cluster there-is-none could not be looked at", "make what AWS says is missing"),
        (broken, "✗ /slipway/applications/web cannot be used", "variable applications"),
    ] {
        let finding = said(&output, what);
        assert!(finding.contains(remedy), "{finding}");
        assert_eq!(code, 1, "{output}");
    }
    assert_eq!(mended.0, 0, "{}", mended.1);
}

#[tokio::test]
async fn what_goes_wrong_and_stops_no_release_is_a_warning() {
    let world = World::enter().await;
    // Whatever a test before it ran there: both stages run what was released.
    let release = world.push(&PushOptions::light(&world.version())).await;
    world.approve(&release).await;
    assert_eq!(world.ended(&release).await.outcome(), Some("RELEASED"));

    world.circuit_breaker("staging", false).await;
    let breaker = world.doctor(&["web"]).await;
    world.circuit_breaker("staging", true).await;
    world.dead_letter().await;
    let letter = world.doctor(&[]).await;
    world.no_dead_letter().await;
    let runs = world.service("staging").await;
    let foreign = world.deploy_from_outside("staging", &runs).await;
    let drift = world.doctor(&["web"]).await;
    let drifted = world.checkup().await;
    world.run(&runs, "staging").await;
    let kept = world.take_permission_away("operate-releases", "sqs:GetQueueUrl").await;
    let unseen = world.doctor(&[]).await;
    world.give_permissions_back("operate-releases", kept).await;

    let foreign = foreign.rsplit('/').next().expect("a name").to_owned();
    for ((code, output), what, remedy) in [
        (breaker, "! web has no circuit breaker".to_owned(), "deployment_circuit_breaker"),
        (letter, format!("lies in the queue {QUEUE}"), "slipway redrive "),
        (drift, format!("! web runs {foreign}, and not "), "CloudTrail, UpdateService"),
        (unseen, "! the dead-letter queues could not be looked at".to_owned(), "terraform apply"),
    ] {
        let finding = said(&output, &what);
        assert!(finding.contains(remedy), "{finding}");
        assert_eq!(code, 0, "{output}");
    }
    let finding =
        drifted.findings.iter().find(|finding| finding.subject == Subject::Drift).expect("it drifts");
    assert_eq!(finding.severity, Severity::Warns);
    let place = (&finding.application, &finding.stage, &finding.service);
    let (Some(application), Some(stage), Some(service)) = place else { panic!("it is nowhere: {finding:?}") };
    assert_eq!((application.as_str(), stage.as_str(), service.as_str()), ("web", "staging", "web"));
}

#[tokio::test]
async fn several_things_that_are_broken_at_once_are_all_found() {
    let world = World::enter().await;
    world.has_a_good_release().await;

    let template = world.template("production").await;
    world.remove_template("production").await;
    world.circuit_breaker("production", false).await;
    world
        .configure(|web| web["stages"][1]["bake"] = json!({ "for": "1s", "alarms": ["e2e-there-is-none"] }))
        .await;
    world.dead_letter().await;
    let (code, output) = world.doctor(&[]).await;
    world.no_dead_letter().await;
    world.configure(|_| {}).await;
    world.circuit_breaker("production", true).await;
    world.restore_template("production", template).await;

    assert_eq!(code, 1, "{output}");
    let production = output.split("web production\n").nth(1).expect("a heading");
    let production = production.split("\n\n").next().expect("its findings");
    for what in [
        "✗ the alarm e2e-there-is-none does not exist",
        "✗ there is no task definition production-web-template",
        "! web has no circuit breaker",
    ] {
        said(production, what);
    }
    said(&output, QUEUE);
}

#[tokio::test]
async fn an_application_that_is_not_there_is_refused_and_who_may_not_ask_is_told_so() {
    let world = World::enter().await;
    let nobody = world.operator("no-path", &[]).await;

    let (code, unknown) = world.doctor(&["nobody"]).await;
    let refused = world.run_slipway(&nobody, &["doctor"]).await;
    world.configure(|web| web["stages"] = json!([])).await;
    let (broken_code, broken) = world.doctor(&["web"]).await;
    world.configure(|_| {}).await;

    assert_eq!(code, 2);
    assert!(unknown.contains("no application is called nobody"), "{unknown}");
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("you may not GET /doctor"), "{}", words(&refused));
    assert_eq!(broken_code, 2, "{broken}");
    assert!(broken.contains("write at least one stage"), "{broken}");
}
