//! Newer releases of the same application: the newest push wins.

use serde_json::Value;
use slipway_aws::{Key, Latest, Table};
use slipway_core::name::{ApplicationName, ServiceName, StageName, TaskDefinitionArn};
use slipway_core::release::{Ended, Outcome, Release, Started};

use crate::{StepError, parse_at};

/// How many of an application's last pushes are read at once. A release has seldom more behind it.
const LAST: u8 = 10;

/// The last pushes of an application, read without knowing when the release itself was pushed.
///
/// # Errors
///
/// When the table cannot be asked.
pub(crate) async fn last_pushes(
    table: &Table,
    application: &ApplicationName,
) -> Result<Latest<Value>, StepError> {
    Ok(table.latest(&Key::histories(application), LAST).await?)
}

/// The newest release of the application that was pushed after this one, if there is any. One that has ended without being
/// released is none: nothing of it runs. A release that nothing is known of, because its execution was started by hand,
/// has no successors. `own` is what is known of it, `last` are the application's last pushes.
///
/// # Errors
///
/// When the table cannot be asked.
pub(crate) async fn newest_among(
    table: &Table,
    release: &Release,
    own: Option<&Started>,
    last: &Latest<Value>,
) -> Result<Option<Started>, StepError> {
    let Some(own) = own else { return Ok(None) };
    let newer = match behind(&Key::history(own), last) {
        Some(documents) => read_all(release, documents.into_iter().cloned()),
        None => all_behind(table, release, own).await?,
    };
    if newer.is_empty() {
        return Ok(None);
    }
    let endings: Vec<_> = newer.iter().map(|newer| Key::ending(&newer.release.id)).collect();
    let ended = table.get_all(&endings).await?;
    for (newer, ending) in newer.into_iter().zip(&endings).rev() {
        let ended = ended.document::<Ended>(ending)?;
        if ended.is_none_or(|ended| ended.ending.outcome == Outcome::Released) {
            return Ok(Some(newer));
        }
    }
    Ok(None)
}

/// The pushes that sort behind a key, in order; nothing where there may be more of them than were read.
fn behind<'a>(key: &Key, last: &'a Latest<Value>) -> Option<Vec<&'a Value>> {
    let newer = last.items.iter().take_while(|(other, _)| other.sk > key.sk);
    let mut newer: Vec<_> = newer.map(|(_, stored)| &stored.document).collect();
    newer.reverse();
    (newer.len() < last.items.len() || !last.more).then_some(newer)
}

/// The newer release that this task definition was registered by for this service, if it was one.
///
/// # Errors
///
/// When the table cannot be asked.
pub async fn deployer_after(
    table: &Table,
    release: &Release,
    stage: &StageName,
    service: &ServiceName,
    running: &TaskDefinitionArn,
) -> Result<Option<Started>, StepError> {
    for newer in all_after(table, release).await? {
        let deployed =
            table.get::<TaskDefinitionArn>(&Key::deployed(&newer.release.id, stage, service)).await?;
        if deployed.is_some_and(|deployed| deployed.document == *running) {
            return Ok(Some(newer));
        }
    }
    Ok(None)
}

async fn all_after(table: &Table, release: &Release) -> Result<Vec<Started>, StepError> {
    match table.get::<Started>(&Key::release(&release.id)).await? {
        Some(own) => all_behind(table, release, &own.document).await,
        None => Ok(Vec::new()),
    }
}

async fn all_behind(table: &Table, release: &Release, own: &Started) -> Result<Vec<Started>, StepError> {
    let found: Vec<Value> = table.list_after(&Key::history(own)).await?;
    Ok(read_all(release, found))
}

fn read_all(release: &Release, documents: impl IntoIterator<Item = Value>) -> Vec<Started> {
    let read = |document| match parse_at("a later release", document) {
        Ok(started) => Some(started),
        // One record holds up no release.
        Err(error) => {
            tracing::error!(release.id = %release.id, "an item of the history of {} is left out: {error}", release.application);
            None
        }
    };
    documents.into_iter().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use slipway_aws::Stored;

    use super::*;

    fn key(sk: &str) -> Key {
        Key { pk: "APPLICATION#web".into(), sk: sk.into() }
    }

    fn last(pushes: &[&str], more: bool) -> Latest<Value> {
        let stored = |sk: &&str| (key(sk), Stored { document: Value::from(*sk), version: 1 });
        Latest { items: pushes.iter().map(stored).collect(), more }
    }

    #[test]
    fn the_pushes_behind_a_release_are_in_order() {
        let last = last(&["4", "3", "2", "1"], true);

        assert_eq!(behind(&key("2"), &last).expect("they are all there"), ["3", "4"]);
        assert!(behind(&key("4"), &last).expect("they are all there").is_empty());
    }

    #[test]
    fn more_pushes_than_were_read_are_not_taken_for_all() {
        assert_eq!(behind(&key("1"), &last(&["4", "3"], true)), None);
        assert_eq!(behind(&key("1"), &last(&["4", "3"], false)).expect("there are no more"), ["3", "4"]);
        assert!(behind(&key("1"), &last(&[], false)).expect("there are none").is_empty());
    }
}
