//! Runs the command in a terminal, and sees what it shows there.

use std::io::{Read as _, Write as _};
use std::num::NonZeroU16;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pty_process::blocking;
use vt100::{Color, Parser};

use crate::api::Api;

const PROGRAM: &str = env!("CARGO_BIN_EXE_slipway");
/// Where commands run, and write what they write.
pub(crate) const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");

/// A terminal: how large it is, and what its user has set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terminal {
    pub(crate) columns: u16,
    pub(crate) rows: u16,
    pub(crate) variables: &'static [(&'static str, &'static str)],
}

impl Terminal {
    pub(crate) const fn wide(columns: u16) -> Self {
        Self { columns, rows: 40, variables: &[] }
    }

    pub(crate) const fn without_colours(self) -> Self {
        Self { variables: &[("NO_COLOR", "1")], ..self }
    }

    /// Runs the command, types a line of this each time it asks, and keeps what comes until it ends.
    pub(crate) fn run(self, api: &Api, arguments: &[&str], typed: &str) -> Recording {
        let (mut pty, pts) = blocking::open().expect("a terminal");
        pty.resize(pty_process::Size::new(self.rows, self.columns)).expect("it has a size");
        let began = Instant::now();
        let command = blocking::Command::new(PROGRAM).args(arguments).env_clear().envs(variables(api));
        let command =
            command.current_dir(FOLDER).env("TERM", "xterm-256color").envs(self.variables.iter().copied());
        let mut child = command.spawn(pts).expect("it runs");
        let mut bytes = Vec::new();
        let mut some = [0; 4_096];
        let mut typed = typed.split_inclusive('\n');
        // Where the command has ended, Linux says that there is an error, others that this is the end.
        while let Ok(count) = pty.read(&mut some)
            && count > 0
        {
            bytes.extend_from_slice(&some[..count]);
            if [&b"[y/N] "[..], b": "].iter().any(|end| bytes.ends_with(end))
                && let Some(line) = typed.next()
            {
                pty.write_all(line.as_bytes()).expect("it can be typed");
            }
        }
        let code = child.wait().expect("it ends").code();
        Recording { bytes, code, took: began.elapsed(), columns: self.columns, rows: self.rows }
    }
}

/// Runs the command without a terminal: what it prints, what it says beside that, and its exit code.
pub(crate) fn piped(api: &Api, arguments: &[&str]) -> (String, String, Option<i32>) {
    let output = Command::new(PROGRAM)
        .args(arguments)
        .env_clear()
        .envs(variables(api))
        .current_dir(FOLDER)
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it is UTF-8");
    (text(output.stdout), text(output.stderr), output.status.code())
}

fn variables(api: &Api) -> [(&'static str, &str); 8] {
    [
        ("SLIPWAY_API", &api.url),
        ("AWS_ENDPOINT_URL", &api.url),
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ]
}

/// What a command sent to its terminal.
pub(crate) struct Recording {
    bytes: Vec<u8>,
    pub(crate) code: Option<i32>,
    pub(crate) took: Duration,
    pub(crate) columns: u16,
    rows: u16,
}

impl Recording {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.bytes.clone()).expect("it is UTF-8")
    }

    /// All that was printed, as far as it stayed.
    pub(crate) fn whole(&self) -> Frame {
        // A terminal with room for all of it, also where lines are broken.
        let lines = self.bytes.split(|byte| *byte == b'\n').count();
        let rows = lines + self.bytes.len() / usize::from(self.columns) + 1;
        let mut parser = parser(u16::try_from(rows).expect("it is not that long"), self.columns);
        parser.process(&self.bytes);
        Frame::of(&parser)
    }

    /// What stood in the terminal each time before the cursor went up to draw anew, and at the end; all that was printed
    /// where nothing is drawn anew.
    pub(crate) fn frames(&self) -> Vec<Frame> {
        if self.moves().is_empty() {
            return vec![self.whole()];
        }
        let mut parser = parser(self.rows, self.columns);
        let mut frames = Vec::new();
        let text = self.text();
        for (position, part) in text.split_inclusive('\u{1b}').enumerate() {
            let goes_up = part.split_once('A').is_some_and(|(count, _)| {
                count.strip_prefix('[').is_some_and(|count| count.bytes().all(|byte| byte.is_ascii_digit()))
            });
            if position > 0 && goes_up {
                frames.push(Frame::of(&parser));
            }
            parser.process(part.as_bytes());
        }
        frames.push(Frame::of(&parser));
        frames
    }

    /// The sequences that are neither colours nor other looks.
    pub(crate) fn moves(&self) -> Vec<String> {
        let text = self.text();
        let sequences = text.split('\u{1b}').skip(1).filter_map(|rest| {
            let end = rest.find(|letter: char| letter.is_ascii_alphabetic())?;
            rest.get(..=end)
        });
        sequences.filter(|sequence| !sequence.ends_with('m')).map(ToOwned::to_owned).collect()
    }
}

fn parser(rows: u16, columns: u16) -> Parser {
    let size = |count| NonZeroU16::new(count).expect("a terminal has lines and columns");
    Parser::new(size(rows), size(columns), 0)
}

/// How a character looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) colour: Color,
    pub(crate) background: Color,
    pub(crate) bold: bool,
    pub(crate) dim: bool,
    pub(crate) inverse: bool,
}

impl Look {
    /// In a letter: the colour's first, as a capital where it is bold.
    fn letter(self) -> char {
        let letter = match self.colour {
            Color::Idx(1) => 'r',
            Color::Idx(2) => 'g',
            Color::Idx(3) => 'y',
            Color::Idx(6) => 'c',
            Color::Default if self.dim => 'd',
            Color::Default if self.bold => return 'b',
            Color::Default => ' ',
            _ => '?',
        };
        if self.bold { letter.to_ascii_uppercase() } else { letter }
    }
}

/// A line of a terminal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    /// Its characters, each with the columns that it takes and its look.
    pub(crate) cells: Vec<(String, usize, Look)>,
    /// Whether the terminal broke it, because it was too wide.
    pub(crate) is_broken: bool,
}

impl Line {
    pub(crate) fn text(&self) -> String {
        self.cells.iter().map(|(text, ..)| text.as_str()).collect()
    }

    /// A letter for each column's look; empty where nothing looks different.
    fn looks(&self) -> String {
        let letters = self.cells.iter().flat_map(|(text, columns, look)| {
            let letter = if text == " " { ' ' } else { look.letter() };
            std::iter::repeat_n(letter, *columns)
        });
        letters.collect::<String>().trim_end().to_owned()
    }
}

/// What stands in a terminal.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) lines: Vec<Line>,
}

impl Frame {
    fn of(parser: &Parser) -> Self {
        let screen = parser.screen();
        let (rows, columns) = screen.size();
        let mut lines: Vec<_> = (0..rows.get()).map(|row| Self::line(screen, row, columns.get())).collect();
        while lines.last().is_some_and(|line| line.cells.is_empty()) {
            lines.pop();
        }
        Self { lines }
    }

    fn line(screen: &vt100::Screen, row: u16, columns: u16) -> Line {
        let cells = (0..columns).filter_map(|column| screen.cell(row, column));
        let cells = cells.filter(|cell| !cell.is_wide_continuation()).map(|cell| {
            let look = Look {
                colour: cell.fgcolor(),
                background: cell.bgcolor(),
                bold: cell.bold(),
                dim: cell.dim(),
                inverse: cell.inverse(),
            };
            let text = if cell.has_contents() { cell.contents() } else { " " };
            (text.to_owned(), if cell.is_wide() { 2 } else { 1 }, look)
        });
        let mut cells: Vec<_> = cells.collect();
        while cells.last().is_some_and(|(text, ..)| text == " ") {
            cells.pop();
        }
        Line { cells, is_broken: screen.row_wrapped(row) }
    }

    pub(crate) fn text(&self) -> String {
        self.lines.iter().map(|line| line.text() + "\n").collect()
    }

    /// As text: each line behind a bar, and below it the looks of its characters where any has one.
    pub(crate) fn shown(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            text.push_str(format!("|{}", line.text()).trim_end());
            text.push('\n');
            let looks = line.looks();
            if !looks.is_empty() {
                text.push_str(&format!(":{looks}\n"));
            }
        }
        text
    }
}
