//! What ends a command, in one line that says what is wrong and what to do.

/// Why a command did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request is wrong, or refused. Nothing was changed.
    #[error("{0}")]
    Refused(String),
    /// AWS or the API did not answer. The request may have been done, and may be sent again.
    #[error("{0}")]
    Unanswered(String),
}

impl Error {
    /// What the command ends with.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(_) => 2,
            Self::Unanswered(_) => 3,
        }
    }

    /// Whether asking again may help.
    #[must_use]
    pub const fn may_be_asked_again(&self) -> bool {
        matches!(self, Self::Unanswered(_))
    }
}
