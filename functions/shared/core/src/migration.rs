//! Migrations: a one-off task with the new image before the deployment, and whether a rollback may cross what it did.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::{ServiceName, TaskDefinitionArn};
use crate::snapshot::Taken;
use crate::span::Span;

/// The image's label that says what its migration does.
pub const LABEL: &str = "slipway.migration";
/// How long a migration may take when the configuration does not say, in seconds.
const TIMEOUT_SECONDS: u32 = 15 * 60;
/// How many lines of a task's log are kept.
pub const LOG_LINES: usize = 20;

/// The task that runs before a stage's services change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MigrationPolicy {
    /// The service of the stage whose task definition, network and roles it runs with.
    pub service: ServiceName,
    /// The container whose command is replaced; the application's own when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The command.
    pub command: Vec<String>,
    /// How long it may take before it is stopped; 15 minutes when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
}

impl MigrationPolicy {
    /// How long it may take, in seconds: as configured, else 15 minutes.
    #[must_use]
    pub fn timeout_seconds(&self) -> u32 {
        self.timeout.as_ref().map_or(TIMEOUT_SECONDS, Span::seconds)
    }
}

/// What the migration of an image does, as its label says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The image brings none: nothing is run.
    None,
    /// It adds, and what ran before goes on with it: a rollback may cross it.
    Expand,
    /// It changes or removes what the version before needs: a rollback may not cross it.
    Contract,
}

impl Kind {
    /// Reads the label's value.
    ///
    /// # Errors
    ///
    /// What to write, where there is no label or another value.
    pub fn of(label: Option<&str>) -> Result<Self, String> {
        match label {
            Some("none") => Ok(Self::None),
            Some("expand") => Ok(Self::Expand),
            Some("contract") => Ok(Self::Contract),
            Some(other) => {
                Err(format!("the image's label {LABEL} is {other:?}: write none, expand or contract"))
            }
            None => Err(format!(
                "the image has no label {LABEL}, and so nobody knows whether what runs now can go on after its migration: build it with \
                 LABEL {LABEL}=none, expand or contract"
            )),
        }
    }

    /// The label's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Expand => "expand",
            Self::Contract => "contract",
        }
    }

    /// What it means, for the people who decide.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::None => "the image brings no migration",
            Self::Expand => {
                "it adds to the schema, and what runs now can go on with it: a rollback may cross it"
            }
            Self::Contract => {
                "it takes from the schema what the version before needs: after it nothing is rolled back by itself, and a failure needs a person"
            }
        }
    }
}

/// A migration as it is kept: begun before its task is asked for, so that a rollback knows of it whatever became of
/// the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migration {
    /// What it does.
    pub kind: Kind,
    /// What its task runs.
    pub task_definition: TaskDefinitionArn,
    /// The container whose command is replaced.
    pub container: String,
    /// When it was begun.
    pub began_at: Timestamp,
    /// Its task's ARN, once ECS has said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<TaskEnd>,
}

/// How a one-off task ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskEnd {
    /// Its container's exit code; none where it never ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// ECS's reason.
    pub reason: String,
    /// The last lines of its log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
}

impl TaskEnd {
    /// Whether it did what it should.
    #[must_use]
    pub const fn is_good(&self) -> bool {
        matches!(self.exit_code, Some(0))
    }

    /// Exit code, reason and the end of the log.
    #[must_use]
    pub fn in_words(&self) -> String {
        let exit =
            self.exit_code.map_or_else(|| "it never ran".to_owned(), |code| format!("exit code {code}"));
        let reason = if self.is_good() || self.reason.is_empty() {
            String::new()
        } else {
            format!(", {}", self.reason.trim_end_matches('.'))
        };
        let log = if self.log.is_empty() {
            String::new()
        } else {
            format!("; its log ends: {}", self.log.join(" | "))
        };
        format!("{exit}{reason}{log}")
    }
}

/// Why nothing is rolled back across a migration, and what a person can do; nothing where it may be crossed.
#[must_use]
pub fn not_crossed(migration: &Migration, snapshot: Option<&Taken>) -> Option<String> {
    (migration.kind == Kind::Contract).then(|| {
        let back = snapshot.map_or_else(
            || "The stage asks for no snapshot: its data is in the database's own backups".to_owned(),
            |taken| {
                format!(
                    "The snapshot {} of {} was taken before it; it is restored to a new database with: {}",
                    taken.identifier,
                    taken.database.name(),
                    taken.restore_command()
                )
            },
        );
        format!(
            "its migration is one that a rollback may not cross ({LABEL}={}): what ran before does not fit the schema any more, and is not \
             restored. {back}",
            Kind::Contract.as_str()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Database;

    fn migration(kind: Kind) -> Migration {
        Migration {
            kind,
            task_definition: TaskDefinitionArn::new(
                "arn:aws:ecs:eu-central-1:111122223333:task-definition/production-web:2",
            )
            .expect("an ARN"),
            container: "web".into(),
            began_at: Timestamp::UNIX_EPOCH,
            task: None,
            end: None,
        }
    }

    #[test]
    fn a_label_is_one_of_three_and_its_absence_is_no_answer() {
        for (label, kind) in [("none", Kind::None), ("expand", Kind::Expand), ("contract", Kind::Contract)] {
            assert_eq!(Kind::of(Some(label)), Ok(kind));
        }
        assert!(Kind::of(None).expect_err("no answer").contains("LABEL slipway.migration="));
        assert!(Kind::of(Some("Expand")).expect_err("no answer").contains("write none, expand or contract"));
    }

    #[test]
    fn only_a_contraction_is_not_crossed_and_what_to_restore_is_said() {
        assert_eq!(not_crossed(&migration(Kind::Expand), None), None);
        let taken = Taken {
            identifier: "slipway-web-a1".into(),
            database: Database::Instance("orders".into()),
            at: Timestamp::UNIX_EPOCH,
        };

        let words = not_crossed(&migration(Kind::Contract), Some(&taken)).expect("not crossed");
        assert!(
            words.contains("slipway-web-a1") && words.contains("restore-db-instance-from-db-snapshot"),
            "{words}"
        );
        assert!(not_crossed(&migration(Kind::Contract), None).expect("not crossed").contains("own backups"));
    }

    #[test]
    fn an_end_has_its_code_and_the_end_of_its_log() {
        let end = TaskEnd {
            exit_code: Some(3),
            reason: "Essential container in task exited".into(),
            log: vec!["adding".into(), "no column".into()],
        };

        assert_eq!(
            end.in_words(),
            "exit code 3, Essential container in task exited; its log ends: adding | no column"
        );
        assert!(!end.is_good());
        assert!(
            !TaskEnd { exit_code: None, reason: "CannotPullContainerError".into(), log: vec![] }.is_good()
        );
        assert!(TaskEnd { exit_code: Some(0), reason: String::new(), log: vec![] }.is_good());
    }
}
