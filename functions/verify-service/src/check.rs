//! The command by which a service without a load balancer says that all is well: a task of its own, run once.

use sha2::{Digest as _, Sha256};
use slipway_aws::{Aws, Key, OneOff, Table};
use slipway_core::migration::TaskEnd;
use slipway_core::step::VerifyServiceInput;
use slipway_core::verification::{Health, Verification};
use slipway_core::wait::Wait;
use slipway_runtime::{StepError, log_tail, time_left};

/// How long the command may take, in seconds.
const TIMEOUT_SECONDS: u32 = 5 * 60;

/// Runs the command, or looks at how it ended.
pub(crate) async fn run(
    aws: &Aws,
    table: &Table,
    input: &VerifyServiceInput,
    command: &[String],
    mut verification: Verification,
) -> Result<Verification, StepError> {
    let VerifyServiceInput { release, stage, service, .. } = input;
    let (cluster, name) = (service.cluster.as_str(), &service.service);
    let hash = hex::encode(Sha256::digest(format!("{}/{stage}/{name}", release.id).as_bytes()));
    let one_off = OneOff {
        cluster,
        service: name,
        task_definition: &service.task_definition,
        container: name.as_str(),
        command,
        name: &format!("slipway-check-{}", &hash[..32]),
        release: &release.id,
    };
    let task = aws.ecs().run_once(&one_off).await?;
    let left = time_left(table, &Key::gate(&release.id, stage, &format!("CHECK#{name}")), TIMEOUT_SECONDS).await?;
    let found = aws.ecs().one_off(cluster, &task, Some(name.as_str())).await?;
    let end = match (found, left) {
        // ECS may not know a task yet that it has just begun.
        (found, Some(left)) if found.as_ref().is_none_or(|found| !found.stopped) => {
            verification.result = Health::Waiting;
            verification.wait = Some(Wait::Task { cluster: service.cluster.clone(), task });
            verification.timeout_seconds = Some(left);
            return Ok(verification);
        }
        (Some(found), None) if !found.stopped => {
            aws.ecs().stop(cluster, &task, "Slipway: the check took too long").await?;
            TaskEnd { exit_code: None, reason: format!("it was stopped after {TIMEOUT_SECONDS} s"), log: Vec::new() }
        }
        (Some(found), _) => {
            let log = log_tail(aws, &service.task_definition, name.as_str(), &task).await?;
            TaskEnd { exit_code: found.exit_code, reason: found.reason, log }
        }
        (None, _) => TaskEnd { exit_code: None, reason: "ECS does not know its task any more".to_owned(), log: Vec::new() },
    };
    verification.command = Some(end.in_words());
    if !end.is_good() {
        verification.result = Health::Unhealthy;
        verification.reason = format!("the command of {name} says that it is not well: {}", end.in_words());
    }
    Ok(verification)
}
