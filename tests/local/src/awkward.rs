//! How awkward the cloud is: what AWS does at its own will, done when a test, or a whole run of tests, asks for it.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::told;

/// What AWS does of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Awkward {
    /// For how many seconds after a write the functions' reads answer as before it.
    pub lag_seconds: f64,
    /// Every how many seconds a task of each service is replaced; never for 0.
    pub replaces_seconds: f64,
    /// Whether the functions are throttled at AWS's own rates, and an address that gets more than ten mails a second is
    /// suspended.
    pub rates: bool,
    /// How many seconds a minute of a lifecycle hook's time-out has; 60 for 0.
    pub hook_minute_seconds: f64,
    /// In a test: nothing of what the whole run asks for, because it counts what happens.
    pub calm: bool,
}

impl Awkward {
    /// All of it, as much as AWS is known to do without being broken.
    #[must_use]
    pub const fn whole() -> Self {
        Self { lag_seconds: 1.0, replaces_seconds: 45.0, rates: true, hook_minute_seconds: 0.0, calm: false }
    }
}

/// The whole of it, in `awkward.json` of the state folder.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Awkwardness {
    /// In every test of the run.
    pub always: Awkward,
    /// In the test that runs now.
    pub now: Awkward,
}

impl Awkwardness {
    /// What the file says; nothing where there is none, or it cannot be read.
    #[must_use]
    pub fn read(file: &Path) -> Self {
        told::read(file).unwrap_or_default()
    }

    /// Whether AWS's own rates hold.
    #[must_use]
    pub const fn has_rates(&self) -> bool {
        self.now.rates || self.always.rates && !self.now.calm
    }

    /// For how many seconds the functions' reads may answer as before a write.
    #[must_use]
    pub fn lag_seconds(&self) -> f64 {
        let always = if self.now.calm { 0.0 } else { self.always.lag_seconds };
        self.now.lag_seconds.max(always)
    }
}
