//! What a person asks Slipway for, by the same event that the AWS CLI's `put-events` sends.

use anyhow::{Context as _, bail};
use aws_config::SdkConfig;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use serde_json::Value;
use slipway_core::request::SOURCE;

/// Puts an event on the account's default bus.
///
/// # Errors
///
/// When EventBridge cannot be asked, or does not take it.
pub async fn put(sdk: &SdkConfig, detail_type: &str, detail: &Value) -> anyhow::Result<()> {
    let entry = PutEventsRequestEntry::builder().source(SOURCE).detail_type(detail_type).detail(detail.to_string()).build();
    let answer = aws_sdk_eventbridge::Client::new(sdk).put_events().entries(entry).send().await.context("EventBridge does not answer")?;
    if answer.failed_entry_count() > 0 {
        bail!("EventBridge did not take the event: {:?}", answer.entries());
    }
    Ok(())
}
