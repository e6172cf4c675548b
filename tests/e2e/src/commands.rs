//! `cargo faults …`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use slipway_local::wire::Entry;
use slipway_local::{Cloud, Settings};

use crate::flood;
use crate::invariants::broken;
use crate::matrix::cells;
use crate::play::Stand;
use crate::points::{Point, kept as kept_points, points};
use crate::record::Record;
use crate::report::{Part, Report, Run, minutes};
use crate::schedule::{Schedule, Story, Subject};
use crate::seeds;

/// Releases on the local cloud while calls fail, functions die and events are lost. Start one with
/// `cargo local up --quick`.
#[derive(Debug, Parser)]
#[command(name = "cargo faults", bin_name = "cargo faults")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Fail every call of a release once before and once after its effect, refuse every operation of every function to
    /// the end, and run every function twice.
    Matrix(MatrixArguments),
    /// Play random runs of two pushes and three faults.
    Seeds(SeedsArguments),
    /// Play the run of one seed again.
    Seed {
        /// The seed.
        seed: u64,
        /// Its application.
        #[arg(long, default_value = "web")]
        subject: Subject,
    },
    /// Write down the calls that random runs break.
    Calls,
    /// Release every application of `cargo local up --applications 300` at one moment; one person is asked for all.
    Flood,
    /// Show the trace of a story without a fault.
    Trace {
        /// The story.
        #[arg(default_value = "good")]
        story: Story,
    },
}

#[derive(Debug, Args)]
struct MatrixArguments {
    /// Only the runs whose names contain this.
    #[arg(long)]
    only: Option<String>,
    /// Only these stories.
    #[arg(long)]
    story: Vec<Story>,
    /// Not those that an earlier command played, and in which everything held.
    #[arg(long)]
    resume: bool,
    /// Do not play: show the runs' names.
    #[arg(long)]
    list: bool,
}

#[derive(Debug, Args)]
struct SeedsArguments {
    /// How many.
    #[arg(long, default_value_t = 200)]
    count: u64,
    /// The first.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// The application.
    #[arg(long, default_value = "web")]
    subject: Subject,
    /// Do not play: show what is done and broken in each.
    #[arg(long)]
    list: bool,
    /// Not those that an earlier command played, and in which everything held.
    #[arg(long)]
    resume: bool,
}

/// Runs what the command line says. An invariant that did not hold is a failure.
pub async fn run() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Matrix(arguments) => matrix(&arguments).await,
        Command::Seeds(arguments) => many_seeds(&arguments).await,
        Command::Seed { seed, subject } => one_seed(subject, seed).await,
        Command::Calls => calls().await,
        Command::Flood => flood().await,
        Command::Trace { story } => trace(story).await,
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn matrix(arguments: &MatrixArguments) -> anyhow::Result<bool> {
    let kept = Kept::find()?;
    let stories = if arguments.story.is_empty() { Story::ALL.to_vec() } else { arguments.story.clone() };
    let stand = Stand::set_up(&stories.iter().map(|story| story.subject()).collect()).await?;
    let mut cells = cells(&stand, &stories).await?;
    if let Some(only) = &arguments.only {
        cells.retain(|cell| cell.to_string().contains(only.as_str()));
    }
    if arguments.resume {
        let earlier: BTreeSet<_> = kept.read()?.matrix.held().iter().map(|name| place(name)).collect();
        cells.retain(|cell| !earlier.contains(&place(&cell.to_string())));
    }
    if arguments.list {
        for cell in &cells {
            println!("{cell}");
        }
        return Ok(true);
    }
    let mut progress = Progress::of(cells.len());
    let mut part = Part::default();
    for cell in &cells {
        let name = cell.to_string();
        progress.begin(&name);
        let replay = format!("cargo faults matrix --only '{name}'");
        let (function, operation) = cell.row();
        let run = Run {
            on: today(),
            name,
            function,
            operation,
            fault: cell.fault(),
            outcomes: vec![],
            broken: 0,
            took: 0,
            violations: vec![],
        };
        let run = play(&stand, &cell.schedule(), run, &replay).await?;
        progress.end(&run);
        kept.keep(&run, |report| &mut report.matrix)?;
        part.runs.push(run);
    }
    Ok(progress.summary(&part))
}

/// The name of a run without the way in which its call fails: which of two ways it is depends on the trace of the day.
fn place(name: &str) -> String {
    let before = name.replace("kill-before", "before").replace("refuse-before", "before");
    before.replace("kill-after", "after").replace("lose-answer", "after")
}

async fn many_seeds(arguments: &SeedsArguments) -> anyhow::Result<bool> {
    let subject = arguments.subject;
    let kept = Kept::find()?;
    let points = kept_points(subject)?;
    let earlier = if arguments.resume { kept.read()?.seeds.held() } else { BTreeSet::new() };
    let all = (arguments.from..arguments.from + arguments.count)
        .filter(|seed| !earlier.contains(&seed_name(subject, *seed)));
    let all: Vec<u64> = all.collect();
    if arguments.list {
        for seed in all {
            println!("{}\n{}", seed_name(subject, seed), seeds::schedule(subject, seed, &points));
        }
        return Ok(true);
    }
    let stand = Stand::set_up(&BTreeSet::from([subject])).await?;
    let mut progress = Progress::of(all.len());
    let mut part = Part::default();
    for seed in all {
        progress.begin(&seed_name(subject, seed));
        let run = play_seed(&stand, subject, seed, &points).await?;
        progress.end(&run);
        kept.keep(&run, |report| &mut report.seeds)?;
        part.runs.push(run);
    }
    Ok(progress.summary(&part))
}

async fn one_seed(subject: Subject, seed: u64) -> anyhow::Result<bool> {
    let points = kept_points(subject)?;
    let stand = Stand::set_up(&BTreeSet::from([subject])).await?;
    print!("{}", seeds::schedule(subject, seed, &points));
    let run = play_seed(&stand, subject, seed, &points).await?;
    println!("{}: {}", run.name, run.outcomes.join(", "));
    Ok(run.violations.is_empty())
}

async fn trace(story: Story) -> anyhow::Result<bool> {
    let stand = Stand::set_up(&BTreeSet::from([story.subject()])).await?;
    let record = stand.play(&story.schedule()).await?;
    for entry in &record.trace {
        println!("{entry}");
    }
    println!("{}", outcomes(&record).join(", "));
    let violations = broken(&record);
    for violation in &violations {
        println!("✗ {violation}");
    }
    Ok(violations.is_empty())
}

async fn flood() -> anyhow::Result<bool> {
    let played = flood::play(&Cloud::find().await?).await?;
    println!("{}", played.in_words());
    Ok(played.is_good())
}

/// Writes down the calls of each application's good release, of one that is rolled back, and of one that is aborted.
async fn calls() -> anyhow::Result<bool> {
    let stand = Stand::set_up(&BTreeSet::from(Subject::ALL)).await?;
    for subject in Subject::ALL {
        let mut all = BTreeSet::new();
        for story in [Story::Good, Story::Bad, Story::Aborted, Story::Gates, Story::BadGates] {
            if story.subject() == subject {
                all.extend(points(&stand.play(&story.schedule()).await?.trace));
            }
        }
        // Which call comes third is not the same in every run of a story.
        let lines: Vec<_> =
            all.iter().filter(|point| point.nth <= 2).map(|point| format!("{point}\n")).collect();
        let folder = Settings::discover(None)?.repository.join("tests/e2e/src/calls");
        let file = folder.join(format!("{}.txt", subject.name()));
        std::fs::write(&file, lines.concat())
            .with_context(|| format!("{} cannot be written", file.display()))?;
        println!("{} calls in {}", lines.len(), file.display());
    }
    Ok(true)
}

fn seed_name(subject: Subject, seed: u64) -> String {
    match subject {
        Subject::Web => format!("seed {seed}"),
        Subject::Shop => format!("seed {seed} of {}", subject.name()),
    }
}

async fn play_seed(stand: &Stand, subject: Subject, seed: u64, points: &[Point]) -> anyhow::Result<Run> {
    let run = Run {
        on: today(),
        name: seed_name(subject, seed),
        function: String::new(),
        operation: String::new(),
        fault: "seed".to_owned(),
        outcomes: vec![],
        broken: 0,
        took: 0,
        violations: vec![],
    };
    let replay = format!("cargo faults seed {seed} --subject {}", subject.name());
    play(stand, &seeds::schedule(subject, seed, points), run, &replay).await
}

/// Plays a run and judges it. One that did not hold shows its trace and how to play it again, and is cleaned up after.
async fn play(stand: &Stand, schedule: &Schedule, mut run: Run, replay: &str) -> anyhow::Result<Run> {
    let began = Instant::now();
    let played = stand.play(schedule).await;
    run.took = u64::try_from(began.elapsed().as_millis())?;
    match played {
        Ok(record) => {
            run.outcomes = outcomes(&record);
            run.broken = record.trace.iter().filter(|entry| entry.is_broken()).count();
            run.violations = broken(&record);
            if !run.violations.is_empty() {
                show(&run, schedule, &record.trace, replay);
            }
        }
        Err(error) => {
            run.violations = vec![format!("an outcome is always reached: {error:#}")];
            show(&run, schedule, &[], replay);
        }
    }
    // What a person is asked to repair is no beginning for the next run.
    if !run.violations.is_empty() || run.outcomes.iter().any(|outcome| outcome == "STUCK") {
        stand.clean(schedule.subject).await.context("the cloud could not be returned to a good release")?;
    }
    Ok(run)
}

/// The outcomes, in the order in which the images were pushed.
fn outcomes(record: &Record) -> Vec<String> {
    let mut releases: Vec<_> = record.releases.iter().collect();
    releases.sort_by_key(|release| release.started.as_ref().map(|started| started.pushed_at));
    releases.into_iter().map(|release| release.outcome().to_owned()).collect()
}

fn show(run: &Run, schedule: &Schedule, trace: &[Entry], replay: &str) {
    println!("\n✗ {}\n{schedule}", run.name);
    for entry in trace {
        println!("{entry}");
    }
    for violation in &run.violations {
        println!("✗ {violation}");
    }
    println!("  play it again: {replay}\n");
}

/// How far a command is.
struct Progress {
    all: usize,
    done: usize,
    failed: usize,
    began: Instant,
}

impl Progress {
    fn of(all: usize) -> Self {
        Self { all, done: 0, failed: 0, began: Instant::now() }
    }

    fn begin(&mut self, name: &str) {
        self.done += 1;
        let left = match u32::try_from(self.done - 1) {
            Ok(done) if done > 0 => {
                self.began.elapsed() / done * u32::try_from(self.all - self.done + 1).unwrap_or(u32::MAX)
            }
            _ => Duration::ZERO,
        };
        println!("{:>4} of {}, {} left: {name}", self.done, self.all, minutes(left));
    }

    fn end(&mut self, run: &Run) {
        let missed = if run.broken == 0 && run.fault != "twice" { ", and nothing was broken" } else { "" };
        println!("     {}{missed}", run.outcomes.join(", "));
        self.failed += usize::from(!run.violations.is_empty());
    }

    fn summary(&self, part: &Part) -> bool {
        println!(
            "\n{} runs in {}; an invariant did not hold in {}",
            part.runs.len(),
            minutes(self.began.elapsed()),
            self.failed
        );
        for run in part.runs.iter().filter(|run| !run.violations.is_empty()) {
            println!("✗ {}: {}", run.name, run.violations.join("; "));
        }
        self.failed == 0
    }
}

/// Where the runs and the report are kept.
struct Kept {
    runs: PathBuf,
    report: PathBuf,
}

impl Kept {
    fn find() -> anyhow::Result<Self> {
        let settings = Settings::discover(None)?;
        let folder = settings.repository.join("tests/e2e");
        Ok(Self { runs: folder.join("faults.jsonl"), report: folder.join("faults.md") })
    }

    /// What earlier commands ran.
    fn read(&self) -> anyhow::Result<Report> {
        let file = self.open()?;
        file.lock_shared()?;
        self.parse()
    }

    /// Writes the report with one more run. What an earlier command ran stays in it.
    fn keep(&self, run: &Run, part: impl Fn(&mut Report) -> &mut Part) -> anyhow::Result<()> {
        // Two commands may run at once, each on a cloud of its own.
        let file = self.open()?;
        file.lock()?;
        let mut report = self.parse()?;
        part(&mut report).take(std::slice::from_ref(run));
        std::fs::write(&self.runs, report.kept()?)?;
        std::fs::write(&self.report, report.document())
            .with_context(|| format!("{} cannot be written", self.report.display()))
    }

    fn open(&self) -> anyhow::Result<std::fs::File> {
        std::fs::File::open(&self.runs).with_context(|| format!("{} cannot be read", self.runs.display()))
    }

    fn parse(&self) -> anyhow::Result<Report> {
        Report::read(&std::fs::read_to_string(&self.runs)?)
            .with_context(|| format!("{} is not what was kept", self.runs.display()))
    }
}

fn today() -> String {
    slipway_local::clock::now().strftime("%Y-%m-%d").to_string()
}
