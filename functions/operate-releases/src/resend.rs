//! Mails of an open approval that go out again. What is asked for is written down, with who asked, and wakes the step that
//! asks people: it alone makes links and sends mails. Nothing here sees a link, or could answer with one.

use lambda_http::http::StatusCode;
use slipway_aws::{Key, Stored, Write};
use slipway_core::api::{Done, ProblemCode, ResendRequest};
use slipway_core::approval::{Approval, ApprovalId};
use slipway_core::audit::{About, NewEntry, What};
use slipway_core::name::{ApplicationName, EmailAddress, ReleaseId};
use slipway_core::resend::{NotSent, Resend, whom};
use slipway_release::{StepError, count, next_entry, now};

use crate::Operator;
use crate::act::hash;
use crate::idempotency::{Answered, answer_before};
use crate::problem::{Failure, problem};
use crate::read::{refuse_ended, started};

/// How often a write is tried while others write the next entry of the audit.
const ROUNDS: usize = 20;

pub(crate) async fn resend(
    operator: &Operator<'_>,
    application: &ApplicationName,
    release: &ReleaseId,
    key: &str,
    request: ResendRequest,
) -> Result<Done, Failure> {
    let Operator { table, caller, .. } = operator;
    let id = hash(&["resend", &caller.arn, key]);
    let asked = hash(&[
        release.as_str(),
        request.approver.as_ref().map_or("", EmailAddress::as_str),
        &request.reason,
    ]);
    let received = Key::request(application, &id);
    // Each round that fails is one in which the same request came, or another entry of the audit was written.
    for _ in 0..ROUNDS {
        if let Some(done) = answer_before(table, &received, &asked, "resend").await? {
            return Ok(done);
        }
        let approval = newest_approval(operator, application, release).await?;
        let people = whom(&approval, request.approver.as_ref(), now())
            .map_err(|not_sent| refusal(&not_sent, request.approver.is_some()))?;
        let resend = Resend {
            by: caller.name.clone(),
            arn: caller.arn.clone(),
            reason: request.reason.clone(),
            at: now(),
            approver: request.approver.clone(),
        };
        let new = Answered { asked: asked.clone(), answer: Done { words: words(&approval, &people) } };
        let names: Vec<_> = people.iter().map(EmailAddress::as_str).collect();
        let entry = NewEntry {
            at: resend.at,
            what: What::ResendRequested,
            person: None,
            caller: Some(caller.arn.clone()),
            words: format!("to {}, {}", names.join(", "), resend.in_words()),
        };
        let (entry, sealed) = next_entry(table, &About::from(&approval), &entry).await?;
        let wish = Key::resend(&approval.id, &id);
        let all = [Write::new(&received, &new), Write::new(&wish, &resend), Write::new(&entry, &sealed)];
        if table.write_all(&all).await? {
            tracing::info!(release.id = %release, stage = %approval.stage, caller = caller.arn, people = people.len(), "mails of {release} for {} are to go out again", approval.stage);
            count("ResendRequested", &[("Application", application.as_str())]);
            return Ok(new.answer);
        }
    }
    Err(StepError::busy(&received.pk).into())
}

/// The approval that a release asked for last, whatever became of it.
async fn newest_approval(
    operator: &Operator<'_>,
    application: &ApplicationName,
    release: &ReleaseId,
) -> Result<Approval, Failure> {
    let table = &operator.table;
    started(operator, application, release).await?;
    let (partition, prefix) = Key::all_asked(release);
    let mut newest: Option<Approval> = None;
    for (_, Stored { document: id, .. }) in table.list::<ApprovalId>(&partition, &prefix).await? {
        let Some(stored) = table.get::<Approval>(&Key::approval(&id)).await? else { continue };
        let approval = stored.document;
        if newest.as_ref().is_none_or(|newest| newest.requested_at < approval.requested_at) {
            newest = Some(approval);
        }
    }
    // A release that has ended asks nobody, whatever its last approval came to.
    refuse_ended(operator, release).await?;
    newest.ok_or_else(|| {
        problem(
            StatusCode::CONFLICT,
            ProblemCode::NotAsked,
            format!("{release} has not asked anybody for an approval yet"),
        )
    })
}

fn refusal(not_sent: &NotSent, named: bool) -> Failure {
    let code = match not_sent {
        NotSent::Over { .. } | NotSent::NotAmong { .. } => ProblemCode::NotAsked,
        NotSent::Answered { .. } | NotSent::AllAnswered => ProblemCode::Answered,
    };
    let failure = problem(StatusCode::CONFLICT, code, not_sent.to_string());
    let about_person = matches!(not_sent, NotSent::NotAmong { .. } | NotSent::Answered { .. });
    if named && about_person { failure.at("approver") } else { failure }
}

/// What happens now, and what may be in its way.
fn words(approval: &Approval, people: &[EmailAddress]) -> String {
    let release = &approval.release;
    let list =
        |people: &[&EmailAddress]| people.iter().map(|person| person.as_str()).collect::<Vec<_>>().join(", ");
    let all: Vec<_> = people.iter().collect();
    let mail = if people.len() == 1 { "the mail goes" } else { "the mails go" };
    let mut words = format!(
        "{mail} out again within a minute, each with a further link, for {} to {}: {}",
        release.in_words(),
        approval.stage,
        list(&all)
    );
    let unreachable: Vec<_> = people.iter().filter(|person| approval.unreachable.contains(person)).collect();
    if !unreachable.is_empty() {
        words += &format!(
            "; when people were asked SNS had no confirmed subscription of {}, and no mail reaches an address without one",
            list(&unreachable)
        );
    }
    words
}
