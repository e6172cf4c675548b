//! The command by which a service without a load balancer says that all is well: a task of its own, run once.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use slipway_aws::{Aws, Key, OneOff, Table};
use slipway_core::approval::Verified;
use slipway_core::definition::own;
use slipway_core::migration::TaskEnd;
use slipway_core::protocol::WakeKey;
use slipway_core::step::{CHECK_SECONDS, DeployedService, VerifyServicesInput};
use slipway_core::verification::{Health, Verification};
use slipway_release::{StepError, deadline, log_tail, now};

use crate::Seen;

/// Runs the command, or looks at how it ended.
pub(crate) async fn run(
    aws: &Aws,
    table: &Table,
    (input, service): (&VerifyServicesInput, &DeployedService),
    command: &[String],
    mut verification: Verification,
) -> Result<Seen, StepError> {
    let VerifyServicesInput { release, stage, .. } = input;
    let (cluster, name) = (service.cluster.as_str(), &service.service);
    let seen = |verification| Verified { stage: stage.clone(), verification, url: None };
    let hash = hex::encode(Sha256::digest(format!("{}/{stage}/{name}", release.id).as_bytes()));
    let Some(definition) = aws.ecs().task_definition(service.task_definition.as_str()).await? else {
        verification.result = Health::Unhealthy;
        verification.reason = format!("ECS has no task definition {} any more", service.task_definition);
        return Ok(Seen::Final(seen(verification)));
    };
    let own = own(&definition.document, &release.image, name.as_str(), &service.containers);
    let container = own.map_or(name.as_str(), |own| own.container);
    let one_off = OneOff {
        cluster,
        service: name,
        task_definition: &service.task_definition,
        tags: &definition.tags,
        container,
        command,
        name: &format!("slipway-check-{}", &hash[..32]),
        release: &release.id,
    };
    let kept = Key::gate(&release.id, stage, &format!("CHECK_TASK#{name}"));
    let task = if let Some(stored) = table.get::<String>(&kept).await? {
        stored.document
    } else {
        let task = aws.ecs().run_once(&one_off).await?;
        table.put(&kept, &task).await?;
        task
    };
    let until: Timestamp =
        deadline(table, &Key::gate(&release.id, stage, &format!("CHECK#{name}")), CHECK_SECONDS).await?;
    let late = now() >= until;
    let found = aws.ecs().one_off(cluster, &task, Some(container)).await?;
    let end = match found {
        // ECS may not know a task yet that it has just begun.
        found if !late && found.as_ref().is_none_or(|found| !found.stopped) => {
            return Ok(Seen::Waits { on: WakeKey::Task(task), until });
        }
        Some(found) if !found.stopped => {
            aws.ecs().stop(cluster, &task, "Slipway: the check took too long").await?;
            TaskEnd {
                exit_code: None,
                reason: format!("it was stopped after {CHECK_SECONDS} s"),
                log: Vec::new(),
            }
        }
        Some(found) => {
            let log = log_tail(aws, &service.task_definition, container, &task).await;
            TaskEnd { exit_code: found.exit_code, reason: found.reason, log }
        }
        None => TaskEnd {
            exit_code: None,
            reason: "ECS does not know its task any more".to_owned(),
            log: Vec::new(),
        },
    };
    verification.command = Some(end.in_words());
    if end.is_good() {
        return Ok(Seen::Judged(seen(verification)));
    }
    verification.result = Health::Unhealthy;
    verification.reason = format!("the command of {name} says that it is not well: {}", end.in_words());
    Ok(Seen::Final(seen(verification)))
}
