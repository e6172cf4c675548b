//! New code beside the version before: a release that began on the old one goes on with it while the new one runs, so each
//! reads what the other wrote (docs/decisions/0009-old-releases-finish-on-old-code.md).
//!
//! `table-of-the-version-before.jsonl` is the table of a local cloud on that version's code, after a release that was
//! approved, one that was rejected, one that was rolled back, and one that still asks. With each version it is written
//! anew. What the new code does not know is an error here, and so is what it would write otherwise: the old code's types
//! know no other fields.

use std::collections::BTreeSet;
use std::fs;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use slipway_core::approval::{Approval, ApprovalId, Link, Verified};
use slipway_core::audit::Sealed;
use slipway_core::lock::Lock;
use slipway_core::name::TaskDefinitionArn;
use slipway_core::protocol::{Callback, Waiting};
use slipway_core::quarantine::Quarantine;
use slipway_core::release::{Ended, Started};
use slipway_core::rollback::{Baseline, Change};
use slipway_core::step::Deployed;
use slipway_core::timeline::{TimelineEvent, View};
use slipway_release::Open;

/// The document as the new code reads and writes it.
fn again<T: DeserializeOwned + Serialize>(document: &Value) -> Value {
    let read: T = serde_json::from_value(document.clone())
        .unwrap_or_else(|error| panic!("{error}: {document} is not read any more"));
    serde_json::to_value(read).expect("it is written")
}

/// What an item's keys say that it is, and the document once more.
fn once_more(pk: &str, sk: &str, document: &Value) -> (&'static str, Value) {
    let (kind, part) = (pk.split('#').next().unwrap_or_default(), sk.split('#').next().unwrap_or_default());
    match (kind, part) {
        ("APPLICATION", _) => ("history", again::<Started>(document)),
        ("APPROVAL", "APPROVAL") => ("approval", again::<Approval>(document)),
        ("APPROVAL", "MAILED" | "RECEIPT") => ("mail", again::<Timestamp>(document)),
        ("APPROVER", _) => ("approver", again::<Timestamp>(document)),
        ("AUDIT", _) => ("audit", again::<Sealed>(document)),
        ("CALLBACK", _) => ("callback", again::<Callback>(document)),
        ("LINK", _) => ("link", again::<Link>(document)),
        ("LOCK", _) => ("lock", again::<Lock>(document)),
        ("OPEN", _) => ("open release", again::<Open>(document)),
        ("QUARANTINE", _) => ("quarantine", again::<Quarantine>(document)),
        ("RELEASE", "ASKED") => ("asked", again::<ApprovalId>(document)),
        ("RELEASE", "BASELINE") => ("baseline", again::<Baseline>(document)),
        ("RELEASE", "CHANGE") => ("change", again::<Change>(document)),
        ("RELEASE", "DEFINITION") => ("definition", document.clone()),
        ("RELEASE", "DEPLOYED") => ("revision", again::<TaskDefinitionArn>(document)),
        ("RELEASE", "DEPLOYMENT" | "RESTORATION") => ("deployment", again::<Deployed>(document)),
        ("RELEASE", "ENDING") => ("ending", again::<Ended>(document)),
        ("RELEASE", "GATE" | "NOTIFIED") => ("time", again::<Timestamp>(document)),
        ("RELEASE", "RELEASE") => ("release", again::<Started>(document)),
        ("RELEASE", "VERIFIED") => ("verification", again::<Verified>(document)),
        ("TIMELINE", _) => ("timeline", again::<TimelineEvent>(document)),
        ("VIEW", _) => ("view", again::<View>(document)),
        ("WAKE", _) => ("wake", again::<Waiting>(document)),
        _ => panic!("{pk} {sk} is no item that the new code knows"),
    }
}

#[test]
fn what_the_version_before_wrote_is_read_and_written_as_it_was() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/table-of-the-version-before.jsonl");
    let items = fs::read_to_string(file).expect("the table");
    let mut kinds = BTreeSet::new();
    for line in items.lines() {
        let item: Value = serde_json::from_str(line).expect("an item");
        let text = |field: &str| item[field].as_str().expect("a key").to_owned();
        let (kind, once_more) = once_more(&text("pk"), &text("sk"), &item["document"]);
        assert_eq!(once_more, item["document"], "{kind} {}", text("sk"));
        kinds.insert(kind);
    }
    assert!(kinds.len() > 20, "the table has one of everything that outlives a step: {kinds:?}");
}
