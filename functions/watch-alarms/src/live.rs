//! The release that went live last, and the release that restores what ran before it.

use slipway_aws::{Aws, Key, Stored, Table};
use slipway_core::alarm::AlarmChange;
use slipway_core::application::{Application, Stage};
use slipway_core::image::{Digest, Image, digest_of};
use slipway_core::migration::Kind;
use slipway_core::name::{ApplicationName, ReleaseId};
use slipway_core::quarantine::Quarantine;
use slipway_core::release::{Asked, Ended, Outcome, Release, Started};
use slipway_core::request::requested;
use slipway_core::words;
use slipway_release::{
    Begun, Notifier, Open, StepError, begin, migration_of, newest_baseline, now, quarantine_of,
};

use crate::Config;

/// Of so many releases the newest that went live is looked for.
const LOOKED_AT: usize = 20;

/// A release that went through every stage.
pub(crate) struct Live {
    pub(crate) release: Release,
    pub(crate) ended: Ended,
}

/// Whether people are asked to restore what ran before.
pub(crate) enum Offer {
    /// They are.
    Begun { release: ReleaseId, image: Image, people: Vec<String> },
    /// They are not, because of this.
    Not { why: String },
}

impl Offer {
    /// What the notification says of it.
    pub(crate) fn in_words(&self) -> String {
        match self {
            Self::Begun { image, people, .. } => {
                format!(
                    "Each of {} was sent a link that restores {} ({image}), once enough of them agree.",
                    people.join(", "),
                    image.tag_in_words()
                )
            }
            Self::Not { why } => format!("Nobody is asked to restore what ran before: {why}."),
        }
    }

    /// The release that does it once people agree.
    pub(crate) fn begun(&self) -> Option<String> {
        match self {
            Self::Begun { release, .. } => Some(release.to_string()),
            Self::Not { .. } => None,
        }
    }
}

/// The newest release that went live.
pub(crate) async fn newest(table: &Table, application: &ApplicationName) -> Result<Option<Live>, StepError> {
    let history: Vec<(Key, Stored<Started>)> = table.list(&Key::histories(application), "").await?;
    for (_, stored) in history.into_iter().rev().take(LOOKED_AT) {
        let release = stored.document.release;
        if let Some(ended) = table.get::<Ended>(&Key::ending(&release.id)).await?
            && ended.document.ending.outcome == Outcome::Released
        {
            return Ok(Some(Live { release, ended: ended.document }));
        }
    }
    Ok(None)
}

/// Begins the release that restores what the stage ran before, which then asks people, as any release of that stage
/// does. Nothing where the release ended too long ago to be the cause, or it was offered before.
pub(crate) async fn offer(
    aws: &Aws,
    config: &Config,
    table: &Table,
    (application, stage): (&Application, &Stage),
    live: &Live,
    change: &AlarmChange,
    event_id: &str,
) -> Result<Option<Offer>, StepError> {
    let Live { release: bad, ended } = live;
    let watched_for = stage.bake.as_ref().map_or(0, |bake| bake.watch_for_seconds());
    if now().duration_since(ended.at).as_secs() > i64::from(watched_for) {
        return Ok(None);
    }
    let not = |why: String| Ok(Some(Offer::Not { why }));
    let Some(policy) = &stage.approval else {
        return not(format!("{} asks nobody; ask for the release of an earlier image by hand", stage.name));
    };
    let (pk, prefix) = Key::open_of(&application.name);
    let open: Vec<(Key, Stored<Open>)> = table.list(&pk, &prefix).await?;
    if let Some((_, other)) = open.first() {
        return not(format!("{} is under way", other.document.started.release.image.tag_in_words()));
    }
    if migration_of(table, &bad.id, &stage.name)
        .await?
        .is_some_and(|migration| migration.kind == Kind::Contract)
    {
        return not(format!(
            "the migration of {} is one that a rollback may not cross (docs/runbook.md, \"A migration that cannot be crossed\")",
            bad.image.tag_in_words()
        ));
    }
    let before = newest_baseline(table, bad, &stage.name).await?;
    let before = before.and_then(|baseline| baseline.services.into_iter().next());
    let Some(service) = before.filter(|service| service.not_restorable().is_none()) else {
        return not(format!("{} has nothing that it could go back to", stage.name));
    };
    let Some(digest) = digest_of(&service.image).filter(|digest| *digest != bad.image.digest) else {
        return not(format!("{} ran the same image before", stage.name));
    };
    let quarantine = quarantine_of(table, &application.name, &digest).await?;
    if let Some(Quarantine { release, outcome, .. }) = quarantine {
        return not(format!("what {} ran before is quarantined since {release} ended {outcome}", stage.name));
    }
    let history: Vec<(Key, Stored<Started>)> = table.list(&Key::histories(&application.name), "").await?;
    if is_newer(&history, &digest, &bad.image.digest) {
        return not(format!("{} was released again in the place of a newer image", bad.image.tag_in_words()));
    }
    let offered = Key::offered(&bad.id, &stage.name);
    let image = Image {
        repository: application.repository.clone(),
        tag: tag_of(&history, &digest).unwrap_or_else(|| digest.short().to_owned()),
        digest,
    };
    let asked = Asked {
        by: format!("the alarm {}", words::line(&change.alarm_name, words::LONGEST)),
        reason: format!(
            "it has fired since {} went live: {}",
            bad.image.tag_in_words(),
            change.state.reason.trim_end_matches('.')
        ),
        arn: None,
    };
    let release = requested(application, image, event_id);
    // One offer for a release and its stage: an alarm that flaps asks once.
    if !table.put_new(&offered, &release.id).await?
        && table.get::<ReleaseId>(&offered).await?.is_none_or(|first| first.document != release.id)
    {
        return Ok(None);
    }
    let Some(only) = application.clone().only(&stage.name) else { return Ok(None) };
    let only = only.in_spite_of_freezes();
    let started = Started { release: release.clone(), at: now(), pushed_at: now(), asked: Some(asked) };
    let begun =
        begin(Notifier { aws, table, channels: &config.channels }, &config.state_machine_arn, started, only)
            .await?;
    tracing::warn!(release.id = %release.id, ?begun, "people are asked whether {} is restored to {}", stage.name, release.image);
    let people = policy.approvers.iter().map(ToString::to_string).collect();
    Ok((begun == Begun::Running).then_some(Offer::Begun {
        release: release.id,
        image: release.image,
        people,
    }))
}

/// Whether an image was first released after another one: then the other one has taken its place, and it is nothing to go back to.
fn is_newer(history: &[(Key, Stored<Started>)], image: &Digest, other: &Digest) -> bool {
    let first = |digest: &Digest| {
        let of_it = history.iter().map(|(_, stored)| &stored.document);
        of_it.filter(|started| started.release.image.digest == *digest).map(|started| started.pushed_at).min()
    };
    first(image).zip(first(other)).is_some_and(|(image, other)| image > other)
}

/// The tag under which an image was released before.
fn tag_of(history: &[(Key, Stored<Started>)], digest: &Digest) -> Option<String> {
    let found = history.iter().rev().find(|(_, stored)| stored.document.release.image.digest == *digest);
    found.map(|(_, stored)| stored.document.release.image.tag.clone())
}
