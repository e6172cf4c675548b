//! How fast the local cloud's own waiting goes.

use serde::{Deserialize, Serialize};

/// The pace of what the local cloud waits for by itself: health checks, deployments that become steady,
/// retries. Time-outs stay as they are: what waits longer than it may fails at either pace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pace {
    /// As the README says; what people see.
    #[default]
    Normal,
    /// As short as it can be, for runs of hundreds of releases.
    Quick,
}

impl Pace {
    /// The pace that the command line's `--quick` asks for.
    #[must_use]
    pub fn quick(quick: bool) -> Self {
        if quick { Self::Quick } else { Self::Normal }
    }

    /// The variables that give it to MiniStack and its corrections.
    #[must_use]
    pub fn variables(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Normal => &[],
            // The first is the corrections' own. MiniStack multiplies what the workflow's retries and waits take by the
            // second.
            Self::Quick => &[
                ("SLIPWAY_QUICK", "true"),
                ("SFN_WAIT_SCALE", "0.1"),
                ("LAMBDA_ASYNC_RETRY_BASE_SECONDS", "0.2"),
            ],
        }
    }
}
