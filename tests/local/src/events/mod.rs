//! The events that AWS sends by itself and MiniStack does not: image pushes and scans, ECS deployments and tasks,
//! databases and their snapshots, alarm changes.
//!
//! MiniStack's corrections tell of them where the state changes (`ministack/events.py`); scans and the state of
//! databases are what a file says ([`gates`]). Each becomes an event in AWS's exact shape, and goes through the deployed
//! rules ([`deliver`]).

pub mod deliver;
mod fate;
mod gates;

use std::path::PathBuf;

use aws_config::SdkConfig;
use serde_json::{Value, json};
use tokio::sync::{broadcast::error::RecvError, mpsc};

pub use deliver::{Delivery, deliver};

use self::fate::Fate;
use crate::{
    client::{ACCOUNT, REGION},
    wire::{News, Wire},
};

/// Delivers the events of the cloud, until the future is dropped; the wire says which of them are broken.
pub async fn follow(sdk: SdkConfig, wire: Wire, file: PathBuf) {
    let mut news = wire.listen();
    let (sender, mut of_gates) = mpsc::unbounded_channel();
    let delivering = async {
        loop {
            let event = tokio::select! {
                told = news.recv() => match told {
                    Ok(news) => event(news),
                    Err(RecvError::Lagged(count)) => {
                        tracing::error!("{count} events were lost: they came faster than they were taken");
                        continue;
                    }
                    Err(RecvError::Closed) => return,
                },
                Some(event) = of_gates.recv() => event,
            };
            // In the order in which they happened: what is reordered waits for one that comes later.
            let fate = Fate::of(&wire, event);
            let sdk = sdk.clone();
            // One slow target must not hold up the next event; AWS keeps no order either.
            tokio::spawn(async move { fate.come_about(&sdk).await });
        }
    };
    tokio::join!(delivering, gates::watch(sdk.clone(), file, sender));
}

/// What MiniStack told, in EventBridge's envelope.
fn event(news: News) -> Value {
    let News { source, detail_type, resources, detail, time } = news;
    let resources: Vec<_> = resources.iter().map(String::as_str).collect();
    let mut event = envelope(&source, &detail_type, &resources, &detail);
    event["time"] = json!(time);
    event
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
