//! The operators' API and the command `slipway`: who may ask for what, what it answers, and that what is asked is done once.

use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_iam::config::Credentials;
use serde_json::{Value, json};
use slipway_cli::Client;
use slipway_core::api::{
    Application, Applications, Approvals, Diff, Done, ReleaseBegun, ReleaseDetail, Releases, StageStatus,
};
use slipway_core::audit::What;
use slipway_local::image::Behaviour;
use slipway_local::wire::{CallRule, Fault};
use slipway_local::{Answer, PushOptions, client};
use tokio::process::Command;

use crate::world::{PATIENCE, Push, World};

/// A user of IAM who asks.
pub(crate) struct Operator {
    pub(crate) client: Client,
    key: String,
    secret: String,
}

impl World {
    pub(crate) fn operators(&self) -> Client {
        self.cloud.operators().expect("the API")
    }

    /// An IAM user who may invoke these paths of the API, such as `POST/applications/web/rollback`.
    pub(crate) async fn operator(&self, name: &str, paths: &[&str]) -> Operator {
        let iam = aws_sdk_iam::Client::new(self.cloud.sdk());
        // A test before may have made the user.
        let _there = iam.create_user().user_name(name).send().await;
        let outputs = self.cloud.outputs().expect("the outputs");
        let api = outputs["operators_api"]["execution_arn"].as_str().expect("its ARN").to_owned();
        let mut resources: Vec<_> = paths.iter().map(|path| format!("{api}/$default/{path}")).collect();
        if resources.is_empty() {
            resources.push("arn:aws:execute-api:us-east-1:000000000000:none".to_owned());
        }
        let policy = json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Action": "execute-api:Invoke", "Resource": resources },
            { "Effect": "Allow", "Action": "ssm:GetParameter", "Resource": "*" },
        ] });
        iam.put_user_policy()
            .user_name(name)
            .policy_name("operators")
            .policy_document(policy.to_string())
            .send()
            .await
            .expect("it is written");
        let key = iam.create_access_key().user_name(name).send().await.expect("a key");
        let key = key.access_key.expect("a key");
        let (id, secret) = (key.access_key_id, key.secret_access_key);
        let sdk = self.sdk_of(&id, &secret);
        let client = self.cloud.operators_as(sdk).expect("the API");
        Operator { client, key: id, secret }
    }

    fn sdk_of(&self, key: &str, secret: &str) -> SdkConfig {
        let credentials = Credentials::new(key, secret, None, None, "a test");
        let credentials = aws_sdk_iam::config::SharedCredentialsProvider::new(credentials);
        self.cloud.sdk().clone().into_builder().credentials_provider(credentials).build()
    }

    /// The command as its user runs it, with that user's key.
    pub(crate) fn slipway(&self, operator: &Operator, arguments: &[&str]) -> Command {
        let program = std::env::current_exe().expect("this program");
        let program: PathBuf = program.ancestors().nth(2).expect("the target folder").join("slipway");
        assert!(program.is_file(), "{} is not built: cargo build --package slipway-cli", program.display());
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(client::variables(self.cloud.endpoint()))
            .env("AWS_ACCESS_KEY_ID", &operator.key)
            .env("AWS_SECRET_ACCESS_KEY", &operator.secret)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    pub(crate) async fn run_slipway(&self, operator: &Operator, arguments: &[&str]) -> Output {
        let mut command = self.slipway(operator, arguments);
        let ran = tokio::time::timeout(PATIENCE, command.output()).await;
        ran.expect("it ends in time").expect("it runs")
    }

    pub(crate) async fn stage_of(&self, stage: &str) -> StageStatus {
        let application: Application = self.operators().get("applications/web").await.expect("it answers");
        let mut stages = application.status.stages.into_iter();
        stages.find(|one| one.name.as_str() == stage).expect("the stage")
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn words(output: &Output) -> String {
    format!("{}\n{}", text(&output.stdout), text(&output.stderr))
}

pub(crate) async fn refused<T: serde::de::DeserializeOwned + std::fmt::Debug>(
    client: &Client,
    path: &str,
    body: &Value,
) -> String {
    client.post::<T>(path, body).await.expect_err("it is refused").to_string()
}

#[tokio::test]
async fn an_operator_sees_what_each_stage_runs_since_when_and_who_approved_it() {
    let world = World::enter().await;
    let release = world.push(&PushOptions::light(&world.version())).await;
    world.approve(&release).await;
    assert_eq!(world.ended(&release).await.outcome(), Some("RELEASED"));
    let id = world.id_of(&release).await;

    let production = world.stage_of("production").await;
    let runs = production.runs.expect("it runs a release");
    assert_eq!((runs.image.digest.as_str(), runs.image.tag.as_str()), (&*release.digest, &*release.tag));
    assert_eq!(runs.release.map(|release| release.to_string()).as_deref(), Some(id.as_str()));
    assert_eq!(
        runs.approved_by.iter().map(|person| person.as_str()).collect::<Vec<_>>(),
        ["ana@example.com"]
    );
    let service = &production.services[0];
    assert_eq!((service.running, service.desired, service.problem.as_deref()), (1, 1, None));

    let all: Applications = world.operators().get("applications").await.expect("it answers");
    let names: Vec<_> = all.applications.iter().map(|application| application.name.to_string()).collect();
    assert_eq!(names, ["shop", "web"]);
    let history: Releases = world.operators().get("applications/web/releases").await.expect("it answers");
    assert_eq!(history.releases[0].id.as_str(), id);
    assert!(history.figures.released > 0 && history.figures.lead_time_seconds.is_some(), "{history:?}");
    let detail: ReleaseDetail =
        world.operators().get(&format!("applications/web/releases/{id}")).await.expect("it answers");
    assert_eq!(detail.end.map(|end| end.outcome.as_str()), Some("RELEASED"));
    assert!(detail.stages.iter().all(|stage| stage.state == "RELEASED"), "{:?}", detail.stages);
}

#[tokio::test]
async fn what_a_rollback_restored_is_what_the_stage_runs_again() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let before = world.digest_in("staging").await;

    let bad = world.push(&PushOptions::light(&world.version()).behaving(Behaviour::Answer500)).await;
    assert_eq!(world.ended(&bad).await.outcome(), Some("ROLLED_BACK"));

    let staging = world.stage_of("staging").await;
    let runs = staging.runs.expect("it runs a release");
    assert_eq!(runs.image.digest.as_str(), before);
    assert_eq!(runs.restored_from.map(|from| from.to_string()), Some(world.id_of(&bad).await));
    assert_eq!(staging.services[0].problem, None);
    let application: Application = world.operators().get("applications/web").await.expect("it answers");
    let quarantined = application.quarantined.iter().find(|one| one.digest.as_str() == bad.digest);
    assert_eq!(quarantined.and_then(|one| one.tag.clone()), Some(bad.tag.clone()));
}

#[tokio::test]
async fn what_somebody_else_deployed_is_seen_and_people_are_notified_once() {
    let world = World::enter().await;
    let release = world.push(&PushOptions::light(&world.version())).await;
    world.approve(&release).await;
    world.ended(&release).await;

    let runs = world.service("staging").await;
    let foreign = world.deploy_from_outside("staging", &runs).await;
    let problem = world.stage_of("staging").await.services[0].problem.clone();
    let mails = world.cloud.inbox().expect("the inbox").len();
    world.move_back("RUNNING", "web#staging#", "since", jiff::SignedDuration::from_mins(5)).await;
    for _ in 0..2 {
        assert_eq!(world.reconcile().await["problems"], json!([]));
    }
    world.quiet().await;
    let inbox = world.cloud.inbox().expect("the inbox");
    let told =
        inbox[mails..].iter().filter(|mail| mail.subject.contains("runs what Slipway did not release"));
    let told: Vec<_> = told.collect();
    world.run(&runs, "staging").await;

    let problem = problem.expect("it is seen");
    let name = foreign.rsplit('/').next().expect("a name");
    assert!(problem.contains(name) && problem.contains("which was released"), "{problem}");
    assert_eq!(told.len(), 1, "people are notified, and once: {told:?}");
    assert!(told[0].body.contains(name) && told[0].body.contains(&release.tag), "{}", told[0].body);
}

#[tokio::test]
async fn a_diff_says_what_a_release_would_change_and_what_would_stop_it() {
    let world = World::enter().await;
    let release = world.push(&PushOptions::light(&world.version())).await;
    world.approve(&release).await;
    world.ended(&release).await;
    let bad = world.push(&PushOptions::light(&world.version()).behaving(Behaviour::Answer500)).await;
    world.ended(&bad).await;
    let template = world.template("production").await;

    let same: Diff = world.operators().get("applications/web/diff").await.expect("it answers");
    world.change_template("production", "512", "1024", ("GREETING", "other")).await;
    world.alarm("e2e-staging-5xx", "ALARM").await;
    world
        .configure(|web| web["stages"][0]["bake"] = json!({ "for": "1s", "alarms": ["e2e-staging-5xx"] }))
        .await;
    let path = format!("applications/web/diff?image={}", bad.tag);
    let other: Diff = world.operators().get(&path).await.expect("it answers");
    world.restore_template("production", template).await;
    world.alarm("e2e-staging-5xx", "OK").await;
    world.configure(|_| {}).await;

    assert_eq!(same.image.digest.as_str(), release.digest);
    assert!(same.stages.iter().flat_map(|stage| &stage.services).all(|service| service.same), "{same:?}");
    assert_eq!(same.stages[1].asks.len(), 1);
    assert!(other.stops.as_ref().is_some_and(|stops| stops.contains("quarantined")), "{other:?}");
    let alarm = other.stages[0].stops.as_ref().expect("the alarm stops it");
    assert!(alarm.contains("e2e-staging-5xx is in ALARM"), "{alarm}");
    let production = &other.stages[1].services[0];
    let grows = production.changes.iter().any(|line| line.starts_with("cpu: "));
    assert!(!production.same && grows, "{production:?}");
    assert_eq!(production.runs.as_deref(), release.digest.get(7..19));
}

#[tokio::test]
async fn an_open_approval_says_who_has_answered_and_a_release_whom_it_waits_for() {
    let world = World::enter().await;
    world.approval_is(|approval| approval["approvers"] = json!(["ana@example.com", "bo@example.com"])).await;
    let release = world.push(&PushOptions::light(&world.version())).await;
    let link = world.link(&release).await;
    let id = world.id_of(&release).await;

    let approvals: Approvals = world.operators().get("approvals").await.expect("it answers");
    let application: Application = world.operators().get("applications/web").await.expect("it answers");
    world.cloud.decide(&link, Answer::Reject, None).await.expect("it counts");
    world.ended(&release).await;
    world.configure(|_| {}).await;

    let approval =
        approvals.approvals.iter().find(|approval| approval.release.as_str() == id).expect("it is open");
    assert_eq!((approval.stage.as_str(), approval.quorum, approval.approvers.len()), ("production", 1, 2));
    assert!(approval.approvers.iter().all(|approver| approver.answer.is_none()));
    let open = &application.status.releases[0];
    assert_eq!((open.id.as_str(), open.state.as_str()), (&*id, "Waits for approval"));
    assert_eq!(open.waits_for.len(), 2, "{open:?}");
    let approvals: Approvals = world.operators().get("approvals").await.expect("it answers");
    assert!(approvals.approvals.iter().all(|approval| approval.release.as_str() != id), "it is decided");
}

#[tokio::test]
async fn who_has_one_path_may_use_that_one_and_who_has_none_may_use_none() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let one = world.operator("one-path", &["POST/applications/web/clear"]).await;
    let none = world.operator("no-path", &[]).await;
    let digest = world.new_digest();

    let own = refused::<Done>(&one.client, "applications/web/clear", &json!({ "image": digest })).await;
    let other = refused::<Done>(&one.client, "applications/shop/clear", &json!({ "image": digest })).await;
    let rollback = refused::<ReleaseBegun>(&one.client, "applications/web/rollback", &json!({})).await;
    let read = one.client.get::<Applications>("applications").await.expect_err("it may not").to_string();
    let nothing = none.client.get::<Applications>("applications").await.expect_err("it may not").to_string();

    assert!(own.contains("is not quarantined"), "it got through: {own}");
    for (refusal, path) in [
        (other, "POST /applications/shop/clear"),
        (rollback, "POST /applications/web/rollback"),
        (read, "GET /applications"),
        (nothing, "GET /applications"),
    ] {
        assert!(refusal.contains(&format!("you may not {path}")), "{refusal}");
    }
    let unsigned = reqwest::Client::builder().no_proxy();
    let url =
        world.cloud.outputs().expect("outputs")["operators_api"]["url"].as_str().expect("a URL").to_owned();
    let host = url.trim_start_matches("http://").split(':').next().expect("a host").to_owned();
    let unsigned =
        unsigned.resolve(&host, ([127, 0, 0, 1], world.cloud.port()).into()).build().expect("a client");
    let status = unsigned.get(format!("{url}/applications")).send().await.expect("an answer").status();
    assert_eq!(status.as_u16(), 403);
}

#[tokio::test]
async fn who_asked_is_in_the_audit_the_history_and_what_people_are_notified_of() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let operator = world.operator("nina", &["*"]).await;
    let digest = world.digest_in("production").await;
    let mails = world.cloud.inbox().expect("the inbox").len();

    let request = json!({ "image": digest, "stage": "staging", "reason": "to look at it" });
    let begun: ReleaseBegun =
        operator.client.post("applications/web/release", &request).await.expect("it begins");
    let ended = world.cloud.wait_for_outcome(&digest, PATIENCE).await.expect("it ends");
    assert_eq!(ended.name, begun.release.as_str());
    world.quiet().await;

    let arn = "arn:aws:iam::000000000000:user/nina";
    let audit = world.whole_audit().await;
    let entry = audit.iter().find(|entry| entry.release.as_ref() == Some(&begun.release)).expect("an entry");
    assert_eq!((entry.what, entry.caller.as_deref()), (What::ReleaseRequested, Some(arn)));
    assert!(entry.words.contains("the IAM user nina: to look at it"), "{}", entry.words);
    let detail: ReleaseDetail = world
        .operators()
        .get(&format!("applications/web/releases/{}", begun.release))
        .await
        .expect("it answers");
    assert_eq!(detail.asked.as_deref(), Some("Asked for by the IAM user nina: to look at it"));
    let mail = world
        .cloud
        .wait_for_mail(mails, PATIENCE, |mail| mail.body.contains("Asked for by the IAM user nina"))
        .await;
    assert!(mail.is_ok(), "people are notified");
}

#[tokio::test]
async fn a_request_that_is_sent_again_is_done_once_and_a_key_is_good_for_one() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let key = format!("a-test-{}", world.version());
    let digest = world.digest_in("production").await;
    let mut event = world.event("operator-rollback.json");
    event["headers"]["idempotency-key"] = json!(key);
    event["body"] = json!(json!({ "to": digest, "stage": "staging" }).to_string());

    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(world.invoke("operate-releases", &event).await.expect("it answers"));
    }
    event["body"] = json!(json!({ "to": digest }).to_string());
    let other = world.invoke("operate-releases", &event).await.expect("it answers");
    event["headers"].as_object_mut().expect("headers").remove("idempotency-key");
    let keyless = world.invoke("operate-releases", &event).await.expect("it answers");
    world.cloud.wait_for_outcome(&digest, PATIENCE).await.expect("it ends");
    world.quiet().await;

    let begun = |answer: &Value| -> ReleaseBegun {
        serde_json::from_str(answer["body"].as_str().expect("a body"))
            .unwrap_or_else(|error| panic!("{error}: {answer}"))
    };
    let first = begun(&answers[0]).release;
    assert!(answers.iter().all(|answer| begun(answer).release == first), "{answers:?}");
    let audit = world.whole_audit().await;
    let of_it = audit.iter().filter(|entry| entry.release.as_ref() == Some(&first));
    assert_eq!(of_it.count(), 1, "it is written down once");
    for (answer, status, code) in [(other, 422, "KeyUsed"), (keyless, 400, "Malformed")] {
        let problem: Value =
            serde_json::from_str(answer["body"].as_str().expect("a body")).expect("a problem");
        assert_eq!((&answer["statusCode"], &problem["code"]), (&json!(status), &json!(code)), "{answer}");
    }
}

#[tokio::test]
async fn a_release_that_begins_only_when_asked_again_is_in_the_audit_once() {
    let world = World::enter_calm().await;
    world.has_a_good_release().await;
    let digest = world.digest_in("production").await;
    let mut event = world.event("operator-rollback.json");
    event["headers"]["idempotency-key"] = json!(format!("again-{}", world.version()));
    event["body"] = json!(json!({ "to": digest, "stage": "staging" }).to_string());
    // The first transaction keeps the request, the second one would write the release down.
    let refused = CallRule::new("dynamodb:TransactWriteItems", Fault::RefuseBefore);
    world.break_calls(refused.of("operate-releases").from(2).times(1_000)).await;

    let unanswered = world.invoke("operate-releases", &event).await.expect("it answers");
    world.mend().await;
    let answered = world.invoke("operate-releases", &event).await.expect("it answers");
    world.cloud.wait_for_outcome(&digest, PATIENCE).await.expect("it ends");
    world.quiet().await;

    assert_eq!(unanswered["statusCode"], json!(503), "{unanswered}");
    let begun: ReleaseBegun =
        serde_json::from_str(answered["body"].as_str().expect("a body")).expect("a release begins");
    let audit = world.whole_audit().await;
    let of_it = audit.iter().filter(|entry| entry.release.as_ref() == Some(&begun.release));
    assert_eq!(of_it.count(), 1, "it is written down once");
}

#[tokio::test]
async fn a_body_that_does_not_fit_is_refused_by_its_field() {
    let world = World::enter().await;
    let operators = world.operators();
    for (path, body, words) in [
        (
            "applications/web/release",
            json!({ "image": "v1", "at": "2099-01-01T00:00:00Z" }),
            "unknown field `at`",
        ),
        ("applications/web/release", json!({}), "missing field `image`"),
        ("applications/web/release", json!({ "image": 7 }), "image: invalid type"),
        ("applications/web/rollback", json!({ "stage": "Production!" }), "stage"),
        (
            "applications/web/rollback",
            json!({ "stage": "elsewhere" }),
            "web has no stage elsewhere; write one of staging, production",
        ),
        ("applications/web/clear", json!({ "image": "nothing-like-it" }), "no release had the image"),
        ("applications/nobody/rollback", json!({}), "no application is called nobody; those that are: "),
        ("applications/Nobody!/rollback", json!({}), "no application is called"),
    ] {
        let error = refused::<Value>(&operators, path, &body).await;
        assert!(error.contains(words), "{path} {body}: {error}");
    }
    let error = operators.get::<Value>("applications/web/releases/web-1").await.expect_err("there is none");
    assert!(error.to_string().contains("no release of web has the id web-1"), "{error}");
}

#[tokio::test]
async fn a_release_that_has_ended_is_not_aborted_and_says_how_it_ended() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let history: Releases = world.operators().get("applications/web/releases").await.expect("it answers");
    let ended = history.releases.iter().find(|release| release.end.is_some()).expect("one has ended");

    let path = format!("applications/web/releases/{}/abort", ended.id);
    let error = refused::<Done>(&world.operators(), &path, &json!({})).await;
    assert!(error.contains(&format!("{} has ended", ended.id)), "{error}");
}

pub(crate) async fn until_asked(world: &World, release: &Push) -> String {
    let link = world.link(release).await;
    // That they are asked is written down after the last mail.
    let shows_it = async || {
        let application: Application = world.operators().get("applications/web").await.expect("it answers");
        application.status.releases.iter().any(|open| !open.waits_for.is_empty())
    };
    world.until("people are asked", shows_it).await;
    link
}

#[tokio::test]
async fn the_command_shows_and_does_all_of_it_and_its_exit_codes_say_how_it_ended() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let operator = world.operator("ada", &["*"]).await;
    let version = world.version();
    let release = world.push(&PushOptions::light(&version)).await;
    let link = until_asked(&world, &release).await;

    let status = world.run_slipway(&operator, &["status"]).await;
    let approvals = world.run_slipway(&operator, &["approvals", "web"]).await;
    let json = world.run_slipway(&operator, &["status", "web", "--output", "json"]).await;
    let watching =
        world.slipway(&operator, &["watch", "web"]).stdout(Stdio::piped()).spawn().expect("it runs");
    // It has looked once before anybody answers.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let approved =
        world.run_slipway(&operator, &["approve", "--link", &link, "--reason", "good", "--yes"]).await;
    let watched =
        tokio::time::timeout(PATIENCE, watching.wait_with_output()).await.expect("in time").expect("it runs");
    let history = world.run_slipway(&operator, &["history", "web"]).await;
    let shown = world.run_slipway(&operator, &["show", "web"]).await;
    let audit = world.run_slipway(&operator, &["audit", "web"]).await;

    let status = text(&status.stdout);
    assert!(status.contains("waits for approval in production of ana@example.com"), "{status}");
    assert!(text(&approvals.stdout).contains("… ana@example.com has not answered"), "{}", words(&approvals));
    let json: Application = serde_json::from_slice(&json.stdout).expect("the API's document");
    assert_eq!(json.status.name.as_str(), "web");
    assert!(
        approved.status.success() && text(&approved.stdout).contains("was approved"),
        "{}",
        words(&approved)
    );
    let lines = text(&watched.stdout);
    assert!(watched.status.success() && lines.contains("RELEASED: "), "{}", words(&watched));
    assert!(lines.contains("production: waits for approval; no answer yet of ana@example.com"), "{lines}");
    assert!(text(&history.stdout).contains(&version), "{}", words(&history));
    assert!(text(&shown.stdout).contains("RELEASED: "), "{}", words(&shown));
    assert!(text(&audit.stdout).contains("The chain holds"), "{}", words(&audit));
    for output in [&lines, &status] {
        assert!(!output.contains('\u{1b}'), "there is no terminal: {output}");
    }

    let bad = world.push(&PushOptions::light(&world.version()).behaving(Behaviour::Answer500)).await;
    let watched = world.run_slipway(&operator, &["watch", "web"]).await;
    assert_eq!(watched.status.code(), Some(1), "{}", words(&watched));
    let again = world.run_slipway(&operator, &["release", "web", &bad.tag, "--yes"]).await;
    assert_eq!(again.status.code(), Some(2));
    assert!(text(&again.stderr).contains("is quarantined"), "{}", words(&again));
    let asked = world.run_slipway(&operator, &["rollback", "web"]).await;
    assert_eq!(asked.status.code(), Some(2), "nobody can be asked: {}", words(&asked));
    assert!(text(&asked.stderr).contains("repeat it with --yes"), "{}", words(&asked));
}

#[tokio::test]
async fn an_api_that_does_not_answer_for_a_while_is_asked_again() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let operator = world.operator("ada", &["*"]).await;
    let release = world.push(&PushOptions::light(&world.version())).await;
    let link = until_asked(&world, &release).await;

    let kept = world.take_permission_away("operate-releases", "dynamodb:GetItem").await;
    let watching = world
        .slipway(&operator, &["watch", release_id(&world, &release).await.as_str()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    tokio::time::sleep(Duration::from_secs(7)).await;
    world.give_permissions_back("operate-releases", kept).await;
    world.cloud.decide(&link, Answer::Approve, None).await.expect("it counts");
    let watched =
        tokio::time::timeout(PATIENCE, watching.wait_with_output()).await.expect("in time").expect("it runs");

    assert!(watched.status.success(), "{}", words(&watched));
    assert!(text(&watched.stderr).contains("asking again"), "{}", words(&watched));
    assert!(text(&watched.stdout).contains("RELEASED: "), "{}", words(&watched));
}

async fn release_id(world: &World, release: &Push) -> String {
    world.id_of(release).await
}

#[tokio::test]
async fn what_is_wrong_with_a_command_is_one_line_that_says_what_to_do() {
    let world = World::enter().await;
    let operator = world.operator("ada", &["*"]).await;
    let nobody = world.operator("no-path", &[]).await;
    world.has_a_good_release().await;
    // A test before may have left a release that waits.
    let releases: Releases = world.operators().get("applications/web/releases").await.expect("it answers");
    let ended = releases.releases.iter().find(|release| release.end.is_some()).expect("one has ended");
    for (operator, arguments, expected) in [
        (&operator, vec!["status", "nobody"], "no application is called nobody; those that are:"),
        (
            &operator,
            vec!["status", "--region", "eu-north-1"],
            "there is no Slipway called slipway in eu-north-1",
        ),
        (&operator, vec!["status", "--deployer", "other"], "there is no Slipway called other in us-east-1"),
        (&operator, vec!["abort", ended.id.as_str(), "--yes"], "has ended"),
        (&operator, vec!["rollback", "web", "--stage", "elsewhere", "--yes"], "web has no stage elsewhere"),
        (&operator, vec!["approve", "--link", "nothing", "--yes"], "that is no link"),
        (&nobody, vec!["status"], "you may not GET /applications"),
    ] {
        let output = world.run_slipway(operator, &arguments).await;
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", words(&output));
        assert!(error.contains(expected) && error.trim_end().lines().count() == 1, "{arguments:?}: {error}");
    }
    let mut command = world.slipway(&operator, &["status"]);
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    let output = command.output().await.expect("it runs");
    assert_eq!(output.status.code(), Some(2), "{}", words(&output));
    assert!(text(&output.stderr).contains("no AWS credentials can be used"), "{}", words(&output));
}
