//! Whole calls with their answers, in a file that AWS's models of its services judge (`tests/opinions/models.py`): of
//! each kind the first one, as a run makes many thousands.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fs::File,
    hash::{DefaultHasher, Hash, Hasher as _},
    io::Write as _,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
};

use anyhow::Context as _;
use axum::{
    body::Bytes,
    http::{HeaderMap, Response},
};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    call::{Call, Protocol},
    pass::Incoming,
    subject,
};

/// What the models judge of the headers. Never the authorization.
const HEADERS: [&str; 7] = [
    "content-type",
    "smithy-protocol",
    "x-amz-invocation-type",
    "x-amz-target",
    "x-amzn-errortype",
    "x-amzn-query-error",
    "x-amzn-requestid",
];
/// So many calls of one function, operation and status are written down.
const OF_ONE: u32 = 200;
/// The file's size does not pass this.
const LARGEST: usize = 32 << 20;
/// A text of up to so many letters may be a word of AWS's, such as a state.
const WORD: usize = 40;

/// A call that passed, with its answer.
#[derive(Debug)]
pub(super) struct Example {
    /// When the call came.
    pub(super) at: Timestamp,
    /// When its answer had come.
    pub(super) ended: Timestamp,
    pub(super) call: Call,
    pub(super) protocol: Protocol,
    pub(super) request: Incoming,
    pub(super) answer: Response<Bytes>,
}

/// The file, and what is in it.
#[derive(Debug)]
pub(super) struct Examples {
    file: File,
    /// Where every call is written, while this folder exists.
    recording: PathBuf,
    size: usize,
    of_one: HashMap<String, u32>,
    kinds: HashSet<u64>,
}

impl Examples {
    pub(super) fn create(path: &Path, recording: PathBuf) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| format!("{} cannot be made", path.display()))?;
        Ok(Self { file, recording, size: 0, of_one: HashMap::new(), kinds: HashSet::new() })
    }

    /// Takes examples on a thread of its own, in their order, until nobody sends any more.
    pub(super) fn take(mut self) -> mpsc::Sender<Example> {
        let (sender, examples) = mpsc::channel();
        thread::spawn(move || examples.iter().for_each(|example| self.keep(&example)));
        sender
    }

    /// Writes a call down whose request or answer has members or words that none before had.
    fn keep(&mut self, example: &Example) {
        if self.recording.is_dir()
            && let Err(error) = self.record(example)
        {
            tracing::error!(%error, "a call could not be recorded");
        }
        let Example { call, protocol, request, answer, .. } = example;
        let status = answer.status().as_u16();
        let of = format!("{} {} {status}", call.caller, call.operation);
        let (asks, answers) = Form::of(*protocol);
        let asked = self.kinds.insert(hash(&(&of, "asked", kind(asks, &request.body))));
        let answered = self.kinds.insert(hash(&(&of, "answered", kind(answers, answer.body()))));
        let kept = self.of_one.entry(of).or_default();
        if !(asked || answered) || *kept >= OF_ONE {
            return;
        }
        let line = format!("{}\n", example.as_json());
        if self.size + line.len() > LARGEST {
            tracing::warn!(%call, "the file of calls is full");
            return;
        }
        match self.file.write_all(line.as_bytes()) {
            Ok(()) => {
                self.size += line.len();
                *kept += 1;
            }
            Err(error) => tracing::error!(%error, "a call could not be written down"),
        }
    }

    /// Writes a call down whole, whatever came before it.
    fn record(&self, example: &Example) -> anyhow::Result<()> {
        let mut line = example.as_json();
        line["at"] = example.at.as_microsecond().into();
        line["ended"] = example.ended.as_microsecond().into();
        let file = File::options().create(true).append(true).open(self.recording.join("calls.jsonl"));
        Ok(file?.write_all(format!("{line}\n").as_bytes())?)
    }
}

impl Example {
    fn as_json(&self) -> Value {
        let Self { call, request, answer, .. } = self;
        json!({
            "caller": call.caller,
            "operation": call.operation,
            "request": {
                "method": request.method.as_str(),
                "path": request.path,
                "headers": headers(&request.headers),
                "body": body(&request.body),
            },
            "answer": {
                "status": answer.status().as_u16(),
                "headers": headers(answer.headers()),
                "body": body(answer.body()),
            },
        })
    }
}

/// A text as it is, and what is none as `{"hex": "…"}`.
fn body(bytes: &[u8]) -> Value {
    std::str::from_utf8(bytes).map_or_else(|_| json!({ "hex": hex::encode(bytes) }), Value::from)
}

fn headers(headers: &HeaderMap) -> Map<String, Value> {
    let text = |name: &&str| Some(((*name).to_owned(), headers.get(*name)?.to_str().ok()?.into()));
    HEADERS.iter().filter_map(text).collect()
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// How a body is written.
#[derive(Clone, Copy, Debug)]
enum Form {
    Json,
    Query,
    Xml,
    Cbor,
}

impl Form {
    /// Of a request, and of its answer.
    fn of(protocol: Protocol) -> (Self, Self) {
        match protocol {
            Protocol::Json => (Self::Json, Self::Json),
            Protocol::Query => (Self::Query, Self::Xml),
            Protocol::Cbor => (Self::Cbor, Self::Cbor),
        }
    }
}

/// The members of a body and the kinds of their values.
fn kind(form: Form, body: &[u8]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    match form {
        Form::Json => of_value("", &serde_json::from_slice(body).unwrap_or_default(), &mut found),
        Form::Query => found.extend(subject::form(body).iter().map(|(name, value)| {
            let place: Vec<_> =
                name.split('.').map(|part| part.parse::<u32>().map_or(part, |_| "*")).collect();
            format!("{} {}", place.join("."), of_text(value))
        })),
        // `name>text`, where a tag begins.
        Form::Xml => found.extend(String::from_utf8_lossy(body).split('<').map(|piece| {
            let (tag, text) = piece.split_once('>').unwrap_or((piece, ""));
            format!("{tag} {}", of_text(text.trim()))
        })),
        // It is not read: words of it are enough to tell one kind from another.
        Form::Cbor => found.extend(
            body.split(|byte| !byte.is_ascii_alphabetic() && *byte != b'_')
                .filter(|word| (4..=WORD).contains(&word.len()))
                .map(|word| String::from_utf8_lossy(word).into_owned()),
        ),
    }
    found
}

fn of_value(place: &str, value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, value) in members {
                of_value(&format!("{place}.{name}"), value, found);
            }
        }
        Value::Array(values) if !values.is_empty() => {
            for value in values {
                of_value(&format!("{place}[]"), value, found);
            }
        }
        other => {
            let kind = match other {
                Value::Object(_) => "{}",
                Value::Array(_) => "[]",
                Value::String(text) => of_text(text),
                Value::Number(number) if number.is_f64() => "fraction",
                Value::Number(_) => "number",
                Value::Bool(_) => "boolean",
                Value::Null => "null",
            };
            found.insert(format!("{place} {kind}"));
        }
    }
}

/// A word that may be one of a few is its own kind.
fn of_text(text: &str) -> &str {
    let letter = |byte: u8| byte.is_ascii_alphabetic() || b"_-.".contains(&byte);
    if text.is_empty() {
        "nothing"
    } else if text.len() <= WORD && text.bytes().all(letter) {
        text
    } else if text.bytes().all(|byte| byte.is_ascii_digit()) {
        "number"
    } else {
        "text"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_the_members_and_the_words_of_a_body() {
        let json = br#"{"services": [{"status": "ACTIVE", "events": [], "roleArn": "arn:aws:iam::0:role/a", "pending": 0}, {"status": "DRAINING"}]}"#;
        let xml = b"<R><State>healthy</State><Port>8080</Port><Id>ip 1</Id></R>";

        assert_eq!(
            kind(Form::Json, json),
            [
                ".services[].events []",
                ".services[].pending number",
                ".services[].roleArn text",
                ".services[].status ACTIVE",
                ".services[].status DRAINING"
            ]
            .map(str::to_owned)
            .into()
        );
        assert_eq!(
            kind(Form::Query, b"Action=Publish&Tags.member.12.Value=a+b"),
            ["Action Publish", "Tags.member.*.Value text"].map(str::to_owned).into()
        );
        assert!(kind(Form::Xml, xml).is_superset(
            &["State healthy", "Port number", "Id text", "/R nothing"].map(str::to_owned).into()
        ));
        assert_eq!(
            kind(Form::Cbor, b"\xa1\x01State\x02ALARM\x03ab"),
            ["State", "ALARM"].map(str::to_owned).into()
        );
    }

    #[test]
    fn what_is_no_text_is_written_in_hexadecimal() {
        assert_eq!(body(b"{}"), json!("{}"));
        assert_eq!(body(&[0xa1, 0xff]), json!({ "hex": "a1ff" }));
    }
}
