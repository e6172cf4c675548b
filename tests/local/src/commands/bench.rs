//! `cargo local bench`: what Slipway's functions and releases take, beside what people would use instead.

use std::{
    collections::BTreeMap,
    fs,
    io::Cursor,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use aws_sdk_cloudwatch::types::StateValue;
use clap::Args;
use serde_json::{Value, json};
use tokio::process::Command;

use super::{
    Source, bring_up, take_down,
    trial::{approved, expect, push, release, rolled_back},
};
use crate::{
    Cloud, Pace, PushOptions, ScanResult, Settings,
    bench::{
        Case, Recording, case,
        cold::{self, ControlGroup, Program, Setting, Start},
        growth, quotas,
        report::{Function, Pair, Release, Report, SETTINGS, SHARE, Started, median, millis},
    },
    clock,
    cloud::{APPLICATION, SHOP},
    environment::Environment,
    functions, process,
    progress::{Counter, heading, long_step, note, step},
    releases::{self, Execution},
};

/// The report, and its figures.
const REPORT: [&str; 2] = ["docs/benchmarks.md", "docs/benchmarks.json"];
/// How much worse a figure may be than the recorded one before `--check` names it: machines are shared and noisy.
const TOLERANCE: f64 = 0.15;
/// What needs minutes of a processor for each start of a twin is measured for these alone: the first of a release, the one
/// with the most calls, and the one that people wait for.
const WITH_A_SHARE: [&str; 3] = ["receive-push", "deploy-services", "decide-approval"];

/// How many releases begin at one moment in the simulation, and its seed.
const FLOODS: [usize; 5] = [1, 10, 100, 300, 10_000];
const SEED: u64 = 2_026;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// How often each program is started.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    runs: u16,
    /// Only the functions whose names contain this; no report is written then.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Measure what target/release holds already, for a second run.
    #[arg(long)]
    no_build: bool,
    /// Compare with the recorded report in the place of writing one: exit code 1 where something became worse.
    #[arg(long)]
    check: bool,
}

pub(super) async fn run(settings: &Settings, arguments: &Arguments) -> anyhow::Result<()> {
    let settings = settings.of_this_run("bench");
    ensure!(cfg!(target_os = "linux"), "the memory of a process is read on Linux only: run it there");
    heading("Building what is started");
    let worked = async {
        if !arguments.no_build {
            long_step("Functions, in the release profile", build(&settings)).await?;
        }
        let python = step("The twins' Python", Environment::of_the_bench(&settings)).await?;
        heading("Starting a cloud");
        let cloud = bring_up(&settings, process::free_port()?, Pace::Quick, Source::Repository).await?;
        Box::pin(measure(&settings, &cloud, &python, arguments)).await
    };
    let report = tokio::select! {
        report = worked => report,
        () = process::interrupted() => Err(anyhow::anyhow!("interrupted")),
    };
    take_down(&settings).await?;
    let report = report?;
    println!("\n{}", report.markdown());
    let [text, figures] = REPORT.map(|file| settings.repository.join(file));
    if arguments.check {
        let earlier = fs::read(&figures).with_context(|| format!("{} cannot be read", figures.display()))?;
        let worse = report.worse_than(&serde_json::from_slice(&earlier)?, TOLERANCE);
        ensure!(worse.is_empty(), "what became worse:\n{}", worse.join("\n"));
        note("Nothing became worse.");
    } else if arguments.only.is_none() {
        fs::write(&text, report.markdown())?;
        fs::write(&figures, serde_json::to_string_pretty(&report)? + "\n")?;
        note(format!("written: {}", REPORT.join(", ")));
    }
    Ok(())
}

/// Builds the functions as they are released, and the one that does nothing: all of them with one command, as with other
/// packages cargo chooses other features of the dependencies, and builds them again.
async fn build(settings: &Settings) -> anyhow::Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--package", "bench-hello"]);
    for name in functions::names(settings)? {
        cargo.args(["--package", &name]);
    }
    process::run_shown(cargo.current_dir(&settings.repository)).await
}

async fn measure(
    settings: &Settings,
    cloud: &Cloud,
    python: &Environment,
    arguments: &Arguments,
) -> anyhow::Result<Report> {
    heading("Playing releases, and recording them");
    let Played { recording, release, shape } = Box::pin(play(cloud)).await?;
    let mut cases = case::cases(&recording, "slipway-");
    // Its command has five minutes from the recording on.
    cases.sort_by_key(|case| case.function != "verify-services");
    for name in functions::names(settings)? {
        ensure!(cases.iter().any(|case| case.function == name), "{name} was not invoked alone");
    }
    if let Some(only) = &arguments.only {
        cases.retain(|case| case.function.contains(only));
    }
    let mut report = Report {
        date: clock::now().strftime("%Y-%m-%d").to_string(),
        commit: word_of(settings, "git", &["rev-parse", "--short", "HEAD"]).await?,
        machine: machine(),
        runs: arguments.runs.into(),
        release,
        floods: FLOODS.map(|releases| quotas::flood(&shape, releases, 60.0, SEED)).to_vec(),
        ..Report::default()
    };
    heading(format!("Starting every program {} times, in turn", arguments.runs));
    let certificate = certificate(settings).await?;
    let group = match ControlGroup::make() {
        Ok(group) => Some(group),
        Err(error) => {
            note(format!("without a share of a processor: {error:#}"));
            None
        }
    };
    let mut hellos = Vec::new();
    for case in &cases {
        let programs = Programs::of(settings, cloud, python, case).await?;
        let mut function = Function {
            package: package(&programs.function)?,
            calls: case.calls.len(),
            ..Function::default()
        };
        for name in SETTINGS {
            let setting = match (name, &group) {
                ("http", _) => Setting::default(),
                (SHARE, None) => continue,
                (SHARE, Some(_)) if !WITH_A_SHARE.contains(&&*case.function) => continue,
                (SHARE, Some(group)) => {
                    Setting { certificate: Some(certificate.clone()), group: Some(group.folder().to_owned()) }
                }
                _ => Setting { certificate: Some(certificate.clone()), group: None },
            };
            let what = format!("{} ({name})", case.function);
            let started = step(&what, programs.start(case, &setting, arguments.runs)).await?;
            if name == "http" {
                hellos.extend(started.hello);
                let first = started.function.first().context("no start")?;
                function.connections = first.connections;
                function.warm_connections =
                    started.function.iter().map(|start| start.warm_connections).max().unwrap_or_default();
            }
            let pair = Pair { function: medians(&started.function), twin: Some(medians(&started.twin)) };
            function.settings.insert(name.to_owned(), pair);
        }
        report.functions.insert(case.function.clone(), function);
    }
    report.hello = medians(&hellos);
    if arguments.only.is_none() {
        heading("Applying Slipway for more and more applications");
        report.growth = growth::measure(settings, cloud.endpoint()).await?;
    }
    Ok(report)
}

/// What was played.
struct Played {
    recording: Recording,
    /// What the good release took.
    release: Release,
    /// Its invocations with their calls.
    shape: quotas::Shape,
}

/// Plays releases of both applications: good ones, one that is rolled back, one that an alarm stops; and what operators ask.
async fn play(cloud: &Cloud) -> anyhow::Result<Played> {
    // What is played again is not late then.
    configure(cloud, SHOP, |shop| {
        let production = &mut shop["stages"][2];
        production["image_check"]["wait"] = json!("2h");
        production["snapshot"]["wait"] = json!("2h");
        production["migration"]["timeout"] = json!("2h");
    })
    .await?;
    // The functions start for these, and nobody waits for a cold start afterwards.
    expect(&release(cloud, APPLICATION, &PushOptions::light("v1")).await?, "RELEASED")?;
    let folder = cloud.state().recording();
    fs::create_dir(&folder)?;
    let known = cloud.inbox()?.len();
    let pushed = cloud.push_to(APPLICATION, &PushOptions::light("v2")).await?;
    let good = step("a release", approved(cloud, &pushed.digest, known)).await?;
    expect(&good, "RELEASED")?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut release = figures(cloud, &good, pushed.at * 1_000, known).await?;
    let shape = quotas::shape(&Recording::read(&folder)?, "slipway-");

    expect(&rolled_back(cloud, APPLICATION, "v3").await?, "ROLLED_BACK")?;
    // An image of its own: a release is found by its digest.
    let known = cloud.inbox()?.len();
    let options = PushOptions { migration: Some("expand".to_owned()), ..PushOptions::light("v5") };
    let digest = push(cloud, SHOP, &options).await?;
    cloud.set_gates(|gates| drop(gates.scans.insert(digest.clone(), ScanResult::complete(&[]))))?;
    let shop = step("the release, through every gate", approved(cloud, &digest, known)).await?;
    expect(&shop, "RELEASED")?;
    let lambda = aws_sdk_lambda::Client::new(cloud.sdk());
    step("the reconciler", async {
        lambda.invoke().function_name("slipway-reconcile").send().await?;
        anyhow::Ok(())
    })
    .await?;
    step("an operator looks", async {
        let operators = cloud.operators()?;
        let _: Value = Box::pin(operators.get("applications")).await?;
        anyhow::Ok(())
    })
    .await?;
    release.alarm_to_rollback = step("a release that an alarm stops", stopped_by_an_alarm(cloud)).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let recording = Recording::read(&folder)?;
    fs::remove_dir_all(folder)?;
    Ok(Played { recording, release, shape })
}

/// Changes an application's configuration.
async fn configure(cloud: &Cloud, application: &str, change: impl FnOnce(&mut Value)) -> anyhow::Result<()> {
    let ssm = aws_sdk_ssm::Client::new(cloud.sdk());
    let name = format!("/slipway/applications/{application}");
    let configured = ssm.get_parameter().name(&name).send().await?;
    let configured = configured.parameter.and_then(|one| one.value).context("it is not configured")?;
    let mut configured: Value = serde_json::from_str(&configured)?;
    change(&mut configured);
    ssm.put_parameter().name(&name).value(configured.to_string()).overwrite(true).send().await?;
    Ok(())
}

/// Has staging bake, and its alarm fire meanwhile: the milliseconds from there to the rollback's `UpdateService`.
async fn stopped_by_an_alarm(cloud: &Cloud) -> anyhow::Result<f64> {
    const ALARM: &str = "bench-staging-5xx";
    const REASON: &str = "the bench says so";
    cloud.set_alarm(ALARM, StateValue::Ok, REASON).await?;
    configure(cloud, APPLICATION, |web| {
        web["stages"][0]["bake"] = json!({ "for": "2h", "alarms": [ALARM] });
    })
    .await?;
    let digest = push(cloud, APPLICATION, &PushOptions::light("v4")).await?;
    let release = cloud.wait_for_release(&digest, Duration::from_secs(20)).await?;
    let bakes = async {
        while !releases::steps(cloud.sdk(), &release.arn).await?.iter().any(|step| step.state == "BakeStage")
        {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // The step looks for a while before it waits to be woken.
        tokio::time::sleep(Duration::from_secs(3)).await;
        anyhow::Ok(())
    };
    tokio::time::timeout(Duration::from_secs(60), bakes).await.context("it does not bake")??;
    let fired = clock::now().as_microsecond();
    cloud.set_alarm(ALARM, StateValue::Alarm, REASON).await?;
    let ended = cloud.wait_for_outcome(&digest, Duration::from_secs(60)).await?;
    expect(&ended, "ROLLED_BACK")?;
    let recording = Recording::read(&cloud.state().recording())?.between(fired, i64::MAX);
    let update = recording
        .calls
        .iter()
        .find(|call| call.caller == "roll-back" && call.operation == "ecs:UpdateService");
    let update = update.context("nothing was rolled back")?;
    #[expect(clippy::cast_precision_loss, reason = "a rollback takes seconds")]
    Ok((update.at - fired) as f64 / 1_000.0)
}

/// What a release took, by its recording.
async fn figures(cloud: &Cloud, execution: &Execution, pushed: i64, mails: usize) -> anyhow::Result<Release> {
    let recording = Recording::read(&cloud.state().recording())?.between(pushed, i64::MAX);
    let update = |cluster: &str| {
        let update = recording.calls.iter().find(|call| {
            call.operation == "ecs:UpdateService"
                && call.request.body.as_str().is_some_and(|body| body.contains(&format!("\"{cluster}\"")))
        });
        update.map(|call| call.at).with_context(|| format!("{cluster} was not updated"))
    };
    let decision = recording.invocations.iter().rfind(|one| {
        one.function == "slipway-decide-approval" && one.event["requestContext"]["http"]["method"] == "POST"
    });
    let decision = decision.context("no decision was made")?.begun;
    let (staging, production) = (update("staging")?, update("production")?);
    let count = |from: i64, until: i64| {
        let between = recording.between(from, until);
        (between.in_a_row(), between.calls.len())
    };
    #[expect(clippy::cast_precision_loss, reason = "a release takes seconds")]
    let took = |from: i64, until: i64| (until - from) as f64 / 1_000.0;
    Ok(Release {
        push_to_staging: took(pushed, staging),
        push_to_staging_calls: count(pushed, staging),
        decision_to_production: took(decision, production),
        decision_to_production_calls: count(decision, production),
        alarm_to_rollback: 0.0,
        transitions: releases::transitions(cloud.sdk(), &execution.arn).await?.count(),
        invocations: recording.invocations.len(),
        billed: recording.billed(),
        requests: recording.table_requests(),
        mails: cloud.inbox()?.len() - mails,
    })
}

/// A function, and what it is compared with.
struct Programs {
    hello: Program,
    function: Program,
    twin: Program,
    /// The twin's calls, which it reads.
    _calls: tempfile::NamedTempFile,
}

#[derive(Default)]
struct Starts {
    hello: Vec<Start>,
    function: Vec<Start>,
    twin: Vec<Start>,
}

impl Programs {
    async fn of(
        settings: &Settings,
        cloud: &Cloud,
        python: &Environment,
        case: &Case,
    ) -> anyhow::Result<Self> {
        let built = |name: &str| settings.target.join("release").join(name);
        let deployed = aws_sdk_lambda::Client::new(cloud.sdk())
            .get_function_configuration()
            .function_name(format!("slipway-{}", case.function))
            .send()
            .await?;
        let environment: BTreeMap<_, _> =
            deployed.environment.and_then(|one| one.variables).unwrap_or_default().into_iter().collect();
        let program = |name: &str, command: Vec<PathBuf>, environment: BTreeMap<String, String>| Program {
            name: name.to_owned(),
            command: command.into_iter().map(Into::into).collect(),
            environment,
        };
        let calls = tempfile::NamedTempFile::new()?;
        serde_json::to_writer(calls.as_file(), &case.calls)?;
        let twins = BTreeMap::from([
            ("SLIPWAY_BENCH_CALLS".to_owned(), calls.path().to_string_lossy().into_owned()),
            ("PYTHONPATH".to_owned(), settings.repository.join("tests/bench").to_string_lossy().into_owned()),
            ("_HANDLER".to_owned(), "twin.handler".to_owned()),
        ]);
        let mut twin = program(&format!("{}'s twin", case.function), vec![python.program("python")], twins);
        // Its modules are compiled in advance, as a package has them.
        twin.command.extend(["-m", "awslambdaric", "twin.handler"].map(Into::into));
        Ok(Self {
            hello: program("hello", vec![built("bench-hello")], BTreeMap::new()),
            function: program(&case.function, vec![built(&case.function)], environment),
            twin,
            _calls: calls,
        })
    }

    /// Starts each of them as often, in turn; a first round is not counted.
    async fn start(&self, case: &Case, setting: &Setting, runs: u16) -> anyhow::Result<Starts> {
        let mut starts = Starts::default();
        let mut counter = Counter::default();
        (0..=runs).for_each(|_| counter.expect());
        for run in 0..=runs {
            let hello = cold::start(&self.hello, case, setting).await?;
            let function = cold::start(&self.function, case, setting).await?;
            let twin = cold::start(&self.twin, case, setting).await?;
            ensure!(
                function.calls == case.calls.len(),
                "{} made {} calls, and {} while it was recorded",
                case.function,
                function.calls,
                case.calls.len()
            );
            ensure!(
                twin.calls == case.calls.len(),
                "the twin of {} made {} calls, and not {}",
                case.function,
                twin.calls,
                case.calls.len()
            );
            if run > 0 {
                starts.hello.push(hello);
                starts.function.push(function);
                starts.twin.push(twin);
            }
            counter.done();
        }
        counter.clear();
        Ok(starts)
    }
}

fn medians(starts: &[Start]) -> Started {
    let of = |figure: &dyn Fn(&Start) -> f64| median(starts.iter().map(figure).collect());
    #[expect(clippy::cast_precision_loss, reason = "a process has less memory than 2^53 KiB")]
    let memory = starts.iter().map(|start| start.memory).max().unwrap_or_default() as f64 / 1_024.0;
    Started {
        ready: of(&|start| millis(start.ready)),
        answered: of(&|start| millis(start.answered)),
        warm: of(&|start| millis(start.warm)),
        memory,
    }
}

/// The size of a program's package, in millions of bytes.
fn package(program: &Program) -> anyhow::Result<f64> {
    let file = program.command.first().context("a program without a command")?;
    let package = functions::write_package(Cursor::new(Vec::new()), Path::new(file), None)?;
    #[expect(clippy::cast_precision_loss, reason = "a package has some millions of bytes")]
    let size = package.into_inner().len() as f64;
    Ok(size / 1e6)
}

/// A certificate of `localhost`, and a file of authorities that has its own among the system's: a store of one is read faster
/// than Lambda's is.
async fn certificate(settings: &Settings) -> anyhow::Result<PathBuf> {
    const SYSTEM: [&str; 2] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];
    let folder = settings.state.join("certificate");
    fs::create_dir_all(&folder)?;
    let python = Environment::made(settings).program("python");
    let mut trustme = Command::new(python);
    trustme.args(["-m", "trustme", "--quiet", "-i", "localhost", "-d"]).arg(&folder);
    process::run(&mut trustme, &settings.shared().join("certificate.log")).await?;
    let mut authorities = fs::read(folder.join("client.pem"))?;
    let system = SYSTEM
        .iter()
        .find_map(|file| fs::read(file).ok())
        .context("this machine has no file of certificate authorities: install ca-certificates")?;
    authorities.extend(system);
    fs::write(folder.join("authorities.pem"), authorities)?;
    Ok(folder)
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let model = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?.to_owned();
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    format!(
        "{cores} cores of {} ({})",
        model.unwrap_or_else(|| "a processor".to_owned()),
        std::env::consts::ARCH
    )
}

async fn word_of(settings: &Settings, program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let answer = Command::new(program).args(arguments).current_dir(&settings.repository).output().await?;
    if !answer.status.success() {
        bail!("`{program} {}` failed", arguments.join(" "));
    }
    Ok(String::from_utf8_lossy(&answer.stdout).trim().to_owned())
}
