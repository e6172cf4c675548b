//! Puts answers into lines: tables that fit a terminal, times as people say them, colours where there is a terminal.

use console::{Style, Term, measure_text_width, truncate_str};
use jiff::{SignedDuration, Timestamp};
use slipway_core::image::Image;
use slipway_core::words;

/// How wide a column may be made at the least, so that it fits.
const NARROWEST: usize = 6;
/// Between columns.
const GAP: &str = "  ";
/// How much room notes need at the least to stand beside their row.
const BESIDE: usize = 40;
/// How far notes that stand below their row are indented, and how far at the most.
const BELOW: usize = 6;
const FAR: usize = 10;

/// How wide lines may be; nothing where there is no terminal.
pub(crate) fn width() -> Option<usize> {
    width_of(&Term::stdout())
}

/// The same of what is not an answer: errors and questions.
pub(crate) fn width_beside() -> Option<usize> {
    width_of(&Term::stderr())
}

fn width_of(terminal: &Term) -> Option<usize> {
    terminal.is_term().then(|| usize::from(terminal.size().1)).filter(|width| *width > 0)
}

/// A table: what is in its cells, and which columns give way first where it is too wide.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
    kept: &'static [usize],
}

/// A row, and what it says in sentences: nothing of those is cut.
#[derive(Debug)]
struct Row {
    cells: Vec<Cell>,
    notes: Vec<String>,
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
        self.row_with(cells, []);
    }

    /// A row with sentences: they stand beside it where they have room, and below it elsewhere.
    pub(crate) fn row_with(
        &mut self,
        cells: impl IntoIterator<Item = Cell>,
        notes: impl IntoIterator<Item = String>,
    ) {
        let notes = notes.into_iter().filter(|note| !note.is_empty()).collect();
        self.rows.push(Row { cells: cells.into_iter().collect(), notes });
    }

    /// Has these columns give way last, counted from 0: what they say is short, and worth nothing when it is cut.
    pub(crate) fn keeping(self, kept: &'static [usize]) -> Self {
        Self { kept, ..self }
    }

    /// The lines, none wider than a terminal.
    pub(crate) fn lines(&self, width: Option<usize>) -> Vec<String> {
        let widths = self.widths(width);
        let room = width.map(|width| width.saturating_sub(whole(&widths) + GAP.len()));
        // The same for all, so that what belongs together looks alike.
        let is_beside = self.rows.iter().all(|row| row.has_room(room));
        self.rows.iter().flat_map(|row| row.lines(&widths, width, is_beside)).collect()
    }

    /// Whether nothing of it has to give way.
    pub(crate) fn fits(&self, width: Option<usize>) -> bool {
        width.is_none_or(|width| whole(&self.widths(None)) <= width)
    }

    /// How wide each column is. Where they have no room, the one gives way whose cut cells are few and long: a name that is
    /// longer than all others is cut, and not all of them.
    fn widths(&self, width: Option<usize>) -> Vec<usize> {
        let columns = self.rows.iter().map(|row| row.cells.len()).max().unwrap_or_default();
        let cells = |column: usize| self.rows.iter().filter_map(move |row| row.cells.get(column));
        let cells: Vec<Vec<usize>> = (0..columns)
            .map(|column| cells(column).map(|cell| measure_text_width(&cell.words)).collect())
            .collect();
        let mut widths: Vec<_> =
            cells.iter().map(|cells| cells.iter().copied().max().unwrap_or_default()).collect();
        let cut = |column: usize, wide: usize| cells[column].iter().filter(|cell| **cell >= wide).count();
        while width.is_some_and(|width| whole(&widths) > width) {
            let narrowed =
                widths.iter().copied().enumerate().filter(|(_, wide)| *wide > NARROWEST).max_by_key(
                    |(column, wide)| (!self.kept.contains(column), 1_000 * wide / cut(*column, *wide).max(1)),
                );
            let Some((column, _)) = narrowed else { break };
            widths[column] -= 1;
        }
        widths
    }
}

/// How wide columns are together.
fn whole(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + GAP.len() * widths.len().saturating_sub(1)
}

impl Row {
    fn notes(&self) -> String {
        words::exact(&self.notes.join(GAP))
    }

    /// Whether its notes may stand beside it, on one line or on several.
    fn has_room(&self, room: Option<usize>) -> bool {
        let notes = self.notes();
        let longest = notes.split_whitespace().map(measure_text_width).max().unwrap_or_default();
        room.is_none_or(|room| measure_text_width(&notes) <= room || BESIDE.max(longest) <= room)
    }

    fn lines(&self, widths: &[usize], width: Option<usize>, is_beside: bool) -> Vec<String> {
        let line = line(&self.cells, widths);
        if self.notes.is_empty() {
            return vec![line];
        }
        let beside = whole(widths) + GAP.len();
        let notes = self.notes();
        let fits = width.is_none_or(|width| beside + measure_text_width(&notes) <= width);
        if !fits && !is_beside {
            // Below the second column, where that is near.
            let second = widths.first().map_or(BELOW, |first| first + GAP.len());
            let indent = if second <= FAR { second } else { BELOW };
            let notes = self.notes.iter().flat_map(|note| indented(note, indent, width));
            return [line].into_iter().chain(notes).collect();
        }
        let notes = if fits {
            vec![notes]
        } else {
            self.notes.iter().flat_map(|note| wrapped(note, beside, width)).collect()
        };
        let padding = " ".repeat(beside.saturating_sub(measure_text_width(&line)));
        let mut notes = notes.into_iter();
        let first = format!("{line}{padding}{}", notes.next().unwrap_or_default());
        [first].into_iter().chain(notes.map(|note| format!("{}{note}", " ".repeat(beside)))).collect()
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

/// A text of several lines, each on as many as it needs.
pub(crate) fn paragraphs(text: &str, width: Option<usize>) -> String {
    let lines: Vec<_> = text.lines().flat_map(|line| wrapped(line, 0, width)).collect();
    lines.join("\n")
}

/// A heading, on as many lines as it needs.
pub(crate) fn heading(text: &str, width: Option<usize>) -> Vec<String> {
    let bold = Style::new().bold();
    wrapped(text, 0, width).into_iter().map(|line| bold.apply_to(line).to_string()).collect()
}

/// A text on as many lines as it needs, all of them indented.
pub(crate) fn indented(text: &str, indent: usize, width: Option<usize>) -> Vec<String> {
    let space = " ".repeat(indent);
    wrapped(text, indent, width).into_iter().map(|line| format!("{space}{line}")).collect()
}

/// A text on as many lines as it needs, all but the first of them indented.
pub(crate) fn hanging(text: &str, indent: usize, width: Option<usize>) -> Vec<String> {
    let space = " ".repeat(indent);
    let lines = wrapped(text, indent, width).into_iter().enumerate();
    lines.map(|(position, line)| if position == 0 { line } else { format!("{space}{line}") }).collect()
}

/// Things that belong together, as many on a line as it has room for.
pub(crate) fn beside_each_other(things: &[String], indent: usize, width: Option<usize>) -> Vec<String> {
    const BETWEEN: &str = "   ";
    let space = " ".repeat(indent);
    let mut lines: Vec<String> = Vec::new();
    for thing in things {
        let line = lines.last_mut().filter(|line| {
            let wide = measure_text_width(line) + BETWEEN.len() + measure_text_width(thing);
            width.is_none_or(|width| wide <= width)
        });
        match line {
            Some(line) => line.push_str(&format!("{BETWEEN}{thing}")),
            None => lines.push(format!("{space}{thing}")),
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

/// A text behind a sign, on as many lines as it needs.
pub(crate) fn signed(
    sign: &str,
    style: &Style,
    text: &str,
    indent: usize,
    width: Option<usize>,
) -> Vec<String> {
    let space = " ".repeat(indent);
    let all = wrapped(text, indent + 2, width).into_iter().enumerate();
    all.map(|(position, line)| {
        let sign = if position == 0 { sign } else { " " };
        style.apply_to(format!("{space}{sign} {line}")).to_string()
    })
    .collect()
}

/// A word that is wider than a line, such as an ARN, in pieces that are not; broken behind one of its parts where one ends
/// in the line's second half.
fn pieces(word: &str, room: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut rest = word;
    while measure_text_width(rest) > room {
        let most = truncate_str(rest, room, "").len().max(rest.chars().next().map_or(1, char::len_utf8));
        let behind =
            |marks: &[char]| rest[..most].rfind(marks).map(|end| end + 1).filter(|end| *end > most / 2);
        let end = behind(&['/']).or_else(|| behind(&[':', '=', '@', ','])).unwrap_or(most);
        pieces.push(rest[..end].to_owned());
        rest = &rest[end..];
    }
    pieces.push(rest.to_owned());
    pieces
}

/// How long, as people say it: `8 s`, `4 min 12 s`, `5 min`, `3 h 5 min`, `6 days`.
pub(crate) fn duration(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    let and = |count: i64, unit: &str| if count > 0 { format!(" {count} {unit}") } else { String::new() };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{minutes} min{}", and(seconds % 60, "s")),
        3_600..172_800 => format!("{hours} h{}", and(minutes % 60, "min")),
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
    fn of_a_table_that_is_too_wide_the_longest_cells_are_cut() {
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
    fn one_long_name_is_cut_and_not_all_the_others_and_a_column_may_be_kept() {
        let mut table = Table::default().keeping(&[2]);
        for name in ["web", "shop", "customer-relationship-management"] {
            table.row([name.into(), "v12 (a1b2c3d4e5f6)".into(), "2 h ago, restored".into()]);
        }
        assert_eq!(
            table.lines(Some(56)),
            [
                "web                v12 (a1b2c3d4e5f6)  2 h ago, restored",
                "shop               v12 (a1b2c3d4e5f6)  2 h ago, restored",
                "customer-relatio…  v12 (a1b2c3d4e5f6)  2 h ago, restored",
            ]
        );
    }

    #[test]
    fn a_sentence_stands_beside_its_row_or_below_it_and_is_never_cut() {
        let sentence = "the image answers every request with 500 since it runs in staging";
        let mut table = Table::default();
        table.row_with(["v12".into(), "staging".into()], [sentence.to_owned()]);
        table.row_with(["v11".into(), "production".into()], [String::new()]);
        assert_eq!(table.lines(None), [format!("v12  staging     {sentence}").as_str(), "v11  production"]);
        assert_eq!(
            table.lines(Some(60)),
            [
                "v12  staging     the image answers every request with 500",
                "                 since it runs in staging",
                "v11  production",
            ]
        );
        assert_eq!(
            table.lines(Some(40)),
            [
                "v12  staging",
                "     the image answers every request",
                "     with 500 since it runs in staging",
                "v11  production",
            ]
        );
    }

    #[test]
    fn times_are_said_as_people_say_them() {
        for (seconds, expected) in [
            (0, "0 s"),
            (59, "59 s"),
            (252, "4 min 12 s"),
            (300, "5 min"),
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
        assert_eq!(
            wrapped("arn:aws:ecs:eu-central-1:111122223333:task-definition/web:13", 0, Some(50)),
            ["arn:aws:ecs:eu-central-1:111122223333:", "task-definition/web:13"]
        );
    }

    #[test]
    fn lists_are_said_aloud() {
        let words = |words: &[&str]| list(&words.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(words(&[]), "");
        assert_eq!(words(&["a"]), "a");
        assert_eq!(words(&["a", "b", "c"]), "a, b and c");
    }
}
