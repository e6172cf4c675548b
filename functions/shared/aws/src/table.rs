//! DynamoDB: the one table that remembers releases, baselines, approvals and waits.
//!
//! An item is a key, a JSON document, and a version that each write raises. Every read that a decision rests on is
//! consistent, every write that may meet another one is conditional.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};
use serde::Serialize;
use serde::de::DeserializeOwned;
use slipway_core::approval::ApprovalId;
use slipway_core::image::Digest;
use slipway_core::name::{ApplicationName, ReleaseId, RepositoryName, ServiceName, StageName};
use slipway_core::notification::Kind;
use slipway_core::release::Started;
use slipway_core::timeline::Step;
use slipway_core::wait::Signal;

use crate::AwsError;

/// The table.
#[derive(Clone, Debug)]
pub struct Table {
    client: Client,
    name: String,
}

/// Where an item is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The partition key.
    pub pk: String,
    /// The sort key.
    pub sk: String,
}

impl Key {
    fn of(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }

    /// That a release began.
    #[must_use]
    pub fn release(id: &ReleaseId) -> Self {
        Self::of(format!("RELEASE#{id}"), "RELEASE")
    }

    /// A release that has no outcome yet which was told, with the workflow's input.
    #[must_use]
    pub fn open(application: &ApplicationName, id: &ReleaseId) -> Self {
        Self::of(Self::OPEN, format!("{application}#{id}"))
    }

    /// The partition of all open releases.
    pub const OPEN: &str = "OPEN";

    /// Who has the application's turn.
    #[must_use]
    pub fn turn(application: &ApplicationName) -> Self {
        Self::of(format!("TURN#{application}"), "TURN")
    }

    /// That a person asked for a release to end.
    #[must_use]
    pub fn abort(id: &ReleaseId) -> Self {
        Self::of(format!("ABORT#{id}"), "ABORT")
    }

    /// An image that was rolled back or rejected.
    #[must_use]
    pub fn quarantine(application: &ApplicationName, digest: &Digest) -> Self {
        Self::of(format!("QUARANTINE#{application}"), digest.as_str())
    }

    /// From when on the pushes of an application count.
    #[must_use]
    pub fn since(application: &ApplicationName) -> Self {
        Self::of(format!("SWEEP#{application}"), "SINCE")
    }

    /// That the sweep wants every wait of a release looked at.
    #[must_use]
    pub fn nudge(id: &ReleaseId) -> Self {
        Self::of("SIGNAL#SWEEP", id.as_str())
    }

    /// What is told of a release besides its ending.
    #[must_use]
    pub fn note(id: &ReleaseId, word: &str) -> Self {
        Self::of(format!("RELEASE#{id}"), format!("NOTE#{word}"))
    }

    /// How a release ended.
    #[must_use]
    pub fn ending(id: &ReleaseId) -> Self {
        Self::of(format!("RELEASE#{id}"), "ENDING")
    }

    /// What a stage ran before the release, as it was found in a round.
    #[must_use]
    pub fn baseline(id: &ReleaseId, stage: &StageName, round: u32) -> Self {
        Self::of(format!("RELEASE#{id}"), format!("BASELINE#{stage}{}", later(round)))
    }

    /// The whole document of the task definition that a service ran before the release, as it was found in a round.
    #[must_use]
    pub fn definition(id: &ReleaseId, stage: &StageName, service: &ServiceName, round: u32) -> Self {
        Self::of(format!("RELEASE#{id}"), format!("DEFINITION#{stage}#{service}{}", later(round)))
    }

    /// The copy of a service's baseline that its rollback had to register.
    #[must_use]
    pub fn restored(id: &ReleaseId, stage: &StageName, service: &ServiceName) -> Self {
        Self::of(format!("RELEASE#{id}"), format!("RESTORED#{stage}#{service}"))
    }

    /// What the release registered for a service.
    #[must_use]
    pub fn deployed(id: &ReleaseId, stage: &StageName, service: &ServiceName) -> Self {
        Self::of(format!("RELEASE#{id}"), format!("DEPLOYED#{stage}#{service}"))
    }

    /// What a gate of a stage found, or when it was looked at first.
    #[must_use]
    pub fn gate(id: &ReleaseId, stage: &StageName, word: &str) -> Self {
        Self::of(format!("RELEASE#{id}"), format!("GATE#{stage}#{word}"))
    }

    /// The snapshot that a release took before a stage changed.
    #[must_use]
    pub fn snapshot(id: &ReleaseId, stage: &StageName) -> Self {
        Self::of(format!("RELEASE#{id}"), format!("SNAPSHOT#{stage}"))
    }

    /// The migration that a release ran before a stage changed.
    #[must_use]
    pub fn migration(id: &ReleaseId, stage: &StageName) -> Self {
        Self::of(format!("RELEASE#{id}"), format!("MIGRATION#{stage}"))
    }

    /// That a service of a stage was verified.
    #[must_use]
    pub fn verified(id: &ReleaseId, stage: &StageName, service: &ServiceName) -> Self {
        Self::of(format!("RELEASE#{id}"), format!("VERIFIED#{stage}#{service}"))
    }

    /// A wait of one kind, of a stage or before the first. Waits hold task tokens: only the function that parks and ends
    /// them may read their partition.
    #[must_use]
    pub fn wait(id: &ReleaseId, stage: Option<&StageName>, kind: &str) -> Self {
        Self::of(Self::waits(id), format!("{}#{kind}", stage_or_none(stage)))
    }

    /// The partition of a release's waits.
    #[must_use]
    pub fn waits(id: &ReleaseId) -> String {
        format!("WAIT#{id}")
    }

    /// Points from a signal to the wait that it may end.
    #[must_use]
    pub fn signal(signal: &Signal, id: &ReleaseId, stage: Option<&StageName>) -> Self {
        Self::of(Self::signals(signal), format!("{id}#{}", stage_or_none(stage)))
    }

    /// The partition of all waits that a signal may end.
    #[must_use]
    pub fn signals(signal: &Signal) -> String {
        format!("SIGNAL#{}", signal.key())
    }

    /// A release in its application's history: a later push sorts behind an earlier one, in whatever order they were
    /// received.
    #[must_use]
    pub fn history(started: &Started) -> Self {
        let Started { release, at, pushed_at, .. } = started;
        Self::of(Self::histories(&release.application), format!("{pushed_at:.3}#{at:.3}#{}", release.id))
    }

    /// The partition of an application's history.
    #[must_use]
    pub fn histories(application: &ApplicationName) -> String {
        format!("APPLICATION#{application}")
    }

    /// An approval.
    #[must_use]
    pub fn approval(id: &ApprovalId) -> Self {
        Self::of(format!("APPROVAL#{}", id.as_str()), "APPROVAL")
    }

    /// A person's link to an approval, by the hash of its locator.
    #[must_use]
    pub fn link(locator_hash: &str) -> Self {
        Self::of(format!("LINK#{locator_hash}"), "LINK")
    }

    /// That an approver's mail of an approval was handed to SNS.
    #[must_use]
    pub fn mailed(id: &ApprovalId, approver: &str) -> Self {
        Self::of(format!("APPROVAL#{}", id.as_str()), format!("MAILED#{approver}"))
    }

    /// Who pushed an image.
    #[must_use]
    pub fn pushers(repository: &RepositoryName, digest: &Digest) -> Self {
        Self::of(format!("PUSHER#{repository}@{digest}"), "PUSHER")
    }

    /// An entry of an application's audit, counted from 1.
    #[must_use]
    pub fn audit(application: &ApplicationName, sequence: u64) -> Self {
        Self::of(Self::audits(application), format!("{sequence:012}"))
    }

    /// The partition of an application's audit.
    #[must_use]
    pub fn audits(application: &ApplicationName) -> String {
        format!("AUDIT#{application}")
    }

    /// That the approvers were told what became of an approval.
    #[must_use]
    pub fn told(id: &ApprovalId, approver: &str) -> Self {
        Self::of(format!("APPROVAL#{}", id.as_str()), format!("TOLD#{approver}"))
    }

    /// That a stage of a release asked for an approval.
    #[must_use]
    pub fn asked(id: &ReleaseId, stage: &StageName) -> Self {
        Self::of(Self::release(id).pk, format!("ASKED#{stage}"))
    }

    /// One moment of a release; `detail` where there are several of a kind in a stage.
    #[must_use]
    pub fn moment(id: &ReleaseId, stage: Option<&StageName>, step: Step, detail: &str) -> Self {
        let detail = if detail.is_empty() { String::new() } else { format!("#{detail}") };
        Self::of(Self::timeline(id), format!("{}#{}{detail}", stage_or_none(stage), step.as_str()))
    }

    /// The partition of a release's moments. The public page may read it.
    #[must_use]
    pub fn timeline(id: &ReleaseId) -> String {
        format!("TIMELINE#{id}")
    }

    /// A link to a release's page, by the hash of its locator.
    #[must_use]
    pub fn view(locator_hash: &str) -> Self {
        Self::of(format!("VIEW#{locator_hash}"), "VIEW")
    }

    /// That people were told of a kind of thing about a release.
    #[must_use]
    pub fn notified(id: &ReleaseId, kind: Kind, stage: Option<&StageName>) -> Self {
        Self::of(format!("RELEASE#{id}"), format!("NOTIFIED#{}#{}", kind.as_str(), stage_or_none(stage)))
    }

    /// The changes of an application's alarms in the last minutes.
    #[must_use]
    pub fn flood(application: &ApplicationName) -> Self {
        Self::of(format!("FLOOD#{application}"), "FLOOD")
    }

    /// That a stage of a release was offered to be put back after the release had ended.
    #[must_use]
    pub fn offered(id: &ReleaseId, stage: &StageName) -> Self {
        Self::of(format!("RELEASE#{id}"), format!("OFFERED#{stage}"))
    }

    /// That an approver was reminded.
    #[must_use]
    pub fn reminded(id: &ApprovalId, approver: &str) -> Self {
        Self::of(format!("APPROVAL#{}", id.as_str()), format!("REMINDED#{approver}"))
    }
}

/// The first round needs no number.
fn later(round: u32) -> String {
    if round <= 1 { String::new() } else { format!("#{round}") }
}

/// No stage's name is a hyphen.
fn stage_or_none(stage: Option<&StageName>) -> &str {
    stage.map_or("-", StageName::as_str)
}

/// A document and the version it was read in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored<T> {
    /// The document.
    pub document: T,
    /// The version, to be given back when it is replaced.
    pub version: u64,
}

impl Table {
    pub(crate) fn new(client: Client, name: &str) -> Self {
        Self { client, name: name.to_owned() }
    }

    /// Opens the connection ahead of the first real call, during a function's init. What is answered does not matter.
    pub async fn warm_up(self) {
        let key = Key::of("WARM-UP", "WARM-UP");
        let _opened = self.client.get_item().table_name(&self.name).set_key(Some(attributes(&key))).send().await;
    }

    /// Reads an item.
    ///
    /// # Errors
    ///
    /// When DynamoDB cannot be asked, or the item is not what it should be.
    pub async fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<Stored<T>>, AwsError> {
        const OPERATION: &str = "dynamodb:GetItem";
        let request = self.client.get_item().table_name(&self.name).set_key(Some(attributes(key))).consistent_read(true);
        let answer = request.send().await.map_err(|error| AwsError::from_sdk(OPERATION, error))?;
        answer.item().map(|item| stored(OPERATION, item)).transpose()
    }

    /// Reads the items of a partition whose sort keys begin with `prefix`, in order.
    ///
    /// # Errors
    ///
    /// When DynamoDB cannot be asked, or an item is not what it should be.
    pub async fn list<T: DeserializeOwned>(&self, pk: &str, prefix: &str) -> Result<Vec<(Key, Stored<T>)>, AwsError> {
        if prefix.is_empty() {
            self.query(pk, "pk = :pk", None).await
        } else {
            self.query(pk, "pk = :pk AND begins_with(sk, :sk)", Some(prefix)).await
        }
    }

    /// Reads the items of a partition that sort behind `key`, in order.
    ///
    /// # Errors
    ///
    /// When DynamoDB cannot be asked, or an item is not what it should be.
    pub async fn list_after<T: DeserializeOwned>(&self, key: &Key) -> Result<Vec<T>, AwsError> {
        let found = self.query(&key.pk, "pk = :pk AND sk > :sk", Some(&key.sk)).await?;
        Ok(found.into_iter().map(|(_, stored)| stored.document).collect())
    }

    /// Every page of a query.
    async fn query<T: DeserializeOwned>(&self, pk: &str, condition: &str, sk: Option<&str>) -> Result<Vec<(Key, Stored<T>)>, AwsError> {
        const OPERATION: &str = "dynamodb:Query";
        let mut found = Vec::new();
        let mut start = None;
        loop {
            let mut request = self
                .client
                .query()
                .table_name(&self.name)
                .key_condition_expression(condition)
                .expression_attribute_values(":pk", text(pk))
                .consistent_read(true)
                .set_exclusive_start_key(start);
            if let Some(sk) = sk {
                request = request.expression_attribute_values(":sk", text(sk));
            }
            let answer = request.send().await.map_err(|error| AwsError::from_sdk(OPERATION, error))?;
            for item in answer.items() {
                found.push((key_of(OPERATION, pk, item)?, stored(OPERATION, item)?));
            }
            start = answer.last_evaluated_key().cloned();
            if start.is_none() {
                return Ok(found);
            }
        }
    }

    /// The last item of a partition, in the order of the sort keys.
    ///
    /// # Errors
    ///
    /// When DynamoDB cannot be asked, or the item is not what it should be.
    pub async fn last<T: DeserializeOwned>(&self, pk: &str) -> Result<Option<(Key, Stored<T>)>, AwsError> {
        const OPERATION: &str = "dynamodb:Query";
        let request = self
            .client
            .query()
            .table_name(&self.name)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(pk))
            .consistent_read(true)
            .scan_index_forward(false)
            .limit(1);
        let answer = request.send().await.map_err(|error| AwsError::from_sdk(OPERATION, error))?;
        let Some(item) = answer.items().first() else { return Ok(None) };
        Ok(Some((key_of(OPERATION, pk, item)?, stored(OPERATION, item)?)))
    }

    /// Writes an item if there is none. `false` when there was one, which stays as it is.
    ///
    /// # Errors
    ///
    /// When DynamoDB cannot be asked.
    pub async fn put_new(&self, key: &Key, document: &(impl Serialize + Sync)) -> Result<bool, AwsError> {
        const OPERATION: &str = "dynamodb:PutItem";
        let request = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item(OPERATION, key, document, 1)?))
            .condition_expression("attribute_not_exists(pk)");
        match request.send().await {
            Ok(_) => Ok(true),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(aws_sdk_dynamodb::operation::put_item::PutItemError::is_conditional_check_failed_exception) =>
            {
                Ok(false)
            }
            Err(error) => Err(AwsError::from_sdk(OPERATION, error)),
        }
    }

    /// Writes an item, whatever was there.
    ///
    /// # Errors
    ///
    /// When DynamoDB cannot be asked.
    pub async fn put(&self, key: &Key, document: &(impl Serialize + Sync)) -> Result<(), AwsError> {
        const OPERATION: &str = "dynamodb:PutItem";
        let request = self.client.put_item().table_name(&self.name).set_item(Some(item(OPERATION, key, document, 1)?));
        request.send().await.map_err(|error| AwsError::from_sdk(OPERATION, error))?;
        Ok(())
    }

    /// Replaces an item that is still in the version it was read in. `false` when someone was first.
    ///
    /// # Errors
    ///
    /// When DynamoDB cannot be asked.
    pub async fn replace(&self, key: &Key, document: &(impl Serialize + Sync), version: u64) -> Result<bool, AwsError> {
        const OPERATION: &str = "dynamodb:UpdateItem";
        let request = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(attributes(key)))
            .update_expression(REPLACE)
            .condition_expression(UNCHANGED)
            .set_expression_attribute_names(Some(names()))
            .set_expression_attribute_values(Some(replacement(OPERATION, document, version)?));
        match request.send().await {
            Ok(_) => Ok(true),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(aws_sdk_dynamodb::operation::update_item::UpdateItemError::is_conditional_check_failed_exception) =>
            {
                Ok(false)
            }
            Err(error) => Err(AwsError::from_sdk(OPERATION, error)),
        }
    }

    /// Writes an item that is still as it was read: in that version, or not there. `false` when someone was first.
    ///
    /// # Errors
    ///
    /// When DynamoDB cannot be asked.
    pub async fn write(&self, key: &Key, document: &(impl Serialize + Sync), version: Option<u64>) -> Result<bool, AwsError> {
        match version {
            Some(version) => self.replace(key, document, version).await,
            None => self.put_new(key, document).await,
        }
    }

    /// Replaces an item that is still in the version it was read in and writes a new one beside it, both or neither.
    /// `false` when someone was first.
    ///
    /// # Errors
    ///
    /// When DynamoDB cannot be asked.
    pub async fn replace_and_put_new(
        &self,
        key: &Key,
        document: &(impl Serialize + Sync),
        version: u64,
        beside: &Key,
        entry: &(impl Serialize + Sync),
    ) -> Result<bool, AwsError> {
        const OPERATION: &str = "dynamodb:UpdateItem";
        let update = Update::builder()
            .table_name(&self.name)
            .set_key(Some(attributes(key)))
            .update_expression(REPLACE)
            .condition_expression(UNCHANGED)
            .set_expression_attribute_names(Some(names()))
            .set_expression_attribute_values(Some(replacement(OPERATION, document, version)?))
            .build();
        let put = Put::builder()
            .table_name(&self.name)
            .set_item(Some(item(OPERATION, beside, entry, 1)?))
            .condition_expression("attribute_not_exists(pk)")
            .build();
        let update = update.map_err(|error| AwsError::unusable(OPERATION, error.to_string()))?;
        let put = put.map_err(|error| AwsError::unusable(OPERATION, error.to_string()))?;
        let items = [TransactWriteItem::builder().update(update).build(), TransactWriteItem::builder().put(put).build()];
        self.transact(OPERATION, items).await
    }

    /// Writes two items that are not there, both or neither. `false` when one of them was.
    ///
    /// # Errors
    ///
    /// When DynamoDB cannot be asked.
    pub async fn put_both_new(
        &self,
        key: &Key,
        document: &(impl Serialize + Sync),
        beside: &Key,
        entry: &(impl Serialize + Sync),
    ) -> Result<bool, AwsError> {
        const OPERATION: &str = "dynamodb:PutItem";
        let new = |item| {
            let put = Put::builder().table_name(&self.name).set_item(Some(item)).condition_expression("attribute_not_exists(pk)").build();
            put.map(|put| TransactWriteItem::builder().put(put).build()).map_err(|error| AwsError::unusable(OPERATION, error.to_string()))
        };
        let items = [new(item(OPERATION, key, document, 1)?)?, new(item(OPERATION, beside, entry, 1)?)?];
        self.transact(OPERATION, items).await
    }

    /// The permissions that a transaction needs are those of its parts; `operation` names one of them.
    async fn transact(&self, operation: &'static str, items: [TransactWriteItem; 2]) -> Result<bool, AwsError> {
        match self.client.transact_write_items().set_transact_items(Some(items.into())).send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(lost_the_race) => Ok(false),
            Err(error) => Err(AwsError::from_sdk(operation, error)),
        }
    }

    /// Removes an item. That it is not there is no error.
    ///
    /// # Errors
    ///
    /// When DynamoDB cannot be asked.
    pub async fn delete(&self, key: &Key) -> Result<(), AwsError> {
        let request = self.client.delete_item().table_name(&self.name).set_key(Some(attributes(key)));
        request.send().await.map_err(|error| AwsError::from_sdk("dynamodb:DeleteItem", error))?;
        Ok(())
    }

    /// Removes an item whose document holds a text. `false` when another one is there, which stays; that none is there is
    /// no error.
    ///
    /// # Errors
    ///
    /// When DynamoDB cannot be asked.
    pub async fn delete_holding(&self, key: &Key, held: &str) -> Result<bool, AwsError> {
        let request = self
            .client
            .delete_item()
            .table_name(&self.name)
            .set_key(Some(attributes(key)))
            .condition_expression("attribute_not_exists(pk) OR contains(#document, :held)")
            .expression_attribute_names("#document", "document")
            .expression_attribute_values(":held", text(held));
        match request.send().await {
            Ok(_) => Ok(true),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(aws_sdk_dynamodb::operation::delete_item::DeleteItemError::is_conditional_check_failed_exception) =>
            {
                Ok(false)
            }
            Err(error) => Err(AwsError::from_sdk("dynamodb:DeleteItem", error)),
        }
    }
}

const REPLACE: &str = "SET #document = :document, #version = :next";
const UNCHANGED: &str = "#version = :version";

/// A transaction is cancelled for several reasons; a failed condition, or another transaction on the same item, means
/// that someone was first.
fn lost_the_race(error: &aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError) -> bool {
    use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException;
    let TransactionCanceledException(cancelled) = error else { return false };
    let first = |code: Option<&str>| matches!(code, Some("ConditionalCheckFailed" | "TransactionConflict"));
    cancelled.cancellation_reasons().iter().any(|reason| first(reason.code()))
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn attributes(key: &Key) -> HashMap<String, AttributeValue> {
    HashMap::from([("pk".to_owned(), text(&key.pk)), ("sk".to_owned(), text(&key.sk))])
}

fn names() -> HashMap<String, String> {
    HashMap::from([("#document".to_owned(), "document".to_owned()), ("#version".to_owned(), "version".to_owned())])
}

fn json(operation: &'static str, document: &impl Serialize) -> Result<String, AwsError> {
    serde_json::to_string(document).map_err(|error| AwsError::unusable(operation, error.to_string()))
}

fn item(operation: &'static str, key: &Key, document: &impl Serialize, version: u64) -> Result<HashMap<String, AttributeValue>, AwsError> {
    let mut item = attributes(key);
    item.insert("document".to_owned(), AttributeValue::S(json(operation, document)?));
    item.insert("version".to_owned(), AttributeValue::N(version.to_string()));
    Ok(item)
}

fn replacement(operation: &'static str, document: &impl Serialize, version: u64) -> Result<HashMap<String, AttributeValue>, AwsError> {
    Ok(HashMap::from([
        (":document".to_owned(), AttributeValue::S(json(operation, document)?)),
        (":version".to_owned(), AttributeValue::N(version.to_string())),
        (":next".to_owned(), AttributeValue::N((version + 1).to_string())),
    ]))
}

fn key_of(operation: &'static str, pk: &str, item: &HashMap<String, AttributeValue>) -> Result<Key, AwsError> {
    let sk = item.get("sk").and_then(|sk| sk.as_s().ok()).ok_or_else(|| AwsError::unusable(operation, "an item without sort key"))?;
    Ok(Key::of(pk, sk))
}

fn stored<T: DeserializeOwned>(operation: &'static str, item: &HashMap<String, AttributeValue>) -> Result<Stored<T>, AwsError> {
    let document = item
        .get("document")
        .and_then(|document| document.as_s().ok())
        .ok_or_else(|| AwsError::unusable(operation, "an item without document"))?;
    let version = item.get("version").and_then(|version| version.as_n().ok()).and_then(|version| version.parse().ok());
    let version = version.ok_or_else(|| AwsError::unusable(operation, "an item without version"))?;
    let document =
        serde_json::from_str(document).map_err(|error| AwsError::unusable(operation, format!("an item that does not parse: {error}")))?;
    Ok(Stored { document, version })
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::operation::put_item::{PutItemError, PutItemOutput};
    use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
    use aws_sdk_dynamodb::types::CancellationReason;
    use aws_sdk_dynamodb::types::error::{ConditionalCheckFailedException, TransactionCanceledException};
    use aws_smithy_mocks::mock;

    use super::*;
    use crate::answering::answering;

    #[tokio::test]
    async fn a_failed_condition_is_an_answer_and_no_error() {
        let there = mock!(aws_sdk_dynamodb::Client::put_item)
            .match_requests(|request| request.condition_expression() == Some("attribute_not_exists(pk)"))
            .then_error(|| PutItemError::ConditionalCheckFailedException(ConditionalCheckFailedException::builder().build()));
        let table = Table::new(answering!(aws_sdk_dynamodb, [&there]), "slipway");

        assert!(!table.put_new(&Key::link("hash"), &1).await.expect("an answer"));
    }

    #[tokio::test]
    async fn an_item_that_was_replaced_meanwhile_is_not_removed() {
        let replaced = mock!(aws_sdk_dynamodb::Client::delete_item)
            .match_requests(|request| {
                request.condition_expression().is_some_and(|condition| condition.contains("contains(#document, :held)"))
                    && request.expression_attribute_values().is_some_and(|values| values.get(":held") == Some(&text("token-1")))
            })
            .then_error(|| {
                aws_sdk_dynamodb::operation::delete_item::DeleteItemError::ConditionalCheckFailedException(
                    ConditionalCheckFailedException::builder().build(),
                )
            });
        let table = Table::new(answering!(aws_sdk_dynamodb, [&replaced]), "slipway");

        assert!(!table.delete_holding(&Key::link("hash"), "token-1").await.expect("an answer"));
    }

    #[tokio::test]
    async fn an_item_is_its_key_its_document_and_a_version() {
        let put = mock!(aws_sdk_dynamodb::Client::put_item)
            .match_requests(|request| {
                let item = request.item().cloned().unwrap_or_default();
                stored::<Vec<u8>>("test", &item).is_ok_and(|stored| stored.document == [1, 2] && stored.version == 1)
                    && item.get("pk") == Some(&text("LINK#hash"))
            })
            .then_output(|| PutItemOutput::builder().build());
        let table = Table::new(answering!(aws_sdk_dynamodb, [&put]), "slipway");

        table.put(&Key::link("hash"), &[1, 2]).await.expect("written");
    }

    #[tokio::test]
    async fn decisions_rest_on_consistent_reads() {
        use aws_sdk_dynamodb::operation::get_item::GetItemOutput;
        use aws_sdk_dynamodb::operation::query::QueryOutput;
        let get = mock!(aws_sdk_dynamodb::Client::get_item)
            .match_requests(|request| request.consistent_read() == Some(true))
            .then_output(|| GetItemOutput::builder().build());
        let query = mock!(aws_sdk_dynamodb::Client::query)
            .match_requests(|request| request.consistent_read() == Some(true))
            .then_output(|| QueryOutput::builder().build());
        let table = Table::new(answering!(aws_sdk_dynamodb, [&get, &query]), "slipway");

        assert!(table.get::<u8>(&Key::link("hash")).await.expect("an answer").is_none());
        assert!(table.list::<u8>("APPLICATION#web", "").await.expect("an answer").is_empty());
    }

    #[tokio::test]
    async fn the_loser_of_a_race_is_told_so() {
        let lost = mock!(aws_sdk_dynamodb::Client::transact_write_items).then_error(|| {
            let reason = CancellationReason::builder().code("ConditionalCheckFailed").build();
            TransactWriteItemsError::TransactionCanceledException(
                TransactionCanceledException::builder().cancellation_reasons(reason).build(),
            )
        });
        let table = Table::new(answering!(aws_sdk_dynamodb, [&lost]), "slipway");

        let won = table.replace_and_put_new(&Key::link("a"), &1, 1, &Key::link("b"), &2).await;

        assert!(!won.expect("an answer"));
    }
}
