//! What the table remembers of an application's releases: which image a person means, what there was before, and how well
//! releases go.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::image::{Digest, Image};
use crate::release::{Ended, Outcome, Started};

/// How many things an error names.
const NAMED: usize = 10;
/// Over how many days the figures look back.
const DAYS: u32 = 30;
const FIGURES_OF: SignedDuration = SignedDuration::from_hours(30 * 24);

/// A release, as the history has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// How it began.
    pub started: Started,
    /// How it ended, if it did.
    pub ended: Option<Ended>,
}

impl Past {
    /// What it came to, if it has ended.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        self.ended.as_ref().map(|ended| ended.ending.outcome)
    }
}

/// Why no image is the one that a person named.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// No release had it.
    #[error("no release had the image {name:?}: write a tag, a digest, or its first digits{known}")]
    Unknown {
        /// What was written.
        name: String,
        /// What there is, the nearest first, as the end of the sentence.
        known: String,
    },
    /// Several fit.
    #[error("{name:?} may be {}: write more of the digest", digests.join(" or "))]
    Ambiguous {
        /// What was written.
        name: String,
        /// The digests that fit.
        digests: Vec<String>,
    },
    /// Nothing was released before what runs.
    #[error("there is nothing to roll back to: no image was released before what runs; name one with `to`")]
    NothingBefore,
}

/// An application's releases, the newest push first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History(pub Vec<Past>);

impl History {
    /// The image that a person names, by a tag or by (the beginning of) a digest.
    ///
    /// # Errors
    ///
    /// When no release had it, or several images fit.
    pub fn image(&self, name: &str) -> Result<Image, ImageError> {
        let mut found: Vec<&Image> = Vec::new();
        for image in self.images().filter(|image| image.is_named(name)) {
            if !found.iter().any(|other| other.digest == image.digest) {
                found.push(image);
            }
        }
        match found.as_slice() {
            [one] => Ok((*one).clone()),
            [] => Err(ImageError::Unknown { name: name.to_owned(), known: self.known(name) }),
            several => Err(ImageError::Ambiguous {
                name: name.to_owned(),
                digests: several.iter().map(|image| image.digest.to_string()).collect(),
            }),
        }
    }

    /// The images that there are, those with the most alike names first.
    fn known(&self, name: &str) -> String {
        let mut seen = BTreeSet::new();
        let images = self.images().filter(|image| seen.insert(&image.digest));
        let images: Vec<_> = nearest(images, name, |image| &image.tag)
            .into_iter()
            .map(|image| format!("{} ({})", image.tag, image.digest.short()))
            .collect();
        if images.is_empty() {
            "; there was no release yet".to_owned()
        } else {
            format!(" of: {}", images.join(", "))
        }
    }

    /// The release that a person names: by its id, or the newest one of an image.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn release(&self, name: &str) -> Result<&Past, ImageError> {
        if let Some(past) = self.0.iter().find(|past| past.started.release.id.as_str() == name) {
            return Ok(past);
        }
        let image = self.image(name)?;
        let newest = self.0.iter().find(|past| past.started.release.image.digest == image.digest);
        newest.ok_or_else(|| ImageError::Unknown { name: name.to_owned(), known: self.known(name) })
    }

    /// The image to roll back to: the newest one that was released before what runs was released first. A second
    /// rollback goes further, and not to what people have just left.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn before(&self, runs: Option<&Digest>) -> Result<Image, ImageError> {
        let released = self.0.iter().filter(|past| past.outcome() == Some(Outcome::Released));
        let released: Vec<_> = released.map(|past| &past.started.release.image).collect();
        let first = released.iter().rposition(|image| Some(&image.digest) == runs);
        let image = released.get(first.map_or(0, |first| first + 1)).copied().cloned();
        image.ok_or(ImageError::NothingBefore)
    }

    /// The releases that ended in the last days.
    fn recent(&self, now: Timestamp) -> impl Iterator<Item = (&Past, &Ended)> {
        let ended = self.0.iter().filter_map(|past| Some((past, past.ended.as_ref()?)));
        ended.filter(move |(_, ended)| now.duration_since(ended.at) <= FIGURES_OF)
    }

    /// The releases of the last days that were rolled back: how long each took to be mended is in its timeline.
    pub fn rolled_back(&self, now: Timestamp) -> impl Iterator<Item = (&Past, &Ended)> {
        self.recent(now).filter(|(_, ended)| ended.ending.outcome == Outcome::RolledBack)
    }

    /// How well releases went in the last days. `restored` has how long each that was rolled back took to be mended.
    #[must_use]
    pub fn figures(&self, now: Timestamp, restored: &[SignedDuration]) -> Figures {
        let of = |outcomes: &[Outcome]| {
            let those = self.recent(now).filter(|(_, ended)| outcomes.contains(&ended.ending.outcome));
            u32::try_from(those.count()).unwrap_or(u32::MAX)
        };
        let lead_times = self
            .recent(now)
            .filter(|(past, ended)| ended.ending.outcome == Outcome::Released && past.started.asked.is_none())
            .map(|(past, ended)| ended.at.duration_since(past.started.pushed_at));
        Figures {
            days: DAYS,
            released: of(&[Outcome::Released]),
            failed: of(&[Outcome::RolledBack, Outcome::Stuck]),
            lead_time_seconds: median(lead_times),
            restore_seconds: median(restored.iter().copied()),
        }
    }

    fn images(&self) -> impl Iterator<Item = &Image> {
        self.0.iter().map(|past| &past.started.release.image)
    }
}

/// Those of some things whose names are most like another one, a few of them.
pub fn nearest<T>(things: impl IntoIterator<Item = T>, name: &str, name_of: impl Fn(&T) -> &str) -> Vec<T> {
    let mut things: Vec<_> = things.into_iter().collect();
    things.sort_by_key(|thing| std::cmp::Reverse(alike(name_of(thing), name)));
    things.truncate(NAMED);
    things
}

/// How many characters at their beginning two names share.
fn alike(one: &str, other: &str) -> usize {
    one.chars().zip(other.chars()).take_while(|(one, other)| one == other).count()
}

fn median(durations: impl Iterator<Item = SignedDuration>) -> Option<i64> {
    let mut seconds: Vec<_> = durations.map(|duration| duration.as_secs()).collect();
    seconds.sort_unstable();
    seconds.get(seconds.len() / 2).copied()
}

/// DORA's four figures over the last days: how often, how fast, how many failed, how soon they were mended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Figures {
    /// Over how many days.
    pub days: u32,
    /// Releases that went through every stage. Divided by the days it is how often production changes.
    pub released: u32,
    /// Releases that were rolled back, or are stuck.
    pub failed: u32,
    /// The median time from a push to the end of its release, in seconds; of those that went through every stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lead_time_seconds: Option<i64>,
    /// The median time from the change of a stage that was rolled back until it was mended, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore_seconds: Option<i64>,
}

impl Figures {
    /// Of the releases that changed something, the share that failed; none before the first.
    #[must_use]
    pub fn failure_rate(&self) -> Option<f64> {
        let all = self.released + self.failed;
        (all > 0).then(|| f64::from(self.failed) / f64::from(all))
    }
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
        History(vec![
            past("v4", "d", None),
            past("v3", "c", Some("ROLLED_BACK")),
            past("v2", "b", Some("RELEASED")),
            past("v1", "a", Some("RELEASED")),
        ])
    }

    fn digest(digit: &str) -> Digest {
        Digest::new(format!("sha256:{}", digit.repeat(64))).expect("a digest")
    }

    #[test]
    fn a_rollback_goes_to_the_newest_image_that_was_released_before_what_runs() {
        assert_eq!(history().before(Some(&digest("b"))).expect("there is one").tag, "v1");
        assert_eq!(history().before(None).expect("there is one").tag, "v2");
        // What runs was not released by Slipway.
        assert_eq!(history().before(Some(&digest("e"))).expect("there is one").tag, "v2");
        let alone = History(vec![past("v2", "b", Some("RELEASED"))]);
        assert_eq!(alone.before(Some(&digest("b"))), Err(ImageError::NothingBefore));
    }

    #[test]
    fn going_back_twice_goes_back_further_and_not_to_what_was_left() {
        let mut history = history();
        history.0.splice(..1, [past("v2", "b", Some("RELEASED")), past("v4", "d", Some("RELEASED"))]);

        let again = history.before(Some(&digest("b"))).expect("there is one");

        assert_eq!(again.tag, "v1", "v2 runs again, since v4 was left");
    }

    #[test]
    fn an_image_is_named_by_its_tag_or_by_the_beginning_of_its_digest() {
        assert_eq!(history().image("v1").expect("a tag").digest.short(), "aaaaaaaaaaaa");
        assert_eq!(history().image("sha256:bbbbbb").expect("a digest").tag, "v2");
        let error = history().image("v9").expect_err("there is none").to_string();
        assert!(error.contains("v4 (dddddddddddd)") && error.contains("v1 (aaaaaaaaaaaa)"), "{error}");
        assert!(history().image("bbbbb").is_err(), "five digits are too few");

        let mut history = history();
        history.0.push(past("v1", "a", Some("FAILED")));
        let error = history.image("v9").expect_err("there is none").to_string();
        assert_eq!(
            error.matches("v1 (").count(),
            1,
            "an image that was released twice is named once: {error}"
        );
    }

    #[test]
    fn an_unknown_image_is_answered_with_the_nearest_names_first() {
        let history = History(vec![past("v2", "b", None), past("main-7", "a", None)]);
        let error = history.image("main-8").expect_err("there is none").to_string();
        assert!(error.ends_with("of: main-7 (aaaaaaaaaaaa), v2 (bbbbbbbbbbbb)"), "{error}");
        let error = History::default().image("v1").expect_err("there is none").to_string();
        assert!(error.ends_with("there was no release yet"), "{error}");
    }

    #[test]
    fn a_tag_that_two_images_had_is_refused_with_their_digests() {
        let history = History(vec![past("v1", "a", None), past("v1", "b", None)]);
        let error = history.image("v1").expect_err("it is ambiguous").to_string();
        assert!(
            error.contains(&digest("a").to_string()) && error.contains(&digest("b").to_string()),
            "{error}"
        );
    }

    #[test]
    fn the_figures_are_those_of_the_last_thirty_days() {
        let now: Timestamp = "2026-11-21T08:00:00Z".parse().expect("a time");
        let figures = history().figures(now, &[SignedDuration::from_secs(9), SignedDuration::from_secs(5)]);
        assert_eq!(
            figures,
            Figures {
                days: 30,
                released: 2,
                failed: 1,
                lead_time_seconds: Some(60),
                restore_seconds: Some(9),
            }
        );
        assert_eq!(figures.failure_rate(), Some(1.0 / 3.0));
        let later = now + SignedDuration::from_hours(40 * 24);
        assert_eq!(history().figures(later, &[]).released, 0);
        assert_eq!(history().figures(later, &[]).failure_rate(), None);
    }
}
