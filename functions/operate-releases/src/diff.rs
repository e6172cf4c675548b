//! What a release would change, and what would stop it, as everything is now.

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use futures::try_join;
use lambda_http::http::StatusCode;
use slipway_core::alarm::disquiet;
use slipway_core::api::{Diff, ProblemCode, ServiceDiff, StageDiff};
use slipway_core::application::{Application, Stage, StageService};
use slipway_core::definition::{changes, own};
use slipway_core::deployment::ServiceView;
use slipway_core::freeze::Freeze;
use slipway_core::image::digest_of;
use slipway_core::name::ApplicationName;
use slipway_core::release::Release;
use slipway_core::request::requested;
use slipway_release::{StepError, freezes, quarantine_of, stage_frozen, usable_template};

use crate::Operator;
use crate::act::{image, own_digest, runs};
use crate::problem::{Failure, problem};
use crate::read::{configured, history};

/// How many services are looked at at once.
const AT_ONCE: usize = 8;

/// Compares what runs with what a release of an image would run; without an image with what runs in the last stage: then
/// only newer templates differ.
pub(crate) async fn diff(
    operator: &Operator<'_>,
    name: &ApplicationName,
    wanted: Option<&str>,
) -> Result<Diff, Failure> {
    let application = configured(operator, name).await?;
    let history = history(&operator.table, name).await?;
    let image = match wanted {
        Some(wanted) => image(operator, &application, &history, wanted).await?,
        None => match runs(operator, &application, None).await? {
            Some(digest) => image(operator, &application, &history, digest.as_str()).await?,
            None => {
                return Err(problem(
                    StatusCode::CONFLICT,
                    ProblemCode::UnknownImage,
                    format!("{name} runs no release yet: name an image"),
                )
                .at("image"));
            }
        },
    };
    let quarantine = quarantine_of(&operator.table, name, &image.digest).await?;
    let stops = quarantine.map(|quarantine| format!("the image is {}", quarantine.in_words()));
    let would_be = requested(&application, image.clone(), "diff");
    let freezes = freezes(&operator.table).await?;
    let mut stages = Vec::with_capacity(application.stages.len());
    for stage in &application.stages {
        stages.push(in_stage(operator, &application, stage, &would_be, &freezes).await?);
    }
    Ok(Diff { image, stops, stages })
}

async fn in_stage(
    operator: &Operator<'_>,
    application: &Application,
    stage: &Stage,
    release: &Release,
    freezes: &[Freeze],
) -> Result<StageDiff, Failure> {
    let ecs = operator.aws.ecs();
    let names: Vec<_> = stage.services.iter().map(|service| service.service.as_str()).collect();
    let wanted = stage.bake.as_ref().map(|bake| bake.alarms.as_slice()).unwrap_or_default();
    let alarms = async {
        let readings = if wanted.is_empty() { vec![] } else { operator.aws.alarms().read(wanted).await? };
        Ok(disquiet(wanted, &readings))
    };
    let views = async { Ok::<_, StepError>(ecs.services(stage.cluster(), &names).await?) };
    let (views, alarms) = try_join!(views, alarms)?;
    let frozen = stage_frozen(freezes, &application.name, stage).map(|frozen| frozen.in_words(&stage.name));
    let stops: Vec<_> = frozen.into_iter().chain(alarms).collect();
    let services = stage.services.iter().map(|service| {
        let view = views.iter().find(|view| view.is_of(&service.service));
        of_service(operator, application, stage, service, view, release)
    });
    let services = stream::iter(services.collect::<Vec<_>>()).buffered(AT_ONCE).try_collect().await?;
    let policy = stage.approval.as_ref();
    Ok(StageDiff {
        name: stage.name.clone(),
        services,
        asks: policy.map(|policy| policy.approvers.clone()).unwrap_or_default(),
        quorum: policy.map_or(0, |policy| policy.quorum),
        stops: (!stops.is_empty()).then(|| stops.join("; ")),
    })
}

async fn of_service(
    operator: &Operator<'_>,
    application: &Application,
    stage: &Stage,
    service: &StageService,
    view: Option<&ServiceView>,
    release: &Release,
) -> Result<ServiceDiff, Failure> {
    let name = service.service.clone();
    let stopped = |stops: String| ServiceDiff {
        name: name.clone(),
        runs: None,
        same: false,
        changes: vec![],
        stops: Some(stops),
    };
    let Some(view) = view else {
        return Ok(stopped(format!("the cluster {} has no active service {name}", stage.cluster())));
    };
    let families = stage.families(service);
    let ecs = operator.aws.ecs();
    let (template, running) = try_join!(
        ecs.task_definition(families.template_of(&view.task_definition)),
        ecs.task_definition(view.task_definition.as_str())
    )?;
    let Some(running) = running else {
        return Ok(stopped(format!("{} is gone", view.task_definition.name())));
    };
    let (template, next) = match usable_template(release, service, &families, template) {
        Ok(usable) => usable,
        Err(reason) => return Ok(stopped(reason)),
    };
    let own_of = |document| own(document, &release.image, name.as_str(), &service.containers).ok();
    let new = own_of(&template.document).map(|own| own.containers).unwrap_or_default();
    let runs = own_of(&running.document).map(|own| own.image).filter(|image| digest_of(image).is_some());
    Ok(ServiceDiff {
        same: next.is_registered_as(&running.document, &families.release),
        changes: changes(&running.document, &template.document, &new),
        runs: runs.map(|runs| in_words(application, runs)),
        name,
        stops: None,
    })
}

/// An image of the application's by its digest's first digits, another one as it is named.
fn in_words(application: &Application, image: &str) -> String {
    own_digest(application, image).map_or_else(|| image.to_owned(), |digest| digest.short().to_owned())
}
