//! Writes, each conditional where it may meet another one.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, Put, ReturnValue, TransactWriteItem, Update,
};
use serde::Serialize;
use serde_json::Value;

use super::{REMOVE_AFTER, Table, attributes, item, json};
use crate::{AwsError, Key};

const REPLACE: &str = "SET #document = :document, #version = :next";
const UNCHANGED: &str = "#version = :version";

/// One of several writes that are made together.
#[derive(Debug)]
pub struct Write {
    key: Key,
    document: serde_json::Result<Value>,
    version: Option<u64>,
}

impl Write {
    /// How many writes DynamoDB makes together (`TransactWriteItems`, Amazon DynamoDB API reference).
    pub const MOST: usize = 100;

    /// Of an item that is not there.
    #[must_use]
    pub fn new(key: &Key, document: &impl Serialize) -> Self {
        Self::over(key, document, None)
    }

    /// Of an item that is still as it was read: in that version, or not there.
    #[must_use]
    pub fn over(key: &Key, document: &impl Serialize, version: Option<u64>) -> Self {
        Self { key: key.clone(), document: serde_json::to_value(document), version }
    }
}

impl Table {
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
        match Box::pin(request.send()).await {
            Ok(_) => Ok(true),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(PutItemError::is_conditional_check_failed_exception) =>
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
        let request =
            self.client.put_item().table_name(&self.name).set_item(Some(item(OPERATION, key, document, 1)?));
        Box::pin(request.send()).await.map_err(|error| AwsError::from_sdk(OPERATION, error))?;
        Ok(())
    }

    /// Replaces an item that is still in the version it was read in. `false` when someone was first.
    ///
    /// # Errors
    ///
    /// When DynamoDB cannot be asked.
    pub async fn replace(
        &self,
        key: &Key,
        document: &(impl Serialize + Sync),
        version: u64,
    ) -> Result<bool, AwsError> {
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
        // A transaction that writes the item at this moment is somebody who was first, too.
        let lost = |error: &UpdateItemError| {
            error.is_conditional_check_failed_exception() || error.is_transaction_conflict_exception()
        };
        match Box::pin(request.send()).await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(lost) => Ok(false),
            Err(error) => Err(AwsError::from_sdk(OPERATION, error)),
        }
    }

    /// Writes an item that is still as it was read: in that version, or not there. `false` when someone was first.
    ///
    /// # Errors
    ///
    /// When DynamoDB cannot be asked.
    pub async fn write(
        &self,
        key: &Key,
        document: &(impl Serialize + Sync),
        version: Option<u64>,
    ) -> Result<bool, AwsError> {
        match version {
            Some(version) => self.replace(key, document, version).await,
            None => self.put_new(key, document).await,
        }
    }

    /// Makes writes together, all or none. `false` when someone was first with one of them, or writes one now.
    ///
    /// # Errors
    ///
    /// When DynamoDB cannot be asked, or a document is none.
    pub async fn write_all(&self, writes: &[Write]) -> Result<bool, AwsError> {
        let replaces = writes.iter().any(|write| write.version.is_some());
        let operation = if replaces { "dynamodb:UpdateItem" } else { "dynamodb:PutItem" };
        let part = |write: &Write| match write.version {
            Some(version) => self.replacing(operation, write, version),
            None => self.adding(operation, write),
        };
        self.transact(operation, writes.iter().map(part).collect::<Result<_, _>>()?).await
    }

    fn replacing(
        &self,
        operation: &'static str,
        Write { key, document, .. }: &Write,
        version: u64,
    ) -> Result<TransactWriteItem, AwsError> {
        let update = Update::builder()
            .table_name(&self.name)
            .set_key(Some(attributes(key)))
            .update_expression(REPLACE)
            .condition_expression(UNCHANGED)
            .set_expression_attribute_names(Some(names()))
            .set_expression_attribute_values(Some(replacement(
                operation,
                parsed(operation, document)?,
                version,
            )?))
            .build();
        let update = update.map_err(|error| AwsError::unusable(operation, error.to_string()))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    fn adding(
        &self,
        operation: &'static str,
        Write { key, document, .. }: &Write,
    ) -> Result<TransactWriteItem, AwsError> {
        let put = Put::builder()
            .table_name(&self.name)
            .set_item(Some(item(operation, key, parsed(operation, document)?, 1)?))
            .condition_expression("attribute_not_exists(pk)")
            .build();
        let put = put.map_err(|error| AwsError::unusable(operation, error.to_string()))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// The permissions that a transaction needs are those of its parts; `operation` names one of them.
    async fn transact(
        &self,
        operation: &'static str,
        items: Vec<TransactWriteItem>,
    ) -> Result<bool, AwsError> {
        match Box::pin(self.client.transact_write_items().set_transact_items(Some(items)).send()).await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(lost_the_race) => Ok(false),
            Err(error) => Err(match error.as_service_error().and_then(throttled) {
                Some(reason) => AwsError::throttled(
                    operation,
                    reason.code().unwrap_or_default(),
                    reason.message().unwrap_or_default(),
                ),
                None => AwsError::from_sdk(operation, error),
            }),
        }
    }

    /// Counts one more, and says how many there are by now. However many count at one moment, each gets another number.
    ///
    /// # Errors
    ///
    /// When DynamoDB cannot be asked.
    pub async fn count(&self, key: &Key) -> Result<u64, AwsError> {
        const OPERATION: &str = "dynamodb:UpdateItem";
        let mut fields = item(OPERATION, key, &Value::Null, 1)?;
        let removed_after = fields.remove(REMOVE_AFTER).unwrap_or(AttributeValue::Null(true));
        let request = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(attributes(key)))
            .update_expression("SET #document = :document, #removed = :removed ADD #version :one")
            .expression_attribute_names("#removed", REMOVE_AFTER)
            .expression_attribute_names("#document", "document")
            .expression_attribute_names("#version", "version")
            .expression_attribute_values(":document", AttributeValue::S("null".to_owned()))
            .expression_attribute_values(":removed", removed_after)
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .return_values(ReturnValue::UpdatedNew);
        let answer = Box::pin(request.send()).await.map_err(|error| AwsError::from_sdk(OPERATION, error))?;
        let counted = answer.attributes().and_then(|fields| fields.get("version")?.as_n().ok()?.parse().ok());
        counted.ok_or_else(|| AwsError::unusable(OPERATION, "a count without a number"))
    }

    /// Removes an item. That it is not there is no error.
    ///
    /// # Errors
    ///
    /// When DynamoDB cannot be asked.
    pub async fn delete(&self, key: &Key) -> Result<(), AwsError> {
        let request = self.client.delete_item().table_name(&self.name).set_key(Some(attributes(key)));
        Box::pin(request.send()).await.map_err(|error| AwsError::from_sdk("dynamodb:DeleteItem", error))?;
        Ok(())
    }
}

/// Why a transaction was cancelled, one reason for each of its parts.
fn reasons(error: &TransactWriteItemsError) -> &[CancellationReason] {
    match error {
        TransactWriteItemsError::TransactionCanceledException(cancelled) => cancelled.cancellation_reasons(),
        _ => &[],
    }
}

/// A failed condition, or another transaction on the same item, means that someone was first.
fn lost_the_race(error: &TransactWriteItemsError) -> bool {
    reasons(error)
        .iter()
        .any(|reason| matches!(reason.code(), Some("ConditionalCheckFailed" | "TransactionConflict")))
}

/// That a part of a transaction was throttled is in its reasons only (`TransactionCanceledException`, Amazon DynamoDB
/// API reference).
fn throttled(error: &TransactWriteItemsError) -> Option<&CancellationReason> {
    reasons(error)
        .iter()
        .find(|reason| matches!(reason.code(), Some("ThrottlingError" | "ProvisionedThroughputExceeded")))
}

fn parsed<'a>(
    operation: &'static str,
    document: &'a serde_json::Result<Value>,
) -> Result<&'a Value, AwsError> {
    document.as_ref().map_err(|error| AwsError::unusable(operation, error.to_string()))
}

fn names() -> HashMap<String, String> {
    HashMap::from([
        ("#document".to_owned(), "document".to_owned()),
        ("#version".to_owned(), "version".to_owned()),
    ])
}

fn replacement(
    operation: &'static str,
    document: &impl Serialize,
    version: u64,
) -> Result<HashMap<String, AttributeValue>, AwsError> {
    Ok(HashMap::from([
        (":document".to_owned(), AttributeValue::S(json(operation, document)?)),
        (":version".to_owned(), AttributeValue::N(version.to_string())),
        (":next".to_owned(), AttributeValue::N((version + 1).to_string())),
    ]))
}

#[cfg(test)]
mod tests {

    use aws_sdk_dynamodb::operation::put_item::PutItemOutput;
    use aws_sdk_dynamodb::types::error::{
        ConditionalCheckFailedException, TransactionCanceledException, TransactionConflictException,
    };
    use aws_smithy_mocks::mock;

    use super::*;
    use crate::answering::answering;
    use crate::table::{stored, text};

    #[tokio::test]
    async fn a_failed_condition_is_an_answer_and_no_error() {
        let there = mock!(aws_sdk_dynamodb::Client::put_item)
            .match_requests(|request| request.condition_expression() == Some("attribute_not_exists(pk)"))
            .then_error(|| {
                PutItemError::ConditionalCheckFailedException(
                    ConditionalCheckFailedException::builder().build(),
                )
            });
        let table = Table::new(answering!(aws_sdk_dynamodb, [&there]), "slipway");

        assert!(!table.put_new(&Key::link("hash"), &1).await.expect("an answer"));
    }

    #[tokio::test]
    async fn an_item_is_its_key_its_document_and_a_version() {
        let put = mock!(aws_sdk_dynamodb::Client::put_item)
            .match_requests(|request| {
                let item = request.item().cloned().unwrap_or_default();
                stored::<Vec<u8>>("test", &item)
                    .is_ok_and(|stored| stored.document == [1, 2] && stored.version == 1)
                    && item.get("pk") == Some(&text("LINK#hash"))
            })
            .then_output(|| PutItemOutput::builder().build());
        let table = Table::new(answering!(aws_sdk_dynamodb, [&put]), "slipway");

        table.put(&Key::link("hash"), &[1, 2]).await.expect("written");
    }

    #[tokio::test]
    async fn the_loser_of_a_race_learns_of_it() {
        let lost = mock!(aws_sdk_dynamodb::Client::transact_write_items)
            .then_error(|| cancelled("ConditionalCheckFailed"));
        let table = Table::new(answering!(aws_sdk_dynamodb, [&lost]), "slipway");

        let won = table
            .write_all(&[Write::over(&Key::link("a"), &1, Some(1)), Write::new(&Key::link("b"), &2)])
            .await;

        assert!(!won.expect("an answer"));
    }

    #[tokio::test]
    async fn who_meets_a_transaction_was_not_first() {
        let conflict = mock!(aws_sdk_dynamodb::Client::update_item).then_error(|| {
            UpdateItemError::TransactionConflictException(TransactionConflictException::builder().build())
        });
        let table = Table::new(answering!(aws_sdk_dynamodb, [&conflict]), "slipway");

        assert!(!table.replace(&Key::link("a"), &1, 1).await.expect("an answer"));
    }

    #[tokio::test]
    async fn a_throttled_part_throttles_its_transaction() {
        for code in ["ThrottlingError", "ProvisionedThroughputExceeded"] {
            let throttled =
                mock!(aws_sdk_dynamodb::Client::transact_write_items).then_error(move || cancelled(code));
            let table = Table::new(answering!(aws_sdk_dynamodb, [&throttled]), "slipway");

            let error = table
                .write_all(&[Write::new(&Key::link("a"), &1), Write::new(&Key::link("b"), &2)])
                .await
                .expect_err("it is throttled");

            assert!(matches!(error, AwsError::Throttled { .. }), "{code}: {error:?}");
        }
    }

    fn cancelled(code: &str) -> TransactWriteItemsError {
        let reasons = [
            CancellationReason::builder().code("None").build(),
            CancellationReason::builder().code(code).build(),
        ];
        let cancelled =
            TransactionCanceledException::builder().set_cancellation_reasons(Some(reasons.into()));
        TransactWriteItemsError::TransactionCanceledException(cancelled.build())
    }
}
