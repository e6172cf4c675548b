//! `cargo local adopt`: Slipway for services that exist, from `slipway init` to a rollback, and nothing of theirs changes.
//!
//! `tests/local/theirs` is what the team has: its own Terraform, of every kind of service.

use std::{collections::BTreeMap, ffi::OsString, fs, path::Path, process::ExitCode, time::Duration};

use anyhow::{Context as _, ensure};
use aws_sdk_ecs::Client as Ecs;
use serde_json::json;
use url::Url;

use super::{
    trial::{approved, expect, on_an_empty_cloud, push, release, rolled_back, text},
    up::Empty,
};
use crate::{
    Cloud, Pace, PushOptions, Settings,
    cloud::APPROVER,
    progress::{Seconds, heading, note, step},
    releases::Execution,
    terraform::Terraform,
};

/// The application, its repository, and the beginning of every name of theirs.
const ORDERS: &str = "orders";
/// The deployer that `slipway init` writes down by default.
const DEPLOYER: &str = "slipway";
/// How long their services may take until they run.
const PATIENCE: Duration = Duration::from_secs(120);

/// Plays it on a cloud of its own.
///
/// # Errors
///
/// When anything turns out otherwise than `docs/services.md` and what `slipway init` writes say.
pub(super) async fn play(settings: &Settings) -> anyhow::Result<()> {
    let theirs = settings.repository.join("tests/local/theirs/main.tf");
    on_an_empty_cloud(settings, "adopt", Pace::Quick, async |empty| Box::pin(adopt(empty, &theirs)).await)
        .await
}

async fn adopt(empty: &Empty, their_configuration: &Path) -> anyhow::Result<()> {
    let cloud = &empty.cloud;
    heading("What a team has: eight kinds of services in two stages, and a nightly task");
    let image = their_first_image(cloud).await?;
    let theirs = empty.terraform.of(cloud.state().path().join("theirs"));
    fs::create_dir_all(theirs.root())?;
    fs::copy(their_configuration, theirs.root().join("main.tf"))?;
    step("their terraform init", theirs.init_here()).await?;
    step("their terraform apply", theirs.apply(&json!({ "image": image }))).await?;
    let families: BTreeMap<String, String> =
        serde_json::from_value(theirs.outputs().await?.remove("services").context("their services")?)?;
    step("their services run", all_run(cloud, &families)).await?;
    let before = revisions(cloud, families.values()).await?;

    heading("$ slipway init");
    let slipway = empty.terraform.of(cloud.state().path().join(DEPLOYER));
    let arguments = ["init", "--staging", "orders-staging", "--production", "orders-production"];
    let arguments = arguments.map(OsString::from).into_iter().chain([
        "--approver".into(),
        APPROVER.into(),
        "--from".into(),
        empty.bundle.clone().into_os_string(),
        "--out".into(),
        slipway.root().as_os_str().to_owned(),
    ]);
    run(cloud, None, arguments.collect()).await?;

    heading("What it wrote, applied; and their services get the tag that lets Slipway change them");
    let tagged = json!({ "image": image, "deployer": DEPLOYER });
    step("their terraform apply", theirs.apply(&tagged)).await?;
    step("terraform init", slipway.init_here()).await?;
    step("terraform apply", slipway.apply(&json!({}))).await?;
    let outputs = slipway.outputs().await?;
    cloud.state().write_outputs(&outputs)?;
    let api = Url::parse(&format!("{}/", text(&outputs["operators_api"]["url"])?))?;
    heading("$ slipway doctor");
    run(cloud, Some(&api), vec!["doctor".into()]).await?;

    heading("Version 2 is pushed");
    let second = release(cloud, ORDERS, &PushOptions::good("v2")).await?;
    expect(&second, "RELEASED")?;
    runs_everywhere(cloud, &families, &second).await?;

    heading("Version 3 is pushed, which answers every request with 500");
    expect(&rolled_back(cloud, ORDERS, "v3").await?, "ROLLED_BACK")?;
    runs_everywhere(cloud, &families, &second).await?;

    heading("Version 4 is pushed, and rolled back once it is in production");
    let fourth = release(cloud, ORDERS, &PushOptions::good("v4")).await?;
    expect(&fourth, "RELEASED")?;
    runs_everywhere(cloud, &families, &fourth).await?;
    let known = cloud.inbox()?.len();
    let rollback = ["rollback", ORDERS, "--reason", "version 4 is slow", "--yes"].map(OsString::from);
    run(cloud, Some(&api), rollback.into()).await?;
    let digest = digest_of(&second)?;
    let back = step("the release, approved on the way", approved(cloud, &digest, known)).await?;
    expect(&back, "RELEASED")?;
    runs_everywhere(cloud, &families, &second).await?;

    heading("Afterwards");
    unchanged("their terraform plan, which has no changes", &theirs).await?;
    unchanged("Slipway's terraform plan, which has no changes", &slipway).await?;
    ensure!(
        revisions(cloud, families.values()).await? == before,
        "the families that their pipeline registers have other revisions than before"
    );
    note(format!(
        "{} services of theirs run what was released, and nothing of theirs was renamed",
        families.len()
    ));
    Ok(())
}

/// Makes their repository, and pushes what their services run; the image's name.
async fn their_first_image(cloud: &Cloud) -> anyhow::Result<String> {
    let ecr = aws_sdk_ecr::Client::new(cloud.sdk());
    let tag = aws_sdk_ecr::types::Tag::builder().key("slipway:deployer").value(DEPLOYER).build()?;
    let made = ecr.create_repository().repository_name(ORDERS).tags(tag).send().await?;
    let uri =
        made.repository.and_then(|made| made.repository_uri).context("a repository without an address")?;
    push(cloud, ORDERS, &PushOptions::good("v1")).await?;
    Ok(format!("{uri}:v1"))
}

/// Runs the operators' command; before there is a deployer, nothing asks its API.
async fn run(cloud: &Cloud, api: Option<&Url>, arguments: Vec<OsString>) -> anyhow::Result<()> {
    let api = api.cloned().unwrap_or(Url::parse(cloud.endpoint())?);
    let client = slipway_cli::Client::at(cloud.sdk().clone(), api)?;
    let words = arguments[0].to_string_lossy().into_owned();
    let code = Box::pin(slipway_cli::run_with(client, arguments)).await;
    ensure!(code == ExitCode::SUCCESS, "`slipway {words}` did not end with 0");
    Ok(())
}

/// A stage's cluster and service, of `stage/name`.
fn place(place: &str) -> anyhow::Result<(String, &str)> {
    let (stage, name) = place.split_once('/').context("a service without a stage")?;
    Ok((format!("{ORDERS}-{stage}"), name))
}

async fn all_run(cloud: &Cloud, families: &BTreeMap<String, String>) -> anyhow::Result<()> {
    let ecs = Ecs::new(cloud.sdk());
    for service in families.keys() {
        let (cluster, name) = place(service)?;
        let waited = async {
            loop {
                let answer = ecs.describe_services().cluster(&cluster).services(name).send().await?;
                let service = answer.services().first().context("their service is gone")?;
                if service.running_count() == service.desired_count() && service.deployments().len() == 1 {
                    return anyhow::Ok(());
                }
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waited)
            .await
            .with_context(|| format!("{service} does not run after {}", Seconds(PATIENCE)))??;
    }
    Ok(())
}

/// How many revisions each family has.
async fn revisions(
    cloud: &Cloud,
    families: impl Iterator<Item = &String>,
) -> anyhow::Result<BTreeMap<String, i32>> {
    let ecs = Ecs::new(cloud.sdk());
    let mut all = BTreeMap::new();
    for family in families {
        let newest = ecs.describe_task_definition().task_definition(family).send().await?;
        all.insert(family.clone(), newest.task_definition.context("their family is gone")?.revision());
    }
    Ok(all)
}

fn digest_of(release: &Execution) -> anyhow::Result<String> {
    Ok(text(&release.input["release"]["image"]["digest"])?.to_owned())
}

/// Each service runs the release's image in a family of Slipway's own, and each nightly task would.
async fn runs_everywhere(
    cloud: &Cloud,
    families: &BTreeMap<String, String>,
    release: &Execution,
) -> anyhow::Result<()> {
    let ecs = Ecs::new(cloud.sdk());
    let digest = digest_of(release)?;
    let image = async |family: &str| {
        let described = ecs.describe_task_definition().task_definition(family).send().await?;
        let definition = described.task_definition.context("a task definition")?;
        let image = definition.container_definitions().first().and_then(|one| one.image().map(str::to_owned));
        anyhow::Ok((definition.family.unwrap_or_default(), image.unwrap_or_default()))
    };
    let mut expected: Vec<(String, String)> = Vec::new();
    for service in families.keys() {
        let (cluster, name) = place(service)?;
        let answer = ecs.describe_services().cluster(&cluster).services(name).send().await?;
        let running = answer.services().first().context("their service is gone")?;
        expected.push((
            running.task_definition().unwrap_or_default().to_owned(),
            format!("{cluster}-{name}-release"),
        ));
    }
    for stage in ["staging", "production"] {
        let nightly = format!("{ORDERS}-{stage}-nightly");
        expected.push((nightly.clone(), nightly));
    }
    for (runs, family) in expected {
        let (of, image) = image(&runs).await?;
        ensure!(of == family, "{runs} is a revision of {of}, and not of {family}");
        ensure!(image.ends_with(&digest), "{runs} has the image {image}, and not {digest}");
    }
    Ok(())
}

async fn unchanged(what: &str, terraform: &Terraform) -> anyhow::Result<()> {
    ensure!(step(what, terraform.is_up_to_date()).await?, "there are changes");
    Ok(())
}
