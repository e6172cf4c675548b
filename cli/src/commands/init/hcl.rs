//! Writes HCL as `terraform fmt` writes it. What AWS or a person called something is always a quoted literal.

use slipway_core::words;

/// How long a line may be before its list or object is written on several.
const LONGEST: usize = 110;
/// How much further what is inside stands.
const STEP: usize = 2;

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Hcl {
    /// A text.
    Text(String),
    /// A number.
    Number(u64),
    /// A list.
    List(Vec<Hcl>),
    /// An object, on one line where it has room there.
    Object(Vec<Entry>),
    /// An object on several lines.
    Block(Vec<Entry>),
}

/// A field of an object.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    key: String,
    value: Hcl,
    comments: Vec<String>,
}

impl Entry {
    pub(super) fn new(key: impl Into<String>, value: impl Into<Hcl>) -> Self {
        Self { key: key.into(), value: value.into(), comments: Vec::new() }
    }

    /// The same, with what a person should know of it above.
    pub(super) fn with(self, comments: &[String]) -> Self {
        Self { comments: comments.to_vec(), ..self }
    }
}

impl From<&str> for Hcl {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<u16> for Hcl {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

impl<T: ToString> From<&[T]> for Hcl {
    fn from(texts: &[T]) -> Self {
        Self::List(texts.iter().map(|text| Self::Text(text.to_string())).collect())
    }
}

impl From<Vec<Entry>> for Hcl {
    fn from(fields: Vec<Entry>) -> Self {
        Self::Object(fields)
    }
}

impl From<Vec<Hcl>> for Hcl {
    fn from(items: Vec<Hcl>) -> Self {
        Self::List(items)
    }
}

/// A text as a literal: nothing in it ends it, and nothing in it is evaluated ("Strings and Templates", Terraform language).
pub(super) fn quoted(text: &str) -> String {
    let mut literal = String::from("\"");
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' => literal.push_str("\\\""),
            '\\' => literal.push_str("\\\\"),
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            '\t' => literal.push_str("\\t"),
            // `${` and `%{` begin a template. `$${` would do, but not behind a further `$`.
            '$' | '%' if characters.peek() == Some(&'{') => literal.push_str(&escaped(character)),
            // What cannot be seen is written out.
            _ if words::exact(&character.to_string()) != character.to_string() => {
                literal.push_str(&escaped(character));
            }
            _ => literal.push(character),
        }
    }
    literal.push('"');
    literal
}

fn escaped(character: char) -> String {
    let code = u32::from(character);
    if code > 0xffff { format!("\\U{code:08x}") } else { format!("\\u{code:04x}") }
}

/// A field's name: as it is where it is an identifier, else as a literal. An object that begins with `for` is an expression.
fn key(name: &str) -> String {
    let is_identifier = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-');
    if is_identifier && !["for", "if", "in", "null", "true", "false"].contains(&name) {
        name.to_owned()
    } else {
        quoted(name)
    }
}

/// A comment, on as many lines as it needs.
pub(super) fn comment(text: &str, indent: usize) -> Vec<String> {
    let space = " ".repeat(indent);
    let room = LONGEST.saturating_sub(indent + 2).max(40);
    let mut lines: Vec<String> = Vec::new();
    for word in words::exact(text).split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.into_iter().map(|line| format!("{space}# {line}")).collect()
}

/// Fields, one below the other, with their signs of equality below each other where `terraform fmt` puts them so.
pub(super) fn fields(entries: &[Entry], indent: usize) -> Vec<String> {
    let space = " ".repeat(indent);
    let mut lines = Vec::new();
    // The fields on one line each that follow each other: these are aligned.
    let mut together: Vec<(String, String)> = Vec::new();
    for entry in entries {
        let name = key(&entry.key);
        let value = entry.value.lines(indent, name.chars().count());
        let is_one = value.len() == 1;
        if !entry.comments.is_empty() || !is_one {
            lines.append(&mut aligned(std::mem::take(&mut together), &space));
        }
        lines.extend(entry.comments.iter().flat_map(|text| comment(text, indent)));
        let mut value = value.into_iter();
        let first = value.next().unwrap_or_default();
        if is_one {
            together.push((name, first));
        } else {
            lines.push(format!("{space}{name} = {first}"));
            lines.extend(value);
        }
    }
    lines.append(&mut aligned(together, &space));
    lines
}

fn aligned(fields: Vec<(String, String)>, space: &str) -> Vec<String> {
    let longest = fields.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    let line = |(name, value): (String, String)| {
        let padding = " ".repeat(longest - name.chars().count());
        format!("{space}{name}{padding} = {value}")
    };
    fields.into_iter().map(line).collect()
}

impl Hcl {
    /// On one line; nothing where it has several of its own.
    pub(super) fn inline(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(quoted(text)),
            Self::Number(number) => Some(number.to_string()),
            Self::List(items) => {
                let items: Option<Vec<_>> = items.iter().map(Self::inline).collect();
                Some(format!("[{}]", items?.join(", ")))
            }
            Self::Object(fields) if fields.is_empty() => Some("{}".to_owned()),
            Self::Object(fields) if fields.iter().all(|field| field.comments.is_empty()) => {
                let fields: Option<Vec<_>> = fields.iter().map(Entry::inline).collect();
                Some(format!("{{ {} }}", fields?.join(", ")))
            }
            Self::Object(_) | Self::Block(_) => None,
        }
    }

    /// The lines of a value that stands behind so many characters; all but the first with their indent.
    fn lines(&self, indent: usize, before: usize) -> Vec<String> {
        if let Some(line) = self.inline().filter(|line| indent + before + 3 + line.chars().count() <= LONGEST)
        {
            return vec![line];
        }
        let space = " ".repeat(indent);
        match self {
            Self::Text(_) | Self::Number(_) => self.inline().into_iter().collect(),
            Self::List(items) => {
                let mut lines = vec!["[".to_owned()];
                for item in items {
                    let mut item = item.lines(indent + STEP, 0);
                    if let Some(first) = item.first_mut() {
                        first.insert_str(0, &" ".repeat(indent + STEP));
                    }
                    if let Some(last) = item.last_mut() {
                        last.push(',');
                    }
                    lines.append(&mut item);
                }
                lines.push(format!("{space}]"));
                lines
            }
            Self::Object(entries) | Self::Block(entries) => {
                let mut lines = vec!["{".to_owned()];
                lines.extend(fields(entries, indent + STEP));
                lines.push(format!("{space}}}"));
                lines
            }
        }
    }
}

impl Entry {
    pub(super) fn inline(&self) -> Option<String> {
        Some(format!("{} = {}", key(&self.key), self.value.inline()?))
    }
}

#[cfg(test)]
/// What people and programs may have called something.
pub(super) const HOSTILE: [&str; 9] = [
    r#"a" } evil = { x = ""#,
    "${file(\"/etc/passwd\")}",
    "%{ if true }x%{ endif }",
    "$${x} $$${y} %%{z}",
    "back\\slash\\",
    "line\nbreak\r\n# comment",
    "\u{202e}\u{200b}\u{0}\u{e0041}",
    "/* <<EOT */ // #",
    "決済 🐢",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_ends_it_or_is_evaluated() {
        for text in HOSTILE {
            let literal = quoted(text);
            let inside = literal.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).expect("quotes");
            let bare = inside.replace("\\\\", "").replace("\\\"", "");
            assert!(!bare.contains('"') && !inside.contains("${") && !inside.contains("%{"), "{literal}");
            assert!(!literal.chars().any(char::is_control), "{literal:?}");
        }
    }

    #[test]
    fn a_comment_stays_one() {
        for text in HOSTILE {
            for line in comment(text, 4) {
                assert!(line.starts_with("    # ") && !line.contains(['\n', '\r']), "{line:?}");
            }
        }
    }

    #[test]
    fn fields_are_aligned_as_far_as_they_follow_each_other() {
        let note = ["know this".to_owned()];
        let long = (0..12).map(|number| format!("a-name-of-something-{number}")).collect::<Vec<_>>();
        let entries = [
            Entry::new("name", "web"),
            Entry::new("repository", "team/web"),
            Entry::new("alarms", long.as_slice()),
            Entry::new("for", "15m").with(&note),
            Entry::new("check", vec![Entry::new("path", "/"), Entry::new("for", "1s")]),
            Entry::new("none", Vec::<Entry>::new()),
        ];
        let lines = fields(&entries, 0);
        assert_eq!(lines[..3], ["name       = \"web\"", "repository = \"team/web\"", "alarms = ["]);
        assert_eq!(
            lines[lines.len() - 5..],
            [
                "]",
                "# know this",
                "\"for\" = \"15m\"",
                "check = { path = \"/\", \"for\" = \"1s\" }",
                "none  = {}",
            ]
        );
    }
}
