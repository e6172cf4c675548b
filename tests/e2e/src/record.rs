//! What a run left behind: everything that the invariants are judged by.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use slipway_core::approval::Approval;
use slipway_core::audit::Sealed;
use slipway_core::lock::Lock;
use slipway_core::release::{Ended, Started};
use slipway_core::rollback::Baseline;
use slipway_local::Mail;
use slipway_local::wire::{Entry, Fault, What};

/// What a run left behind, with what there was before it.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// What passed the wire.
    pub trace: Vec<Entry>,
    /// The application's stages, in order.
    pub stages: Vec<Stage>,
    /// The releases that began.
    pub releases: Vec<ReleaseRecord>,
    /// Who has the lock.
    pub lock: Lock,
    /// The revision that each service ran before, such as `staging-web:6` for `staging/web`.
    pub before: BTreeMap<String, String>,
    /// The revision that each service runs now.
    pub services: BTreeMap<String, String>,
    /// Every revision that is named anywhere in here.
    pub revisions: BTreeMap<String, Revision>,
    /// The mails that people got.
    pub mails: Vec<Mail>,
    /// The application's audit, from its first entry on.
    pub audit: Vec<Sealed>,
    /// What the last reconciliation found, when nothing should have been left to find.
    pub found: Vec<String>,
}

/// A stage, as it is configured.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// Its cluster's name.
    pub cluster: String,
    /// Its services, such as `staging/web`.
    pub services: Vec<String>,
    /// Whether people are asked before it changes.
    pub asks: bool,
}

/// A revision of a task definition.
#[derive(Clone, Debug, Default)]
pub struct Revision {
    /// The image of its first container.
    pub image: String,
    /// The release that registered it.
    pub release: Option<String>,
}

/// What is known of one release.
#[derive(Clone, Debug, Default)]
pub struct ReleaseRecord {
    /// Its id.
    pub id: String,
    /// Where its execution is, such as `SUCCEEDED`; none when there is no execution.
    pub execution: Option<String>,
    /// The outcome that its execution ended with.
    pub execution_outcome: Option<String>,
    /// That it began.
    pub started: Option<Started>,
    /// Whether it still counts as open.
    pub is_open: bool,
    /// How it ended.
    pub ended: Option<Ended>,
    /// What each stage ran before.
    pub baselines: BTreeMap<String, Baseline>,
    /// The revision that it registered for each service.
    pub deployed: BTreeMap<String, String>,
    /// The copy of the baseline that its rollback registered for each service.
    pub restored: BTreeMap<String, String>,
    /// The services that were verified.
    pub verified: BTreeSet<String>,
    /// What people were last asked for each stage.
    pub approvals: BTreeMap<String, Approval>,
    /// The callbacks that are still parked.
    pub callbacks: Vec<String>,
}

/// An item of the table.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its partition key.
    pub pk: String,
    /// Its sort key.
    pub sk: String,
    /// Its document.
    pub document: String,
}

/// A change of what a service runs.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// When.
    pub at: Timestamp,
    /// The function that changed it.
    pub by: &'a str,
    /// The service, such as `staging/web`.
    pub service: &'a str,
    /// The revision.
    pub revision: &'a str,
}

impl Item {
    pub(crate) fn document<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        serde_json::from_str(&self.document)
            .with_context(|| format!("{} {} does not parse: {}", self.pk, self.sk, self.document))
    }
}

impl ReleaseRecord {
    /// Reads the items of a release: those below `RELEASE#`, `APPROVAL#`, `CALLBACK#` and `OPEN` that are its own.
    ///
    /// # Errors
    ///
    /// When a document is not what it should be.
    pub fn read(id: &str, items: &[Item]) -> anyhow::Result<Self> {
        let mut record = Self { id: id.to_owned(), ..Self::default() };
        for item in items {
            let (kind, rest) = item.sk.split_once('#').unwrap_or((&item.sk, ""));
            let rest = rest.trim_end_matches('#');
            let service = rest.replace('#', "/");
            match (item.pk.split('#').next().unwrap_or_default(), kind) {
                ("RELEASE", "RELEASE") => record.started = Some(item.document()?),
                ("RELEASE", "ENDING") => record.ended = Some(item.document()?),
                // The last round's, where there are several.
                ("RELEASE", "BASELINE") => {
                    let stage = rest.split('#').next().unwrap_or_default();
                    record.baselines.insert(stage.to_owned(), item.document()?);
                }
                ("RELEASE", "DEPLOYED") => {
                    drop(record.deployed.insert(service, tail(&item.document::<String>()?).to_owned()));
                }
                ("RELEASE", "RESTORED") => {
                    drop(record.restored.insert(service, tail(&item.document::<String>()?).to_owned()));
                }
                ("RELEASE", "VERIFIED") => drop(record.verified.insert(service)),
                ("APPROVAL", "APPROVAL") => {
                    let approval: Approval = item.document()?;
                    record.approvals.insert(approval.stage.to_string(), approval);
                }
                ("CALLBACK", _) => record.callbacks.push(item.sk.clone()),
                ("OPEN", _) => record.is_open = true,
                _ => {}
            }
        }
        Ok(record)
    }

    /// The outcome, as people read it.
    #[must_use]
    pub fn outcome(&self) -> &str {
        self.ended.as_ref().map_or("NONE", |ended| ended.ending.outcome.as_str())
    }

    /// The revisions that count as a service's baseline: what ran before, and its copy.
    pub fn baselines_of<'a>(&'a self, service: &'a str) -> impl Iterator<Item = &'a str> {
        let (stage, name) = service.split_once('/').unwrap_or((service, ""));
        let services =
            self.baselines.get(stage).map(|baseline| baseline.services.as_slice()).unwrap_or_default();
        let ran = services.iter().filter(move |baseline| baseline.service.as_str() == name);
        ran.map(|baseline| tail(baseline.task_definition.as_str()))
            .chain(self.restored.get(service).map(String::as_str))
    }
}

impl Record {
    /// Every change of what a service runs, whether the function learned of it or not.
    pub fn changes(&self) -> impl Iterator<Item = Change<'_>> {
        self.trace.iter().filter_map(|entry| {
            let What::Call { call, status, fault, .. } = &entry.what else { return None };
            let happened = fault.map_or_else(|| status.is_some_and(|status| status < 300), Fault::has_effect);
            if call.operation != "ecs:UpdateService" || !happened {
                return None;
            }
            let (place, revision) = call.subject.split_once(' ').unwrap_or((&call.subject, ""));
            Some(Change { at: entry.at, by: &call.caller, service: self.service(place), revision })
        })
    }

    /// The service of a place, such as `staging/web` of the cluster `shop-staging`'s `shop-staging/web`.
    fn service<'a>(&'a self, place: &'a str) -> &'a str {
        let (cluster, name) = place.split_once('/').unwrap_or((place, ""));
        let of_cluster = self.stages.iter().filter(|stage| stage.cluster == cluster);
        let mut services = of_cluster.flat_map(|stage| &stage.services);
        services.find(|service| tail(service) == name).map_or(place, String::as_str)
    }

    /// The release of this id.
    #[must_use]
    pub fn release(&self, id: &str) -> Option<&ReleaseRecord> {
        self.releases.iter().find(|release| release.id == id)
    }

    /// The release of this run that registered a revision.
    #[must_use]
    pub fn owner(&self, revision: &str) -> Option<&ReleaseRecord> {
        self.release(self.revisions.get(revision)?.release.as_deref()?)
    }
}

/// The end of a task definition's ARN: family and revision.
#[must_use]
pub fn tail(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}
