//! The events that AWS sends by itself and MiniStack does not: image pushes, ECS deployments, alarm changes.
//!
//! Each kind of thing is looked at several times a second, and what changed since the last look becomes an event
//! in AWS's exact shape. What was there at the first look is not news. The events go through the deployed rules
//! ([`deliver`]).

mod alarms;
pub mod deliver;
mod ecr;
mod ecs;
mod watch;

use aws_config::SdkConfig;
use serde_json::{Value, json};
use tokio::sync::mpsc;

pub use deliver::{Delivery, deliver};

use crate::client::{ACCOUNT, REGION};

/// Watches the cloud and delivers its events, until the future is dropped.
pub async fn watch(sdk: SdkConfig) {
    let (sender, mut events) = mpsc::unbounded_channel::<Value>();
    let delivering = async {
        while let Some(event) = events.recv().await {
            let sdk = sdk.clone();
            // One slow target must not hold up the next event; AWS keeps no order either.
            tokio::spawn(async move {
                match deliver(&sdk, &event).await {
                    Ok(deliveries) => tracing::info!(
                        event = %event,
                        deliveries = ?deliveries,
                        "delivered an event"
                    ),
                    Err(error) => tracing::error!(event = %event, "an event was lost: {error:#}"),
                }
            });
        }
    };
    tokio::join!(
        delivering,
        watch::run(ecr::Images::new(&sdk), sender.clone()),
        watch::run(ecs::Deployments::new(&sdk), sender.clone()),
        watch::run(alarms::Alarms::new(&sdk), sender.clone()),
    );
}

/// An event of the local account in EventBridge's envelope, as it happened now.
#[must_use]
pub fn envelope(source: &str, detail_type: &str, resources: &[&str], detail: &Value) -> Value {
    json!({
        "version": "0",
        "id": identifier(),
        "detail-type": detail_type,
        "source": source,
        "account": ACCOUNT,
        "time": crate::clock::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "region": REGION,
        "resources": resources,
        "detail": detail,
    })
}

/// A random identifier in the form of a UUID.
fn identifier() -> String {
    use std::hash::{BuildHasher as _, RandomState};
    let (high, low) = (RandomState::new().hash_one(1_u8), RandomState::new().hash_one(2_u8));
    format!("{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}", high >> 32, (high >> 16) & 0xffff, high & 0xfff, low >> 52, low & 0xffff_ffff_ffff)
}
