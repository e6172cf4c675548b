//! The modelled world: one application, a few releases, one service, and the table.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use slipway_core::application::ApprovalPolicy;
use slipway_core::approval::{Approval, Status, Verdict};
use slipway_core::image::{Digest, Image};
use slipway_core::name::{ApplicationName, EmailAddress, ReleaseId, RepositoryName, ServiceArn, ServiceName, StageName, TaskDefinitionArn};
use slipway_core::release::{Outcome, Release};
use slipway_core::rollback::{Baseline, ServiceBaseline};
use slipway_core::turn::{Claim, Holder, LEASE_SECONDS, Life, Lost, Turn};
use slipway_core::wait::{WaitResult, decision};

/// How many releases there are.
pub(crate) const RELEASES: usize = 3;
/// After so many seconds Lambda ends a function that changes services.
const FUNCTION_SECONDS: i64 = 30;
/// How long people have.
const APPROVAL_SECONDS: i64 = 300;

/// The protocol, or the protocol without one of its rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rules {
    Real,
    WithoutGenerations,
    WithoutLeases,
    TakingFromTheLiving,
    WithoutApprovals,
    WithoutOrder,
}

/// What happens next.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// The push of a release is received. The releases' numbers are the order in which the images were pushed.
    Push(usize),
    /// A function of a release makes some calls: the one that was started last, or the one that was started first.
    Step { release: usize, last: bool, calls: u32 },
    /// A release's function did not answer in time, and is started again while the first one still works.
    TryAgain(usize),
    /// A person answers.
    Decide { release: usize, person: usize, yes: bool },
    /// A release's execution is stopped by hand. What its function has begun it goes on with.
    Kill(usize),
    /// A person asks for the release to end.
    Abort(usize),
    /// The sweep looks at a release.
    Sweep(usize),
    /// Time passes.
    Pass(i64),
}

/// What a run came to, to know that the runs test something.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub released: u32,
    pub rolled_back: u32,
    pub superseded: u32,
    pub expired: u32,
    pub rejected: u32,
    pub aborted: u32,
    pub taken_over: u32,
    pub stale_writers_refused: u32,
}

impl Seen {
    pub(crate) fn add(&mut self, other: &Self) {
        self.released += other.released;
        self.rolled_back += other.rolled_back;
        self.superseded += other.superseded;
        self.expired += other.expired;
        self.rejected += other.rejected;
        self.aborted += other.aborted;
        self.taken_over += other.taken_over;
        self.stale_writers_refused += other.stale_writers_refused;
    }
}

/// A step of the workflow, done by a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    TakeTurn,
    RequestApproval,
    AwaitDecision,
    DeployServices,
    RollBack,
    FinishRelease(Outcome),
}

/// A function that works: the calls that it has made, and what it has read.
#[derive(Clone, Debug)]
struct Function {
    release: usize,
    task: Task,
    calls: u32,
    started: i64,
    read: Option<(Turn, u64)>,
}

/// A release's execution.
#[derive(Clone, Debug, Default)]
struct Execution {
    received: bool,
    task: Option<Task>,
    /// Ended, well or badly.
    over: bool,
    generation: u64,
    aborted: bool,
    ending: Option<Outcome>,
}

/// What was written to the service.
#[derive(Clone, Copy, Debug)]
struct Write {
    release: usize,
    runs: u32,
}

pub(crate) struct World {
    rules: Rules,
    now: i64,
    turn: (Turn, u64),
    approvals: BTreeMap<usize, (Approval, u64)>,
    executions: Vec<Execution>,
    functions: Vec<Function>,
    /// The revision that the service runs: 0 is what ran before, others are the releases' numbers and 1.
    runs: u32,
    baselines: BTreeMap<usize, u32>,
    writes: Vec<Write>,
    pub(crate) seen: Seen,
}

impl World {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            rules,
            now: 0,
            turn: (Turn::default(), 0),
            approvals: BTreeMap::new(),
            executions: vec![Execution::default(); RELEASES],
            functions: Vec::new(),
            runs: 0,
            baselines: BTreeMap::new(),
            writes: Vec::new(),
            seen: Seen::default(),
        }
    }

    pub(crate) fn act(&mut self, action: &Action) -> Result<(), String> {
        match *action {
            Action::Push(release) => {
                if !self.executions[release].received {
                    self.executions[release].received = true;
                    self.begin(release, Task::TakeTurn);
                }
            }
            Action::Step { release, last, calls } => {
                for _ in 0..calls {
                    let mut of_release = (0..self.functions.len()).filter(|&which| self.functions[which].release == release);
                    let which = if last { of_release.next_back() } else { of_release.next() };
                    if let Some(which) = which {
                        self.step(which)?;
                    }
                }
            }
            Action::TryAgain(release) => {
                if let (Some(task), false) = (self.executions[release].task, self.executions[release].over) {
                    self.start(release, task);
                }
            }
            Action::Decide { release, person, yes } => self.decide(release, person, yes)?,
            Action::Kill(release) => {
                if self.executions[release].task.is_some() {
                    self.executions[release].over = true;
                }
            }
            Action::Abort(release) => self.executions[release].aborted |= self.executions[release].received,
            Action::Sweep(release) => self.sweep(release),
            Action::Pass(seconds) => {
                self.now += seconds;
                let now = self.now;
                self.functions.retain(|function| now < function.started + FUNCTION_SECONDS);
            }
        }
        Ok(())
    }

    /// Nothing goes wrong any more: time passes, functions work, the sweep looks, until nothing is left to do.
    pub(crate) fn settle(&mut self) -> Result<(), String> {
        for _ in 0..60 {
            if self.is_at_rest() {
                break;
            }
            for release in 0..RELEASES {
                if let (Some(task), false) = (self.executions[release].task, self.executions[release].over)
                    && !self.functions.iter().any(|function| function.release == release)
                {
                    self.start(release, task);
                }
            }
            for _ in 0..40 {
                if let Some(which) = self.functions.len().checked_sub(1) {
                    self.step(which)?;
                }
            }
            self.act(&Action::Pass(LEASE_SECONDS))?;
            for release in 0..RELEASES {
                self.sweep(release);
            }
        }
        if let Some(holder) = &self.turn.0.holder {
            return Err(format!("the turn was never given back by {}", holder.release));
        }
        for (release, execution) in self.executions.iter().enumerate() {
            if execution.received && execution.ending.is_none() {
                return Err(format!("release {release} never ended"));
            }
        }
        Ok(())
    }

    fn is_at_rest(&self) -> bool {
        let ended = self.executions.iter().all(|execution| !execution.received || (execution.over && execution.ending.is_some()));
        ended && self.functions.is_empty() && self.turn.0.holder.is_none()
    }

    fn begin(&mut self, release: usize, task: Task) {
        self.executions[release].task = Some(task);
        self.start(release, task);
    }

    fn start(&mut self, release: usize, task: Task) {
        self.functions.push(Function { release, task, calls: 0, started: self.now, read: None });
    }

    /// One more call of a function: a read or a write, never both.
    fn step(&mut self, which: usize) -> Result<(), String> {
        let mut function = self.functions.remove(which);
        let next = match function.task {
            Task::TakeTurn => self.take_turn(&mut function)?,
            Task::RequestApproval => self.request_approval(&function),
            Task::AwaitDecision => self.await_decision(&function),
            Task::DeployServices => self.deploy_services(&mut function)?,
            Task::RollBack => self.roll_back(&mut function)?,
            Task::FinishRelease(outcome) => self.finish_release(&mut function, outcome),
        };
        match next {
            Next::Call => {
                function.calls += 1;
                self.functions.insert(which, function);
            }
            Next::Wait => {}
            Next::Task(task) => self.goes_on(&function, Some(task)),
            Next::End => self.goes_on(&function, None),
        }
        Ok(())
    }

    /// The workflow takes the answer of the step that it is at, once. An answer to a dead execution goes nowhere.
    fn goes_on(&mut self, function: &Function, next: Option<Task>) {
        let execution = &mut self.executions[function.release];
        if execution.over || execution.task != Some(function.task) {
            return;
        }
        execution.task = next;
        match next {
            Some(task) => self.start(function.release, task),
            None => execution.over = true,
        }
    }

    fn newer(&self, release: usize) -> bool {
        self.rules != Rules::WithoutOrder && self.executions[release + 1..].iter().any(|execution| execution.received)
    }

    fn life(&self, holder: &Holder) -> Life {
        if self.rules == Rules::TakingFromTheLiving {
            return Life::Ended;
        }
        let over = self.executions.iter().enumerate().any(|(release, execution)| id(release) == holder.release && execution.over);
        if over { Life::Ended } else { Life::Running }
    }

    fn claim(&self, turn: &Turn, release: usize) -> Claim {
        let life = turn.holder.as_ref().map_or(Life::Ended, |holder| self.life(holder));
        let lease_is_ignored = matches!(self.rules, Rules::WithoutLeases | Rules::TakingFromTheLiving);
        let now = if lease_is_ignored { time(self.now + 2 * LEASE_SECONDS) } else { time(self.now) };
        turn.claim(&id(release), life, now)
    }

    fn begin_writing(&self, turn: &Turn, release: usize) -> Result<Turn, Lost> {
        if self.rules == Rules::WithoutGenerations {
            return Ok(turn.clone());
        }
        turn.begin_writing(&id(release), self.executions[release].generation, time(self.now))
    }

    fn take_turn(&mut self, function: &mut Function) -> Result<Next, String> {
        let release = function.release;
        match function.read.take() {
            None => {
                if self.executions[release].aborted {
                    return Ok(Next::Task(Task::FinishRelease(Outcome::Failed)));
                }
                if self.newer(release) {
                    return Ok(Next::Task(Task::FinishRelease(Outcome::Superseded)));
                }
                function.read = Some(self.turn.clone());
                Ok(Next::Call)
            }
            Some((turn, version)) => match self.claim(&turn, release) {
                Claim::Held => {
                    self.executions[release].generation = turn.generation;
                    Ok(Next::Task(Task::RequestApproval))
                }
                // It is asked again when something changed; here, by the next retry.
                Claim::Taken(_) | Claim::Resting(_) => Ok(Next::Wait),
                Claim::Free(taken) => {
                    if self.turn.1 != version {
                        return Ok(Next::Call);
                    }
                    if taken.generation != self.turn.0.generation + 1 {
                        return Err(format!("the generation went from {} to {}", self.turn.0.generation, taken.generation));
                    }
                    if self.turn.0.holder.is_some() {
                        self.seen.taken_over += 1;
                    }
                    if !self.executions[release].over {
                        self.executions[release].generation = taken.generation;
                    }
                    self.turn = (taken, version + 1);
                    Ok(Next::Task(Task::RequestApproval))
                }
            },
        }
    }

    fn request_approval(&mut self, function: &Function) -> Next {
        let release = function.release;
        let runs = *self.baselines.entry(release).or_insert(self.runs);
        let now = time(self.now);
        self.approvals.entry(release).or_insert_with(|| {
            let policy: ApprovalPolicy = serde_json::from_value(serde_json::json!({
                "approvers": ["ana@example.com", "bo@example.com"], "quorum": 1, "expires_after": format!("{APPROVAL_SECONDS}s"),
            }))
            .expect("it fits");
            (Approval::open(made(release), stage(), &policy, baseline(runs), vec![], now), 1)
        });
        Next::Task(Task::AwaitDecision)
    }

    fn await_decision(&mut self, function: &Function) -> Next {
        let release = function.release;
        let Some((approval, version)) = self.approvals.get(&release).cloned() else { return Next::Wait };
        let closed = if self.executions[release].aborted {
            approval.withdrawn("aborted")
        } else if self.newer(release) {
            approval.superseded("by a newer push")
        } else if approval.status_at(time(self.now)) == Status::Expired {
            approval.closed()
        } else {
            approval
        };
        self.approvals.insert(release, (closed.clone(), version + 1));
        match decision(&closed, time(self.now)) {
            None if self.rules == Rules::WithoutApprovals => Next::Task(Task::DeployServices),
            None => Next::Wait,
            Some(WaitResult::Approved { .. }) => Next::Task(Task::DeployServices),
            Some(WaitResult::Rejected { .. }) => Next::Task(Task::FinishRelease(Outcome::Rejected)),
            Some(WaitResult::Superseded { .. }) => Next::Task(Task::FinishRelease(Outcome::Superseded)),
            Some(WaitResult::Expired { .. }) => Next::Task(Task::FinishRelease(Outcome::Expired)),
            Some(_) => Next::Task(Task::FinishRelease(Outcome::Failed)),
        }
    }

    fn deploy_services(&mut self, function: &mut Function) -> Result<Next, String> {
        let release = function.release;
        let failed = Next::Task(Task::FinishRelease(Outcome::Failed));
        match (function.calls, function.read.take()) {
            (0, _) => {
                let runs = self.baselines.get(&release).copied().unwrap_or_default();
                let approval = self.approvals.get(&release).map(|(approval, _)| approval);
                let covered = approval.is_some_and(|approval| approval.covers(&made(release), &stage(), &baseline(runs)).is_ok());
                if !covered && self.rules != Rules::WithoutApprovals {
                    return Ok(failed);
                }
                let ours = release_runs(release);
                if self.runs != runs && self.runs != ours {
                    return Ok(failed);
                }
                let begun = self.runs == ours;
                if !begun && self.executions[release].aborted {
                    return Ok(failed);
                }
                if !begun && self.newer(release) {
                    return Ok(Next::Task(Task::FinishRelease(Outcome::Superseded)));
                }
                Ok(Next::Call)
            }
            (_, None) if function.calls < Self::BEGAN => {
                function.read = Some(self.turn.clone());
                Ok(Next::Call)
            }
            (_, Some((turn, version))) => Ok(self.write_beginning(function, &turn, version, failed)),
            _ if function.calls < Self::WROTE => {
                self.write(release, release_runs(release))?;
                function.calls = Self::WROTE;
                Ok(Next::Call)
            }
            _ => {
                self.stop_writing(release);
                // Whether it serves is chance: every third release is bad.
                let good = release % 3 != 1;
                Ok(Next::Task(if good { Task::FinishRelease(Outcome::Released) } else { Task::RollBack }))
            }
        }
    }

    fn roll_back(&mut self, function: &mut Function) -> Result<Next, String> {
        let release = function.release;
        match function.read.take() {
            None if function.calls < Self::BEGAN => {
                function.read = Some(self.turn.clone());
                Ok(Next::Call)
            }
            Some((turn, version)) => Ok(self.write_beginning(function, &turn, version, Next::Task(Task::FinishRelease(Outcome::Stuck)))),
            None if function.calls < Self::WROTE => {
                if self.runs == release_runs(release) {
                    let before = self.baselines.get(&release).copied().unwrap_or_default();
                    self.write(release, before)?;
                }
                function.calls = Self::WROTE;
                Ok(Next::Call)
            }
            None => {
                self.stop_writing(release);
                Ok(Next::Task(Task::FinishRelease(Outcome::RolledBack)))
            }
        }
    }

    /// A function that has begun to write, and one that has written, is known by its count of calls, which is far below.
    const BEGAN: u32 = 1_000;
    const WROTE: u32 = 2_000;

    /// That a function stopped writing. It reads and writes until nobody comes in between, so it is one step here.
    fn stop_writing(&mut self, release: usize) {
        if let Some(stopped) = self.turn.0.stopped_writing(&id(release), self.executions[release].generation) {
            self.turn = (stopped, self.turn.1 + 1);
        }
    }

    fn write_beginning(&mut self, function: &mut Function, turn: &Turn, version: u64, lost: Next) -> Next {
        match self.begin_writing(turn, function.release) {
            Err(_) => {
                self.seen.stale_writers_refused += 1;
                lost
            }
            Ok(writing) => {
                if self.turn.1 == version || self.rules == Rules::WithoutGenerations {
                    self.turn = (writing, self.turn.1 + 1);
                    function.calls = Self::BEGAN;
                }
                Next::Call
            }
        }
    }

    fn finish_release(&mut self, function: &mut Function, outcome: Outcome) -> Next {
        let release = function.release;
        match (function.calls, function.read.take()) {
            (0, _) => {
                if self.executions[release].ending.is_none() {
                    self.executions[release].ending = Some(outcome);
                    self.count(release, outcome);
                }
                Next::Call
            }
            (_, None) => {
                function.read = Some(self.turn.clone());
                Next::Call
            }
            (_, Some((turn, version))) => match turn.given_back(&id(release)) {
                None => Next::End,
                Some(free) if self.turn.1 == version => {
                    self.turn = (free, version + 1);
                    Next::End
                }
                Some(_) => Next::Call,
            },
        }
    }

    fn count(&mut self, release: usize, outcome: Outcome) {
        match outcome {
            Outcome::Released => self.seen.released += 1,
            Outcome::RolledBack => self.seen.rolled_back += 1,
            Outcome::Superseded => self.seen.superseded += 1,
            Outcome::Expired => self.seen.expired += 1,
            Outcome::Rejected => self.seen.rejected += 1,
            Outcome::Failed if self.executions[release].aborted => self.seen.aborted += 1,
            Outcome::Failed | Outcome::Stuck => {}
        }
    }

    fn decide(&mut self, release: usize, person: usize, yes: bool) -> Result<(), String> {
        let Some((approval, version)) = self.approvals.get(&release).cloned() else { return Ok(()) };
        let person = EmailAddress::new(["ana@example.com", "bo@example.com"][person]).expect("an address");
        let verdict = if yes { Verdict::Approved } else { Verdict::Rejected };
        let before = approval.status_at(time(self.now));
        if let Ok(decided) = approval.decide(&person, verdict, "", None, time(self.now)) {
            if before != Status::Pending {
                return Err(format!("an answer counted when the approval of {release} was {before:?}"));
            }
            self.approvals.insert(release, (decided, version + 1));
        }
        Ok(())
    }

    /// The sweep: ends what is dead, once none of its functions may be writing.
    fn sweep(&mut self, release: usize) {
        let execution = &self.executions[release];
        if !execution.received || !execution.over {
            return;
        }
        let leased = self.turn.0.holder.as_ref().is_some_and(|holder| holder.release == id(release) && holder.is_writing(time(self.now)));
        let held = self.turn.0.holder.as_ref().is_some_and(|holder| holder.release == id(release));
        if leased || (execution.ending.is_some() && !held) {
            return;
        }
        let outcome = execution.ending.unwrap_or(if self.runs == release_runs(release) { Outcome::Stuck } else { Outcome::Failed });
        self.start(release, Task::FinishRelease(outcome));
    }

    /// A write to the service, and what must hold whenever there is one.
    fn write(&mut self, release: usize, runs: u32) -> Result<(), String> {
        let Turn { generation, holder, rests_until } = &self.turn.0;
        // A function whose retry has done its work may go on while the turn rests after its release: nobody else writes then.
        let rests = holder.is_none() && rests_until.is_some_and(|until| time(self.now) < until);
        if !rests && holder.as_ref().is_none_or(|holder| holder.release != id(release)) {
            return Err(format!("release {release} wrote while the turn was {:?}'s", holder.as_ref().map(|holder| &holder.release)));
        }
        if self.executions[release].generation != *generation {
            return Err(format!("release {release} wrote as {}, at {generation}", self.executions[release].generation));
        }
        let first = !self.writes.iter().any(|write| write.release == release);
        if first && self.writes.iter().any(|write| write.release > release) {
            return Err(format!("release {release} began to change the service after a newer one had"));
        }
        if runs == release_runs(release) {
            let Some((approval, _)) = self.approvals.get(&release) else {
                return Err(format!("release {release} was deployed, and nobody was asked"));
            };
            let in_time = approval.decisions.iter().all(|decision| decision.at < approval.expires_at);
            if approval.status != Status::Approved || !in_time {
                return Err(format!("release {release} was deployed, and its approval is {:?}", approval.status));
            }
        } else if self.baselines.get(&release) != Some(&runs) {
            return Err(format!("release {release} put back {runs}, which is not its baseline"));
        }
        self.writes.push(Write { release, runs });
        self.runs = runs;
        debug_assert_eq!(self.writes.last().map(|write| write.runs), Some(self.runs), "the last write is what runs");
        Ok(())
    }
}

/// What a function does after a call.
enum Next {
    /// One more call.
    Call,
    /// It ends; the workflow waits.
    Wait,
    /// It ends; the workflow goes on there.
    Task(Task),
    /// It ends, and with it the workflow.
    End,
}

fn time(second: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second)
}

fn id(release: usize) -> ReleaseId {
    static IDS: LazyLock<Vec<ReleaseId>> =
        LazyLock::new(|| (0..RELEASES).map(|release| ReleaseId::new(format!("web-{release}")).expect("an id")).collect());
    IDS[release].clone()
}

fn release_runs(release: usize) -> u32 {
    u32::try_from(release).expect("few") + 1
}

fn stage() -> StageName {
    StageName::new("production").expect("a name")
}

fn made(release: usize) -> Release {
    Release {
        id: id(release),
        application: ApplicationName::new("web").expect("a name"),
        image: Image {
            repository: RepositoryName::new("web").expect("a name"),
            digest: Digest::new(format!("sha256:{}", release.to_string().repeat(64))).expect("a digest"),
            tag: format!("v{release}"),
        },
    }
}

fn baseline(runs: u32) -> Baseline {
    let service = ServiceBaseline {
        service: ServiceName::new("web").expect("a name"),
        arn: ServiceArn::new("arn:aws:ecs:eu-central-1:111122223333:service/production/web").expect("an ARN"),
        task_definition: TaskDefinitionArn::new(format!("arn:aws:ecs:eu-central-1:111122223333:task-definition/web:{runs}"))
            .expect("an ARN"),
        image: String::new(),
        desired_count: 1,
        image_gone: false,
    };
    Baseline { services: vec![service], round: 1, ..Baseline::default() }
}
