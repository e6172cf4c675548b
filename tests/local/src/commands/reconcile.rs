//! `cargo local reconcile`.

use anyhow::{Context as _, bail};
use aws_sdk_lambda::primitives::Blob;
use serde_json::Value;

use crate::{Cloud, Settings};

pub(super) async fn run(settings: &Settings) -> anyhow::Result<()> {
    let cloud = Cloud::attach(settings).await?;
    let lambda = aws_sdk_lambda::Client::new(cloud.sdk());
    let answer = lambda.invoke().function_name("slipway-reconcile").payload(Blob::new("{}")).send().await?;
    let body: Value =
        serde_json::from_slice(answer.payload().context("the reconciler answered nothing")?.as_ref())?;
    if answer.function_error().is_some() {
        bail!("the reconciler failed: {body}");
    }
    if body["another_runs"] == Value::Bool(true) {
        println!("Another reconciliation runs, and looks once more: see `cargo local logs reconcile`.");
        return Ok(());
    }
    for (field, words) in [
        ("begun", "begun, because its push or its start was lost"),
        ("ended", "ended, because its execution was over and nobody was notified of an outcome"),
        ("woken", "runs, and a step of it was woken"),
        ("unreachable", "is not asked any more: SNS has no confirmed subscription of theirs"),
        ("problems", "could not be looked at"),
    ] {
        for item in body[field].as_array().into_iter().flatten() {
            let name = item.as_str().or_else(|| item["release"].as_str()).unwrap_or_default();
            let outcome = item["outcome"].as_str().map(|outcome| format!(" ({outcome})")).unwrap_or_default();
            println!("{name}{outcome}: {words}");
        }
    }
    println!("Reconciled.");
    Ok(())
}
