//! The files that are written: a Terraform root as `infra/examples/existing-services` is one, what to do next, and policies.

use slipway_core::adoption::{
    Adoption, Check, PlannedApplication, PlannedService, PlannedStage, ServiceReport, Tagger, Untagged, Wish,
};
use slipway_core::words;

use super::hcl::{self, Entry, Hcl, quoted};
use super::policy;
use crate::show::list;

/// The names of the files.
pub(super) const NAMES: [&str; 8] = [
    "main.tf",
    "variables.tf",
    "outputs.tf",
    "versions.tf",
    "terraform.tfvars",
    "README.md",
    "init-policy.json",
    "tag-policy.json",
];

const VARIABLES: &str = include_str!("files/variables.tf");
const OUTPUTS: &str = include_str!("files/outputs.tf");
const VERSIONS: &str = include_str!("../../../../infra/examples/existing-services/versions.tf");
const MAIN: &str = include_str!("files/main.tf");
/// What stands in `main.tf` in the place of where Slipway's modules are. They find the packages that are beside them.
const PLACES: [(&str, &str); 2] = [
    ("\"MODULES/deployer\"", "infra/modules/deployer"),
    ("\"MODULES/observability\"", "infra/modules/observability"),
];

/// The files, each with what it holds. `clone` is where Slipway's bundle or repository is, as their folder sees it.
pub(super) fn of(adoption: &Adoption, wish: &Wish, clone: &str) -> Vec<(&'static str, String)> {
    let texts = [
        main(clone),
        VARIABLES.to_owned(),
        OUTPUTS.to_owned(),
        VERSIONS.to_owned(),
        values(adoption, wish),
        readme(adoption, wish, clone),
        policy::look() + "\n",
        policy::tag(&adoption.untagged) + "\n",
    ];
    NAMES.into_iter().zip(texts).collect()
}

/// `main.tf`, with the places of a bundle or a clone.
fn main(clone: &str) -> String {
    let clone = clone.trim_end_matches('/');
    let is_absolute = clone.starts_with('/');
    let mut text = MAIN.to_owned();
    for (place, path) in PLACES {
        let path = format!("{clone}/{path}");
        // "A local path must begin with either ./ or ../" ("Module Sources", Terraform language).
        let is_local = is_absolute || path.starts_with("./") || path.starts_with("../");
        let literal = quoted(&if is_local { path } else { format!("./{path}") });
        text = text.replace(place, &literal);
    }
    text
}

/// `terraform.tfvars`: what Slipway would release.
fn values(adoption: &Adoption, wish: &Wish) -> String {
    let introduction = "What Slipway releases, as slipway init saw it: read it, and change what is not as you want it. \
        The fields are those of infra/modules/applications/README.md.";
    let mut lines = hcl::comment(introduction, 0);
    lines.push(String::new());
    lines.extend(hcl::fields(
        &[
            Entry::new("name", wish.deployer.as_str()),
            Entry::new("region", adoption.region.as_str()),
            Entry::new("account", adoption.account.as_str()),
        ],
        0,
    ));
    lines.push(String::new());
    let applications = adoption.applications.iter();
    let applications =
        applications.map(|one| Entry::new(one.name.as_str(), application(one)).with(&one.notes));
    lines.extend(hcl::fields(&[Entry::new("applications", Hcl::Block(applications.collect()))], 0));
    lines.push(String::new());
    lines.extend(hcl::comment(
        "The execution and task roles of the services and tasks: Slipway passes these on to ECS, and no others.",
        0,
    ));
    lines.extend(hcl::fields(&[Entry::new("task_role_arns", adoption.task_role_arns.as_slice())], 0));
    lines.push(String::new());
    lines.extend(hcl::comment("Who is notified of how releases end, such as [\"team@example.com\"].", 0));
    lines.extend(hcl::fields(&[Entry::new("notification_emails", Hcl::List(Vec::new()))], 0));
    lines.join("\n") + "\n"
}

fn application(application: &PlannedApplication) -> Hcl {
    let stages = application.stages.iter().map(stage);
    Hcl::Block(vec![
        Entry::new("repository", application.repository.as_str()),
        Entry::new("tags", application.tags.as_slice()),
        Entry::new("stages", stages.collect::<Vec<_>>()),
    ])
}

fn stage(stage: &PlannedStage) -> Hcl {
    let services = stage.services.iter();
    let services = services.map(|service| Hcl::Block(with_notes(fields_of(service), &service.notes)));
    let mut fields = vec![
        Entry::new("name", stage.name.as_str()),
        Entry::new("cluster", stage.cluster.as_str()),
        Entry::new("services", services.collect::<Vec<_>>()),
    ];
    if !stage.tasks.is_empty() {
        let tasks = stage.tasks.iter().map(|task| {
            let family = Entry::new("family", task.family.as_str());
            Hcl::Object(vec![family, Entry::new("container", task.container.as_str())])
        });
        fields.push(Entry::new("tasks", tasks.collect::<Vec<_>>()));
    }
    fields.extend(stage.approval.iter().map(|approval| {
        let fields = vec![
            Entry::new("approvers", approval.approvers.as_slice()),
            Entry::new("quorum", approval.quorum),
            Entry::new("expires_after", approval.expires_after.as_str()),
        ];
        Entry::new("approval", fields)
    }));
    fields.extend(stage.bake.iter().map(|bake| {
        let alarms = Entry::new("alarms", bake.alarms.as_slice());
        Entry::new("bake", vec![alarms, Entry::new("for", bake.duration.as_str())])
    }));
    Hcl::Block(fields)
}

/// The fields of a service, but for what a person should know of it.
fn fields_of(service: &PlannedService) -> Vec<Entry> {
    let mut fields = vec![Entry::new("service", service.service.as_str())];
    fields.extend(how(service.template.as_deref(), &service.containers, &service.check));
    fields
}

/// How a service is deployed and judged.
fn how(template: Option<&str>, containers: &[String], judged: &Check) -> Vec<Entry> {
    let mut fields: Vec<_> = template.map(|template| Entry::new("template", template)).into_iter().collect();
    if !containers.is_empty() {
        fields.push(Entry::new("containers", containers));
    }
    fields.push(check(judged));
    fields
}

fn check(check: &Check) -> Entry {
    match check {
        Check::Health { path, url, codes } => {
            let mut fields = vec![Entry::new("path", path.as_str())];
            fields.extend(url.as_deref().map(|url| Entry::new("url", url)));
            fields.extend(codes.as_ref().map(|codes| Entry::new("codes", codes.as_str())));
            Entry::new("health", fields)
        }
        Check::TargetHealth {} => Entry::new("target_health", Vec::<Entry>::new()),
        Check::Steady { duration } => Entry::new("steady", vec![Entry::new("for", duration.as_str())]),
    }
}

fn with_notes(mut fields: Vec<Entry>, notes: &[String]) -> Vec<Entry> {
    if let Some(first) = fields.first_mut() {
        *first = first.clone().with(notes);
    }
    fields
}

/// What would be configured for a service, on one line.
pub(super) fn in_short(service: &ServiceReport) -> String {
    let fields = how(service.template.as_field(), &service.named_containers, &service.check);
    fields.iter().filter_map(Entry::inline).collect::<Vec<_>>().join(", ")
}

/// `README.md`: what to do next.
fn readme(adoption: &Adoption, wish: &Wish, clone: &str) -> String {
    let name = &wish.deployer;
    let mut text = format!(
        "# Slipway for services that exist already\n\n\
        Written by `slipway init` for the account {} in {}. It has changed nothing in AWS: what follows does.\n\n\
        ## 1. Read what Slipway would release\n\n\
        [`terraform.tfvars`](terraform.tfvars) has each application with its stages, and above a service what to know of it. \
        `template` is what a release is made from: the newest revision of that family, with the image of the release in the \
        place of the application's own. With `template = \"running\"` it is what the service runs at that moment.\n\n",
        words::exact(&adoption.account),
        words::exact(&adoption.region)
    );
    for application in &adoption.applications {
        text.push_str(&format!("- `{}`, of the repository `{}`\n", application.name, application.repository));
        for stage in &application.stages {
            let services: Vec<_> =
                stage.services.iter().map(|service| format!("`{}`", service.service)).collect();
            text.push_str(&format!("  - {} in `{}`: {}\n", stage.name, stage.cluster, list(&services)));
        }
    }
    text.push_str(&sentences(
        "Left out",
        adoption.left_out.iter().map(|one| format!("{}: {}", one.what, one.why)),
    ));
    text.push_str(&sentences(
        "Not looked at, for want of a right or of an answer",
        adoption.unread.iter().cloned(),
    ));
    let warnings = adoption.services.iter().filter(|service| service.repository.is_some());
    text.push_str(&sentences(
        "Better put right before the first release",
        warnings.flat_map(|service| {
            let place = format!("{}/{}", service.cluster, service.service);
            service.warnings.iter().map(move |warning| format!("{place}: {warning}"))
        }),
    ));
    text.push_str(
        "\n## 2. Have the services' Terraform leave one attribute alone\n\n\
        A release sets which revision a service runs. Without this the next `terraform apply` would undo it. \
        `desired_count` belongs there, too, where scaling changes it.\n\n\
        ```hcl\nresource \"aws_ecs_service\" \"this\" {\n  # …\n  lifecycle {\n    \
        ignore_changes = [task_definition]\n  }\n}\n```\n\n\
        ## 3. Tag what Slipway may change and read\n\n",
    );
    text.push_str(&tagging(adoption, name));
    text.push_str(&format!(
        "\n## 4. Apply\n\n\
        ```sh\nterraform init\nterraform plan\nterraform apply -parallelism=30\n```\n\n\
        The functions' packages are in the bundle of a release. In a clone of the repository they are built first: \
        `(cd {} && cargo lambda build --release {} --output-format zip)`.\n\n\
        This makes Slipway alone: a table, functions, the workflow, rules, topics, an API, alarms and their roles. It changes \
        no service, no load balancer and no repository.\n\n\
        ## 5. Confirm, look, push\n\n\
        Each approver and each address of `notification_emails` confirms the subscription that SNS sends by mail. Then \
        `slipway doctor` says what would stop a release, and a push of a tag that the application takes starts one.\n\n\
        ## Who needs which right\n\n\
        | who | needs |\n| --- | --- |\n\
        | `slipway init` | [`init-policy.json`](init-policy.json): it reads, and nothing else |\n\
        | who tags (3) | [`tag-policy.json`](tag-policy.json): it tags these services and repositories, and nothing else |\n\
        | who applies (4) | nearly all of an administrator: it makes roles with policies, functions, a table, a state machine, rules, topics, queues, keys, an API and alarms. No policy for it is written here, because one that can make roles is no small one: use the role that applies your other Terraform |\n\
        | Slipway's functions | what `terraform plan` shows: among others `ecs:UpdateService` on services with the tag `slipway:deployer`, `ecs:RegisterTaskDefinition`, and `iam:PassRole` on the roles below |\n",
        shell(clone),
        "--arm64"
    ));
    text.push_str(&sentences(
        "Roles that Slipway passes on to ECS (`task_role_arns`)",
        adoption.task_role_arns.iter().map(|arn| format!("`{arn}`")),
    ));
    text
}

/// How to tag what lacks the tag.
fn tagging(adoption: &Adoption, name: &str) -> String {
    if adoption.untagged.is_empty() {
        return format!("All of it has the tag `slipway:deployer` = `{name}` already.\n");
    }
    let commands = adoption.untagged.iter().map(|Untagged { of, arn }| {
        let (api, tag) = match of {
            Tagger::Ecs => ("ecs", format!("key=slipway:deployer,value={name}")),
            Tagger::Ecr => ("ecr", format!("Key=slipway:deployer,Value={name}")),
        };
        format!(
            "aws {api} tag-resource --region {} --resource-arn {} --tags {tag}\n",
            shell(&adoption.region),
            shell(arn)
        )
    });
    format!(
        "Slipway's rights name this tag, and no service. Where Terraform makes the service or the repository, write the tag \
        there, too, or it is taken away again.\n\n```sh\n{}```\n",
        commands.collect::<Vec<_>>().concat()
    )
}

/// Sentences below a title, where there are some.
fn sentences(title: &str, sentences: impl Iterator<Item = String>) -> String {
    let items: Vec<_> = sentences.map(|sentence| format!("- {}\n", words::exact(&sentence))).collect();
    if items.is_empty() { String::new() } else { format!("\n{title}:\n\n{}", items.concat()) }
}

/// A word as a shell takes it.
fn shell(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || ":/._-".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests;
