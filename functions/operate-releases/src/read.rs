//! What operators ask about releases. Nothing here writes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::Future;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use futures::try_join;
use lambda_http::http::StatusCode;
use slipway_aws::{Item, Key, Stored, Table};
use slipway_core::api::{
    Application, ApplicationStatus, Applications, Approvals, Audit, BrokenApplication, IgnoredPush, Message,
    OpenApproval, OpenRelease, PastRelease, ProblemCode, Quarantined, ReleaseDetail, Releases, Running,
    ServiceStatus, StageStatus,
};
use slipway_core::application::{self, Stage};
use slipway_core::approval::{Approval, ApprovalId, Status};
use slipway_core::audit::Sealed;
use slipway_core::deployment::ServiceView;
use slipway_core::freeze::Freeze;
use slipway_core::history::{History, Past, nearest};
use slipway_core::image::Digest;
use slipway_core::lock::Lock;
use slipway_core::name::{ApplicationName, ReleaseId, StageName};
use slipway_core::quarantine::Quarantine;
use slipway_core::release::{Ended, Started};
use slipway_core::timeline::{self, TimelineEvent};
use slipway_release::{Configured, Open, StepError, Timeline, freezes, now, stage_frozen};

use crate::Operator;
use crate::problem::{Failure, problem};

/// How many calls of one kind are under way at once.
const AT_ONCE: usize = 16;
/// How many releases of a history are answered.
const RELEASES: usize = 200;
/// How many pushes that started nothing are answered.
const IGNORED: usize = 20;
/// How many of ECS's messages of a service are answered.
const MESSAGES: usize = 5;

/// What a service runs, by cluster and name.
pub(crate) type Services = HashMap<(String, String), ServiceView>;

/// Every application.
pub(crate) async fn applications(operator: &Operator<'_>) -> Result<Applications, Failure> {
    let Operator { aws, config, table, .. } = operator;
    let configured = async { slipway_release::applications(aws, &config.applications_path).await };
    let open = async { Ok(table.list::<Open>(Key::OPEN, "").await?) };
    let running = async { Ok(table.list::<Running>(Key::RUNNING, "").await?) };
    let (all, open, running, freezes) = try_join!(configured, open, running, freezes(table))?;
    let services =
        services(operator, all.configured.iter().map(|configured| &configured.application)).await?;
    let mut releases = open_releases(table, open).await?;
    let running = by_stage(running);
    let mut applications: Vec<_> = all
        .configured
        .into_iter()
        .map(|Configured { application, .. }| {
            let releases = releases.remove(&application.name).unwrap_or_default();
            status(application, releases, &running, &services, &freezes)
        })
        .collect();
    applications.sort_by(|one, other| one.name.cmp(&other.name));
    let broken = all
        .broken
        .into_iter()
        .map(|broken| BrokenApplication { parameter: broken.parameter, problem: broken.problem });
    let freezes = freezes.into_iter().map(Into::into).collect();
    Ok(Applications { applications, broken: broken.collect(), freezes })
}

/// One application.
pub(crate) async fn application(
    operator: &Operator<'_>,
    name: &ApplicationName,
) -> Result<Application, Failure> {
    let table = &operator.table;
    let configured = configured(operator, name).await?;
    let (pk, prefix) = Key::open_of(name);
    let open = async { Ok::<_, StepError>(table.list::<Open>(&pk, &prefix).await?) };
    let (running_of, running_prefix) = Key::running_of(name);
    let running = async { Ok(table.list::<Running>(running_of, &running_prefix).await?) };
    let quarantines = async { Ok(table.list::<Quarantine>(&Key::quarantines(name), "").await?) };
    let ignored = async { Ok(table.list::<IgnoredPush>(&Key::all_ignored(name), "").await?) };
    let lock = lock(table, name);
    let services = services(operator, [&configured]);
    let (open, running, quarantines, ignored, lock, services, freezes) =
        try_join!(open, running, quarantines, ignored, lock, services, freezes(table))?;
    let tags = if quarantines.is_empty() { HashMap::new() } else { tags(table, name).await? };
    let releases = open_releases(table, open).await?.remove(name).unwrap_or_default();
    let mut quarantined: Vec<_> = quarantines
        .into_iter()
        .filter(|(_, stored)| stored.document.holds())
        .filter_map(|(key, Stored { document, .. })| {
            let digest = Digest::new(key.sk).ok()?;
            let Quarantine { release, outcome, reason, at, .. } = document;
            Some(Quarantined { tag: tags.get(&digest).cloned(), digest, release, outcome, reason, since: at })
        })
        .collect();
    quarantined.sort_by_key(|one| std::cmp::Reverse(one.since));
    let ignored = ignored.into_iter().rev().take(IGNORED).map(|(_, stored)| stored.document);
    Ok(Application {
        status: status(configured, releases, &by_stage(running), &services, &freezes),
        lock,
        quarantined,
        ignored: ignored.collect(),
    })
}

/// An application as it is configured.
pub(crate) async fn configured(
    operator: &Operator<'_>,
    name: &ApplicationName,
) -> Result<application::Application, Failure> {
    let path = &operator.config.applications_path;
    if let Some(application) = slipway_release::find_application(operator.aws, path, name).await? {
        return Ok(application);
    }
    let all = slipway_release::applications(operator.aws, path).await?.configured;
    let known = nearest(&all, name.as_str(), |one| one.application.name.as_str());
    let known: Vec<_> = known.iter().map(|one| one.application.name.as_str()).collect();
    let known = match known.len() {
        0 => "none is configured".to_owned(),
        few if few == all.len() => format!("those that are: {}", known.join(", ")),
        _ => format!("those that are, the nearest first: {}, …", known.join(", ")),
    };
    Err(problem(
        StatusCode::NOT_FOUND,
        ProblemCode::UnknownApplication,
        format!("no application is called {name}; {known}"),
    ))
}

pub(crate) fn by_stage(running: Vec<(Key, Stored<Running>)>) -> HashMap<String, Running> {
    running.into_iter().map(|(key, stored)| (key.sk, stored.document)).collect()
}

/// The services of applications, as ECS has them: ten in a call.
fn services<'a>(
    operator: &'a Operator<'_>,
    applications: impl IntoIterator<Item = &'a application::Application>,
) -> impl Future<Output = Result<Services, StepError>> + 'a {
    let mut wanted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for stage in applications.into_iter().flat_map(|application| &application.stages) {
        let names = stage.services.iter().map(|service| service.service.to_string());
        wanted.entry(stage.cluster().to_owned()).or_default().extend(names);
    }
    async move {
        let calls = wanted.into_iter().flat_map(|(cluster, names)| {
            let names: Vec<_> = names.into_iter().collect();
            names.chunks(10).map(|names| (cluster.clone(), names.to_vec())).collect::<Vec<_>>()
        });
        let ecs = operator.aws.ecs();
        let calls = calls.map(|(cluster, names)| {
            let ecs = ecs.clone();
            async move {
                let some: Vec<_> = names.iter().map(String::as_str).collect();
                let views = ecs.services(&cluster, &some).await?;
                let named = views.into_iter().filter_map(|view| {
                    let name = view.arn.as_str().rsplit('/').next()?.to_owned();
                    Some(((cluster.clone(), name), view))
                });
                Ok::<_, StepError>(named.collect::<Vec<_>>())
            }
        });
        let found: Vec<_> = stream::iter(calls).buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }
}

pub(crate) fn status(
    application: application::Application,
    releases: Vec<OpenRelease>,
    running: &HashMap<String, Running>,
    services: &Services,
    freezes: &[Freeze],
) -> ApplicationStatus {
    let stages = application.stages.iter().map(|stage| {
        let runs = running.get(&Key::running(&application.name, &stage.name).sk).cloned();
        // While a release changes it, what it runs is what the release says.
        let changes = releases.iter().any(|release| release.stage.as_ref() == Some(&stage.name));
        let services = service_statuses(stage, runs.as_ref().filter(|_| !changes), services);
        let frozen = stage_frozen(freezes, &application.name, stage);
        StageStatus { name: stage.name.clone(), cluster: cluster(stage), runs, services, frozen }
    });
    ApplicationStatus { stages: stages.collect(), name: application.name, releases }
}

fn cluster(stage: &Stage) -> slipway_core::name::ClusterName {
    slipway_core::name::ClusterName::new(stage.cluster()).expect("a stage's name is a cluster's as well")
}

fn service_statuses(stage: &Stage, runs: Option<&Running>, services: &Services) -> Vec<ServiceStatus> {
    let statuses = stage.services.iter().map(|configured| {
        let name = configured.service.clone();
        let Some(view) = services.get(&(stage.cluster().to_owned(), name.to_string())) else {
            let problem = Some(format!("the cluster {} has no active service {name}", stage.cluster()));
            return ServiceStatus {
                name,
                running: 0,
                desired: 0,
                task_definition: None,
                problem,
                messages: vec![],
            };
        };
        ServiceStatus {
            problem: runs.and_then(|runs| runs.drift(&name, &view.task_definition)),
            name,
            running: view.running_count,
            desired: view.desired_count,
            task_definition: Some(view.task_definition.clone()),
            messages: vec![],
        }
    });
    statuses.collect()
}

pub(crate) async fn lock(
    table: &Table,
    application: &ApplicationName,
) -> Result<Option<ReleaseId>, StepError> {
    let lock = table.get::<Lock>(&Key::lock(application)).await?;
    Ok(lock.and_then(|stored| stored.document.holder).map(|holder| holder.release))
}

/// The releases that have not ended, by application, the newest push first.
pub(crate) async fn open_releases(
    table: &Table,
    open: Vec<(Key, Stored<Open>)>,
) -> Result<HashMap<ApplicationName, Vec<OpenRelease>>, StepError> {
    let all = open.into_iter().map(|(_, stored)| async move {
        let Open { started, application } = stored.document;
        let release = open_release(table, &started).await?;
        Ok::<_, StepError>((application.name, started.pushed_at, release))
    });
    let mut all: Vec<_> = stream::iter(all).buffer_unordered(AT_ONCE).try_collect().await?;
    all.sort_by_key(|(_, pushed_at, _)| std::cmp::Reverse(*pushed_at));
    let mut found: HashMap<_, Vec<_>> = HashMap::new();
    for (application, _, release) in all {
        found.entry(application).or_default().push(release);
    }
    Ok(found)
}

async fn open_release(table: &Table, started: &Started) -> Result<OpenRelease, StepError> {
    let release = &started.release;
    let events = Timeline::of(table, &release.id).events().await?;
    let stages = timeline::progress(&events, now());
    let active = stages.iter().find(|stage| stage.state.is_active());
    let since = events.last().map_or(started.at, |event| event.at);
    let mut one = OpenRelease {
        id: release.id.clone(),
        image: release.image.clone(),
        begun_at: started.at,
        asked: started.asked.as_ref().map(slipway_core::release::Asked::in_words),
        stage: active.map(|active| active.stage.clone()),
        state: active.map_or("Begins", |active| active.state.in_words()).to_owned(),
        since,
        waits_for: Vec::new(),
    };
    if active.is_none() {
        let holder = lock(table, &release.application).await?;
        if let Some(holder) = holder.filter(|holder| *holder != release.id) {
            one.state = String::from("Waits for the lock");
            one.waits_for.push(holder.to_string());
        } else if stages.iter().any(|stage| stage.took.is_some()) {
            one.state = String::from("Goes on to the next stage");
        }
    } else if active.is_some_and(|active| active.state == timeline::StageState::Asked) {
        for approval in open_approvals_of(table, &release.id).await? {
            one.waits_for.extend(approval.silent());
        }
    }
    Ok(one)
}

/// The approvals of a release that people may answer.
async fn open_approvals_of(table: &Table, release: &ReleaseId) -> Result<Vec<OpenApproval>, StepError> {
    let (pk, prefix) = Key::all_asked(release);
    let mut found = Vec::new();
    for (_, Stored { document: id, .. }) in table.list::<ApprovalId>(&pk, &prefix).await? {
        if let Some(stored) = table.get::<Approval>(&Key::approval(&id)).await?
            && stored.document.status == Status::Pending
            && stored.document.expires_at > now()
        {
            found.push(stored.document.into());
        }
    }
    Ok(found)
}

/// Every approval that people may answer.
pub(crate) async fn approvals(operator: &Operator<'_>) -> Result<Approvals, Failure> {
    let table = &operator.table;
    let open = table.list::<Open>(Key::OPEN, "").await?;
    let all = open.into_iter().map(|(_, stored)| async move {
        open_approvals_of(table, &stored.document.started.release.id).await
    });
    let found: Vec<_> = stream::iter(all).buffer_unordered(AT_ONCE).try_collect().await?;
    let mut approvals: Vec<OpenApproval> = found.into_iter().flatten().collect();
    approvals.sort_by_key(|approval| approval.asked_at);
    Ok(Approvals { approvals })
}

/// The releases of an application, the newest push first.
pub(crate) async fn history(table: &Table, application: &ApplicationName) -> Result<History, StepError> {
    let mut started = table.list::<Started>(&Key::histories(application), "").await?;
    started.reverse();
    let past = started.into_iter().take(RELEASES).map(|(_, stored)| async move {
        let started = stored.document;
        let ended = table.get::<Ended>(&Key::ending(&started.release.id)).await?;
        Ok::<_, StepError>(Past { started, ended: ended.map(|stored| stored.document) })
    });
    Ok(History(stream::iter(past).buffered(AT_ONCE).try_collect().await?))
}

/// The tags that an application's images were released under.
async fn tags(table: &Table, application: &ApplicationName) -> Result<HashMap<Digest, String>, StepError> {
    let started = table.list::<Started>(&Key::histories(application), "").await?;
    let images = started.into_iter().map(|(_, stored)| stored.document.release.image);
    Ok(images.map(|image| (image.digest, image.tag)).collect())
}

pub(crate) async fn releases(operator: &Operator<'_>, name: &ApplicationName) -> Result<Releases, Failure> {
    let table = &operator.table;
    let history = async {
        let history = history(table, name).await?;
        // One that is not configured any more has a history still.
        if history.0.is_empty() {
            configured(operator, name).await?;
        }
        Ok::<_, Failure>(history)
    };
    let quarantines = async { Ok(table.list::<Quarantine>(&Key::quarantines(name), "").await?) };
    let (history, quarantines) = try_join!(history, quarantines)?;
    let held: BTreeSet<_> = quarantines
        .into_iter()
        .filter(|(_, stored)| stored.document.holds())
        .map(|(key, _)| key.sk)
        .collect();
    let rolled_back = history.rolled_back(now()).map(|(past, ended)| async move {
        let events = Timeline::of(table, &past.started.release.id).events().await?;
        Ok::<_, StepError>(timeline::restored_after(&events, ended.ending.stage.as_ref(), ended.at))
    });
    let restored: Vec<_> =
        stream::iter(rolled_back.collect::<Vec<_>>()).buffer_unordered(AT_ONCE).try_collect().await?;
    let restored: Vec<_> = restored.into_iter().flatten().collect();
    let figures = history.figures(now(), &restored);
    let releases = history.0.into_iter().map(|Past { started, ended }| {
        let image = started.release.image;
        PastRelease {
            quarantined: held.contains(image.digest.as_str()),
            id: started.release.id,
            image,
            pushed_at: started.pushed_at,
            begun_at: started.at,
            asked: started.asked.map(|asked| asked.in_words()),
            end: ended.map(Into::into),
        }
    });
    Ok(Releases { releases: releases.collect(), figures })
}

/// One release of an application: of another one's there is none.
/// Refuses what is asked of a release that has ended.
pub(crate) async fn refuse_ended(operator: &Operator<'_>, id: &ReleaseId) -> Result<(), Failure> {
    let Some(ended) = operator.table.get::<Ended>(&Key::ending(id)).await? else { return Ok(()) };
    let ending = ended.document.ending;
    Err(problem(
        StatusCode::CONFLICT,
        ProblemCode::Ended,
        format!("{id} has ended {} already: {}", ending.outcome, ending.reason),
    ))
}

pub(crate) async fn started(
    operator: &Operator<'_>,
    application: &ApplicationName,
    id: &ReleaseId,
) -> Result<Started, Failure> {
    let started = operator.table.get::<Started>(&Key::release(id)).await?;
    let started = started.map(|stored| stored.document);
    started.filter(|started| started.release.application == *application).ok_or_else(|| {
        problem(
            StatusCode::NOT_FOUND,
            ProblemCode::UnknownRelease,
            format!("no release of {application} has the id {id}"),
        )
    })
}

pub(crate) async fn release(
    operator: &Operator<'_>,
    application: &ApplicationName,
    id: &ReleaseId,
) -> Result<ReleaseDetail, Failure> {
    let table = &operator.table;
    let started = started(operator, application, id).await?;
    let timeline = Timeline::of(table, id);
    let events = async { Ok::<_, StepError>(timeline.events().await?) };
    let ended = async { Ok(table.get::<Ended>(&Key::ending(id)).await?.map(|stored| stored.document)) };
    let holder = lock(table, application);
    let approvals = open_approvals_of(table, id);
    let open = async { Ok(table.get::<Open>(&Key::open(application, id)).await?) };
    let (events, ended, holder, approvals, open) = try_join!(events, ended, holder, approvals, open)?;
    let stages = timeline::progress(&events, now());
    let active = stages.iter().find(|stage| stage.state.is_active()).map(|stage| stage.stage.clone());
    let services = match (&active, open) {
        (Some(active), Some(open)) => changing(operator, open.document.application, active, &events).await?,
        _ => Vec::new(),
    };
    let waits = ended.is_none() && active.is_none() && stages.iter().all(|stage| stage.took.is_none());
    Ok(ReleaseDetail {
        release: started.release,
        pushed_at: started.pushed_at,
        begun_at: started.at,
        asked: started.asked.map(|asked| asked.in_words()),
        stages: stages.into_iter().map(Into::into).collect(),
        waits_for_lock_of: holder.filter(|holder| waits && holder != id),
        approvals: if ended.is_none() { approvals } else { Vec::new() },
        services,
        end: ended.map(Into::into),
        events: events.into_iter().map(Into::into).collect(),
        now: now(),
    })
}

/// The services of the stage that changes now, with what ECS has said since it does.
async fn changing(
    operator: &Operator<'_>,
    application: application::Application,
    active: &StageName,
    events: &[TimelineEvent],
) -> Result<Vec<ServiceStatus>, Failure> {
    let since = events.iter().find(|event| event.stage.as_ref() == Some(active)).map(|event| event.at);
    let Some(application) = application.only(active) else { return Ok(Vec::new()) };
    let Some(stage) = application.stages.first() else { return Ok(Vec::new()) };
    let views = services(operator, [&application]).await?;
    let mut statuses = service_statuses(stage, None, &views);
    for status in &mut statuses {
        let Some(view) = views.get(&(stage.cluster().to_owned(), status.name.to_string())) else { continue };
        let messages = view.events.iter().filter(|event| since.is_none_or(|since| event.at >= since));
        status.messages = messages
            .take(MESSAGES)
            .map(|event| Message { at: event.at, words: event.message.clone() })
            .collect();
    }
    Ok(statuses)
}

pub(crate) async fn audit(operator: &Operator<'_>, name: &ApplicationName) -> Result<Audit, Failure> {
    let entries = operator.table.list::<Sealed>(&Key::audits(name), "").await?;
    if entries.is_empty() {
        configured(operator, name).await?;
    }
    let is_entry = |key: &Key| matches!(key.parse(), Some(Item::AuditEntry { .. }));
    let entries = entries.into_iter().filter(|(key, _)| is_entry(key));
    Ok(Audit { entries: entries.map(|(_, stored)| stored.document).collect() })
}
