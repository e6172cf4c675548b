//! Lengths of time as people write them: `90s`, `15m`, `24h`, `7d`.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A length of time: a whole number above zero and `s`, `m`, `h` or `d`.
///
/// A year is the longest, which is also the longest that a Step Functions execution lives.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Span {
    text: String,
    seconds: u32,
}

/// A text that is no [`Span`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a length of time; write a whole number and s, m, h or d, such as 90m or 24h, of a year at the most"
)]
pub struct SpanError(String);

impl Span {
    /// The longest span, in seconds: 365 days.
    pub const LONGEST_SECONDS: u32 = 365 * 24 * 60 * 60;

    /// The length in seconds, from 1 to [`Span::LONGEST_SECONDS`].
    #[must_use]
    pub const fn seconds(&self) -> u32 {
        self.seconds
    }
}

impl std::str::FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let wrong = || SpanError(text.to_owned());
        let unit_seconds = match text.chars().last() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 60 * 60,
            Some('d') => 24 * 60 * 60,
            _ => return Err(wrong()),
        };
        let digits = &text[..text.len() - 1];
        if digits.is_empty() || digits.starts_with('0') || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(wrong());
        }
        let count: u32 = digits.parse().map_err(|_| wrong())?;
        let seconds =
            count.checked_mul(unit_seconds).filter(|s| *s <= Self::LONGEST_SECONDS).ok_or_else(wrong)?;
        Ok(Self { text: text.to_owned(), seconds })
    }
}

impl TryFrom<String> for Span {
    type Error = SpanError;
    fn try_from(text: String) -> Result<Self, SpanError> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.text
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_people_write_them() {
        for (text, seconds) in [("1s", 1), ("90m", 5_400), ("24h", 86_400), ("365d", 31_536_000)] {
            assert_eq!(text.parse::<Span>().expect(text).seconds(), seconds, "{text}");
        }
    }

    #[test]
    fn what_is_no_span_is_refused_with_what_to_write() {
        for text in ["", "m", "0m", "01h", "1.5h", "-1h", "24", "24 h", "1h30m", "366d", "99999999999d", "5µ"]
        {
            let error = text.parse::<Span>().expect_err(text);
            assert!(error.to_string().contains("such as 90m or 24h"), "{error}");
        }
    }
}
