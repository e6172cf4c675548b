//! What a person asks for.

use jiff::Timestamp;
use serde_json::Value;
use slipway_aws::{Aws, Key, Update};
use slipway_core::push::Ignored;
use slipway_core::quarantine::{Lifted, Quarantine};
use slipway_core::release::{Asked, Ended, Started};
use slipway_core::request::{Abort, AbortRequested, LiftRequested, ReleaseRequested, Request};
use slipway_release::{StepError, applications, count, now, parse_at, was_released};

use crate::push::quarantined;
use crate::{Config, Received, ignore, start};

/// Reads a request by its event's type.
pub(crate) fn read(detail_type: &str, detail: Value) -> Result<Request, StepError> {
    match detail_type {
        "Release Requested" => Ok(Request::Release(parse_at("detail", detail)?)),
        "Abort Requested" => Ok(Request::Abort(parse_at("detail", detail)?)),
        "Quarantine Lift Requested" => Ok(Request::Lift(parse_at("detail", detail)?)),
        other => Err(StepError::InvalidInput {
            field: "detail-type".into(),
            problem: format!(
                "{other:?} is none of Release Requested, Abort Requested and Quarantine Lift Requested"
            ),
        }),
    }
}

pub(crate) async fn handle(
    aws: &Aws,
    config: &Config,
    request: Request,
    id: &str,
    at: Timestamp,
) -> Result<Received, StepError> {
    match request {
        Request::Release(asked) => release(aws, config, asked, id, at).await,
        Request::Abort(asked) => abort(aws, config, asked).await,
        Request::Lift(asked) => lift(aws, config, asked).await,
    }
}

async fn release(
    aws: &Aws,
    config: &Config,
    asked: ReleaseRequested,
    id: &str,
    at: Timestamp,
) -> Result<Received, StepError> {
    let applications = applications(aws, &config.applications_path).await?;
    let Some(application) = applications.find(&asked.application)? else {
        return Err(StepError::InvalidInput {
            field: "detail.application".into(),
            problem: format!("no application is called {}", asked.application),
        });
    };
    let release = asked.release(&application, id);
    let ReleaseRequested { stage, by, reason, .. } = asked;
    let application = match stage {
        None => application,
        Some(stage) => {
            let problem = if !was_released(&aws.table(&config.table), &release).await? {
                format!(
                    "{} was never released: leave the stage out, and it goes through all of them",
                    release.image
                )
            } else if application.stages.iter().all(|one| one.name != stage) {
                format!("{} has no stage {stage}", application.name)
            } else {
                String::new()
            };
            application
                .only(&stage)
                .filter(|_| problem.is_empty())
                .ok_or(StepError::InvalidInput { field: "detail.stage".into(), problem })?
        }
    };
    if let Some(ignored) = quarantined(&aws.table(&config.table), &release).await? {
        return Ok(ignore(&ignored));
    }
    start(
        aws,
        config,
        Started { release, at: now(), pushed_at: at, asked: Some(Asked { by, reason }) },
        application,
    )
    .await
}

async fn abort(aws: &Aws, config: &Config, asked: AbortRequested) -> Result<Received, StepError> {
    let table = aws.table(&config.table);
    let AbortRequested { release, by, reason } = asked;
    if table.get::<Started>(&Key::release(&release)).await?.is_none() {
        return Err(StepError::InvalidInput {
            field: "detail.release".into(),
            problem: format!("no release has the id {release}"),
        });
    }
    if let Some(ended) = table.get::<Ended>(&Key::ending(&release)).await? {
        return Ok(ignore(&Ignored::Ended { release, outcome: ended.document.ending.outcome }));
    }
    let abort = Abort { by, reason, at: now() };
    // The first one stands: asking twice is asking once.
    if table.put_new(&Key::abort(&release), &abort).await? {
        tracing::warn!(release.id = %release, reason = abort.reason, "{release} is to be {}", abort.in_words());
        count("ReleaseAborted", &[]);
    }
    Ok(Received::Aborting { release })
}

async fn lift(aws: &Aws, config: &Config, asked: LiftRequested) -> Result<Received, StepError> {
    let table = aws.table(&config.table);
    let LiftRequested { application, digest, by, reason } = asked;
    let key = Key::quarantine(&application, &digest);
    let lifted = Lifted { by, reason, at: now() };
    let known = table.update(&key, |current: Option<Quarantine>| match current {
        Some(current) if current.holds() => {
            Update::Write(Quarantine { lifted: Some(lifted.clone()), ..current }, Some(true))
        }
        Some(_) => Update::Leave(Some(false)),
        None => Update::Leave(None),
    });
    match known.await? {
        Some(true) => {
            let Lifted { by, reason, .. } = &lifted;
            tracing::warn!(application = %application, image.digest = %digest, by, reason, "the quarantine of {digest} is lifted");
            count("QuarantineLifted", &[("Application", application.as_str())]);
            Ok(Received::Lifted { digest })
        }
        Some(false) => Ok(Received::Lifted { digest }),
        None => Err(StepError::InvalidInput {
            field: "detail.digest".into(),
            problem: format!("{digest} of {application} is not quarantined"),
        }),
    }
}
