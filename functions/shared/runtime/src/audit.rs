//! Appending to an application's audit.

use slipway_aws::{Item, Key, Stored, Table};
use slipway_core::approval::Approval;
use slipway_core::audit::{Happening, Sealed};

use crate::StepError;

/// The next entry of the audit, and where it belongs. It is written on condition that nobody was first.
///
/// # Errors
///
/// When the table cannot be asked.
pub async fn next_entry(table: &Table, approval: &Approval, happening: &Happening) -> Result<(Key, Sealed), StepError> {
    let application = &approval.release.application;
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
    let (sequence, sealed) = Sealed::after(last, approval, happening);
    Ok((Key::audit(application, sequence), sealed))
}

/// Writes an entry behind the last one.
///
/// # Errors
///
/// When the table cannot be asked.
pub async fn audit(table: &Table, approval: &Approval, happening: &Happening) -> Result<(), StepError> {
    // Each round that fails is one in which someone else's entry was written.
    loop {
        let (key, sealed) = next_entry(table, approval, happening).await?;
        if table.put_new(&key, &sealed).await? {
            // A log that is kept elsewhere shows when the end of a chain was cut off.
            tracing::info!(audit.hash = sealed.hash, "the audit of {} has one more entry, {}", approval.release.application, key.sk);
            return Ok(());
        }
    }
}
