//! What a container wrote, kept for those who ask and those who follow.

use std::{
    collections::VecDeque,
    io::{BufRead as _, BufReader, Read},
    sync::Mutex,
};

use jiff::Timestamp;
use tokio::sync::watch;

use super::locked;

/// How much of a container's output is kept; the oldest goes first.
const KEPT_BYTES: usize = 4 << 20;
/// A line longer than this is kept in pieces.
const LONGEST_LINE_BYTES: u64 = 16 << 10;

/// Where a line was written to; the number is Docker's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Stdout = 1,
    Stderr = 2,
}

/// A line of output, with its end if it had one.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) stream: Stream,
    pub(super) at: Timestamp,
    pub(super) text: Vec<u8>,
}

impl Line {
    /// The line as Docker sends it: a header with the stream and the length, then the text.
    pub(super) fn frame(&self, with_time: bool) -> Vec<u8> {
        let time = if with_time { format!("{} ", self.at) } else { String::new() };
        let length = u32::try_from(time.len() + self.text.len()).unwrap_or(u32::MAX);
        let mut frame = vec![self.stream as u8, 0, 0, 0];
        frame.extend(length.to_be_bytes());
        frame.extend(time.as_bytes());
        frame.extend(&self.text);
        frame
    }
}

/// A container's output so far.
#[derive(Debug)]
pub(super) struct Log {
    kept: Mutex<Kept>,
    /// How many lines were written, for those who wait for the next.
    written: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<Line>,
    bytes: usize,
    /// How many lines are kept no more.
    dropped: u64,
}

impl Log {
    pub(super) fn new() -> Self {
        Self { kept: Mutex::default(), written: watch::Sender::new(0) }
    }

    /// Reads until the end, on a thread that may block.
    pub(super) fn read(&self, stream: Stream, from: impl Read) {
        let mut from = BufReader::new(from);
        loop {
            let mut text = Vec::new();
            match (&mut from).take(LONGEST_LINE_BYTES).read_until(b'\n', &mut text) {
                Ok(0) | Err(_) => return,
                Ok(_) => self.write(Line { stream, at: crate::clock::now(), text }),
            }
        }
    }

    pub(super) fn write(&self, line: Line) {
        let mut kept = locked(&self.kept);
        kept.bytes += line.text.len();
        kept.lines.push_back(line);
        while kept.bytes > KEPT_BYTES {
            let Some(oldest) = kept.lines.pop_front() else {
                break;
            };
            kept.bytes -= oldest.text.len();
            kept.dropped += 1;
        }
        let written = kept.dropped + kept.lines.len() as u64;
        drop(kept);
        self.written.send_replace(written);
    }

    /// The lines from this one on, and the number of the one after them.
    pub(super) fn from(&self, number: u64) -> (Vec<Line>, u64) {
        let kept = locked(&self.kept);
        let skip = usize::try_from(number.saturating_sub(kept.dropped)).unwrap_or(usize::MAX);
        let lines = kept.lines.iter().skip(skip).cloned().collect();
        (lines, kept.dropped + kept.lines.len() as u64)
    }

    /// The number of the first of the last `count` lines.
    pub(super) fn last(&self, count: usize) -> u64 {
        let kept = locked(&self.kept);
        kept.dropped + kept.lines.len().saturating_sub(count) as u64
    }

    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.written.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_framed_as_docker_does() {
        let log = Log::new();

        log.read(Stream::Stderr, b"one\ntwo".as_slice());

        let (lines, next) = log.from(0);
        assert_eq!(lines[0].frame(false), b"\x02\0\0\0\0\0\0\x04one\n");
        assert_eq!(lines[1].frame(false), b"\x02\0\0\0\0\0\0\x03two");
        assert_eq!(next, 2);
    }

    #[test]
    fn the_oldest_lines_go_first_and_followers_keep_their_place() {
        let log = Log::new();
        let line = vec![b'x'; 1 << 20];
        for _ in 0..6 {
            log.write(Line { stream: Stream::Stdout, at: Timestamp::UNIX_EPOCH, text: line.clone() });
        }

        assert_eq!(log.from(0).0.len(), 4);
        assert_eq!(log.from(5).0.len(), 1);
        assert_eq!(log.last(2), 4);
        assert_eq!(log.from(6).1, 6);
    }
}
