//! `RequestApproval`.

use slipway_core::approval::{Approval, Status};
use slipway_core::protocol::{End, StepResult, WakeKey};
use slipway_core::release::Outcome;

use crate::aws::{Aws, Unknown, Update};
use crate::rules::Rule;
use crate::world::names::{self, application};
use crate::world::table::About;
use crate::world::workflow::{Output, Task};

/// Asks people, once in each round, and looks whether they have decided.
pub(super) async fn look(aws: &Aws, task: &Task) -> Result<StepResult<Output>, Unknown> {
    let release = task.place.release;
    let baseline = task.baseline.as_deref().expect("a baseline");
    let open =
        aws.call("reads the approval", |world| world.approval(release, baseline.round).cloned()).await?;
    if open.is_none() {
        if let Some(end) = aws.call("reads what comes first", |world| world.interrupted(task)).await? {
            return Ok(StepResult::End(end));
        }
        for earlier in 1..baseline.round {
            change(aws, task, earlier, "voids an approval", |approval| {
                Some(approval.voided("the stage has changed"))
            })
            .await?;
        }
        let asked = Approval::open(
            names::release(release),
            names::stage(),
            names::policy(),
            baseline.clone(),
            vec![],
            aws.now(),
        );
        let decide = |current: Option<Approval>| match current {
            None => Update::Write(asked.clone(), ()),
            Some(_) => Update::Leave(()),
        };
        let about = About::Key(WakeKey::Approval(asked.id.as_str().to_owned()));
        aws.update("asks people", |world| world.table.approval(release, baseline.round), Some(about), decide)
            .await?;
    }
    let interrupted = aws.call("reads what comes first", |world| world.interrupted(task)).await?;
    let close = |approval: &Approval| match &interrupted {
        Some(End { outcome: Outcome::Superseded, reason, .. }) => Some(approval.superseded(reason)),
        Some(End { reason, .. }) => Some(approval.withdrawn(reason)),
        None if approval.status_at(aws.now()) == Status::Expired => Some(approval.closed()),
        None => None,
    };
    let approval = change(aws, task, baseline.round, "closes the approval", close).await?;
    match approval.decided_at(aws.now()) {
        Some(Ok(_)) => Ok(StepResult::Done(Output::Nothing)),
        Some(Err((outcome, reason))) => Ok(StepResult::End(End::unchanged(outcome, reason))),
        None if !aws.keeps(Rule::Approvals) => Ok(StepResult::Done(Output::Nothing)),
        None => {
            let remind_at = approval.remind_at.unwrap_or(approval.expires_at);
            let deadline = if aws.now() < remind_at { remind_at } else { approval.expires_at };
            let on = vec![WakeKey::Approval(approval.id.as_str().to_owned()), WakeKey::Push(application())];
            Ok(StepResult::Wait { on, deadline })
        }
    }
}

/// Changes an approval, where that changes its status.
async fn change(
    aws: &Aws,
    task: &Task,
    round: u32,
    what: &'static str,
    to: impl Fn(&Approval) -> Option<Approval>,
) -> Result<Approval, Unknown> {
    let release = task.place.release;
    let id = slipway_core::approval::ApprovalId::of(&names::release(release), &names::stage(), round);
    let decide = |current: Option<Approval>| {
        let current = current.expect("people were asked in this round");
        match to(&current) {
            Some(changed) if changed.status != current.status => Update::Write(changed.clone(), changed),
            _ => Update::Leave(current),
        }
    };
    let about = About::Key(WakeKey::Approval(id.as_str().to_owned()));
    aws.update(what, |world| world.table.approval(release, round), Some(about), decide).await
}
