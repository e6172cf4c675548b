//! `cargo local demo`: the whole path, shown.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use clap::Args;

use super::{PORT, Source, bring_up, inbox, take_down};
use crate::{
    Answer, Cloud, Mail, Pace, PushOptions, Pushed, Settings,
    image::Behaviour,
    process,
    progress::{Seconds, heading, note},
    releases::{self, Execution, Step},
};

/// How long a release may take when nobody has to answer.
const PATIENCE: Duration = Duration::from_secs(180);
/// How long a person may take.
const PERSON: Duration = Duration::from_secs(60 * 60);
/// The time between two looks at a release.
const LOOK: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Approve version 2 too, instead of waiting for the click.
    #[arg(long)]
    approve: bool,
    /// Leave the cloud running at the end.
    #[arg(long)]
    keep: bool,
    /// The port on which AWS's interfaces answer.
    #[arg(long, default_value_t = PORT)]
    port: u16,
}

pub(super) async fn run(settings: &Settings, arguments: &Arguments) -> anyhow::Result<()> {
    heading("Setting everything up");
    let cloud = bring_up(settings, arguments.port, Pace::Normal, Source::Repository).await?;
    let shown = tokio::select! {
        shown = show(&cloud, arguments.approve) => shown,
        () = process::interrupted() => Err(anyhow::anyhow!("interrupted")),
    };
    if arguments.keep && shown.is_ok() {
        heading(format!("The local cloud stays up at {}", cloud.endpoint()));
        note("`cargo local down` stops it");
        return Ok(());
    }
    take_down(settings).await?;
    println!("\nEverything is stopped and removed.");
    shown
}

/// Who answers the approval mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decider {
    /// The demo itself.
    Demo,
    /// The person in front of it.
    Person,
}

/// Shows the path on a cloud that is up.
///
/// # Errors
///
/// When anything turns out otherwise than it should.
pub(super) async fn show(cloud: &Cloud, approve: bool) -> anyhow::Result<()> {
    heading("Version 1: pushed, and approved for production by this demo");
    let first = release(cloud, &PushOptions::good("v1"), Decider::Demo, Shown::Steps).await?;
    expect_released(cloud, &first, "v1").await?;
    slipway(cloud, "status", ExitCode::SUCCESS).await?;

    let decider = if approve { Decider::Demo } else { Decider::Person };
    heading(if approve {
        "Version 2: pushed, and approved by this demo too"
    } else {
        "Version 2: pushed; production waits for your click"
    });
    let second = release(cloud, &PushOptions::good("v2"), decider, Shown::Steps).await?;
    expect_released(cloud, &second, "v2").await?;

    heading("Version 3: pushed; it answers every request with 500");
    let broken = PushOptions::good("v3").behaving(Behaviour::Answer500);
    let third = release(cloud, &broken, Decider::Demo, Shown::Watch).await?;
    expect_stopped(cloud, &third).await?;
    slipway(cloud, "history web", ExitCode::SUCCESS).await?;

    heading("Figures");
    note(format!(
        "end of the push → staging's UpdateService: {} (version 1, functions started for it), {} (version 2)",
        Millis(first.to_staging),
        Millis(second.to_staging)
    ));
    note(format!(
        "the whole release, from the end of the push to its outcome: {} (version 1), {} (version 2{})",
        Seconds(first.took),
        Seconds(second.took),
        if approve { "" } else { ", with your decision" }
    ));
    // Not for version 1: unpacking a function takes MiniStack longer than a cold start takes on AWS.
    ensure!(
        second.to_staging.is_some_and(|latency| latency < 2_000),
        "staging's UpdateService came later than 2 s after the push"
    );
    ensure!(
        !approve || second.took < Duration::from_secs(30),
        "a release with an immediate decision took longer than 30 s"
    );
    Ok(())
}

/// Shows what the operators' command shows.
async fn slipway(cloud: &Cloud, command: &str, ends_with: ExitCode) -> anyhow::Result<()> {
    heading(format!("$ cargo local slipway {command}"));
    let arguments = command.split(' ').map(Into::into).collect();
    let code = Box::pin(slipway_cli::run_with(cloud.operators()?, arguments)).await;
    ensure!(code == ends_with, "`slipway {command}` did not end with {ends_with:?}");
    Ok(())
}

/// How a release is shown while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    /// By the workflow's steps, with the mails between them.
    Steps,
    /// By the operators' command, which ends when a release does that is not to be released.
    Watch,
}

/// A release that ended, and its figures.
struct Report {
    pushed: Pushed,
    execution: Execution,
    /// From the end of the push to staging's UpdateService, in milliseconds.
    to_staging: Option<i64>,
    /// From the end of the push to the release's end.
    took: Duration,
}

/// Pushes a version and follows its release to the end.
async fn release(
    cloud: &Cloud,
    options: &PushOptions,
    decider: Decider,
    shown: Shown,
) -> anyhow::Result<Report> {
    let known = cloud.inbox()?.len();
    let before = cloud.wire().last().await?;
    let pushing = Instant::now();
    let pushed = cloud.push(options).await?;
    note(format!(
        "pushed {}:{} as {}…  ({})",
        pushed.repository,
        pushed.tag,
        pushed.digest.get(..19).unwrap_or_default(),
        Seconds(pushing.elapsed())
    ));
    let execution = cloud.wait_for_release(&pushed.digest, Duration::from_secs(20)).await?;
    let mut following = Following::new(&pushed, shown);
    let execution = match shown {
        Shown::Steps => follow(cloud, execution, &mut following, known, decider).await?,
        Shown::Watch => {
            let followed = follow(cloud, execution, &mut following, known, decider);
            tokio::try_join!(followed, slipway(cloud, "watch web", ExitCode::FAILURE))?.0
        }
    };
    let ended = execution.stopped.unwrap_or(pushed.at);
    Ok(Report {
        took: Duration::from_millis(u64::try_from(ended - pushed.at).unwrap_or_default()),
        to_staging: to_staging(cloud, &pushed, before).await?,
        pushed,
        execution,
    })
}

/// Follows a release to its end, and answers the mail that asks for its approval.
async fn follow(
    cloud: &Cloud,
    mut execution: Execution,
    following: &mut Following,
    known: usize,
    decider: Decider,
) -> anyhow::Result<Execution> {
    let mut asked = None;
    let started = Instant::now();
    loop {
        let patience = if asked.is_some() && decider == Decider::Person { PERSON } else { PATIENCE };
        if started.elapsed() > patience {
            bail!(
                "the release did not end within {}; its last step is {}",
                Seconds(patience),
                following.running()
            );
        }
        following.look(cloud, &execution).await?;
        if !execution.is_running() {
            return Ok(execution);
        }
        if asked.is_none()
            && let Some(mail) = approval(cloud, known)?
        {
            ask(cloud, &mail, decider).await?;
            asked = Some(mail);
        }
        tokio::time::sleep(LOOK).await;
        execution = releases::describe(cloud.sdk(), &execution.arn).await?;
    }
}

fn approval(cloud: &Cloud, known: usize) -> anyhow::Result<Option<Mail>> {
    Ok(cloud.inbox()?.into_iter().skip(known).find(|mail| mail.approval_link().is_some()))
}

async fn ask(cloud: &Cloud, mail: &Mail, decider: Decider) -> anyhow::Result<()> {
    inbox::show(mail);
    let link = mail.approval_link().context("a mail without a link")?;
    match decider {
        Decider::Demo => {
            let page = cloud.decide(link, Answer::Approve, Some("approved by the demo")).await?;
            let first = page.text.lines().next().unwrap_or_default();
            note(format!("opened the link and approved: {first}"));
        }
        Decider::Person => {
            println!("  ► Open the link and decide (or run `cargo local approve` in another terminal).");
        }
    }
    Ok(())
}

/// What has been shown of a release so far.
struct Following {
    pushed: i64,
    by: Shown,
    shown: usize,
    entered: Vec<Step>,
    stage: Option<String>,
}

impl Following {
    fn new(pushed: &Pushed, by: Shown) -> Self {
        Self { pushed: pushed.at, by, shown: 0, entered: Vec::new(), stage: None }
    }

    /// What runs now.
    fn running(&self) -> &str {
        self.entered.last().map_or("its start", |step| step.state.as_str())
    }

    /// Looks at the release and shows what it has done since the last look.
    async fn look(&mut self, cloud: &Cloud, execution: &Execution) -> anyhow::Result<()> {
        let steps = releases::steps(cloud.sdk(), &execution.arn).await?;
        for step in steps.into_iter().skip(self.shown) {
            self.shown += 1;
            if step.entered {
                self.stage = step.stage.clone().or(self.stage.take());
                self.entered.push(step);
            } else if let Some(place) = self.entered.iter().rposition(|entered| entered.state == step.state) {
                let entered = self.entered.remove(place);
                self.show(&entered, &step);
                if step.is_map && self.entered.is_empty() {
                    self.stage = None;
                }
            }
        }
        Ok(())
    }

    /// Shows a step that ended, unless it took no time or only holds others: those are not news.
    fn show(&self, entered: &Step, left: &Step) {
        let took = left.at - entered.at;
        if took < 10 || entered.is_map || self.by == Shown::Watch {
            return;
        }
        println!(
            "    {:>8}  {:<12} {:<24} {:>8}",
            format!("+{}", Millis(Some(left.at - self.pushed))),
            self.stage.as_deref().unwrap_or_default(),
            entered.state,
            Millis(Some(took)).to_string()
        );
    }
}

/// How long after the push ECS was asked to deploy it to staging, in milliseconds: when the call came to the endpoint.
async fn to_staging(cloud: &Cloud, pushed: &Pushed, before: u64) -> anyhow::Result<Option<i64>> {
    let trace = cloud.wire().trace(before).await?;
    let update = trace.iter().find(|entry| {
        entry.call().is_some_and(|call| {
            call.caller == "deploy-services"
                && call.operation == "ecs:UpdateService"
                && call.subject.starts_with("staging")
        })
    });
    Ok(update.map(|update| update.at.as_millisecond() - pushed.at))
}

async fn expect_released(cloud: &Cloud, report: &Report, version: &str) -> anyhow::Result<()> {
    let outcome = report.execution.outcome().unwrap_or_default();
    ensure!(
        outcome == "RELEASED",
        "the release of {} came to {outcome}: {}",
        report.pushed.tag,
        report.execution.reason().unwrap_or_default()
    );
    let answer = cloud.get("production", "/version").await?;
    note(format!("{outcome}; production's load balancer answers {} {}", answer.status, answer.body.trim()));
    ensure!(
        answer.status == 200 && answer.body.contains(version),
        "production does not answer with {version}"
    );
    Ok(())
}

async fn expect_stopped(cloud: &Cloud, report: &Report) -> anyhow::Result<()> {
    let outcome = report.execution.outcome().unwrap_or_default();
    note(format!(
        "{outcome} in {}: {}",
        report.execution.stage().unwrap_or("?"),
        report.execution.reason().unwrap_or_default()
    ));
    ensure!(
        outcome == "ROLLED_BACK" && report.execution.stage() == Some("staging"),
        "the broken version was not stopped in staging"
    );
    for stage in ["staging", "production"] {
        let answer = cloud.get(stage, "/version").await?;
        note(format!("{stage}'s load balancer answers {} {}", answer.status, answer.body.trim()));
        ensure!(answer.status == 200 && answer.body.contains("v2"), "{stage} does not answer with v2");
    }
    Ok(())
}

/// Milliseconds as people read them.
struct Millis(Option<i64>);

impl std::fmt::Display for Millis {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(millis) => {
                let duration = Duration::from_millis(u64::try_from(millis).unwrap_or_default());
                write!(formatter, "{:.2} s", duration.as_secs_f64())
            }
            None => formatter.write_str("not seen"),
        }
    }
}
