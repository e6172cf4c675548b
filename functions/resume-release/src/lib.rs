//! Wakes parked steps: an event, or a change of the table, fails the token of every callback that waits for it with
//! `Woken`, and the workflow runs the step again.
//!
//! It judges nothing and calls no function: a step that is woken for nothing looks, and is parked again. A token that
//! is worth nothing any more belongs to an attempt that has ended, so a doubled or late event changes nothing.

mod event;

use serde_json::{Value, json};
use slipway_aws::{Aws, Delivery, Item, Key, Stored, Table};
use slipway_core::name::{ReleaseId, StageName};
use slipway_core::protocol::{Callback, TaskError, WakeKey};
use slipway_release::{StepError, parse};
use slipway_runtime::Config;

use event::{Event, Records};

/// Wakes what an event of AWS or a change of the table is waited for by.
///
/// # Errors
///
/// When the input does not parse, or AWS cannot be asked.
pub async fn handle(aws: &Aws, config: &Config, input: Value) -> Result<Value, StepError> {
    let table = aws.table(&config.table);
    if input.get("Records").is_some() {
        return records(aws, &table, &parse(input)?).await;
    }
    let event: Event = parse(input)?;
    for key in event.keys()? {
        wake(aws, &table, &key).await?;
    }
    Ok(json!({}))
}

/// The table's changes, in order. What another try may do is reported to Lambda, which delivers it again with all that came
/// after it: waking twice does no harm. What no other try helps does not hold up the others; the reconciler wakes what is due.
async fn records(aws: &Aws, table: &Table, records: &Records) -> Result<Value, StepError> {
    let mut failed = None;
    for record in &records.records {
        let woken = match record.key().parse() {
            Some(Item::Approval { id } | Item::Resend { approval: id }) => {
                wake(aws, table, &WakeKey::Approval(id.as_str().to_owned())).await
            }
            Some(Item::Fired { alarm }) => wake(aws, table, &WakeKey::Alarm(alarm)).await,
            Some(Item::Push { application }) => wake(aws, table, &WakeKey::Push(application)).await,
            Some(Item::Lock { application }) if !record.is_held() => {
                wake(aws, table, &WakeKey::Lock(application)).await
            }
            Some(Item::Abort { release }) => wake_all(aws, table, &release, "an abort").await,
            Some(Item::Override { release }) => wake_all(aws, table, &release, "an override").await,
            Some(Item::Freeze) => wake(aws, table, &WakeKey::Freeze).await,
            Some(Item::Due { release, stage, state }) => {
                wake_one(aws, table, &release, stage.as_ref(), &state, "the reconciler").await
            }
            // Nobody waits for it.
            _ => Ok(()),
        };
        if let Err(error) = woken {
            let again = if error.may_be_tried_again() { ", and will be tried again" } else { "" };
            tracing::error!(error.name = error.name(), "a change of the table woke nobody{again}: {error}");
            if error.may_be_tried_again() {
                failed.get_or_insert(record.sequence_number());
            }
        }
    }
    let failed: Vec<_> = failed.into_iter().map(|number| json!({ "itemIdentifier": number })).collect();
    Ok(json!({ "batchItemFailures": failed }))
}

/// Wakes every step that waits for this.
async fn wake(aws: &Aws, table: &Table, key: &WakeKey) -> Result<(), StepError> {
    let mut outcome = Ok(());
    // The keys say which steps wait: a document that does not parse holds up no other.
    for (at, _) in table.list::<Value>(&Key::wakes(&key.text()), "").await? {
        let Some(Item::Wake { release, stage, state, .. }) = at.parse() else {
            tracing::error!("{} {} is no item that wakes a step", at.pk, at.sk);
            continue;
        };
        if let Err(error) = wake_one(aws, table, &release, stage.as_ref(), &state, &key.text()).await {
            tracing::error!(release.id = %release, state, "a step was not woken: {error}");
            if outcome.is_ok() || error.may_be_tried_again() {
                outcome = Err(error);
            }
        }
    }
    outcome
}

/// Wakes every step of a release that waits.
async fn wake_all(aws: &Aws, table: &Table, release: &ReleaseId, by: &str) -> Result<(), StepError> {
    let callbacks: Vec<(Key, Stored<Callback>)> = table.list(&Key::callbacks(release), "").await?;
    for (_, Stored { document: callback, .. }) in callbacks {
        fail(aws, &callback, by).await?;
    }
    Ok(())
}

async fn wake_one(
    aws: &Aws,
    table: &Table,
    release: &ReleaseId,
    stage: Option<&StageName>,
    state: &str,
    by: &str,
) -> Result<(), StepError> {
    match table.get::<Callback>(&Key::callback(release, stage, state)).await? {
        Some(stored) => fail(aws, &stored.document, by).await,
        // It has ended, and what pointed to it is about to be removed.
        None => Ok(()),
    }
}

/// Fails a parked token with `Woken`.
async fn fail(aws: &Aws, callback: &Callback, by: &str) -> Result<(), StepError> {
    let Callback { token: Some(token), release, stage, state, .. } = callback else { return Ok(()) };
    let stage = stage.as_ref().map_or("", StageName::as_str);
    let cause = json!({ "by": by }).to_string();
    if aws.executions().fail(token, TaskError::Woken.as_str(), &cause).await? == Delivery::Delivered {
        tracing::info!(release.id = %release, stage, state, by, "{state} of {release} is woken by {by}");
    }
    Ok(())
}
