//! Database snapshots before a stage changes: which is taken, which are removed, and how one is restored.
//!
//! A snapshot is not a rollback of the schema: a rollback restores images, and nothing in a database.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::{ApplicationName, ReleaseId, StageName};
use crate::release::Release;
use crate::span::Span;

/// How long a snapshot may take when the configuration does not say, in seconds.
const WAIT_SECONDS: u32 = 60 * 60;

/// That a snapshot is taken before the stage changes, and how many are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotPolicy {
    /// The identifier of an RDS instance; this or `cluster`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// The identifier of an Aurora cluster; this or `database`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// How many of its own snapshots Slipway keeps for this stage; 10 when it is not given.
    #[serde(default = "ten")]
    pub keep: u16,
    /// How long the database may take to be available, and the snapshot to be taken; an hour when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Span>,
}

const fn ten() -> u16 {
    10
}

impl SnapshotPolicy {
    /// The database; nothing where neither or both are named.
    #[must_use]
    pub fn database(&self) -> Option<Database> {
        match (&self.database, &self.cluster) {
            (Some(name), None) => Some(Database::Instance(name.clone())),
            (None, Some(name)) => Some(Database::Cluster(name.clone())),
            _ => None,
        }
    }

    /// How long it may take, in seconds: as configured, else an hour.
    #[must_use]
    pub fn wait_seconds(&self) -> u32 {
        self.wait.as_ref().map_or(WAIT_SECONDS, Span::seconds)
    }
}

/// A database, by its identifier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Database {
    /// An RDS instance.
    Instance(String),
    /// An Aurora cluster.
    Cluster(String),
}

impl Database {
    /// Its identifier.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Instance(name) | Self::Cluster(name) => name,
        }
    }
}

/// A snapshot as RDS describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Its identifier.
    pub identifier: String,
    /// The identifier of the instance or cluster that it is of.
    pub database: String,
    /// RDS's word for how far it is.
    pub status: String,
    /// When it was taken; not while it is being taken.
    pub taken_at: Option<Timestamp>,
    /// The release that it was taken for, by its tag; none for one that is not Slipway's.
    pub release: Option<String>,
    /// The application and the stage that it was taken for, by its tag.
    pub place: Option<String>,
}

/// A snapshot that a release took, as it is kept for those who may need it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Its identifier.
    pub identifier: String,
    /// What it is of.
    pub database: Database,
    /// When it was there.
    pub at: Timestamp,
}

impl Taken {
    /// The command that brings it back, into a database beside the one that it was taken of.
    #[must_use]
    pub fn restore_command(&self) -> String {
        let Self { identifier, database, .. } = self;
        match database {
            Database::Instance(name) => format!(
                "aws rds restore-db-instance-from-db-snapshot --db-instance-identifier {name}-restored --db-snapshot-identifier {identifier}"
            ),
            Database::Cluster(name) => format!(
                "aws rds restore-db-cluster-from-snapshot --db-cluster-identifier {name}-restored --snapshot-identifier {identifier} \
                 --engine ENGINE"
            ),
        }
    }
}

/// The identifier of the snapshot that a release takes before a stage changes: the same however often it is asked
/// for. RDS allows 255 letters, digits and single hyphens, starting with a letter.
#[must_use]
pub fn identifier(release: &ReleaseId, stage: &StageName) -> String {
    let mut words = format!("slipway-{release}-{stage}").to_lowercase().replace('_', "-");
    while words.contains("--") {
        words = words.replace("--", "-");
    }
    words
}

/// The application and the stage, as snapshots are tagged with them.
#[must_use]
pub fn place(application: &ApplicationName, stage: &StageName) -> String {
    format!("{application}/{stage}")
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Ask RDS for the snapshot.
    Take,
    /// The database is not available: wait until it is.
    AwaitDatabase {
        /// What it is instead.
        status: String,
    },
    /// The snapshot is being taken.
    AwaitSnapshot,
    /// It is there.
    Done,
    /// It cannot be had.
    Stop {
        /// Why.
        reason: String,
    },
}

/// Whether a snapshot has no end yet, in RDS's words.
#[must_use]
pub fn is_under_way(snapshot: &Snapshot) -> bool {
    ["creating", "copying", "pending"].contains(&snapshot.status.as_str())
}

/// Decides what is next, from the snapshot of the fixed identifier, where there is one, and from what the database is
/// now, where there is one.
#[must_use]
pub fn next(database: &Database, there: Option<&Snapshot>, status: Option<&str>, release: &Release) -> Next {
    let name = database.name();
    if let Some(snapshot) = there {
        if snapshot.release.as_deref() != Some(release.id.as_str()) || snapshot.database != name {
            return Next::Stop {
                reason: format!(
                    "there is a snapshot {} which this release did not take of {name}; rename or remove it",
                    snapshot.identifier
                ),
            };
        }
        return match snapshot.status.as_str() {
            "available" => Next::Done,
            _ if is_under_way(snapshot) => Next::AwaitSnapshot,
            other => {
                Next::Stop { reason: format!("the snapshot {} of {name} is {other}", snapshot.identifier) }
            }
        };
    }
    match status {
        None => Next::Stop {
            reason: format!("RDS has no database {name}; correct snapshot in the stage's configuration"),
        },
        // "The DBInstance must be in the available or storage-optimization state" (CreateDBSnapshot, Amazon RDS API
        // reference).
        Some("available" | "storage-optimization") => Next::Take,
        Some(status) => Next::AwaitDatabase { status: status.to_owned() },
    }
}

/// Which of a database's snapshots are to go: of those that were taken for this stage, all but the newest `keep`, and
/// never the one of this release. Those of anybody else stay.
#[must_use]
pub fn beyond<'a>(snapshots: &'a [Snapshot], place: &str, keep: u16, current: &str) -> Vec<&'a Snapshot> {
    let mut own: Vec<_> = snapshots
        .iter()
        .filter(|snapshot| {
            snapshot.place.as_deref() == Some(place) && snapshot.release.is_some() && !is_under_way(snapshot)
        })
        .collect();
    own.sort_by_key(|snapshot| std::cmp::Reverse(snapshot.taken_at));
    own.into_iter().skip(usize::from(keep)).filter(|snapshot| snapshot.identifier != current).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Digest, Image};
    use crate::name::RepositoryName;

    fn release() -> Release {
        Release {
            id: ReleaseId::new("web-a1").expect("an id"),
            application: ApplicationName::new("web").expect("a name"),
            image: Image {
                repository: RepositoryName::new("web").expect("a name"),
                digest: Digest::new(format!("sha256:{}", "a".repeat(64))).expect("a digest"),
                tag: "v1".into(),
            },
        }
    }

    fn snapshot(identifier: &str, status: &str, taken_at: i64, release: Option<&str>) -> Snapshot {
        Snapshot {
            identifier: identifier.to_owned(),
            database: "orders".to_owned(),
            status: status.to_owned(),
            taken_at: Timestamp::from_second(taken_at).ok(),
            release: release.map(ToOwned::to_owned),
            place: release.map(|_| "web/production".to_owned()),
        }
    }

    #[test]
    fn the_identifier_is_one_that_rds_takes_and_the_same_each_time() {
        let stage = StageName::new("production").expect("a name");

        assert_eq!(
            identifier(&ReleaseId::new("web-A1_2").expect("an id"), &stage),
            "slipway-web-a1-2-production"
        );
        assert_eq!(identifier(&ReleaseId::new("web-_-").expect("an id"), &stage), "slipway-web-production");
    }

    #[test]
    fn only_an_available_database_is_asked_for_a_snapshot_and_only_our_own_is_taken_for_it() {
        let database = Database::Instance("orders".into());
        let ask = |there: Option<&Snapshot>, status: Option<&str>| next(&database, there, status, &release());

        assert_eq!(ask(None, Some("available")), Next::Take);
        assert_eq!(ask(None, Some("modifying")), Next::AwaitDatabase { status: "modifying".into() });
        assert!(matches!(ask(None, None), Next::Stop { reason } if reason.contains("no database orders")));
        let ours = |status: &str| snapshot("s", status, 1, Some("web-a1"));
        assert_eq!(ask(Some(&ours("creating")), Some("backing-up")), Next::AwaitSnapshot);
        assert_eq!(ask(Some(&ours("available")), Some("available")), Next::Done);
        assert!(
            matches!(ask(Some(&ours("failed")), Some("available")), Next::Stop { reason } if reason.contains("is failed"))
        );
        for other in [snapshot("s", "available", 1, Some("web-b2")), snapshot("s", "available", 1, None)] {
            assert!(
                matches!(ask(Some(&other), Some("available")), Next::Stop { reason } if reason.contains("did not take"))
            );
        }
        let elsewhere = Snapshot { database: "other".into(), ..ours("available") };
        assert!(matches!(ask(Some(&elsewhere), Some("available")), Next::Stop { .. }));
    }

    #[test]
    fn only_our_own_oldest_go_and_never_the_releases_own() {
        let all = [
            snapshot("oldest", "available", 1, Some("web-1")),
            snapshot("theirs", "available", 0, None),
            snapshot("old", "available", 2, Some("web-2")),
            snapshot("new", "available", 3, Some("web-3")),
            snapshot("going-on", "creating", 4, Some("web-4")),
        ];
        let names = |keep, current| {
            beyond(&all, "web/production", keep, current)
                .into_iter()
                .map(|one| one.identifier.as_str())
                .collect::<Vec<_>>()
        };

        assert_eq!(names(2, "new"), ["oldest"]);
        assert_eq!(names(1, "oldest"), ["old"]);
        assert_eq!(names(10, "new"), Vec::<&str>::new());
        assert!(beyond(&all, "web/staging", 0, "new").is_empty());
    }

    #[test]
    fn what_was_taken_says_how_it_is_restored() {
        let taken = |database| Taken { identifier: "s".into(), database, at: Timestamp::UNIX_EPOCH };

        assert!(
            taken(Database::Instance("orders".into()))
                .restore_command()
                .contains("--db-instance-identifier orders-restored --db-snapshot-identifier s")
        );
        assert!(
            taken(Database::Cluster("orders".into()))
                .restore_command()
                .contains("--db-cluster-identifier orders-restored --snapshot-identifier s")
        );
    }
}
