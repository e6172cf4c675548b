//! The one clock of this crate.

/// Now.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one clock: what happens on the local cloud happens now"
)]
pub fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
