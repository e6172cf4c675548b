//! DynamoDB: the one table that remembers releases, baselines, approvals and callbacks.
//!
//! An item is a key, a JSON document, a version that each write raises, and for most of them a time after which DynamoDB
//! removes it. It may take days to do so ("Using time to live (TTL) in DynamoDB", Amazon DynamoDB developer guide), so a
//! read takes an expired item for none. Every read that a decision rests on is
//! consistent, every write that may meet another one is conditional. The requests' futures are boxed: several are
//! awaited at once.

mod together;
mod update;
mod write;

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::keys::partition;
use crate::{AwsError, Key};

pub use together::Items;
pub use update::Update;
pub use write::Write;

/// The attribute that the table's time to live names, in seconds since 1970.
const REMOVE_AFTER: &str = "remove_after";

/// The table.
#[derive(Clone, Debug)]
pub struct Table {
    client: Client,
    name: String,
}

/// A document and the version it was read in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored<T> {
    /// The document.
    pub document: T,
    /// The version, to be given back when it is replaced.
    pub version: u64,
}

/// The last items of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latest<T> {
    /// The items, the last one first.
    pub items: Vec<(Key, Stored<T>)>,
    /// Whether there may be others before them.
    pub more: bool,
}

impl Table {
    pub(crate) fn new(client: Client, name: &str) -> Self {
        Self { client, name: name.to_owned() }
    }

    /// The table's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Opens the connection ahead of the first real call, during a function's init. What is answered does not matter.
    pub async fn warm_up(self) {
        let _opened = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(attributes(&Key::warm_up())))
            .send()
            .await;
    }

    /// Reads an item.
    ///
    /// # Errors
    ///
    /// When DynamoDB cannot be asked, or the item is not what it should be.
    pub async fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<Stored<T>>, AwsError> {
        const OPERATION: &str = "dynamodb:GetItem";
        let request = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(attributes(key)))
            .consistent_read(true);
        let answer = Box::pin(request.send()).await.map_err(|error| AwsError::from_sdk(OPERATION, error))?;
        answer.item().filter(|item| !is_expired(item)).map(|item| stored(OPERATION, item)).transpose()
    }

    /// Reads the items of a partition whose sort keys begin with `prefix`, in order.
    ///
    /// # Errors
    ///
    /// When DynamoDB cannot be asked, or an item is not what it should be.
    pub async fn list<T: DeserializeOwned>(
        &self,
        pk: &str,
        prefix: &str,
    ) -> Result<Vec<(Key, Stored<T>)>, AwsError> {
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

    /// The items of all pages of a query.
    async fn query<T: DeserializeOwned>(
        &self,
        pk: &str,
        condition: &str,
        sk: Option<&str>,
    ) -> Result<Vec<(Key, Stored<T>)>, AwsError> {
        const OPERATION: &str = "dynamodb:Query";
        let request = self
            .client
            .query()
            .table_name(&self.name)
            .key_condition_expression(condition)
            .expression_attribute_values(":pk", text(pk))
            .consistent_read(true);
        let request = match sk {
            Some(sk) => request.expression_attribute_values(":sk", text(sk)),
            None => request,
        };
        let items = request.into_paginator().items().send().try_collect().await;
        let items = items.map_err(|error| AwsError::from_sdk(OPERATION, error))?;
        let kept = items.iter().filter(|item| !is_expired(item));
        kept.map(|item| Ok((key_of(OPERATION, pk, item)?, stored(OPERATION, item)?))).collect()
    }

    /// The last item of a partition, in the order of the sort keys.
    ///
    /// # Errors
    ///
    /// When DynamoDB cannot be asked, or the item is not what it should be.
    pub async fn last<T: DeserializeOwned>(&self, pk: &str) -> Result<Option<(Key, Stored<T>)>, AwsError> {
        Ok(self.latest(pk, 1).await?.items.pop())
    }

    /// The last items of a partition, the last one first, in one call.
    ///
    /// # Errors
    ///
    /// When DynamoDB cannot be asked, or an item is not what it should be.
    pub async fn latest<T: DeserializeOwned>(&self, pk: &str, most: u8) -> Result<Latest<T>, AwsError> {
        const OPERATION: &str = "dynamodb:Query";
        let request = self
            .client
            .query()
            .table_name(&self.name)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(pk))
            .consistent_read(true)
            .scan_index_forward(false)
            .limit(most.into());
        let answer = Box::pin(request.send()).await.map_err(|error| AwsError::from_sdk(OPERATION, error))?;
        let kept = answer.items().iter().filter(|item| !is_expired(item));
        let items = kept.map(|item| Ok((key_of(OPERATION, pk, item)?, stored(OPERATION, item)?)));
        Ok(Latest {
            items: items.collect::<Result<_, AwsError>>()?,
            more: answer.last_evaluated_key().is_some_and(|key| !key.is_empty()),
        })
    }
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn attributes(key: &Key) -> HashMap<String, AttributeValue> {
    HashMap::from([("pk".to_owned(), text(&key.pk)), ("sk".to_owned(), text(&key.sk))])
}

fn json(operation: &'static str, document: &impl Serialize) -> Result<String, AwsError> {
    serde_json::to_string(document).map_err(|error| AwsError::unusable(operation, error.to_string()))
}

fn item(
    operation: &'static str,
    key: &Key,
    document: &impl Serialize,
    version: u64,
) -> Result<HashMap<String, AttributeValue>, AwsError> {
    let mut item = attributes(key);
    item.insert("document".to_owned(), AttributeValue::S(json(operation, document)?));
    item.insert("version".to_owned(), AttributeValue::N(version.to_string()));
    if let Some(days) = partition::days_kept(&key.pk) {
        let removed_after = second() + days * 24 * 60 * 60;
        item.insert(REMOVE_AFTER.to_owned(), AttributeValue::N(removed_after.to_string()));
    }
    Ok(item)
}

/// The time in seconds since 1970, as DynamoDB compares it with an item's.
#[expect(
    clippy::disallowed_methods,
    reason = "no decision rests on it: what an item's time to live is compared with"
)]
fn second() -> i64 {
    Timestamp::now().as_second()
}

/// Whether DynamoDB may remove an item.
fn is_expired(item: &HashMap<String, AttributeValue>) -> bool {
    let removed_after =
        item.get(REMOVE_AFTER).and_then(|at| at.as_n().ok()).and_then(|at| at.parse::<i64>().ok());
    removed_after.is_some_and(|at| at < second())
}

fn key_of(
    operation: &'static str,
    pk: &str,
    item: &HashMap<String, AttributeValue>,
) -> Result<Key, AwsError> {
    let sk = item
        .get("sk")
        .and_then(|sk| sk.as_s().ok())
        .ok_or_else(|| AwsError::unusable(operation, "an item without sort key"))?;
    Ok(Key { pk: pk.to_owned(), sk: sk.clone() })
}

fn stored<T: DeserializeOwned>(
    operation: &'static str,
    item: &HashMap<String, AttributeValue>,
) -> Result<Stored<T>, AwsError> {
    let document = item
        .get("document")
        .and_then(|document| document.as_s().ok())
        .ok_or_else(|| AwsError::unusable(operation, "an item without document"))?;
    let version =
        item.get("version").and_then(|version| version.as_n().ok()).and_then(|version| version.parse().ok());
    let version = version.ok_or_else(|| AwsError::unusable(operation, "an item without version"))?;
    let document = serde_json::from_str(document)
        .map_err(|error| AwsError::unusable(operation, format!("an item that does not parse: {error}")))?;
    Ok(Stored { document, version })
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::operation::get_item::GetItemOutput;
    use aws_sdk_dynamodb::operation::query::QueryOutput;
    use aws_smithy_mocks::mock;

    use super::*;
    use crate::answering::answering;

    #[tokio::test]
    async fn decisions_rest_on_consistent_reads() {
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
    async fn an_item_whose_time_is_over_is_none() {
        let view = Key::view("hash");
        let item = move |removed_after: i64| {
            let mut item = item("test", &view, &1, 1).expect("it fits");
            let written = item.get(REMOVE_AFTER).and_then(|at| at.as_n().ok()).cloned();
            let in_90_days = second() + 90 * 24 * 60 * 60;
            let written: i64 = written.expect("it expires").parse().expect("seconds");
            assert!((in_90_days - 5..=in_90_days).contains(&written), "{written}");
            item.insert(REMOVE_AFTER.to_owned(), AttributeValue::N(removed_after.to_string()));
            item
        };
        let now = second();
        let get = mock!(aws_sdk_dynamodb::Client::get_item)
            .sequence()
            .output(move || GetItemOutput::builder().set_item(Some(item(now - 1))).build())
            .build();
        let query = mock!(aws_sdk_dynamodb::Client::query).then_output(move || {
            let of = |sk: &str, removed_after: i64| {
                let key = Key { pk: "VIEW#hash".into(), sk: sk.into() };
                let mut item = super::item("test", &key, &1, 1).expect("it fits");
                item.insert(REMOVE_AFTER.to_owned(), AttributeValue::N(removed_after.to_string()));
                item
            };
            QueryOutput::builder().items(of("a", now - 1)).items(of("b", now + 60)).build()
        });
        let table = Table::new(answering!(aws_sdk_dynamodb, [&get, &query]), "slipway");

        assert!(table.get::<u8>(&Key::view("hash")).await.expect("an answer").is_none());
        let listed = table.list::<u8>("VIEW#hash", "").await.expect("an answer");
        assert_eq!(listed.iter().map(|(key, _)| key.sk.as_str()).collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn what_is_kept_for_good_never_expires() {
        for pk in
            ["AUDIT#web", "LOCK#web", "OPEN", "QUARANTINE#web", "RECONCILE#web", "APPROVER#ana@example.com"]
        {
            let item = item("test", &Key { pk: pk.into(), sk: "x".into() }, &1, 1).expect("it fits");
            assert!(!item.contains_key(REMOVE_AFTER), "{pk}");
        }
    }

    #[tokio::test]
    async fn every_page_of_a_list_is_read() {
        let page = |sk: &'static str, more: bool| {
            move || {
                let item =
                    item("test", &Key { pk: "LOCK#web".into(), sk: sk.into() }, &1, 1).expect("it fits");
                let next = more.then(|| HashMap::from([("sk".to_owned(), text(sk))]));
                QueryOutput::builder().items(item).set_last_evaluated_key(next).build()
            }
        };
        let first = mock!(aws_sdk_dynamodb::Client::query)
            .match_requests(|request| request.exclusive_start_key().is_none())
            .then_output(page("a", true));
        let second = mock!(aws_sdk_dynamodb::Client::query)
            .match_requests(|request| {
                request.exclusive_start_key().is_some_and(|start| start.get("sk") == Some(&text("a")))
            })
            .then_output(page("b", false));
        let table = Table::new(answering!(aws_sdk_dynamodb, [&first, &second]), "slipway");

        let found = table.list::<u8>("LOCK#web", "").await.expect("DynamoDB answers");

        assert_eq!(found.iter().map(|(key, _)| key.sk.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    }
}
