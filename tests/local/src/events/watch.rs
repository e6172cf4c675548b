//! Looking again and again, whatever one look came to.

use std::{collections::HashMap, future::Future, hash::Hash, sync::Arc, time::Duration};

use serde_json::Value;
use tokio::{
    sync::{Notify, mpsc::UnboundedSender},
    time::{MissedTickBehavior, interval},
};

use crate::Pace;

/// The time between two looks.
const PAUSE: Duration = Duration::from_millis(200);
/// The same at the quick pace.
const QUICK_PAUSE: Duration = Duration::from_millis(100);
/// How many looks use what an earlier look listed (repositories, clusters, services).
const LOOKS_PER_LIST: u32 = 5;

/// A kind of thing that changes.
pub(super) trait Watched: Send {
    /// What it is, in the log.
    const WHAT: &str;

    /// Looks, and returns an event for each change since the last look.
    ///
    /// `list` says when to look for new things too, not only at the known ones.
    fn look(&mut self, list: bool) -> impl Future<Output = anyhow::Result<Vec<Value>>> + Send;
}

/// Looks at something several times a second and sends what changed.
/// `changed` says that there is something to see before the next look.
pub(super) async fn run<W: Watched>(
    mut watched: W,
    pace: Pace,
    events: UnboundedSender<Value>,
    changed: Arc<Notify>,
) {
    let mut looks = interval(match pace {
        Pace::Normal => PAUSE,
        Pace::Quick => QUICK_PAUSE,
    });
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut count = 0;
    let mut failing = false;
    loop {
        tokio::select! {
            _ = looks.tick() => {}
            () = changed.notified() => {}
        }
        match watched.look(count % LOOKS_PER_LIST == 0).await {
            Ok(changes) => {
                failing = false;
                for change in changes {
                    if events.send(change).is_err() {
                        return;
                    }
                }
            }
            // One line for a time of trouble, not five a second.
            Err(error) if !failing => {
                failing = true;
                tracing::warn!("a look at {} failed and is repeated: {error:#}", W::WHAT);
            }
            Err(_) => {}
        }
        count += 1;
    }
}

/// What the last look saw; nothing before the first.
#[derive(Debug)]
pub(super) struct Memory<K, V>(Option<HashMap<K, V>>);

impl<K: Eq + Hash + Clone, V> Memory<K, V> {
    pub(super) fn new() -> Self {
        Self(None)
    }

    /// Replaces what was seen, and returns each thing of the new look with what it was at the last one.
    ///
    /// Nothing is returned for the first look: what was there before is not news.
    pub(super) fn replace(&mut self, seen: HashMap<K, V>) -> Vec<(K, Option<V>)> {
        let Some(mut before) = self.0.take() else {
            self.0 = Some(seen);
            return Vec::new();
        };
        let compared = seen.keys().map(|key| (key.clone(), before.remove(key))).collect();
        self.0 = Some(seen);
        compared
    }

    /// What the last look saw of one thing.
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.0.as_ref()?.get(key)
    }
}
