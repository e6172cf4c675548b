//! Asks people: opens the approval, and sends each approver a mail with a link of their own. Reminds those who have not
//! answered, looks whether they have decided, and notifies all of them of what became of it.
//!
//! A link carries a token of 32 random bytes; the table keeps only its hash. A second run sends mails only to those who
//! were not sent one, with new links to the same approval.

mod mail;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use slipway_aws::{Aws, Key, Table};
use slipway_core::application::{ApprovalPolicy, Stage};
use slipway_core::approval::{Approval, ApprovalId, Evidence, Link, Status, Verified};
use slipway_core::audit::{NewEntry, What};
use slipway_core::definition;
use slipway_core::migration::{Kind, LABEL};
use slipway_core::name::EmailAddress;
use slipway_core::notification::Notification;
use slipway_core::protocol::{End, StepResult, WakeKey};
use slipway_core::release::{Outcome, Release, Started};
use slipway_core::scan::Checked;
use slipway_core::step::{Approved, StageInput};
use slipway_core::timeline::{Step, TimelineEvent};
use slipway_release::{
    Channels, Notifier, StepError, Timeline, audit, close_approval, count, interrupted, new_token,
    next_entry, now, token_hash,
};
use slipway_runtime::{ConfigurationError, Environment};

/// How long the notification of a decision is tried.
const NOTIFIED_WITHIN: SignedDuration = SignedDuration::from_mins(2);
/// How often a write is tried while others write the same.
const ROUNDS: usize = 20;

/// The function's configuration, from its environment.
#[derive(Clone, Debug)]
pub struct Config {
    /// The table's name.
    pub table: String,
    /// The ARN of the topic that the approvers' subscriptions are on.
    pub approval_topic_arn: String,
    /// Where everybody is notified that people are asked.
    pub channels: Channels,
}

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    ///
    /// When a variable is not set.
    pub fn read(environment: &Environment<'_>) -> Result<Self, ConfigurationError> {
        Ok(Self {
            table: environment.table()?,
            approval_topic_arn: environment
                .require("SLIPWAY_APPROVAL_TOPIC_ARN", "the ARN of the approvals' SNS topic")?,
            channels: environment.channels()?,
        })
    }
}

/// Asks for the stage's approval, once, and looks whether people have decided.
///
/// # Errors
///
/// When the stage asks for no approval, or AWS cannot be asked.
pub async fn handle(
    aws: &Aws,
    config: &Config,
    input: StageInput,
) -> Result<StepResult<Approved>, StepError> {
    let Some(policy) = &input.stage.approval else {
        return Err(StepError::InvalidInput {
            field: "stage.approval".into(),
            problem: "the stage asks for no approval".into(),
        });
    };
    let table = aws.table(&config.table);
    let id = ApprovalId::of(&input.release, &input.stage.name, input.baseline.round);
    let approval = match table.get::<Approval>(&Key::approval(&id)).await? {
        Some(open) => open.document,
        None => match request(aws, config, &table, &input, policy).await? {
            Ok(opened) => opened,
            Err(end) => return Ok(StepResult::End(end)),
        },
    };
    ask_all(aws, config, &table, &approval).await?;
    let approval = close_if_over(&table, &input, approval).await?;
    match approval.decided_at(now()) {
        None => {
            let remind_at = approval.remind_at.unwrap_or(approval.expires_at);
            if now() >= remind_at {
                for approver in approval.unanswered() {
                    remind(aws, config, &table, &approval, approver).await?;
                }
            }
            let on = vec![
                WakeKey::Approval(id.as_str().to_owned()),
                WakeKey::Push(input.release.application.clone()),
            ];
            let deadline = if now() < remind_at { remind_at } else { approval.expires_at };
            Ok(StepResult::Wait { on, deadline })
        }
        Some(decided) => {
            let (result, words) = match decided {
                Ok(words) => (StepResult::Done(Approved { approval: id }), words),
                Err((outcome, reason)) => (StepResult::End(End::unchanged(outcome, reason.clone())), reason),
            };
            let timeline = Timeline::of(&table, &approval.release.id).in_stage(&approval.stage);
            timeline.record_each(Step::Decided, &round(&approval), words).await?;
            notify_approvers(aws, config, &table, &approval).await?;
            Ok(result)
        }
    }
}

/// Opens the approval; else why nobody is asked.
async fn request(
    aws: &Aws,
    config: &Config,
    table: &Table,
    input: &StageInput,
    policy: &ApprovalPolicy,
) -> Result<Result<Approval, End>, StepError> {
    let StageInput { release, generation, stage, baseline, .. } = input;
    let no = |reason: String| Ok(Err(End::unchanged(Outcome::Failed, reason)));
    if let Some(end) = interrupted(table, release, *generation).await? {
        return Ok(Err(end));
    }
    if let Some(reason) = cannot_decide(policy, &aws.topic(&config.approval_topic_arn).confirmed().await?) {
        tracing::warn!(release.id = %release.id, stage = %stage.name, "nobody can approve {} for {}: {reason}", release.id, stage.name);
        count("ApprovalImpossible", &[("Application", release.application.as_str())]);
        return no(reason);
    }
    let gates = match gates(aws, table, release, stage).await? {
        Ok(gates) => gates,
        Err(reason) => return no(reason),
    };
    table
        .put(&Key::asked(&release.id, &stage.name), &ApprovalId::of(release, &stage.name, baseline.round))
        .await?;
    for earlier in 1..baseline.round {
        // Whoever gave it agreed to replace something else.
        let because = format!("{}, or what is known of the image, has changed meanwhile", stage.name);
        close_approval(table, &ApprovalId::of(release, &stage.name, earlier), |approval| {
            approval.voided(&because)
        })
        .await?;
    }
    Ok(Ok(open(aws, table, input, policy, gates).await?))
}

/// Sends each approver a mail, and notifies everybody that they were asked; each of it once.
async fn ask_all(aws: &Aws, config: &Config, table: &Table, approval: &Approval) -> Result<(), StepError> {
    let round = round(approval);
    let asked = Key::timeline_event(&approval.release.id, Some(&approval.stage), Step::Asked, &round);
    if table.get::<Value>(&asked).await?.is_some() {
        return Ok(());
    }
    for approver in &approval.approvers {
        ask(aws, config, table, approval, approver).await?;
    }
    let notifier = Notifier { aws, table, channels: &config.channels };
    notifier.notify_once(&approval.release.id, Notification::waiting(approval)).await?;
    let people: Vec<_> = approval.approvers.iter().map(EmailAddress::as_str).collect();
    let words = format!(
        "Asked {} ({} must approve) until {:.0}",
        people.join(", "),
        approval.quorum,
        approval.expires_at
    );
    Timeline::of(table, &approval.release.id)
        .in_stage(&approval.stage)
        .record_each(Step::Asked, &round, words)
        .await?;
    Ok(())
}

/// The approval, closed where people need not decide any more: an abort, a newer push, or its time.
async fn close_if_over(table: &Table, input: &StageInput, approval: Approval) -> Result<Approval, StepError> {
    if approval.status != Status::Pending {
        return Ok(approval);
    }
    let interrupted = interrupted(table, &input.release, input.generation).await?;
    let closed = close_approval(table, &approval.id, |approval| match &interrupted {
        Some(End { outcome: Outcome::Superseded, reason, .. }) => approval.superseded(reason),
        Some(End { reason, .. }) => approval.withdrawn(reason),
        None if approval.status_at(now()) == Status::Expired => approval.closed(),
        None => approval.clone(),
    });
    Ok(closed.await?.unwrap_or(approval))
}

/// Why too few people can answer, where that is so: SNS sends nothing to an address that has not confirmed.
fn cannot_decide(policy: &ApprovalPolicy, confirmed: &[String]) -> Option<String> {
    let (can, cannot): (Vec<_>, Vec<_>) = policy.approvers.iter().partition(|approver| {
        confirmed.iter().any(|address| address.eq_ignore_ascii_case(approver.as_str()))
    });
    (can.len() < usize::from(policy.quorum)).then(|| {
        let cannot: Vec<_> = cannot.iter().map(|approver| approver.as_str()).collect();
        format!(
            "nobody can approve: {} of {} approvers have confirmed their subscription, and {} must approve. {} must confirm it by the link \
             in the mail that SNS sent them, or subscribe again",
            can.len(),
            policy.approvers.len(),
            policy.quorum,
            cannot.join(" and ")
        )
    })
}

/// What people are shown of the stage's gates.
struct Gates {
    evidence: Vec<Evidence>,
    migration: Option<Kind>,
}

/// What the stage's gates found, and what they will do before it changes; or why nobody needs to be asked.
async fn gates(
    aws: &Aws,
    table: &Table,
    release: &Release,
    stage: &Stage,
) -> Result<Result<Gates, String>, StepError> {
    let mut evidence = Vec::new();
    let mut shown = |gate: &str, words: String| evidence.push(Evidence { gate: gate.to_owned(), words });
    if stage.image_check.is_some()
        && let Some(checked) = table.get::<Checked>(&Key::gate(&release.id, &stage.name, "IMAGE")).await?
    {
        shown("Image check", format!("{}. It is checked again before the change.", checked.document.words));
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
    let mut migration = None;
    if let Some(policy) = &stage.migration {
        let kind = match Kind::of(aws.repositories().label(&release.image, LABEL).await?.as_deref()) {
            Ok(kind) => kind,
            Err(reason) => return Ok(Err(reason)),
        };
        let command = if kind == Kind::None {
            String::new()
        } else {
            format!("{} runs before the change. ", policy.command.join(" "))
        };
        shown("Migration", format!("{}: {command}{}.", kind.as_str(), sentence(kind.in_words())));
        migration = Some(kind);
    }
    Ok(Ok(Gates { evidence, migration }))
}

/// With a capital letter.
fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// What changes besides the image, line by line, for each service: what it runs now against the template of what is
/// next.
async fn changes(
    aws: &Aws,
    table: &Table,
    approval: &Approval,
    stage: &Stage,
) -> Result<Vec<String>, StepError> {
    let mut lines = Vec::new();
    for service in &approval.baseline.services {
        let name = &service.service;
        let recorded = table
            .get::<Value>(&Key::definition(&approval.release.id, &stage.name, name, approval.baseline.round))
            .await?;
        let (Some(before), Some(after)) =
            (recorded, aws.ecs().task_definition(&stage.families(name).template).await?)
        else {
            continue;
        };
        lines.extend(
            definition::changes(&before.document, &after.document)
                .into_iter()
                .map(|line| format!("{name}: {line}")),
        );
    }
    Ok(lines)
}

/// The approval as it is open, or a new one, written together with its entry of the audit.
async fn open(
    aws: &Aws,
    table: &Table,
    input: &StageInput,
    policy: &ApprovalPolicy,
    gates: Gates,
) -> Result<Approval, StepError> {
    let StageInput { release, stage, baseline, .. } = input;
    let key = Key::approval(&ApprovalId::of(release, &stage.name, baseline.round));
    let (partition, prefix) = Key::verifications(&release.id);
    let verified: Vec<Verified> =
        table.list(&partition, &prefix).await?.into_iter().map(|(_, stored)| stored.document).collect();
    let mut opened =
        Approval::open(release.clone(), stage.name.clone(), policy, baseline.clone(), verified, now());
    (opened.evidence, opened.migration) = (gates.evidence, gates.migration);
    opened.changes = changes(aws, table, &opened, stage).await?;
    opened.revision = aws.repositories().revision(&opened.release.image).await?;
    opened.asked = table
        .get::<Started>(&Key::release(&opened.release.id))
        .await?
        .and_then(|started| started.document.asked);
    opened.pushed_at = aws.repositories().find(&opened.release.image).await?.map(|found| found.pushed_at);
    let people: Vec<_> = opened.approvers.iter().map(EmailAddress::as_str).collect();
    let entry =
        NewEntry { at: opened.requested_at, what: What::Requested, person: None, words: people.join(", ") };
    // Each round that fails is one in which someone else wrote the approval, or the next entry of the audit.
    for _ in 0..ROUNDS {
        if let Some(open) = table.get::<Approval>(&key).await? {
            return Ok(open.document);
        }
        let (entry, sealed) = next_entry(table, &opened, &entry).await?;
        if table
            .put_all_new(&[(&key, serde_json::to_value(&opened)), (&entry, serde_json::to_value(&sealed))])
            .await?
        {
            tracing::info!(release.id = %opened.release.id, stage = %opened.stage, approvers = opened.approvers.len(), quorum = opened.quorum, "people are asked to approve {} for {}", opened.release.id, opened.stage);
            count("ApprovalRequested", &[("Application", opened.release.application.as_str())]);
            return Ok(opened);
        }
    }
    Err(StepError::busy(&key.pk))
}

/// Sends one approver a mail, if none was sent before. An answer of SNS that is lost may mean a second mail, with
/// another link to the same approval.
async fn ask(
    aws: &Aws,
    config: &Config,
    table: &Table,
    approval: &Approval,
    approver: &EmailAddress,
) -> Result<(), StepError> {
    let mailed = Key::mailed(&approval.id, approver.as_str());
    if table.get::<Timestamp>(&mailed).await?.is_some() {
        return Ok(());
    }
    let url = new_link(config, table, approval, approver).await?;
    aws.topic(&config.approval_topic_arn).publish(mail::request(approval, approver, &url)).await?;
    table.put(&mailed, &now()).await?;
    Ok(())
}

/// Reminds one approver once, with a further link: the first one's token is not kept anywhere.
async fn remind(
    aws: &Aws,
    config: &Config,
    table: &Table,
    approval: &Approval,
    approver: &EmailAddress,
) -> Result<(), StepError> {
    let reminded = Key::reminded(&approval.id, approver.as_str());
    if table.get::<Timestamp>(&reminded).await?.is_some() {
        return Ok(());
    }
    let url = new_link(config, table, approval, approver).await?;
    aws.topic(&config.approval_topic_arn).publish(mail::reminder(approval, approver, &url)).await?;
    if table.put_new(&reminded, &now()).await? {
        let entry = NewEntry {
            at: now(),
            what: What::Reminded,
            person: Some(approver.clone()),
            words: String::new(),
        };
        audit(table, approval, &entry).await?;
    }
    Ok(())
}

/// The first round needs no number.
fn round(approval: &Approval) -> String {
    if approval.baseline.round > 1 { approval.baseline.round.to_string() } else { String::new() }
}

/// Notifies every approver of what became of the approval, once. It is tried for a while; a failed notification does
/// not change the decision.
async fn notify_approvers(
    aws: &Aws,
    config: &Config,
    table: &Table,
    approval: &Approval,
) -> Result<(), StepError> {
    let decided =
        Key::timeline_event(&approval.release.id, Some(&approval.stage), Step::Decided, &round(approval));
    let decided_at = table.get::<TimelineEvent>(&decided).await?.map_or_else(now, |event| event.document.at);
    let is_late = now().duration_since(decided_at) > NOTIFIED_WITHIN;
    for approver in &approval.approvers {
        match notify_approver(aws, config, table, approval, approver).await {
            Err(error) if error.may_be_tried_again() && !is_late => return Err(error),
            Err(error) => {
                tracing::warn!(release.id = %approval.release.id, stage = %approval.stage, "an approver was not notified of the decision: {error}");
                count("NotificationFailed", &[("Channel", "Approver")]);
            }
            Ok(()) => {}
        }
    }
    Ok(())
}

async fn notify_approver(
    aws: &Aws,
    config: &Config,
    table: &Table,
    approval: &Approval,
    approver: &EmailAddress,
) -> Result<(), StepError> {
    let receipt = Key::receipt(&approval.id, approver.as_str());
    if table.get::<Timestamp>(&receipt).await?.is_none() {
        aws.topic(&config.approval_topic_arn).publish(mail::receipt(approval, approver, now())).await?;
        table.put(&receipt, &now()).await?;
    }
    Ok(())
}

async fn new_link(
    config: &Config,
    table: &Table,
    approval: &Approval,
    approver: &EmailAddress,
) -> Result<String, StepError> {
    let token = new_token()?;
    table
        .put_new(
            &Key::link(&token_hash(&token)),
            &Link { approval: approval.id.clone(), approver: approver.clone() },
        )
        .await?;
    Ok(format!("{}/approvals/{token}", config.channels.pages))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_confirmed_subscriptions_are_reported_with_the_names() {
        let policy: ApprovalPolicy = serde_json::from_value(serde_json::json!({
            "approvers": ["ana@example.com", "bo@example.com", "cy@example.com"], "quorum": 2, "expires_after": "1h",
        }))
        .expect("it fits");
        let confirmed = |addresses: &[&str]| addresses.iter().map(ToString::to_string).collect::<Vec<_>>();

        assert_eq!(
            cannot_decide(&policy, &confirmed(&["ana@example.com", "Bo@Example.com", "eve@example.com"])),
            None
        );
        let reason = cannot_decide(&policy, &confirmed(&["cy@example.com", "eve@example.com"]))
            .expect("one is not two");
        assert!(
            reason.contains("1 of 3 approvers")
                && reason.contains("ana@example.com and bo@example.com must confirm"),
            "{reason}"
        );
    }
}
