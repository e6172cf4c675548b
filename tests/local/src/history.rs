//! What the table remembers of an application: its releases, its quarantined images, its lock.

use std::collections::{HashMap, HashSet};

use anyhow::{Context as _, bail};
use aws_config::SdkConfig;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::SignedDuration;
use serde::de::DeserializeOwned;
use slipway_core::{
    audit::Sealed,
    image::{Digest, Image},
    lock::Lock,
    name::ReleaseId,
    push::IgnoredPush,
    quarantine::Quarantine,
    release::{Ended, Outcome, Release, Started},
    timeline::{TimelineEvent, in_order},
};

/// The table's name on the local cloud.
const TABLE: &str = "slipway";

/// What is remembered of an application.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Its releases, the newest push first.
    pub releases: Vec<Past>,
    /// Images that may not be released again, by their digest.
    pub quarantines: HashMap<String, Quarantine>,
    /// Who has the lock.
    pub lock: Lock,
    /// Pushes under a tag that started nothing, the oldest first.
    pub ignored: Vec<IgnoredPush>,
}

/// A release.
#[derive(Clone, Debug)]
pub struct Past {
    /// How it began.
    pub started: Started,
    /// How it ended, if it did.
    pub ended: Option<Ended>,
}

impl History {
    /// Reads the history of an application that has had a release.
    ///
    /// # Errors
    ///
    /// When the table cannot be read, or there was no release.
    pub async fn find(sdk: &SdkConfig, application: &str) -> anyhow::Result<Self> {
        let history = Self::read(sdk, application).await?;
        if history.releases.is_empty() {
            bail!("{application} has had no release: `cargo local push` starts one");
        }
        Ok(history)
    }

    /// Reads the history of an application, which is empty before its first release.
    ///
    /// # Errors
    ///
    /// When the table cannot be read.
    pub async fn read(sdk: &SdkConfig, application: &str) -> anyhow::Result<Self> {
        let table = aws_sdk_dynamodb::Client::new(sdk);
        let mut releases = Vec::new();
        for (_, started) in list::<Started>(&table, &format!("APPLICATION#{application}")).await? {
            let ended = list::<serde_json::Value>(&table, &format!("RELEASE#{}", started.release.id)).await?;
            let ended = ended
                .into_iter()
                .find(|(sk, _)| sk == "ENDING")
                .map(|(_, ended)| serde_json::from_value(ended))
                .transpose()?;
            releases.push(Past { started, ended });
        }
        releases.reverse();
        let quarantines = list(&table, &format!("QUARANTINE#{application}")).await?.into_iter().collect();
        let lock = list(&table, &format!("LOCK#{application}"))
            .await?
            .into_iter()
            .next()
            .map(|(_, lock)| lock)
            .unwrap_or_default();
        let ignored = list(&table, &format!("IGNORED#{application}")).await?;
        let ignored = ignored.into_iter().map(|(_, push)| push).collect();
        Ok(Self { releases, quarantines, lock, ignored })
    }

    /// The release that a person names: by its id, or the newest one of an image, by tag or (the beginning of) a
    /// digest.
    ///
    /// # Errors
    ///
    /// When there is none; the error lists what there is.
    pub fn release(&self, name: &str) -> anyhow::Result<&Past> {
        if let Some(past) = self.releases.iter().find(|past| past.started.release.id.as_str() == name) {
            return Ok(past);
        }
        let image = self.image(name)?;
        let newest = self.releases.iter().find(|past| past.started.release.image.digest == image.digest);
        newest.context("an image of the history has a release")
    }

    /// Of the releases that changed something, the share that was rolled back or is stuck; none before the first.
    #[must_use]
    pub fn change_failure_rate(&self) -> Option<f64> {
        let count = |outcomes: &[Outcome]| {
            let matching = self
                .releases
                .iter()
                .filter(|past| past.outcome().is_some_and(|outcome| outcomes.contains(&outcome)));
            u32::try_from(matching.count()).unwrap_or(u32::MAX)
        };
        let (bad, all) = (
            count(&[Outcome::RolledBack, Outcome::Stuck]),
            count(&[Outcome::Released, Outcome::RolledBack, Outcome::Stuck]),
        );
        (all > 0).then(|| f64::from(bad) / f64::from(all))
    }

    /// The median time from a push to the end of its release, of those that went through every stage; none before the
    /// first.
    #[must_use]
    pub fn lead_time(&self) -> Option<SignedDuration> {
        let released = self
            .releases
            .iter()
            .filter(|past| past.outcome() == Some(Outcome::Released) && past.started.asked.is_none());
        let mut times: Vec<_> = released
            .filter_map(|past| Some(past.ended.as_ref()?.at.duration_since(past.started.pushed_at)))
            .collect();
        times.sort();
        times.get(times.len() / 2).copied()
    }

    /// The image that a person names, by a tag or by (the beginning of) a digest.
    ///
    /// # Errors
    ///
    /// When no release had it, or several images fit; the error lists what there is.
    pub fn image(&self, name: &str) -> anyhow::Result<Image> {
        let digits = name.strip_prefix("sha256:").unwrap_or(name);
        let fits = |image: &&Image| {
            image.tag == name || (digits.len() >= 6 && image.digest.hex().starts_with(digits))
        };
        let mut found: Vec<Image> = Vec::new();
        for image in self.images().filter(fits) {
            if !found.iter().any(|other| other.digest == image.digest) {
                found.push(image.clone());
            }
        }
        match found.as_slice() {
            [one] => Ok(one.clone()),
            [] => {
                let mut known: Vec<_> =
                    self.images().map(|image| format!("{} ({})", image.tag, image.digest.short())).collect();
                let mut seen = HashSet::new();
                known.retain(|image| seen.insert(image.clone()));
                bail!("no release had the image {name:?}; write a tag or a digest of: {}", known.join(", "))
            }
            several => {
                let several: Vec<_> = several.iter().map(|image| image.digest.to_string()).collect();
                bail!("{name:?} may be {}: write the digest", several.join(" or "))
            }
        }
    }

    /// The image to roll back to: the newest one that was released before what runs was released first. A second
    /// rollback goes further, and not to what people have just left.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn before(&self, runs: Option<&Digest>) -> anyhow::Result<Image> {
        let released = self.releases.iter().filter(|past| past.outcome() == Some(Outcome::Released));
        let released: Vec<_> = released.map(|past| &past.started.release.image).collect();
        let first = released.iter().rposition(|image| Some(&image.digest) == runs);
        let image = released.get(first.map_or(0, |first| first + 1)).copied().cloned();
        image.context(
            "there is nothing to roll back to: no image was released before what runs; name one with --to",
        )
    }

    /// The releases that wait for the lock, the newest push first.
    pub fn waiting(&self) -> impl Iterator<Item = &Release> {
        self.releases
            .iter()
            .filter(|past| past.ended.is_none())
            .map(|past| &past.started.release)
            .filter(|release| !self.holds_lock(release))
    }

    /// Whether a release has the lock.
    #[must_use]
    pub fn holds_lock(&self, release: &Release) -> bool {
        self.lock.holder.as_ref().is_some_and(|holder| holder.release == release.id)
    }

    /// Refuses an image that is quarantined.
    ///
    /// # Errors
    ///
    /// When it is, with the way to lift that.
    pub fn allow(&self, image: &Image) -> anyhow::Result<()> {
        match self.quarantines.get(image.digest.as_str()).filter(|quarantine| quarantine.holds()) {
            Some(Quarantine { release, outcome, reason, .. }) => bail!(
                "{} is quarantined since {release} ended {outcome}: {reason}\nIf the image was not at fault: cargo local lift {}",
                image.tag,
                image.tag
            ),
            None => Ok(()),
        }
    }

    fn images(&self) -> impl Iterator<Item = &Image> {
        self.releases.iter().map(|past| &past.started.release.image)
    }
}

impl Past {
    /// What it came to, if it has ended.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        self.ended.as_ref().map(|ended| ended.ending.outcome)
    }
}

/// What happened to a release, in order.
///
/// # Errors
///
/// When the table cannot be read.
pub async fn timeline(sdk: &SdkConfig, release: &ReleaseId) -> anyhow::Result<Vec<TimelineEvent>> {
    let events = list(&aws_sdk_dynamodb::Client::new(sdk), &format!("TIMELINE#{release}")).await?;
    Ok(in_order(events.into_iter().map(|(_, event)| event).collect()))
}

/// The entries of an application's audit, in order.
///
/// # Errors
///
/// When the table cannot be read.
pub async fn audit(sdk: &SdkConfig, application: &str) -> anyhow::Result<Vec<Sealed>> {
    let entries = list(&aws_sdk_dynamodb::Client::new(sdk), &format!("AUDIT#{application}")).await?;
    Ok(entries.into_iter().map(|(_, sealed)| sealed).collect())
}

async fn list<T: DeserializeOwned>(
    table: &aws_sdk_dynamodb::Client,
    pk: &str,
) -> anyhow::Result<Vec<(String, T)>> {
    let query = table
        .query()
        .table_name(TABLE)
        .key_condition_expression("pk = :pk")
        .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()));
    let mut items = query.consistent_read(true).into_paginator().items().send();
    let mut found = Vec::new();
    while let Some(item) = items.try_next().await? {
        let text =
            |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
        let document = serde_json::from_str(&text("document"))
            .with_context(|| format!("{pk} {} is not what it should be", text("sk")))?;
        found.push((text("sk"), document));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn past(tag: &str, digit: &str, outcome: Option<&str>) -> Past {
        let digest = format!("sha256:{}", digit.repeat(64));
        let started = json!({
            "release": { "id": format!("web-{tag}"), "application": "web", "image": { "repository": "web", "digest": digest, "tag": tag } },
            "at": "2026-11-20T08:00:00Z", "pushed_at": "2026-11-20T08:00:00Z",
        });
        let ended = outcome.map(|outcome| json!({ "ending": { "outcome": outcome, "reason": "r" }, "at": "2026-11-20T08:01:00Z" }));
        Past {
            started: serde_json::from_value(started).expect("it fits"),
            ended: ended.map(|ended| serde_json::from_value(ended).expect("it fits")),
        }
    }

    fn history() -> History {
        let releases = vec![
            past("v4", "d", None),
            past("v3", "c", Some("ROLLED_BACK")),
            past("v2", "b", Some("RELEASED")),
            past("v1", "a", Some("RELEASED")),
        ];
        let quarantine = json!({ "release": "web-v3", "outcome": "ROLLED_BACK", "reason": "it answered 500", "at": "2026-11-20T08:01:00Z" });
        let quarantines = HashMap::from([(
            format!("sha256:{}", "c".repeat(64)),
            serde_json::from_value(quarantine).expect("it fits"),
        )]);
        History { releases, quarantines, ..History::default() }
    }

    fn digest(digit: &str) -> Digest {
        Digest::new(format!("sha256:{}", digit.repeat(64))).expect("a digest")
    }

    #[test]
    fn a_rollback_goes_to_the_newest_image_that_was_released_before_what_runs() {
        assert_eq!(history().before(Some(&digest("b"))).expect("there is one").tag, "v1");
        assert_eq!(history().before(None).expect("there is one").tag, "v2");
        assert_eq!(
            history().before(Some(&digest("e"))).expect("what runs was not released by Slipway").tag,
            "v2"
        );
        let alone = History { releases: vec![past("v2", "b", Some("RELEASED"))], ..History::default() };
        assert!(
            alone
                .before(Some(&digest("b")))
                .expect_err("there is none")
                .to_string()
                .contains("nothing to roll back to")
        );
    }

    #[test]
    fn going_back_twice_goes_back_further_and_not_to_what_was_left() {
        let mut history = history();
        history.releases.splice(..1, [past("v2", "b", Some("RELEASED")), past("v4", "d", Some("RELEASED"))]);

        let again = history.before(Some(&digest("b"))).expect("there is one");

        assert_eq!(again.tag, "v1", "v2 runs again, since v4 was left");
    }

    #[test]
    fn a_release_without_an_outcome_waits_unless_it_has_the_lock() {
        let mut history = history();
        history.releases.insert(0, past("v5", "e", None));
        let holder = json!({ "generation": 4, "holder": { "release": "web-v4", "lease_until": "2026-11-20T08:01:00Z" } });
        history.lock = serde_json::from_value(holder).expect("it fits");

        let waiting: Vec<_> = history.waiting().map(|release| release.image.tag.as_str()).collect();

        assert_eq!(waiting, ["v5"]);
    }

    #[test]
    fn an_image_is_named_by_its_tag_or_by_the_beginning_of_its_digest() {
        assert_eq!(history().image("v1").expect("a tag").digest.short(), "aaaaaaaaaaaa");
        assert_eq!(history().image("sha256:bbbbbb").expect("a digest").tag, "v2");
        let error = history().image("v9").expect_err("there is none").to_string();
        assert!(error.contains("v4 (dddddddddddd)") && error.contains("v1 (aaaaaaaaaaaa)"), "{error}");

        let mut history = history();
        history.releases.push(past("v1", "a", Some("FAILED")));
        let error = history.image("v9").expect_err("there is none").to_string();
        assert_eq!(
            error.matches("v1 (").count(),
            1,
            "an image that was released twice is named once: {error}"
        );
    }

    #[test]
    fn a_quarantined_image_is_refused_with_the_way_to_lift_it() {
        let bad = history().image("v3").expect("a tag");
        let error = history().allow(&bad).expect_err("it is quarantined").to_string();
        assert!(error.contains("it answered 500") && error.contains("cargo local lift v3"), "{error}");
        assert!(history().allow(&history().image("v1").expect("a tag")).is_ok());
    }
}
