//! How awkward the cloud is: what AWS does at its own will, done when a test asks for it.

use serde::{Deserialize, Serialize};

/// The whole of it, in `awkward.json` of the state folder.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Awkward {
    /// For how many seconds after a write the functions' reads answer as before it.
    #[serde(default)]
    pub lag_seconds: f64,
}
