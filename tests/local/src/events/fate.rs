//! What becomes of an event: it is delivered, unless the wire breaks it.

use std::{pin::Pin, time::Duration};

use aws_config::SdkConfig;
use serde_json::Value;

use super::deliver;
use crate::wire::{EventFault, Wire};

/// How late a delayed event is delivered.
const LATE: Duration = Duration::from_secs(5);
/// How long a reordered event waits for the next one of its type.
const PATIENCE: Duration = Duration::from_secs(10);

/// An event with its fate.
pub(super) struct Fate {
    wire: Wire,
    event: Value,
    number: u64,
    fault: Option<EventFault>,
    /// The next delivery of an event of the same type, listened for from now on.
    overtaken: Pin<Box<dyn Future<Output = ()> + Send + Sync>>,
}

impl Fate {
    /// Writes the event down on the wire, which decides.
    pub(super) fn of(wire: &Wire, event: Value) -> Self {
        let overtaken = Box::pin(wire.next_delivery(detail_type(&event)));
        let (number, fault) = wire.happened(&event);
        Self { wire: wire.clone(), event, number, fault, overtaken }
    }

    /// Delivers the event as often and as late as its fate is.
    pub(super) async fn come_about(mut self, sdk: &SdkConfig) {
        match self.fault {
            Some(EventFault::Drop) => return tracing::info!(event = %self.event, "dropped an event"),
            Some(EventFault::Delay) => tokio::time::sleep(LATE).await,
            Some(EventFault::Reorder) => {
                let _ = tokio::time::timeout(PATIENCE, self.overtaken.as_mut()).await;
            }
            Some(EventFault::Double) => self.deliver(sdk).await,
            None => {}
        }
        self.deliver(sdk).await;
    }

    async fn deliver(&self, sdk: &SdkConfig) {
        match deliver(sdk, &self.event).await {
            Ok(deliveries) => {
                let rules = deliveries.iter().map(|delivery| delivery.rule.clone()).collect();
                self.wire.delivered(self.number, detail_type(&self.event), rules);
                tracing::info!(event = %self.event, deliveries = ?deliveries, "delivered an event");
            }
            Err(error) => tracing::error!(event = %self.event, "an event was lost: {error:#}"),
        }
    }
}

fn detail_type(event: &Value) -> &str {
    event["detail-type"].as_str().unwrap_or_default()
}
