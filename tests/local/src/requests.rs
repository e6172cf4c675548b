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
    let entry = PutEventsRequestEntry::builder()
        .source(SOURCE)
        .detail_type(detail_type)
        .detail(detail.to_string())
        .build();
    let answer = aws_sdk_eventbridge::Client::new(sdk)
        .put_events()
        .entries(entry)
        .send()
        .await
        .context("EventBridge does not answer")?;
    if answer.failed_entry_count() > 0 {
        bail!("EventBridge did not take the event: {:?}", answer.entries());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use slipway_core::request::{AbortRequested, LiftRequested, ReleaseRequested};

    use super::*;

    /// The entries of every `put-events` command that the runbook shows, with its placeholders filled in.
    fn documented() -> Vec<Value> {
        let runbook = include_str!("../../../docs/runbook.md");
        let commands = runbook.split("aws events put-events --entries '").skip(1);
        let arguments = commands.map(|command| command.split_once('\'').expect("bash's quote ends").0);
        let filled = arguments.map(|entries| {
            entries.replace("sha256:…", &format!("sha256:{}", "a1".repeat(32))).replace('…', "")
        });
        filled
            .flat_map(|entries| serde_json::from_str::<Vec<Value>>(&entries).expect("a list of entries"))
            .collect()
    }

    #[test]
    fn every_request_that_the_runbook_shows_is_understood() {
        let mut shown = BTreeSet::new();
        for entry in documented() {
            let detail = entry["Detail"].as_str().expect("a detail");
            let detail_type = entry["DetailType"].as_str().expect("a type").to_owned();
            match detail_type.as_str() {
                "Release Requested" => {
                    drop(serde_json::from_str::<ReleaseRequested>(detail).expect("it fits"));
                }
                "Abort Requested" => drop(serde_json::from_str::<AbortRequested>(detail).expect("it fits")),
                "Quarantine Lift Requested" => {
                    drop(serde_json::from_str::<LiftRequested>(detail).expect("it fits"));
                }
                other => panic!("there is no request {other}"),
            }
            assert_eq!(entry["Source"], SOURCE);
            shown.insert(detail_type);
        }
        assert_eq!(shown.len(), 3, "each kind of request is shown: {shown:?}");
    }
}
