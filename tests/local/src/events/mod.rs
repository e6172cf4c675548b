//! The events that AWS sends by itself and MiniStack does not: image pushes and scans, ECS deployments
//! and one-off tasks, databases and their snapshots, alarm changes.
//!
//! Each kind of thing is looked at several times a second, and what changed since the last look becomes an event
//! in AWS's exact shape. What was there at the first look is not news. The events go through the deployed rules
//! ([`deliver`]).

mod alarms;
mod databases;
pub mod deliver;
mod ecr;
mod ecs;
mod fate;
mod scans;
mod tasks;
mod watch;

use std::{path::PathBuf, sync::Arc};

use aws_config::SdkConfig;
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};

pub use deliver::{Delivery, deliver};

use self::fate::Fate;
use crate::{
    Pace,
    client::{ACCOUNT, REGION},
    wire::Wire,
};

/// Watches the cloud and delivers its events, until the future is dropped; the wire says which of them are broken.
pub async fn watch(sdk: SdkConfig, wire: Wire, pace: Pace, gates: PathBuf) {
    let (sender, mut events) = mpsc::unbounded_channel::<Value>();
    let delivering = async {
        while let Some(event) = events.recv().await {
            // In the order in which they happened: what is reordered waits for one that comes later.
            let fate = Fate::of(&wire, event);
            let sdk = sdk.clone();
            // One slow target must not hold up the next event; AWS keeps no order either.
            tokio::spawn(async move { fate.come_about(&sdk).await });
        }
    };
    let never = Arc::<Notify>::default();
    tokio::join!(
        delivering,
        watch::run(ecr::Images::new(&sdk), pace, sender.clone(), wire.pushed()),
        watch::run(ecs::Deployments::new(&sdk), pace, sender.clone(), never.clone()),
        watch::run(alarms::Alarms::new(&sdk), pace, sender.clone(), never.clone()),
        watch::run(scans::Scans::new(&sdk, gates), pace, sender.clone(), never.clone()),
        watch::run(databases::Databases::new(&sdk), pace, sender.clone(), never.clone()),
        watch::run(tasks::OneOffs::new(&sdk), pace, sender.clone(), never.clone()),
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
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    )
}
