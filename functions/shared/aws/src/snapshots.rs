//! RDS: databases and their snapshots, of instances and of Aurora clusters.

use aws_sdk_rds::Client;
use aws_sdk_rds::operation::create_db_cluster_snapshot::CreateDBClusterSnapshotError;
use aws_sdk_rds::operation::create_db_snapshot::CreateDBSnapshotError;
use aws_sdk_rds::types::{DbClusterSnapshot, DbSnapshot, Tag};
use aws_smithy_types::DateTime;
use jiff::Timestamp;
use slipway_core::release::Release;
use slipway_core::snapshot::{Database, Snapshot};

use crate::{AwsError, patiently};

/// The tag that names the release.
const RELEASE_TAG: &str = "slipway:release";
/// The tag that names the release's generation.
const GENERATION_TAG: &str = "slipway:generation";
/// The tag that names the application and the stage.
const PLACE_TAG: &str = "slipway:stage";

/// RDS's snapshots.
#[derive(Clone, Debug)]
pub struct Snapshots {
    client: Client,
}

/// What RDS said to a request for a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requested {
    /// It is being taken.
    Begun,
    /// There is one of this identifier.
    AlreadyThere,
    /// The account has as many manual snapshots as it may have.
    QuotaReached,
    /// The database was not available after all.
    NotAvailable,
}

impl Snapshots {
    pub(crate) const fn new(client: Client) -> Self {
        Self { client }
    }

    /// What a database is now, in RDS's word; nothing where there is no such database.
    ///
    /// # Errors
    ///
    /// When RDS cannot be asked.
    pub async fn database_status(&self, database: &Database) -> Result<Option<String>, AwsError> {
        match database {
            Database::Instance(name) => {
                match self.client.describe_db_instances().db_instance_identifier(name).send().await {
                    Ok(answer) => Ok(answer
                        .db_instances()
                        .first()
                        .and_then(|instance| instance.db_instance_status().map(ToOwned::to_owned))),
                    Err(error)
                        if error
                            .as_service_error()
                            .is_some_and(|error| error.is_db_instance_not_found_fault()) =>
                    {
                        Ok(None)
                    }
                    Err(error) => Err(AwsError::from_sdk("rds:DescribeDBInstances", error)),
                }
            }
            Database::Cluster(name) => {
                match self.client.describe_db_clusters().db_cluster_identifier(name).send().await {
                    Ok(answer) => Ok(answer
                        .db_clusters()
                        .first()
                        .and_then(|cluster| cluster.status().map(ToOwned::to_owned))),
                    Err(error)
                        if error
                            .as_service_error()
                            .is_some_and(|error| error.is_db_cluster_not_found_fault()) =>
                    {
                        Ok(None)
                    }
                    Err(error) => Err(AwsError::from_sdk("rds:DescribeDBClusters", error)),
                }
            }
        }
    }

    /// The snapshot of this identifier, where there is one.
    ///
    /// # Errors
    ///
    /// When RDS cannot be asked.
    pub async fn find(&self, database: &Database, identifier: &str) -> Result<Option<Snapshot>, AwsError> {
        match database {
            Database::Instance(_) => {
                match self.client.describe_db_snapshots().db_snapshot_identifier(identifier).send().await {
                    Ok(answer) => Ok(answer.db_snapshots().first().map(of_instance)),
                    Err(error)
                        if error
                            .as_service_error()
                            .is_some_and(|error| error.is_db_snapshot_not_found_fault()) =>
                    {
                        Ok(None)
                    }
                    Err(error) => Err(AwsError::from_sdk("rds:DescribeDBSnapshots", error)),
                }
            }
            Database::Cluster(_) => {
                match self
                    .client
                    .describe_db_cluster_snapshots()
                    .db_cluster_snapshot_identifier(identifier)
                    .send()
                    .await
                {
                    Ok(answer) => Ok(answer.db_cluster_snapshots().first().map(of_cluster)),
                    Err(error)
                        if error
                            .as_service_error()
                            .is_some_and(|error| error.is_db_cluster_snapshot_not_found_fault()) =>
                    {
                        Ok(None)
                    }
                    Err(error) => Err(AwsError::from_sdk("rds:DescribeDBClusterSnapshots", error)),
                }
            }
        }
    }

    /// The manual snapshots of a database, whoever took them.
    ///
    /// # Errors
    ///
    /// When RDS cannot be asked.
    pub async fn of(&self, database: &Database) -> Result<Vec<Snapshot>, AwsError> {
        match database {
            Database::Instance(name) => {
                let request =
                    self.client.describe_db_snapshots().db_instance_identifier(name).snapshot_type("manual");
                let all = request.into_paginator().items().send().try_collect().await;
                let all = all.map_err(|error| AwsError::from_sdk("rds:DescribeDBSnapshots", error))?;
                Ok(all.iter().map(of_instance).collect())
            }
            Database::Cluster(name) => {
                let request = self
                    .client
                    .describe_db_cluster_snapshots()
                    .db_cluster_identifier(name)
                    .snapshot_type("manual");
                let all = request.into_paginator().items().send().try_collect().await;
                let all = all.map_err(|error| AwsError::from_sdk("rds:DescribeDBClusterSnapshots", error))?;
                Ok(all.iter().map(of_cluster).collect())
            }
        }
    }

    /// Asks for a snapshot, tagged with what it is for. RDS has no client token for it: its identifier is what makes
    /// a second request harmless.
    ///
    /// # Errors
    ///
    /// When RDS cannot be asked, or refuses for another reason than those of [`Requested`].
    pub async fn take(
        &self,
        database: &Database,
        identifier: &str,
        release: &Release,
        generation: u64,
        place: &str,
    ) -> Result<Requested, AwsError> {
        let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
        let tags = vec![
            tag(RELEASE_TAG, release.id.as_str()),
            tag(GENERATION_TAG, &generation.to_string()),
            tag(PLACE_TAG, place),
        ];
        match database {
            Database::Instance(name) => {
                let request = self
                    .client
                    .create_db_snapshot()
                    .db_instance_identifier(name)
                    .db_snapshot_identifier(identifier)
                    .set_tags(Some(tags));
                match patiently!(aws_sdk_rds, request).send().await {
                    Ok(_) => Ok(Requested::Begun),
                    Err(error) => match error.as_service_error() {
                        Some(CreateDBSnapshotError::DbSnapshotAlreadyExistsFault(_)) => {
                            Ok(Requested::AlreadyThere)
                        }
                        Some(CreateDBSnapshotError::SnapshotQuotaExceededFault(_)) => {
                            Ok(Requested::QuotaReached)
                        }
                        Some(CreateDBSnapshotError::InvalidDbInstanceStateFault(_)) => {
                            Ok(Requested::NotAvailable)
                        }
                        _ => Err(AwsError::from_sdk("rds:CreateDBSnapshot", error)),
                    },
                }
            }
            Database::Cluster(name) => {
                let request = self
                    .client
                    .create_db_cluster_snapshot()
                    .db_cluster_identifier(name)
                    .db_cluster_snapshot_identifier(identifier)
                    .set_tags(Some(tags));
                match patiently!(aws_sdk_rds, request).send().await {
                    Ok(_) => Ok(Requested::Begun),
                    Err(error) => match error.as_service_error() {
                        Some(CreateDBClusterSnapshotError::DbClusterSnapshotAlreadyExistsFault(_)) => {
                            Ok(Requested::AlreadyThere)
                        }
                        Some(CreateDBClusterSnapshotError::SnapshotQuotaExceededFault(_)) => {
                            Ok(Requested::QuotaReached)
                        }
                        Some(CreateDBClusterSnapshotError::InvalidDbClusterStateFault(_)) => {
                            Ok(Requested::NotAvailable)
                        }
                        _ => Err(AwsError::from_sdk("rds:CreateDBClusterSnapshot", error)),
                    },
                }
            }
        }
    }

    /// Removes a snapshot. One that is gone is removed.
    ///
    /// # Errors
    ///
    /// When RDS cannot be asked, or refuses.
    pub async fn remove(&self, database: &Database, identifier: &str) -> Result<(), AwsError> {
        match database {
            Database::Instance(_) => {
                match self.client.delete_db_snapshot().db_snapshot_identifier(identifier).send().await {
                    Err(error)
                        if error
                            .as_service_error()
                            .is_some_and(|error| error.is_db_snapshot_not_found_fault()) =>
                    {
                        Ok(())
                    }
                    answer => {
                        answer.map(|_| ()).map_err(|error| AwsError::from_sdk("rds:DeleteDBSnapshot", error))
                    }
                }
            }
            Database::Cluster(_) => {
                match self
                    .client
                    .delete_db_cluster_snapshot()
                    .db_cluster_snapshot_identifier(identifier)
                    .send()
                    .await
                {
                    Err(error)
                        if error
                            .as_service_error()
                            .is_some_and(|error| error.is_db_cluster_snapshot_not_found_fault()) =>
                    {
                        Ok(())
                    }
                    answer => answer
                        .map(|_| ())
                        .map_err(|error| AwsError::from_sdk("rds:DeleteDBClusterSnapshot", error)),
                }
            }
        }
    }
}

fn of_instance(snapshot: &DbSnapshot) -> Snapshot {
    described(
        (snapshot.db_snapshot_identifier(), snapshot.db_instance_identifier(), snapshot.status()),
        snapshot.snapshot_create_time(),
        snapshot.tag_list(),
    )
}

fn of_cluster(snapshot: &DbClusterSnapshot) -> Snapshot {
    described(
        (snapshot.db_cluster_snapshot_identifier(), snapshot.db_cluster_identifier(), snapshot.status()),
        snapshot.snapshot_create_time(),
        snapshot.tag_list(),
    )
}

fn described(
    names: (Option<&str>, Option<&str>, Option<&str>),
    taken_at: Option<&DateTime>,
    tags: &[Tag],
) -> Snapshot {
    let (identifier, database, status) = names;
    let tagged = |key: &str| {
        tags.iter().find(|tag| tag.key() == Some(key)).and_then(|tag| tag.value().map(ToOwned::to_owned))
    };
    Snapshot {
        identifier: identifier.unwrap_or_default().to_owned(),
        database: database.unwrap_or_default().to_owned(),
        status: status.unwrap_or("unknown").to_owned(),
        taken_at: taken_at.and_then(|at| Timestamp::from_second(at.secs()).ok()),
        release: tagged(RELEASE_TAG),
        place: tagged(PLACE_TAG),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_rds::operation::create_db_cluster_snapshot::CreateDbClusterSnapshotOutput;
    use aws_sdk_rds::operation::create_db_snapshot::CreateDbSnapshotOutput;
    use aws_sdk_rds::operation::describe_db_cluster_snapshots::DescribeDbClusterSnapshotsOutput;
    use aws_sdk_rds::operation::describe_db_instances::DescribeDBInstancesError;
    use aws_sdk_rds::operation::describe_db_snapshots::DescribeDbSnapshotsOutput;
    use aws_sdk_rds::types::error::{
        DbInstanceNotFoundFault, DbSnapshotAlreadyExistsFault, InvalidDbInstanceStateFault,
        SnapshotQuotaExceededFault,
    };
    use aws_smithy_mocks::mock;
    use slipway_core::image::{Digest, Image};
    use slipway_core::name::{ApplicationName, ReleaseId, RepositoryName};

    use super::*;
    use crate::answering::answering;

    fn orders() -> Database {
        Database::Instance("orders".into())
    }

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

    #[tokio::test]
    async fn a_snapshot_is_asked_for_by_its_identifier_and_says_whose_it_is() {
        let rule = mock!(aws_sdk_rds::Client::create_db_snapshot)
            .match_requests(|request| {
                let tags: Vec<_> = request
                    .tags()
                    .iter()
                    .map(|tag| (tag.key().unwrap_or_default(), tag.value().unwrap_or_default()))
                    .collect();
                request.db_instance_identifier() == Some("orders")
                    && request.db_snapshot_identifier() == Some("s")
                    && tags
                        == [
                            ("slipway:release", "web-a1"),
                            ("slipway:generation", "7"),
                            ("slipway:stage", "web/production"),
                        ]
            })
            .then_output(|| CreateDbSnapshotOutput::builder().build());
        let snapshots = Snapshots::new(answering!(aws_sdk_rds, [&rule]));
        assert_eq!(
            snapshots.take(&orders(), "s", &release(), 7, "web/production").await.expect("RDS answers"),
            Requested::Begun
        );

        let rule = mock!(aws_sdk_rds::Client::create_db_cluster_snapshot)
            .match_requests(|request| {
                request.db_cluster_identifier() == Some("orders") && request.tags().len() == 3
            })
            .then_output(|| CreateDbClusterSnapshotOutput::builder().build());
        let snapshots = Snapshots::new(answering!(aws_sdk_rds, [&rule]));
        let cluster = Database::Cluster("orders".into());
        assert_eq!(
            snapshots.take(&cluster, "s", &release(), 7, "web/production").await.expect("RDS answers"),
            Requested::Begun
        );
    }

    #[tokio::test]
    async fn what_rds_refuses_for_a_reason_of_its_own_is_an_answer() {
        let cases: [(fn() -> CreateDBSnapshotError, Requested); 3] = [
            (
                || {
                    CreateDBSnapshotError::DbSnapshotAlreadyExistsFault(
                        DbSnapshotAlreadyExistsFault::builder().build(),
                    )
                },
                Requested::AlreadyThere,
            ),
            (
                || {
                    CreateDBSnapshotError::SnapshotQuotaExceededFault(
                        SnapshotQuotaExceededFault::builder().build(),
                    )
                },
                Requested::QuotaReached,
            ),
            (
                || {
                    CreateDBSnapshotError::InvalidDbInstanceStateFault(
                        InvalidDbInstanceStateFault::builder().build(),
                    )
                },
                Requested::NotAvailable,
            ),
        ];
        for (error, expected) in cases {
            let rule = mock!(aws_sdk_rds::Client::create_db_snapshot).then_error(error);
            let snapshots = Snapshots::new(answering!(aws_sdk_rds, [&rule]));
            assert_eq!(
                snapshots.take(&orders(), "s", &release(), 7, "web/production").await.expect("an answer"),
                expected
            );
        }
    }

    #[tokio::test]
    async fn a_database_that_rds_does_not_know_is_an_answer() {
        let rule = mock!(aws_sdk_rds::Client::describe_db_instances).then_error(|| {
            DescribeDBInstancesError::DbInstanceNotFoundFault(DbInstanceNotFoundFault::builder().build())
        });
        let snapshots = Snapshots::new(answering!(aws_sdk_rds, [&rule]));

        assert_eq!(snapshots.database_status(&orders()).await.expect("an answer"), None);
    }

    #[tokio::test]
    async fn every_page_of_a_databases_snapshots_is_read_with_their_tags() {
        let tag = Tag::builder().key("slipway:release").value("web-a1").build();
        let ours = DbSnapshot::builder()
            .db_snapshot_identifier("a")
            .db_instance_identifier("orders")
            .status("available")
            .tag_list(tag)
            .build();
        let theirs = DbSnapshot::builder()
            .db_snapshot_identifier("b")
            .db_instance_identifier("orders")
            .status("creating")
            .build();
        let first = mock!(aws_sdk_rds::Client::describe_db_snapshots)
            .match_requests(|request| request.marker().is_none() && request.snapshot_type() == Some("manual"))
            .then_output(move || {
                DescribeDbSnapshotsOutput::builder().db_snapshots(ours.clone()).marker("more").build()
            });
        let second = mock!(aws_sdk_rds::Client::describe_db_snapshots)
            .match_requests(|request| request.marker() == Some("more"))
            .then_output(move || DescribeDbSnapshotsOutput::builder().db_snapshots(theirs.clone()).build());
        let snapshots = Snapshots::new(answering!(aws_sdk_rds, [&first, &second]));

        let all = snapshots.of(&orders()).await.expect("RDS answers");

        let words: Vec<_> = all
            .iter()
            .map(|one| (one.identifier.as_str(), one.status.as_str(), one.release.as_deref()))
            .collect();
        assert_eq!(words, [("a", "available", Some("web-a1")), ("b", "creating", None)]);
    }

    #[tokio::test]
    async fn a_clusters_snapshots_are_read_alike() {
        let there = DbClusterSnapshot::builder()
            .db_cluster_snapshot_identifier("a")
            .db_cluster_identifier("orders")
            .status("available")
            .build();
        let rule = mock!(aws_sdk_rds::Client::describe_db_cluster_snapshots).then_output(move || {
            DescribeDbClusterSnapshotsOutput::builder().db_cluster_snapshots(there.clone()).build()
        });
        let snapshots = Snapshots::new(answering!(aws_sdk_rds, [&rule]));

        let found = snapshots
            .find(&Database::Cluster("orders".into()), "a")
            .await
            .expect("RDS answers")
            .expect("it is there");

        assert_eq!((found.database.as_str(), found.status.as_str()), ("orders", "available"));
    }
}
