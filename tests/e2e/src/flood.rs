//! Releases of hundreds of applications at one moment, all of which ask one person: AWS's own rates hold, and SNS
//! suspends an address that gets more than ten mails a second.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use futures::StreamExt as _;
use slipway_core::api::DeadLetters;
use slipway_local::cloud::{APPROVER, PushOptions};
use slipway_local::{Answer, Awkward, Cloud, Mail, many, releases};

use crate::people::Inbox;

/// How long all of it may take, for each application.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_secs(1);
/// How often it is said how far it is.
const SAY: Duration = Duration::from_secs(15);
/// How many images are pushed, and how many pages are open, at one moment.
const AT_ONCE: usize = 12;

/// What came of a flood.
#[derive(Debug, Default)]
pub struct Flood {
    applications: usize,
    /// The outcomes, and how many releases have each.
    outcomes: BTreeMap<String, usize>,
    /// When the last of each happened, in seconds since the first push.
    pushed: f64,
    asked: f64,
    decided: f64,
    ended: f64,
    /// The approver's mails that ask for one approval, and those that sum several up.
    alone: usize,
    summed_up: usize,
    /// The most mails to one address within a second.
    in_one_second: usize,
    /// The most within a minute.
    in_one_minute: usize,
    /// Links in these mails, each counted once.
    links: usize,
    /// What did not go as it should.
    wrong: Vec<String>,
}

/// Pushes an image to each of the applications, answers every link that comes, and waits for the outcomes.
///
/// # Errors
///
/// When the cloud has no such applications, or one of its interfaces does not answer.
pub async fn play(cloud: &Cloud) -> anyhow::Result<Flood> {
    let applications = many::count(cloud.sdk()).await?;
    ensure!(
        applications > 0,
        "the cloud has no applications for this: start one with `cargo local up --applications 300`"
    );
    cloud.set_awkward(&Awkward { rates: true, ..Awkward::default() })?;
    let inbox = Inbox::from_now(cloud);
    let before: BTreeSet<_> = listed(cloud).await?.into_iter().map(|one| one.arn).collect();
    let began = Instant::now();
    let mut flood = Flood { applications, ..Flood::default() };
    push(cloud, applications).await?;
    flood.pushed = began.elapsed().as_secs_f64();
    println!("{applications} images are pushed after {:.0} s", flood.pushed);

    let patience = PATIENCE * u32::try_from(applications)?;
    let (mut decided, mut said) = (BTreeSet::new(), Instant::now());
    loop {
        let links = links(&inbox.mails().unwrap_or_default());
        let new: Vec<_> = links.difference(&decided).cloned().collect();
        if !new.is_empty() {
            flood.asked = began.elapsed().as_secs_f64();
        }
        for (link, answered) in decide(cloud, new).await {
            match answered {
                Ok(()) => _ = decided.insert(link),
                // A page that did not answer is opened again at the next look.
                Err(error) => println!("  once more: {error:#}"),
            }
            flood.decided = began.elapsed().as_secs_f64();
        }
        let mut all = listed(cloud).await?;
        all.retain(|one| !before.contains(&one.arn));
        let running = all.iter().filter(|one| one.running).count();
        if said.elapsed() >= SAY {
            said = Instant::now();
            println!(
                "{:>5.0} s: {} begun, {} asked, {} approved, {} ended",
                began.elapsed().as_secs_f64(),
                all.len(),
                links.len(),
                decided.len(),
                all.len() - running
            );
        }
        if all.len() >= applications && running == 0 {
            flood.ended = began.elapsed().as_secs_f64();
            flood.judge(cloud, &inbox, &all).await?;
            return Ok(flood);
        }
        if began.elapsed() > patience {
            bail!("{running} of {} releases still run after {} s", all.len(), patience.as_secs());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn push(cloud: &Cloud, applications: usize) -> anyhow::Result<()> {
    // A tag that no flood before has pushed.
    let version = format!("v{}", slipway_local::clock::now().as_second());
    let pushes = (1..=applications).map(|number| {
        let version = version.clone();
        async move {
            let options = PushOptions::light(&version);
            let name = many::name(number);
            cloud.push_to(&name, &options).await.with_context(|| format!("{name} takes no image"))
        }
    });
    let mut pushes = futures::stream::iter(pushes).buffer_unordered(AT_ONCE);
    while let Some(pushed) = pushes.next().await {
        _ = pushed?;
    }
    Ok(())
}

async fn decide(cloud: &Cloud, links: Vec<String>) -> Vec<(String, anyhow::Result<()>)> {
    let answers = links.into_iter().map(|link| async move {
        let page = cloud.decide(&link, Answer::Approve, Some("all of them")).await;
        let answered = page.and_then(|page| match page.status {
            200..300 => Ok(()),
            status => bail!("{status}: {}", page.text),
        });
        (link, answered)
    });
    futures::stream::iter(answers).buffer_unordered(AT_ONCE).collect().await
}

/// The links to approvals, each once.
fn links(mails: &[Mail]) -> BTreeSet<String> {
    let asked = mails.iter().filter(|mail| mail.to == APPROVER).flat_map(Mail::links);
    asked.filter(|link| link.contains("/approvals/")).map(ToOwned::to_owned).collect()
}

/// A release as the list of executions has it.
struct Listed {
    arn: String,
    running: bool,
}

async fn listed(cloud: &Cloud) -> anyhow::Result<Vec<Listed>> {
    let sfn = aws_sdk_sfn::Client::new(cloud.sdk());
    let mut pages =
        sfn.list_executions().state_machine_arn(releases::state_machine()).into_paginator().send();
    let mut all = Vec::new();
    while let Some(page) = pages.next().await {
        all.extend(page?.executions.into_iter().map(|one| Listed {
            arn: one.execution_arn,
            running: one.status == aws_sdk_sfn::types::ExecutionStatus::Running,
        }));
    }
    Ok(all)
}

impl Flood {
    async fn judge(&mut self, cloud: &Cloud, inbox: &Inbox, all: &[Listed]) -> anyhow::Result<()> {
        for one in all {
            let execution = releases::describe(cloud.sdk(), &one.arn).await?;
            let outcome = execution.outcome().unwrap_or(execution.status.as_str()).to_owned();
            if outcome != "RELEASED" {
                self.wrong.push(format!(
                    "{}: {outcome}: {}",
                    execution.name,
                    execution.reason().unwrap_or_default()
                ));
            }
            *self.outcomes.entry(outcome).or_default() += 1;
        }
        let mails = inbox.mails()?;
        let asking: Vec<_> =
            mails.iter().filter(|mail| mail.to == APPROVER && mail.approval_link().is_some()).collect();
        self.summed_up = asking.iter().filter(|mail| mail.subject.contains("approvals wait")).count();
        self.alone = asking.len() - self.summed_up;
        self.links = links(&mails).len();
        self.in_one_second = most_within(&mails, 1_000);
        self.in_one_minute = most_within(&mails, 60_000);
        if self.links != self.applications {
            self.wrong.push(format!("{} approvals of {} were asked", self.links, self.applications));
        }
        if self.outcomes.values().sum::<usize>() != self.applications {
            self.wrong.push(format!("{} releases of {} began", all.len(), self.applications));
        }
        let DeadLetters { queues } = cloud.operators()?.get("dead-letters").await?;
        for queue in queues.into_iter().filter(|queue| queue.messages > 0) {
            self.wrong.push(format!("{} holds {} messages", queue.name, queue.messages));
        }
        Ok(())
    }

    /// Whether everything went as it should.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.wrong.is_empty()
    }

    /// The figures, a line for each.
    #[must_use]
    pub fn in_words(&self) -> String {
        let outcomes: Vec<_> =
            self.outcomes.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
        let mut lines = vec![
            format!("{} applications: {}", self.applications, outcomes.join(", ")),
            format!(
                "the last pushed after {:.0} s, asked {:.0} s, decided {:.0} s, ended {:.0} s",
                self.pushed, self.asked, self.decided, self.ended
            ),
            format!(
                "{} links in {} mails that ask for one approval and {} that sum up the rest",
                self.links, self.alone, self.summed_up
            ),
            format!(
                "at most {} mails to one address within a second, and {} within a minute",
                self.in_one_second, self.in_one_minute
            ),
        ];
        lines.extend(self.wrong.iter().map(|wrong| format!("✗ {wrong}")));
        lines.join("\n")
    }
}

/// The most mails that one address got within so many milliseconds.
fn most_within(mails: &[Mail], milliseconds: i64) -> usize {
    let mut times: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for mail in mails {
        times.entry(&mail.to).or_default().push(mail.at);
    }
    let most = times.values_mut().map(|times| {
        times.sort_unstable();
        let within =
            |&first: &i64| times.iter().filter(|&&at| at >= first && at < first + milliseconds).count();
        times.iter().map(within).max().unwrap_or_default()
    });
    most.max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(to: &str, at: i64) -> Mail {
        Mail { to: to.into(), subject: String::new(), body: String::new(), topic: String::new(), at }
    }

    #[test]
    fn the_most_mails_within_a_time_are_those_of_one_address() {
        let mails =
            [mail("a", 0), mail("a", 900), mail("a", 1_000), mail("b", 1), mail("b", 2), mail("b", 3)];

        assert_eq!(most_within(&mails, 1_000), 3);
        assert_eq!(most_within(&mails[..3], 1_000), 2);
    }
}
