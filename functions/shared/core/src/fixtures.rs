//! What tests of several modules begin with.

use jiff::Timestamp;

use crate::application::{Families, Stage};
use crate::deployment::{ServiceView, Traffic};
use crate::name::{ServiceArn, TaskDefinitionArn};

/// A moment.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

/// A revision of the task definition of web in staging.
pub(crate) fn td(revision: u32) -> TaskDefinitionArn {
    TaskDefinitionArn::new(format!(
        "arn:aws:ecs:eu-central-1:111122223333:task-definition/staging-web:{revision}"
    ))
    .expect("an ARN")
}

/// A revision of the template of web in staging.
pub(crate) fn template(revision: u32) -> TaskDefinitionArn {
    TaskDefinitionArn::new(format!(
        "arn:aws:ecs:eu-central-1:111122223333:task-definition/staging-web-template:{revision}"
    ))
    .expect("an ARN")
}

/// The families of web in staging, with the template that is configured.
pub(crate) fn families(template: Option<&str>) -> Families {
    let mut service = serde_json::json!({ "service": "web", "steady": { "for": "1s" } });
    if let Some(template) = template {
        service["template"] = template.into();
    }
    let stage = serde_json::json!({ "name": "staging", "services": [service] });
    let stage: Stage = serde_json::from_value(stage).expect("it fits");
    stage.families(&stage.services[0])
}

/// The ARN of web in staging.
pub(crate) fn service_arn() -> ServiceArn {
    ServiceArn::new("arn:aws:ecs:eu-central-1:111122223333:service/staging/web").expect("an ARN")
}

/// The service web in staging, with one task of a revision.
pub(crate) fn service(revision: u32) -> ServiceView {
    ServiceView {
        arn: service_arn(),
        deployer: None,
        task_definition: td(revision),
        desired_count: 1,
        running_count: 1,
        deployments: Vec::new(),
        traffic: Traffic::default(),
        events: Vec::new(),
    }
}
