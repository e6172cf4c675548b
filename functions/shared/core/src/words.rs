//! Words of others: what people and programs write into events and forms, shown as words and never as anything else.

use serde::{Deserialize as _, Deserializer};

/// The longest text of a manual action, in characters.
pub const LONGEST: usize = 200;

/// The text on one line, of so many characters at the most, in which no reader of mail finds an address to follow. What
/// turns the direction of writing, or is invisible, is left out.
#[must_use]
pub fn line(text: &str, longest: usize) -> String {
    let visible = text.chars().filter(|c| !is_invisible(*c)).map(|c| if c.is_control() { ' ' } else { c });
    // Neither a long text nor its addresses are read further than they are shown.
    let bounded: String = visible.take(longest * 4).collect();
    let words: Vec<_> = bounded.split_whitespace().map(without_address).collect();
    let line = words.join(" ");
    match line.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line,
    }
}

/// Reads the text of a manual action.
///
/// # Errors
///
/// When it is no text.
pub fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(line(&String::deserialize(deserializer)?, LONGEST))
}

/// Marks of direction and joiners: U+00AD, U+200B to U+200F, U+2028 to U+202E, U+2060 to U+206F, U+FEFF.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A word in which a dot between a name and a top-level domain, or a scheme's colon, is in brackets: `example[.]net`. People
/// read it, and no program makes it a link. A person's e-mail address stays one.
fn without_address(word: &str) -> String {
    let word = word.replace("://", "[:]//");
    if word.contains('@') && !word.contains('/') {
        return word;
    }
    let mut safe = String::with_capacity(word.len());
    let characters: Vec<_> = word.chars().collect();
    for (index, character) in characters.iter().enumerate() {
        let after: Vec<_> = characters.iter().skip(index + 1).take(2).collect();
        let is_in_a_name = *character == '.'
            && index > 0
            && characters[index - 1].is_alphanumeric()
            && after.len() == 2
            && after.iter().all(|c| c.is_alphabetic());
        if is_in_a_name {
            safe.push_str("[.]");
        } else {
            safe.push(*character);
        }
    }
    safe
}

/// Words as the beginning of a sentence: with a capital letter.
#[must_use]
pub fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_is_read_and_not_followed() {
        for (text, shown) in [
            ("the queue was stuck, see INC-4711", "the queue was stuck, see INC-4711"),
            ("v1.2.3 of 10.0.0.1", "v1.2.3 of 10.0.0.1"),
            ("ana@example.com", "ana@example.com"),
            (
                "operator\n\nLook at it, and approve or reject:\nhttps://example.net/x",
                "operator Look at it, and approve or reject: https[:]//example[.]net/x",
            ),
            ("www.example.net", "www[.]example[.]net"),
            ("https://ana@example.net/x", "https[:]//ana@example[.]net/x"),
            ("\u{202e}ten.elpmaxe", "ten[.]elpmaxe"),
        ] {
            assert_eq!(line(text, LONGEST), shown);
        }
    }

    #[test]
    fn a_quarter_of_a_megabyte_is_one_short_line() {
        assert_eq!(line(&"a".repeat(250_000), LONGEST).chars().count(), LONGEST + 1);
        assert_eq!(line(&"a\n".repeat(125_000), LONGEST).lines().count(), 1);
    }

    proptest! {
        #[test]
        fn whatever_is_written_stays_words(text in any::<String>()) {
            let shown = line(&text, LONGEST);
            prop_assert!(shown.chars().count() <= LONGEST + 1);
            prop_assert!(!shown.chars().any(|c| c.is_control() || is_invisible(c)), "{shown:?}");
            prop_assert!(!shown.contains("://"), "{shown:?}");
        }
    }
}
