//! How a release ends: the record first, then the turn, then people. Each part finds what an earlier run did, and
//! telling may fail without changing what is told.

use slipway_aws::{Aws, Key, Mail, Table};
use slipway_core::approval::{ApprovalId, Progress};
use slipway_core::quarantine::Quarantine;
use slipway_core::release::{Ended, Ending, Outcome, Release, Started};
use slipway_core::turn::Turn;

use crate::{StepError, count, now, seconds};

/// Records how a release ended, quarantines its image where it has to, gives the turn back, tells people, and closes the
/// release. The first recorded ending stands, and is what is told.
///
/// # Errors
///
/// When AWS cannot be asked. What was done until then is done; a second run goes on from there.
pub async fn finish(aws: &Aws, table: &Table, topic_arn: &str, release: &Release, ending: Ending) -> Result<Ended, StepError> {
    let key = Key::ending(&release.id);
    let mut ended = Ended { ending, at: now() };
    if table.put_new(&key, &ended).await? {
        log(release, &ended.ending);
        let application = ("Application", release.application.as_str());
        count("ReleaseEnded", &[application, ("Outcome", ended.ending.outcome.as_str())]);
        if let (Outcome::Released, Some(started)) = (ended.ending.outcome, table.get::<Started>(&Key::release(&release.id)).await?) {
            seconds("LeadTime", ended.at.duration_since(started.document.at), &[application]);
        }
    } else if let Some(first) = table.get::<Ended>(&key).await? {
        ended = first.document;
    }
    quarantine(table, release, &ended).await?;
    give_turn_back(table, release).await?;
    for (_, asked) in table.list::<ApprovalId>(&Key::release(&release.id).pk, "ASKED#").await? {
        let words = format!("The release ended {}: {}", ended.ending.outcome, ended.ending.reason);
        table.put(&Key::progress(&asked.document, "9-ENDED"), &Progress { at: ended.at, words }).await?;
    }
    let notes: Vec<String> =
        table.list(&Key::release(&release.id).pk, "NOTE#").await?.into_iter().map(|(_, stored)| stored.document).collect();
    aws.topic(topic_arn).publish(notification(release, &ended, &notes)).await?;
    table.delete(&Key::open(&release.application, &release.id)).await?;
    Ok(ended)
}

async fn quarantine(table: &Table, release: &Release, ended: &Ended) -> Result<(), StepError> {
    let Some(quarantine) = Quarantine::after(&release.id, &ended.ending, ended.at) else { return Ok(()) };
    let key = Key::quarantine(&release.application, &release.image.digest);
    loop {
        let earlier = table.get::<Quarantine>(&key).await?;
        // One that this release made stays as it is: a person may have lifted it since.
        if earlier.as_ref().is_some_and(|earlier| earlier.document.release == release.id) {
            return Ok(());
        }
        if table.write(&key, &quarantine, earlier.map(|earlier| earlier.version)).await? {
            return Ok(());
        }
    }
}

async fn give_turn_back(table: &Table, release: &Release) -> Result<(), StepError> {
    let key = Key::turn(&release.application);
    loop {
        let Some(stored) = table.get::<Turn>(&key).await? else { return Ok(()) };
        let Some(free) = stored.document.given_back(&release.id) else { return Ok(()) };
        if table.replace(&key, &free, stored.version).await? {
            tracing::info!(release.id = %release.id, generation = free.generation, "{} gives the turn of {} back", release.id, release.application);
            return Ok(());
        }
    }
}

fn log(release: &Release, ending: &Ending) {
    let Ending { outcome, reason, .. } = ending;
    let stage = ending.stage.as_ref().map_or("", |stage| stage.as_str());
    if matches!(outcome, Outcome::Failed | Outcome::RolledBack | Outcome::Stuck) {
        tracing::warn!(release.id = %release.id, %outcome, stage, reason, "the release {} ended {outcome}: {reason}", release.id);
    } else {
        tracing::info!(release.id = %release.id, %outcome, stage, reason, "the release {} ended {outcome}: {reason}", release.id);
    }
}

fn notification(release: &Release, ended: &Ended, notes: &[String]) -> Mail {
    let Ending { outcome, stage, reason } = &ended.ending;
    let image = &release.image;
    let at_stage = stage.as_ref().map_or_else(String::new, |stage| format!(" at {stage}"));
    let what_now = match outcome {
        Outcome::Released => "Every stage runs the image.",
        Outcome::RolledBack => {
            "The stage runs what it ran before. The image is quarantined: it is not released again until a person lifts that."
        }
        Outcome::Rejected => "The stage was not changed. The image is quarantined: it is not released again until a person lifts that.",
        Outcome::Expired | Outcome::Superseded | Outcome::Failed => "The stage was not changed.",
        Outcome::Stuck => "A PERSON IS NEEDED: look at what the stage's services run, and see the runbook under STUCK.",
    };
    let notes = notes.iter().fold(String::new(), |all, note| all + note + "\n\n");
    Mail {
        subject: format!("{} {} {outcome}{at_stage}", release.application, image.tag),
        text: format!(
            "{} {} ended {outcome}{at_stage}.\n\n{reason}\n\n{what_now}\n\n{notes}Image    {}@{}\nTag      {}\nRelease  {}\nEnded    {:.0}\n",
            release.application, image.tag, image.repository, image.digest, image.tag, release.id, ended.at
        ),
        approver: None,
    }
}

#[cfg(test)]
mod tests {
    use slipway_core::image::{Digest, Image};
    use slipway_core::name::{ApplicationName, ReleaseId, RepositoryName, StageName};

    use super::*;

    #[test]
    fn people_are_told_the_outcome_the_reason_and_what_runs() {
        let release = Release {
            id: ReleaseId::new("web-a1").expect("an id"),
            application: ApplicationName::new("web").expect("a name"),
            image: Image {
                repository: RepositoryName::new("web").expect("a name"),
                digest: Digest::new(format!("sha256:{}", "a".repeat(64))).expect("a digest"),
                tag: "v3".into(),
            },
        };
        let ending = Ending {
            outcome: Outcome::RolledBack,
            stage: Some(StageName::new("staging").expect("a name")),
            reason: "web answered 500".into(),
        };
        let ended = Ended { ending, at: jiff::Timestamp::from_second(0).expect("in range") };
        let mail = notification(&release, &ended, &["The tag v3 has moved.".to_owned()]);

        assert_eq!(mail.subject, "web v3 ROLLED_BACK at staging");
        for words in ["web answered 500", "The stage runs what it ran before.", "The tag v3 has moved.", "Ended    1970-01-01T00:00:00Z"] {
            assert!(mail.text.contains(words), "{}", mail.text);
        }
    }
}
