//! Opening an approval: whether people can be asked at all, and what they are shown.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use slipway_aws::{Aws, Key, Table, Write};
use slipway_core::application::{ApprovalPolicy, Stage};
use slipway_core::approval::{Approval, ApprovalId, Evidence, NEW_SUBSCRIPTION, Running, Verdict, Verified};
use slipway_core::audit::{About, NewEntry, What};
use slipway_core::definition;
use slipway_core::freeze::{WhenFrozen, next_window};
use slipway_core::image::Image;
use slipway_core::migration::{Kind, LABEL};
use slipway_core::name::EmailAddress;
use slipway_core::origin::{Origin, SourceRepository};
use slipway_core::protocol::End;
use slipway_core::release::{Outcome, Release, Started};
use slipway_core::scan::Checked;
use slipway_core::step::StageInput;
use slipway_core::subscription;
use slipway_core::timeline::{Step, TimelineEvent};
use slipway_core::words::capitalized;
use slipway_release::{
    StepError, approvers, brought_by, close_approval, count, interrupted, next_entry, now,
};

use crate::Config;

/// How often a write is tried while others write the same.
const ROUNDS: usize = 20;

/// What is asked for, of whom, and where it is looked at.
#[derive(Clone, Copy)]
pub(crate) struct Opening<'a> {
    pub(crate) aws: &'a Aws,
    pub(crate) config: &'a Config,
    pub(crate) table: &'a Table,
    pub(crate) input: &'a StageInput,
    pub(crate) policy: &'a ApprovalPolicy,
}

/// What people are shown of the stage's gates.
struct Gates {
    evidence: Vec<Evidence>,
    migration: Option<Kind>,
}

impl Opening<'_> {
    /// Opens the approval; else why nobody is asked.
    pub(crate) async fn open(&self) -> Result<Result<Approval, End>, StepError> {
        let Self { aws, config, table, policy, .. } = *self;
        let StageInput { release, generation, stage, baseline, .. } = self.input;
        let no = |reason: String| Ok(Err(End::unchanged(Outcome::Failed, reason)));
        if let Some(end) = interrupted(table, release, *generation).await? {
            return Ok(Err(end));
        }
        let subscriptions = aws.topic(&config.approval_topic_arn).subscriptions().await?;
        let approvers = approvers(aws, &config.approvers_path).await?;
        if let Some(reason) = subscription::foreign(&approvers, &subscriptions) {
            tracing::error!(release.id = %release.id, stage = %stage.name, "nobody is asked: {reason}");
            count("ForeignSubscription", &[]);
            return no(reason);
        }
        if let Some(reason) = subscription::cannot_decide(policy, &subscriptions) {
            tracing::warn!(release.id = %release.id, stage = %stage.name, "nobody can approve {} for {}: {reason}", release.id, stage.name);
            count("ApprovalImpossible", &[("Application", release.application.as_str())]);
            return no(reason);
        }
        let unreachable = subscription::unreachable(&policy.approvers, &subscriptions);
        for approver in &unreachable {
            tracing::warn!(release.id = %release.id, stage = %stage.name, "{approver} is not asked: no confirmed subscription");
            count("ApproverUnreachable", &[]);
        }
        let gates = match self.gates().await? {
            Ok(gates) => gates,
            Err(reason) => return no(reason),
        };
        let id = ApprovalId::of(release, &stage.name, baseline.round);
        table.put(&Key::asked(&release.id, &stage.name), &id).await?;
        for earlier in 1..baseline.round {
            // Whoever gave it agreed to replace something else.
            let because = format!("{}, or what is known of the image, has changed meanwhile", stage.name);
            close_approval(table, &ApprovalId::of(release, &stage.name, earlier), |approval| {
                approval.voided(&because)
            })
            .await?;
        }
        let opened = Approval { unreachable, ..self.filled_in(gates).await? };
        Ok(Ok(self.write(opened).await?))
    }

    /// What the stage's gates found, and what they will do before it changes; or why nobody needs to be asked.
    async fn gates(&self) -> Result<Result<Gates, String>, StepError> {
        let StageInput { release, stage, .. } = self.input;
        let mut evidence = Vec::new();
        let mut shown = |gate: &str, words: String| evidence.push(Evidence { gate: gate.to_owned(), words });
        let checked = Key::gate(&release.id, &stage.name, "IMAGE");
        if stage.image_check.is_some()
            && let Some(checked) = self.table.get::<Checked>(&checked).await?
        {
            shown(
                "Image check",
                format!("{}. It is checked again before the change.", checked.document.words),
            );
        }
        if let Some(policy) = &stage.snapshot
            && let Some(database) = policy.database()
        {
            let name = database.name();
            let words = format!(
                "One of {name} is taken before the change. It is not a rollback of the schema: a rollback restores images only."
            );
            shown("Database snapshot", words);
        }
        if !stage.tasks.is_empty() {
            let families: Vec<_> = stage.tasks.iter().map(|task| task.family.as_str()).collect();
            let words = format!(
                "Those of {} get the image as well, once the stage has passed. A rollback gives them back what they ran.",
                families.join(", ")
            );
            shown("Tasks", words);
        }
        if let Some(words) = next_freeze(stage, now()) {
            shown("Freeze", words);
        }
        let mut migration = None;
        if let Some(policy) = &stage.migration {
            let kind = match Kind::of(self.aws.repositories().label(&release.image, LABEL).await?.as_deref())
            {
                Ok(kind) => kind,
                Err(reason) => return Ok(Err(reason)),
            };
            let command = if kind == Kind::None {
                String::new()
            } else {
                format!("{} runs before the change. ", policy.command.join(" "))
            };
            shown("Migration", format!("{}: {command}{}.", kind.as_str(), capitalized(kind.in_words())));
            migration = Some(kind);
        }
        Ok(Ok(Gates { evidence, migration }))
    }

    /// A new approval with all that people are shown.
    async fn filled_in(&self, gates: Gates) -> Result<Approval, StepError> {
        let Self { aws, table, policy, .. } = *self;
        let StageInput { release, stage, baseline, .. } = self.input;
        let (partition, prefix) = Key::verifications(&release.id);
        let verified: Vec<Verified> =
            table.list(&partition, &prefix).await?.into_iter().map(|(_, stored)| stored.document).collect();
        let mut opened =
            Approval::open(release.clone(), stage.name.clone(), policy, baseline.clone(), verified, now());
        (opened.evidence, opened.migration) = (gates.evidence, gates.migration);
        opened.new_approvers = self.new_approvers().await?;
        opened.changes = self.changes().await?;
        let Origin { revision, source, authors } = self.origin(&release.image).await;
        opened.running = self.running(source.as_ref()).await?;
        (opened.revision, opened.source, opened.authors) = (revision, source, authors);
        let started = table.get::<Started>(&Key::release(&release.id)).await?;
        opened.asked = started.and_then(|started| started.document.asked);
        opened.pushed_at = aws.repositories().find(&release.image).await?.map(|found| found.pushed_at);
        Ok(opened)
    }

    /// Where an image comes from. People decide by its digest, so what cannot be read holds nobody up.
    async fn origin(&self, image: &Image) -> Origin {
        let origin = self.aws.repositories().origin(image).await;
        origin.unwrap_or_else(|error| {
            tracing::warn!(release.id = %self.input.release.id, image.digest = %image.digest, "people are not shown where {image} comes from: {error}");
            Origin::default()
        })
    }

    /// The releases that brought what the stage's services run now, as far as the table knows them; with the commits that
    /// were built from this source.
    async fn running(&self, source: Option<&SourceRepository>) -> Result<Vec<Running>, StepError> {
        let Self { aws, table, .. } = *self;
        let StageInput { stage, baseline, .. } = self.input;
        let mut all: Vec<Running> = Vec::new();
        for before in baseline.services.iter().filter(|before| !before.ran_nothing()) {
            let service = before.service.clone();
            let Some(revision) = aws.ecs().task_definition(before.task_definition.as_str()).await? else {
                continue;
            };
            let Some(release) = brought_by(table, &stage.name, &service, &revision).await? else { continue };
            // Most services of a stage run the same release.
            if let Some(known) = all.iter().find(|known| known.release == release) {
                all.push(Running { service, ..known.clone() });
                continue;
            }
            let deployed = Key::timeline_event(&release.id, Some(&stage.name), Step::Deployed, "");
            let Some(deployed) = table.get::<TimelineEvent>(&deployed).await? else { continue };
            let revision = match source {
                Some(_) => Some(self.origin(&release.image).await),
                None => None,
            };
            all.push(Running {
                service,
                since: deployed.document.at,
                approved_by: self.approvers_of(&release).await?,
                revision: revision
                    .filter(|origin| origin.source.as_ref() == source)
                    .and_then(|origin| origin.revision),
                release,
            });
        }
        Ok(all)
    }

    /// Who approved that an earlier release changed the stage.
    async fn approvers_of(&self, release: &Release) -> Result<Vec<EmailAddress>, StepError> {
        let asked = self.table.get::<ApprovalId>(&Key::asked(&release.id, &self.input.stage.name)).await?;
        let Some(asked) = asked else { return Ok(Vec::new()) };
        let approval = self.table.get::<Approval>(&Key::approval(&asked.document)).await?;
        let decisions = approval.map(|approval| approval.document.decisions).unwrap_or_default();
        let approved = decisions.into_iter().filter(|decision| decision.verdict == Verdict::Approved);
        Ok(approved.map(|decision| decision.by).collect())
    }

    /// Those of the approvers who were never asked, or for the first time not long ago: SNS does not say how old a
    /// subscription is.
    async fn new_approvers(&self) -> Result<Vec<EmailAddress>, StepError> {
        let mut new = Vec::new();
        for approver in &self.policy.approvers {
            let key = Key::first_asked(approver);
            let first = if self.table.put_new(&key, &now()).await? {
                now()
            } else {
                self.table.get::<Timestamp>(&key).await?.map_or_else(now, |stored| stored.document)
            };
            if now() < first + NEW_SUBSCRIPTION {
                new.push(approver.clone());
            }
        }
        Ok(new)
    }

    /// What changes besides the image, line by line, for each service: what it runs now against the template of what is
    /// next.
    async fn changes(&self) -> Result<Vec<String>, StepError> {
        let StageInput { release, stage, baseline, .. } = self.input;
        let mut lines = Vec::new();
        for service in &baseline.services {
            let name = &service.service;
            let recorded = Key::definition(&release.id, &stage.name, name, baseline.round);
            let recorded = self.table.get::<Value>(&recorded).await?;
            // The one that the revision will be made from, whatever was registered since.
            let template = self.aws.ecs().task_definition(service.template.arn.as_str()).await?;
            if let Some((before, after)) = recorded.zip(template) {
                let named = stage.services.iter().find(|configured| configured.service == *name);
                let named =
                    named.map_or_else(Default::default, |configured| configured.containers.as_slice());
                let own = definition::own(&after.document, &release.image, name.as_str(), named);
                let own = own.map(|own| own.containers).unwrap_or_default();
                let changes = definition::changes(&before.document, &after.document, &own);
                lines.extend(changes.into_iter().map(|line| format!("{name}: {line}")));
            }
        }
        Ok(lines)
    }

    /// The approval as it is open, or this new one, written together with its entry of the audit.
    async fn write(&self, opened: Approval) -> Result<Approval, StepError> {
        let key = Key::approval(&opened.id);
        let people: Vec<_> = opened.approvers.iter().map(EmailAddress::as_str).collect();
        let entry = NewEntry {
            at: opened.requested_at,
            what: What::Requested,
            person: None,
            caller: None,
            words: people.join(", "),
        };
        // Each round that fails is one in which someone else wrote the approval, or the next entry of the audit.
        for _ in 0..ROUNDS {
            if let Some(open) = self.table.get::<Approval>(&key).await? {
                return Ok(open.document);
            }
            let (entry, sealed) = next_entry(self.table, &About::from(&opened), &entry).await?;
            if self.table.write_all(&[Write::new(&key, &opened), Write::new(&entry, &sealed)]).await? {
                tracing::info!(release.id = %opened.release.id, stage = %opened.stage, approvers = opened.approvers.len(), quorum = opened.quorum, "people are asked to approve {} for {}", opened.release.id, opened.stage);
                count("ApprovalRequested", &[("Application", opened.release.application.as_str())]);
                return Ok(opened);
            }
        }
        Err(StepError::busy(&key.pk))
    }
}

/// That the stage freezes while people may still answer, in words.
fn next_freeze(stage: &Stage, now: Timestamp) -> Option<String> {
    let expires_after = i64::from(stage.approval.as_ref()?.expires_after.seconds());
    let does = match stage.when_frozen() {
        WhenFrozen::Wait => "waits until it is over",
        WhenFrozen::End => "ends then",
        WhenFrozen::Ignore => return None,
    };
    let before = now + SignedDuration::from_secs(expires_after);
    let (from, until, reasons) = next_window(&stage.freeze, now, before)?;
    let [from, until] = [from, until].map(|at| at.strftime("%Y-%m-%d %H:%M").to_string());
    Some(format!(
        "{} is frozen from {from} until {until} UTC: {}. What is approved later {does}.",
        stage.name,
        reasons.join("; ")
    ))
}
