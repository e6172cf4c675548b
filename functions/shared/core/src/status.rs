//! Statuses of HTTP that count as good ones.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::{NameError, name};

name!(
    /// Statuses of HTTP as ELB writes the matcher of a health check: single ones and ranges from 200 to 499, with commas
    /// between them (`Matcher`, Elastic Load Balancing API reference, 2015-12-01).
    StatusCodes,
    "a list of statuses from 200 to 499 as ELB writes it: 200, 200,302 or 200-299",
    |value| value.split(',').all(|part| range(part).is_some())
);

impl StatusCodes {
    /// Whether a status is one of them.
    #[must_use]
    pub fn contain(&self, status: u16) -> bool {
        self.ranges().any(|(from, to)| (from..=to).contains(&status))
    }

    /// Whether each of them is one from 200 to 299.
    #[must_use]
    pub fn are_2xx(&self) -> bool {
        self.ranges().all(|(_, to)| to < 300)
    }

    fn ranges(&self) -> impl Iterator<Item = (u16, u16)> {
        self.as_str().split(',').filter_map(range)
    }
}

fn range(part: &str) -> Option<(u16, u16)> {
    let (from, to) = part.split_once('-').unwrap_or((part, part));
    status(from).zip(status(to)).filter(|(from, to)| from <= to)
}

fn status(text: &str) -> Option<u16> {
    let is_number = text.len() == 3 && text.chars().all(|c| c.is_ascii_digit());
    text.parse().ok().filter(|status| is_number && (200..500).contains(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_read_as_elb_writes_them() {
        let codes = |text: &str| StatusCodes::new(text);
        for (text, good, bad) in [
            ("200", vec![200], vec![201, 302]),
            ("200,302", vec![200, 302], vec![201, 301]),
            ("200-399", vec![200, 301, 399], vec![400, 199]),
            ("204,300-308", vec![204, 304], vec![200, 309]),
        ] {
            let codes = codes(text).expect(text);
            assert!(good.iter().all(|status| codes.contain(*status)), "{text}");
            assert!(!bad.iter().any(|status| codes.contain(*status)), "{text}");
        }
        for (text, are_2xx) in [("200", true), ("200-299,204", true), ("200,302", false), ("200-300", false)]
        {
            assert_eq!(codes(text).expect(text).are_2xx(), are_2xx, "{text}");
        }
        for text in ["", "2xx", "200-", "299-200", "100", "500", "200 302", "200,,302", "0200", "+200"] {
            assert!(codes(text).is_err(), "{text}");
        }
    }
}
