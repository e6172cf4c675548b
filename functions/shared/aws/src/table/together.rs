//! Items that are read together, in one call.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use serde::de::DeserializeOwned;

use super::{Stored, Table, attributes, is_expired, stored};
use crate::{AwsError, Key};

const OPERATION: &str = "dynamodb:BatchGetItem";
/// How many items DynamoDB reads in a call (`BatchGetItem`, Amazon DynamoDB API reference).
const IN_A_CALL: usize = 100;
/// How often it is asked for what it has left out, and how long is waited before the first time.
const ROUNDS: u32 = 4;
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// An item as DynamoDB has it.
type Attributes = HashMap<String, AttributeValue>;

/// Items that were read together. Each is as it was at a moment of the call, and not all at the same one.
#[derive(Clone, Debug, Default)]
pub struct Items(HashMap<Key, Attributes>);

impl Items {
    /// The item of a key that was asked for; nothing where there is none.
    ///
    /// # Errors
    ///
    /// When it is not what it should be.
    pub fn of<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<Stored<T>>, AwsError> {
        self.0.get(key).filter(|item| !is_expired(item)).map(|item| stored(OPERATION, item)).transpose()
    }

    /// The document of a key that was asked for; nothing where there is none.
    ///
    /// # Errors
    ///
    /// When it is not what it should be.
    pub fn document<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>, AwsError> {
        Ok(self.of(key)?.map(|stored| stored.document))
    }
}

impl Table {
    /// Reads items in one call, each of them consistently.
    ///
    /// # Errors
    ///
    /// When DynamoDB cannot be asked.
    pub async fn get_all(&self, keys: &[Key]) -> Result<Items, AwsError> {
        let mut items = HashMap::with_capacity(keys.len());
        // DynamoDB refuses a call that names a key twice.
        let mut known = HashSet::new();
        let keys: Vec<_> = keys.iter().filter(|key| known.insert(*key)).collect();
        for some in keys.chunks(IN_A_CALL) {
            let mut left = some.iter().map(|key| attributes(key)).collect::<Vec<_>>();
            for round in 0..ROUNDS {
                if round > 0 {
                    tokio::time::sleep(FIRST_WAIT * 2_u32.pow(round - 1)).await;
                }
                left = self.get_some(left, &mut items).await?;
                if left.is_empty() {
                    break;
                }
            }
            if !left.is_empty() {
                return Err(AwsError::throttled(
                    OPERATION,
                    "UnprocessedKeys",
                    "DynamoDB does not read all of the items",
                ));
            }
        }
        Ok(Items(items))
    }

    /// One call. The keys that DynamoDB has left out: of more than it takes at the moment, it reads a part and says which it did
    /// not (`UnprocessedKeys`, as above).
    async fn get_some(
        &self,
        keys: Vec<Attributes>,
        items: &mut HashMap<Key, Attributes>,
    ) -> Result<Vec<Attributes>, AwsError> {
        let asked = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
        let asked = asked.map_err(|error| AwsError::unusable(OPERATION, error.to_string()))?;
        let request = self.client.batch_get_item().request_items(&self.name, asked);
        let answer = Box::pin(request.send()).await.map_err(|error| AwsError::from_sdk(OPERATION, error))?;
        for item in answer.responses.unwrap_or_default().into_values().flatten() {
            let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned();
            let (Some(pk), Some(sk)) = (text("pk"), text("sk")) else {
                return Err(AwsError::unusable(OPERATION, "an item without its key"));
            };
            items.insert(Key { pk, sk }, item);
        }
        let left = answer.unprocessed_keys.unwrap_or_default();
        Ok(left.into_values().flat_map(|asked| asked.keys).collect())
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::operation::batch_get_item::BatchGetItemOutput;
    use aws_smithy_mocks::mock;

    use super::*;
    use crate::answering::answering;
    use crate::table::{item, text};

    fn asked(keys: &[&Key]) -> KeysAndAttributes {
        let keys = keys.iter().map(|key| attributes(key)).collect();
        KeysAndAttributes::builder().set_keys(Some(keys)).build().expect("it is complete")
    }

    fn answered(found: &[(&Key, u8)], left: &[&Key]) -> BatchGetItemOutput {
        let items = found.iter().map(|(key, document)| item("test", key, document, 1).expect("it fits"));
        let left = (!left.is_empty()).then(|| HashMap::from([("slipway".to_owned(), asked(left))]));
        BatchGetItemOutput::builder().responses("slipway", items.collect()).set_unprocessed_keys(left).build()
    }

    #[tokio::test]
    async fn items_are_read_consistently_and_each_key_is_asked_for_once() {
        let (there, missing) = (Key::link("a"), Key::link("b"));
        let found = there.clone();
        let batch = mock!(aws_sdk_dynamodb::Client::batch_get_item)
            .match_requests(|request| {
                let asked = request.request_items().and_then(|tables| tables.get("slipway"));
                asked.is_some_and(|asked| asked.consistent_read() == Some(true) && asked.keys().len() == 2)
            })
            .then_output(move || answered(&[(&found, 7)], &[]));
        let table = Table::new(answering!(aws_sdk_dynamodb, [&batch]), "slipway");

        let items = table.get_all(&[there.clone(), missing.clone(), there.clone()]).await.expect("an answer");

        assert_eq!(items.document::<u8>(&there).expect("it parses"), Some(7));
        assert_eq!(items.document::<u8>(&missing).expect("it parses"), None);
    }

    #[tokio::test]
    async fn what_dynamodb_leaves_out_is_asked_for_again() {
        let (first, second) = (Key::link("a"), Key::link("b"));
        let (one, other) = (first.clone(), second.clone());
        let (found, left) = (second.clone(), second.clone());
        let batch = mock!(aws_sdk_dynamodb::Client::batch_get_item)
            .sequence()
            .output(move || answered(&[(&one, 1)], &[&other]))
            .output(move || answered(&[(&found, 2)], &[]))
            .build();
        let table = Table::new(answering!(aws_sdk_dynamodb, [&batch]), "slipway");

        let items = table.get_all(&[first.clone(), second]).await.expect("an answer");

        let read = [&first, &left].map(|key| items.document::<u8>(key).expect("it parses"));
        assert_eq!((read, batch.num_calls()), ([Some(1), Some(2)], 2));
    }

    #[tokio::test]
    async fn what_is_left_out_each_time_is_throttled_and_never_taken_for_missing() {
        let key = Key::link("a");
        let left = key.clone();
        let batch =
            mock!(aws_sdk_dynamodb::Client::batch_get_item).then_output(move || answered(&[], &[&left]));
        let table = Table::new(answering!(aws_sdk_dynamodb, [&batch]), "slipway");

        let error = table.get_all(&[key]).await.expect_err("it was not read");

        assert!(matches!(error, AwsError::Throttled { operation: OPERATION, .. }), "{error:?}");
    }

    #[tokio::test]
    async fn an_item_whose_time_is_over_is_none_here_as_well() {
        let key = Key::view("hash");
        let mut old = item("test", &key, &1, 1).expect("it fits");
        old.insert(crate::table::REMOVE_AFTER.to_owned(), AttributeValue::N("1".to_owned()));
        let batch = mock!(aws_sdk_dynamodb::Client::batch_get_item).then_output(move || {
            BatchGetItemOutput::builder().responses("slipway", vec![old.clone()]).build()
        });
        let table = Table::new(answering!(aws_sdk_dynamodb, [&batch]), "slipway");

        let items = table.get_all(std::slice::from_ref(&key)).await.expect("an answer");

        assert_eq!(items.document::<u8>(&key).expect("it parses"), None);
        assert_eq!(text("VIEW#hash"), attributes(&key)["pk"]);
    }
}
