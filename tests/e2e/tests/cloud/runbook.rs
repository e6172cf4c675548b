//! The lines of the runbook that begin with `slipway`, run as they stand there: what a person copies at night works.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Output;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;
use slipway_core::api::ReleaseBegun;
use slipway_local::image::Behaviour;
use slipway_local::{Answer, PushOptions};

use crate::operators::{Operator, words};
use crate::world::{PATIENCE, Push, World};

const RUNBOOK: &str = include_str!("../../../../docs/runbook.md");
/// What is not run, and why.
const NOT_RUN: [(&str, &str); 3] = [
    ("slipway clear", "a mention of the command, whose line stands under Manual actions"),
    ("slipway rollback", "a mention of the command, whose lines stand under Manual actions"),
    ("slipway approvals resend", "a mention of the command, whose line stands under Manual actions"),
];

/// What a line of the runbook may be.
fn lines_of(runbook: &str) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    let mut block: Option<&str> = None;
    for line in runbook.lines() {
        let text = line.trim();
        if let Some(language) = text.strip_prefix("```") {
            block = if block.is_some() { None } else { Some(language) };
        } else if block == Some("sh") {
            lines.extend(text.starts_with("slipway ").then(|| text.to_owned()));
        } else if block.is_none() {
            let spans = text.split('`').skip(1).step_by(2);
            lines.extend(spans.filter(|span| span.starts_with("slipway ")).map(ToOwned::to_owned));
        }
    }
    lines
}

/// The runbook in front of a person who has these permissions.
struct Runbook<'a> {
    world: &'a World,
    operator: Operator,
    /// Where the person stands: the folder that has `audit.json`.
    folder: tempfile::TempDir,
    /// What the runbook's names are here.
    names: BTreeMap<&'static str, String>,
    run: BTreeSet<String>,
}

impl Runbook<'_> {
    /// Runs a line, with what the text around it has a person add.
    async fn run(&mut self, line: &str, added: &[&str]) -> Output {
        self.run.insert(line.to_owned());
        let words = shlex::split(line).expect("a line that a shell reads");
        let words = words.into_iter().skip(1).map(|word| self.names.get(&*word).cloned().unwrap_or(word));
        let words: Vec<_> = words.chain(added.iter().map(ToString::to_string)).collect();
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let mut command = self.world.slipway(&self.operator, &words);
        let ran = tokio::time::timeout(PATIENCE, command.current_dir(self.folder.path()).output()).await;
        ran.expect("it ends in time").expect("it runs")
    }

    /// Runs a line that ends well, and answers what it printed.
    async fn works(&mut self, line: &str, added: &[&str]) -> String {
        let output = self.run(line, added).await;
        assert_eq!(output.status.code(), Some(0), "{line}: {}", words(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs a line that asks for a release, whose approval is given, and answers the digest that it released.
    async fn releases(&mut self, line: &str) -> String {
        let mails = self.world.cloud.inbox().expect("the inbox").len();
        let begun = self.works(line, &["--yes", "--output", "json"]).await;
        let begun: ReleaseBegun = serde_json::from_str(&begun).expect("the API's document");
        self.world.decide_after(mails, Answer::Approve).await;
        let digest = begun.image.digest.to_string();
        let ended = self.world.cloud.wait_for_outcome(&digest, PATIENCE).await.expect("it ends");
        assert_eq!(
            (ended.name.as_str(), ended.outcome()),
            (begun.release.as_str(), Some("RELEASED")),
            "{line}"
        );
        assert_eq!(self.world.digest_in("production").await, digest, "{line}");
        digest
    }

    /// Writes the audit down as `aws dynamodb query` prints it, which reads every page.
    async fn export_audit(&self, change: impl Fn(&str) -> String) {
        let dynamodb = aws_sdk_dynamodb::Client::new(self.world.cloud.sdk());
        let query = dynamodb.query().table_name("slipway").consistent_read(true);
        let query = query.key_condition_expression("pk = :pk");
        let query = query.expression_attribute_values(":pk", AttributeValue::S("AUDIT#web".to_owned()));
        let items: Vec<_> =
            query.into_paginator().items().send().try_collect().await.expect("DynamoDB answers");
        let items: Vec<_> = items
            .iter()
            .map(|item| {
                let document = item["document"].as_s().expect("a text");
                json!({ "pk": { "S": "AUDIT#web" }, "document": { "S": change(document) } })
            })
            .collect();
        let answer = json!({ "Items": items, "Count": items.len(), "ScannedCount": items.len() });
        std::fs::write(self.folder.path().join("audit.json"), answer.to_string()).expect("it is written");
    }
}

async fn released(world: &World) -> Push {
    let release = world.push(&PushOptions::light(&world.version())).await;
    world.approve(&release).await;
    assert_eq!(world.ended(&release).await.outcome(), Some("RELEASED"));
    release
}

#[tokio::test]
async fn each_command_of_the_runbook_does_what_the_runbook_says() {
    let world = World::enter().await;
    let first = released(&world).await;
    let second = released(&world).await;
    let mut runbook = Runbook {
        operator: world.operator("runbook", &["*"]).await,
        folder: tempfile::tempdir().expect("a folder"),
        names: BTreeMap::from([("v1", second.tag.clone()), ("v8", first.tag.clone())]),
        run: BTreeSet::new(),
        world: &world,
    };

    // Where to look; the release that ended last went well.
    for line in ["slipway status", "slipway status web", "slipway history web", "slipway show web"] {
        let shown = runbook.works(line, &[]).await;
        assert!(shown.contains(&second.tag), "{line}: {shown}");
    }
    let shown = runbook.works("slipway show", &[&world.id_of(&second).await]).await;
    let before = first.digest.get(..19).expect("a digest");
    assert!(shown.contains(&format!("web runs web@{before}")), "what the stage ran before: {shown}");
    let watched = runbook.works("slipway watch web", &[]).await;
    assert!(watched.contains("RELEASED: "), "{watched}");
    let approvals = runbook.works("slipway approvals", &[]).await;
    assert!(approvals.contains("Nobody is asked"), "{approvals}");
    let id = world.id_of(&second).await;
    for logs in [runbook.works("slipway logs web", &[]).await, runbook.works("slipway logs", &[&id]).await] {
        assert!(logs.contains("deploy-services"), "{logs}");
    }
    // What a test before has left broken is a finding, and its exit code says so.
    let doctor = runbook.run("slipway doctor", &[]).await;
    let said = words(&doctor);
    let stops = said.contains(" would stop a release") && !said.contains(": 0 would stop a release");
    assert!(words(&doctor).contains("Looked at "), "{}", words(&doctor));
    assert_eq!(doctor.status.code(), Some(i32::from(stops)), "{}", words(&doctor));

    // The deployer itself. Once nothing that an earlier test has left lies in the queue, nothing goes to the function again.
    world.purge("slipway-receive-push-dead-letters").await;
    let reconciled = runbook.works("slipway reconcile", &[]).await;
    assert!(reconciled.contains("slipway-reconcile"), "{reconciled}");
    // An earlier test may have left some.
    let held = runbook.works("slipway redrive --list", &[]).await;
    assert!(held.contains("ead letter") || held.contains("-dead-letters"), "{held}");
    runbook.works("slipway redrive slipway-receive-push-dead-letters", &["--yes"]).await;

    // The audit, of the API and of the table; one that somebody changed is broken.
    let audit = runbook.works("slipway audit web", &[]).await;
    runbook.export_audit(ToOwned::to_owned).await;
    let exported = runbook.works("slipway audit web --file audit.json", &[]).await;
    assert_eq!(audit, exported);
    assert!(audit.contains("The chain holds"), "{audit}");
    runbook.export_audit(|document| document.replacen("ana@example.com", "eve@example.com", 1)).await;
    let broken = runbook.run("slipway audit web --file audit.json", &[]).await;
    assert_eq!(broken.status.code(), Some(1), "{}", words(&broken));
    assert!(words(&broken).contains("the audit is broken at entry "), "{}", words(&broken));

    // Manual actions. The image before is released again; then the other; then the one before, in production alone.
    let back = runbook.releases("slipway rollback web --reason \"v2 is slow\"").await;
    assert_eq!(back, first.digest);
    let again = runbook.releases("slipway release web v1 --reason \"the last one with the old cache\"").await;
    assert_eq!(again, second.digest);
    let staging = world.digest_in("staging").await;
    runbook.releases("slipway rollback web --stage production --reason \"v2 is slow\"").await;
    assert_eq!(world.digest_in("staging").await, staging, "staging stays as it is");

    // Somebody deploys beside Slipway.
    let runs = world.service("production").await;
    world.deploy_from_outside("production", &runs).await;
    let drift = runbook.works("slipway status", &[]).await;
    assert!(drift.contains("which was released"), "{drift}");
    let line =
        "slipway rollback web --to v8 --stage production --reason \"somebody deployed beside Slipway\"";
    assert_eq!(runbook.releases(line).await, first.digest);

    // The line is stopped; one release goes on in spite of it.
    let line = "slipway freeze production --reason 'an incident: nothing goes live'";
    runbook.works(line, &["--yes"]).await;
    let status = runbook.works("slipway status", &[]).await;
    assert!(status.contains("an incident: nothing goes live"), "{status}");
    let held = world.push(&PushOptions::light(&world.version())).await;
    world.until("it waits", async || world.waits_for(&held, "CaptureBaseline").await).await;
    runbook.works("slipway override web --reason 'it mends the incident'", &["--yes"]).await;
    world.approve(&held).await;
    assert_eq!(world.ended(&held).await.outcome(), Some("RELEASED"));
    runbook.works("slipway unfreeze production", &["--yes"]).await;

    // A release is ended while it waits, and an image that was rolled back may be released again.
    let aborted = world.push(&PushOptions::light(&world.version())).await;
    world.link(&aborted).await;
    let mails = world.cloud.inbox().expect("the inbox").len();
    let line = "slipway approvals resend web --approver ana@example.com --reason \"no mail came\"";
    runbook.works(line, &["--yes"]).await;
    let its = |mail: &slipway_local::Mail| mail.approval_link().is_some();
    world.cloud.wait_for_mail(mails, PATIENCE, its).await.expect("the mail comes again");
    runbook.works("slipway abort web --reason \"the wrong image\"", &["--yes"]).await;
    assert_eq!(world.ended(&aborted).await.outcome(), Some("FAILED"));
    let bad = world.push(&PushOptions::light(&world.version()).behaving(Behaviour::Answer500)).await;
    assert_eq!(world.ended(&bad).await.outcome(), Some("ROLLED_BACK"));
    runbook.names.insert("v3", bad.tag.clone());
    let line = "slipway clear web v3 --reason \"the database was at fault\"";
    runbook.works(line, &["--yes"]).await;
    let twice = runbook.run(line, &["--yes"]).await;
    assert_eq!(
        twice.status.code(),
        Some(0),
        "it was done once, and asking again is no error: {}",
        words(&twice)
    );

    let mut known = runbook.run;
    known.extend(NOT_RUN.map(|(line, _)| line.to_owned()));
    assert_eq!(lines_of(RUNBOOK), known, "a line of the runbook is neither run here nor named in NOT_RUN");
}
