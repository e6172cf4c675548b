//! What operators ask for beside releases: mails that go out again, a reconciliation, dead letters, logs. What is asked is
//! done once, and who asks for it decides nothing.

use std::collections::BTreeSet;
use std::process::Stdio;

use jiff::SignedDuration;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use slipway_core::api::{DeadLetters, Done, Logs, Problem, Redriven};
use slipway_core::audit::What;
use slipway_local::{Answer, Mail, PushOptions};

use crate::operators::{text, words};
use crate::world::{PATIENCE, Push, World};

const ANA: &str = "ana@example.com";
const BO: &str = "bo@example.com";
const NINA: &str = "arn:aws:iam::000000000000:user/nina";
const OF_PUSHES: &str = "slipway-receive-push-dead-letters";
const OF_CHANGES: &str = "slipway-resume-release-dead-letters";

impl World {
    /// Asks as API Gateway does, in nina's name.
    async fn asks(&self, route: &str, parameters: &Value, key: &str, body: &Value) -> Value {
        let mut event = self.event("operator-rollback.json");
        event["routeKey"] = json!(route);
        event["requestContext"]["routeKey"] = json!(route);
        event["requestContext"]["authorizer"]["iam"]["userArn"] = json!(NINA);
        event["pathParameters"] = parameters.clone();
        event["headers"]["idempotency-key"] = json!(key);
        event["body"] = json!(body.to_string());
        self.invoke("operate-releases", &event).await.expect("it answers")
    }

    /// The mails of a push that ask a person for an approval.
    fn mails_asking(&self, person: &str, push: &Push) -> Vec<Mail> {
        let mut mails = self.mails_since(push);
        mails.retain(|mail| {
            mail.to == person && mail.approval_link().is_some() && mail.body.contains(&push.digest)
        });
        mails
    }

    /// Puts a message into a queue, as Lambda does with an event that a function has failed on.
    async fn send_to(&self, queue: &str, body: &Value) {
        let sqs = aws_sdk_sqs::Client::new(self.cloud.sdk());
        let url = sqs.get_queue_url().queue_name(queue).send().await.expect("the queue exists");
        let send = sqs.send_message().set_queue_url(url.queue_url).message_body(body.to_string());
        send.send().await.expect("SQS takes it");
    }

    async fn empty(&self, queue: &str) {
        let sqs = aws_sdk_sqs::Client::new(self.cloud.sdk());
        let url = sqs.get_queue_url().queue_name(queue).send().await.expect("the queue exists");
        sqs.purge_queue().set_queue_url(url.queue_url).send().await.expect("SQS empties it");
    }

    /// All pages of a release's log.
    async fn log_of(&self, release: &str, function: Option<&str>) -> Logs {
        let path = format!("applications/web/releases/{release}/logs");
        let mut all = Logs::default();
        while !all.up_to_date {
            let mut query = Vec::from_iter(function.map(|function| format!("function={function}")));
            query.extend(all.next.as_ref().map(|next| format!("token={next}")));
            let page: Logs =
                self.operators().get(&format!("{path}?{}", query.join("&"))).await.expect("it answers");
            all.lines.extend(page.lines);
            (all.next, all.up_to_date) = (page.next, page.up_to_date);
        }
        all
    }
}

fn body<T: DeserializeOwned>(answer: &Value) -> T {
    let body = answer["body"].as_str().expect("a body");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

fn problem(answer: &Value) -> (Value, String, String) {
    let Problem { code, detail, .. } = body(answer);
    (answer["statusCode"].clone(), format!("{code:?}"), detail)
}

#[tokio::test]
async fn mails_go_out_again_to_those_who_have_not_answered_once_for_a_request() {
    const ROUTE: &str = "POST /applications/{application}/releases/{release}/resend";
    let world = World::enter_calm().await;
    world.has_a_good_release().await;
    world
        .approval_is(|approval| {
            approval["approvers"] = json!([ANA, BO]);
            approval["quorum"] = json!(2);
        })
        .await;
    let release = world.push(&PushOptions::light(&world.version())).await;
    world.until("both are asked", async || world.waits_for(&release, "RequestApproval").await).await;
    world
        .until("both have a mail", async || {
            [ANA, BO].iter().all(|person| world.mails_asking(person, &release).len() == 1)
        })
        .await;
    let link = world.mails_asking(ANA, &release)[0].approval_link().expect("a link").to_owned();
    world.cloud.decide(&link, Answer::Approve, None).await.expect("it counts");
    let id = world.id_of(&release).await;
    let parameters = json!({ "application": "web", "release": id });
    let key = format!("resend-{}", world.version());
    let wish = json!({ "reason": "no mail came" });

    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(world.asks(ROUTE, &parameters, &key, &wish).await);
    }
    let other = world.asks(ROUTE, &parameters, &key, &json!({})).await;
    let answered = world.asks(ROUTE, &parameters, "another", &json!({ "approver": ANA })).await;
    let eve = world.asks(ROUTE, &parameters, "another", &json!({ "approver": "eve@example.com" })).await;
    world.until("bo has the mail again", async || world.mails_asking(BO, &release).len() == 2).await;
    world.quiet().await;
    let (to_ana, to_bo) = (world.mails_asking(ANA, &release), world.mails_asking(BO, &release));
    let again = to_bo[1].approval_link().expect("a link").to_owned();
    world.cloud.decide(&again, Answer::Approve, None).await.expect("the further link counts");
    let ended = world.ended(&release).await;
    let late = world.asks(ROUTE, &parameters, "late", &json!({})).await;
    world.configure(|_| {}).await;

    let first: Done = body(&answers[0]);
    assert!(first.words.contains(BO) && !first.words.contains(ANA), "{}", first.words);
    assert!(answers.iter().all(|answer| body::<Done>(answer) == first), "{answers:?}");
    assert_eq!((to_ana.len(), to_bo.len()), (1, 2), "ana has answered, and one request is one mail");
    assert!(to_bo[1].subject.starts_with("Again: Approve"), "{}", to_bo[1].subject);
    assert!(to_bo[1].body.contains("at the request of the IAM user nina: no mail came"), "{}", to_bo[1].body);
    assert_ne!(to_bo[0].approval_link(), Some(again.as_str()), "no link is kept, so it has another one");
    assert_eq!(ended.outcome(), Some("RELEASED"), "{ended:?}");
    for (answer, status, code, said) in [
        (other, 422, "KeyUsed", "send another key"),
        (answered, 409, "Answered", "has approved already"),
        (eve, 409, "NotAsked", "those who have not answered: bo@example.com"),
        (late, 409, "Ended", "has ended RELEASED"),
    ] {
        let (is, named, detail) = problem(&answer);
        assert_eq!((is, named.as_str()), (json!(status), code), "{detail}");
        assert!(detail.contains(said), "{detail}");
    }
    let audit = world.audited(&format!("{id}/production")).await;
    let asked: Vec<_> = audit.iter().filter(|entry| entry.what == What::ResendRequested).collect();
    assert_eq!(asked.len(), 1, "it is written down once: {asked:?}");
    assert_eq!(asked[0].caller.as_deref(), Some(NINA));
    assert!(asked[0].words.contains(BO) && asked[0].words.contains("no mail came"), "{}", asked[0].words);
    let token = again.rsplit('/').next().expect("a token");
    for answer in &answers {
        assert!(!answer.to_string().contains(token), "who asks sees no link");
    }
}

#[tokio::test]
async fn the_operators_functions_role_sees_no_token_and_hands_no_step_an_event() {
    let world = World::enter().await;
    let role = world.role("operate-releases").await;

    let written = [
        ("APPROVAL#web-1/production", "APPROVAL"),
        ("LINK#x", "LINK"),
        ("LOCK#web", "LOCK"),
        ("CALLBACK#web-1", "x"),
        ("DUE#web-1", "x"),
    ];
    world.refuses(&role, &written, &["LINK#x", "CALLBACK#web-1", "WAKE#x"]).await;
    let lambda = aws_sdk_lambda::Client::new(&role);
    for function in ["request-approval", "decide-approval", "roll-back", "deploy-services"] {
        let invoke = lambda.invoke().function_name(format!("slipway-{function}"));
        let refused = format!("{:?}", invoke.send().await.expect_err(function));
        assert!(refused.contains("AccessDenied"), "{function}: {refused}");
    }
    let logs = aws_sdk_cloudwatchlogs::Client::new(&role);
    let foreign = logs.filter_log_events().log_group_name("/ecs/production/web").send().await;
    let refused = format!("{:?}", foreign.expect_err("it is the application's"));
    assert!(refused.contains("AccessDenied"), "{refused}");
}

#[tokio::test]
async fn a_reconciliation_that_is_asked_for_finds_what_was_lost() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let lost = world.push_unheard(&PushOptions::light(&world.version())).await;
    let key = format!("reconcile-{}", world.version());
    let entry = world.entry().await;

    let answers = [
        world.asks("POST /reconcile", &json!({}), &key, &json!({})).await,
        world.asks("POST /reconcile", &json!({}), &key, &json!({})).await,
    ];
    world.cloud.wait_for_release(&lost.digest, PATIENCE).await.expect("its release begins");
    let handed = world.calls_since(entry, "operate-releases", "lambda:InvokeFunction").await;
    world.approve(&lost).await;
    let ended = world.ended(&lost).await;

    let done: Done = body(&answers[0]);
    assert!(done.words.contains("in the log of slipway-reconcile"), "{}", done.words);
    assert_eq!(body::<Done>(&answers[1]), done);
    assert_eq!(handed, 1, "the same request again is not done again");
    assert_eq!(ended.outcome(), Some("RELEASED"), "{ended:?}");
}

#[tokio::test]
async fn while_a_reconciliation_runs_another_request_says_so() {
    let world = World::enter().await;
    let operator = world.operator("ada", &["*"]).await;
    world
        .until("it says that one runs", async || {
            let until = slipway_local::clock::now() + SignedDuration::from_secs(10);
            world.put("RECONCILE#-", "RUN", &json!({ "until": until, "again": false })).await;
            let ran = world.run_slipway(&operator, &["reconcile"]).await;
            assert!(ran.status.success(), "{}", words(&ran));
            text(&ran.stdout).contains("a reconciliation runs already; it looks once more")
        })
        .await;
    world.put("RECONCILE#-", "RUN", &json!({ "again": false })).await;
}

#[tokio::test]
async fn dead_letters_go_to_their_functions_again_and_what_cannot_is_kept_and_named() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let operator = world.operator("ada", &["*"]).await;
    world.empty(OF_PUSHES).await;
    world.empty(OF_CHANGES).await;
    let lost = world.push_unheard(&PushOptions::light(&world.version())).await;
    let mut event = world.event("image-push.json");
    event["detail"]["image-digest"] = json!(lost.digest);
    event["detail"]["image-tag"] = json!(lost.tag);
    world.send_to(OF_PUSHES, &event).await;
    world.send_to(OF_CHANGES, &json!({ "DDBStreamBatchInfo": { "shardId": "1", "batchSize": 3 } })).await;
    let entry = world.entry().await;

    let listed = world.run_slipway(&operator, &["redrive", "--list"]).await;
    let held: DeadLetters = world.operators().get("dead-letters").await.expect("it answers");
    let key = format!("redrive-{}", world.version());
    let wish = json!({ "queue": OF_PUSHES });
    let answers = [
        world.asks("POST /dead-letters/redrive", &json!({}), &key, &wish).await,
        world.asks("POST /dead-letters/redrive", &json!({}), &key, &wish).await,
    ];
    let handed = world.calls_since(entry, "operate-releases", "lambda:InvokeFunction").await;
    let kept = world.run_slipway(&operator, &["redrive", "resume-release", "--yes"]).await;
    let unasked = world.run_slipway(&operator, &["redrive"]).await;
    let unknown = world.run_slipway(&operator, &["redrive", "elsewhere", "--yes"]).await;
    world.cloud.wait_for_release(&lost.digest, PATIENCE).await.expect("its release begins");
    let still = world.messages(OF_CHANGES).await;
    world.empty(OF_CHANGES).await;
    world.approve(&lost).await;
    let ended = world.ended(&lost).await;

    for queue in [OF_PUSHES, OF_CHANGES] {
        assert!(text(&listed.stdout).contains(&format!("1  {queue}")), "{}", words(&listed));
        let count = held.queues.iter().find(|one| one.name == queue).map(|one| one.messages);
        assert_eq!(count, Some(1), "{held:?}");
    }
    assert_eq!(held.queues.len(), 27, "of 18 functions, 8 rules and the schedule");
    let redriven: Redriven = body(&answers[0]);
    let [queue] = redriven.queues.as_slice() else { panic!("one queue: {redriven:?}") };
    assert_eq!((queue.redriven, queue.kept.len(), queue.left), (1, 0, 0), "{queue:?}");
    assert_eq!(body::<Redriven>(&answers[1]), redriven);
    assert_eq!(handed, 1, "the same request again hands nothing over");
    assert_eq!(ended.outcome(), Some("RELEASED"), "{ended:?}");
    let said = text(&kept.stdout);
    assert_eq!(kept.status.code(), Some(1), "{}", words(&kept));
    assert!(said.contains(&format!("{OF_CHANGES}: 0 redriven, 1 kept, 0 left")), "{said}");
    assert!(said.contains("the reconciler makes up for it"), "{said}");
    assert_eq!(still, 1, "it stays, and is seen again at once");
    assert_eq!(unasked.status.code(), Some(2), "{}", words(&unasked));
    assert!(text(&unasked.stderr).contains("repeat it with --yes"), "{}", words(&unasked));
    assert_eq!(unknown.status.code(), Some(2), "{}", words(&unknown));
    assert!(text(&unknown.stderr).contains("there is no dead-letter queue elsewhere"), "{}", words(&unknown));
}

#[tokio::test]
async fn the_log_of_a_release_is_in_order_of_that_release_alone_and_has_no_token() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let operator = world.operator("ada", &["*"]).await;
    let release = world.push(&PushOptions::light(&world.version())).await;
    let link = world.link(&release).await;
    let id = world.id_of(&release).await;
    let following = world
        .slipway(&operator, &["logs", &id, "--function", "finish-release", "--follow"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    world.cloud.decide(&link, Answer::Approve, None).await.expect("it counts");
    let ended = world.ended(&release).await;

    let logs = world.log_of(&id, None).await;
    let one = world.log_of(&id, Some("deploy-services")).await;
    let shown = world.run_slipway(&operator, &["logs", &id, "--function", "acquire-lock"]).await;
    let json = world.run_slipway(&operator, &["logs", "web", "--output", "json"]).await;
    let nobody = world.run_slipway(&operator, &["logs", &id, "--function", "nobody"]).await;
    let path = format!("applications/web/releases/{id}/logs?token=yesterday");
    let token = world.operators().get::<Logs>(&path).await.expect_err("it is none").to_string();
    let followed = tokio::time::timeout(PATIENCE, following.wait_with_output());
    let followed = followed.await.expect("it ends with the release").expect("it runs");

    assert_eq!(ended.outcome(), Some("RELEASED"), "{ended:?}");
    assert!(logs.lines.is_sorted_by_key(|line| line.at), "the oldest is first");
    let functions: BTreeSet<_> = logs.lines.iter().map(|line| line.function.as_str()).collect();
    for function in [
        "receive-push",
        "acquire-lock",
        "capture-baseline",
        "request-approval",
        "deploy-services",
        "finish-release",
    ] {
        assert!(functions.contains(function), "{function} is not among {functions:?}");
    }
    assert!(logs.lines.iter().any(|line| line.state.as_deref() == Some("DeployServices")), "{logs:?}");
    assert!(!one.lines.is_empty() && one.lines.iter().all(|line| line.function == "deploy-services"));
    let written = serde_json::to_string(&logs).expect("it is JSON");
    let mails = world.mails_since(&release);
    let secret = |link: &&str| link.contains("/approvals/") || link.contains("/releases/");
    for link in mails.iter().flat_map(Mail::links).filter(secret) {
        let token = link.rsplit('/').next().expect("a token");
        assert!(!written.contains(token), "a token of a link is in the log");
    }
    let said = text(&shown.stdout);
    assert!(said.lines().all(|line| line.contains("  acquire-lock ")), "{said}");
    assert!(said.contains("  AcquireLock "), "{said}");
    let document: Logs = serde_json::from_slice(&json.stdout).expect("the API's document");
    assert!(document.lines.len() >= logs.lines.len(), "{}", document.lines.len());
    assert_eq!(nobody.status.code(), Some(2), "{}", words(&nobody));
    assert!(
        text(&nobody.stderr).contains("there is no function nobody; there are: acquire-lock"),
        "{}",
        words(&nobody)
    );
    assert!(token.contains("it is no token of an answer"), "{token}");
    assert!(
        followed.status.success() && text(&followed.stdout).contains("gives the lock of web back"),
        "{}",
        words(&followed)
    );
}
