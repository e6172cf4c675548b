//! Every call of a release, failed once before and once after its effect, each in a run of its own; every operation of
//! every function, refused until the execution has ended; and every function run twice.

use std::collections::BTreeSet;
use std::fmt;

use anyhow::Context as _;
use slipway_local::wire::{CallRule, Fault};

use crate::play::Stand;
use crate::points::{Point, points};
use crate::schedule::{Schedule, Story};

/// The functions' names for `twice`: each, and all of them at once.
const ALL_TWICE: &str = "*";

/// A run of the matrix.
#[derive(Clone, Debug)]
pub struct Cell {
    /// The story.
    pub story: Story,
    /// What is broken.
    pub breaks: Breaks,
}

/// What a run of the matrix breaks.
#[derive(Clone, Debug)]
pub enum Breaks {
    /// A call.
    Call {
        /// Which.
        point: Point,
        /// How.
        fault: Fault,
    },
    /// A function's calls of an operation, each of them, until the execution has ended.
    Lasting {
        /// The function.
        function: String,
        /// The operation.
        operation: String,
    },
    /// Nothing: a function runs twice each time.
    Twice {
        /// Which; `*` for all.
        function: String,
    },
}

impl Cell {
    /// What is played.
    #[must_use]
    pub fn schedule(&self) -> Schedule {
        match &self.breaks {
            Breaks::Call { point, fault } => self.story.schedule().breaking(point.rule(*fault)),
            Breaks::Lasting { function, operation } => {
                let rule = CallRule::new(operation, Fault::RefuseBefore).of(function).times(u32::MAX);
                self.story.schedule().breaking(rule).lasting()
            }
            Breaks::Twice { function } => self.story.schedule().twice(&[function]),
        }
    }

    /// The row of the report: function and operation.
    #[must_use]
    pub fn row(&self) -> (String, String) {
        match &self.breaks {
            Breaks::Call { point, .. } => (point.caller.clone(), point.operation.clone()),
            Breaks::Lasting { function, operation } => (function.clone(), operation.clone()),
            Breaks::Twice { function } if function == ALL_TWICE => {
                ("every function".to_owned(), "the whole function".to_owned())
            }
            Breaks::Twice { function } => (function.clone(), "the whole function".to_owned()),
        }
    }

    /// The column of the report.
    #[must_use]
    pub fn fault(&self) -> String {
        match &self.breaks {
            Breaks::Call { fault, .. } => fault.to_string(),
            Breaks::Lasting { .. } => "lasting".to_owned(),
            Breaks::Twice { .. } => "twice".to_owned(),
        }
    }
}

/// The cell's name, by which it is found again.
impl fmt::Display for Cell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.breaks {
            Breaks::Call { point, fault } => write!(formatter, "{}: {fault} at {point}", self.story),
            Breaks::Lasting { function, operation } => {
                write!(formatter, "{}: lasting at {function} {operation}", self.story)
            }
            Breaks::Twice { function } => write!(formatter, "{}: twice {function}", self.story),
        }
    }
}

/// Plays each story without a fault and lists what there is to break in it. A call that an earlier story made too is
/// broken there, where it is the same call in the same place.
///
/// # Errors
///
/// When a story does not come to its end.
pub async fn cells(stand: &Stand, stories: &[Story]) -> anyhow::Result<Vec<Cell>> {
    let mut cells = Vec::new();
    let (mut known, mut operations, mut run) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut lasting = BTreeSet::new();
    for &story in stories {
        let record = stand
            .play(&story.schedule())
            .await
            .with_context(|| format!("the story `{story}` without a fault"))?;
        let new: Vec<_> =
            points(&record.trace).into_iter().filter(|point| known.insert(point.clone())).collect();
        cells.extend(of_points(story, &new, &mut operations));
        cells.extend(of_operations(story, &new, &mut lasting));
        let functions: BTreeSet<_> = new
            .into_iter()
            .map(|point| point.caller)
            .filter(|function| run.insert(function.clone()))
            .collect();
        cells.extend(of_functions(story, functions));
    }
    Ok(cells)
}

/// Each call fails once before and once after its effect, alternately because the function dies and because it sees an
/// error. Each operation is also throttled once and delayed once.
fn of_points(story: Story, points: &[Point], operations: &mut BTreeSet<String>) -> Vec<Cell> {
    let mut cells = Vec::new();
    for (position, point) in points.iter().enumerate() {
        let [before, after] = if position % 2 == 0 {
            [Fault::KillBefore, Fault::LoseAnswer]
        } else {
            [Fault::RefuseBefore, Fault::KillAfter]
        };
        let first = operations.insert(point.operation.clone());
        let once = if first { vec![Fault::Throttle, Fault::Delay] } else { vec![] };
        for fault in [before, after].into_iter().chain(once) {
            cells.push(Cell { story, breaks: Breaks::Call { point: point.clone(), fault } });
        }
    }
    cells
}

/// Each operation of each function, refused until the execution has ended, in the first story that makes such a call.
fn of_operations(story: Story, points: &[Point], known: &mut BTreeSet<(String, String)>) -> Vec<Cell> {
    let new = points.iter().map(|point| (point.caller.clone(), point.operation.clone()));
    let new: BTreeSet<_> = new.filter(|operation| known.insert(operation.clone())).collect();
    new.into_iter()
        .map(|(function, operation)| Cell { story, breaks: Breaks::Lasting { function, operation } })
        .collect()
}

/// Each function twice in the first story that it has a part in, and in each story all of them.
fn of_functions(story: Story, functions: BTreeSet<String>) -> Vec<Cell> {
    functions
        .into_iter()
        .chain([ALL_TWICE.to_owned()])
        .map(|function| Cell { story, breaks: Breaks::Twice { function } })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(caller: &str, nth: u32) -> Point {
        Point {
            caller: caller.to_owned(),
            operation: "dynamodb:GetItem".to_owned(),
            shape: "LOCK#web LOCK".to_owned(),
            nth,
        }
    }

    #[test]
    fn every_operation_of_a_function_is_refused_to_the_end_once() {
        let mut known = BTreeSet::new();
        let first = of_operations(
            Story::Good,
            &[point("acquire-lock", 1), point("acquire-lock", 2), point("finish-release", 1)],
            &mut known,
        );
        let second = of_operations(Story::Bad, &[point("acquire-lock", 1)], &mut known);

        let names: Vec<_> = first.iter().chain(&second).map(ToString::to_string).collect();
        assert_eq!(
            names,
            [
                "good: lasting at acquire-lock dynamodb:GetItem",
                "good: lasting at finish-release dynamodb:GetItem"
            ]
        );
        let schedule = first[0].schedule();
        assert!(schedule.lasts && schedule.plan.calls[0].times == u32::MAX, "{schedule}");
    }

    #[test]
    fn every_call_is_broken_before_and_after_its_effect_and_each_operation_throttled_and_delayed_once() {
        let cells = of_points(
            Story::Good,
            &[point("acquire-lock", 1), point("acquire-lock", 2), point("finish-release", 1)],
            &mut BTreeSet::new(),
        );

        let names: Vec<_> = cells.iter().map(|cell| (cell.row().0, cell.fault())).collect();
        let expected = [
            ("acquire-lock", "kill-before"),
            ("acquire-lock", "lose-answer"),
            ("acquire-lock", "throttle"),
            ("acquire-lock", "delay"),
            ("acquire-lock", "refuse-before"),
            ("acquire-lock", "kill-after"),
            ("finish-release", "kill-before"),
            ("finish-release", "lose-answer"),
        ];
        assert_eq!(names, expected.map(|(caller, fault)| (caller.to_owned(), fault.to_owned())));
    }
}
