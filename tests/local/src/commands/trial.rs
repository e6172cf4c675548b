//! `cargo local trial`: the first half hour with Slipway, as `infra/examples/trial` has it, from a bundle alone.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use serde_json::{Value, json};

use super::{
    take_down,
    up::{Empty, bring_up_empty, keep_logs},
};
use crate::{
    Answer, Cloud, Mail, Pace, PushOptions, Settings,
    bundle::Architecture,
    cloud::APPROVER,
    image::Behaviour,
    inventory, process,
    progress::{Seconds, heading, note, step},
    releases::Execution,
    state::StateFolder,
};

/// How long a release may take.
const PATIENCE: Duration = Duration::from_secs(180);
/// The trial's root, in a bundle.
const ROOT: &str = "infra/examples/trial";
/// The name of its repository, by its default name.
const REPOSITORY: &str = "trial-web";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Shorten what the cloud itself waits for: health checks, retries, deployments that become steady.
    #[arg(long)]
    quick: bool,
}

pub(super) async fn run(settings: &Settings, arguments: &Arguments) -> anyhow::Result<()> {
    play(settings, Pace::quick(arguments.quick)).await
}

/// Plays the trial on a cloud of its own.
///
/// # Errors
///
/// When anything turns out otherwise than its README says.
pub(super) async fn play(settings: &Settings, pace: Pace) -> anyhow::Result<()> {
    on_an_empty_cloud(settings, "trial", pace, async |empty| the_trial(empty).await).await
}

/// Starts a cloud on which nothing is set up, and takes it away after the work.
pub(super) async fn on_an_empty_cloud(
    settings: &Settings,
    name: &str,
    pace: Pace,
    work: impl AsyncFnOnce(&Empty) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let settings = settings.of_this_run(name);
    heading("Starting a cloud on which nothing is set up");
    let worked = async {
        let empty = bring_up_empty(&settings, process::free_port()?, pace).await?;
        work(&empty).await
    };
    let outcome = tokio::select! {
        outcome = worked => outcome,
        () = process::interrupted() => Err(anyhow::anyhow!("interrupted")),
    };
    if outcome.is_err() {
        keep_logs(&settings, &StateFolder::new(&settings.state));
    }
    take_down(&settings).await?;
    outcome
}

async fn the_trial(empty: &Empty) -> anyhow::Result<()> {
    let cloud = &empty.cloud;
    let before = inventory::of(cloud.sdk()).await?;
    let terraform = empty.terraform.of(empty.bundle.join(ROOT));
    heading("The trial, from the bundle alone: no cargo, no repository");
    let started = Instant::now();
    step("terraform init", terraform.init_here()).await?;
    let variables = json!({ "approver": APPROVER, "image_architecture": Architecture::host().to_string() });
    step("terraform apply", terraform.apply(&variables)).await?;
    let outputs = terraform.outputs().await?;
    cloud.state().write_outputs(&outputs)?;
    let (staging, production) = (text(&outputs["staging_url"])?, text(&outputs["production_url"])?);
    let unreleased = ask(cloud, production, "/version").await?.0;
    ensure!(unreleased == 503, "production answers {unreleased} before the first release");

    heading("Version 1");
    expect(&release(cloud, REPOSITORY, &PushOptions::good("v1")).await?, "RELEASED")?;
    note(format!("production runs version 1, {} after the first command", Seconds(started.elapsed())));
    for url in [staging, production] {
        answers_with(cloud, url, "v1").await?;
    }

    heading("Version 2, which answers every request with 500");
    expect(&rolled_back(cloud, REPOSITORY, "v2").await?, "ROLLED_BACK")?;
    for url in [staging, production] {
        answers_with(cloud, url, "v1").await?;
    }
    ensure!(
        step("terraform plan, which has no changes", terraform.is_up_to_date()).await?,
        "Terraform would undo what releases did"
    );

    heading("The end");
    step("terraform destroy", terraform.destroy()).await?;
    let left: Vec<_> = inventory::of(cloud.sdk()).await?.difference(&before).cloned().collect();
    ensure!(left.is_empty(), "`terraform destroy` leaves {}", left.join(", "));
    note(format!("nothing is left; all of it took {}", Seconds(started.elapsed())));
    Ok(())
}

pub(super) fn text(output: &Value) -> anyhow::Result<&str> {
    output.as_str().context("an output that is no text")
}

/// Pushes an image, approves its release for production, and waits for the end.
pub(super) async fn release(
    cloud: &Cloud,
    repository: &str,
    options: &PushOptions,
) -> anyhow::Result<Execution> {
    let known = cloud.inbox()?.len();
    let digest = push(cloud, repository, options).await?;
    step("the release, approved on the way", approved(cloud, &digest, known)).await
}

/// Pushes an image, and answers its digest.
pub(super) async fn push(cloud: &Cloud, repository: &str, options: &PushOptions) -> anyhow::Result<String> {
    let pushed = cloud.push_to(repository, options).await?;
    note(format!("pushed {repository}:{}", pushed.tag));
    Ok(pushed.digest)
}

/// Approves in the first mail that asks after so many others, and waits for the end.
pub(super) async fn approved(cloud: &Cloud, digest: &str, known: usize) -> anyhow::Result<Execution> {
    let asks = |mail: &Mail| mail.approval_link().is_some();
    let mail = tokio::select! {
        mail = cloud.wait_for_mail(known, PATIENCE, asks) => mail?,
        ended = cloud.wait_for_outcome(digest, PATIENCE) => {
            let ended = ended?;
            bail!("it came to {:?} before anybody was asked: {:?}", ended.outcome(), ended.reason());
        }
    };
    let link = mail.approval_link().context("a mail without a link")?;
    cloud.decide(link, Answer::Approve, None).await?;
    cloud.wait_for_outcome(digest, PATIENCE).await
}

/// Pushes an image that answers every request with 500, and waits for the end.
pub(super) async fn rolled_back(cloud: &Cloud, repository: &str, version: &str) -> anyhow::Result<Execution> {
    let broken = PushOptions::good(version).behaving(Behaviour::Answer500);
    let digest = push(cloud, repository, &broken).await?;
    step("the release, which is rolled back", cloud.wait_for_outcome(&digest, PATIENCE)).await
}

pub(super) fn expect(execution: &Execution, outcome: &str) -> anyhow::Result<()> {
    ensure!(
        execution.outcome() == Some(outcome),
        "the release came to {}: {}",
        execution.outcome().unwrap_or("no outcome"),
        execution.reason().unwrap_or_default()
    );
    Ok(())
}

async fn answers_with(cloud: &Cloud, url: &str, version: &str) -> anyhow::Result<()> {
    let (status, body) = ask(cloud, url, "/version").await?;
    ensure!(status == 200 && body.contains(version), "{url} answers {status} {body}, and not {version}");
    note(format!("{url} answers {status} {}", body.trim()));
    Ok(())
}

/// Asks a load balancer by its own name, which leads nowhere on this machine: the local cloud finds it by the host.
async fn ask(cloud: &Cloud, url: &str, path: &str) -> anyhow::Result<(u16, String)> {
    let host = url.trim_start_matches("http://").to_owned();
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
    let request = client.get(format!("{}{path}", cloud.endpoint())).header(reqwest::header::HOST, host);
    let answer = request.send().await.with_context(|| format!("{url} does not answer"))?;
    Ok((answer.status().as_u16(), answer.text().await?))
}
