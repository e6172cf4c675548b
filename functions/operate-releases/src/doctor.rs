//! What must be right before the first push, and what goes wrong later: reads what [`slipway_core::doctor`] decides on.
//! Nothing here writes.
//!
//! What AWS refuses is a finding; what may be asked again is not answered, as anywhere.

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use futures::{join, try_join};
use slipway_aws::{Key, TaskDefinition};
use slipway_core::api::Running;
use slipway_core::application::{Application, Stage, StageService};
use slipway_core::deployment::{ServiceView, unsupported};
use slipway_core::doctor::Severity::{self, Stops, Warns};
use slipway_core::doctor::{self, Checkup, Finding, Look, RecordedPush, Subject};
use slipway_core::image::{Digest, Image};
use slipway_core::name::{ApplicationName, EmailAddress};
use slipway_core::obstacle::Obstacle;
use slipway_core::pusher::Pushers;
use slipway_core::reconciliation::Reconciliation;
use slipway_core::release::{Release, Started};
use slipway_core::request::requested;
use slipway_core::subscription::Subscription;
use slipway_release::{Open, StepError, now, unreachable, usable_task, usable_template};

use crate::Operator;
use crate::problem::Failure;
use crate::read::configured;
use crate::upkeep::dead_letter_queues;

/// How many services, and how many queues, are looked at at once.
const AT_ONCE: usize = 8;
/// Of how many pushes the records are looked for.
const PUSHES: usize = 5;

/// What was read, if AWS did not refuse it: then that is a finding.
fn seen<T>(
    checkup: &mut Checkup,
    subject: Subject,
    severity: Severity,
    what: &str,
    read: Result<T, StepError>,
) -> Result<Option<T>, StepError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error) if error.may_be_tried_again() => Err(error),
        Err(error) => {
            checkup.add(Finding::unseen(subject, severity, what, &error.with_causes()).into());
            Ok(None)
        }
    }
}

/// Looks at the deployer itself.
pub(crate) async fn deployer(operator: &Operator<'_>) -> Result<Checkup, Failure> {
    let Operator { aws, config, table, .. } = operator;
    let mut checkup = Checkup::default();
    let all = async { slipway_release::applications(aws, &config.applications_path).await };
    let reconciliation =
        async { Ok::<_, StepError>(table.get::<Reconciliation>(&Key::reconciliation()).await?) };
    let approvals = aws.topic(&config.approval_topic_arn);
    let notifications = aws.topic(&config.channels.mails);
    let (all, reconciliation, subscribed, notified, letters) = join!(
        all,
        reconciliation,
        async { Ok::<_, StepError>(approvals.subscriptions().await?) },
        async { Ok::<_, StepError>(notifications.subscriptions().await?) },
        dead_letters(operator)
    );
    let (all, reconciliation) = (all?, reconciliation?.map(|stored| stored.document));

    let mut names: Vec<_> = all.configured.iter().map(|one| one.application.name.clone()).collect();
    names.sort_unstable();
    for name in &names {
        checkup.add(Look::Fine(format!("the configuration of {name} can be used")));
    }
    for one in &all.broken {
        checkup.add(doctor::broken(&one.parameter, &one.problem, one.application()).into());
    }
    if let Some(subscribed) =
        seen(&mut checkup, Subject::Subscription, Warns, "the approvals' subscriptions", subscribed)?
    {
        checkup.add_all(doctor::topic(&all.approvers, &subscribed));
    }
    if let Some(notified) =
        seen(&mut checkup, Subject::Subscription, Warns, "the notifications' subscriptions", notified)?
    {
        checkup.add_all(doctor::notified(&notified));
    }
    if let Some(letters) = seen(&mut checkup, Subject::DeadLetters, Warns, "the dead-letter queues", letters)?
    {
        for (queue, messages) in letters {
            checkup.add(doctor::dead_letters(&queue, messages));
        }
    }
    let reconciliation = reconciliation.unwrap_or_default();
    checkup.add(doctor::reconciler(reconciliation.ended_at, config.reconcile_minutes, now()));
    if let Some(look) = doctor::version(reconciliation.version.as_deref(), env!("CARGO_PKG_VERSION")) {
        checkup.add(look);
    }
    checkup.applications = names;
    Ok(checkup)
}

/// The deployer's dead-letter queues, and how many messages lie in each. SQS itself is asked: `CloudWatch` has its
/// measurements later, and has them "only when the queue is active" ("Available `CloudWatch` metrics for Amazon SQS", Amazon SQS
/// developer guide), which one that nobody reads is not for long.
async fn dead_letters(operator: &Operator<'_>) -> Result<Vec<(String, u32)>, StepError> {
    let queues = dead_letter_queues(operator).await?;
    Ok(queues.into_iter().map(|queue| (queue.name, queue.messages)).collect())
}

/// Looks at one application.
pub(crate) async fn application(operator: &Operator<'_>, name: &ApplicationName) -> Result<Checkup, Failure> {
    let application = &configured(operator, name).await?;
    let table = &operator.table;
    let mut own = Checkup::default();
    let (partition, prefix) = Key::running_of(name);
    let running = async { Ok::<_, StepError>(table.list::<Running>(partition, &prefix).await?) };
    let (partition, prefix) = Key::open_of(name);
    let open = async { Ok::<_, StepError>(table.list::<Open>(&partition, &prefix).await?) };
    let repositories = operator.aws.repositories();
    let (running, open, pushes, scanned, subscribed) = join!(
        running,
        open,
        pushes(operator, application),
        async { Ok::<_, StepError>(repositories.is_scanned(&application.repository).await?) },
        subscriptions(operator, application)
    );
    let (running, open, pushes) = (running?, open?, pushes?);

    let scanned = match scanned {
        Err(error) if error.may_be_tried_again() => return Err(error.into()),
        other => other.map_err(|error| error.with_causes()),
    };
    let is_there = scanned.clone().map(|scanned| scanned.is_some());
    own.add(doctor::repository(&application.repository, is_there, &operator.config.deployer));
    if let Ok(Some(scanned)) = scanned
        && application.stages.iter().any(|stage| stage.image_check.is_some())
    {
        own.add(doctor::scanning(&application.repository, scanned));
    }
    let subscribed =
        seen(&mut own, Subject::Subscription, Warns, "the approvers' subscriptions", subscribed)?;
    let mut checkup = own.of_application(name);

    let would_be = requested(application, image_of_nobody(application), "doctor");
    for stage in &application.stages {
        let key = Key::running(name, &stage.name);
        let runs = running.iter().find(|(one, _)| *one == key).map(|(_, stored)| &stored.document);
        // A release that is under way changes what runs.
        let runs = runs.filter(|_| open.is_empty());
        let mut of_stage = Checkup::default();
        if let Some(policy) = &stage.approval {
            let people = subscribed.iter().flat_map(|subscribed| doctor::approvers(policy, subscribed));
            of_stage.add_all(people.chain(doctor::trail(policy, &pushes, now())));
        }
        look_at_alarms(operator, stage, &mut of_stage).await?;
        look_at_tasks(operator, stage, (runs, &would_be), &mut of_stage).await?;
        checkup.and(of_stage.of_stage(name, &stage.name));
        let services = Box::pin(services_of(operator, stage, runs, &would_be)).await?;
        checkup.and(services.of_stage(name, &stage.name));
    }
    Ok(checkup)
}

/// An image of the application's repository, in whose place its containers have theirs.
fn image_of_nobody(application: &Application) -> Image {
    let digest = Digest::new(format!("sha256:{}", "0".repeat(64))).expect("64 hexadecimal digits");
    Image { repository: application.repository.clone(), digest, tag: String::new() }
}

/// Who is subscribed to the approvals, and who may end the subscriptions of those whom the application asks.
async fn subscriptions(
    operator: &Operator<'_>,
    application: &Application,
) -> Result<Vec<Subscription>, StepError> {
    let policies = application.stages.iter().filter_map(|stage| stage.approval.as_ref());
    let people: BTreeSet<EmailAddress> = policies.flat_map(|policy| policy.approvers.clone()).collect();
    if people.is_empty() {
        return Ok(Vec::new());
    }
    let topic = operator.aws.topic(&operator.config.approval_topic_arn);
    Ok(topic.subscriptions_of(&people).await?)
}

/// The newest pushes that started a release, and who made them, where a stage asks for somebody else.
async fn pushes(operator: &Operator<'_>, application: &Application) -> Result<Vec<RecordedPush>, StepError> {
    let asks = |stage: &Stage| stage.approval.as_ref().is_some_and(|policy| policy.other_than_pusher);
    if !application.stages.iter().any(asks) {
        return Ok(Vec::new());
    }
    let table = &operator.table;
    let started = table.list::<Started>(&Key::histories(&application.name), "").await?;
    let pushed = started.into_iter().rev().map(|(_, stored)| stored.document);
    let newest = pushed.filter(|started| started.asked.is_none()).take(PUSHES);
    let recorded = newest.map(|started| async move {
        let image = &started.release.image;
        let by = table.get::<Pushers>(&Key::pushers(&image.repository, &image.digest)).await?;
        Ok::<_, StepError>(RecordedPush { at: started.pushed_at, by: by.map(|stored| stored.document) })
    });
    stream::iter(recorded.collect::<Vec<_>>()).buffered(AT_ONCE).try_collect().await
}

async fn look_at_alarms(
    operator: &Operator<'_>,
    stage: &Stage,
    checkup: &mut Checkup,
) -> Result<(), StepError> {
    let Some(bake) = &stage.bake else { return Ok(()) };
    let alarms = operator.aws.alarms();
    let read = alarms.read(&bake.alarms).await.map_err(StepError::from);
    if let Some(readings) = seen(checkup, Subject::Alarm, Stops, "the stage's alarms", read)? {
        let may_be_overridden = stage.approval.as_ref().is_some_and(|policy| policy.override_alarms);
        checkup.add_all(doctor::alarms(&bake.alarms, &readings, may_be_overridden));
    }
    Ok(())
}

/// Looks at the families of the stage's scheduled and standalone tasks.
async fn look_at_tasks(
    operator: &Operator<'_>,
    stage: &Stage,
    (runs, release): (Option<&Running>, &Release),
    checkup: &mut Checkup,
) -> Result<(), StepError> {
    let ecs = operator.aws.ecs();
    for task in &stage.tasks {
        let family = &task.family;
        let read = ecs.task_definition(family.as_str()).await.map_err(StepError::from);
        let what = format!("the task definition {family}");
        let Some(newest) = seen(checkup, Subject::Template, Stops, &what, read)? else { continue };
        match usable_task(release, task, newest.as_ref()) {
            Ok(_) => {
                checkup.add(Look::Fine(format!("a release can be registered in {family}")));
                let document = newest.as_ref().map(|newest| &newest.document);
                let roles = document
                    .map(|document| doctor::roles(family.as_str(), document, &operator.config.task_roles));
                checkup.add_all(roles.unwrap_or_default());
            }
            Err(reason) => {
                checkup.add(doctor::template(family.as_str(), reason, newest.is_some()).into());
            }
        }
        if let Some((runs, newest)) = runs.zip(newest) {
            checkup.add(doctor::task_drift(family, runs.task_drift(family, &newest.arn)));
        }
    }
    Ok(())
}

async fn services_of(
    operator: &Operator<'_>,
    stage: &Stage,
    runs: Option<&Running>,
    release: &Release,
) -> Result<Checkup, StepError> {
    let mut checkup = Checkup::default();
    let ecs = operator.aws.ecs();
    let names: Vec<_> = stage.services.iter().map(|service| service.service.as_str()).collect();
    let read = ecs.services(stage.cluster(), &names).await.map_err(StepError::from);
    let what = format!("the cluster {}", stage.cluster());
    let Some(views) = seen(&mut checkup, Subject::Service, Stops, &what, read)? else { return Ok(checkup) };
    let services = stage.services.iter().map(|service| {
        let view = views.iter().find(|view| view.is_of(&service.service));
        let look = AtService { operator, stage, service, runs, release };
        async move {
            let mut checkup = Checkup::default();
            if let Some(view) = view {
                checkup.and(look.checkup(view).await?);
            } else {
                checkup.add(found(Obstacle::no_service(&service.service, stage.cluster())));
            }
            Ok::<_, StepError>(checkup.of_service(&service.service))
        }
    });
    let services: Vec<_> = stream::iter(services.collect::<Vec<_>>()).buffered(AT_ONCE).try_collect().await?;
    for service in services {
        checkup.and(service);
    }
    Ok(checkup)
}

/// A look at one service: at what keeps a release from it, as `capture-baseline` does before it, and at what goes wrong later.
#[derive(Clone, Copy)]
struct AtService<'a> {
    operator: &'a Operator<'a>,
    stage: &'a Stage,
    service: &'a StageService,
    /// What the stage runs, if a release brought it and none is under way.
    runs: Option<&'a Running>,
    /// A release that might be.
    release: &'a Release,
}

impl AtService<'_> {
    async fn checkup(self, view: &ServiceView) -> Result<Checkup, StepError> {
        let Self { operator, stage, service, runs, .. } = self;
        let mut checkup = Checkup::default();
        let (name, cluster) = (&service.service, stage.cluster());
        checkup.add(doctor::deployer(name, view, cluster, &operator.config.deployer));
        if let Some(strategy) = &stage.strategy {
            let fine = format!("{name} has what {} needs", strategy.as_str());
            checkup.add(strategy.lacks(name, view).map_or(Look::Fine(fine), found));
        }
        if let Some(look) = doctor::circuit_breaker(name, view, stage.strategy.as_ref(), cluster) {
            checkup.add(look);
        }

        let families = stage.families(service);
        let ecs = operator.aws.ecs();
        let definitions = async {
            Ok::<_, StepError>(try_join!(
                ecs.task_definition(families.template_of(&view.task_definition)),
                ecs.task_definition(view.task_definition.as_str())
            )?)
        };
        let (definitions, unreachable) = join!(definitions, unreachable(operator.aws, service, view));
        let what = format!("the task definitions of {name}");
        if let Some((template, running)) = seen(&mut checkup, Subject::Template, Stops, &what, definitions)? {
            self.look_at_template(view, template, &mut checkup);
            if running.is_none() {
                checkup.add(found(Obstacle::nothing_to_restore(name, view, cluster)));
            }
        }
        let what = format!("the load balancer of {name}");
        if let Some(obstacle) = seen(&mut checkup, Subject::LoadBalancer, Stops, &what, unreachable)? {
            let fine = || format!("{name} can be verified");
            checkup.add(obstacle.map_or_else(|| Look::Fine(fine()), found));
        }
        if let Some(obstacle) = Obstacle::scaled_to_zero(name, view, &families, cluster) {
            checkup.add(found(obstacle));
        }
        if let Some(runs) = runs {
            let drifts = runs.drift(name, &view.task_definition);
            checkup.add(doctor::drift(name, drifts, families.template.as_deref(), view));
        }
        Ok(checkup)
    }

    /// Looks at the template, its roles and its network.
    fn look_at_template(&self, view: &ServiceView, template: Option<TaskDefinition>, checkup: &mut Checkup) {
        let Self { operator, stage, service, release, .. } = self;
        let (name, families) = (&service.service, stage.families(service));
        let is_there = template.is_some();
        // A missing template says nothing of its network, and the controller is the service's.
        let mode = template.as_ref().map_or(Some("awsvpc".to_owned()), |template| {
            template.document["networkMode"].as_str().map(ToOwned::to_owned)
        });
        match usable_template(release, service, &families, template) {
            Ok((template, _)) => {
                checkup.add(Look::Fine(format!("a release can be made from {}", template.arn.name())));
                checkup.add_all(doctor::roles(
                    name.as_str(),
                    &template.document,
                    &operator.config.task_roles,
                ));
            }
            Err(reason) => {
                let family = families.template.as_deref().unwrap_or(view.task_definition.family());
                checkup.add(doctor::template(family, reason, is_there).into());
            }
        }
        let fine = format!("ECS deploys {name}, in a network that Slipway knows");
        checkup.add(unsupported(name, view, mode.as_deref()).map_or(Look::Fine(fine), found));
    }
}

/// What keeps a release from a service is found.
fn found(obstacle: Obstacle) -> Look {
    Finding::from(obstacle).into()
}
