//! What Slipway would do for services that exist already, decided from a look at them: for `slipway init`.
//!
//! `slipway-aws` looks, the command asks people and writes Terraform. Here is what is written for what was seen, and why
//! something is left out.

mod existing;
mod planned;

use std::collections::BTreeSet;

use serde_json::{Value, json};

pub use self::existing::*;
pub use self::planned::*;
use crate::alarm::AlarmState;
use crate::application::{Families, RUNNING, Stage};
use crate::definition;
use crate::deployment::unsupported;
use crate::doctor::{self, Finding};
use crate::image::{Digest, Image, without_version};
use crate::name::{ApplicationName, RepositoryName, ServiceName};
use crate::obstacle::Obstacle;
use crate::status::StatusCodes;

/// The tags that start a release, where nobody has said which ones do.
pub const TAGS: &str = "v*";
/// How long a service without a load balancer is watched.
const STEADY_FOR: &str = "30s";
/// How long an alarm undoes a release.
const BAKE_FOR: &str = "15m";
/// How long people have for an approval.
const EXPIRES_AFTER: &str = "24h";

/// Decides what Slipway would do for what was seen.
#[must_use]
pub fn adopt(inventory: &Inventory, wish: &Wish) -> Adoption {
    let looked: Vec<(&WishedStage, &ExistingService)> = wish
        .stages
        .iter()
        .flat_map(|stage| inventory.services.iter().map(move |service| (stage, service)))
        .filter(|(stage, service)| wish.has(stage, service))
        .collect();
    let reports: Vec<_> =
        looked.iter().map(|(stage, service)| report(stage, service, inventory, wish)).collect();

    let mut adoption = Adoption {
        account: inventory.account.clone(),
        region: inventory.region.clone(),
        schedules: inventory.schedules.iter().map(|schedule| of_schedule(schedule, inventory)).collect(),
        applications: Vec::new(),
        left_out: Vec::new(),
        task_role_arns: Vec::new(),
        untagged: Vec::new(),
        unread: inventory.unread.clone(),
        services: reports,
    };
    let mut repositories: Vec<&RepositoryName> = Vec::new();
    for repository in adoption.services.iter().filter_map(|report| report.repository.as_ref()) {
        let is_wished = wish.repository.as_ref().is_none_or(|wished| wished == repository);
        if is_wished && !repositories.contains(&repository) {
            repositories.push(repository);
        }
    }
    let mut roles = BTreeSet::new();
    let mut untagged = BTreeSet::new();
    let mut applications: Vec<PlannedApplication> = Vec::new();
    let mut left_out = Vec::new();
    for repository in repositories {
        let of_repository: Vec<_> = adoption
            .services
            .iter()
            .filter(|report| report.repository.as_ref() == Some(repository) && report.unsupported.is_none())
            .collect();
        if let Some(why) = missing_stage(&of_repository, wish) {
            left_out.push(LeftOut { what: format!("the repository {repository}"), why });
            continue;
        }
        let names: Vec<_> = applications.iter().map(|application| &application.name).collect();
        let Some(name) = application_name(repository, &names) else {
            left_out.push(LeftOut {
                what: format!("the repository {repository}"),
                why: "no application's name can be made of it: write its application by hand".to_owned(),
            });
            continue;
        };
        let mut application =
            application(name, repository, &of_repository, &adoption.schedules, inventory, wish);
        left_out.extend(leave_shared_families_out(&mut application));
        for report in &of_repository {
            roles.extend(report.roles.iter().cloned());
            // What another deployer has is its own until a person decides otherwise: the warning says so.
            if report.deployer.is_none() {
                untagged.insert(Untagged { of: Tagger::Ecs, arn: long_arn(report) });
            }
        }
        let families: BTreeSet<_> = application
            .stages
            .iter()
            .flat_map(|stage| &stage.tasks)
            .map(|task| task.family.as_str())
            .collect();
        for schedule in &inventory.schedules {
            let document = schedule.document.as_ref();
            if let Some(document) = document.filter(|_| families.contains(schedule.family())) {
                roles.extend(roles_of(document, &inventory.account, &schedule.task_definition));
            }
        }
        let existing = inventory.repositories.iter().find(|existing| existing.name == *repository);
        if let Some(other) =
            existing.and_then(|one| one.deployer.as_deref()).filter(|one| *one != wish.deployer)
        {
            left_out.push(LeftOut {
                what: format!("the tag of the repository {repository}"),
                why: format!(
                    "it is slipway:deployer = {other}: tag it anew only where that deployer is to give it up"
                ),
            });
        }
        if let Some(existing) = existing.filter(|one| one.deployer.is_none()) {
            untagged.insert(Untagged { of: Tagger::Ecr, arn: existing.arn.clone() });
        }
        applications.push(application);
    }
    for report in &adoption.services {
        let what = format!("{}/{}", report.cluster, report.service);
        if let Some(why) = report.unsupported.clone() {
            left_out.push(LeftOut { what, why });
        }
    }
    adoption.applications = applications;
    adoption.left_out = left_out;
    adoption.task_role_arns = roles.into_iter().collect();
    adoption.untagged = untagged.into_iter().collect();
    adoption
}

impl Wish {
    /// Whether a stage has a service: it names it, or it names none and no other stage of the cluster names it.
    fn has(&self, stage: &WishedStage, service: &ExistingService) -> bool {
        if stage.cluster != service.cluster {
            return false;
        }
        if !stage.services.is_empty() {
            return stage.services.contains(&service.name);
        }
        let mut others =
            self.stages.iter().filter(|one| one.cluster == stage.cluster && one.name != stage.name);
        !others.any(|other| other.services.contains(&service.name))
    }
}

/// Why there is no application of a repository: a stage has no service of it that can be deployed to.
fn missing_stage(reports: &[&ServiceReport], wish: &Wish) -> Option<String> {
    let has = |stage: &WishedStage| reports.iter().any(|report| report.stage == stage.name);
    let missing: Vec<_> =
        wish.stages.iter().filter(|stage| !has(stage)).map(|stage| stage.name.as_str()).collect();
    if missing.is_empty() {
        return None;
    }
    let present: Vec<_> =
        wish.stages.iter().filter(|stage| has(stage)).map(|stage| stage.name.as_str()).collect();
    let present = if present.is_empty() {
        "no service of it can be deployed to".to_owned()
    } else {
        format!("it runs in {} and not in {}", present.join(" and "), missing.join(" and "))
    };
    Some(format!("{present}: an application has a service in each stage, so name the clusters that run it"))
}

/// Says what was seen of a service, and what Slipway would do for it.
fn report(
    stage: &WishedStage,
    service: &ExistingService,
    inventory: &Inventory,
    wish: &Wish,
) -> ServiceReport {
    let ExistingService { cluster, name, view, .. } = service;
    let no_document = Value::Null;
    let running = service.definition.as_ref().map_or(&no_document, |definition| &definition.document);
    let first = service.target_groups.first();
    let kind = balancer_kind(service);
    let template = template(service, inventory);
    let document = template_document(service, &template).unwrap_or(&no_document);
    let mut notes = Vec::new();

    let wished = wish.repository.as_ref();
    let origin =
        origin(document, name, inventory, wished).or_else(|_| origin(running, name, inventory, wished));
    let mut named_containers = Vec::new();
    let (mut own_image, mut imageless) = (None, None);
    if let Ok(repository) = &origin {
        match definition::own(document, &placeholder(repository), name.as_str(), &[]) {
            Ok(own) => own_image = Some(own.image),
            Err(why) => {
                let containers = containers(document);
                let first = containers.iter().find(|(_, image)| is_of(image, repository, inventory));
                own_image = first.map(|(_, image)| *image);
                named_containers = first.map(|(name, _)| (*name).to_owned()).into_iter().collect();
                match first {
                    Some(_) => notes.push(why),
                    // What the service runs has the image, and what its releases would be made from has not.
                    None => imageless = Some(why),
                }
            }
        }
    }
    let reports = containers(document).into_iter().map(|(container, image)| ContainerReport {
        name: container.to_owned(),
        image: image.to_owned(),
        takes_release: own_image == Some(image)
            && (named_containers.is_empty() || named_containers.iter().any(|named| named == container)),
    });
    let containers: Vec<_> = reports.collect();
    let mut roles = roles_of(running, &inventory.account, view.arn.as_str());
    for role in roles_of(document, &inventory.account, view.arn.as_str()) {
        if !roles.contains(&role) {
            roles.push(role);
        }
    }

    let check = check(service, kind, &mut notes);
    notes.extend(on_template(service, &template, inventory));
    let network_mode = document["networkMode"].as_str();
    let obstacle = match (&service.definition, &origin) {
        (None, _) => Some(Obstacle::nothing_to_restore(name, view, cluster.as_str()).to_string()),
        // It is another repository that is asked for.
        (Some(_), Err(why)) if wish.repository.is_some() => {
            notes.push(why.clone());
            None
        }
        (Some(_), Err(why)) => Some(why.clone()),
        (Some(_), Ok(_)) => {
            imageless.or_else(|| unsupported(name, view, network_mode).map(|obstacle| obstacle.to_string()))
        }
    };
    let firing =
        inventory.alarms.iter().filter(|alarm| alarm.state == AlarmState::Alarm && watches(alarm, service));
    notes.extend(firing.filter(|alarm| left_out(alarm).is_none()).map(|alarm| {
        format!(
            "the alarm {} is in ALARM: a stage that bakes with it does not change until it is OK",
            alarm.name
        )
    }));
    ServiceReport {
        stage: stage.name.clone(),
        cluster: cluster.clone(),
        service: name.clone(),
        arn: view.arn.to_string(),
        runs_on: service.runs_on.clone(),
        task_definition: view.task_definition.name().to_owned(),
        made_from: made_from(service, &template).filter(|name| name != view.task_definition.name()),
        containers,
        repository: origin.ok().cloned(),
        load_balancer: kind,
        target_groups: view.traffic.balanced().count(),
        health_path: first.and_then(|group| group.path.clone()),
        health_codes: first.and_then(|group| group.codes.clone()),
        protocol_version: first.and_then(|group| group.protocol_version.clone()),
        url: service.address.as_ref().and_then(|found| found.as_ref().ok()).map(|found| found.url.clone()),
        alarms: inventory
            .alarms
            .iter()
            .filter(|alarm| watches(alarm, service))
            .map(|alarm| AlarmReport {
                name: alarm.name.clone(),
                state: alarm.state,
                left_out: left_out(alarm),
            })
            .collect(),
        controller: view.traffic.controller.clone().unwrap_or_else(|| "ECS".to_owned()),
        deployer: view.deployer.clone(),
        roles,
        template,
        named_containers,
        check,
        notes,
        warnings: warnings(service, document, wish),
        unsupported: obstacle,
    }
}

/// What kind of load balancer a service has: by the first load balancer of the first target group: that is the one which Slipway asks.
fn balancer_kind(service: &ExistingService) -> BalancerKind {
    if service.view.traffic.balanced().next().is_none() {
        let has_classic = !service.view.traffic.balancers.is_empty();
        return if has_classic { BalancerKind::Classic } else { BalancerKind::None };
    }
    let first = service.target_groups.first().and_then(|group| group.balancers.first());
    match first.map(|balancer| (balancer.kind.as_str(), balancer.is_internal)) {
        None => BalancerKind::Unattached,
        Some(("application", true)) => BalancerKind::Internal,
        Some(("application", false)) => BalancerKind::InternetFacing,
        Some(("network", _)) => BalancerKind::Network,
        Some(_) => BalancerKind::Other,
    }
}

/// How a service would be judged; why it is not asked through its load balancer is said.
fn check(service: &ExistingService, kind: BalancerKind, notes: &mut Vec<String>) -> Check {
    let name = &service.name;
    // A target group that no load balancer forwards to checks nobody: its targets are "unused" (`TargetHealth`, Elastic Load
    // Balancing API reference, 2015-12-01).
    if matches!(kind, BalancerKind::None | BalancerKind::Classic | BalancerKind::Unattached) {
        if kind != BalancerKind::None {
            let what = kind.in_words();
            notes.push(format!("{name} has {what}, which Slipway cannot ask, so it is judged by its tasks"));
        }
        return Check::Steady { duration: STEADY_FOR.to_owned() };
    }
    let group = service.target_groups.first();
    let groups = service.view.traffic.balanced().count();
    if groups > 1 {
        notes.push(format!(
            "{name} is in {groups} target groups: its tasks must be healthy in each, and it is asked through the first"
        ));
    }
    // "GRPC" is a protocol version of a target group, whose answers have codes of their own ("ProtocolVersion" of
    // `TargetGroup` and "GrpcCode" of `Matcher`, Elastic Load Balancing API reference, 2015-12-01).
    if group.is_some_and(|group| group.protocol_version.as_deref() == Some("GRPC")) {
        notes.push(format!("{name} speaks gRPC, so it is judged by its load balancer's own health checks"));
        return Check::TargetHealth {};
    }
    if let Some(Ok(address)) = &service.address
        && !address.asks.is_empty()
    {
        notes.push(format!(
            "{name} shares its load balancer, and its rule asks for {}, so it is judged by the load balancer's own health checks: write health with a path and headers that the rule takes to have it asked",
            address.asks.join(" and ")
        ));
        return Check::TargetHealth {};
    }
    let path = group.and_then(|group| group.path.clone());
    match (&service.address, path) {
        (Some(Ok(address)), Some(path)) => Check::Health {
            path,
            url: address.is_of_rule.then(|| address.url.clone()),
            codes: group.and_then(other_codes),
        },
        (Some(Err(why)), path) => {
            let path = path.unwrap_or_else(|| "/".to_owned());
            let instead = if kind == BalancerKind::InternetFacing {
                format!(
                    "; where an address answers from outside, write health = {{ path = \"{path}\", url = \"https://…\" }}"
                )
            } else {
                String::new()
            };
            notes.push(format!(
                "{name} is judged by its load balancer's own health checks, because {why}{instead}"
            ));
            Check::TargetHealth {}
        }
        _ => {
            notes.push(format!(
                "{name} is judged by its load balancer's own health checks, which ask for no path"
            ));
            Check::TargetHealth {}
        }
    }
}

/// The good codes of a target group's health check; nothing where they are from 200 to 299, which are good anyway.
fn other_codes(group: &ExistingGroup) -> Option<StatusCodes> {
    let codes = group.codes.as_deref()?.replace(' ', "");
    StatusCodes::new(codes).ok().filter(|codes| !codes.are_2xx())
}

/// What a release of a service would be made from.
fn template(service: &ExistingService, inventory: &Inventory) -> Template {
    let runs = &service.view.task_definition;
    let family = runs.family();
    let of_modules = families(service, None);
    let is_released = service.definition.as_ref().is_some_and(|definition| definition.is_released);
    let is_unreleased = of_modules.is_unreleased(runs) && service.view.running_count == 0;
    if is_unreleased || (is_released && family == of_modules.release) {
        return Template::Default;
    }
    // Releases are registered in this family: its newest revision would be a release's.
    if family == families(service, Some(RUNNING)).release || is_shared(service, inventory) {
        return Template::Running;
    }
    Template::Family(family.to_owned())
}

/// The family whose newest revision a release of a service would be made from, unless it is made from what the service runs:
/// the one that it runs, or the modules' own template, where what it runs is a release that was made from that.
#[must_use]
pub fn template_family(service: &ExistingService, is_released: bool) -> String {
    let runs = service.view.task_definition.family();
    let of_modules = families(service, None);
    match of_modules.template {
        Some(template) if is_released && runs == of_modules.release => template,
        _ => runs.to_owned(),
    }
}

/// The task definition that a release of a service would be made from; nothing where ECS has none.
fn template_document<'a>(service: &'a ExistingService, template: &Template) -> Option<&'a Value> {
    let definition = service.definition.as_ref()?;
    Some(match (template, &definition.newest) {
        (Template::Default | Template::Family(_), Some(newest)) => &newest.document,
        (Template::Running, _) | (_, None) => &definition.document,
    })
}

/// The family and revision that a release of a service would be made from.
fn made_from(service: &ExistingService, template: &Template) -> Option<String> {
    let newest = service.definition.as_ref()?.newest.as_ref()?;
    (*template != Template::Running).then(|| newest.arn.name().to_owned())
}

/// Whether another service runs another revision of the same family: then its newest revision is not everybody's.
fn is_shared(service: &ExistingService, inventory: &Inventory) -> bool {
    let runs = &service.view.task_definition;
    inventory.services.iter().any(|other| {
        let theirs = &other.view.task_definition;
        other.view.arn != service.view.arn && theirs.family() == runs.family() && theirs != runs
    })
}

/// The families of a service with a template, of which the configuration's own type is the owner.
fn families(service: &ExistingService, template: Option<&str>) -> Families {
    let mut configured = json!({ "service": service.name });
    if let Some(template) = template {
        configured["template"] = template.into();
    }
    let stage = json!({ "name": "stage", "cluster": service.cluster, "services": [configured] });
    let stage: Stage =
        serde_json::from_value(stage).expect("a stage with the names of a cluster and a service is one");
    stage.families(&stage.services[0])
}

/// Why a release is not made from the family that a service runs, or what its first one brings along.
fn on_template(service: &ExistingService, template: &Template, inventory: &Inventory) -> Option<String> {
    let ExistingService { name, view, .. } = service;
    let runs = &view.task_definition;
    let newest = service.definition.as_ref().and_then(|definition| definition.newest.as_ref());
    let newest = newest.map(|newest| &newest.arn);
    let own = "a family of its own (template = \"FAMILY\") brings changes of its Terraform along";
    match template {
        Template::Running if is_shared(service, inventory) => Some(format!(
            "several services run {}, each a revision of its own, so a release is made from what {name} runs; {own}",
            runs.family()
        )),
        Template::Running => Some(format!(
            "{name} runs the family {}, in which Slipway registers its releases, so a release is made from what it runs; {own}",
            runs.family()
        )),
        Template::Family(_) => newest.filter(|newest| *newest != runs).map(|newest| {
            format!(
                "{name} runs {}, and the first release brings along what changed up to {}",
                runs.name(),
                newest.name()
            )
        }),
        Template::Default => service
            .definition
            .as_ref()
            .is_some_and(|definition| definition.is_released)
            .then(|| format!("{name} runs what a release of Slipway deployed")),
    }
}

/// What of a service is better put right before the first release: the doctor would say the same of most.
fn warnings(service: &ExistingService, document: &Value, wish: &Wish) -> Vec<String> {
    let ExistingService { cluster, name, view, .. } = service;
    let mut warnings = Vec::new();
    if is_short(view.arn.as_str()) {
        warnings.push(format!(
            "the ARN of {name} is the short one of before 2021, which takes no tags: migrate it to the long one first (\"Migrate an Amazon ECS short service ARN to a long ARN\", Amazon ECS developer guide)"
        ));
    }
    if view.deployer.is_some() {
        warnings.extend(found(doctor::deployer(name, view, cluster.as_str(), &wish.deployer)));
    }
    let families = families(service, None);
    warnings.extend(
        Obstacle::scaled_to_zero(name, view, &families, cluster.as_str()).map(|found| found.to_string()),
    );
    warnings.extend(doctor::circuit_breaker(name, view, None, cluster.as_str()).and_then(found));
    warnings.extend(doctor::roles(name.as_str(), document, &[]).into_iter().filter_map(found));
    warnings
}

/// A finding of the doctor's, in a sentence.
fn found(look: doctor::Look) -> Option<String> {
    match look {
        doctor::Look::Found(Finding { what, remedy, .. }) => Some(format!("{what}: {remedy}")),
        doctor::Look::Fine(_) => None,
    }
}

/// Whether a service has the ARN of before 2021, without its cluster ("Migrate an Amazon ECS short service ARN to a long
/// ARN", Amazon ECS developer guide).
fn is_short(arn: &str) -> bool {
    arn.split_once(":service/").is_some_and(|(_, name)| !name.contains('/'))
}

/// The ARN that a service is tagged by.
fn long_arn(report: &ServiceReport) -> String {
    match report.arn.split_once(":service/") {
        Some((first, _)) if is_short(&report.arn) => {
            format!("{first}:service/{}/{}", report.cluster, report.service)
        }
        _ => report.arn.clone(),
    }
}

/// The containers of a task definition that have a name and an image.
fn containers(document: &Value) -> Vec<(&str, &str)> {
    let all = document["containerDefinitions"].as_array().into_iter().flatten();
    all.filter_map(|one| Some((one["name"].as_str()?, one["image"].as_str()?))).collect()
}

/// The repository whose images a release would deploy to a service: the wished one, else that of the container which is
/// called as the service, else the first. Else why there is none, and what to do.
fn origin<'a>(
    document: &Value,
    service: &ServiceName,
    inventory: &'a Inventory,
    wished: Option<&RepositoryName>,
) -> Result<&'a RepositoryName, String> {
    let containers = containers(document);
    let of_ours: Vec<_> = containers
        .iter()
        .filter_map(|(name, image)| Some((*name, repository_of(image, inventory)?)))
        .filter(|(_, repository)| wished.is_none_or(|wished| *wished == repository.name))
        .collect();
    let called = of_ours.iter().find(|(name, _)| *name == service.as_str());
    if let Some((_, repository)) = called.or(of_ours.first()) {
        return Ok(&repository.name);
    }
    let images: Vec<_> = containers.iter().map(|(_, image)| *image).collect();
    let elsewhere = images.iter().find_map(|image| {
        ecr(without_version(image))
            .filter(|ecr| ecr.account != inventory.account || ecr.region != inventory.region)
    });
    let images = images.join(", ");
    Err(match (wished, elsewhere) {
        (Some(wished), _) => format!("{service} runs no image of the repository {wished} ({images})"),
        (None, Some(Ecr { account, region, .. })) => format!(
            "{service} runs an image of the account {account} in {region} ({images}), and Slipway hears of pushes to its own account and region alone: replicate the repository to this one, and run it from here"
        ),
        (None, None) => format!(
            "{service} runs no image of an ECR repository of this account ({images}): push its image to one, such as by a pull through cache, and run it from there"
        ),
    })
}

/// The image of a repository that a service runs in the containers that take a release's; nothing where they cannot be told.
fn running_image<'a>(
    report: &ServiceReport,
    repository: &RepositoryName,
    inventory: &'a Inventory,
) -> Option<&'a str> {
    let service = inventory.services.iter().find(|service| service.view.arn.as_str() == report.arn)?;
    let document = &service.definition.as_ref()?.document;
    let named = &report.named_containers;
    let own = |named: &[String]| {
        definition::own(document, &placeholder(repository), service.name.as_str(), named).ok()
    };
    // What it runs may have other containers than what its next revision is made from.
    own(named).or_else(|| own(&[])).map(|own| own.image)
}

/// The repository of this account and region that an image is of.
fn repository_of<'a>(image: &str, inventory: &'a Inventory) -> Option<&'a ExistingRepository> {
    let name = without_version(image);
    let by_host = ecr(name).filter(|ecr| ecr.account == inventory.account && ecr.region == inventory.region);
    let mut all = inventory.repositories.iter();
    all.find(|one| one.uri == name || by_host.as_ref().is_some_and(|ecr| ecr.repository == one.name.as_str()))
}

fn is_of(image: &str, repository: &RepositoryName, inventory: &Inventory) -> bool {
    repository_of(image, inventory).is_some_and(|found| found.name == *repository)
}

/// A repository as the name of an image has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ecr<'a> {
    account: &'a str,
    region: &'a str,
    repository: &'a str,
}

/// Reads `ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY`, with the hosts for FIPS and for IPv6, and those of China ("Amazon
/// ECR endpoints and quotas", AWS General Reference).
fn ecr(name: &str) -> Option<Ecr<'_>> {
    let (host, repository) = name.split_once('/')?;
    let parts: Vec<_> = host.split('.').collect();
    let (account, region) = match parts.as_slice() {
        [account, "dkr", "ecr" | "ecr-fips", region, "amazonaws", "com"]
        | [account, "dkr", "ecr", region, "amazonaws", "com", "cn"]
        | [account, "dkr-ecr" | "dkr-ecr-fips", region, "on", "aws"] => (*account, *region),
        _ => return None,
    };
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    is_account.then_some(Ecr { account, region, repository })
}

/// Any image of a repository, for what asks only for that.
fn placeholder(repository: &RepositoryName) -> Image {
    Image {
        repository: repository.clone(),
        digest: Digest::new(format!("sha256:{}", "0".repeat(64))).expect("64 zeros are 64 digits"),
        tag: "none".to_owned(),
    }
}

/// The roles that a task definition names. ECS takes a role's name for its ARN (`taskRoleArn`: "the short name or full ARN",
/// `RegisterTaskDefinition`, Amazon ECS API reference); `like` is an ARN of the same partition.
fn roles_of(document: &Value, account: &str, like: &str) -> Vec<String> {
    let partition = like.split(':').nth(1).unwrap_or("aws");
    let roles = ["executionRoleArn", "taskRoleArn"].into_iter().filter_map(|field| document[field].as_str());
    let mut arns: Vec<_> = roles
        .filter(|role| !role.is_empty())
        .map(|role| {
            if role.starts_with("arn:") {
                role.to_owned()
            } else {
                format!("arn:{partition}:iam::{account}:role/{role}")
            }
        })
        .collect();
    arns.dedup();
    arns
}

/// Whether an alarm looks at a service: at its own metrics (`ClusterName` and `ServiceName`, "Amazon ECS CloudWatch metrics"),
/// at one of its target groups, or at all of its load balancer (`TargetGroup` and `LoadBalancer`, "CloudWatch metrics for
/// your Application Load Balancer").
fn watches(alarm: &ExistingAlarm, service: &ExistingService) -> bool {
    let groups = service.target_groups.iter();
    let groups: Vec<_> = groups.filter_map(|group| group.arn.rsplit(':').next()).collect();
    let balancers = service.target_groups.iter().flat_map(|group| &group.balancers);
    let balancers: Vec<_> =
        balancers.filter_map(|one| one.arn.split_once(":loadbalancer/")).map(|(_, name)| name).collect();
    alarm.metrics.iter().any(|dimensions| {
        let value = |name: &str| dimensions.get(name).map(String::as_str);
        match (value("TargetGroup"), value("LoadBalancer"), value("ServiceName")) {
            (Some(group), _, _) => groups.contains(&group),
            (None, Some(balancer), _) => balancers.contains(&balancer),
            (None, None, Some(name)) => {
                name == service.name.as_str() && value("ClusterName") == Some(service.cluster.as_str())
            }
            (None, None, None) => false,
        }
    })
}

/// Why an alarm is not one that undoes a release.
///
/// Scaling has alarms of its own, of which one fires whenever there is little to do ("Target tracking scaling policies",
/// Amazon ECS developer guide); their action is a scaling policy.
fn left_out(alarm: &ExistingAlarm) -> Option<String> {
    if alarm.actions.iter().any(|action| action.contains(":autoscaling:")) {
        return Some("it scales the service".to_owned());
    }
    (alarm.state == AlarmState::InsufficientData).then(|| {
        "it knows too little, and that stops a stage: have it treat missing data as notBreaching, and add it to bake.alarms"
            .to_owned()
    })
}

/// The revision that a schedule names. Without one the latest active revision is used (`taskDefinition` of `RunTask`, Amazon
/// ECS API reference).
fn pinned(schedule: &ExistingSchedule) -> Option<&str> {
    let name = schedule.task_definition.rsplit('/').next()?;
    name.rsplit_once(':').map(|(_, revision)| revision).filter(|revision| !revision.is_empty())
}

fn of_schedule(schedule: &ExistingSchedule, inventory: &Inventory) -> ScheduleReport {
    let family = schedule.family().to_owned();
    let document = schedule.document.as_ref();
    let containers = document.map(containers).unwrap_or_default();
    let repository = containers.iter().find_map(|(_, image)| repository_of(image, inventory));
    let mut notes = Vec::new();
    if document.is_none() {
        notes.push(format!("ECS has no task definition {family}, so it is not known which image it runs"));
    }
    if let Some(revision) = pinned(schedule) {
        notes.push(format!(
            "{} names revision {revision} of {family}: releases reach it once it names the family without a revision",
            schedule.name
        ));
    }
    ScheduleReport {
        name: schedule.name.clone(),
        kind: schedule.kind,
        cluster: schedule.cluster.clone(),
        family,
        repository: repository.map(|found| found.name.clone()),
        notes,
    }
}

/// An application of a repository, with the services of its stages.
fn application(
    name: ApplicationName,
    repository: &RepositoryName,
    reports: &[&ServiceReport],
    schedules: &[ScheduleReport],
    inventory: &Inventory,
    wish: &Wish,
) -> PlannedApplication {
    let last = wish.stages.last().map(|stage| &stage.name);
    let mut notes = Vec::new();
    let existing = inventory.repositories.iter().find(|existing| existing.name == *repository);
    if existing.is_some_and(|existing| existing.has_mutable_tags) {
        notes.push(format!(
            "tags of {repository} can be moved to another image: image_tag_mutability = \"IMMUTABLE\" makes a tag mean one image"
        ));
    }
    let running = reports.iter().filter_map(|report| running_image(report, repository, inventory));
    let tags: BTreeSet<_> = running.filter_map(tag_of).collect();
    let unlike: Vec<_> = tags.into_iter().filter(|tag| !tag.starts_with('v')).collect();
    if !unlike.is_empty() {
        notes.push(format!(
            "it runs the tag {}, which {TAGS} does not take: write the patterns of the tags that start a release",
            unlike.join(" and ")
        ));
    }
    let stages = wish.stages.iter().map(|stage| {
        let of_stage: Vec<_> = reports.iter().filter(|report| report.stage == stage.name).copied().collect();
        let is_last = last == Some(&stage.name);
        let alarms: BTreeSet<_> = of_stage
            .iter()
            .flat_map(|report| &report.alarms)
            .filter(|alarm| alarm.left_out.is_none())
            .map(|alarm| alarm.name.clone())
            .collect();
        let (tasks, more) = tasks(stage, repository, &of_stage, schedules, inventory, wish);
        notes.extend(more);
        PlannedStage {
            name: stage.name.clone(),
            cluster: stage.cluster.clone(),
            services: of_stage.iter().map(|report| planned(report)).collect(),
            tasks,
            approval: (is_last && !wish.approvers.is_empty()).then(|| PlannedApproval {
                approvers: wish.approvers.clone(),
                quorum: 1,
                expires_after: EXPIRES_AFTER.to_owned(),
            }),
            bake: (is_last && !alarms.is_empty())
                .then(|| PlannedBake { alarms: alarms.into_iter().collect(), duration: BAKE_FOR.to_owned() }),
        }
    });
    let stages = stages.collect();
    PlannedApplication { name, repository: repository.clone(), tags: vec![TAGS.to_owned()], stages, notes }
}

fn planned(report: &ServiceReport) -> PlannedService {
    PlannedService {
        service: report.service.clone(),
        template: report.template.as_field().map(ToOwned::to_owned),
        containers: report.named_containers.clone(),
        check: report.check.clone(),
        notes: report.notes.clone(),
    }
}

/// The scheduled tasks of a stage that run the same image, and what a person should know of those that do not fit.
fn tasks(
    stage: &WishedStage,
    repository: &RepositoryName,
    reports: &[&ServiceReport],
    schedules: &[ScheduleReport],
    inventory: &Inventory,
    wish: &Wish,
) -> (Vec<PlannedTask>, Vec<String>) {
    let mut tasks = BTreeSet::new();
    let mut notes = Vec::new();
    let is_alone = wish.stages.iter().filter(|one| one.cluster == stage.cluster).count() == 1;
    for (schedule, existing) in schedules.iter().zip(&inventory.schedules) {
        if schedule.cluster != stage.cluster || schedule.repository.as_ref() != Some(repository) {
            continue;
        }
        let ScheduleReport { name, family, .. } = schedule;
        if !is_alone {
            notes.push(format!(
                "{name} runs {family} in {}, which is the cluster of several stages: add it to tasks of the one that it belongs to",
                stage.cluster
            ));
            continue;
        }
        let of_service = reports.iter().find(|report| {
            report
                .task_definition
                .rsplit_once(':')
                .is_some_and(|(service_family, _)| service_family == family)
        });
        if let Some(report) = of_service {
            notes.push(format!(
                "{name} runs {family}, the family of the service {}: give its task a family of its own, and add that to tasks",
                report.service
            ));
            continue;
        }
        let document = existing.document.as_ref();
        let containers = document.map(containers).unwrap_or_default();
        let container = containers.iter().find(|(_, image)| is_of(image, repository, inventory));
        if let Some((container, _)) = container {
            tasks.insert(PlannedTask { family: family.clone(), container: (*container).to_owned() });
            notes.extend(schedule.notes.iter().cloned());
        }
    }
    (tasks.into_iter().collect(), notes)
}

/// Takes the families of tasks out that several stages run, or that a service is made from: a stage's release registers
/// revisions there, and the configuration refuses them.
fn leave_shared_families_out(application: &mut PlannedApplication) -> Vec<LeftOut> {
    let services = application.stages.iter().flat_map(|stage| &stage.services);
    let of_services: BTreeSet<_> = services.filter_map(|service| service.template.clone()).collect();
    let all: Vec<_> =
        application.stages.iter().flat_map(|stage| &stage.tasks).map(|task| task.family.clone()).collect();
    let is_shared = |family: &String| {
        of_services.contains(family) || all.iter().filter(|other| *other == family).count() > 1
    };
    let shared: BTreeSet<_> = all.iter().filter(|family| is_shared(family)).cloned().collect();
    for stage in &mut application.stages {
        stage.tasks.retain(|task| !shared.contains(&task.family));
    }
    let left = shared.into_iter().map(|family| LeftOut {
        what: format!("the tasks of {family}"),
        why: "several stages run them, or a service is made from the same family: give each stage's tasks a family of their own, and add it to tasks".to_owned(),
    });
    left.collect()
}

/// The tag that an image is named by; nothing where it is named by its digest.
fn tag_of(image: &str) -> Option<&str> {
    let rest = image.strip_prefix(without_version(image))?;
    rest.strip_prefix(':').map(|tag| tag.split_once('@').map_or(tag, |(tag, _)| tag))
}

/// An application's name of a repository's: its last part, as far as it fits; with more of the parts where another one is
/// called the same.
fn application_name(repository: &RepositoryName, taken: &[&ApplicationName]) -> Option<ApplicationName> {
    let parts: Vec<_> = repository.as_str().split('/').collect();
    let names = (1..=parts.len()).map(|count| slug(&parts[parts.len() - count..].join("-")));
    let mut free =
        names.filter_map(|name| ApplicationName::new(name).ok()).filter(|name| !taken.contains(&name));
    free.next()
}

/// Lower-case letters, digits and single hyphens, as many as an application's name has room for.
fn slug(text: &str) -> String {
    let hyphenated = text.replace(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit(), "-");
    let parts: Vec<_> = hyphenated.split('-').filter(|part| !part.is_empty()).collect();
    let whole = parts.join("-");
    let cut: String = whole.chars().skip_while(|c| !c.is_ascii_lowercase()).take(32).collect();
    cut.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests;
