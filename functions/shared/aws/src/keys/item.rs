//! What a key is the key of.

use serde::Deserialize as _;
use serde::de::IntoDeserializer;
use serde::de::value::Error;
use slipway_core::approval::ApprovalId;
use slipway_core::name::{ApplicationName, ReleaseId, StageName};

use super::{Key, partition};

/// The items whose keys are read: those of which a change in the table's stream may wake a step, and those whose key
/// says what their document does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// An approval: people decided, or it was closed.
    Approval {
        /// Its id.
        id: ApprovalId,
    },
    /// That an operator asked for an approval's mails to go out again.
    Resend {
        /// The approval's id.
        approval: ApprovalId,
    },
    /// A release in its application's history: an image was pushed, or its release asked for.
    Push {
        /// The application.
        application: ApplicationName,
    },
    /// The lock of an application.
    Lock {
        /// The application.
        application: ApplicationName,
    },
    /// That a person asked for a release to end.
    Abort {
        /// The release.
        release: ReleaseId,
    },
    /// That a person let a release through a freeze.
    Override {
        /// The release.
        release: ReleaseId,
    },
    /// A person's freeze.
    Freeze,
    /// That an alarm went into ALARM.
    Fired {
        /// The alarm's name.
        alarm: String,
    },
    /// That the reconciler asks for a step to be woken.
    Due {
        /// The release.
        release: ReleaseId,
        /// The stage; none before the first and after the last.
        stage: Option<StageName>,
        /// The state's name.
        state: String,
    },
    /// The callback of a step.
    Callback {
        /// The release.
        release: ReleaseId,
        /// The stage; none before the first and after the last.
        stage: Option<StageName>,
        /// The state's name.
        state: String,
    },
    /// What points from a wake key to a step's callback.
    Wake {
        /// The wake key as text.
        wake: String,
        /// The release.
        release: ReleaseId,
        /// The stage; none before the first and after the last.
        stage: Option<StageName>,
        /// The state's name.
        state: String,
    },
    /// An entry of an application's audit.
    AuditEntry {
        /// The application.
        application: ApplicationName,
        /// Its number, counted from 1.
        sequence: u64,
    },
}

impl Key {
    /// What this is the key of; nothing where it is of none of the items that [`Item`] knows.
    #[must_use]
    pub fn parse(&self) -> Option<Item> {
        let Self { pk, sk } = self;
        let owner = |partition: &str| pk.strip_prefix(partition);
        if let Some(id) = owner(partition::APPROVAL) {
            (sk == Self::APPROVAL).then_some(())?;
            Some(Item::Approval { id: approval_of(id)? })
        } else if let Some(id) = owner(partition::RESEND) {
            Some(Item::Resend { approval: approval_of(id)? })
        } else if let Some(application) = owner(partition::APPLICATION) {
            Some(Item::Push { application: ApplicationName::new(application).ok()? })
        } else if let Some(application) = owner(partition::LOCK) {
            (sk == Self::LOCK).then_some(Item::Lock { application: ApplicationName::new(application).ok()? })
        } else if let Some(release) = owner(partition::ABORT) {
            let release = ReleaseId::new(release).ok()?;
            match sk.as_str() {
                Self::ABORT => Some(Item::Abort { release }),
                Self::OVERRIDE => Some(Item::Override { release }),
                _ => None,
            }
        } else if pk == partition::FREEZE {
            Some(Item::Freeze)
        } else if let Some(alarm) = owner(partition::ALARM) {
            (sk == Self::FIRED).then(|| Item::Fired { alarm: alarm.to_owned() })
        } else if let Some(release) = owner(partition::DUE) {
            let (stage, state) = step_of(sk)?;
            Some(Item::Due { release: ReleaseId::new(release).ok()?, stage, state })
        } else if let Some(release) = owner(partition::CALLBACK) {
            let (stage, state) = step_of(sk)?;
            Some(Item::Callback { release: ReleaseId::new(release).ok()?, stage, state })
        } else if let Some(wake) = owner(partition::WAKE) {
            let (release, step) = sk.split_once('#')?;
            let (stage, state) = step_of(step)?;
            Some(Item::Wake { wake: wake.to_owned(), release: ReleaseId::new(release).ok()?, stage, state })
        } else {
            let application = ApplicationName::new(owner(partition::AUDIT)?).ok()?;
            Some(Item::AuditEntry { application, sequence: sk.parse().ok()? })
        }
    }
}

fn approval_of(id: &str) -> Option<ApprovalId> {
    ApprovalId::deserialize(IntoDeserializer::<Error>::into_deserializer(id)).ok()
}

/// `STAGE#STATE`.
fn step_of(text: &str) -> Option<(Option<StageName>, String)> {
    let (stage, state) = text.split_once('#')?;
    let stage = if stage == Key::NO_STAGE { None } else { Some(StageName::new(stage).ok()?) };
    Some((stage, state.to_owned()))
}
