//! The report: `docs/benchmarks.md` for people, `docs/benchmarks.json` for `cargo local bench --check`.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    growth::{Growth, LIMITED},
    quotas::Flood,
};

/// What a run of the benchmarks measured.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Report {
    /// The day, such as `2026-11-28`.
    pub date: String,
    /// The commit, in short.
    pub commit: String,
    /// The machine.
    pub machine: String,
    /// How many starts of each program were measured.
    pub runs: usize,
    /// The function in Rust that does nothing.
    pub hello: Started,
    /// Each function.
    pub functions: BTreeMap<String, Function>,
    /// What a release took and cost.
    pub release: Release,
    /// Many releases at one moment, by a simulation of the account's quotas.
    #[serde(default)]
    pub floods: Vec<Flood>,
    /// What Terraform has for more and more applications.
    #[serde(default)]
    pub growth: Vec<Growth>,
}

/// The medians of a program's starts, in milliseconds, and its most memory.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Started {
    /// Until it asked for an event.
    pub ready: f64,
    /// Until it had answered the first one.
    pub answered: f64,
    /// The next event to its answer.
    pub warm: f64,
    /// The most memory, in MiB.
    pub memory: f64,
}

/// A function beside its twin.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Function {
    /// The size of its package, in MB.
    pub package: f64,
    /// Its calls of AWS in the recorded invocation.
    pub calls: usize,
    /// The connections that its init and its first invocation opened.
    pub connections: usize,
    /// The connections that a warm invocation opened.
    pub warm_connections: usize,
    /// Itself and its twin in each setting: `http`, `tls`, `tls, 256 MiB`.
    pub settings: BTreeMap<String, Pair>,
}

/// A function and its twin in Python, started in turn.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Pair {
    /// The function.
    pub function: Started,
    /// Its twin; nothing where none was started.
    pub twin: Option<Started>,
}

impl Pair {
    /// How much earlier the function has answered than its twin.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        Some(self.twin?.answered / self.function.answered)
    }
}

/// What a release of two stages took and cost.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Release {
    /// From the end of the push to staging's `UpdateService`, in milliseconds.
    pub push_to_staging: f64,
    /// The calls between both, one after the other, and in all.
    pub push_to_staging_calls: (usize, usize),
    /// From the decision to production's `UpdateService`, in milliseconds.
    pub decision_to_production: f64,
    /// The calls between both, one after the other, and in all.
    pub decision_to_production_calls: (usize, usize),
    /// From the alarm to the rollback's `UpdateService`, in milliseconds.
    pub alarm_to_rollback: f64,
    /// The workflow's transitions.
    pub transitions: usize,
    /// The functions' invocations.
    pub invocations: usize,
    /// What they took together, as Lambda bills it, in milliseconds.
    pub billed: u64,
    /// DynamoDB's requests that write, and that read.
    pub requests: (usize, usize),
    /// The mails.
    pub mails: usize,
}

/// AWS's prices in us-east-1, as infra/README.md has them with their sources.
mod price {
    pub(super) const TRANSITION: f64 = 0.025 / 1_000.0;
    pub(super) const INVOCATION: f64 = 0.20 / 1e6;
    /// Of 256 MiB for a millisecond, arm64.
    pub(super) const MILLISECOND: f64 = 0.000_013_333_4 * 0.25 / 1_000.0;
    pub(super) const WRITE: f64 = 0.625 / 1e6;
    pub(super) const READ: f64 = 0.125 / 1e6;
    pub(super) const MAIL: f64 = 2.0 / 100_000.0;
    /// Of `CodePipeline` V2, for each minute of an action, rounded up ("AWS `CodePipeline` pricing").
    pub(super) const ACTION_MINUTE: f64 = 0.002;
}

impl Release {
    /// What it costs, in dollars.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of a release are small")]
    pub fn dollars(&self) -> f64 {
        self.transitions as f64 * price::TRANSITION
            + self.invocations as f64 * price::INVOCATION
            + self.billed as f64 * price::MILLISECOND
            + self.requests.0 as f64 * price::WRITE
            + self.requests.1 as f64 * price::READ
            + self.mails as f64 * price::MAIL
    }
}

/// What the same flow costs in `CodePipeline` V2: a source action, a deployment to ECS in each of two stages that takes five
/// minutes, and an approval between them. An approval's minutes are not paid.
#[must_use]
pub fn pipeline_dollars() -> f64 {
    let minutes = 1.0 + 5.0 + 5.0;
    minutes * price::ACTION_MINUTE
}

/// The middle one of some figures.
#[must_use]
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match figures.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => figures[middle],
        _ => f64::midpoint(figures[middle - 1], figures[middle]),
    }
}

/// Milliseconds.
#[must_use]
pub fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// A bar, and whether a run met it.
struct Bar {
    what: String,
    limit: String,
    seen: String,
    met: bool,
}

impl Report {
    /// The report for people.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = format!(
            "# Benchmarks\n\nMade by `cargo local bench`; do not edit. {}, commit {}, {}: {} starts of each program, \
             medians, and what is compared was started in turn.\n\n",
            self.date, self.commit, self.machine, self.runs
        );
        text.push_str("## Bars\n\n| what | bar | seen | met |\n| --- | --- | --- | --- |\n");
        for Bar { what, limit, seen, met } in self.bars() {
            let _ = writeln!(text, "| {what} | {limit} | {seen} | {} |", if met { "yes" } else { "**no**" });
        }
        let _ = write!(
            text,
            "\n## Cold starts\n\nA process is started with a recorded event in front of an endpoint that answers at once. \
             *Ready* is when it asks Lambda for an event, *first answer* when it has made its calls of AWS and answered. \
             Hello-world in Rust is ready after {:.1} ms and has {:.1} MiB. The twin in Python (AWS's runtime client and \
             boto3) makes the same calls and does nothing else.\n\n",
            self.hello.ready, self.hello.memory
        );
        text.push_str(
            "| function | ready | × hello | calls | first answer | twin | × | TLS | twin | × | a seventh of a processor | \
             twin | × | warm | MiB | MB |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | \
             --- | --- | --- |\n",
        );
        for (name, function) in &self.functions {
            let plain = function.settings.get("http").copied().unwrap_or_default();
            let _ = write!(
                text,
                "| `{name}` | {:.1} | {:.2} | {} ",
                plain.function.ready,
                plain.function.ready / self.hello.ready,
                function.calls
            );
            for setting in SETTINGS {
                match function.settings.get(setting) {
                    Some(pair) => {
                        let twin = pair.twin.map_or("–".to_owned(), |twin| format!("{:.0}", twin.answered));
                        let ratio = pair.ratio().map_or("–".to_owned(), |ratio| format!("{ratio:.0}"));
                        let _ = write!(text, "| {:.1} | {twin} | {ratio} ", pair.function.answered);
                    }
                    None => text.push_str("| – | – | – "),
                }
            }
            let _ = writeln!(
                text,
                "| {:.1} | {:.1} | {:.2} |",
                plain.function.warm, plain.function.memory, function.package
            );
        }
        text.push_str("\nTimes in milliseconds; a package's megabytes are millions of bytes, zipped.\n");
        let release = &self.release;
        let _ = write!(
            text,
            "\n## A release\n\nOf two stages with an approval, on the local cloud, functions warm.\n\n\
             | what | seen |\n| --- | --- |\n\
             | push → staging's UpdateService | {:.0} ms, {} calls in a row, {} in all |\n\
             | decision → production's UpdateService | {:.0} ms, {} calls in a row, {} in all |\n\
             | alarm → the rollback's UpdateService | {:.0} ms |\n\
             | transitions | {} |\n| invocations | {}, billed as {} ms |\n\
             | DynamoDB | {} requests that write, {} that read |\n| mails | {} |\n\
             | dollars, at AWS's prices in us-east-1 | ${:.5} |\n\
             | CodePipeline V2, the same flow | ${:.3}, which is {:.0} × as much |\n",
            release.push_to_staging,
            release.push_to_staging_calls.0,
            release.push_to_staging_calls.1,
            release.decision_to_production,
            release.decision_to_production_calls.0,
            release.decision_to_production_calls.1,
            release.alarm_to_rollback,
            release.transitions,
            release.invocations,
            release.billed,
            release.requests.0,
            release.requests.1,
            release.mails,
            release.dollars(),
            pipeline_dollars(),
            pipeline_dollars() / release.dollars()
        );
        text.push_str(
            "\n## Many at one moment\n\nA simulation of an account's quotas (`tests/local/src/wire/rates.rs`) with the calls of \
             the release above. All begin within a minute, and nothing else uses the quotas.\n\n\
             | releases | reach their end | throttled to failure | the last one ends after | calls of each | further attempts of \
             each | the quota that binds |\n| --- | --- | --- | --- | --- | --- | --- |\n",
        );
        for flood in &self.floods {
            let binds = flood.binds.as_ref().map_or("none".to_owned(), |(operation, throttled)| {
                format!("`{operation}`, {throttled} calls throttled")
            });
            let _ = writeln!(
                text,
                "| {} | {} | {} | {:.0} s | {:.0} | {:.1} | {binds} |",
                flood.releases, flood.ended, flood.failed, flood.seconds, flood.calls, flood.attempts
            );
        }
        self.write_growth(&mut text);
        text
    }

    fn write_growth(&self, text: &mut String) {
        text.push_str(
            "\n## More applications\n\nSlipway alone, applied on the local cloud; the services stand elsewhere. The largest of each \
             kind that AWS limits, in characters.\n\n| applications | resources | `terraform plan` |",
        );
        for (name, _, _, limit) in LIMITED {
            let _ = write!(text, " {name} (at most {limit}) |");
        }
        let _ = writeln!(text, "\n| --- | --- | --- |{}", " --- |".repeat(LIMITED.len()));
        for growth in &self.growth {
            let _ = write!(text, "| {} | {} | {:.1} s |", growth.applications, growth.resources, growth.plan);
            for largest in &growth.largest {
                let _ = write!(text, " {largest} |");
            }
            text.push('\n');
        }
        let Some(last) = self.growth.last() else { return };
        let _ = writeln!(text, "\nWhat is longer for {} applications than for one:\n", last.applications);
        for (attribute, size) in &last.grown {
            let _ = writeln!(text, "* `{attribute}`: {size} characters");
        }
        if last.grown.is_empty() {
            text.push_str("* nothing\n");
        }
    }

    fn bars(&self) -> Vec<Bar> {
        let mut bars = Vec::new();
        let worst = |figure: &dyn Fn(&Function) -> Option<f64>, larger: bool| {
            let figures = self.functions.iter().filter_map(|(name, one)| Some((name, figure(one)?)));
            figures.reduce(|worst, one| if (one.1 > worst.1) == larger { one } else { worst })
        };
        let mut at_most = |what: &str, bar: f64, unit: &str, figure: &dyn Fn(&Function) -> Option<f64>| {
            if let Some((name, seen)) = worst(figure, true) {
                bars.push(Bar {
                    what: what.to_owned(),
                    limit: format!("≤ {bar}{unit}"),
                    seen: format!("{seen:.2}{unit} (`{name}`)"),
                    met: seen <= bar,
                });
            }
        };
        at_most("cold start to ready, against hello-world Rust", 1.5, " ×", &|one| {
            Some(one.settings.get("http")?.function.ready / self.hello.ready)
        });
        at_most("package of a function", 2.5, " MB", &|one| Some(one.package));
        at_most("peak memory of a function", 14.0, " MiB", &|one| {
            Some(one.settings.get("http")?.function.memory)
        });
        #[expect(clippy::cast_precision_loss, reason = "a function opens a few connections")]
        at_most("new connections in a warm invocation", 0.0, "", &|one| Some(one.warm_connections as f64));
        for (setting, words, bar) in [
            ("http", "cold start to first answer, against the Python twin", 30.0),
            ("tls", "the same over TLS", 25.0),
            (SHARE, "the same over TLS with a 256 MiB function's share of a processor", 25.0),
        ] {
            if let Some((name, seen)) = worst(&|one| one.settings.get(setting)?.ratio(), false) {
                bars.push(Bar {
                    what: words.to_owned(),
                    limit: format!("≥ {bar} ×"),
                    seen: format!("{seen:.1} × (`{name}`)"),
                    met: seen >= bar,
                });
            }
        }
        let all: f64 = self.functions.values().map(|one| one.package).sum();
        bars.push(Bar {
            what: "all packages".to_owned(),
            limit: "≤ 42 MB".to_owned(),
            seen: format!("{all:.1} MB"),
            met: all <= 42.0,
        });
        if let Some(last) = self.growth.last() {
            let grown: Vec<_> =
                last.grown.keys().filter(|attribute| is_limited(attribute)).cloned().collect();
            bars.push(Bar {
                what: format!(
                    "growth of a policy, pattern or variable from 1 to {} applications",
                    last.applications
                ),
                limit: "none".to_owned(),
                met: grown.is_empty(),
                seen: if grown.is_empty() { "none".to_owned() } else { grown.join(", ") },
            });
        }
        let release = &self.release;
        bars.push(Bar {
            what: "push → staging's UpdateService, warm".to_owned(),
            limit: "≤ 400 ms, ≤ 14 calls in a row".to_owned(),
            seen: format!("{:.0} ms, {} calls", release.push_to_staging, release.push_to_staging_calls.0),
            met: release.push_to_staging <= 400.0 && release.push_to_staging_calls.0 <= 14,
        });
        bars.push(Bar {
            what: "transitions of a release of two stages with an approval".to_owned(),
            limit: "≤ 25".to_owned(),
            seen: release.transitions.to_string(),
            met: release.transitions <= 25,
        });
        bars.push(Bar {
            what: "dollars of a release".to_owned(),
            limit: "≤ $0.0008, ≥ 25 × below CodePipeline V2".to_owned(),
            seen: format!("${:.5}, {:.0} ×", release.dollars(), pipeline_dollars() / release.dollars()),
            met: release.dollars() <= 0.000_8 && pipeline_dollars() / release.dollars() >= 25.0,
        });
        bars
    }

    /// What became worse than an earlier report by more than the given part, in ratios and counts alone: another machine has
    /// other milliseconds.
    #[must_use]
    pub fn worse_than(&self, earlier: &Self, part: f64) -> Vec<String> {
        let mut worse = Vec::new();
        let mut compare = |what: String, now: f64, before: f64, larger_is_worse: bool| {
            let is_worse =
                if larger_is_worse { now > before * (1.0 + part) } else { now < before * (1.0 - part) };
            if is_worse {
                worse.push(format!("{what}: {now:.2}, and {before:.2} before"));
            }
        };
        for (name, now) in &self.functions {
            let Some(before) = earlier.functions.get(name) else { continue };
            compare(format!("{name}, megabytes of its package"), now.package, before.package, true);
            for (setting, pair) in &now.settings {
                let Some(was) = before.settings.get(setting) else { continue };
                if setting == "http" {
                    let ready = |pair: &Pair, report: &Self| pair.function.ready / report.hello.ready;
                    let (now, before) = (ready(pair, self), ready(was, earlier));
                    compare(format!("{name}, ready against hello-world"), now, before, true);
                    let (now, before) = (pair.function.memory, was.function.memory);
                    compare(format!("{name}, MiB"), now, before, true);
                }
                if let (Some(now), Some(before)) = (pair.ratio(), was.ratio()) {
                    compare(format!("{name}, its twin against it by {setting}"), now, before, false);
                }
            }
        }
        // What can be counted is compared exactly.
        let mut count = |what: &str, now: usize, before: usize| {
            if now > before {
                worse.push(format!("{what}: {now}, and {before} before"));
            }
        };
        for (name, now) in &self.functions {
            let Some(before) = earlier.functions.get(name) else { continue };
            count(&format!("{name}, calls"), now.calls, before.calls);
            count(&format!("{name}, connections"), now.connections, before.connections);
            count(&format!("{name}, connections while warm"), now.warm_connections, before.warm_connections);
        }
        let (now, before) = (&self.release, &earlier.release);
        count("a release's transitions", now.transitions, before.transitions);
        count("a release's invocations", now.invocations, before.invocations);
        count(
            "a release's calls in a row from the push",
            now.push_to_staging_calls.0,
            before.push_to_staging_calls.0,
        );
        count("a release's calls from the push", now.push_to_staging_calls.1, before.push_to_staging_calls.1);
        count("a release's requests that write", now.requests.0, before.requests.0);
        count("a release's requests that read", now.requests.1, before.requests.1);
        count("a release's mails", now.mails, before.mails);
        worse
    }
}

/// Whether an attribute is a policy, a pattern, a variable or the workflow, so that AWS limits it: what else grows, such as a
/// dashboard, stops nothing.
fn is_limited(attribute: &str) -> bool {
    const KINDS: [&str; 5] = ["policy", "event_pattern", "environment", "definition", "filter_policy"];
    attribute.rsplit('.').next().is_some_and(|last| KINDS.contains(&last))
}

/// A setting with the share of a processor of a 256 MiB function.
pub const SHARE: &str = "tls, 256 MiB";
/// The settings, in the report's order.
pub const SETTINGS: [&str; 3] = ["http", "tls", SHARE];

#[cfg(test)]
mod tests {
    use super::*;

    fn report(ready: f64, twin: f64, package: f64) -> Report {
        let started = |answered| Started { ready, answered, warm: 1.0, memory: 10.0 };
        let pair = Pair { function: started(10.0), twin: Some(started(twin)) };
        let settings = BTreeMap::from([("http".to_owned(), pair)]);
        let function = Function { package, settings, ..Function::default() };
        Report {
            hello: Started { ready: 2.0, ..Started::default() },
            functions: BTreeMap::from([("roll-back".to_owned(), function)]),
            ..Report::default()
        }
    }

    #[test]
    fn the_middle_of_some_figures_is_their_median() {
        let middles = [vec![3.0, 1.0, 2.0], vec![4.0, 1.0, 2.0, 3.0], vec![]].map(median);

        assert_eq!(format!("{middles:?}"), "[2.0, 2.5, 0.0]");
    }

    #[test]
    fn what_became_worse_is_named_and_what_did_not_is_not() {
        let before = report(3.0, 300.0, 2.0);

        assert_eq!(report(3.1, 295.0, 2.0).worse_than(&before, 0.1), Vec::<String>::new());
        assert_eq!(
            report(4.0, 200.0, 2.5).worse_than(&before, 0.1),
            [
                "roll-back, megabytes of its package: 2.50, and 2.00 before",
                "roll-back, ready against hello-world: 2.00, and 1.50 before",
                "roll-back, its twin against it by http: 20.00, and 30.00 before",
            ]
        );
    }

    #[test]
    fn a_bar_that_is_not_met_is_said() {
        let text = report(4.0, 200.0, 2.0).markdown();

        assert!(
            text.contains(
                "| cold start to ready, against hello-world Rust | ≤ 1.5 × | 2.00 × (`roll-back`) | **no** |"
            ),
            "{text}"
        );
        assert!(
            text.contains("| package of a function | ≤ 2.5 MB | 2.00 MB (`roll-back`) | yes |"),
            "{text}"
        );
    }

    #[test]
    fn a_policy_that_grows_with_the_applications_misses_its_bar_and_a_dashboard_does_not() {
        let growth = |attribute: &str| {
            let grown = BTreeMap::from([(attribute.to_owned(), 9_000)]);
            let growth = Growth { applications: 300, grown, ..Growth::default() };
            Report { growth: vec![growth], ..Report::default() }.markdown()
        };

        let bar = "| growth of a policy, pattern or variable from 1 to 300 applications | none |";
        assert!(
            growth("aws_iam_role_policy.this.policy")
                .contains(&format!("{bar} aws_iam_role_policy.this.policy | **no** |"))
        );
        let dashboard = growth("aws_cloudwatch_dashboard.this.dashboard_body");
        assert!(dashboard.contains(&format!("{bar} none | yes |")), "{dashboard}");
        assert!(
            dashboard.contains("* `aws_cloudwatch_dashboard.this.dashboard_body`: 9000 characters"),
            "{dashboard}"
        );
    }

    #[test]
    fn a_release_costs_what_its_parts_cost() {
        let release = Release {
            transitions: 25,
            invocations: 25,
            billed: 12_500,
            requests: (60, 60),
            mails: 3,
            ..Release::default()
        };

        assert!((release.dollars() - 0.000_777).abs() < 0.000_01, "{}", release.dollars());
        assert!(pipeline_dollars() / release.dollars() > 25.0);
    }
}
