//! What runs now and how long it took, for a person who waits.

use std::{
    fmt,
    future::Future,
    io::{IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

/// Shows that something begins, runs it, and shows how long it took.
///
/// # Errors
///
/// Those of the work; the line then says that it failed.
pub async fn step<T>(what: &str, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let started = Instant::now();
    let terminal = std::io::stdout().is_terminal();
    if terminal {
        print!("  … {what}");
        let _ = std::io::stdout().flush();
    }
    let outcome = work.await;
    let sign = if outcome.is_ok() { '✓' } else { '✗' };
    let back = if terminal { "\r" } else { "" };
    println!("{back}  {sign} {what:<58} {:>8}", Seconds(started.elapsed()));
    outcome
}

/// Shows that something begins which shows its own progress, runs it, and shows how long it took.
///
/// # Errors
///
/// Those of the work; the line then says that it failed.
pub async fn long_step<T>(what: &str, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    println!("  … {what}");
    let started = Instant::now();
    let outcome = work.await;
    let sign = if outcome.is_ok() { '✓' } else { '✗' };
    println!("  {sign} {what:<58} {:>8}", Seconds(started.elapsed()));
    outcome
}

/// Shows one line under the running step.
pub fn note(text: impl fmt::Display) {
    println!("    {text}");
}

/// Shows a heading.
pub fn heading(text: impl fmt::Display) {
    println!("\n{text}");
}

/// How many of the expected things are done, shown behind the running step where there is a terminal.
#[derive(Debug, Default)]
pub struct Counter {
    expected: usize,
    done: usize,
    shown: usize,
}

impl Counter {
    /// One more is expected.
    pub fn expect(&mut self) {
        self.expected += 1;
    }

    /// One more is done.
    pub fn done(&mut self) {
        self.done += 1;
        self.show(&format!("  {} of {}", self.done, self.expected));
    }

    /// Takes the numbers away.
    pub fn clear(&mut self) {
        self.show("");
    }

    fn show(&mut self, text: &str) {
        if std::io::stdout().is_terminal() {
            let back = "\u{8}".repeat(self.shown);
            print!("{back}{}{back}{text}", " ".repeat(self.shown));
            let _ = std::io::stdout().flush();
            self.shown = text.len();
        }
    }
}

/// A duration as people read it: `0.4 s`, `12.3 s`, `2 min 5 s`.
#[derive(Clone, Copy, Debug)]
pub struct Seconds(pub Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        let text = if seconds < 60.0 {
            format!("{seconds:.1} s")
        } else {
            format!("{} min {} s", self.0.as_secs() / 60, self.0.as_secs() % 60)
        };
        formatter.pad(&text)
    }
}
