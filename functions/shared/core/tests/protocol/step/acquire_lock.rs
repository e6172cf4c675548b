//! `AcquireLock`.

use jiff::SignedDuration;
use slipway_core::lock::{Claim, LEASE_SECONDS, Life, Lock};
use slipway_core::protocol::{StepResult, WakeKey};

use crate::aws::{Aws, Unknown, Update};
use crate::rules::Rule;
use crate::world::names::{application, id};
use crate::world::workflow::{Output, Task};

/// Acquires the lock, if it is free or its holder is dead.
pub(super) async fn look(aws: &Aws, task: &Task) -> Result<StepResult<Output>, Unknown> {
    let release = task.place.release;
    if let Some(end) = aws.call("reads what comes first", |world| world.unwanted(release)).await? {
        return Ok(StepResult::End(end));
    }
    let read = aws.call("reads the lock", |world| world.table.lock().holder).await?;
    let life = aws.ask("asks whether its holder lives", |world| world.life(read.as_ref())).await?;
    let decide = |current: Option<Lock>| {
        let lock = current.unwrap_or_default();
        // What is known of life is that of the holder that was read.
        let same =
            lock.holder.as_ref().map(|holder| &holder.release) == read.as_ref().map(|holder| &holder.release);
        let life = if same || !aws.keeps(Rule::LivingHolders) { life } else { Life::Running };
        match claim(aws, &lock, release, life) {
            Claim::Free(lock) => Update::Write(lock.clone(), Ok(lock.generation)),
            Claim::Held => Update::Leave(Ok(lock.generation)),
            other => Update::Leave(Err(other)),
        }
    };
    let claimed = aws.update("claims the lock", |world| &mut world.table.lock, None, decide).await?;
    match claimed {
        Ok(generation) => {
            if read.is_some_and(|holder| holder.release != id(release)) {
                aws.note(|world| world.truth.seen.one("lock taken over"));
            }
            Ok(StepResult::Done(Output::Acquired(generation)))
        }
        Err(Claim::Resting(_)) => Ok(StepResult::LookAgain { reason: "the lock rests".into() }),
        Err(_) if life == Life::Ended => {
            Ok(StepResult::LookAgain { reason: "its last holder may still be writing".into() })
        }
        Err(_) => {
            let on = vec![WakeKey::Lock(application()), WakeKey::Push(application())];
            Ok(StepResult::Wait { on, deadline: aws.now() + SignedDuration::from_hours(1) })
        }
    }
}

fn claim(aws: &Aws, lock: &Lock, release: usize, life: Life) -> Claim {
    let leased = aws.keeps(Rule::Leases) && aws.keeps(Rule::LivingHolders);
    let late = if leased { SignedDuration::ZERO } else { SignedDuration::from_secs(2 * LEASE_SECONDS) };
    lock.claim(&id(release), life, aws.now() + late)
}
