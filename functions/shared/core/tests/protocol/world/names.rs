//! What things are called, and what is the same in every run.

use std::sync::LazyLock;

use jiff::Timestamp;
use slipway_core::application::ApprovalPolicy;
use slipway_core::image::{Digest, Image};
use slipway_core::name::{ApplicationName, EmailAddress, ReleaseId, RepositoryName, ServiceName, StageName};
use slipway_core::release::Release;
use slipway_core::rollback::{Baseline, ServiceBaseline, Template};

use super::APPROVAL_SECONDS;
use super::service::{Revision, service_arn, task_definition};

/// How many releases there are at the most.
pub(crate) const RELEASES: usize = 3;
/// The stage's alarm.
pub(crate) const ALARM: &str = "5xx";

/// A moment, in milliseconds.
pub(crate) fn time(now: i64) -> Timestamp {
    Timestamp::from_millisecond(now).expect("in range")
}

static RELEASED: LazyLock<Vec<Release>> = LazyLock::new(|| {
    let digest =
        |release: usize| Digest::new(format!("sha256:{}", release.to_string().repeat(64))).expect("a digest");
    let image = |release| Image {
        repository: RepositoryName::new("web").expect("a name"),
        digest: digest(release),
        tag: format!("v{release}"),
    };
    let id = |release: usize| ReleaseId::new(format!("web-{release}")).expect("an id");
    (0..RELEASES)
        .map(|release| Release { id: id(release), application: application(), image: image(release) })
        .collect()
});

/// A release.
pub(crate) fn release(release: usize) -> Release {
    RELEASED[release].clone()
}

/// A release's id.
pub(crate) fn id(release: usize) -> ReleaseId {
    RELEASED[release].id.clone()
}

/// Which release has this id.
pub(crate) fn number(id: &ReleaseId) -> usize {
    RELEASED.iter().position(|release| release.id == *id).expect("one of the releases")
}

/// The application.
pub(crate) fn application() -> ApplicationName {
    static NAME: LazyLock<ApplicationName> = LazyLock::new(|| ApplicationName::new("web").expect("a name"));
    NAME.clone()
}

/// The stage.
pub(crate) fn stage() -> StageName {
    static NAME: LazyLock<StageName> = LazyLock::new(|| StageName::new("production").expect("a name"));
    NAME.clone()
}

/// The database.
pub(crate) const DATABASE: &str = "orders";

/// A release's snapshot.
pub(crate) fn snapshot(release: usize) -> String {
    format!("snapshot-{release}")
}

/// The task of a release's migration.
pub(crate) fn task(release: usize) -> String {
    format!("migration-{release}")
}

/// An approver.
pub(crate) fn person(who: usize) -> EmailAddress {
    policy().approvers[who].clone()
}

/// Whom the stage asks.
pub(crate) fn policy() -> &'static ApprovalPolicy {
    static POLICY: LazyLock<ApprovalPolicy> = LazyLock::new(|| {
        let policy = serde_json::json!({
            "approvers": ["ana@example.com", "bo@example.com"], "quorum": 1, "expires_after": format!("{APPROVAL_SECONDS}s"),
        });
        serde_json::from_value(policy).expect("it fits")
    });
    &POLICY
}

/// The baseline of a service that runs this.
pub(crate) fn baseline_of(revision: Revision, round: u32) -> Baseline {
    let service = ServiceBaseline {
        service: ServiceName::new("web").expect("a name"),
        arn: service_arn(),
        task_definition: task_definition(revision),
        template: Template { arn: task_definition(revision), registration: String::new() },
        image: String::new(),
        desired_count: 1,
        first: false,
        image_gone: false,
    };
    Baseline { services: vec![service], round, ..Baseline::default() }
}
