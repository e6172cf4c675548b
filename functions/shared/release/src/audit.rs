//! Appending to an application's audit.

use serde::Serialize;
use serde_json::Value;
use slipway_aws::{Item, Key, Stored, Table, Write};
use slipway_core::approval::{Approval, ApprovalId, Status};
use slipway_core::audit::{About, NewEntry, Sealed, What};

use crate::{StepError, now};

/// How often a write is tried while others write the same approval, or the next entry of the audit.
const ROUNDS: usize = 20;

/// The next entry of the audit, and where it belongs. It is written on condition that nobody was first.
///
/// # Errors
///
/// When the table cannot be asked.
pub async fn next_entry(table: &Table, subject: &About, new: &NewEntry) -> Result<(Key, Sealed), StepError> {
    let application = &subject.application;
    let last = table.last::<Sealed>(&Key::audits(application)).await?;
    let last = match &last {
        Some((key, Stored { document, .. })) => {
            let Some(Item::AuditEntry { sequence, .. }) = key.parse() else {
                let problem = format!("{:?} is not the number of an entry", key.sk);
                return Err(StepError::InvalidInput { field: key.pk.clone(), problem });
            };
            Some((sequence, document))
        }
        None => None,
    };
    let (sequence, sealed) = Sealed::after(last, subject, new);
    Ok((Key::audit(application, sequence), sealed))
}

/// Writes an entry behind the last one.
///
/// # Errors
///
/// When the table cannot be asked.
pub async fn audit(table: &Table, subject: &About, new: &NewEntry) -> Result<(), StepError> {
    // Each round that fails is one in which another entry was written.
    loop {
        let (key, sealed) = next_entry(table, subject, new).await?;
        if table.put_new(&key, &sealed).await? {
            log_entry(subject, &key, &sealed);
            return Ok(());
        }
    }
}

/// Writes an item that is not there, and an entry behind the last one, both or neither. `false` when the item was there:
/// nothing is written then.
///
/// # Errors
///
/// When the table cannot be asked.
pub async fn audit_with(
    table: &Table,
    subject: &About,
    new: &NewEntry,
    item: &Key,
    document: &(impl Serialize + Sync),
) -> Result<bool, StepError> {
    // Each round that fails is one in which the item or another entry was written.
    for _ in 0..ROUNDS {
        let (key, sealed) = next_entry(table, subject, new).await?;
        if table.write_all(&[Write::new(item, document), Write::new(&key, &sealed)]).await? {
            log_entry(subject, &key, &sealed);
            return Ok(true);
        }
        if table.get::<Value>(item).await?.is_some() {
            return Ok(false);
        }
    }
    Err(StepError::busy(&item.pk))
}

/// A log that is kept elsewhere shows when the end of a chain was cut off.
fn log_entry(subject: &About, key: &Key, sealed: &Sealed) {
    tracing::info!(
        audit.hash = sealed.hash,
        "the audit of {} has one more entry, {}",
        subject.application,
        key.sk
    );
}

/// Closes an approval without a person's answer, together with its entry of the audit. `close` says what becomes of
/// it as it is read; with the same status it stays as it is. The approval as it is then; nothing where there is none.
///
/// # Errors
///
/// When the table cannot be asked, or others write the approval or the audit all the time.
pub async fn close_approval(
    table: &Table,
    id: &ApprovalId,
    close: impl Fn(&Approval) -> Approval,
) -> Result<Option<Approval>, StepError> {
    let key = Key::approval(id);
    for _ in 0..ROUNDS {
        let Some(Stored { document: approval, version }) = table.get::<Approval>(&key).await? else {
            return Ok(None);
        };
        let closed = close(&approval);
        if closed.status == approval.status {
            return Ok(Some(approval));
        }
        let what = match closed.status {
            Status::Superseded => What::Superseded,
            Status::Withdrawn => What::Withdrawn,
            Status::Voided => What::Voided,
            _ => What::Expired,
        };
        let words = closed.closed_because.clone().unwrap_or_default();
        let (entry, sealed) = next_entry(
            table,
            &About::from(&closed),
            &NewEntry { at: now(), what, person: None, caller: None, words },
        )
        .await?;
        let both = [Write::over(&key, &closed, Some(version)), Write::new(&entry, &sealed)];
        if table.write_all(&both).await? {
            return Ok(Some(closed));
        }
    }
    Err(StepError::busy(&key.pk))
}
