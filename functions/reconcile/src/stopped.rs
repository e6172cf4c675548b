//! What a release whose execution is dead has left behind.

use slipway_aws::{Aws, Key, Table};
use slipway_core::application::{Application, Stage};
use slipway_core::failure;
use slipway_core::name::TaskDefinitionArn;
use slipway_core::release::{Ending, Release};
use slipway_core::rollback::Baseline;
use slipway_release::{StepError, change_of};

/// The ending, from what the stages run now.
pub(crate) async fn ending(
    aws: &Aws,
    table: &Table,
    release: &Release,
    application: &Application,
) -> Result<Ending, StepError> {
    let mut last = None;
    let mut runs = Vec::new();
    for stage in &application.stages {
        let captured = table.get::<Baseline>(&Key::baseline(&release.id, &stage.name, 1)).await?.is_some();
        look_at(aws, table, release, stage, &mut runs).await?;
        if captured {
            let changed = change_of(table, &release.id, &stage.name).await?.is_some();
            last = Some((stage.name.clone(), changed));
        }
    }
    let (stage, changed) = last.map_or((None, false), |(stage, changed)| (Some(stage), changed));
    Ok(failure::stopped(stage, changed, &runs))
}

/// What a stage's services run, in words.
async fn look_at(
    aws: &Aws,
    table: &Table,
    release: &Release,
    stage: &Stage,
    runs: &mut Vec<String>,
) -> Result<(), StepError> {
    let names: Vec<_> = stage.services.iter().map(|service| service.service.as_str()).collect();
    let views = aws.ecs().services(stage.cluster(), &names).await?;
    for service in &stage.services {
        let name = &service.service;
        let Some(view) = views.iter().find(|view| view.is_of(name)) else {
            runs.push(format!("{}/{name} is not there", stage.cluster()));
            continue;
        };
        let ours = table.get::<TaskDefinitionArn>(&Key::deployed(&release.id, &stage.name, name)).await?;
        let is_ours = ours.is_some_and(|ours| ours.document == view.task_definition);
        let running = aws.ecs().task_definition(view.task_definition.as_str()).await?;
        let images = running
            .map_or_else(|| view.task_definition.to_string(), |running| running.images().join(" and "));
        let whose = if is_ours { ", which this release deployed" } else { "" };
        runs.push(format!("{}/{name} runs {images}{whose}", stage.cluster()));
    }
    Ok(())
}
