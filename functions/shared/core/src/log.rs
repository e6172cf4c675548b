//! What functions log of a release, and how it is read page by page.
//!
//! A page is a slice of time: what all functions logged in it, the oldest first. A slice that cannot be read through in one
//! request is made smaller, so that every request comes further and each answer is in order.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde_json::Value;

use crate::api::LogLine;
use crate::name::ReleaseId;

/// How many lines a page has at the most, unless more are of one moment.
pub const LINES: usize = 500;
/// The longest text of a line that is no JSON, in characters.
const LONGEST: usize = 2_000;
/// The smallest slice, in milliseconds.
const SMALLEST: i64 = 1_000;
/// How many times smaller a slice becomes that cannot be read.
const SMALLER: i64 = 8;

/// Where a page begins, in milliseconds since 1970, and how long its slice is where it is not all that is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The first millisecond.
    pub from: i64,
    /// How many milliseconds; all that is left when absent.
    pub length: Option<i64>,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.length {
            Some(length) => write!(formatter, "{}-{length}", self.from),
            None => write!(formatter, "{}", self.from),
        }
    }
}

/// A token that no answer had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no token of an answer")]
pub struct NoPlace;

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let number = |text: &str| text.parse::<i64>().ok().filter(|number| (0..=1 << 50).contains(number));
        let (from, length) = match text.split_once('-') {
            Some((from, length)) => (from, Some(number(length).filter(|length| *length > 0).ok_or(NoPlace)?)),
            None => (text, None),
        };
        Ok(Self { from: number(from).ok_or(NoPlace)?, length })
    }
}

impl Place {
    /// The last millisecond of the slice, where the log ends at `end`.
    #[must_use]
    pub fn until(&self, end: i64) -> i64 {
        self.length.map_or(end, |length| end.min(self.from + length - 1)).max(self.from)
    }

    /// The same place with a slice that is read sooner; nothing where it is the smallest one.
    #[must_use]
    pub fn smaller(&self, end: i64) -> Option<Self> {
        let length = self.until(end) - self.from + 1;
        (length > SMALLEST).then(|| Self { length: Some((length / SMALLER).max(SMALLEST)), from: self.from })
    }
}

/// How far a function's log was read within a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// To its end.
    All,
    /// Up to this millisecond; there may be more of it.
    UpTo(i64),
}

/// A page of the lines that were read, the oldest first, and the first millisecond that it does not have.
#[must_use]
pub fn page(place: &Place, end: i64, read: &[Read], mut lines: Vec<LogLine>) -> (Vec<LogLine>, i64) {
    let at = |line: &LogLine| line.at.as_millisecond();
    lines.sort_by_key(at);
    let begins = read.iter().filter_map(|read| match read {
        Read::All => None,
        // Nobody would come past a moment with more lines than are read at once.
        Read::UpTo(until) => Some((*until).max(place.from + 1)),
    });
    let mut next = begins.min().unwrap_or(place.until(end) + 1);
    if let Some(beyond) = lines.get(LINES).map(at)
        && beyond < next
    {
        let first = lines.first().map_or(beyond, at);
        next = if beyond > first { beyond } else { beyond + 1 };
    }
    lines.retain(|line| at(line) < next);
    (lines, next)
}

/// A logged text as a line; nothing where it is about another release, whose id begins or ends with this one.
#[must_use]
pub fn line(function: &str, release: &ReleaseId, at: Timestamp, text: &str) -> Option<LogLine> {
    if !names(text, release) {
        return None;
    }
    let Ok(Value::Object(mut fields)) = serde_json::from_str::<Value>(text) else {
        let message = text.trim().chars().take(LONGEST).collect();
        return Some(LogLine {
            at,
            function: function.to_owned(),
            level: None,
            stage: None,
            state: None,
            message,
            request: None,
            fields: BTreeMap::new(),
        });
    };
    let mut taken = |name: &str| match fields.remove(name) {
        Some(Value::String(text)) => Some(text).filter(|text| !text.is_empty()),
        Some(other) => Some(other.to_string()),
        None => None,
    };
    let (level, stage, state, message) = (taken("level"), taken("stage"), taken("state"), taken("message"));
    let request = fields.get("spans").and_then(|spans| {
        spans.as_array()?.iter().find_map(|span| Some(span.get("requestId")?.as_str()?.to_owned()))
    });
    // What the line's own members say already.
    for known in ["timestamp", "spans", "release.id"] {
        fields.remove(known);
    }
    Some(LogLine {
        at,
        function: function.to_owned(),
        level,
        stage,
        state,
        message: message.unwrap_or_default(),
        request,
        fields: fields.into_iter().collect(),
    })
}

/// Whether a text names a release by its whole id.
fn names(text: &str, release: &ReleaseId) -> bool {
    let id = release.as_str();
    let goes_on = |character: Option<char>| {
        character.is_some_and(|character| character.is_ascii_alphanumeric() || character == '-')
    };
    text.match_indices(id).any(|(start, _)| {
        !goes_on(text[..start].chars().next_back()) && !goes_on(text[start + id.len()..].chars().next())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "web-0123456789abcdef0123456789abcdef";

    fn id() -> ReleaseId {
        ReleaseId::new(ID).expect("an id")
    }

    fn at(millisecond: i64) -> Timestamp {
        Timestamp::from_millisecond(millisecond).expect("in range")
    }

    fn said(millisecond: i64, words: &str) -> LogLine {
        line("reconcile", &id(), at(millisecond), &format!("{words} {ID}")).expect("it names it")
    }

    fn all(place: &Place, end: i64, lines: Vec<LogLine>) -> (Vec<i64>, i64) {
        let (lines, next) = page(place, end, &[Read::All], lines);
        (lines.iter().map(|line| line.at.as_millisecond()).collect(), next)
    }

    #[test]
    fn a_line_of_json_is_taken_apart_and_keeps_what_else_it_has() {
        let text = format!(
            r#"{{"timestamp":"2026-11-20T08:15:30Z","level":"WARN","message":"DeployServices ends","release.id":"{ID}",
                "stage":"","state":"DeployServices","outcome":"FAILED","spans":[{{"name":"Lambda","requestId":"r-1"}}]}}"#
        );
        let line = line("deploy-services", &id(), at(5), &text).expect("it names it");

        assert_eq!(
            (line.level.as_deref(), line.stage, line.state.as_deref()),
            (Some("WARN"), None, Some("DeployServices"))
        );
        assert_eq!((line.message.as_str(), line.request.as_deref()), ("DeployServices ends", Some("r-1")));
        assert_eq!(
            line.fields.into_iter().collect::<Vec<_>>(),
            [("outcome".to_owned(), Value::from("FAILED"))]
        );
    }

    #[test]
    fn a_release_whose_id_has_this_one_in_it_is_another_one() {
        let names = |text: &str| line("reconcile", &id(), at(0), text).is_some();

        for text in
            [ID.to_owned(), format!("({ID})"), format!("{ID}/production"), format!("{ID}-0a1b2c3d, and {ID}")]
        {
            assert!(names(&text), "{text}");
        }
        for text in [format!("{ID}-0a1b2c3d"), format!("shop-{ID}"), "web".to_owned()] {
            assert!(!names(&text), "{text}");
        }
    }

    #[test]
    fn a_page_is_in_order_and_ends_where_the_first_log_was_not_read_further() {
        let place = Place { from: 0, length: None };
        let lines = || vec![said(30, "c"), said(10, "a"), said(20, "b")];

        assert_eq!(all(&place, 100, lines()), (vec![10, 20, 30], 101));
        let (some, next) = page(&place, 100, &[Read::All, Read::UpTo(30), Read::UpTo(50)], lines());
        assert_eq!((some.len(), next), (2, 30), "of the thirtieth millisecond there may be more");
        let (none, next) = page(&place, 100, &[Read::UpTo(0)], lines());
        assert_eq!((none.len(), next), (0, 1), "it comes further");
    }

    #[test]
    fn a_page_has_so_many_lines_unless_more_are_of_one_moment() {
        let place = Place { from: 0, length: None };
        let number = |n: usize| i64::try_from(n).expect("it fits");
        let many =
            |moments: usize| (0..LINES + 10).map(|n| said(number(n % moments), "x")).collect::<Vec<_>>();

        let (lines, next) = all(&place, 1_000, many(LINES + 10));
        assert_eq!((lines.len(), next), (LINES, number(LINES)));
        let (lines, next) = all(&place, 1_000, many(1));
        assert_eq!((lines.len(), next), (LINES + 10, 1));
    }

    #[test]
    fn a_token_is_read_as_it_was_written_and_nothing_else_is() {
        for place in [Place { from: 1_795_162_530_000, length: None }, Place { from: 0, length: Some(1) }] {
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        for text in ["", "-", "5-", "-5", "5-0", "5--1", "x", "99999999999999999", "5-6-7", "1e3"] {
            assert_eq!(text.parse::<Place>(), Err(NoPlace), "{text}");
        }
    }

    #[test]
    fn a_slice_that_cannot_be_read_becomes_smaller_down_to_a_second() {
        let mut place = Place { from: 10, length: None };
        let mut lengths = Vec::new();
        while let Some(smaller) = place.smaller(80_009) {
            lengths.push(smaller.length.expect("a length"));
            place = smaller;
        }
        assert_eq!(lengths, [10_000, 1_250, 1_000]);
        assert_eq!((place.until(80_009), place.until(500)), (1_009, 500));
    }
}
