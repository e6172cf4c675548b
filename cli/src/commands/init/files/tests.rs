use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use slipway_core::adoption::{LeftOut, PlannedApproval, PlannedBake, PlannedTask, WishedStage};
use slipway_core::name::{
    ApplicationName, ClusterName, EmailAddress, RepositoryName, ServiceName, StageName,
};
use slipway_core::status::StatusCodes;

use super::*;
use crate::commands::init::hcl::HOSTILE;

/// What all of it may be, with what people and programs may have called something.
fn adoption() -> Adoption {
    let hostile = || HOSTILE.map(ToOwned::to_owned).to_vec();
    let cluster = ClusterName::new("Shop_production").expect("a name");
    let service = |name: &str, check: Check| PlannedService {
        service: ServiceName::new(name).expect("a name"),
        template: Some(HOSTILE[0].to_owned()),
        containers: hostile(),
        check,
        notes: hostile(),
    };
    let health = |path: &str, url: &str| Check::Health {
        path: path.to_owned(),
        url: Some(url.to_owned()),
        codes: Some(StatusCodes::new("200-399").expect("codes")),
    };
    let stage = PlannedStage {
        name: StageName::new("production").expect("a name"),
        cluster,
        services: vec![
            service("web", health(HOSTILE[1], HOSTILE[2])),
            service("rpc", Check::TargetHealth {}),
            service("worker", Check::Steady { duration: "30s".to_owned() }),
        ],
        tasks: HOSTILE
            .iter()
            .map(|text| PlannedTask { family: (*text).to_owned(), container: (*text).to_owned() })
            .collect(),
        approval: Some(PlannedApproval {
            approvers: vec![EmailAddress::new("\"ana${x}\"@example.com").expect("an address")],
            quorum: 1,
            expires_after: "24h".to_owned(),
        }),
        bake: Some(PlannedBake { alarms: hostile(), duration: "15m".to_owned() }),
    };
    let application = |name: &str| PlannedApplication {
        name: ApplicationName::new(name).expect("a name"),
        repository: RepositoryName::new("team/shop").expect("a name"),
        tags: vec!["v*".to_owned()],
        stages: vec![stage.clone()],
        notes: hostile(),
    };
    Adoption {
        account: "111122223333".to_owned(),
        region: "eu-central-1".to_owned(),
        services: Vec::new(),
        schedules: Vec::new(),
        // A name that begins an expression in HCL.
        applications: vec![application("for"), application("shop-2")],
        left_out: HOSTILE
            .iter()
            .map(|text| LeftOut { what: (*text).to_owned(), why: (*text).to_owned() })
            .collect(),
        task_role_arns: hostile(),
        untagged: vec![Untagged {
            of: Tagger::Ecs,
            arn: "arn:aws:ecs:x:1:service/a/b'; rm -rf / #".to_owned(),
        }],
        unread: hostile(),
    }
}

fn wish() -> Wish {
    let stage = WishedStage {
        name: StageName::new("production").expect("a name"),
        cluster: ClusterName::new("Shop_production").expect("a name"),
        services: Vec::new(),
    };
    Wish { stages: vec![stage], repository: None, approvers: Vec::new(), deployer: "slipway".to_owned() }
}

fn terraform(folder: &std::path::Path, arguments: &[&str], typed: &str) -> (bool, String) {
    use std::io::Write as _;
    let mut command = Command::new("terraform");
    let command = command.args(arguments).current_dir(folder).env("CHECKPOINT_DISABLE", "1");
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.expect("Terraform is installed, as the README asks for");
    child.stdin.take().expect("it is piped").write_all(typed.as_bytes()).expect("it can be typed");
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}

#[test]
fn what_is_written_is_formatted_as_terraform_formats_it() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in of(&adoption(), &wish(), "../clone of \"${mine}\"") {
        std::fs::write(folder.path().join(name), text).expect("it is written");
    }

    let (is_formatted, said) = terraform(folder.path(), &["fmt", "-check", "-diff"], "");

    assert!(is_formatted, "{said}");
}

#[test]
fn terraform_reads_the_applications_that_were_planned_whatever_they_are_called() {
    let folder = tempfile::tempdir().expect("a folder");
    let adoption = adoption();
    std::fs::write(folder.path().join("variables.tf"), VARIABLES).expect("it is written");
    let values = values(&adoption, &wish());
    std::fs::write(folder.path().join("terraform.tfvars"), values).expect("it is written");

    let question = "base64encode(jsonencode([var.applications, var.task_role_arns]))\n";
    let (is_read, said) = terraform(folder.path(), &["console"], question);

    assert!(is_read, "{said}");
    let answer = said.lines().find_map(|line| line.strip_prefix('"')?.strip_suffix('"'));
    let answer = answer.and_then(|answer| STANDARD.decode(answer).ok());
    let read: Value =
        serde_json::from_slice(&answer.unwrap_or_else(|| panic!("{said}"))).expect("it is JSON");
    for application in &adoption.applications {
        let mut planned = serde_json::to_value(application).expect("it is JSON");
        let fields = planned.as_object_mut().expect("an application");
        // It is the key; and what people should know is a comment.
        fields.remove("name");
        fields.remove("notes");
        for service in planned["stages"][0]["services"].as_array_mut().expect("services") {
            service.as_object_mut().expect("a service").remove("notes");
        }
        assert_eq!(read[0][application.name.as_str()], planned);
    }
    assert_eq!(read[1], serde_json::to_value(&adoption.task_role_arns).expect("it is JSON"));
}

#[test]
fn the_modules_are_named_as_terraform_takes_a_path() {
    for (clone, source) in [
        ("..", "\"../infra/modules/deployer\""),
        ("../slipway", "\"../slipway/infra/modules/deployer\""),
        ("/opt/slipway", "\"/opt/slipway/infra/modules/deployer\""),
        (".", "\"./infra/modules/deployer\""),
        ("clone", "\"./clone/infra/modules/deployer\""),
    ] {
        let text = main(clone);
        assert!(text.contains(source), "{clone}: {text}");
        assert!(PLACES.iter().all(|(place, _)| !text.contains(place)), "{text}");
    }
}

#[test]
fn a_command_takes_a_name_as_one_word() {
    assert_eq!(
        shell("arn:aws:ecs:eu-central-1:111122223333:service/main/web"),
        "arn:aws:ecs:eu-central-1:111122223333:service/main/web"
    );
    assert_eq!(shell("a'; rm -rf / #"), r"'a'\''; rm -rf / #'");
    let text = readme(&adoption(), &wish(), "..");
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
}
