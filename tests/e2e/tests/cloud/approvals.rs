//! Approvals: who is asked, what counts, what does not, and what the audit keeps.

use std::time::Duration;

use serde_json::{Value, json};
use slipway_core::api::Audit;
use slipway_core::audit::{self, Entry, What};
use slipway_local::{Answer, Mail, PushOptions};

use crate::world::{RawAnswer, World};

const ANA: &str = "ana@example.com";
const BO: &str = "bo@example.com";
const CY: &str = "cy@example.com";
const FORM: &str = "application/x-www-form-urlencoded";
/// Who pushed the image in `image-put.json`.
const PUSHER: &str = "arn:aws:sts::000000000000:assumed-role/Developers/ana@example.com";
/// How often two people answer at the same moment.
const RACES: usize = 50;

/// An approval that no release waits for: people are asked as the workflow asks them.
pub(crate) struct Asked {
    pub(crate) id: String,
    mails: Vec<Mail>,
}

impl Asked {
    pub(crate) fn link(&self, person: &str) -> &str {
        let mail =
            self.mails.iter().find(|mail| mail.to == person).unwrap_or_else(|| panic!("{person} got a mail"));
        mail.approval_link().expect("it has a link")
    }
}

impl World {
    /// Production's approval, as the configuration has it, changed.
    pub(crate) async fn approval_is(&self, change: impl FnOnce(&mut Value)) {
        self.configure(|application| {
            let approval = &mut application["stages"][1]["approval"];
            *approval = json!({ "approvers": [ANA, BO, CY], "quorum": 1, "expires_after": "1h" });
            change(approval);
        })
        .await;
        let approval = self.configured().await["stages"][1]["approval"].clone();
        for person in approval["approvers"].as_array().into_iter().flatten() {
            self.subscribe(&person.as_str().expect("an address").to_lowercase()).await;
        }
    }

    /// Asks as the workflow does.
    pub(crate) async fn ask_for(&self, tag: &str, change: impl FnOnce(&mut Value)) -> Asked {
        let mut event = self.event("request-approval.json");
        let digest = self.new_digest();
        let id = format!("web-{}", &digest[digest.len() - 32..]);
        event["attempt"]["entered_at"] = json!(slipway_local::clock::now());
        event["input"]["generation"] = json!(self.lends_the_lock_to(&id).await);
        let ask = &mut event["input"];
        ask["release"] = json!({ "id": id, "application": "web", "image": { "repository": "web", "digest": digest, "tag": tag } });
        ask["stage"]["approval"] = self.configured().await["stages"][1]["approval"].clone();
        change(ask);
        let people = ask["stage"]["approval"]["approvers"].as_array().expect("approvers").len();
        let known = self.cloud.inbox().expect("the inbox").len();
        self.invoke("request-approval", &event).await.expect("it asks");
        self.takes_the_lock_back().await;
        // No push ends it: it is no release's.
        self.forget("WAKE#PUSH#web", &format!("{id}#production#RequestApproval")).await;
        let id = format!("{id}/production");
        assert_eq!(self.approval(&id).await["status"], "PENDING");
        self.until("everybody has a mail", async || {
            self.cloud.inbox().expect("the inbox").len() >= known + people
        })
        .await;
        Asked { id, mails: self.cloud.inbox().expect("the inbox").split_off(known) }
    }

    /// Asks for an approval of an application of its own beside others, as the workflow does: the event, and what the function answers.
    pub(crate) async fn asks_at_once(&self, number: usize) -> (Value, String) {
        let mut event = self.event("request-approval.json");
        let digest = self.new_digest();
        let application = format!("flood-{number}");
        let id = format!("{application}-{}", &digest[digest.len() - 32..]);
        self.has_the_lock(&application, &id).await;
        event["attempt"]["entered_at"] = json!(slipway_local::clock::now());
        event["input"]["generation"] = json!(1);
        let ask = &mut event["input"];
        ask["release"] = json!({ "id": id, "application": application, "image": { "repository": "web", "digest": digest, "tag": format!("v{number}") } });
        ask["stage"]["approval"] = self.configured().await["stages"][1]["approval"].clone();
        let answer = self.asks_again(&event).await;
        (event, answer)
    }

    /// The same approval once more.
    pub(crate) async fn asks_again(&self, event: &Value) -> String {
        self.invoke("request-approval", event)
            .await
            .map_or_else(|error| error.to_string(), |answer| answer.to_string())
    }

    /// Sends the form as a browser would, without looking at the page before.
    pub(crate) async fn send(&self, link: &str, fields: &str) -> RawAnswer {
        let token = link.rsplit('/').next().expect("a token");
        self.request("POST", link, Some(FORM), &format!("nonce={}&{fields}", self.nonce(token))).await
    }

    /// The mail that asks, after the inbox held so many.
    async fn asked_after(&self, mails: usize) -> Mail {
        let mail =
            self.cloud.wait_for_mail(mails, Duration::from_secs(30), |mail| mail.approval_link().is_some());
        mail.await.expect("a mail")
    }

    /// Approves by the link of a mail.
    async fn approve_by(&self, mail: &Mail) {
        let link = mail.approval_link().expect("a link");
        self.cloud.decide(link, Answer::Approve, None).await.expect("it counts");
    }

    pub(crate) async fn approval(&self, id: &str) -> Value {
        self.item(&format!("APPROVAL#{id}"), "APPROVAL").await.expect("there is such an approval")
    }

    /// What the audit says of an approval. The chain holds whenever it is looked at.
    pub(crate) async fn audited(&self, id: &str) -> Vec<Entry> {
        let entries = self.whole_audit().await;
        let of_it = |entry: &Entry| entry.approval.as_ref().is_some_and(|approval| approval.as_str() == id);
        entries.into_iter().filter(of_it).collect()
    }

    /// Every entry of the application's audit.
    pub(crate) async fn whole_audit(&self) -> Vec<Entry> {
        let operators = self.cloud.operators().expect("the API");
        let Audit { entries } = operators.get("applications/web/audit").await.expect("it answers");
        audit::read(&entries).expect("the chain holds")
    }

    pub(crate) async fn happened(&self, id: &str) -> Vec<What> {
        self.audited(id).await.into_iter().map(|entry| entry.what).collect()
    }
}

#[tokio::test]
async fn two_people_who_answer_at_the_same_moment_never_both_decide() {
    let world = World::enter().await;
    world.approval_is(|_| {}).await;
    for race in 0..RACES {
        let asked = world.ask_for("v1", |_| {}).await;
        let (yes, no) = tokio::join!(
            world.send(asked.link(ANA), "decision=approve&reason=yes"),
            world.send(asked.link(BO), "decision=reject&reason=no"),
        );
        let approval = world.approval(&asked.id).await;
        let happened = world.happened(&asked.id).await;

        let mut statuses = [yes.status, no.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409], "race {race}: one counts, and the other one is refused");
        assert_eq!(approval["decisions"].as_array().map(Vec::len), Some(1), "race {race}: {approval}");
        let first =
            if yes.status == 200 { ("APPROVED", What::Approved) } else { ("REJECTED", What::Rejected) };
        assert_eq!(approval["status"], first.0, "race {race}");
        assert!(
            happened.contains(&first.1) && happened.contains(&What::Refused),
            "race {race}: {happened:?}"
        );
    }
    world.configure(|_| {}).await;
}

#[tokio::test]
async fn decisions_about_two_releases_at_one_moment_are_both_in_the_audit() {
    let world = World::enter().await;
    world.approval_is(|approval| approval["quorum"] = json!(3)).await;
    for race in 0..4 {
        let (one, other) = (world.ask_for("v1", |_| {}).await, world.ask_for("v2", |_| {}).await);
        for person in [ANA, BO, CY] {
            let (first, second) = tokio::join!(
                world.send(one.link(person), "decision=approve"),
                world.send(other.link(person), "decision=approve")
            );
            assert_eq!((first.status, second.status), (200, 200), "race {race} of {person}");
        }
        for asked in [one, other] {
            let happened = world.happened(&asked.id).await;
            let approved = happened.iter().filter(|what| **what == What::Approved).count();
            assert_eq!(approved, 3, "race {race}: {happened:?}");
        }
    }
    world.configure(|_| {}).await;
}

#[tokio::test]
async fn two_of_three_must_approve_and_the_same_person_counts_once() {
    let world = World::enter().await;
    world.approval_is(|approval| approval["quorum"] = json!(2)).await;
    for race in 0..5 {
        let asked = world.ask_for("v1", |_| {}).await;
        let (ana, bo) = tokio::join!(
            world.send(asked.link(ANA), "decision=approve"),
            world.send(asked.link(BO), "decision=approve")
        );
        assert_eq!((ana.status, bo.status), (200, 200), "race {race}: both count");
        assert_eq!(world.approval(&asked.id).await["status"], "APPROVED", "race {race}");
    }

    let asked = world.ask_for("v1", |_| {}).await;
    let (first, second) = tokio::join!(
        world.send(asked.link(ANA), "decision=approve"),
        world.send(asked.link(ANA), "decision=approve")
    );
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409], "a double click counts once");
    assert_eq!(world.approval(&asked.id).await["status"], "PENDING", "one person is not two");
    assert_eq!(world.send(asked.link(CY), "decision=reject").await.status, 200);
    assert_eq!(world.approval(&asked.id).await["status"], "REJECTED", "the first rejection ends it");
    assert_eq!(world.send(asked.link(BO), "decision=approve").await.status, 409);
    world.configure(|_| {}).await;
}

#[tokio::test]
async fn forms_that_are_swapped_replayed_late_or_of_another_release_change_nothing() {
    let world = World::enter().await;
    world.approval_is(|_| {}).await;
    let (one, other) = (world.ask_for("v1", |_| {}).await, world.ask_for("v2", |_| {}).await);

    let strange = world.nonce(other.link(ANA).rsplit('/').next().expect("a token"));
    let swapped =
        world.request("POST", one.link(ANA), Some(FORM), &format!("nonce={strange}&decision=approve")).await;
    assert_eq!(swapped.status, 403, "the nonce of another release's link");
    let strange = world.nonce(one.link(BO).rsplit('/').next().expect("a token"));
    let swapped =
        world.request("POST", one.link(ANA), Some(FORM), &format!("nonce={strange}&decision=approve")).await;
    assert_eq!(swapped.status, 403, "the nonce of another person's link");
    assert_eq!(world.approval(&one.id).await["status"], "PENDING");

    assert_eq!(world.send(one.link(ANA), "decision=approve").await.status, 200);
    assert_eq!(world.send(one.link(ANA), "decision=approve").await.status, 409, "replayed");
    assert_eq!(world.send(one.link(ANA), "decision=reject").await.status, 409, "the other answer");
    assert_eq!(world.approval(&one.id).await["status"], "APPROVED");

    let short = world.ask_for("v3", |_| {}).await;
    let item = format!("APPROVAL#{}", short.id);
    world.move_back(&item, "APPROVAL", "expires_at", jiff::SignedDuration::from_hours(24)).await;
    assert_eq!(world.send(short.link(ANA), "decision=approve").await.status, 409, "too late");
    assert_eq!(world.approval(&short.id).await["decisions"], json!([]));

    // Somebody who is no longer an approver still has the mail.
    world.approval_is(|approval| approval["approvers"] = json!([BO, CY])).await;
    assert_eq!(world.send(other.link(ANA), "decision=approve").await.status, 409, "has left");
    assert_eq!(world.approval(&other.id).await["status"], "PENDING");
    assert_eq!(world.send(other.link(BO), "decision=approve").await.status, 200, "is there still");
    world.configure(|_| {}).await;
}

#[tokio::test]
async fn a_scanner_that_opens_every_link_with_every_method_decides_nothing() {
    let world = World::enter().await;
    world.approval_is(|_| {}).await;
    let asked = world.ask_for("v1", |_| {}).await;
    for mail in &asked.mails {
        for link in mail.links() {
            for method in ["GET", "HEAD", "OPTIONS", "GET"] {
                let answer = world.request(method, link, None, "").await;
                assert!(answer.status < 500, "{method}: {}", answer.status);
                assert!(answer.header("set-cookie").is_empty(), "{method} leaves nothing behind");
            }
        }
    }
    let approval = world.approval(&asked.id).await;
    assert_eq!((&approval["status"], &approval["decisions"]), (&json!("PENDING"), &json!([])));
    let happened = world.happened(&asked.id).await;
    assert!(happened.iter().all(|what| matches!(what, What::Requested | What::Opened)), "{happened:?}");
    assert!(happened.contains(&What::Opened), "the audit has that it was opened");
    world.configure(|_| {}).await;
}

#[tokio::test]
async fn html_and_headers_in_what_is_shown_stay_text() {
    let world = World::enter().await;
    world.approval_is(|_| {}).await;
    let mut event = world.event("request-approval.json");
    event["input"]["release"]["image"]["tag"] = json!("v1<script>alert(1)</script>\r\nBcc: eve@example.com");
    let refused = world.invoke("request-approval", &event).await.expect_err("that is no tag");
    assert!(refused.to_string().contains("input.release.image.tag"), "{refused}");
    let asked = world
        .ask_for("v1", |ask| {
            ask["baseline"]["services"][0]["image"] = json!("web<img src=x onerror=alert(1)>@sha256:0");
            ask["baseline"]["alarms"][0]["name"] = json!("<b>alarm</b>");
        })
        .await;
    for mail in &asked.mails {
        assert!(!mail.subject.contains(['\r', '\n']), "{:?}", mail.subject);
        assert!(!mail.body.lines().any(|line| line.starts_with("Bcc:")), "{}", mail.body);
    }
    assert_eq!(
        world
            .send(
                asked.link(ANA),
                "decision=reject&reason=%3Cscript%3Ealert(2)%3C%2Fscript%3E%0D%0ASet-Cookie%3A+a%3Db"
            )
            .await
            .status,
        200
    );
    let page = world.cloud.open(asked.link(BO)).await.expect("a page");
    assert!(page.text.contains("‹script›alert(2)‹/script›"), "as words: {}", page.text);
    for tag in ["script", "img", "b"] {
        assert!(!page.has_element(tag), "{tag} is no element of the page");
    }
    world.configure(|_| {}).await;
}

#[tokio::test]
async fn an_approval_is_void_and_asked_again_when_production_changed_meanwhile() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let release = world.push(&PushOptions::light(&world.version())).await;
    let old = world.link(&release).await;
    let mails = world.cloud.inbox().expect("the inbox").len();
    let runs = world.service("production").await;
    let external = world.deploy_from_outside("production", &runs).await;

    world.cloud.decide(&old, Answer::Approve, None).await.expect("it counts");
    let again = world.asked_after(mails).await;
    assert_eq!(world.service("production").await.task_definition, external, "nothing was deployed over it");
    assert!(again.body.contains("has changed since you were asked"), "{}", again.body);
    let page = world.cloud.open(&old).await.expect("a page");
    assert!(page.text.contains("does not count"), "{}", page.text);

    world.approve_by(&again).await;
    let ended = world.ended(&release).await;
    assert_eq!(ended.outcome(), Some("RELEASED"), "{ended:?}");
    assert_eq!(world.digest_in("production").await, release.digest);
    let id = world.id_of(&release).await;
    assert!(world.happened(&format!("{id}/production")).await.contains(&What::Voided));
    assert!(world.happened(&format!("{id}/production/2")).await.contains(&What::Used));
}

#[tokio::test]
async fn a_template_that_is_applied_while_people_are_asked_is_not_deployed_with_their_click() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let template = world.template("production").await;
    let before = world.service("production").await;
    let release = world.push(&PushOptions::light(&world.version())).await;
    let old = world.link(&release).await;
    let mails = world.cloud.inbox().expect("the inbox").len();
    world.change_template("production", "1024", "2048", ("GREETING", "unseen")).await;

    world.cloud.decide(&old, Answer::Approve, None).await.expect("it counts");
    let again = world.asked_after(mails).await;
    let unchanged = world.service("production").await;
    let page = world.cloud.open(&old).await.expect("a page");
    world.approve_by(&again).await;
    let ended = world.ended(&release).await;
    let runs = world.task_definition("production").await;
    world.restore_template("production", template).await;

    assert_eq!(unchanged, before, "nothing was deployed that nobody had seen");
    assert!(page.text.contains("does not count"), "{}", page.text);
    assert!(again.body.contains("has changed since you were asked"), "{}", again.body);
    assert!(again.body.contains("cpu: 256 → 1024"), "the new difference: {}", again.body);
    assert_eq!(ended.outcome(), Some("RELEASED"), "{ended:?}");
    assert_eq!(runs.cpu.as_deref(), Some("1024"), "what they agreed to in the end");
}

#[tokio::test]
async fn an_approval_of_a_release_that_has_ended_is_withdrawn_with_it() {
    let world = World::enter().await;
    world.has_a_good_release().await;

    // The approval is open when the step that asks is refused.
    let kept = world.take_permission_away("request-approval", "sns:Publish").await;
    let release = world.push(&PushOptions::light(&world.version())).await;
    let ended = world.ended(&release).await;
    world.give_permissions_back("request-approval", kept).await;
    let id = format!("{}/production", world.id_of(&release).await);
    let approval = world.approval(&id).await;

    assert_eq!((ended.outcome(), ended.stage()), (Some("FAILED"), Some("production")), "{ended:?}");
    assert_eq!(approval["status"], "WITHDRAWN", "{approval}");
    assert!(world.happened(&id).await.contains(&What::Withdrawn));
}

#[tokio::test]
async fn a_revision_that_only_says_it_is_the_releases_is_not_deployed() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let release = world.push(&PushOptions::light(&world.version())).await;
    world.link(&release).await;
    let id = world.id_of(&release).await;
    // As somebody who may register revisions: with the release's own tag, and another image.
    let forged = world.forge_revision("production", &id).await;
    world.approve(&release).await;
    let ended = world.ended(&release).await;
    let runs = world.service("production").await;

    assert_eq!(ended.outcome(), Some("RELEASED"), "{ended:?}");
    assert_ne!(runs.task_definition, forged);
    assert_eq!(world.digest_in("production").await, release.digest);
}

#[tokio::test]
async fn a_stage_does_not_change_while_people_are_asked_whoever_calls() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let production = world.service("production").await;
    let release = world.push(&PushOptions::good(&world.version())).await;
    world.link(&release).await;
    let generation = world.lock().await["generation"].as_u64().expect("a number");
    let entry = world.entry().await;

    let input = world.deploy_input(&release, 1, generation).await;
    world.invoke("deploy-services", &input).await.expect("it ends");

    let registered = world.calls_since(entry, "deploy-services", "ecs:RegisterTaskDefinition").await;
    world.decide(&release, Answer::Reject, "").await;
    let ended = world.ended(&release).await;

    assert_eq!(registered, 0, "not even a revision is registered");
    assert_eq!(world.service("production").await, production);
    assert_eq!(ended.outcome(), Some("REJECTED"), "{ended:?}");
}

#[tokio::test]
async fn a_release_that_has_lost_its_lock_asks_nobody() {
    let world = World::enter().await;
    world.approval_is(|_| {}).await;
    let digest = world.new_digest();
    let id = format!("web-{}", &digest[digest.len() - 32..]);
    let mut event = world.event("request-approval.json");
    event["attempt"]["entered_at"] = json!(slipway_local::clock::now());
    let ask = &mut event["input"];
    ask["release"] = json!({ "id": id, "application": "web", "image": { "repository": "web", "digest": digest, "tag": "v1" } });
    ask["stage"]["approval"] = world.configured().await["stages"][1]["approval"].clone();
    // The lock was taken once more since.
    ask["generation"] = json!(world.lends_the_lock_to(&id).await - 1);
    let mails = world.cloud.inbox().expect("the inbox").len();

    world.invoke("request-approval", &event).await.expect("it ends");
    world.takes_the_lock_back().await;
    world.quiet().await;
    world.configure(|_| {}).await;

    assert_eq!(world.item(&format!("APPROVAL#{id}/production"), "APPROVAL").await, None);
    assert_eq!(world.cloud.inbox().expect("the inbox").len(), mails);
}

#[tokio::test]
async fn a_release_that_nobody_can_approve_fails_at_once_and_says_who_must_confirm() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    world
        .configure(|application| {
            application["stages"][1]["approval"] =
                json!({ "approvers": [ANA, "new@example.com"], "quorum": 2, "expires_after": "1h" });
        })
        .await;

    let release = world.push(&PushOptions::light(&world.version())).await;
    let ended = world.ended(&release).await;
    world.configure(|_| {}).await;

    assert_eq!((ended.outcome(), ended.stage()), (Some("FAILED"), Some("production")), "{ended:?}");
    let reason = ended.reason().expect("a reason");
    assert!(
        reason.contains("1 of 2 approvers") && reason.contains("new@example.com must confirm"),
        "{reason}"
    );
}

#[tokio::test]
async fn approvers_who_have_not_answered_are_reminded_and_all_are_notified() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    world
        .approval_is(|approval| {
            approval["quorum"] = json!(2);
            approval["remind_before"] = json!("3597s");
        })
        .await;

    let release = world.push(&PushOptions::light(&world.version())).await;
    let first = world.link(&release).await;
    world.cloud.decide(&first, Answer::Approve, Some("fine")).await.expect("it counts");
    let reminders = || {
        world
            .mails_since(&release)
            .into_iter()
            .filter(|mail| mail.subject.starts_with("Reminder"))
            .collect::<Vec<_>>()
    };
    world.until("two people are reminded", async || reminders().len() == 2).await;
    let reminder = reminders().remove(0);
    world
        .cloud
        .decide(reminder.approval_link().expect("a link"), Answer::Approve, None)
        .await
        .expect("it counts");
    let ended = world.ended(&release).await;
    world.configure(|_| {}).await;

    assert_eq!(ended.outcome(), Some("RELEASED"), "{ended:?}");
    assert_eq!(reminders().len(), 2, "once each, and not those who had answered");
    let receipts: Vec<_> = world
        .mails_since(&release)
        .into_iter()
        .filter(|mail| mail.subject.contains("approved for production"))
        .collect();
    let mut people: Vec<_> = receipts.iter().map(|mail| mail.to.as_str()).collect();
    people.sort_unstable();
    assert_eq!(people, [ANA, BO, CY], "everybody is notified, once");
    assert!(receipts[0].body.contains("Approved by the link issued to"), "{}", receipts[0].body);
    let page = world.cloud.open(&first).await.expect("a page");
    assert!(page.text.contains("fine") && page.text.contains("The release ended RELEASED"), "{}", page.text);
    assert!(
        world
            .happened(&format!("{}/production", world.id_of(&release).await))
            .await
            .ends_with(&[What::Used, What::Opened])
    );
}

#[tokio::test]
async fn one_who_is_asked_for_the_first_time_is_asked_again_once_the_subscription_works() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    world
        .approval_is(|approval| {
            approval["approvers"] = json!([ANA, BO]);
            approval["quorum"] = json!(2);
        })
        .await;
    for new in [ANA, BO] {
        world.forget(&format!("APPROVER#{new}"), "FIRST_ASKED").await;
    }

    let release = world.push(&PushOptions::light(&world.version())).await;
    world.link(&release).await;
    world.until("the step waits", async || world.waits_for(&release, "RequestApproval").await).await;
    let approval = format!("APPROVAL#{}/production", world.id_of(&release).await);
    let asked = || {
        let mails = world.mails_since(&release).into_iter();
        mails.filter(|mail| mail.subject.starts_with("Approve")).collect::<Vec<_>>()
    };
    let first = asked().len();
    let to_bo = asked().into_iter().find(|mail| mail.to == BO).expect("a mail");
    let link = to_bo.approval_link().expect("a link");
    world.cloud.decide(link, Answer::Approve, None).await.expect("it counts");
    world.move_back(&approval, "APPROVAL", "requested_at", jiff::SignedDuration::from_mins(17)).await;
    world.wakes_every_step(&release).await;
    world.until("somebody is asked again", async || asked().len() > first).await;
    world.wakes_every_step(&release).await;
    world.quiet().await;
    let again = asked().pop().expect("a mail");
    world.approve_by(&again).await;
    let ended = world.ended(&release).await;
    world.configure(|_| {}).await;

    assert_eq!((first, asked().len()), (2, 3), "once, and not who has answered");
    assert_eq!(again.to, ANA);
    assert!(again.body.contains("a second time"), "{}", again.body);
    assert_eq!(ended.outcome(), Some("RELEASED"), "{ended:?}");
}

#[tokio::test]
async fn one_who_pushed_the_image_does_not_approve_alone_and_nobody_approves_where_that_is_not_known() {
    let world = World::enter().await;
    world
        .approval_is(|approval| {
            approval["other_than_pusher"] = json!(true);
            approval["pushers"] = json!({ PUSHER: [ANA] });
        })
        .await;
    let asked = world.ask_for("v1", |_| {}).await;
    let digest = world.approval(&asked.id).await["release"]["image"]["digest"].clone();

    assert_eq!(
        world.send(asked.link(ANA), "decision=approve").await.status,
        409,
        "nobody knows who pushed it"
    );
    assert_eq!(world.approval(&asked.id).await["decisions"], json!([]));

    let mut record = world.event("image-put.json");
    record["detail"]["responseElements"]["image"]["imageId"]["imageDigest"] = digest;
    world.deliver(&record).await;
    world
        .until("the record has come", async || {
            world.send(asked.link(ANA), "decision=approve").await.status == 200
        })
        .await;
    assert_eq!(world.approval(&asked.id).await["status"], "PENDING", "she pushed it herself");
    assert_eq!(world.send(asked.link(BO), "decision=approve").await.status, 200);
    assert_eq!(world.approval(&asked.id).await["status"], "APPROVED");

    // Another one pushes it, too, of whom nobody has said who they are.
    let asked = world.ask_for("v2", |_| {}).await;
    record["detail"]["responseElements"]["image"]["imageId"]["imageDigest"] =
        world.approval(&asked.id).await["release"]["image"]["digest"].clone();
    record["detail"]["userIdentity"]["arn"] =
        json!("arn:aws:sts::000000000000:assumed-role/Developers/cy@example.com");
    world.deliver(&record).await;
    world.quiet().await;
    assert_eq!(world.send(asked.link(BO), "decision=approve").await.status, 409, "it may be his own");
    assert_eq!(world.approval(&asked.id).await["decisions"], json!([]));
    assert_eq!(world.send(asked.link(BO), "decision=reject").await.status, 200);
    world.configure(|_| {}).await;
}

#[tokio::test]
async fn an_approval_that_asks_for_the_digest_is_given_only_with_its_last_characters() {
    let world = World::enter().await;
    world.approval_is(|approval| approval["confirm_digest"] = json!(true)).await;
    let asked = world.ask_for("v1", |_| {}).await;
    let approval = world.approval(&asked.id).await;
    let digest = approval["release"]["image"]["digest"].as_str().expect("a digest");
    let end = &digest[digest.len() - 6..];

    assert!(world.cloud.open(asked.link(ANA)).await.expect("a page").text.contains("last six characters"));
    for wrong in ["decision=approve", "decision=approve&digest=ffffff", "decision=approve&digest="] {
        assert_eq!(world.send(asked.link(ANA), wrong).await.status, 422, "{wrong}");
    }
    assert_eq!(world.approval(&asked.id).await["status"], "PENDING");
    assert_eq!(
        world.send(asked.link(ANA), &format!("decision=approve&digest={}", end.to_uppercase())).await.status,
        200
    );
    assert_eq!(world.approval(&asked.id).await["status"], "APPROVED");
    world.configure(|_| {}).await;
}

#[tokio::test]
async fn nothing_that_is_written_lets_one_approve_and_the_public_function_reads_no_token() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let release = world.push(&PushOptions::light(&world.version())).await;
    let link = world.link(&release).await;
    let id = world.id_of(&release).await;
    let task_token = world.task_token(&id, "RequestApproval").await;
    world.cloud.decide(&link, Answer::Approve, Some("fine")).await.expect("it counts");
    let ended = world.ended(&release).await;
    assert_eq!(ended.outcome(), Some("RELEASED"), "{ended:?}");

    let token = link.rsplit('/').next().expect("a token");
    let nonce = world.nonce(token);
    for (place, text) in world.everything_written(&ended).await {
        assert!(!text.contains(token), "{place} has the token of a link");
        assert!(!text.contains(&nonce), "{place} has the nonce of a link");
        // The history of an execution has its tokens; who may read it may send them anyhow.
        assert!(place.starts_with("history") || !text.contains(&task_token), "{place} has a task token");
    }
}

#[tokio::test]
async fn the_public_functions_role_can_write_approvals_and_nothing_else() {
    let world = World::enter().await;
    let role = world.role("decide-approval").await;

    let states = aws_sdk_sfn::Client::new(&role);
    let refused =
        states.send_task_success().task_token("x").output("{}").send().await.expect_err("it is refused");
    assert!(format!("{refused:?}").contains("AccessDenied"), "{refused:?}");
    let written = [
        ("LOCK#web", "LOCK"),
        ("RELEASE#web-1", "RELEASE"),
        ("CALLBACK#web-1", "x"),
        ("LINK#x", "LINK"),
        ("PUSHER#x", "PUSHER"),
    ];
    world.refuses(&role, &written, &["CALLBACK#web-1", "LOCK#web", "RELEASE#web-1"]).await;
    world.get_as(&role, "APPROVAL#web-1/production", "APPROVAL").await.expect("approvals are its own");
}
