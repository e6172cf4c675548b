//! Parks task tokens and ends their waits. It is the only function that may tell Step Functions how a task ended.
//!
//! An event is only a reason to look: what counts is what ECS, CloudWatch or the table say now. That makes a doubled, late
//! or reordered event harmless, and a lost one is made up for by the next look.

mod look;
mod signal;

use serde_json::{Value, json};
use slipway_aws::{Aws, Delivery, Key, Stored, Table};
use slipway_core::approval::Approval;
use slipway_core::name::{ReleaseId, StageName};
use slipway_core::release::Release;
use slipway_core::step::WaitRequest;
use slipway_core::wait::{Signal, Wait, WaitResult};
use slipway_runtime::{ConfigurationError, Environment, StepError, happened, parse};

use signal::{Change, Event, Records, WaitPointer, Waiting};

/// What the function is told by its environment.
#[derive(Clone, Debug)]
pub struct Config {
    /// The table's name.
    pub table: String,
    /// The workflow's ARN: whether the holder of a turn still runs is asked there.
    pub state_machine_arn: String,
}

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    ///
    /// When a variable is not set.
    pub fn read(environment: &Environment<'_>) -> Result<Self, ConfigurationError> {
        Ok(Self { table: environment.table()?, state_machine_arn: environment.state_machine_arn()? })
    }
}

/// Where the truth is, and where waits are kept.
struct Place<'a> {
    aws: &'a Aws,
    table: Table,
    state_machine_arn: &'a str,
}

/// Does what it was woken for: the workflow parks or settles a wait, ECS reports a deployment, or the table's stream brings
/// a decision or an alarm.
///
/// # Errors
///
/// When the input does not parse, or AWS cannot be asked.
pub async fn handle(aws: &Aws, config: &Config, input: Value) -> Result<Value, StepError> {
    let place = Place { aws, table: aws.table(&config.table), state_machine_arn: &config.state_machine_arn };
    if input.get("Records").is_some() {
        return records(&place, &parse(input)?).await;
    }
    if input.get("detail-type").is_some() {
        let event: Event = parse(input)?;
        for signal in event.signals()? {
            signalled(&place, &signal).await?;
        }
        return Ok(json!({}));
    }
    match parse(input)? {
        WaitRequest::Park { token, release, stage, wait } => {
            park(&place, Waiting { token, release, stage, wait }).await?;
            Ok(json!({}))
        }
        WaitRequest::Settle { release, stage, wait } => {
            let result = settle(&place, &release, &wait).await?;
            remember(&place, &release, Some(&stage), &wait, &result).await?;
            if let Some(waiting) = place.table.get::<Waiting>(&Key::wait(&release.id, Some(&stage), &wait.kind())).await? {
                forget(&place.table, &waiting.document).await?;
            }
            serde_json::to_value(result).map_err(|error| StepError::InvalidInput { field: "wait".into(), problem: error.to_string() })
        }
    }
}

/// Keeps the token, and looks at once: what is waited for may be there already, and its event may have come before.
async fn park(place: &Place<'_>, waiting: Waiting) -> Result<(), StepError> {
    let Waiting { release, stage, wait, .. } = &waiting;
    place.table.put(&Key::wait(&release.id, stage.as_ref(), &wait.kind()), &waiting).await?;
    for signal in wait.signals(&release.application) {
        let pointer = WaitPointer { release: release.id.clone(), stage: stage.clone(), kind: wait.kind().into_owned(), rang: None };
        place.table.put(&Key::signal(&signal, &release.id, stage.as_ref()), &pointer).await?;
    }
    tracing::info!(%release.id, stage = in_words(stage.as_ref()), kind = %wait.kind(), "{} waits: {}", release.id, wait.kind());
    match look::at(place, release, wait).await? {
        // The wait is removed first: whatever fails here, the workflow parks it again. Nobody comes back for one whose token was
        // used.
        Some(result) => {
            forget(&place.table, &waiting).await?;
            deliver(place, &waiting, &result).await
        }
        None => Ok(()),
    }
}

/// Looks at every wait that this signal may end.
async fn signalled(place: &Place<'_>, signal: &Signal) -> Result<(), StepError> {
    let pointers: Vec<(Key, Stored<WaitPointer>)> = place.table.list(&Key::signals(signal), "").await?;
    for (key, Stored { document: WaitPointer { release, stage, kind, .. }, .. }) in pointers {
        match place.table.get::<Waiting>(&Key::wait(&release, stage.as_ref(), &kind)).await? {
            Some(waiting) => resume_if_over(place, &waiting.document).await?,
            // Left behind by a run that died after it had removed the wait.
            None => forget_pointer(&place.table, &key, &kind).await?,
        }
    }
    Ok(())
}

/// Looks at every wait of a release.
async fn look_at_all(place: &Place<'_>, release: &ReleaseId) -> Result<(), StepError> {
    let waits: Vec<(Key, Stored<Waiting>)> = place.table.list(&Key::waits(release), "").await?;
    for (_, waiting) in waits {
        resume_if_over(place, &waiting.document).await?;
    }
    Ok(())
}

/// The table's changes, in order. What could not be done is told to Lambda, which brings it again.
async fn records(place: &Place<'_>, records: &Records) -> Result<Value, StepError> {
    for record in &records.records {
        let done = match record.change() {
            Some(Change::Decision { approval }) => decided(place, &approval).await,
            Some(Change::Alarm { pointer }) => rang(place, &pointer).await,
            Some(Change::Push { application }) => signalled(place, &Signal::Push(application)).await,
            Some(Change::Turn { application }) => signalled(place, &Signal::Turn(application)).await,
            Some(Change::Release { release }) => look_at_all(place, &release).await,
            None => Ok(()),
        };
        if let Err(error) = done {
            tracing::error!(error.name = error.name(), "a change of the table could not be brought over, and will be tried again: {error}");
            return Ok(json!({ "batchItemFailures": [{ "itemIdentifier": record.dynamodb.sequence_number }] }));
        }
    }
    Ok(json!({ "batchItemFailures": [] }))
}

async fn decided(place: &Place<'_>, approval: &Key) -> Result<(), StepError> {
    let Some(stored) = place.table.get::<Approval>(approval).await? else { return Ok(()) };
    let approval = stored.document;
    let kind = Wait::Decision { approval: approval.id }.kind();
    let key = Key::wait(&approval.release.id, Some(&approval.stage), &kind);
    match place.table.get::<Waiting>(&key).await? {
        Some(waiting) => resume_if_over(place, &waiting.document).await,
        // The wait is not parked yet, and will look by itself when it is; or it is over.
        None => Ok(()),
    }
}

async fn rang(place: &Place<'_>, pointer: &Key) -> Result<(), StepError> {
    let Some(stored) = place.table.get::<WaitPointer>(pointer).await? else { return Ok(()) };
    let WaitPointer { release, stage, kind, rang: Some(reason) } = stored.document else { return Ok(()) };
    match place.table.get::<Waiting>(&Key::wait(&release, stage.as_ref(), &kind)).await? {
        Some(waiting) => resume(place, &waiting.document, &WaitResult::Rang { reason }).await,
        None => Ok(()),
    }
}

async fn resume_if_over(place: &Place<'_>, waiting: &Waiting) -> Result<(), StepError> {
    match look::at(place, &waiting.release, &waiting.wait).await? {
        Some(result) => resume(place, waiting, &result).await,
        None => Ok(()),
    }
}

async fn resume(place: &Place<'_>, waiting: &Waiting, result: &WaitResult) -> Result<(), StepError> {
    deliver(place, waiting, result).await?;
    // Removed afterwards: whoever brought the signal brings it again when something fails before.
    forget(&place.table, waiting).await
}

async fn deliver(place: &Place<'_>, waiting: &Waiting, result: &WaitResult) -> Result<(), StepError> {
    let Waiting { token, release, stage, wait } = waiting;
    remember(place, release, stage.as_ref(), wait, result).await?;
    if place.aws.executions().resume(token, result).await? == Delivery::Delivered {
        tracing::info!(%release.id, stage = in_words(stage.as_ref()), kind = %wait.kind(), "the wait of {} is over: {}", release.id, wait.kind());
    }
    Ok(())
}

/// Keeps how a wait of a stage ended, for the release's history.
async fn remember(
    place: &Place<'_>,
    release: &Release,
    stage: Option<&StageName>,
    wait: &Wait,
    result: &WaitResult,
) -> Result<(), StepError> {
    if let Some((step, words)) = result.moment(wait) {
        happened(&place.table, &release.id, stage, (step, ""), words).await?;
    }
    Ok(())
}

/// Removes a wait that is over, and then what points to it: a run that dies in between is made up for by the next signal.
///
/// The same task may have parked a new token meanwhile, and the same stage a wait of another kind. Those stay.
async fn forget(table: &Table, waiting: &Waiting) -> Result<(), StepError> {
    let Waiting { token, release, stage, wait } = waiting;
    if table.delete_holding(&Key::wait(&release.id, stage.as_ref(), &wait.kind()), token).await? {
        for signal in wait.signals(&release.application) {
            forget_pointer(table, &Key::signal(&signal, &release.id, stage.as_ref()), &wait.kind()).await?;
        }
    }
    Ok(())
}

async fn forget_pointer(table: &Table, key: &Key, kind: &str) -> Result<(), StepError> {
    table.delete_holding(key, &WaitPointer::kind_in_json(kind)).await?;
    Ok(())
}

/// The wait's time is over: the truth once more, and where it still says nothing, the time-out's own result.
async fn settle(place: &Place<'_>, release: &Release, wait: &Wait) -> Result<WaitResult, StepError> {
    if let Wait::Decision { approval } = wait {
        return look::settled(&place.table, approval).await;
    }
    if let Some(result) = look::at(place, release, wait).await? {
        return Ok(result);
    }
    Ok(match wait {
        Wait::Bake { .. } => WaitResult::Quiet {},
        Wait::Scan { .. } | Wait::Database { .. } | Wait::Snapshot { .. } | Wait::Task { .. } => {
            return Err(StepError::InvalidInput { field: "settle.wait.for".into(), problem: "its gate settles this wait".into() });
        }
        Wait::Turn {} | Wait::Deployment { .. } | Wait::Rollback { .. } | Wait::Decision { .. } => {
            WaitResult::Failed { reason: look::unfinished(place.aws, wait).await? }
        }
    })
}

fn in_words(stage: Option<&StageName>) -> &str {
    stage.map_or("", StageName::as_str)
}
