//! Approvals: what people are asked, what they said, and what that comes to.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::application::ApprovalPolicy;
use crate::migration::Kind;
use crate::name::{EmailAddress, ServiceName, StageName};
use crate::origin::{SourceRepository, is_web_address};
use crate::pusher::{Identities, Pushers};
use crate::release::{Asked, Outcome, Release};
use crate::rollback::{Baseline, ServiceBaseline};
use crate::verification::Verification;
use crate::words;

/// The longest reason that is kept, in characters.
pub const LONGEST_REASON: usize = 500;

/// The id of an approval: one for each release, stage and round, so that asking twice makes one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ApprovalId(String);

impl ApprovalId {
    /// The id of this release's approval for this stage; in a later round for the stage as it was found then.
    #[must_use]
    pub fn of(release: &Release, stage: &StageName, round: u32) -> Self {
        if round <= 1 {
            Self(format!("{}/{stage}", release.id))
        } else {
            Self(format!("{}/{stage}/{round}", release.id))
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How long a new subscription may not work: "it can take up to 15 minutes" until a change of a filter policy is in effect
/// ("Amazon SNS subscription filter policies", Amazon SNS developer guide), and a minute.
pub const NEW_SUBSCRIPTION: SignedDuration = SignedDuration::from_mins(16);

/// How many of an approval's changes people are shown before they ask for the rest.
pub const SHOWN_CHANGES: usize = 20;

/// A request to people, and everything that their decision is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Its id.
    pub id: ApprovalId,
    /// The release, and with it the digest, that is to go on.
    pub release: Release,
    /// The stage that is to change.
    pub stage: StageName,
    /// What the stage runs now.
    pub baseline: Baseline,
    /// The releases that brought what the stage runs now, where the table knows them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub running: Vec<Running>,
    /// What the stages before were seen to do.
    pub verified: Vec<Verified>,
    /// Who is asked.
    pub approvers: Vec<EmailAddress>,
    /// How many of them must approve.
    pub quorum: u16,
    /// When they were asked.
    pub requested_at: Timestamp,
    /// Those of them who were asked for the first time not long before: their first mail may not reach them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub new_approvers: Vec<EmailAddress>,
    /// Those of them who were sent nothing: SNS has no confirmed subscription of theirs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreachable: Vec<EmailAddress>,
    /// From when on those who have not answered are reminded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remind_at: Option<Timestamp>,
    /// From when on no answer counts.
    pub expires_at: Timestamp,
    /// Whether who approves types the digest's last six characters.
    #[serde(default)]
    pub confirm_digest: bool,
    /// Whether one of those who approve must be someone who did not push the image.
    #[serde(default)]
    pub other_than_pusher: bool,
    /// Whose the identities are that push.
    #[serde(default, skip_serializing_if = "Identities::is_empty")]
    pub pushers: Identities,
    /// What else changes with the image, line by line: in the task definition.
    #[serde(default)]
    pub changes: Vec<String>,
    /// What the stage's gates found, and what they will do before it changes.
    #[serde(default)]
    pub evidence: Vec<Evidence>,
    /// What the image's migration does, where the stage runs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migration: Option<Kind>,
    /// The commit that the image was built from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Where the image's source is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceRepository>,
    /// Who built the image, in their own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authors: Option<String>,
    /// When the image was pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushed_at: Option<Timestamp>,
    /// Who asked for the release, where no push started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
    /// What they said, in order.
    pub decisions: Vec<Decision>,
    /// What that comes to.
    pub status: Status,
    /// Why it was closed before people had decided, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_because: Option<String>,
}

/// What one gate found, or will do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The gate, as people read it, such as "Image check".
    pub gate: String,
    /// What it found, or will do.
    pub words: String,
}

/// The release that brought what a service runs now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// The service.
    pub service: ServiceName,
    /// The release.
    pub release: Release,
    /// When the stage began to run it.
    pub since: Timestamp,
    /// Who approved it; nobody where nobody was asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approved_by: Vec<EmailAddress>,
    /// The commit that its image was built from, where its source is the new image's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

/// The figures of one service in an earlier stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// The stage.
    pub stage: StageName,
    /// Its service's verification.
    pub verification: Verification,
    /// Where it was asked, without the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

impl Verified {
    /// Where people look at it themselves, where that is an address that they may be given.
    #[must_use]
    pub fn link(&self) -> Option<&str> {
        self.url.as_deref().filter(|url| is_web_address(url))
    }
}

/// What a link stands for. It is found by the hash of its token, which is not stored itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The approval.
    pub approval: ApprovalId,
    /// The person that the link was issued to.
    pub approver: EmailAddress,
}

/// One person's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The person that the link was issued to.
    pub by: EmailAddress,
    /// What they said.
    pub verdict: Verdict,
    /// Their words; empty when they gave none.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verdict {
    /// The stage may change.
    Approved,
    /// It may not, and the release ends.
    Rejected,
}

/// What an approval has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// People may still answer, until it expires.
    Pending,
    /// Enough of them approved.
    Approved,
    /// One of them rejected.
    Rejected,
    /// It expired before enough of them approved.
    Expired,
    /// A newer push took the release's place before enough of them approved.
    Superseded,
    /// A person ended the release before enough of them approved.
    Withdrawn,
    /// The stage changed before the release began to change it, and people were asked again.
    Voided,
}

/// Why an answer changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The time is over.
    #[error("the approval has expired")]
    Expired,
    /// The approval was decided before.
    #[error("the approval was already decided")]
    Decided,
    /// This person answered before.
    #[error("this link was already used")]
    Used,
    /// This person is not asked, or not any more.
    #[error("this person is not among the approvers")]
    NotAsked,
    /// Someone who did not push the image must approve, and nobody knows who did.
    #[error("one who did not push the image must approve, and CloudTrail has not recorded who pushed it")]
    PusherUnknown,
    /// Someone who did not push the image must approve, and nobody has said whose the identity is that did.
    #[error(
        "one who did not push the image must approve, and `pushers` does not say whose the identity is that pushed it"
    )]
    PusherUnmapped,
    /// The digest that was typed is not this one.
    #[error("the characters that were typed are not the digest's last six")]
    WrongDigest,
    /// Alarms are not quiet, and the approval does not say that it overrides them.
    #[error("the alarms that are not quiet were not overridden")]
    NotOverridden,
}

impl Approval {
    /// Opens an approval.
    #[must_use]
    pub fn open(
        release: Release,
        stage: StageName,
        policy: &ApprovalPolicy,
        baseline: Baseline,
        verified: Vec<Verified>,
        now: Timestamp,
    ) -> Self {
        Self {
            id: ApprovalId::of(&release, &stage, baseline.round),
            release,
            stage,
            baseline,
            running: Vec::new(),
            verified,
            approvers: policy.approvers.clone(),
            quorum: policy.quorum,
            requested_at: now,
            new_approvers: Vec::new(),
            unreachable: Vec::new(),
            remind_at: Some(
                now + SignedDuration::from_secs(i64::from(
                    policy.expires_after.seconds() - policy.remind_before_seconds(),
                )),
            ),
            expires_at: now + SignedDuration::from_secs(i64::from(policy.expires_after.seconds())),
            confirm_digest: policy.confirm_digest,
            other_than_pusher: policy.other_than_pusher,
            pushers: policy.pushers.clone(),
            changes: Vec::new(),
            evidence: Vec::new(),
            migration: None,
            revision: None,
            source: None,
            authors: None,
            pushed_at: None,
            asked: None,
            decisions: Vec::new(),
            status: Status::Pending,
            closed_because: None,
        }
    }

    /// The release that brought what a service runs now, where it is known.
    #[must_use]
    pub fn running(&self, service: &ServiceName) -> Option<&Running> {
        self.running.iter().find(|running| running.service == *service)
    }

    /// What a service runs now, in a word: the tag, else the beginning of the digest, else the image as its task definition
    /// names it.
    #[must_use]
    pub fn version_of(&self, service: &ServiceBaseline) -> String {
        self.running(&service.service)
            .map_or_else(|| service.version(), |running| running.release.image.tag_in_words())
    }

    /// Where the source can be looked at: what came between each commit that runs and the new one, else the new one alone. Each
    /// with what it is.
    #[must_use]
    pub fn source_links(&self) -> Vec<(&'static str, String)> {
        let (Some(source), Some(new)) = (&self.source, &self.revision) else { return Vec::new() };
        let olds = self.running.iter().filter_map(|running| running.revision.as_deref());
        let mut links: Vec<_> = olds.filter_map(|old| source.comparison(old, new)).collect();
        links.dedup();
        if links.is_empty() {
            return source.commit(new).map(|link| ("The commit", link)).into_iter().collect();
        }
        links.into_iter().map(|link| ("Compare", link)).collect()
    }

    /// Why a rollback cannot bring back what runs now, where that is known before anything changes.
    #[must_use]
    pub fn not_restorable(&self) -> Option<String> {
        let problems: Vec<_> =
            self.baseline.services.iter().filter_map(ServiceBaseline::not_restorable).collect();
        (!problems.is_empty()).then(|| problems.join("; "))
    }

    /// What a rollback would do, in a sentence or two.
    #[must_use]
    pub fn rollback_in_words(&self) -> String {
        if let Some(why) = self.not_restorable() {
            return format!("Not possible: {}.", words::sentence(&why));
        }
        if self.migration == Some(Kind::Contract) {
            return format!("Not by itself: {}.", Kind::Contract.in_words());
        }
        let alarms = if self.baseline.alarms.is_empty() { "" } else { ", or an alarm fires while it bakes" };
        let mut versions: Vec<_> =
            self.baseline.services.iter().map(|service| self.version_of(service)).collect();
        versions.dedup();
        let what = if versions.is_empty() { "What runs now".to_owned() } else { versions.join(", ") };
        let back = if versions.len() > 1 { "come back" } else { "comes back" };
        format!("{what} {back} by itself when the deployment or its verification fails{alarms}.")
    }

    /// When those whose subscription may have been too new for the first mail are asked again; never where no answer counts
    /// by then.
    #[must_use]
    pub fn ask_again_at(&self) -> Option<Timestamp> {
        let at = self.requested_at + NEW_SUBSCRIPTION;
        let may_miss = self.unanswered().any(|approver| self.new_approvers.contains(approver));
        (may_miss && at < self.expires_at).then_some(at)
    }

    /// What the approval has come to by now. A pending one is expired from its `expires_at` on.
    #[must_use]
    pub fn status_at(&self, now: Timestamp) -> Status {
        if self.status == Status::Pending && now >= self.expires_at { Status::Expired } else { self.status }
    }

    /// What people decided by now, or why they need not decide any more: the evidence where they approved, else the
    /// release's outcome and its reason. Nothing while they may still answer.
    #[must_use]
    pub fn decided_at(&self, now: Timestamp) -> Option<Result<String, (Outcome, String)>> {
        let closed_because =
            |default: &str| self.closed_because.clone().unwrap_or_else(|| default.to_owned());
        let no = |outcome, reason: String| Some(Err((outcome, reason)));
        match self.status_at(now) {
            Status::Pending => None,
            Status::Approved => {
                let approved = self.decisions.iter().filter(|decision| decision.verdict == Verdict::Approved);
                let people: Vec<_> = approved.map(|decision| decision.by.as_str()).collect();
                Some(Ok(format!("Approved through the links issued to {}", people.join(", "))))
            }
            Status::Rejected => {
                let rejection = self.decisions.iter().find(|decision| decision.verdict == Verdict::Rejected);
                let reason = rejection.map_or_else(
                    || "rejected".to_owned(),
                    |rejection| {
                        let words = if rejection.reason.is_empty() {
                            String::new()
                        } else {
                            format!(": {}", rejection.reason)
                        };
                        format!("rejected through the link issued to {}{words}", rejection.by)
                    },
                );
                no(Outcome::Rejected, reason)
            }
            Status::Superseded => no(Outcome::Superseded, closed_because("superseded by a newer push")),
            Status::Voided => {
                no(Outcome::Expired, closed_because("the stage changed, and people were asked again"))
            }
            Status::Withdrawn => no(Outcome::Failed, closed_because("aborted by a person")),
            Status::Expired => no(Outcome::Expired, format!("nobody decided before {:.0}", self.expires_at)),
        }
    }

    /// Those who were asked: SNS has a confirmed subscription of theirs.
    pub fn reachable(&self) -> impl Iterator<Item = &EmailAddress> {
        self.approvers.iter().filter(|approver| !self.unreachable.contains(approver))
    }

    /// Who was not asked, and why, in words; nothing where all were.
    #[must_use]
    pub fn not_asked(&self) -> Option<String> {
        let people: Vec<_> = self.unreachable.iter().map(EmailAddress::as_str).collect();
        (!people.is_empty()).then(|| {
            format!("not asked, because SNS has no confirmed subscription of theirs: {}", people.join(", "))
        })
    }

    /// Those who have not answered yet.
    pub fn unanswered(&self) -> impl Iterator<Item = &EmailAddress> {
        self.approvers
            .iter()
            .filter(|approver| !self.decisions.iter().any(|decision| decision.by == **approver))
    }

    /// What an approver types where the digest is to be confirmed: its last six characters.
    #[must_use]
    pub fn digest_end(&self) -> &str {
        let hex = self.release.image.digest.hex();
        &hex[hex.len() - 6..]
    }

    /// The approval with one more answer. `pushers` are those who pushed the image, where CloudTrail has recorded it.
    ///
    /// # Errors
    ///
    /// [`Refusal`], when the answer does not count. Nothing changes then.
    pub fn decide(
        &self,
        by: &EmailAddress,
        verdict: Verdict,
        reason: &str,
        pushers: Option<&Pushers>,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        match self.status_at(now) {
            Status::Expired => return Err(Refusal::Expired),
            Status::Approved | Status::Rejected | Status::Superseded | Status::Withdrawn | Status::Voided => {
                return Err(Refusal::Decided);
            }
            Status::Pending => {}
        }
        if !self.approvers.contains(by) {
            return Err(Refusal::NotAsked);
        }
        if self.decisions.iter().any(|decision| decision.by == *by) {
            return Err(Refusal::Used);
        }
        let mut decided = self.clone();
        decided.decisions.push(Decision {
            by: by.clone(),
            verdict,
            reason: words::line(reason, LONGEST_REASON),
            at: now,
        });
        let pushed_by = match (self.other_than_pusher && verdict == Verdict::Approved, pushers) {
            (false, _) => BTreeSet::new(),
            (true, None) => return Err(Refusal::PusherUnknown),
            (true, Some(pushers)) => pushers.people(&self.pushers).ok_or(Refusal::PusherUnmapped)?,
        };
        let approved: Vec<_> =
            decided.decisions.iter().filter(|decision| decision.verdict == Verdict::Approved).collect();
        let independent = approved.iter().any(|decision| !pushed_by.contains(&decision.by));
        decided.status = match verdict {
            Verdict::Rejected => Status::Rejected,
            Verdict::Approved if approved.len() >= usize::from(decided.quorum) && independent => {
                Status::Approved
            }
            Verdict::Approved => Status::Pending,
        };
        Ok(decided)
    }

    /// The approval once its wait is over: what was pending is expired for good, whatever comes later.
    #[must_use]
    pub fn closed(&self) -> Self {
        let mut closed = self.clone();
        if closed.status == Status::Pending {
            closed.status = Status::Expired;
        }
        closed
    }

    /// The approval once a newer push has taken the release's place. What was decided before stays decided.
    #[must_use]
    pub fn superseded(&self, because: &str) -> Self {
        self.ended_as(Status::Superseded, because)
    }

    /// The approval once a person has ended the release. What was decided before stays decided.
    #[must_use]
    pub fn withdrawn(&self, because: &str) -> Self {
        self.ended_as(Status::Withdrawn, because)
    }

    /// The approval once the stage has changed since people were asked, given or not: they are asked again.
    #[must_use]
    pub fn voided(&self, because: &str) -> Self {
        let mut voided = self.clone();
        if matches!(voided.status, Status::Pending | Status::Approved) {
            voided.status = Status::Voided;
            voided.closed_because = Some(because.to_owned());
        }
        voided
    }

    fn ended_as(&self, status: Status, because: &str) -> Self {
        let mut ended = self.clone();
        if ended.status == Status::Pending {
            ended.status = status;
            ended.closed_because = Some(because.to_owned());
        }
        ended
    }

    /// Whether this approval lets the stage change now: approved, for this release, this digest, this stage, and
    /// while the stage still runs what it ran when people were asked.
    ///
    /// # Errors
    ///
    /// What does not match, in words.
    pub fn covers(&self, release: &Release, stage: &StageName, baseline: &Baseline) -> Result<(), String> {
        if self.status != Status::Approved {
            return Err(format!("the approval {} is not given", self.id.as_str()));
        }
        if self.release != *release || self.stage != *stage {
            return Err(format!("the approval {} is for another release or stage", self.id.as_str()));
        }
        if self.baseline.services != baseline.services || self.baseline.tasks != baseline.tasks {
            return Err(format!("{stage} has changed since people were asked"));
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::image::{Digest, Image};
    use crate::name::{ApplicationName, ReleaseId, RepositoryName};

    fn person(name: &str) -> EmailAddress {
        EmailAddress::new(format!("{name}@example.com")).expect("an address")
    }

    fn second(at: i64) -> Timestamp {
        Timestamp::from_second(at).expect("in range")
    }

    fn release() -> Release {
        Release {
            id: ReleaseId::new("web-a1").expect("an id"),
            application: ApplicationName::new("web").expect("a name"),
            image: Image {
                repository: RepositoryName::new("web").expect("a name"),
                digest: Digest::new(format!("sha256:{}", "a".repeat(64))).expect("a digest"),
                tag: "v2".into(),
            },
        }
    }

    pub(crate) fn approval(quorum: u16) -> Approval {
        let policy = ApprovalPolicy {
            approvers: vec![person("ana"), person("bo"), person("cy")],
            quorum,
            expires_after: "60s".parse().expect("a span"),
            remind_before: None,
            confirm_digest: false,
            other_than_pusher: false,
            pushers: Identities::default(),
            override_alarms: false,
        };
        let stage = StageName::new("production").expect("a name");
        Approval::open(release(), stage, &policy, Baseline::default(), vec![], second(0))
    }

    #[test]
    fn a_quorum_is_of_distinct_people() {
        let one = approval(2).decide(&person("ana"), Verdict::Approved, "", None, second(1)).expect("counts");
        assert_eq!(one.status, Status::Pending);
        assert_eq!(one.decide(&person("ana"), Verdict::Approved, "", None, second(2)), Err(Refusal::Used));

        let two = one.decide(&person("bo"), Verdict::Approved, "", None, second(2)).expect("counts");
        assert_eq!(two.status, Status::Approved);
    }

    #[test]
    fn the_first_rejection_ends_it_and_nothing_changes_that() {
        let rejected = approval(1)
            .decide(&person("bo"), Verdict::Rejected, "not\r\ntoday", None, second(1))
            .expect("counts");
        assert_eq!(rejected.status, Status::Rejected);
        assert_eq!(rejected.decisions[0].reason, "not today");
        assert_eq!(
            rejected.decide(&person("ana"), Verdict::Approved, "", None, second(2)),
            Err(Refusal::Decided)
        );
    }

    #[test]
    fn it_expires_at_its_second_and_stays_expired() {
        assert!(approval(1).decide(&person("ana"), Verdict::Approved, "", None, second(59)).is_ok());
        assert_eq!(
            approval(1).decide(&person("ana"), Verdict::Approved, "", None, second(60)),
            Err(Refusal::Expired)
        );
        assert_eq!(
            approval(1).closed().decide(&person("ana"), Verdict::Approved, "", None, second(1)),
            Err(Refusal::Expired)
        );
    }

    #[test]
    fn a_superseded_approval_takes_no_answer_and_a_given_one_stays_given() {
        let given =
            approval(1).decide(&person("ana"), Verdict::Approved, "", None, second(1)).expect("counts");
        assert_eq!(given.superseded("by v3").status, Status::Approved);
        for ended in [approval(1).superseded("by v3"), approval(1).withdrawn("aborted")] {
            assert_eq!(
                ended.decide(&person("ana"), Verdict::Approved, "", None, second(1)),
                Err(Refusal::Decided)
            );
        }
    }

    #[test]
    fn who_was_not_asked_has_no_say() {
        assert_eq!(
            approval(1).decide(&person("eve"), Verdict::Approved, "", None, second(1)),
            Err(Refusal::NotAsked)
        );
    }

    #[test]
    fn it_covers_only_what_was_approved() {
        let given =
            approval(1).decide(&person("ana"), Verdict::Approved, "", None, second(1)).expect("counts");
        let other = Release { id: ReleaseId::new("web-b2").expect("an id"), ..release() };

        assert_eq!(given.covers(&release(), &given.stage, &Baseline::default()), Ok(()));
        assert!(given.covers(&other, &given.stage, &Baseline::default()).is_err());
        assert!(
            given
                .covers(&release(), &StageName::new("staging").expect("a name"), &Baseline::default())
                .is_err()
        );
        assert!(approval(1).covers(&release(), &given.stage, &Baseline::default()).is_err());
    }

    proptest! {
        #[test]
        fn it_is_approved_only_by_a_quorum_before_any_rejection(
            quorum in 1_u16..=3,
            answers in proptest::collection::vec((0_usize..4, any::<bool>(), 0_i64..90), 0..12),
        ) {
            let people = ["ana", "bo", "cy", "eve"];
            let mut now = approval(quorum);
            for (who, yes, at) in answers {
                let verdict = if yes { Verdict::Approved } else { Verdict::Rejected };
                if let Ok(next) = now.decide(&person(people[who]), verdict, "", None, second(at)) {
                    prop_assert_eq!(now.status, Status::Pending);
                    prop_assert!(at < 60 && who < 3);
                    now = next;
                }
            }
            let yes = now.decisions.iter().filter(|d| d.verdict == Verdict::Approved).count();
            let no = now.decisions.len() - yes;
            prop_assert_eq!(now.status == Status::Approved, yes >= usize::from(quorum) && no == 0);
            prop_assert_eq!(now.status == Status::Rejected, no == 1);
        }
    }
}
