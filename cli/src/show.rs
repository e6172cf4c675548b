//! Puts answers into lines: tables that fit a terminal, times as people say them, colours where there is a terminal.

use console::{Style, Term, measure_text_width, truncate_str};
use jiff::{SignedDuration, Timestamp};
use slipway_core::image::Image;
use slipway_core::words;

/// How wide a column may be made at the least, so that it fits.
const NARROWEST: usize = 6;
/// Between columns.
const GAP: &str = "  ";

/// How wide lines may be; nothing where there is no terminal.
pub(crate) fn width() -> Option<usize> {
    let terminal = Term::stdout();
    terminal.is_term().then(|| usize::from(terminal.size().1)).filter(|width| *width > 0)
}

/// A table: what is in its cells, and which columns give way first where it is too wide.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<Cell>>,
}

/// A cell: its words, and how they look.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    words: String,
    style: Style,
}

impl Cell {
    pub(crate) fn new(words: impl Into<String>) -> Self {
        // What others wrote moves no cursor and colours nothing.
        Self { words: words::exact(&words.into()), style: Style::new() }
    }

    pub(crate) fn styled(self, style: Style) -> Self {
        Self { style, ..self }
    }
}

impl From<&str> for Cell {
    fn from(words: &str) -> Self {
        Self::new(words)
    }
}

impl From<String> for Cell {
    fn from(words: String) -> Self {
        Self::new(words)
    }
}

impl Table {
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines, none wider than a terminal: the widest column gives way.
    pub(crate) fn lines(&self, width: Option<usize>) -> Vec<String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let mut widths: Vec<usize> = (0..columns)
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells.map(|cell| measure_text_width(&cell.words)).max().unwrap_or_default()
            })
            .collect();
        if let Some(width) = width {
            let gaps = GAP.len() * columns.saturating_sub(1);
            while widths.iter().sum::<usize>() + gaps > width {
                let Some(widest) = widths.iter_mut().max().filter(|widest| **widest > NARROWEST) else {
                    break;
                };
                *widest -= 1;
            }
        }
        self.rows.iter().map(|row| line(row, &widths)).collect()
    }
}

fn line(row: &[Cell], widths: &[usize]) -> String {
    let mut text = String::new();
    for (position, (cell, width)) in row.iter().zip(widths).enumerate() {
        if position > 0 {
            text.push_str(GAP);
        }
        let words = truncate_str(&cell.words, *width, "…");
        let padding = width.saturating_sub(measure_text_width(&words));
        text.push_str(&cell.style.apply_to(words.as_ref()).to_string());
        if position + 1 < row.len() {
            text.push_str(&" ".repeat(padding));
        }
    }
    text.trim_end().to_owned()
}

/// A line that fits the terminal.
pub(crate) fn fitted(text: &str, width: Option<usize>) -> String {
    match width {
        Some(width) => truncate_str(text, width, "…").into_owned(),
        None => text.to_owned(),
    }
}

/// A text on as many lines as it needs, each after the first with an indent.
pub(crate) fn wrapped(text: &str, indent: usize, width: Option<usize>) -> Vec<String> {
    let text = words::exact(text);
    let Some(room) = width.map(|width| width.saturating_sub(indent).max(20)) else { return vec![text] };
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace().flat_map(|word| pieces(word, room)) {
        match lines.last_mut() {
            Some(line) if measure_text_width(line) + 1 + measure_text_width(&word) <= room => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

/// What is wrong, on as many lines as it needs.
pub(crate) fn warned(text: &str, indent: usize, width: Option<usize>) -> Vec<String> {
    signed("✗", &Style::new().red(), text, indent, width)
}

/// What is frozen, on as many lines as it needs.
pub(crate) fn frosted(text: &str, width: Option<usize>) -> Vec<String> {
    signed("❄", &Style::new().cyan(), text, 0, width)
}

fn signed(sign: &str, style: &Style, text: &str, indent: usize, width: Option<usize>) -> Vec<String> {
    let space = " ".repeat(indent);
    let all = wrapped(text, indent + 2, width).into_iter().enumerate();
    all.map(|(position, line)| {
        let sign = if position == 0 { sign } else { " " };
        style.apply_to(format!("{space}{sign} {line}")).to_string()
    })
    .collect()
}

/// A word that is wider than a line, such as an ARN, in pieces that are not.
fn pieces(word: &str, room: usize) -> Vec<String> {
    if measure_text_width(word) <= room {
        return vec![word.to_owned()];
    }
    let mut pieces = vec![String::new()];
    for character in word.chars() {
        let last = pieces.last_mut().expect("there is one");
        if measure_text_width(last) >= room.saturating_sub(1) {
            pieces.push(character.to_string());
        } else {
            last.push(character);
        }
    }
    pieces
}

/// How long, as people say it: `8 s`, `4 min 12 s`, `3 h 5 min`, `6 days`.
pub(crate) fn duration(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{minutes} min {} s", seconds % 60),
        3_600..172_800 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} days"),
    }
}

/// How long ago, roughly.
pub(crate) fn ago(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(at).as_secs().max(0);
    match seconds {
        0..60 => "just now".to_owned(),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..172_800 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

/// A time in UTC, to the minute.
pub(crate) fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M").to_string()
}

/// An image as people know it: the tag and the digest's first digits.
pub(crate) fn image(image: &Image) -> String {
    let (tag, digest) = (image.tag_in_words(), image.digest.short());
    if tag == digest { digest.to_owned() } else { format!("{tag} ({digest})") }
}

/// A thing or several, as a list in words.
pub(crate) fn list(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// How a release's outcome looks.
pub(crate) fn outcome_style(outcome: slipway_core::release::Outcome) -> Style {
    use slipway_core::release::Outcome::{
        Expired, Failed, Rejected, Released, RolledBack, Stuck, Superseded,
    };
    match outcome {
        Released => Style::new().green(),
        RolledBack | Rejected | Failed => Style::new().red(),
        Stuck => Style::new().red().bold(),
        Expired | Superseded => Style::new().yellow(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::default();
        table.row(["web".into(), "staging".into(), "v12 (a1b2c3d4e5f6)".into(), "2/2".into()]);
        table.row([
            "checkout".into(),
            "production".into(),
            "a-very-long-tag-of-somebody (a1b2c3d4e5f6)".into(),
        ]);
        table
    }

    #[test]
    fn columns_are_as_wide_as_they_need_to_be_and_lines_have_no_end_of_spaces() {
        assert_eq!(
            table().lines(None),
            [
                "web       staging     v12 (a1b2c3d4e5f6)                          2/2",
                "checkout  production  a-very-long-tag-of-somebody (a1b2c3d4e5f6)",
            ]
        );
    }

    #[test]
    fn a_table_that_is_too_wide_has_its_widest_column_cut() {
        for width in [40, 60, 80] {
            for line in table().lines(Some(width)) {
                assert!(measure_text_width(&line) <= width, "{width}: {line}");
            }
        }
        assert!(
            table().lines(Some(60))[1].contains("production  a-very-long"),
            "{:?}",
            table().lines(Some(60))
        );
    }

    #[test]
    fn times_are_said_as_people_say_them() {
        for (seconds, expected) in [
            (0, "0 s"),
            (59, "59 s"),
            (252, "4 min 12 s"),
            (3_600 * 3 + 300, "3 h 5 min"),
            (86_400 * 6 + 5, "6 days"),
        ] {
            assert_eq!(duration(SignedDuration::from_secs(seconds)), expected);
        }
        let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * 365);
        assert_eq!(ago(now, now), "just now");
        assert_eq!(ago(now - SignedDuration::from_mins(90), now), "1 h ago");
        // A clock that goes wrong says nothing strange.
        assert_eq!(ago(now + SignedDuration::from_mins(90), now), "just now");
    }

    #[test]
    fn what_others_wrote_moves_no_cursor() {
        let mut table = Table::default();
        table.row(["\u{1b}[2Jv1\r\n".into()]);
        assert!(!table.lines(None)[0].contains('\u{1b}'), "{:?}", table.lines(None));
    }

    #[test]
    fn a_long_sentence_takes_as_many_lines_as_it_needs() {
        let text = "one two three four five six seven eight nine ten";
        let lines = wrapped(text, 4, Some(30));
        assert!(lines.len() > 1 && lines.iter().all(|line| line.len() <= 26), "{lines:?}");
        assert_eq!(lines.join(" "), text);
        assert_eq!(wrapped(text, 4, None), [text]);
        let arn = "it runs arn:aws:ecs:eu-central-1:111122223333:task-definition/staging-web:13 instead";
        let lines = wrapped(arn, 0, Some(30));
        assert!(lines.iter().all(|line| line.len() <= 30), "{lines:?}");
        assert_eq!(lines.concat().replace(' ', ""), arn.replace(' ', ""));
    }

    #[test]
    fn lists_are_said_aloud() {
        let words = |words: &[&str]| list(&words.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(words(&[]), "");
        assert_eq!(words(&["a"]), "a");
        assert_eq!(words(&["a", "b", "c"]), "a, b and c");
    }
}
