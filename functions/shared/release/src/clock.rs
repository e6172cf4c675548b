//! The one clock. Time is read here, at the edge, and given to the core as a value.

/// The time now, on this machine's clock.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one clock")]
pub fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// The minute of a time, such as `2026-11-20T08:15`: what happens in one is counted under it.
#[must_use]
pub fn minute_of(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M").to_string()
}
