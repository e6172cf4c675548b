//! The board: every application and what its stages run, by what is written down alone.
//!
//! ECS is not asked, and configurations are kept for a minute: both take calls that grow with the applications, ten of them
//! in a call. What the stages run, what is under way and what is frozen is one query each, however many applications there
//! are; each release that is under way adds those of where it is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::try_join;
use jiff::{SignedDuration, Timestamp};
use slipway_aws::Key;
use slipway_core::api::{Applications, BrokenApplication, Running};
use slipway_release::{Configured, Open, freezes, now};

use crate::Operator;
use crate::problem::Failure;
use crate::read::{by_stage, open_releases, status};

/// How long configurations are kept.
const KEPT: SignedDuration = SignedDuration::from_mins(1);

/// Configurations as they were read, and when.
static READ: Mutex<Option<(Timestamp, Arc<slipway_release::Applications>)>> = Mutex::new(None);

/// Every application, without what ECS says of its services.
pub(crate) async fn board(operator: &Operator<'_>) -> Result<Applications, Failure> {
    let table = &operator.table;
    let open = async { Ok::<_, Failure>(table.list::<Open>(Key::OPEN, "").await?) };
    let running = async { Ok(table.list::<Running>(Key::RUNNING, "").await?) };
    let freezes = async { Ok(freezes(table).await?) };
    let (all, open, running, freezes) = try_join!(configurations(operator), open, running, freezes)?;
    let mut releases = open_releases(table, open).await?;
    let running = by_stage(running);
    let applications = all.configured.iter().map(|Configured { application, .. }| {
        let releases = releases.remove(&application.name).unwrap_or_default();
        let mut one = status(application.clone(), releases, &running, &HashMap::new(), &freezes);
        one.stages.iter_mut().for_each(|stage| stage.services.clear());
        one
    });
    let mut applications: Vec<_> = applications.collect();
    applications.sort_by(|one, other| one.name.cmp(&other.name));
    let broken = all.broken.iter().map(|broken| BrokenApplication {
        parameter: broken.parameter.clone(),
        problem: broken.problem.clone(),
    });
    let freezes = freezes.into_iter().map(Into::into).collect();
    Ok(Applications { applications, broken: broken.collect(), freezes })
}

async fn configurations(operator: &Operator<'_>) -> Result<Arc<slipway_release::Applications>, Failure> {
    let at = now();
    let read = READ.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some((_, all)) = read.filter(|(then, _)| at < *then + KEPT) {
        return Ok(all);
    }
    let all = slipway_release::applications(operator.aws, &operator.config.applications_path).await?;
    let all = Arc::new(all);
    *READ.lock().unwrap_or_else(PoisonError::into_inner) = Some((at, all.clone()));
    Ok(all)
}
