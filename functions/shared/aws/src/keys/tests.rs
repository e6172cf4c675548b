use jiff::Timestamp;
use proptest::prelude::*;
use slipway_core::image::Image;
use slipway_core::release::Release;

use super::*;

/// The names that keys are made of.
#[derive(Clone, Debug)]
struct Names {
    application: ApplicationName,
    release: ReleaseId,
    stage: StageName,
    service: ServiceName,
}

impl Names {
    fn of([application, release, stage, service]: [&str; 4]) -> Self {
        Self {
            application: ApplicationName::new(application).expect("a name"),
            release: ReleaseId::new(release).expect("an id"),
            stage: StageName::new(stage).expect("a name"),
            service: ServiceName::new(service).expect("a name"),
        }
    }

    fn release(&self) -> Release {
        let image = Image {
            repository: RepositoryName::new("web").expect("a name"),
            digest: Digest::new(format!("sha256:{}", "a".repeat(64))).expect("a digest"),
            tag: "v1".into(),
        };
        Release { id: self.release.clone(), application: self.application.clone(), image }
    }

    fn started(&self) -> Started {
        Started {
            release: self.release(),
            at: Timestamp::UNIX_EPOCH,
            pushed_at: Timestamp::UNIX_EPOCH,
            asked: None,
        }
    }

    fn approval(&self) -> ApprovalId {
        ApprovalId::of(&self.release(), &self.stage, 1)
    }
}

fn approver() -> EmailAddress {
    EmailAddress::new("ana@example.com").expect("an address")
}

/// What a key is of: its kind, and the names that tell it from others of its kind.
type Of = (&'static str, Vec<String>);

/// A key of every kind that a sort key with a name in it is of, or that stands in one partition with such keys.
fn keys(names: &Names) -> Vec<(Of, Key)> {
    let Names { application, release, stage, service } = names;
    let of = |kind, names: &[&str]| (kind, names.iter().map(ToString::to_string).collect());
    let of_release = |kind| of(kind, &[release.as_str()]);
    let of_stage = |kind| of(kind, &[release.as_str(), stage.as_str()]);
    let of_service = |kind| of(kind, &[release.as_str(), stage.as_str(), service.as_str()]);
    let of_application = |kind| of(kind, &[application.as_str()]);
    vec![
        (of_release("release"), Key::release(release)),
        (of("open", &[application.as_str(), release.as_str()]), Key::open(application, release)),
        (of_release("abort"), Key::abort(release)),
        (of_release("override"), Key::freeze_override(release)),
        (of("freeze", &[application.as_str(), stage.as_str()]), Key::freeze(Some(application), Some(stage))),
        (of_application("freeze of every stage"), Key::freeze(Some(application), None)),
        (of("freeze of every application", &[stage.as_str()]), Key::freeze(None, Some(stage))),
        (of_release("note"), Key::note(release, "DRIFT")),
        (of_release("ending"), Key::ending(release)),
        (of_stage("notified"), Key::notified(release, Kind::Waiting, Some(stage))),
        (of_release("notified of no stage"), Key::notified(release, Kind::Waiting, None)),
        (of_stage("timeline event"), Key::timeline_event(release, Some(stage), Step::Deployed, "")),
        (
            of_stage("timeline event with a detail"),
            Key::timeline_event(release, Some(stage), Step::Verified, "web"),
        ),
        (of_release("timeline event of no stage"), Key::timeline_event(release, None, Step::Began, "")),
        (of_stage("baseline"), Key::baseline(release, stage, 1)),
        (of_stage("later baseline"), Key::baseline(release, stage, 2)),
        (of_service("definition"), Key::definition(release, stage, service, 1)),
        (of_service("later definition"), Key::definition(release, stage, service, 2)),
        (of_stage("round"), Key::round(release, stage)),
        (of_stage("change"), Key::change(release, stage)),
        (of_stage("deployment"), Key::deployment(release, stage)),
        (of_stage("restored all"), Key::restoration(release, stage)),
        (of_service("restored"), Key::restored(release, stage, service)),
        (of_service("deployed"), Key::deployed(release, stage, service)),
        (of_stage("gate"), Key::gate(release, stage, "IMAGE")),
        (of_stage("snapshot"), Key::snapshot(release, stage)),
        (of_stage("migration"), Key::migration(release, stage)),
        (of_service("verified"), Key::verified(release, stage, service)),
        (of_stage("asked"), Key::asked(release, stage)),
        (of_stage("offered"), Key::offered(release, stage)),
        (of_stage("callback"), Key::callback(release, Some(stage), "DeployServices")),
        (of_release("callback of no stage"), Key::callback(release, None, "AcquireLock")),
        (of_stage("wake"), Key::wake("LOCK#web", release, Some(stage), "DeployServices")),
        (of_release("wake of no stage"), Key::wake("LOCK#web", release, None, "AcquireLock")),
        (of_stage("due"), Key::due(release, Some(stage), "DeployServices")),
        (of_release("due of no stage"), Key::due(release, None, "AcquireLock")),
        (of_application("lock"), Key::lock(application)),
        (of_application("quarantine"), Key::quarantine(application, &names.release().image.digest)),
        (of_application("since"), Key::since(application)),
        (of("history", &[application.as_str(), release.as_str()]), Key::history(&names.started())),
        (of_application("audit"), Key::audit(application, 7)),
        (of_application("flood"), Key::flood(application)),
        (of_stage("approval"), Key::approval(&names.approval())),
        (of_stage("mailed"), Key::mailed(&names.approval(), "ana@example.com")),
        (of_stage("reminded"), Key::reminded(&names.approval(), "ana@example.com")),
        (of("first asked", &["ana@example.com"]), Key::first_asked(&approver())),
        (of_stage("asked again"), Key::asked_again(&names.approval(), "ana@example.com")),
        (of_stage("resend"), Key::resend(&names.approval(), "hash")),
        (of_stage("resent"), Key::resent(&names.approval(), "hash", "ana@example.com")),
        (of_stage("receipt"), Key::receipt(&names.approval(), "ana@example.com")),
    ]
}

/// A list by the beginning of the sort keys: the kinds that it finds, and whose they are.
type List = ((String, String), &'static [&'static str], Vec<String>);

fn lists(names: &Names) -> Vec<List> {
    let Names { application, release, stage, .. } = names;
    let texts = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    vec![
        (Key::open_of(application), &["open"], texts(&[application.as_str()])),
        (Key::notes(release), &["note"], texts(&[release.as_str()])),
        (
            Key::baselines(release, stage),
            &["baseline", "later baseline"],
            texts(&[release.as_str(), stage.as_str()]),
        ),
        (Key::changes(release), &["change"], texts(&[release.as_str()])),
        (Key::all_asked(release), &["asked"], texts(&[release.as_str()])),
        (Key::verifications(release), &["verified"], texts(&[release.as_str()])),
        (Key::all_resent(&names.approval()), &["resent"], texts(&[release.as_str(), stage.as_str()])),
    ]
}

fn begins(key: &Key, with: &Key) -> bool {
    key.pk == with.pk && key.sk.starts_with(&with.sk)
}

/// What holds for any two sets of names.
fn check(one: &Names, other: &Names) {
    for (of, key) in &keys(one) {
        for (of_other, key_other) in &keys(other) {
            let same = of == of_other;
            assert_eq!(key == key_other, same, "{of:?} {key:?} and {of_other:?} {key_other:?}");
            assert!(same || !begins(key_other, key), "{of:?} {key:?} begins {of_other:?} {key_other:?}");
        }
    }
    for ((pk, prefix), kinds, whose) in lists(one) {
        let list = Key::of(pk, prefix);
        for ((kind, names), key) in keys(other) {
            let listed = kinds.contains(&kind) && names.starts_with(&whose);
            assert_eq!(begins(&key, &list), listed, "{list:?} and {kind} {names:?} {key:?}");
        }
    }
}

/// Names of few letters, so that one often begins another.
fn names() -> impl Strategy<Value = Names> {
    let slug = "[ab](-?[ab1]){0,3}";
    (slug, "[ab1_-]{1,4}", slug, "[ab1_-]{1,4}").prop_map(|(application, release, stage, service)| {
        Names::of([application.as_str(), release.as_str(), stage.as_str(), service.as_str()])
    })
}

proptest! {
    #[test]
    fn no_key_begins_another_and_a_list_finds_what_it_is_of(one in names(), other in names()) {
        check(&one, &other);
        check(&one, &one);
        // The names that a whole world shares are the ones that get mixed up: all but one are the same.
        check(&one, &Names { application: other.application.clone(), ..one.clone() });
        check(&one, &Names { release: other.release.clone(), ..one.clone() });
        check(&one, &Names { stage: other.stage.clone(), ..one.clone() });
        check(&one, &Names { service: other.service, ..one.clone() });
    }

    #[test]
    fn what_is_printed_is_parsed(names in names(), alarm in ".{1,20}", wake in ".{1,20}", state in "[A-Za-z]{1,20}", sequence in 1_u64..) {
        let Names { application, release, stage, .. } = names.clone();
        let sequence = sequence % 1_000_000_000_000;
        for stage in [Some(stage), None] {
            let (release, state) = (release.clone(), state.clone());
            let due = Key::due(&release, stage.as_ref(), &state);
            let callback = Key::callback(&release, stage.as_ref(), &state);
            let woken = Key::wake(&wake, &release, stage.as_ref(), &state);
            prop_assert_eq!(due.parse(), Some(Item::Due { release: release.clone(), stage: stage.clone(), state: state.clone() }));
            prop_assert_eq!(callback.parse(), Some(Item::Callback { release: release.clone(), stage: stage.clone(), state: state.clone() }));
            prop_assert_eq!(woken.parse(), Some(Item::Wake { wake: wake.clone(), release, stage, state }));
        }
        prop_assert_eq!(Key::approval(&names.approval()).parse(), Some(Item::Approval { id: names.approval() }));
        prop_assert_eq!(Key::resend(&names.approval(), "hash").parse(), Some(Item::Resend { approval: names.approval() }));
        prop_assert_eq!(Key::history(&names.started()).parse(), Some(Item::Push { application: application.clone() }));
        prop_assert_eq!(Key::lock(&application).parse(), Some(Item::Lock { application: application.clone() }));
        prop_assert_eq!(Key::abort(&release).parse(), Some(Item::Abort { release: release.clone() }));
        prop_assert_eq!(Key::freeze_override(&release).parse(), Some(Item::Override { release }));
        prop_assert_eq!(Key::fired(&alarm).parse(), Some(Item::Fired { alarm }));
        prop_assert_eq!(Key::audit(&application, sequence).parse(), Some(Item::AuditEntry { application, sequence }));
    }
}

#[test]
fn stages_and_applications_that_begin_alike_are_kept_apart() {
    let one = Names::of(["web", "web-1", "production", "web"]);
    check(&one, &Names::of(["web-admin", "web-1-2", "production-eu", "web-admin"]));
    check(&one, &Names::of(["web", "web-1", "production-eu", "web"]));
    check(&one, &Names::of(["web", "web-1", "production", "web-admin"]));
}

#[test]
fn what_wakes_nobody_is_not_parsed() {
    let names = Names::of(["web", "web-1", "production", "web"]);
    let parsed = [
        "history", "lock", "abort", "override", "freeze", "due", "callback", "wake", "audit", "approval",
        "resend",
    ];
    for ((kind, _), key) in keys(&names) {
        let expected = parsed.contains(&kind.split(" of ").next().unwrap_or_default());
        assert_eq!(key.parse().is_some(), expected, "{kind} {key:?}");
    }
    for (pk, sk) in [
        ("LOCK#web", "LOCK#"),
        ("LOCK#Web", "LOCK"),
        ("DUE#web-1", "production"),
        ("DUE#web-1", "Production#X"),
        ("OPEN", ""),
    ] {
        assert_eq!(Key::of(pk, sk).parse(), None, "{pk} {sk}");
    }
}

#[test]
fn no_partition_begins_with_another_and_every_key_is_in_one() {
    for one in Key::PARTITIONS {
        assert_eq!(Key::PARTITIONS.iter().filter(|other| one.starts_with(**other)).count(), 1, "{one}");
    }
    let names = Names::of(["web", "web-1", "production", "web"]);
    let others = [Key::fired("5xx"), Key::link("a"), Key::view("a"), Key::console("a"), Key::warm_up()];
    let pushers = Key::pushers(&names.release().image.repository, &names.release().image.digest);
    for key in keys(&names).into_iter().map(|(_, key)| key).chain(others).chain([pushers]) {
        assert!(Key::PARTITIONS.iter().any(|partition| key.pk.starts_with(partition)), "{key:?}");
    }
}
