//! The modelled world: one application with one stage and one service, a few releases, the table, ECS, Step
//! Functions, people.
//!
//! What happens here happens at once. Between two such happenings is where functions are, which `aws.rs` and
//! `step.rs` model.

pub(crate) mod names;
pub(crate) mod seen;
pub(crate) mod service;
pub(crate) mod table;
pub(crate) mod truth;
pub(crate) mod workflow;

use jiff::Timestamp;
use slipway_core::approval::{Approval, Verdict};
use slipway_core::lock::{Holder, Life};
use slipway_core::protocol::{End, WakeKey};
use slipway_core::release::Outcome;
use slipway_core::rollback::{Baseline, ServiceBaseline};

use crate::rules::{Rule, Rules};
use names::{application, baseline_of, id, number, person, time};
use service::{Revision, Service, service_arn};
use table::{About, Table};
use truth::Truth;
use workflow::{Execution, Status, Task};

/// How long people have, in seconds.
pub(crate) const APPROVAL_SECONDS: i64 = 900;
/// How long a deployment, or its rollback, may take.
pub(crate) const DEPLOYMENT_SECONDS: i64 = 240;
/// How long a snapshot may take.
pub(crate) const SNAPSHOT_SECONDS: i64 = 120;
/// How long a migration may take.
pub(crate) const MIGRATION_SECONDS: i64 = 120;
/// How long a stage bakes.
pub(crate) const BAKE_SECONDS: i64 = 120;

/// A state of the workflow, in the order in which a release goes through them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum State {
    AcquireLock,
    CaptureBaseline,
    RequestApproval,
    SnapshotDatabase,
    RunMigration,
    DeployServices,
    BakeStage,
    RollBack,
    FinishRelease,
}

/// A state of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub release: usize,
    pub state: State,
}

/// A migration's task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    Runs,
    /// It has stopped, well or not.
    Ended(bool),
}

/// What the stage has besides its service.
#[expect(clippy::struct_excessive_bools, reason = "each is a gate that a stage has or has not")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stage {
    pub approval: bool,
    pub snapshot: bool,
    pub migration: bool,
    pub bake: bool,
    /// Step Functions evaluates a state's time-out once, and a retry has all of it again.
    pub timeouts_are_fixed: bool,
}

/// The world.
#[derive(Debug)]
pub(crate) struct World {
    pub rules: Rules,
    pub stage: Stage,
    /// In milliseconds.
    pub now: i64,
    /// Until then ECS and Step Functions answer that there are too many calls.
    pub throttled_until: i64,
    pub table: Table,
    pub service: Service,
    pub database_is_busy: bool,
    /// The releases' snapshots, and whether each is there.
    pub snapshots: Vec<Option<bool>>,
    /// The migrations' tasks.
    pub tasks: Vec<Option<Job>>,
    /// When the alarm fired.
    pub fired_at: Option<Timestamp>,
    pub executions: Vec<Execution>,
    /// Which attempt each task token is of.
    pub tokens: Vec<Task>,
    /// What is on its way to `resume-release`.
    pub events: Vec<About>,
    /// Attempts whose function is to be invoked.
    pub invoked: Vec<Task>,
    pub truth: Truth,
    /// What happened, where a run is to be told.
    pub story: Option<Vec<String>>,
}

impl World {
    pub(crate) fn new(rules: Rules, stage: Stage, releases: usize) -> Self {
        Self {
            rules,
            stage,
            now: 0,
            throttled_until: 0,
            table: Table::new(releases),
            service: Service::new(),
            database_is_busy: true,
            snapshots: vec![None; releases],
            tasks: vec![None; releases],
            fired_at: None,
            executions: (0..releases).map(|_| Execution::default()).collect(),
            tokens: Vec::new(),
            events: Vec::new(),
            invoked: Vec::new(),
            truth: Truth::new(releases),
            story: None,
        }
    }

    /// Goes on with the story, where there is one.
    pub(crate) fn log(&mut self, what: impl FnOnce(i64) -> String) {
        let now = self.now;
        if let Some(story) = &mut self.story {
            story.push(what(now));
        }
    }

    pub(crate) fn time(&self) -> Timestamp {
        time(self.now)
    }

    /// The push of a release is received. The releases' numbers are the order in which the images were pushed.
    pub(crate) fn push(&mut self, release: usize) {
        let record = &mut self.table.records[release];
        if record.pushed {
            return;
        }
        (record.pushed, record.open) = (true, true);
        self.events.push(About::Key(WakeKey::Push(application())));
        self.start(release);
    }

    /// A person asks for a release to end.
    pub(crate) fn abort(&mut self, release: usize) {
        let record = &mut self.table.records[release];
        if record.pushed && !record.aborted {
            record.aborted = true;
            self.events.push(About::Abort(release));
        }
    }

    /// A person answers what a release asked last.
    pub(crate) fn decide(&mut self, release: usize, who: usize, yes: bool) {
        let now = self.time();
        let Some((&round, item)) = self.table.records[release].approvals.iter_mut().next_back() else {
            return;
        };
        let (Some(approval), version) = item.read() else { return };
        let verdict = if yes { Verdict::Approved } else { Verdict::Rejected };
        if let Ok(decided) = approval.decide(&person(who), verdict, "", None, now) {
            let key = WakeKey::Approval(decided.id.as_str().to_owned());
            let written = self.table.approval(release, round).write(decided, version);
            self.written(written, Some(About::Key(key)));
        }
    }

    /// ECS ends the deployment in progress.
    pub(crate) fn end_deployment(&mut self, well: bool) {
        if self.service.end_deployment(well) {
            self.events.push(About::Key(WakeKey::Service(service_arn())));
        }
    }

    /// The database is available, or busy again.
    pub(crate) fn change_database(&mut self) {
        self.database_is_busy = !self.database_is_busy;
        if !self.database_is_busy {
            self.events.push(About::Key(WakeKey::Database(names::DATABASE.into())));
        }
    }

    /// A snapshot is there.
    pub(crate) fn end_snapshot(&mut self, release: usize) {
        if let Some(there @ false) = &mut self.snapshots[release] {
            *there = true;
            self.events.push(About::Key(WakeKey::Database(names::snapshot(release))));
        }
    }

    /// A migration's task stops.
    pub(crate) fn end_migration(&mut self, release: usize, well: bool) {
        if self.tasks[release] == Some(Job::Runs) {
            self.tasks[release] = Some(Job::Ended(well));
            self.events.push(About::Key(WakeKey::Task(names::task(release))));
        }
    }

    /// The alarm fires.
    pub(crate) fn fire(&mut self) {
        self.fired_at = Some(self.time());
        self.events.push(About::Key(WakeKey::Alarm(names::ALARM.into())));
    }

    /// What a release waits for happens.
    pub(crate) fn help(&mut self, release: usize, well: bool) {
        self.decide(release, 0, true);
        if self.database_is_busy {
            self.change_database();
        }
        self.end_snapshot(release);
        self.end_migration(release, true);
        self.end_deployment(well);
    }

    /// Whether the holder of the lock lives, as Step Functions says.
    pub(crate) fn life(&self, holder: Option<&Holder>) -> Life {
        let lives =
            holder.is_some_and(|holder| self.executions[number(&holder.release)].status == Status::Running);
        if lives && self.rules.keep(Rule::LivingHolders) { Life::Running } else { Life::Ended }
    }

    /// Whether a newer image was pushed.
    pub(crate) fn is_superseded(&self, release: usize) -> bool {
        self.rules.keep(Rule::NewestPush)
            && self.table.records[release + 1..].iter().any(|record| record.pushed)
    }

    /// An abort, or a newer push.
    pub(crate) fn unwanted(&self, release: usize) -> Option<End> {
        if self.table.records[release].aborted {
            return Some(End::unchanged(Outcome::Failed, "aborted"));
        }
        self.is_superseded(release).then(|| End::unchanged(Outcome::Superseded, "superseded"))
    }

    /// What every step reads before the stage's first change: an abort, the lock, and a newer push.
    pub(crate) fn interrupted(&self, task: &Task) -> Option<End> {
        let Task { place: Place { release, .. }, generation, .. } = *task;
        if self.table.records[release].aborted {
            return self.unwanted(release);
        }
        let lock = self.table.lock();
        if let (true, Err(lost)) =
            (self.rules.keep(Rule::Generations), lock.is_held_by(&id(release), generation))
        {
            return Some(End::unchanged(Outcome::Failed, lost.to_string()));
        }
        self.unwanted(release)
    }

    /// What the stage runs now.
    pub(crate) fn capture(&self, round: u32) -> Baseline {
        baseline_of(self.service.runs(), round)
    }

    /// The approval that a release has for what it is to replace.
    pub(crate) fn approval(&self, release: usize, round: u32) -> Option<&Approval> {
        self.table.records[release].approvals.get(&round).and_then(|item| item.get())
    }

    /// `UpdateService`, by a function.
    pub(crate) fn update_service(&mut self, task: &Task, revision: Revision) {
        self.judge_write(task, revision);
        self.service.update(revision);
    }
}

/// What a release deploys.
pub(crate) fn ours(release: usize) -> Revision {
    Revision::try_from(release).expect("few") + 1
}

/// What a baseline has its service run.
pub(crate) fn baseline_revision(baseline: &Baseline) -> Revision {
    baseline
        .services
        .first()
        .map(|ServiceBaseline { task_definition, .. }| service::revision_of(task_definition))
        .expect("one service")
}
