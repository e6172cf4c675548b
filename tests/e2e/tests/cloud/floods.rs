//! Many at once: mails to one person, notifications, reconciliations.

use futures::future::join_all;
use serde_json::json;
use slipway_local::{Answer, Awkward, Mail, PushOptions};

use crate::world::{PATIENCE, World};

const ANA: &str = "ana@example.com";
/// How many approvals ask one person at one moment. SNS hands an address ten mails a second.
const AT_ONCE: usize = 40;

impl World {
    /// Counts mails that went to an address in this minute and the next ones.
    async fn has_had_many_mails(&self, to: &str) {
        for minutes in 0..3 {
            let minute = slipway_local::clock::now() + jiff::SignedDuration::from_mins(minutes);
            self.counted(
                &format!("PACE#{to}"),
                &format!("COUNT#{}", minute.strftime("%Y-%m-%dT%H:%M")),
                1_000,
            )
            .await;
        }
    }

    /// Forgets how many mails went to an address.
    async fn has_had_no_mails(&self, to: &str) {
        for (sk, _) in self.partition(&format!("PACE#{to}")).await {
            self.forget(&format!("PACE#{to}"), &sk).await;
        }
    }

    /// Moves back since when mails to an address wait for the one that sums them up.
    async fn waited_for_a_minute(&self, to: &str) {
        let pk = format!("PACE#{to}");
        for (sk, _) in self.partition(&pk).await {
            if sk.starts_with("HELD#") {
                self.move_back(&pk, &sk, "since", jiff::SignedDuration::from_mins(2)).await;
            } else if sk.contains("SUM#") {
                self.forget(&pk, &sk).await;
            }
        }
    }

    fn links_to(&self, person: &str, since: usize) -> Vec<String> {
        let mails = self.mails_to(person, since);
        let words = mails.iter().flat_map(|mail| mail.body.split_whitespace());
        words.filter(|word| word.contains("/approvals/")).map(ToOwned::to_owned).collect()
    }

    fn mails_to(&self, person: &str, since: usize) -> Vec<Mail> {
        let inbox = self.cloud.inbox().expect("the inbox");
        inbox.into_iter().skip(since).filter(|mail| mail.to == person).collect()
    }
}

#[tokio::test]
async fn many_approvals_at_once_suspend_no_subscription_and_are_all_asked() {
    let world = World::enter().await;
    world.approval_is(|approval| approval["approvers"] = json!([ANA])).await;
    world.has_had_no_mails(ANA).await;
    world
        .cloud
        .set_awkward(&Awkward { rates: true, ..Awkward::default() })
        .expect("SNS suspends who gets more than ten a second");
    let mails = world.cloud.inbox().expect("the inbox").len();

    let asks = join_all((0..AT_ONCE).map(|number| world.asks_at_once(number))).await;
    world.quiet().await;
    let alone = world.links_to(ANA, mails).len();
    // Those that found no room within some seconds are summed up when they look again, as Step Functions has them do.
    for _ in 0..5 {
        if world.links_to(ANA, mails).len() >= AT_ONCE {
            break;
        }
        world.waited_for_a_minute(ANA).await;
        for (event, _) in &asks {
            world.asks_again(event).await;
        }
        world.quiet().await;
    }
    world.cloud.set_awkward(&Awkward::default()).expect("the cloud is told");
    let links = world.links_to(ANA, mails);
    let last = world.cloud.open(links.last().expect("a link")).await;
    world.has_had_no_mails(ANA).await;
    world.configure(|_| {}).await;

    println!("{alone} of {AT_ONCE} alone, in {} mails", world.mails_to(ANA, mails).len());
    assert!(alone > 0, "{asks:?}");
    assert_eq!(links.len(), AT_ONCE, "{asks:?}");
    let page = last.expect("the last one's link works");
    assert!(page.text.contains("go to production?"), "{}", page.text);
}

#[tokio::test]
async fn what_comes_too_fast_for_one_person_is_summed_up_and_every_link_works() {
    let world = World::enter().await;
    world.approval_is(|approval| approval["approvers"] = json!([ANA])).await;
    world.has_had_no_mails(ANA).await;
    world.has_had_many_mails(ANA).await;
    let mails = world.cloud.inbox().expect("the inbox").len();

    let first = join_all((0..3).map(|number| world.asks_at_once(number))).await;
    world.quiet().await;
    let before = world.mails_to(ANA, mails);
    // A minute later each looks again, and one of them sums up all.
    world.waited_for_a_minute(ANA).await;
    let again = join_all(first.iter().map(|(event, _)| world.asks_again(event))).await;
    world.until("they are summed up", async || !world.mails_to(ANA, mails).is_empty()).await;
    world.quiet().await;
    let summaries = world.mails_to(ANA, mails);
    world.has_had_no_mails(ANA).await;
    let links = world.links_to(ANA, mails);
    let mut pages = Vec::new();
    for link in &links {
        pages.push(world.cloud.open(link).await.expect("a page").text);
    }
    world.configure(|_| {}).await;

    assert!(before.is_empty(), "{before:?}");
    assert!(first.iter().all(|(_, answer)| answer.contains("LookAgain") || answer == "null"), "{first:?}");
    assert_eq!(summaries.len(), 1, "{summaries:?} {again:?}");
    assert!(summaries[0].subject.contains("3 approvals wait for you"), "{}", summaries[0].subject);
    for number in 0..3 {
        let question = format!("Let flood-{number} v{number} go to production?");
        assert_eq!(pages.iter().filter(|page| page.contains(&question)).count(), 1, "{pages:?}");
    }
}

#[tokio::test]
async fn notifications_that_come_too_fast_are_summed_up_by_the_reconciler() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    world.has_had_many_mails("notifications").await;
    let mails = world.cloud.inbox().expect("the inbox").len();

    let release = world.push(&PushOptions::light(&world.version())).await;
    world.decide(&release, Answer::Approve, "yes").await;
    assert_eq!(world.ended(&release).await.outcome(), Some("RELEASED"));
    world.quiet().await;
    let team = "team@example.com";
    let before = world.mails_to(team, mails).len();
    world.waited_for_a_minute("notifications").await;
    world.reconcile().await;
    world.has_had_no_mails("notifications").await;
    let summed_up = world
        .cloud
        .wait_for_mail(mails, PATIENCE, |mail| mail.to == team && mail.subject.contains("3 notifications"))
        .await
        .expect("one mail");
    assert_eq!(world.reconcile().await["problems"], json!([]));

    assert_eq!(before, 0, "none of them asks anybody to act");
    for words in ["has begun", "waits for approval", "RELEASED", "/releases/"] {
        assert!(summed_up.body.contains(words), "{words}: {}", summed_up.body);
    }
}

#[tokio::test]
async fn one_reconciliation_runs_at_a_time_and_looks_once_more_for_the_others() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let lost = world.push_unheard(&PushOptions::light(&world.version())).await;
    let event = world.event("reconcile.json");

    let all = join_all((0..4).map(|_| world.invoke("reconcile", &event))).await;
    let all: Vec<_> = all.into_iter().map(|answer| answer.expect("it reconciles")).collect();
    world.approve(&lost).await;
    let ended = world.ended(&lost).await;

    let begun = all.iter().flat_map(|one| one["begun"].as_array().cloned().unwrap_or_default());
    assert_eq!(begun.count(), 1, "{all:?}");
    assert!(all.iter().any(|one| one["another_runs"] == true), "{all:?}");
    assert_eq!(ended.outcome(), Some("RELEASED"), "{ended:?}");
    let run = world.item("RECONCILE#-", "RUN").await.expect("it is kept");
    assert_eq!(run["until"], json!(null), "none runs any more: {run}");
}
