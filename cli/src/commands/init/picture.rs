//! What was seen and what Slipway would do, in lines.

use console::Style;
use slipway_core::adoption::{
    Adoption, ContainerReport, PlannedApplication, ScheduleKind, ScheduleReport, ServiceReport, Wish,
    WishedStage,
};

use super::files;
use crate::show::{heading, list, signed, wrapped};

/// How wide the names of what is seen are.
const LABEL: usize = 15;
/// How far they stand to the right.
const INDENT: usize = 4;

pub(super) fn lines(adoption: &Adoption, wish: &Wish, width: Option<usize>) -> Vec<String> {
    let Adoption { account, region, .. } = adoption;
    let mut lines = Vec::new();
    for stage in &wish.stages {
        let of_stage = adoption.services.iter().filter(|service| service.stage == stage.name);
        lines.extend(heading(
            &format!("{}: the cluster {} in {region} of {account}", stage.name, stage.cluster),
            width,
        ));
        for service in of_stage {
            lines.extend(of_service(service, width));
            lines.push(String::new());
        }
        if adoption.services.iter().all(|service| service.stage != stage.name) {
            lines.push(format!("  {}", none(stage)));
            lines.push(String::new());
        }
    }
    lines.extend(schedules(&adoption.schedules, width));
    lines.extend(section("Could not be looked at", &adoption.unread, "!", &Style::new().yellow(), width));
    // A service says it beside what was seen of it.
    let is_of_service =
        |why: &String| adoption.services.iter().any(|one| one.unsupported.as_ref() == Some(why));
    let left_out = adoption.left_out.iter().filter(|one| !is_of_service(&one.why));
    let left_out: Vec<_> = left_out.map(|one| format!("{}: {}", one.what, one.why)).collect();
    lines.extend(section("Left out", &left_out, "✗", &Style::new().red(), width));
    lines.extend(heading("Slipway would release", width));
    lines.extend(adoption.applications.iter().flat_map(|application| of_application(application, width)));
    if adoption.applications.is_empty() {
        lines.push("  nothing".to_owned());
    }
    lines
}

fn none(stage: &WishedStage) -> String {
    format!("{} has no active service for this stage", stage.cluster)
}

fn of_service(service: &ServiceReport, width: Option<usize>) -> Vec<String> {
    let bold = Style::new().bold();
    let mut lines = vec![format!("  {}", bold.apply_to(service.service.as_str()))];
    let runs_on =
        if service.runs_on.is_empty() { String::new() } else { format!(" on {}", list(&service.runs_on)) };
    lines.extend(labelled("runs", &format!("{}{runs_on}", service.task_definition), width));
    if let Some(revision) = &service.made_from {
        lines.extend(labelled("made from", &format!("{revision}, by its releases"), width));
    }
    for (position, container) in service.containers.iter().enumerate() {
        lines.extend(labelled(
            if position == 0 { "containers" } else { "" },
            &of_container(container),
            width,
        ));
    }
    lines.extend(labelled("load balancer", &balanced(service), width));
    let alarms = service.alarms.iter().map(|alarm| {
        let why = alarm.left_out.as_ref().map(|why| format!(", left out: {why}")).unwrap_or_default();
        format!("{} ({}{why})", alarm.name, alarm.state.as_str())
    });
    let alarms: Vec<_> = alarms.collect();
    lines.extend(labelled(
        "alarms",
        &if alarms.is_empty() { "none".to_owned() } else { list(&alarms) },
        width,
    ));
    let roles: Vec<_> =
        service.roles.iter().map(|role| role.rsplit('/').next().unwrap_or(role).to_owned()).collect();
    lines.extend(labelled("roles", &if roles.is_empty() { "none".to_owned() } else { list(&roles) }, width));
    lines.extend(labelled("controller", &service.controller, width));
    let tag = service.deployer.clone().unwrap_or_else(|| "no tag slipway:deployer yet".to_owned());
    lines.extend(labelled("deployer", &tag, width));
    if service.unsupported.is_none() && service.repository.is_some() {
        lines.extend(labelled("Slipway", &files::in_short(service), width));
    }
    lines.extend(service.unsupported.iter().flat_map(|why| signed("✗", &Style::new().red(), why, 4, width)));
    lines.extend(service.notes.iter().flat_map(|note| signed("·", &Style::new(), note, 4, width)));
    let warnings = service.warnings.iter();
    lines.extend(warnings.flat_map(|warning| signed("!", &Style::new().yellow(), warning, 4, width)));
    lines
}

fn of_container(container: &ContainerReport) -> String {
    let ContainerReport { name, image, takes_release } = container;
    let takes = if *takes_release { ", takes the release's image" } else { "" };
    format!("{name}: {image}{takes}")
}

fn balanced(service: &ServiceReport) -> String {
    let mut words = vec![service.load_balancer.in_words().to_owned()];
    if service.target_groups > 1 {
        words.push(format!("{} target groups", service.target_groups));
    }
    if let Some(version) = &service.protocol_version {
        words.push(version.clone());
    }
    if let Some(path) = &service.health_path {
        words.push(format!("asks for {path}"));
    }
    if let Some(codes) = &service.health_codes {
        words.push(format!("takes {codes}"));
    }
    words.extend(service.url.clone());
    words.join(", ")
}

fn schedules(schedules: &[ScheduleReport], width: Option<usize>) -> Vec<String> {
    if schedules.is_empty() {
        return Vec::new();
    }
    let mut lines = heading("Scheduled tasks", width);
    for schedule in schedules {
        let ScheduleReport { name, kind, cluster, family, repository, notes } = schedule;
        let kind = match kind {
            ScheduleKind::Rule => "a rule of EventBridge",
            ScheduleKind::Schedule => "a schedule of EventBridge Scheduler",
        };
        let image = match repository {
            Some(repository) => format!("with an image of {repository}"),
            None => "with no image of a repository of this account".to_owned(),
        };
        let sentence = format!("{name}, {kind}, runs {family} in {cluster} {image}");
        lines.extend(signed("·", &Style::new(), &sentence, 2, width));
        lines.extend(notes.iter().flat_map(|note| signed("!", &Style::new().yellow(), note, 4, width)));
    }
    lines.push(String::new());
    lines
}

fn section(
    title: &str,
    sentences: &[String],
    sign: &str,
    style: &Style,
    width: Option<usize>,
) -> Vec<String> {
    if sentences.is_empty() {
        return Vec::new();
    }
    let mut lines = heading(title, width);
    lines.extend(sentences.iter().flat_map(|sentence| signed(sign, style, sentence, 2, width)));
    lines.push(String::new());
    lines
}

fn of_application(application: &PlannedApplication, width: Option<usize>) -> Vec<String> {
    let stages: Vec<_> = application
        .stages
        .iter()
        .map(|stage| {
            let services: Vec<_> = stage.services.iter().map(|service| service.service.to_string()).collect();
            let tasks: Vec<_> = stage.tasks.iter().map(|task| task.family.clone()).collect();
            let tasks =
                if tasks.is_empty() { String::new() } else { format!(" and the task {}", list(&tasks)) };
            format!("{} ({}{tasks})", stage.name, list(&services))
        })
        .collect();
    let sentence = format!(
        "{}: an image of {} goes to {}",
        application.name,
        application.repository,
        stages.join(", then to ")
    );
    let mut lines = signed("✓", &Style::new().green(), &sentence, 2, width);
    lines.extend(
        application.notes.iter().flat_map(|note| signed("!", &Style::new().yellow(), note, 4, width)),
    );
    lines
}

/// What is seen of something, behind its name.
fn labelled(label: &str, text: &str, width: Option<usize>) -> Vec<String> {
    let lines = wrapped(text, INDENT + LABEL, width).into_iter().enumerate();
    lines
        .map(|(position, line)| {
            let label = if position == 0 { label } else { "" };
            format!("{:INDENT$}{label:LABEL$}{line}", "")
        })
        .collect()
}
