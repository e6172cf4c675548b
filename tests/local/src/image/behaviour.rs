//! What a version of the sample application does once it runs.

use std::{fmt, str::FromStr, time::Duration};

use anyhow::bail;

/// How long a version that turns bad is good when nothing else is said.
const GOOD_FOR: Duration = Duration::from_secs(20);

/// What a version of the sample application does, baked into its image.
///
/// Written as people write it on the command line: `good`, `answer-500`, `hang`, `crash`, `stumble`, `turn-bad` (good for
/// 20 seconds) or `turn-bad:SECONDS`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// Answers every request as it should.
    #[default]
    Good,
    /// Answers 500 on every path.
    Answer500,
    /// Accepts connections and never answers.
    Hang,
    /// Says why and exits with 1, before it listens.
    Crash,
    /// Answers its first request with 500 and every other as it should; the load balancer's checks do not count.
    Stumble,
    /// Good for a while after its start, then answers 500 on every path.
    TurnBad {
        /// How long it is good, in whole seconds.
        good_for: Duration,
    },
}

impl Behaviour {
    /// The environment of the image's configuration that makes the application behave so.
    pub(super) fn environment(self) -> Vec<String> {
        let mut environment = vec![format!("BEHAVIOUR={}", self.word())];
        if let Self::TurnBad { good_for } = self {
            environment.push(format!("GOOD_FOR_SECONDS={}", good_for.as_secs()));
        }
        environment
    }

    fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Answer500 => "answer-500",
            Self::Hang => "hang",
            Self::Crash => "crash",
            Self::Stumble => "stumble",
            Self::TurnBad { .. } => "turn-bad",
        }
    }
}

impl fmt::Display for Behaviour {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TurnBad { good_for } => write!(formatter, "turn-bad:{}", good_for.as_secs()),
            other => formatter.write_str(other.word()),
        }
    }
}

impl FromStr for Behaviour {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "good" => Self::Good,
            "answer-500" => Self::Answer500,
            "hang" => Self::Hang,
            "crash" => Self::Crash,
            "stumble" => Self::Stumble,
            "turn-bad" => Self::TurnBad { good_for: GOOD_FOR },
            other => match other.strip_prefix("turn-bad:").map(str::parse) {
                Some(Ok(seconds)) => Self::TurnBad { good_for: Duration::from_secs(seconds) },
                _ => bail!(
                    "`{other}` is not a behaviour: write good, answer-500, hang, crash, stumble, turn-bad or turn-bad:SECONDS"
                ),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_behaviour_is_read_as_it_is_written() {
        for written in ["good", "answer-500", "hang", "crash", "stumble", "turn-bad:7"] {
            let behaviour: Behaviour = written.parse().expect("a known behaviour");

            assert_eq!(behaviour.to_string(), written);
        }
    }

    #[test]
    fn an_unknown_behaviour_is_refused_with_the_known_ones() {
        for unknown in ["", "bad", "turn-bad:", "turn-bad:soon", "crash:1"] {
            let refusal = unknown.parse::<Behaviour>().expect_err("not a behaviour").to_string();

            assert!(refusal.contains("answer-500"), "{refusal}");
        }
    }
}
