//! The stop-the-line switch: people freeze stages, lift that again, and let one release through.

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use lambda_http::http::StatusCode;
use slipway_aws::{Key, Update};
use slipway_core::api::{Done, FreezeRequest, OverrideRequest, ProblemCode, UnfreezeRequest};
use slipway_core::application::Application;
use slipway_core::audit::{About, What};
use slipway_core::freeze::{Freeze, Override, open_windows, scope};
use slipway_core::name::{ApplicationName, ReleaseId, StageName};
use slipway_core::notification::Notification;
use slipway_core::quarantine::Lifted;
use slipway_release::{Open, count, freezes, now, stage_frozen};

use crate::Operator;
use crate::act::write_down;
use crate::problem::{Failure, problem};
use crate::read::{configured, refuse_ended, started};

/// How many applications' audits are written at a time.
const AT_ONCE: usize = 16;

/// Freezes stages of an application, or of all of them.
pub(crate) async fn freeze(
    operator: &Operator<'_>,
    application: Option<&ApplicationName>,
    request: FreezeRequest,
) -> Result<Done, Failure> {
    let Operator { table, caller, .. } = operator;
    let FreezeRequest { stage, until, reason } = request;
    let concerned = concerned(operator, application, stage.as_ref()).await?;
    if reason.is_empty() {
        return Err(malformed("reason", "the reason is missing: write why, for those who wait"));
    }
    let at = now();
    if until.is_some_and(|until| until <= at) {
        let detail = format!("until is not in the future: it is {at:.0} now");
        return Err(problem(StatusCode::CONFLICT, ProblemCode::Malformed, detail).at("until"));
    }
    let freeze = Freeze {
        application: application.cloned(),
        stage,
        until,
        reason,
        by: caller.name.clone(),
        arn: caller.arn.clone(),
        at,
        lifted: None,
    };
    let key = Key::freeze(application, freeze.stage.as_ref());
    let written = table.update(&key, |current: Option<Freeze>| match current {
        // The same request again.
        Some(current) if current.holds(at) && Freeze { at, ..current.clone() } == freeze => {
            Update::Leave(false)
        }
        _ => Update::Write(freeze.clone(), true),
    });
    let (scope, end) = (freeze.scope(), end(until));
    if written.await? {
        tracing::warn!(caller = caller.arn, reason = freeze.reason, "{scope} is frozen {end}");
        count("Frozen", &[]);
        let words = format!("{scope} is frozen {end} by {}: {}", caller.name, freeze.reason);
        write_to_all(operator, &concerned, What::Frozen, &words).await?;
    }
    Ok(Done {
        words: format!(
            "{scope} is frozen {end}; what has begun to change goes on, and rollbacks are never held"
        ),
    })
}

/// Lifts a freeze.
pub(crate) async fn unfreeze(
    operator: &Operator<'_>,
    application: Option<&ApplicationName>,
    request: UnfreezeRequest,
) -> Result<Done, Failure> {
    let Operator { table, caller, .. } = operator;
    let UnfreezeRequest { stage, reason } = request;
    let concerned = concerned(operator, application, stage.as_ref()).await?;
    let scope = scope(application, stage.as_ref());
    let (at, by) = (now(), caller.name.clone());
    let lifted = Lifted { by, reason, at, arn: Some(caller.arn.clone()) };
    let key = Key::freeze(application, stage.as_ref());
    let was_frozen = table.update(&key, |current: Option<Freeze>| match current {
        Some(current) if current.holds(at) => {
            Update::Write(Freeze { lifted: Some(lifted.clone()), ..current }, true)
        }
        _ => Update::Leave(false),
    });
    if !was_frozen.await? {
        let others: Vec<_> = freezes(table).await?.iter().map(Freeze::scope).collect();
        let others = if others.is_empty() {
            "nobody has frozen anything".to_owned()
        } else {
            format!("frozen by people is {}", others.join(", "))
        };
        return Err(problem(
            StatusCode::CONFLICT,
            ProblemCode::NotFrozen,
            format!(
                "nobody has frozen {scope}; {others}. A window of the configuration ends by itself: `slipway override RELEASE` lets one release through"
            ),
        ));
    }
    tracing::warn!(caller = caller.arn, reason = lifted.reason, "{scope} is not frozen any more");
    count("Unfrozen", &[]);
    let why = if lifted.reason.is_empty() { String::new() } else { format!(": {}", lifted.reason) };
    let words = format!("{scope} is not frozen any more, by {}{why}", caller.name);
    write_to_all(operator, &concerned, What::Unfrozen, &words).await?;
    let still: Vec<_> = still_frozen(operator, &concerned).await?;
    let still =
        if still.is_empty() { String::new() } else { format!("; still frozen: {}", still.join("; ")) };
    Ok(Done { words: format!("{scope} is not frozen by this any more; releases that waited go on{still}") })
}

/// Lets a release through the freezes that are in force now.
pub(crate) async fn let_through(
    operator: &Operator<'_>,
    name: &ApplicationName,
    id: &ReleaseId,
    request: OverrideRequest,
) -> Result<Done, Failure> {
    let Operator { table, caller, .. } = operator;
    let begun = started(operator, name, id).await?;
    if request.reason.is_empty() {
        return Err(malformed("reason", "the reason is missing: write why, for everybody who is notified"));
    }
    refuse_ended(operator, id).await?;
    // The stages as the release took them along.
    let open = table.get::<Open>(&Key::open(name, id)).await?;
    let application = match open {
        Some(open) => open.document.application,
        None => configured(operator, name).await?,
    };
    let all = freezes(table).await?;
    let frozen: Vec<_> = application
        .stages
        .iter()
        .filter_map(|stage| Some(stage_frozen(&all, name, stage)?.in_words(&stage.name)))
        .collect();
    if frozen.is_empty() {
        return Err(problem(
            StatusCode::CONFLICT,
            ProblemCode::NotFrozen,
            format!("no stage of {name} is frozen now, so there is nothing to override"),
        ));
    }
    let at = now();
    let windows = application.stages.iter().filter_map(|stage| open_windows(&stage.freeze, at));
    let given = Override {
        by: caller.name.clone(),
        reason: request.reason,
        at,
        windows_until: windows.map(|(until, _)| until).max(),
        arn: caller.arn.clone(),
    };
    let key = Key::freeze_override(id);
    // A later freeze is overridden by asking again; the same request again is the same override.
    let covers = |before: &Override| {
        all.iter().all(|freeze| freeze.at <= before.at)
            && before.windows_until.is_none_or(|until| at < until)
            && before.windows_until.is_some() == given.windows_until.is_some()
    };
    let written = table.update(&key, |current: Option<Override>| match current {
        Some(before) if covers(&before) => Update::Leave(false),
        _ => Update::Write(given.clone(), true),
    });
    if written.await? {
        tracing::warn!(release.id = %id, caller = caller.arn, reason = given.reason, "{}", given.in_words());
        count("FreezeOverridden", &[("Application", name.as_str())]);
        let about = About::release(name, id, &begun.release.image.digest);
        let words = format!("{}; {}", given.in_words(), frozen.join("; "));
        write_down(operator, &about, What::FreezeOverridden, &words).await?;
        let notification = Notification::freeze_overridden(&begun.release, &given.in_words(), &frozen);
        operator.notifier().notify(notification).await?;
    }
    Ok(Done { words: format!("{id} goes on in spite of it: {}", frozen.join("; ")) })
}

/// The applications that a freeze is of; else what is not there.
async fn concerned(
    operator: &Operator<'_>,
    application: Option<&ApplicationName>,
    stage: Option<&StageName>,
) -> Result<Vec<Application>, Failure> {
    let all = if let Some(name) = application {
        vec![configured(operator, name).await?]
    } else {
        let all = slipway_release::applications(operator.aws, &operator.config.applications_path).await?;
        all.configured.into_iter().map(|one| one.application).collect()
    };
    let Some(stage) = stage else { return Ok(all) };
    let mut stages: Vec<_> =
        all.iter().flat_map(|one| &one.stages).map(|stage| stage.name.to_string()).collect();
    stages.sort();
    stages.dedup();
    let has = |one: &Application| one.stages.iter().any(|own| own.name == *stage);
    let concerned: Vec<_> = all.into_iter().filter(has).collect();
    if concerned.is_empty() {
        let whose = application.map_or_else(|| "no application".to_owned(), ToString::to_string);
        let has = if application.is_some() { "has no" } else { "has a" };
        return Err(problem(
            StatusCode::NOT_FOUND,
            ProblemCode::UnknownStage,
            format!("{whose} {has} stage {stage}; write one of {}", stages.join(", ")),
        )
        .at("stage"));
    }
    Ok(concerned)
}

async fn write_to_all(
    operator: &Operator<'_>,
    concerned: &[Application],
    what: What,
    words: &str,
) -> Result<(), Failure> {
    let writes = concerned.iter().map(|application| async move {
        write_down(operator, &About::application(&application.name), what, words).await
    });
    stream::iter(writes.collect::<Vec<_>>()).buffer_unordered(AT_ONCE).try_collect::<()>().await
}

/// The stages that are frozen all the same, in words; of a few applications.
async fn still_frozen(operator: &Operator<'_>, concerned: &[Application]) -> Result<Vec<String>, Failure> {
    const SHOWN: usize = 5;
    let all = freezes(&operator.table).await?;
    let stages = concerned.iter().flat_map(|one| one.stages.iter().map(move |stage| (&one.name, stage)));
    let frozen = stages.filter_map(|(name, stage)| {
        let frozen = stage_frozen(&all, name, stage)?;
        Some(format!("{name} {}", frozen.in_words(&stage.name)))
    });
    Ok(frozen.take(SHOWN).collect())
}

fn end(until: Option<Timestamp>) -> String {
    until.map_or_else(|| "until somebody lifts it".to_owned(), |until| format!("until {until:.0}"))
}

fn malformed(field: &str, detail: &str) -> Failure {
    problem(StatusCode::BAD_REQUEST, ProblemCode::Malformed, detail).at(field)
}
