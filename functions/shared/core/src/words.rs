//! Words of others: what people and programs write into events, images, alarms, logs and forms, shown as words and never
//! as anything else. They are cleaned with [`line`] where they come in.

use serde::{Deserialize as _, Deserializer};

/// The longest text of a manual action, or line of a log, in characters.
pub const LONGEST: usize = 200;
/// The longest message of AWS, in characters.
pub const LONGEST_MESSAGE: usize = 500;
/// The longest sentence that is made of them, in characters: one with the end of a log is long.
const LONGEST_SENTENCE: usize = 6_000;

/// The text on one line, of so many characters at the most, in which no reader of mail finds an address to follow, and no
/// page or chat an element. What turns the direction of writing, or is invisible, is left out.
#[must_use]
pub fn line(text: &str, longest: usize) -> String {
    // Neither a long text nor its addresses are read further than they are shown.
    joined(&plain(text, longest.saturating_mul(4)), longest, without_address)
}

/// A sentence of Slipway's that is made of words which were cleaned where they came in: one line, whatever they were.
#[must_use]
pub fn sentence(text: &str) -> String {
    joined(&plain(text, LONGEST_SENTENCE * 4), LONGEST_SENTENCE, |word| word.replace("://", "[:]//"))
}

/// A value that people compare with another one, whole and on one line. What they could not see is written out, such as
/// `\u{202e}`.
#[must_use]
pub fn exact(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_invisible(character)
            || character.is_control()
            || (character.is_whitespace() && character != ' ')
        {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Reads the text of a manual action.
///
/// # Errors
///
/// When it is no text.
pub fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(line(&String::deserialize(deserializer)?, LONGEST))
}

/// Reads what AWS says of something, which people may have written as well.
///
/// # Errors
///
/// When it is no text.
pub fn read_message<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(line(&String::deserialize(deserializer)?, LONGEST_MESSAGE))
}

/// The first characters of a text without what is invisible, and without the characters that begin and end an element or a
/// chat's markup.
fn plain(text: &str, longest: usize) -> String {
    let visible = text.chars().filter(|c| c.is_whitespace() || !is_invisible(*c));
    let mut is_open = false;
    let plain = visible.map(|c| match c {
        '<' => {
            is_open = true;
            '‹'
        }
        // An arrow stays one.
        '>' if std::mem::take(&mut is_open) => '›',
        c if c.is_control() || c.is_whitespace() => ' ',
        c => c,
    });
    plain.take(longest).collect()
}

/// The words on one line, as far as they have room there.
fn joined(text: &str, longest: usize, safe: impl Fn(&str) -> String) -> String {
    let mut line = String::new();
    let mut left = longest;
    for word in text.split_whitespace() {
        let space = usize::from(!line.is_empty());
        let shown = safe(word);
        let length = shown.chars().count();
        if space + length > left {
            // The beginning of a person's address may be another address.
            if left > space && !word.contains('@') {
                line.extend((space > 0).then_some(' ').into_iter().chain(shown.chars().take(left - space)));
            }
            line.push('…');
            break;
        }
        line.extend((space > 0).then_some(' '));
        line.push_str(&shown);
        left -= space + length;
    }
    line
}

/// What is not seen, or turns the direction of writing: marks of direction, joiners, fillers, selectors of variants, tags.
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// A word in which a dot between a name and a top-level domain, or a scheme's colon, is in brackets: `example[.]net`. People
/// read it, and no program makes it a link. A person's e-mail address stays one.
fn without_address(word: &str) -> String {
    let word = word.replace("://", "[:]//");
    if is_of_a_person(&word) {
        return word;
    }
    let mut safe = String::with_capacity(word.len());
    let characters: Vec<_> = word.chars().collect();
    for (index, character) in characters.iter().enumerate() {
        let after: Vec<_> = characters.iter().skip(index + 1).take(2).collect();
        // The other dots are taken for one in the names of hosts.
        let is_in_a_name = matches!(character, '.' | '\u{3002}' | '\u{ff0e}' | '\u{ff61}')
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
pub fn capitalized(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Whether a word is an e-mail address, with the sentence's own characters around it.
fn is_of_a_person(word: &str) -> bool {
    let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    bare.split_once('@').is_some_and(|(local, domain)| {
        let fits = |text: &str, others: &str| {
            text.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c)) && !text.is_empty()
        };
        fits(local, "._%+-") && fits(domain, ".-")
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hostile::{is_one_plain_line, text};

    #[test]
    fn an_address_is_read_and_not_followed() {
        for (text, shown) in [
            ("the queue was stuck, see INC-4711", "the queue was stuck, see INC-4711"),
            ("v1.2.3 of 10.0.0.1", "v1.2.3 of 10.0.0.1"),
            ("ana@example.com", "ana@example.com"),
            ("(ana@example.com, bo@example.com)", "(ana@example.com, bo@example.com)"),
            (
                "operator\n\nLook at it, and approve or reject:\nhttps://example.net/x",
                "operator Look at it, and approve or reject: https[:]//example[.]net/x",
            ),
            ("www.example.net", "www[.]example[.]net"),
            ("https://ana@example.net/x", "https[:]//ana@example[.]net/x"),
            ("www.example.net?ana@b", "www[.]example[.]net?ana@b"),
            ("\u{202e}ten.elpmaxe", "ten[.]elpmaxe"),
            ("ex\u{200b}ample.net", "example[.]net"),
            ("a\u{2028}b\u{85}c", "a b c"),
            ("<!channel> <https://example.net|look>", "‹!channel› ‹https[:]//example[.]net|look›"),
        ] {
            assert_eq!(line(text, LONGEST), shown);
        }
    }

    #[test]
    fn a_sentence_keeps_the_names_of_fields() {
        let sentence = sentence("write health.url of the service:\nhttps://example.net");
        assert_eq!(sentence, "write health.url of the service: https[:]//example.net");
    }

    #[test]
    fn what_is_compared_is_shown_whole_with_what_cannot_be_seen() {
        assert_eq!(exact("sh -c 'a  b'"), "sh -c 'a  b'");
        assert_eq!(exact("web\u{202e}:v1\n\u{200b}"), "web\\u{202e}:v1\\n\\u{200b}");
    }

    #[test]
    fn a_quarter_of_a_megabyte_is_one_short_line() {
        assert_eq!(line(&"a".repeat(250_000), LONGEST).chars().count(), LONGEST + 1);
        assert_eq!(line(&"a\n".repeat(125_000), LONGEST).lines().count(), 1);
    }

    proptest! {
        #[test]
        fn whatever_is_written_stays_words(text in text()) {
            let shown = line(&text, LONGEST);
            prop_assert!(shown.chars().count() <= LONGEST + 1);
            prop_assert!(is_one_plain_line(&shown), "{shown:?}");
            prop_assert!(is_one_plain_line(&sentence(&text)));
            prop_assert!(exact(&text).chars().all(|c| c == ' ' || !(c.is_whitespace() || c.is_control() || is_invisible(c))));
        }
    }
}
