//! `slipway init`: looks at services that exist already, says what Slipway would do for each, and writes the Terraform.
//! It reads AWS, and changes nothing there.

mod files;
mod hcl;
mod look;
mod picture;
mod policy;
mod written;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use slipway_aws::{Aws, AwsError};
use slipway_core::adoption::{Adoption, Wish, WishedStage, adopt};
use slipway_core::name::{ClusterName, EmailAddress, RepositoryName, ServiceName, StageName};

use super::{answered, print, say, say_wrapped};
use crate::show::{list, width};
use crate::{Client, Error, Output};

/// The folder that is written to.
const FOLDER: &str = "slipway";
/// The longest name of a deployer, as the module `deployer` takes it.
const LONGEST_NAME: usize = 20;

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own on the command line")]
pub(crate) struct Arguments {
    /// What is staging: a cluster, or some of its services [default: asked].
    #[arg(long, value_name = "CLUSTER[/SERVICE,…]")]
    staging: Option<String>,
    /// What is production: a cluster, or some of its services [default: asked].
    #[arg(long, value_name = "CLUSTER[/SERVICE,…]")]
    production: Option<String>,
    /// There is no staging: production is the only stage.
    #[arg(long, conflicts_with = "staging")]
    no_staging: bool,
    /// The one ECR repository to make an application of [default: each that every stage runs].
    #[arg(long, value_name = "NAME")]
    repository: Option<String>,
    /// Who is asked before production changes; several are given one by one [default: asked].
    #[arg(long = "approver", value_name = "EMAIL")]
    approvers: Vec<String>,
    /// Nobody is asked before production changes.
    #[arg(long, conflicts_with = "approvers")]
    no_approval: bool,
    /// The folder that the Terraform is written to [default: slipway; with --output json nothing is written].
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Write over files that are there.
    #[arg(long)]
    force: bool,
    /// The name of the deployer that the Terraform makes.
    #[arg(long, default_value = "slipway")]
    name: String,
    /// The unpacked bundle of a release, or a clone of Slipway's repository, whose modules the Terraform names.
    #[arg(long = "from", value_name = "PATH", default_value = ".")]
    clone: PathBuf,
    /// Print the IAM policy that this command needs, and do nothing else.
    #[arg(long)]
    print_policy: bool,
}

pub(crate) async fn run(client: &Client, output: Output, arguments: &Arguments) -> Result<ExitCode, Error> {
    if arguments.print_policy {
        say(&policy::look());
        return Ok(ExitCode::SUCCESS);
    }
    let repository = arguments.repository.as_deref().map(RepositoryName::new).transpose();
    let repository =
        repository.map_err(|error| Error::Refused(format!("--repository: {error}, without its registry")))?;
    let folder = match (&arguments.out, output) {
        (Some(folder), _) => Some(folder.clone()),
        (None, Output::Text) => Some(PathBuf::from(FOLDER)),
        (None, Output::Json) => None,
    };
    checked_name(&arguments.name)?;
    if let Some(folder) = folder.as_deref().filter(|_| !arguments.force) {
        written::refuse_what_is_there(folder, &files::NAMES)?;
    }
    let clone = folder.as_deref().map(|folder| written::way(folder, &arguments.clone)).transpose()?;
    let given = approvers(&arguments.approvers)?;
    let clusters = [("staging", &arguments.staging), ("production", &arguments.production)];
    let clusters: Vec<_> =
        clusters.into_iter().filter(|(name, _)| !(arguments.no_staging && *name == "staging")).collect();
    for (name, value) in &clusters {
        if let Some(value) = value {
            stage(name, value)?;
        }
    }

    let aws = client.aws().await?;
    let existing = aws.ecs().clusters().await.map_err(|error| refused(&error))?;
    let mut stages = Vec::new();
    for (name, value) in clusters {
        let value = match value {
            Some(value) => Some(value.clone()),
            None => asked(&aws, name, &existing)?,
        };
        stages.extend(value.map(|value| stage(name, &value)).transpose()?);
    }
    checked(&stages, &existing, aws.region())?;
    let approvers = match folder {
        Some(_) if given.is_empty() && !arguments.no_approval => asked_approvers()?,
        _ => given,
    };
    let wish = Wish { stages, repository, approvers, deployer: arguments.name.clone() };

    let inventory = look::at(&aws, &wish).await?;
    let adoption = adopt(&inventory, &wish);
    print(output, &adoption, || picture::lines(&adoption, &wish, width()));
    let Some(folder) = folder else { return Ok(ExitCode::SUCCESS) };
    if adoption.applications.is_empty() {
        return Err(Error::Refused(format!("nothing was written: {}", why_none(&adoption, &wish))));
    }
    let files = files::of(&adoption, &wish, &clone.unwrap_or_default());
    written::write(&folder, &files, arguments.force)?;
    if output == Output::Text {
        say("");
        say_wrapped(&words(&folder, &arguments.clone));
    }
    Ok(ExitCode::SUCCESS)
}

/// What was written, and what to do with it.
fn words(folder: &Path, clone: &Path) -> String {
    let has_modules = clone.join("infra/modules/deployer").is_dir();
    let folder = folder.display();
    let mut words = format!(
        "Nothing was changed in AWS. Written to {folder}: {}.\nRead {folder}/README.md, which says what to do next, and {folder}/terraform.tfvars, which is what Slipway would release.",
        list(&files::NAMES.map(ToOwned::to_owned))
    );
    if !has_modules {
        words.push_str(&format!(
            "\n{} is no bundle of a release and no clone of Slipway's repository: write --from PATH, or correct the paths in {folder}/main.tf.",
            clone.display()
        ));
    }
    words
}

/// Why there is no application to configure.
fn why_none(adoption: &Adoption, wish: &Wish) -> String {
    if let Some(repository) = &wish.repository
        && adoption.left_out.is_empty()
    {
        return format!(
            "no service runs an image of the repository {repository}: write another --repository, or leave it out"
        );
    }
    match adoption.left_out.first() {
        Some(first) => format!("{}: {}", first.what, first.why),
        None => "there is no service in these clusters".to_owned(),
    }
}

/// What AWS does not answer, in a sentence.
fn refused(error: &AwsError) -> Error {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        words = format!("{words}: {next}");
        cause = next.source();
    }
    if error.may_be_tried_again() {
        return Error::Unanswered(words);
    }
    Error::Refused(format!("{words}. slipway init --print-policy prints the rights that this command needs"))
}

/// A stage of these words: a cluster, and the services behind a slash.
fn stage(name: &str, words: &str) -> Result<WishedStage, Error> {
    let (cluster, services) = words.split_once('/').unwrap_or((words, ""));
    let wrong = |what: String| {
        Error::Refused(format!(
            "--{name}: {what}; write CLUSTER, or CLUSTER/SERVICE,SERVICE for some of its services"
        ))
    };
    let cluster = ClusterName::new(cluster).map_err(|error| wrong(error.to_string()))?;
    let services = services.split(',').map(str::trim).filter(|service| !service.is_empty());
    let services = services.map(ServiceName::new).collect::<Result<Vec<_>, _>>();
    let services = services.map_err(|error| wrong(error.to_string()))?;
    let name = StageName::new(name).map_err(|error| wrong(error.to_string()))?;
    Ok(WishedStage { name, cluster, services })
}

/// Refuses stages that are not there, or that are the same.
fn checked(stages: &[WishedStage], existing: &[String], region: &str) -> Result<(), Error> {
    let is_there = |stage: &&WishedStage| existing.iter().any(|one| one == stage.cluster.as_str());
    if let Some(stage) = stages.iter().find(|stage| !is_there(stage)) {
        let known = if existing.is_empty() {
            "there is none".to_owned()
        } else {
            format!("those that are: {}", existing.join(", "))
        };
        return Err(Error::Refused(format!(
            "--{}: there is no ECS cluster {} in {region} of this account ({known})",
            stage.name, stage.cluster
        )));
    }
    let [first, second] = stages else { return Ok(()) };
    if first.cluster != second.cluster {
        return Ok(());
    }
    if first.services.is_empty() && second.services.is_empty() {
        return Err(Error::Refused(format!(
            "both stages are the cluster {}: name the services of one of them, such as --staging {}/SERVICE,SERVICE",
            first.cluster, first.cluster
        )));
    }
    match first.services.iter().find(|service| second.services.contains(service)) {
        Some(service) => Err(Error::Refused(format!(
            "the service {service} of the cluster {} is in both stages: a service belongs to one",
            first.cluster
        ))),
        None => Ok(()),
    }
}

/// A deployer's name as the module `deployer` takes it.
fn checked_name(name: &str) -> Result<(), Error> {
    let fits = StageName::new(name).is_ok() && name.len() <= LONGEST_NAME;
    if fits {
        return Ok(());
    }
    Err(Error::Refused(format!(
        "--name: {name:?} is no deployer's name: write lower-case letters, digits and single hyphens, starting with a letter, at most {LONGEST_NAME} characters"
    )))
}

fn approvers(addresses: &[String]) -> Result<Vec<EmailAddress>, Error> {
    let mut approvers = Vec::new();
    for address in addresses {
        let address =
            EmailAddress::new(address).map_err(|error| Error::Refused(format!("--approver: {error}")))?;
        if !approvers.contains(&address) {
            approvers.push(address);
        }
    }
    Ok(approvers)
}

/// Asks which cluster a stage is, with those that there are to choose from; nothing where there is no such stage.
fn asked(aws: &Aws, stage: &str, clusters: &[String]) -> Result<Option<String>, Error> {
    let may_be_none = stage == "staging";
    let (instead, empty) = if may_be_none {
        (", or --no-staging where there is none", ", or nothing where there is none")
    } else {
        ("", "")
    };
    let nobody = || {
        Error::Refused(format!(
            "it is not known what is {stage}, and nobody can be asked here: write --{stage} CLUSTER or --{stage} CLUSTER/SERVICE,SERVICE{instead}"
        ))
    };
    let choice: Vec<_> =
        clusters.iter().enumerate().map(|(position, name)| format!("{}) {name}", position + 1)).collect();
    let question = format!(
        "The ECS clusters in {}:\n{}\nWhat is {stage}? Its number or name, and /SERVICE,SERVICE behind it for some of its services{empty}",
        aws.region(),
        choice.join("\n")
    );
    let answer = answered(&question).ok_or_else(nobody)?;
    let (cluster, services) = answer.split_once('/').map_or((answer.as_str(), None), |(a, b)| (a, Some(b)));
    let numbered = cluster.parse::<usize>().ok().and_then(|number| clusters.get(number.checked_sub(1)?));
    let cluster = numbered.map_or(cluster, String::as_str);
    if cluster.is_empty() {
        return if may_be_none { Ok(None) } else { Err(nobody()) };
    }
    Ok(Some(services.map_or_else(|| cluster.to_owned(), |services| format!("{cluster}/{services}"))))
}

/// Asks who is asked before production changes.
fn asked_approvers() -> Result<Vec<EmailAddress>, Error> {
    let nobody = || {
        Error::Refused(
            "it is not known who approves a release to production: write --approver EMAIL, or --no-approval where nobody is to be asked"
                .to_owned(),
        )
    };
    let question = "Who approves a release to production? E-mail addresses, with spaces between them";
    let answer = answered(question).ok_or_else(nobody)?;
    let addresses: Vec<_> =
        answer.split([' ', ',']).filter(|word| !word.is_empty()).map(ToOwned::to_owned).collect();
    if addresses.is_empty() {
        return Err(nobody());
    }
    approvers(&addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_a_cluster_or_some_of_its_services() {
        let read =
            |words| stage("staging", words).map(|stage| (stage.cluster.to_string(), stage.services.len()));
        assert_eq!(read("main").expect("it fits"), ("main".to_owned(), 0));
        assert_eq!(read("main/web,worker").expect("it fits"), ("main".to_owned(), 2));
        for wrong in ["", "main cluster", "main/we b", "arn:aws:ecs:eu-central-1:111122223333:cluster/main"] {
            let error = read(wrong).expect_err(wrong).to_string();
            assert!(error.starts_with("--staging: ") && error.contains("CLUSTER/SERVICE"), "{error}");
        }
    }

    #[test]
    fn stages_that_are_not_there_or_the_same_are_refused() {
        let check = |staging, production| {
            let stages = [stage("staging", staging), stage("production", production)];
            let stages: Vec<_> = stages.into_iter().map(|stage| stage.expect("it fits")).collect();
            checked(&stages, &["main".to_owned(), "other".to_owned()], "eu-central-1")
        };
        for (staging, production) in [("main", "other"), ("main/web", "main"), ("main/web", "main/api")] {
            check(staging, production).expect("they fit");
        }
        for (staging, production, words) in [
            ("main", "gone", "those that are: main, other"),
            ("main", "main", "name the services"),
            ("main/web", "main/web,api", "in both stages"),
        ] {
            let error = check(staging, production).expect_err(words).to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_deployers_name_fits_the_module() {
        checked_name("slipway-2").expect("it fits");
        for wrong in ["", "Slipway", "slipway_2", "a-name-that-is-far-too-long"] {
            assert!(checked_name(wrong).expect_err(wrong).to_string().contains("--name"));
        }
    }
}
