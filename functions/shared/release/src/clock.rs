//! The one clock. Time is read here, at the edge, and given to the core as a value.

/// The time now, on this machine's clock.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one clock")]
pub fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
