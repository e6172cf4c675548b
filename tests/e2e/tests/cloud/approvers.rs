//! Approvers: who is on the topic, who is gone, who is signed in; and executions that nobody opened.

use serde_json::{Value, json};
use slipway_core::audit::What;
use slipway_local::PushOptions;

use crate::world::{PATIENCE, World};

const ANA: &str = "ana@example.com";
const BO: &str = "bo@example.com";

#[tokio::test]
async fn a_foreign_subscriber_of_the_approvals_gets_no_link() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let (sns, topic) = world.approvals_topic().await;
    let eve = sns.subscribe().topic_arn(&topic).protocol("email").endpoint("eve@example.net");
    eve.send().await.expect("the root user may");

    let release = world.push(&PushOptions::light(&world.version())).await;
    let ended = world.ended(&release).await;
    let logs = world.function_logs().await;
    world.unsubscribe("eve@example.net").await;

    assert_eq!((ended.outcome(), ended.stage()), (Some("FAILED"), Some("production")), "{ended:?}");
    let reason = ended.reason().expect("a reason");
    assert!(reason.contains("eve@example.net (email)") && reason.contains("aws sns unsubscribe"), "{reason}");
    assert!(world.mails_since(&release).iter().all(|mail| mail.approval_link().is_none()));
    assert!(logs.iter().any(|line| line.contains("ForeignSubscription")), "an alarm counts it");
}

#[tokio::test]
async fn only_terraforms_role_may_subscribe_to_the_approvals() {
    let world = World::enter().await;
    let (sns, topic) = world.approvals_topic().await;
    let policy = sns.get_topic_attributes().topic_arn(&topic).send().await.expect("SNS answers");
    let policy = policy.attributes().and_then(|attributes| attributes.get("Policy")).cloned();
    let policy: Value = serde_json::from_str(&policy.expect("a policy")).expect("it is JSON");
    let denied = policy["Statement"].as_array().into_iter().flatten().any(|statement| {
        statement["Effect"] == "Deny" && statement["Action"].to_string().contains("Subscribe")
    });
    assert!(denied, "{policy}");

    // A role that may do anything with SNS is refused by the topic's policy all the same.
    let iam = aws_sdk_iam::Client::new(world.cloud.sdk());
    let anything =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sns:*","Resource":"*"}]}"#;
    let (role, policy) = ("slipway-request-approval", "anything");
    let granted = iam.put_role_policy().role_name(role).policy_name(policy).policy_document(anything);
    granted.send().await.expect("IAM takes it");
    let as_role = aws_sdk_sns::Client::new(&world.role("request-approval").await);
    let eve = as_role.subscribe().topic_arn(&topic).protocol("email").endpoint("eve@example.net");
    let refused = eve.send().await;
    iam.delete_role_policy().role_name(role).policy_name(policy).send().await.expect("IAM answers");
    world.unsubscribe("eve@example.net").await;
    assert!(refused.is_err(), "{refused:?}");
}

#[tokio::test]
async fn an_approver_whose_subscription_is_gone_is_noticed_and_named() {
    let world = World::enter().await;
    world.approval_is(|_| {}).await;
    world.reconcile().await;
    let mails = world.cloud.inbox().expect("the inbox").len();
    world.unsubscribe(BO).await;

    let reconciled = world.reconcile().await;
    let told = world
        .cloud
        .wait_for_mail(mails, PATIENCE, |mail| mail.subject.contains("is not asked any more"))
        .await
        .expect("people are notified");
    let again = world.reconcile().await;
    let asked = world
        .ask_for("v1", |ask| {
            // It is asked for what two of three can still decide.
            ask["stage"]["approval"]["quorum"] = json!(2);
        })
        .await;
    let page = world.cloud.open(asked.link(ANA)).await.expect("a page");
    let approval = world.approval(&asked.id).await;
    world.configure(|_| {}).await;

    assert_eq!(reconciled["unreachable"], json!([BO]), "{reconciled}");
    assert!(told.body.contains(BO) && told.body.contains("terraform apply"), "{}", told.body);
    assert_eq!(again["unreachable"], json!([]), "once is enough: {again}");
    assert_eq!(approval["unreachable"], json!([BO]));
    assert!(page.text.contains("ot asked") && page.text.contains(BO), "{}", page.text);
}

#[tokio::test]
async fn two_ways_to_write_an_address_are_one_person() {
    let world = World::enter().await;
    world.approval_is(|approval| approval["approvers"] = json!(["Ana@Example.com", BO])).await;
    let asked = world.ask_for("v1", |_| {}).await;
    let answer = world.send(asked.link(ANA), "decision=approve").await;
    let approval = world.approval(&asked.id).await;
    world.approval_is(|approval| approval["approvers"] = json!(["Ana@Example.com", "ana@example.com"])).await;
    let twice = world.reconcile_problems().await;
    world.configure(|_| {}).await;

    assert_eq!(answer.status, 200);
    assert_eq!(approval["decisions"][0]["by"], json!(ANA));
    assert!(twice.contains("approval.approvers"), "{twice}");
}

#[tokio::test]
async fn who_is_signed_in_uses_their_own_link_alone() {
    let world = World::enter().await;
    world.approval_is(|_| {}).await;
    let asked = world.ask_for("v1", |_| {}).await;
    let token = asked.link(ANA).rsplit('/').next().expect("a token").to_owned();
    let signed_in = |person: &str, method: &str, body: &str| {
        let mut event = world.event("approval-form.json");
        let path = format!("/approvals/{token}");
        event["rawPath"] = json!(path);
        event["pathParameters"]["token"] = json!(token);
        event["body"] = json!(format!("nonce={}&{body}", world.nonce(&token)));
        event["requestContext"]["http"]["path"] = json!(path);
        event["requestContext"]["http"]["method"] = json!(method);
        event["requestContext"]["authorizer"] =
            json!({ "jwt": { "claims": { "email": person, "email_verified": "true" }, "scopes": null } });
        event
    };
    let answered = async |event: Value| {
        let answer = world.invoke("decide-approval", &event).await.expect("it answers");
        (answer["statusCode"].clone(), answer["body"].as_str().unwrap_or_default().to_owned())
    };

    let (looked, page) = answered(signed_in(BO, "GET", "")).await;
    let (decided, _) = answered(signed_in(BO, "POST", "decision=approve")).await;
    let before = world.approval(&asked.id).await;
    let (own, _) = answered(signed_in("Ana@example.com", "POST", "decision=approve")).await;
    let approval = world.approval(&asked.id).await;
    let entries = world.audited(&asked.id).await;
    world.configure(|_| {}).await;

    assert_eq!((looked, decided, own), (json!(403), json!(403), json!(200)));
    assert!(!page.contains("<form") && !page.contains(ANA), "nothing is shown: {page}");
    assert_eq!(before["decisions"], json!([]));
    assert_eq!(approval["status"], "APPROVED");
    let of = |what: What| entries.iter().filter(move |entry| entry.what == what);
    assert!(of(What::Refused).all(|entry| entry.words.contains("signed in as bo@example.com")));
    assert_eq!(of(What::Refused).count(), 2);
    assert!(of(What::Approved).all(|entry| entry.words.contains("signed in as ana@example.com")));
}

#[tokio::test]
async fn one_who_loads_the_page_all_the_time_leaves_room_for_decisions() {
    let world = World::enter().await;
    world.approval_is(|_| {}).await;
    let asked = world.ask_for("v1", |_| {}).await;
    let loads = (0..40).map(|_| world.request("GET", asked.link(ANA), None, ""));
    let (loaded, decided) =
        tokio::join!(futures::future::join_all(loads), world.send(asked.link(BO), "decision=approve"));
    let happened = world.happened(&asked.id).await;
    world.configure(|_| {}).await;

    assert!(loaded.iter().all(|answer| answer.status == 200));
    assert_eq!(decided.status, 200);
    // The minute may have ended meanwhile.
    let opened = happened.iter().filter(|what| **what == What::Opened).count();
    assert!((1..=10).contains(&opened), "{happened:?}");
}

#[tokio::test]
async fn an_execution_that_is_started_by_hand_changes_nothing() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let before = (world.digest_in("staging").await, world.digest_in("production").await);
    let (digest, tag) = (world.new_digest(), world.version());
    let mut application = world.configured().await;
    application["stages"].as_array_mut().expect("stages").retain(|stage| stage["name"] == "production");
    application["stages"][0].as_object_mut().expect("a stage").remove("approval");
    let digits = &digest[digest.len() - 32..];
    let id = format!("web-{digits}");
    let input = json!({
        "release": { "id": id, "application": "web", "image": { "repository": "web", "digest": digest, "tag": tag } },
        "application": application,
    });
    // One with a name of its own, one with the name that its release would have.
    for name in [format!("{id}-by-hand"), id.clone()] {
        let ended = world.execution_by_hand(&name, &input).await;
        assert!(!ended.starts_with("SUCCEEDED"), "{name}: {ended}");
        assert_eq!(world.item(&format!("RELEASE#{id}"), "ENDING").await, None, "{name}");
    }

    assert_eq!((world.digest_in("staging").await, world.digest_in("production").await), before);
    assert_eq!(world.lock().await["holder"], json!(null));
}

#[tokio::test]
async fn a_link_of_before_is_not_valid_in_a_restored_table() {
    let world = World::enter().await;
    world.approval_is(|_| {}).await;
    let asked = world.ask_for("v1", |_| {}).await;
    world.restore_table("slipway-restored").await;

    let policy = world.page_reads_the_table("slipway", "slipway-restored", None).await;
    let looked = world.request("GET", asked.link(ANA), None, "").await.status;
    let decided = world.send(asked.link(ANA), "decision=approve").await.status;
    world.page_reads_the_table("slipway-restored", "slipway", Some(policy)).await;
    let before = world.approval(&asked.id).await;
    let still = world.send(asked.link(ANA), "decision=approve").await.status;
    world.configure(|_| {}).await;

    assert_eq!((looked, decided), (404, 404));
    assert_eq!(before["status"], "PENDING");
    assert_eq!(still, 200, "in its own table it counts");
}

impl World {
    /// A table with the same items, as a restore of DynamoDB makes one: under another name.
    async fn restore_table(&self, name: &str) {
        use aws_sdk_dynamodb::types::{
            AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
        };
        let dynamodb = aws_sdk_dynamodb::Client::new(self.cloud.sdk());
        let mut table = dynamodb.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
        for (key, kind) in [("pk", KeyType::Hash), ("sk", KeyType::Range)] {
            let attribute = AttributeDefinition::builder();
            let attribute = attribute.attribute_name(key).attribute_type(ScalarAttributeType::S).build();
            let element = KeySchemaElement::builder().attribute_name(key).key_type(kind).build();
            table = table
                .attribute_definitions(attribute.expect("an attribute"))
                .key_schema(element.expect("a key"));
        }
        table.send().await.expect("it is made");
        let mut items = dynamodb.scan().table_name("slipway").into_paginator().items().send();
        while let Some(item) = items.next().await {
            let put = dynamodb.put_item().table_name(name).set_item(Some(item.expect("DynamoDB answers")));
            put.send().await.expect("it is written");
        }
    }

    /// Has the approval page read another table, and returns the rights that it had.
    async fn page_reads_the_table(&self, from: &str, to: &str, rights: Option<String>) -> String {
        let lambda = aws_sdk_lambda::Client::new(self.cloud.sdk());
        let name = "slipway-decide-approval";
        let had = self.permissions("decide-approval").await;
        let table = |name: &str| format!("table/{name}\"");
        let rights = rights.unwrap_or_else(|| had.replace(&table(from), &table(to)));
        self.give_permissions_back("decide-approval", rights).await;
        let known = lambda.get_function_configuration().function_name(name).send().await;
        let known = known.expect("Lambda answers").environment.and_then(|environment| environment.variables);
        let mut variables = known.expect("it has variables");
        variables.insert("SLIPWAY_TABLE".to_owned(), to.to_owned());
        let environment =
            aws_sdk_lambda::types::Environment::builder().set_variables(Some(variables)).build();
        let changed = lambda.update_function_configuration().function_name(name).environment(environment);
        changed.send().await.expect("it is changed");
        had
    }

    /// Runs an execution that nobody opened, and says how it ended.
    async fn execution_by_hand(&self, name: &str, input: &Value) -> String {
        let sfn = aws_sdk_sfn::Client::new(self.cloud.sdk());
        let machine = slipway_local::releases::state_machine();
        let started =
            sfn.start_execution().state_machine_arn(machine).name(name).input(input.to_string()).send().await;
        let arn = started.expect("the root user may").execution_arn;
        let status = async || {
            let answer = sfn.describe_execution().execution_arn(&arn).send().await.expect("it is there");
            format!("{} {}", answer.status(), answer.cause().unwrap_or_default())
        };
        self.until("it has ended", async || !status().await.starts_with("RUNNING")).await;
        status().await
    }

    /// What a reconciliation says that it could not look at.
    async fn reconcile_problems(&self) -> String {
        self.try_to_reconcile().await.expect_err("a configuration does not fit").to_string()
    }
}
