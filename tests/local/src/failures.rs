//! What `cargo test` says of the tests that failed: a summary repeats it, because hundreds of lines follow it.

/// The failed tests of a run, each with the message that it panicked with.
#[derive(Debug, Default)]
pub struct Failures {
    tests: Vec<(String, Vec<String>)>,
    /// Whether the lines that come are of the last test's message.
    is_message: bool,
}

/// Of a message that prints a whole document, this many lines say what it is about.
const LINES: usize = 12;

impl Failures {
    /// Takes the next line that `cargo test` printed.
    pub fn take(&mut self, line: &str) {
        if let Some(test) = line.strip_prefix("---- ").and_then(|line| line.strip_suffix(" stdout ----")) {
            self.tests.push((test.to_owned(), Vec::new()));
            self.is_message = false;
        } else if line.starts_with("thread '") && line.contains("panicked at ") {
            self.is_message = true;
            self.add(line);
        } else if line == "stack backtrace:" || line.starts_with("note: ") || line == "failures:" {
            self.is_message = false;
        } else if self.is_message {
            self.add(line);
        }
    }

    fn add(&mut self, line: &str) {
        if let Some((_, message)) = self.tests.last_mut()
            && !line.is_empty()
            && message.len() < LINES
        {
            message.push(line.to_owned());
        }
    }
}

impl std::fmt::Display for Failures {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (test, message) in &self.tests {
            write!(formatter, "\n{test}")?;
            for line in message {
                write!(formatter, "\n  {line}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_test_is_named_with_its_message_and_without_its_backtrace() {
        let mut failures = Failures::default();
        let printed = "test a::passes ... ok\ntest b::fails ... FAILED\n\nfailures:\n\n---- b::fails stdout ----\n\
                       42 transitions\n\nthread 'b::fails' (7) panicked at tests/b.rs:9:5:\n\
                       assertion `left == right` failed: it ends\n  left: 1\n right: 2\nstack backtrace:\n   \
                       0: __rustc::rust_begin_unwind\n\n---- b::panics stdout ----\n\n\
                       thread 'b::panics' (8) panicked at tests/b.rs:12:5:\nit answers\n\
                       note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n\n\n\
                       failures:\n    b::fails\n    b::panics\n";
        printed.lines().for_each(|line| failures.take(line));
        assert_eq!(
            failures.to_string(),
            "\nb::fails\n  thread 'b::fails' (7) panicked at tests/b.rs:9:5:\n  \
             assertion `left == right` failed: it ends\n    left: 1\n   right: 2\nb::panics\n  \
             thread 'b::panics' (8) panicked at tests/b.rs:12:5:\n  it answers"
        );
    }
}
