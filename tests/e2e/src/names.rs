//! Subjects without what is different in every run: ids, digests, times, revisions.

/// What a variable part is written as.
pub const VARIABLE: char = '*';

/// A subject with every variable part as `*`: two runs of the same story have the same ones. What is left of it is
/// there word for word.
#[must_use]
pub fn shape(subject: &str) -> String {
    let mut shape = String::new();
    let mut rest = subject;
    while let Some(first) = rest.chars().next() {
        let word = rest.find(is_separator).map_or(rest, |end| &rest[..end]);
        if word.is_empty() {
            shape.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            shape.push_str(&plain(word));
            rest = &rest[word.len()..];
        }
    }
    // A list of alike things is as long as it happens to be.
    let mut parts: Vec<_> = shape.split(", ").collect();
    parts.dedup();
    parts.join(", ")
}

/// The longest part of a shape that is the same in every run; nothing where all of it varies.
#[must_use]
pub fn fixed(shape: &str) -> Option<String> {
    shape
        .split(VARIABLE)
        .filter(|part| part.chars().any(char::is_alphanumeric))
        .max_by_key(|part| part.len())
        .map(ToOwned::to_owned)
}

fn is_separator(character: char) -> bool {
    " ,/#@?".contains(character)
}

fn plain(word: &str) -> String {
    let varies = [is_digest, is_release, is_time, is_identifier, is_version, is_sequence];
    if varies.iter().any(|is| is(word)) {
        return VARIABLE.to_string();
    }
    // A revision of a task definition: `staging-web:7`.
    match word.rsplit_once(':') {
        Some((family, number)) if is_number(number) && !family.contains(':') => {
            format!("{family}:{VARIABLE}")
        }
        _ => word.to_owned(),
    }
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_hex(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_digest(word: &str) -> bool {
    let digits = word.strip_prefix("sha256:").unwrap_or(word);
    digits.len() == 64 && is_hex(digits)
}

/// `web-` and 32 digits; of a release that was asked for, 8 more.
fn is_release(word: &str) -> bool {
    word.split('-').skip(1).any(|part| part.len() == 32 && is_hex(part))
}

fn is_time(word: &str) -> bool {
    word.starts_with("20") && word.ends_with('Z') && word.contains('T')
}

/// A UUID, or the end of a load balancer's or a target group's ARN.
fn is_identifier(word: &str) -> bool {
    let is_uuid = word.len() == 36 && word.split('-').all(is_hex);
    let is_random = word.len() == 16
        && word.bytes().any(|byte| byte.is_ascii_digit())
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_uuid || is_random
}

/// The number of an entry of the audit.
fn is_sequence(word: &str) -> bool {
    word.len() == 12 && is_number(word)
}

/// The tag of an image: `v`, digits and more.
fn is_version(word: &str) -> bool {
    word.strip_prefix('v').is_some_and(|rest| rest.starts_with(|character: char| character.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_varies_is_a_star_and_the_rest_stays_word_for_word() {
        let id = "web-dcd42a92cbdbaf083cabdcdb5cd34f0f";
        for (subject, expected) in [
            (format!("RELEASE#{id} DEPLOYED#staging#web#"), "RELEASE#* DEPLOYED#staging#web#"),
            (
                format!("2026-11-24T00:45:51.203Z#2026-11-24T00:45:51.338Z#{id} …, APPLICATION#web …"),
                "*#*#* …, APPLICATION#web …",
            ),
            ("staging/web staging-web:7".to_owned(), "staging/web staging-web:*"),
            (format!("LINK#{} LINK", "ab12".repeat(16)), "LINK#* LINK"),
            ("web-staging/key8ppmyhptmxu7t".to_owned(), "web-staging/*"),
            ("staging/f3d0b434-f672-47e5-9d96-7d6cb57a5697".to_owned(), "staging/*"),
            (
                "staging/f3d0b434-f672-47e5-9d96-7d6cb57a5697, staging/03d0b434-f672-47e5-9d96-7d6cb57a5697"
                    .to_owned(),
                "staging/*",
            ),
            ("AUDIT#web 000000000527".to_owned(), "AUDIT#web *"),
            (
                "slipway-approvals Approve web v2.1 for production?".to_owned(),
                "slipway-approvals Approve web * for production?",
            ),
            (
                format!(
                    "WAKE#SERVICE#arn:aws:ecs:us-east-1:000000000000:service/staging/web {id}#staging#DeployServices"
                ),
                "WAKE#SERVICE#arn:aws:ecs:us-east-1:000000000000:service/staging/web *#staging#DeployServices",
            ),
        ] {
            assert_eq!(shape(&subject), expected);
        }
    }

    #[test]
    fn the_fixed_part_is_found_in_the_subject_itself() {
        assert_eq!(fixed("RELEASE#* DEPLOYED#staging#web#").as_deref(), Some(" DEPLOYED#staging#web#"));
        assert_eq!(fixed("*#*#* …, APPLICATION#web …").as_deref(), Some(" …, APPLICATION#web …"));
        assert_eq!(fixed("*"), None);
        assert_eq!(fixed("staging/*").as_deref(), Some("staging/"));
    }
}
