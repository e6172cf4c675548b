//! What runs came to, as a document.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Everything that was ever run, as it is kept beside the report: a line for each run, so that a command goes on where
/// one of another day has stopped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The matrix.
    pub matrix: Part,
    /// The seeds.
    pub seeds: Part,
}

/// The runs of one command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// The runs.
    pub runs: Vec<Run>,
}

/// The line of a run in the file.
#[derive(Deserialize, Serialize)]
struct Line {
    /// `matrix` or `seeds`.
    part: String,
    #[serde(flatten)]
    run: Run,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The day on which it was played.
    pub on: String,
    /// Its name, by which it is played again.
    pub name: String,
    /// What it broke: the function.
    pub function: String,
    /// And its operation.
    pub operation: String,
    /// How.
    pub fault: String,
    /// The outcomes of its releases.
    pub outcomes: Vec<String>,
    /// How many of its faults came about.
    pub broken: usize,
    /// How long it took, in milliseconds.
    pub took: u64,
    /// The invariants that did not hold.
    pub violations: Vec<String>,
}

impl Part {
    /// Takes these runs in; each replaces an earlier one of its name.
    pub fn take(&mut self, runs: &[Run]) {
        self.runs.retain(|earlier| !runs.iter().any(|run| run.name == earlier.name));
        self.runs.extend(runs.iter().cloned());
    }

    /// The names of the runs in which everything held.
    #[must_use]
    pub fn held(&self) -> BTreeSet<String> {
        self.runs.iter().filter(|run| run.violations.is_empty()).map(|run| run.name.clone()).collect()
    }

    fn failed(&self) -> impl Iterator<Item = &Run> {
        self.runs.iter().filter(|run| !run.violations.is_empty())
    }

    fn summary(&self) -> String {
        let missed = self.runs.iter().filter(|run| run.broken == 0 && run.fault != "twice").count();
        let failed = self.failed().count();
        let runs = self.runs.len();
        let time = minutes(Duration::from_millis(self.runs.iter().map(|run| run.took).sum()));
        let held = if failed == 0 {
            "every invariant held in every run".to_owned()
        } else {
            format!("**an invariant did not hold in {failed}**")
        };
        let missed = match missed {
            0 => "In each of them its fault came about".to_owned(),
            missed => format!(
                "In all but {missed} of them a fault came about (the others did not make that call a second time)"
            ),
        };
        let days: BTreeSet<&str> = self.runs.iter().map(|run| run.on.as_str()).collect();
        let (first, last) = (days.first().unwrap_or(&""), days.last().unwrap_or(&""));
        let days = if first == last { format!("on {first}") } else { format!("from {first} to {last}") };
        format!("{runs} runs {days}, in {time}; {held}. {missed}.")
    }

    fn outcomes(&self) -> String {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for outcome in self.runs.iter().flat_map(|run| &run.outcomes) {
            *counts.entry(outcome).or_default() += 1;
        }
        counts.into_iter().map(|(outcome, count)| format!("{count} {outcome}")).collect::<Vec<_>>().join(", ")
    }
}

impl Report {
    const MATRIX: &str = "matrix";
    const SEEDS: &str = "seeds";

    /// Reads what was kept.
    ///
    /// # Errors
    ///
    /// When a line is no run.
    pub fn read(text: &str) -> serde_json::Result<Self> {
        let mut report = Self::default();
        for line in text.lines() {
            let Line { part, run } = serde_json::from_str(line)?;
            let part = if part == Self::SEEDS { &mut report.seeds } else { &mut report.matrix };
            part.runs.push(run);
        }
        Ok(report)
    }

    /// What is kept, in the order of the runs' names.
    ///
    /// # Errors
    ///
    /// None that are known.
    pub fn kept(&self) -> serde_json::Result<String> {
        let mut lines = Vec::new();
        for (part, runs) in [(Self::MATRIX, &self.matrix.runs), (Self::SEEDS, &self.seeds.runs)] {
            let mut runs = runs.clone();
            runs.sort_by(|a, b| a.name.cmp(&b.name));
            for run in runs {
                lines.push(serde_json::to_string(&Line { part: part.to_owned(), run })? + "\n");
            }
        }
        Ok(lines.concat())
    }

    /// The document.
    #[must_use]
    pub fn document(&self) -> String {
        let mut text = String::from(
            "# What was broken, and what came of it\n\n\
             Written by `cargo faults`; `tests/README.md` says how it is run, `src/invariants` what is judged after every run.\n",
        );
        if !self.matrix.runs.is_empty() {
            let _ = write!(
                text,
                "\n## The matrix\n\n{}\n\nOutcomes: {}.\n\n{}",
                self.matrix.summary(),
                self.matrix.outcomes(),
                self.table()
            );
        }
        if !self.seeds.runs.is_empty() {
            let _ = write!(
                text,
                "\n## Seeds\n\n{}\n\nOutcomes: {}.\n",
                self.seeds.summary(),
                self.seeds.outcomes()
            );
            let _ = write!(text, "\n{}", self.histogram());
        }
        let failed: Vec<_> = self.matrix.failed().chain(self.seeds.failed()).collect();
        if !failed.is_empty() {
            text.push_str("\n## What did not hold\n\n");
            for run in failed {
                let _ = writeln!(text, "* `{}`: {}", run.name, run.violations.join("; "));
            }
        }
        text
    }

    /// Function and operation by fault; a cell is the number of runs and the outcomes of their releases.
    fn table(&self) -> String {
        const FAULTS: [&str; 8] = [
            "kill-before",
            "refuse-before",
            "kill-after",
            "lose-answer",
            "throttle",
            "delay",
            "lasting",
            "twice",
        ];
        let mut cells: BTreeMap<(&str, &str), BTreeMap<&str, Vec<&Run>>> = BTreeMap::new();
        for run in &self.matrix.runs {
            cells
                .entry((&run.function, &run.operation))
                .or_default()
                .entry(&run.fault)
                .or_default()
                .push(run);
        }
        let mut text = String::from(
            "A cell says how many runs there were and how their releases ended: R RELEASED, B ROLLED_BACK, F FAILED, S SUPERSEDED, \
             J REJECTED, X STUCK.\n\n",
        );
        let _ = writeln!(text, "| function | call | {} |", FAULTS.join(" | "));
        let _ = writeln!(text, "| --- | --- |{}", " --- |".repeat(FAULTS.len()));
        for ((function, operation), row) in cells {
            let columns: Vec<_> = FAULTS
                .iter()
                .map(|fault| row.get(fault).map_or_else(String::new, |runs| cell(runs)))
                .collect();
            let _ = writeln!(text, "| {function} | {operation} | {} |", columns.join(" | "));
        }
        text
    }

    fn histogram(&self) -> String {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for run in &self.seeds.runs {
            *counts.entry(run.outcomes.join(" then ")).or_default() += 1;
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let mut text = String::from("| the older release, then the newer one | runs |\n| --- | --- |\n");
        for (outcomes, count) in counts {
            let _ = writeln!(text, "| {outcomes} | {count} |");
        }
        text
    }
}

fn cell(runs: &[&Run]) -> String {
    let letters: BTreeSet<&str> =
        runs.iter().flat_map(|run| &run.outcomes).map(|outcome| letter(outcome)).collect();
    let failed = if runs.iter().any(|run| !run.violations.is_empty()) { " ✗" } else { "" };
    format!("{} {}{failed}", runs.len(), letters.into_iter().collect::<String>())
}

fn letter(outcome: &str) -> &'static str {
    match outcome {
        "RELEASED" => "R",
        "ROLLED_BACK" => "B",
        "FAILED" => "F",
        "SUPERSEDED" => "S",
        "REJECTED" => "J",
        "STUCK" => "X",
        _ => "?",
    }
}

/// A time in whole minutes and seconds.
#[must_use]
pub fn minutes(time: Duration) -> String {
    format!("{} min {:02} s", time.as_secs() / 60, time.as_secs() % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(fault: &str, outcome: &str, violations: &[&str]) -> Run {
        Run {
            on: "2026-11-26".to_owned(),
            name: format!("good: {fault} at acquire-lock"),
            function: "acquire-lock".to_owned(),
            operation: "dynamodb:GetItem".to_owned(),
            fault: fault.to_owned(),
            outcomes: vec![outcome.to_owned()],
            broken: 1,
            took: 4_000,
            violations: violations.iter().map(|&text| text.to_owned()).collect(),
        }
    }

    #[test]
    fn a_run_that_is_played_again_replaces_the_one_before() {
        let mut part = Part::default();
        part.take(&[run("kill-before", "FAILED", &["no"]), run("delay", "RELEASED", &[])]);

        part.take(&[run("kill-before", "RELEASED", &[])]);

        assert_eq!(part.runs, [run("delay", "RELEASED", &[]), run("kill-before", "RELEASED", &[])]);
    }

    #[test]
    fn what_is_kept_is_read_again() {
        let matrix = Part { runs: vec![run("delay", "RELEASED", &[]), run("twice", "STUCK", &["no"])] };
        let seeds = Part { runs: vec![run("seed", "RELEASED", &[])] };
        let report = Report { matrix, seeds };

        let kept = report.kept().expect("JSON");

        assert_eq!(kept.lines().count(), 3);
        assert_eq!(Report::read(&kept).expect("it was written"), report);
    }

    #[test]
    fn what_did_not_hold_is_in_the_summary_the_cell_and_the_list() {
        let runs = vec![
            run("kill-before", "RELEASED", &[]),
            run("kill-before", "FAILED", &[]),
            run("delay", "STUCK", &["the lock is free: no"]),
        ];
        let report = Report { matrix: Part { runs }, ..Report::default() };

        let document = report.document();

        assert!(document.contains("did not hold in 1**"), "{document}");
        assert!(
            document.contains("| acquire-lock | dynamodb:GetItem | 2 FR |  |  |  |  | 1 X ✗ |  |  |"),
            "{document}"
        );
        assert!(document.contains("* `good: delay at acquire-lock`: the lock is free: no"), "{document}");
    }
}
