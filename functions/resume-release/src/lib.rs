//! Parks task tokens and ends their waits. It is the only function that may tell Step Functions how a task ended.
//!
//! An event is only a reason to look: what counts is what ECS, CloudWatch or the table say now. That makes a doubled, late
//! or reordered event harmless, and a lost one is made up for by the next look.

mod look;
mod signal;

use serde_json::{Value, json};
use slipway_aws::{Aws, Delivery, Key, Stored, Table};
use slipway_core::name::StageName;
use slipway_core::release::Release;
use slipway_core::step::WaitRequest;
use slipway_core::wait::{Signal, Wait, WaitResult};
use slipway_runtime::{Config, StepError, parse};

use signal::{Change, EcsEvent, Records, WaitPointer, Waiting};

/// Does what it was woken for: the workflow parks or settles a wait, ECS reports a deployment, or the table's stream brings
/// a decision or an alarm.
///
/// # Errors
///
/// When the input does not parse, or AWS cannot be asked.
pub async fn handle(aws: &Aws, config: &Config, input: Value) -> Result<Value, StepError> {
    let table = aws.table(&config.table);
    if input.get("Records").is_some() {
        return records(aws, &table, &parse(input)?).await;
    }
    if input.get("detail-type").is_some() {
        let event: EcsEvent = parse(input)?;
        for service in event.services()? {
            signalled(aws, &table, &Signal::Service(service)).await?;
        }
        return Ok(json!({}));
    }
    match parse(input)? {
        WaitRequest::Park { token, release, stage, wait } => {
            park(aws, &table, Waiting { token, release, stage, wait }).await?;
            Ok(json!({}))
        }
        WaitRequest::Settle { release, stage, wait } => {
            let result = settle(aws, &table, &wait).await?;
            forget(&table, &release, &stage, &wait).await?;
            serde_json::to_value(result).map_err(|error| StepError::InvalidInput { field: "wait".into(), problem: error.to_string() })
        }
    }
}

/// Keeps the token, and looks at once: what is waited for may be there already, and its event may have come before.
async fn park(aws: &Aws, table: &Table, waiting: Waiting) -> Result<(), StepError> {
    let Waiting { release, stage, wait, .. } = &waiting;
    table.put(&Key::wait(&release.id, stage, wait.kind()), &waiting).await?;
    for signal in wait.signals(&release.application) {
        let pointer = WaitPointer { release: release.id.clone(), stage: stage.clone(), kind: wait.kind().to_owned(), rang: None };
        table.put(&Key::signal(&signal, &release.id, stage), &pointer).await?;
    }
    tracing::info!(%release.id, %stage, kind = wait.kind(), "{} waits in {stage}", release.id);
    resume_if_over(aws, table, &waiting).await
}

/// Looks at every wait that this signal may end.
async fn signalled(aws: &Aws, table: &Table, signal: &Signal) -> Result<(), StepError> {
    let pointers: Vec<(Key, Stored<WaitPointer>)> = table.list(&Key::signals(signal), "").await?;
    for (_, Stored { document: WaitPointer { release, stage, kind, .. }, .. }) in pointers {
        if let Some(waiting) = table.get::<Waiting>(&Key::wait(&release, &stage, &kind)).await? {
            resume_if_over(aws, table, &waiting.document).await?;
        }
    }
    Ok(())
}

/// The table's changes, in order. What could not be done is told to Lambda, which brings it again.
async fn records(aws: &Aws, table: &Table, records: &Records) -> Result<Value, StepError> {
    for record in &records.records {
        let done = match record.change() {
            Some(Change::Decision { approval }) => decided(aws, table, &approval).await,
            Some(Change::Alarm { pointer }) => rang(aws, table, &pointer).await,
            Some(Change::Push { application }) => signalled(aws, table, &Signal::Push(application)).await,
            None => Ok(()),
        };
        if let Err(error) = done {
            tracing::error!(error.name = error.name(), "a change of the table could not be brought over, and will be tried again: {error}");
            return Ok(json!({ "batchItemFailures": [{ "itemIdentifier": record.dynamodb.sequence_number }] }));
        }
    }
    Ok(json!({ "batchItemFailures": [] }))
}

async fn decided(aws: &Aws, table: &Table, approval: &Key) -> Result<(), StepError> {
    let Some(stored) = table.get::<slipway_core::approval::Approval>(approval).await? else { return Ok(()) };
    let approval = stored.document;
    let key = Key::wait(&approval.release.id, &approval.stage, Wait::Decision { approval: approval.id }.kind());
    match table.get::<Waiting>(&key).await? {
        Some(waiting) => resume_if_over(aws, table, &waiting.document).await,
        // The wait is not parked yet, and will look by itself when it is; or it is over.
        None => Ok(()),
    }
}

async fn rang(aws: &Aws, table: &Table, pointer: &Key) -> Result<(), StepError> {
    let Some(stored) = table.get::<WaitPointer>(pointer).await? else { return Ok(()) };
    let WaitPointer { release, stage, kind, rang: Some(reason) } = stored.document else { return Ok(()) };
    match table.get::<Waiting>(&Key::wait(&release, &stage, &kind)).await? {
        Some(waiting) => resume(aws, table, &waiting.document, &WaitResult::Rang { reason }).await,
        None => Ok(()),
    }
}

async fn resume_if_over(aws: &Aws, table: &Table, waiting: &Waiting) -> Result<(), StepError> {
    match look::at(aws, table, &waiting.wait).await? {
        Some(result) => resume(aws, table, waiting, &result).await,
        None => Ok(()),
    }
}

async fn resume(aws: &Aws, table: &Table, waiting: &Waiting, result: &WaitResult) -> Result<(), StepError> {
    let Waiting { token, release, stage, wait } = waiting;
    let delivery = aws.executions().resume(token, result).await?;
    if delivery == Delivery::Delivered {
        tracing::info!(%release.id, %stage, kind = wait.kind(), "the wait of {} in {stage} is over", release.id);
    }
    forget(table, release, stage, wait).await
}

async fn forget(table: &Table, release: &Release, stage: &StageName, wait: &Wait) -> Result<(), StepError> {
    for signal in wait.signals(&release.application) {
        table.delete(&Key::signal(&signal, &release.id, stage)).await?;
    }
    table.delete(&Key::wait(&release.id, stage, wait.kind())).await?;
    Ok(())
}

/// The wait's time is over: the truth once more, and where it still says nothing, the time-out's own result.
async fn settle(aws: &Aws, table: &Table, wait: &Wait) -> Result<WaitResult, StepError> {
    if let Wait::Decision { approval } = wait {
        return look::close(table, approval).await;
    }
    if let Some(result) = look::at(aws, table, wait).await? {
        return Ok(result);
    }
    Ok(match wait {
        Wait::Bake { .. } => WaitResult::Quiet {},
        Wait::Deployment { .. } | Wait::Decision { .. } => WaitResult::Failed { reason: look::unfinished(aws, wait).await? },
    })
}
