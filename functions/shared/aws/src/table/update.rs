//! The one way to change an item that others change, too.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Stored, Table};
use crate::{AwsError, Key};

/// How often an item is read and written anew before [`Table::update`] gives up. Of those who write at one time one
/// succeeds in each round, so ten of them all succeed.
const ROUNDS: u32 = 10;

/// What a decision makes of an item: it writes it or leaves it, and says what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update<T, R> {
    /// This document takes the item's place.
    Write(T, R),
    /// The item stays as it is.
    Leave(R),
}

impl Table {
    /// Reads an item, decides, and writes it on condition that nobody has written it since; else once more, from the
    /// read on.
    ///
    /// `decide` is given the document, or nothing where there is none, and is asked again in every round: it may do
    /// nothing but decide. It may be shown what it wrote itself, because the answer to a write can be lost; so where
    /// the item is already as it should be, it leaves it. What the decision cannot accept is an answer as well: `R`
    /// may be a `Result`.
    ///
    /// # Errors
    ///
    /// When DynamoDB cannot be asked, or the item is not what it should be. [`AwsError::Transient`] when someone else
    /// was first ten times in a row.
    pub async fn update<T, R>(
        &self,
        key: &Key,
        decide: impl FnMut(Option<T>) -> Update<T, R>,
    ) -> Result<R, AwsError>
    where
        T: Serialize + DeserializeOwned + Sync,
    {
        let current = self.get::<T>(key).await?;
        self.update_read(key, current, decide).await
    }

    /// The same of an item that was read a moment ago.
    ///
    /// # Errors
    ///
    /// As [`Table::update`].
    pub async fn update_read<T, R>(
        &self,
        key: &Key,
        mut current: Option<Stored<T>>,
        mut decide: impl FnMut(Option<T>) -> Update<T, R>,
    ) -> Result<R, AwsError>
    where
        T: Serialize + DeserializeOwned + Sync,
    {
        for round in 0..ROUNDS {
            if round > 0 {
                current = self.get::<T>(key).await?;
            }
            let (current, version) =
                current.take().map_or((None, None), |stored| (Some(stored.document), Some(stored.version)));
            match decide(current) {
                Update::Leave(answer) => return Ok(answer),
                Update::Write(document, answer) => {
                    if self.write(key, &document, version).await? {
                        return Ok(answer);
                    }
                }
            }
        }
        Err(AwsError::Transient {
            operation: "dynamodb:UpdateItem",
            source: "somebody else writes this item all the time".into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::operation::get_item::GetItemOutput;
    use aws_sdk_dynamodb::operation::put_item::{PutItemError, PutItemOutput};
    use aws_sdk_dynamodb::operation::update_item::{UpdateItemError, UpdateItemOutput};
    use aws_sdk_dynamodb::types::AttributeValue;
    use aws_sdk_dynamodb::types::error::ConditionalCheckFailedException;
    use aws_smithy_mocks::mock;

    use super::*;
    use crate::answering::answering;
    use crate::table::item;

    fn read(document: u32, version: u64) -> GetItemOutput {
        GetItemOutput::builder()
            .set_item(Some(item("test", &Key::link("a"), &document, version).expect("it fits")))
            .build()
    }

    fn beaten() -> ConditionalCheckFailedException {
        ConditionalCheckFailedException::builder().build()
    }

    fn add_one(current: Option<u32>) -> Update<u32, u32> {
        let next = current.unwrap_or(0) + 1;
        Update::Write(next, next)
    }

    #[tokio::test]
    async fn who_is_beaten_decides_anew_on_what_is_there_then() {
        let get = mock!(aws_sdk_dynamodb::Client::get_item)
            .sequence()
            .output(|| read(5, 3))
            .output(|| read(6, 4))
            .build();
        let write = mock!(aws_sdk_dynamodb::Client::update_item)
            .match_requests(|request| {
                let values = request.expression_attribute_values().cloned().unwrap_or_default();
                let (version, document) = (values.get(":version"), values.get(":document"));
                let is = |version_is: &str, document_is: &str| {
                    version == Some(&AttributeValue::N(version_is.into()))
                        && document == Some(&AttributeValue::S(document_is.into()))
                };
                is("3", "6") || is("4", "7")
            })
            .sequence()
            .error(|| UpdateItemError::ConditionalCheckFailedException(beaten()))
            .output(|| UpdateItemOutput::builder().build())
            .build();
        let table = Table::new(answering!(aws_sdk_dynamodb, [&get, &write]), "slipway");

        assert_eq!(table.update(&Key::link("a"), add_one).await.expect("it is written"), 7);
        assert_eq!((get.num_calls(), write.num_calls()), (2, 2));
    }

    #[tokio::test]
    async fn an_item_that_is_not_there_is_made_and_none_is_written_that_is_left() {
        let get = mock!(aws_sdk_dynamodb::Client::get_item).then_output(|| GetItemOutput::builder().build());
        let put = mock!(aws_sdk_dynamodb::Client::put_item)
            .match_requests(|request| request.condition_expression() == Some("attribute_not_exists(pk)"))
            .then_output(|| PutItemOutput::builder().build());
        let table = Table::new(answering!(aws_sdk_dynamodb, [&get, &put]), "slipway");

        assert_eq!(table.update(&Key::link("a"), add_one).await.expect("it is written"), 1);
        let left = table
            .update(&Key::link("a"), |current: Option<u32>| Update::Leave(current))
            .await
            .expect("it is read");

        assert_eq!((left, put.num_calls()), (None, 1));
    }

    #[tokio::test]
    async fn who_is_always_beaten_may_try_again_later() {
        let get = mock!(aws_sdk_dynamodb::Client::get_item).then_output(|| GetItemOutput::builder().build());
        let put = mock!(aws_sdk_dynamodb::Client::put_item)
            .then_error(|| PutItemError::ConditionalCheckFailedException(beaten()));
        let table = Table::new(answering!(aws_sdk_dynamodb, [&get, &put]), "slipway");

        let error = table.update(&Key::link("a"), add_one).await.expect_err("somebody else is always first");

        assert!(
            matches!(error, AwsError::Transient { operation: "dynamodb:UpdateItem", .. })
                && error.may_be_tried_again(),
            "{error:?}"
        );
        assert_eq!(put.num_calls(), 10);
    }
}
