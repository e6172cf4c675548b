//! What a release of an image would change.

use futures::try_join;
use slipway_aws::Aws;
use slipway_core::application::{Application, Stage, StageService};
use slipway_core::deployment::ServiceView;
use slipway_core::release::Release;

use crate::{StepError, usable_task, usable_template};

/// Whether a release would change anything: a service that does not run what its newest template and the release's image
/// make, or of which that is not known.
///
/// # Errors
///
/// When ECS cannot be asked.
pub async fn would_change(
    aws: &Aws,
    release: &Release,
    application: &Application,
) -> Result<bool, StepError> {
    for stage in &application.stages {
        let names: Vec<_> = stage.services.iter().map(|service| service.service.as_str()).collect();
        let views = aws.ecs().services(stage.cluster(), &names).await?;
        for service in &stage.services {
            match views.iter().find(|view| view.is_of(&service.service)) {
                Some(view) if !changes(aws, release, stage, service, view).await? => {}
                _ => return Ok(true),
            }
        }
        for task in &stage.tasks {
            let newest = aws.ecs().task_definition(task.family.as_str()).await?;
            let Ok(next) = usable_task(release, task, newest.as_ref()) else { return Ok(true) };
            let is_same = newest
                .is_some_and(|newest| next.template.is_registered_as(&newest.document, task.family.as_str()));
            if !is_same {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

async fn changes(
    aws: &Aws,
    release: &Release,
    stage: &Stage,
    service: &StageService,
    view: &ServiceView,
) -> Result<bool, StepError> {
    let families = stage.families(service);
    let ecs = aws.ecs();
    let (template, running) = try_join!(
        ecs.task_definition(families.template_of(&view.task_definition)),
        ecs.task_definition(view.task_definition.as_str())
    )?;
    let Some(running) = running else { return Ok(true) };
    let Ok((_, next)) = usable_template(release, service, &families, template) else { return Ok(true) };
    Ok(!next.is_registered_as(&running.document, &families.release))
}
