//! Texts that others may write, for the tests of what shows them. Tests of other crates take this file along.

use proptest::prelude::*;

/// What does harm where words are taken for something else.
const PARTS: [&str; 24] = [
    "https://example.net/approvals/x",
    "http://[::1]:80/",
    "www.example.net",
    "javascript:alert(1)",
    "<script>alert(1)</script>",
    "<a href='//example.net'>",
    "&lt;b&gt;",
    "<!channel>",
    "<@U012AB3CD>",
    "<https://example.net|Approve>",
    "[Approve](https://example.net)",
    "![](//example.net/x.png)",
    "*bold*",
    "`code`",
    "~gone~",
    ":rotating_light:",
    "@here",
    "\r\nBcc: eve@example.net\r\n\r\n",
    "\n\nLook at it, and approve or reject:\n",
    "\u{202e}\u{2066}\u{200f}",
    "\u{200b}\u{feff}\u{ad}\u{e0041}",
    "\u{0}\u{7}\u{1b}[31m",
    "\u{2028}\u{2029}\u{85}",
    "ordinary words, INC-4711 ",
];

/// Anything, the parts above in any order, and a quarter of a megabyte of them.
pub(crate) fn text() -> impl Strategy<Value = String> {
    let parts = proptest::collection::vec(
        prop_oneof![4 => proptest::sample::select(&PARTS[..]).prop_map(str::to_owned), 1 => any::<String>()],
        0..12,
    );
    (parts, prop_oneof![19 => Just(1_usize), 1 => Just(250_000)]).prop_map(|(parts, length)| {
        let text = parts.concat();
        text.repeat((length / text.len().max(1)).max(1))
    })
}

/// Whether a text is one line that nobody can follow or take for an element, written in one direction.
pub(crate) fn is_one_plain_line(text: &str) -> bool {
    let is_plain = |c: char| {
        !c.is_control()
            && !matches!(c, '<' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
    };
    text.chars().all(is_plain) && !text.contains("://")
}
