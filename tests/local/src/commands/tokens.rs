//! Looks for tokens in every log of a run. Who reads one in a log can decide in another's name, follow a release, or end a
//! step.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use aws_sdk_cloudwatchlogs::Client;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    Cloud, Settings, functions,
    mail::{self, Mail},
};

/// An approval's or a release's token: 32 bytes in base64url.
const LINK_TOKEN: usize = 43;
/// So many events are in one answer at the most.
const PAGE: usize = 10_000;
/// A finding shows so much of its line.
const SHOWN: usize = 120;
/// So many findings are shown.
const FINDINGS: usize = 20;
/// The logs of the cloud itself.
const OF_THE_CLOUD: [&str; 3] = ["ministack.log", "serve.log", "terraform.log"];

/// What must be in no log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Approval,
    Release,
    Task,
    /// A link whose token no mail has.
    Link,
}

impl Kind {
    /// Those that a run has, and that are looked for.
    const KNOWN: [Self; 3] = [Self::Approval, Self::Release, Self::Task];
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Approval => "approval token",
            Self::Release => "token of a release's page",
            Self::Task => "task token",
            Self::Link => "link with a token",
        })
    }
}

/// A call as the wire writes it down; only what is read of it here.
#[derive(Deserialize)]
struct Call {
    operation: String,
    request: Request,
}

#[derive(Deserialize)]
struct Request {
    body: Value,
}

/// The tokens of a run.
#[derive(Debug, Default)]
struct Tokens {
    kinds: HashMap<String, Kind>,
    lengths: BTreeSet<usize>,
    letters: BTreeSet<u8>,
}

impl Tokens {
    /// Those of the links that people were mailed, and those with which steps ended their tasks.
    fn of(mails: &[Mail], calls: &str) -> anyhow::Result<Self> {
        let mut tokens = Self::default();
        for link in mails.iter().flat_map(Mail::links) {
            for (below, kind) in [("/approvals/", Kind::Approval), ("/releases/", Kind::Release)] {
                let Some((_, token)) = link.split_once(below) else { continue };
                // Others have such paths too.
                if letters_of(token) == LINK_TOKEN {
                    tokens.add(&token[..LINK_TOKEN], kind);
                }
            }
        }
        for line in calls.lines() {
            let call: Call = serde_json::from_str(line).context("a call is not what the wire writes")?;
            if !["states:SendTaskSuccess", "states:SendTaskFailure"].contains(&call.operation.as_str()) {
                continue;
            }
            let body: Value = serde_json::from_str(call.request.body.as_str().unwrap_or_default())
                .with_context(|| format!("the body of {} is no JSON", call.operation))?;
            tokens.add(body["taskToken"].as_str().context("a task is ended without a token")?, Kind::Task);
        }
        Ok(tokens)
    }

    fn add(&mut self, token: &str, kind: Kind) {
        if token.is_empty() {
            return;
        }
        self.lengths.insert(token.len());
        self.letters.extend(token.bytes());
        self.kinds.insert(token.to_owned(), kind);
    }

    fn count(&self, kind: Kind) -> usize {
        self.kinds.values().filter(|one| **one == kind).count()
    }

    /// The tokens in a text, each with its place.
    fn find(&self, text: &str) -> Vec<(Kind, std::ops::Range<usize>)> {
        let mut found = Vec::new();
        let bytes = text.as_bytes();
        let mut at = 0;
        // A token may stand within other letters of its kind, so each piece of them is looked through.
        for piece in bytes.split(|byte| !self.letters.contains(byte)) {
            for length in self.lengths.range(..=piece.len()) {
                for (start, window) in piece.windows(*length).enumerate() {
                    if let Some(kind) =
                        std::str::from_utf8(window).ok().and_then(|token| self.kinds.get(token))
                    {
                        found.push((*kind, at + start..at + start + length));
                    }
                }
            }
            at += piece.len() + 1;
        }
        let known: BTreeSet<_> = found.iter().map(|(_, place)| place.start).collect();
        found.extend(links(text).filter(|link| !known.contains(&link.start)).map(|link| (Kind::Link, link)));
        found
    }
}

/// The tokens of what looks like one of Slipway's links.
fn links(text: &str) -> impl Iterator<Item = std::ops::Range<usize>> {
    ["approvals/", "releases/", "approvals%2F", "releases%2F"].into_iter().flat_map(move |below| {
        let starts = text.match_indices(below).map(move |(at, _)| at + below.len());
        starts
            .filter(move |start| letters_of(&text[*start..]) == LINK_TOKEN)
            .map(|start| start..start + LINK_TOKEN)
    })
}

/// How many letters of base64url a text begins with.
fn letters_of(text: &str) -> usize {
    text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte)).count()
}

/// A search through logs, one line after the other.
#[derive(Debug)]
struct Search<'a> {
    tokens: &'a Tokens,
    /// How many lines of each log were looked at.
    lines: BTreeMap<String, usize>,
    found: Vec<String>,
}

impl<'a> Search<'a> {
    fn new(tokens: &'a Tokens) -> Self {
        Self { tokens, lines: BTreeMap::new(), found: Vec::new() }
    }

    fn look(&mut self, log: &str, line: &str) {
        *self.lines.entry(log.to_owned()).or_default() += 1;
        let mut found = self.tokens.find(line);
        if found.is_empty() {
            return;
        }
        // The finding is a log itself.
        found.sort_by_key(|(_, place)| place.start);
        let mut masked = String::new();
        let mut shown = 0;
        for (_, place) in &found {
            masked.push_str(line.get(shown..place.start).unwrap_or_default());
            masked.push('…');
            shown = shown.max(place.end);
        }
        masked.push_str(line.get(shown..).unwrap_or_default());
        let first = masked.find('…').unwrap_or_default();
        let from = masked.floor_char_boundary(first.saturating_sub(SHOWN / 2));
        let around: String = masked[from..].chars().take(SHOWN).collect();
        let kinds: BTreeSet<_> = found.iter().map(|(kind, _)| kind.to_string()).collect();
        self.found.push(format!("{log}: {}: {around}", kinds.into_iter().collect::<Vec<_>>().join(", ")));
    }

    /// What was looked at. A search without tokens, or past a log, finds nothing and proves nothing.
    fn end(self, must_be_there: &[String]) -> anyhow::Result<String> {
        for kind in Kind::KNOWN {
            if self.tokens.count(kind) == 0 {
                bail!("the run had no {kind}, so none could be found: it is no whole run");
            }
        }
        let silent: Vec<_> =
            must_be_there.iter().filter(|log| !self.lines.contains_key(*log)).map(String::as_str).collect();
        if must_be_there.is_empty() || !silent.is_empty() {
            bail!("nothing is in these logs, so nothing could be found there: {}", silent.join(", "));
        }
        if !self.found.is_empty() {
            let shown: Vec<_> = self.found.iter().take(FINDINGS).map(String::as_str).collect();
            bail!("{} lines of logs have a token:\n  {}", self.found.len(), shown.join("\n  "));
        }
        let tokens: Vec<_> =
            Kind::KNOWN.iter().map(|kind| format!("{} {kind}s", self.tokens.count(*kind))).collect();
        Ok(format!(
            "none of {} in {} lines of {} logs",
            tokens.join(", "),
            self.lines.values().sum::<usize>(),
            self.lines.len()
        ))
    }
}

/// Looks through every log group of the clouds, and through every log in their folders.
pub(super) async fn look(settings: &Settings, clouds: &[&Cloud]) -> anyhow::Result<()> {
    let (mut mails, mut calls) = (Vec::new(), String::new());
    for cloud in clouds {
        let state = cloud.state();
        mails.extend(mail::read(&state.inbox())?);
        calls += &fs::read_to_string(state.calls()).context("the wire has written no calls down")?;
    }
    let tokens = Tokens::of(&mails, &calls)?;
    let mut search = Search::new(&tokens);

    for cloud in clouds {
        let (logs, state) = (Client::new(cloud.sdk()), cloud.state());
        for group in groups(&logs).await? {
            look_at_group(&logs, &group, &mut search).await?;
        }
        for file in files(state.path()) {
            let name = file.strip_prefix(state.path()).unwrap_or(&file).display().to_string();
            let text = fs::read(&file).with_context(|| format!("{} cannot be read", file.display()))?;
            String::from_utf8_lossy(&text).lines().for_each(|line| search.look(&name, line));
        }
    }

    let functions = functions::names(settings)?;
    let of_functions = functions.iter().map(|name| format!("/aws/lambda/slipway-{name}"));
    let must_be_there: Vec<_> = of_functions.chain(OF_THE_CLOUD.map(str::to_owned)).collect();
    println!("{}", search.end(&must_be_there)?);
    Ok(())
}

async fn groups(logs: &Client) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    let mut pages = logs.describe_log_groups().into_paginator().send();
    while let Some(page) = pages.next().await {
        names.extend(page?.log_groups().iter().filter_map(|group| group.log_group_name().map(str::to_owned)));
    }
    Ok(names)
}

/// MiniStack gives the first events and no token for the next ones, so the next ones are asked for by their time.
async fn look_at_group(logs: &Client, group: &str, search: &mut Search<'_>) -> anyhow::Result<()> {
    let mut from = 0;
    loop {
        let answer = logs.filter_log_events().log_group_name(group).start_time(from).send().await?;
        for event in answer.events() {
            event.message().unwrap_or_default().lines().for_each(|line| search.look(group, line));
        }
        let last = answer.events().iter().filter_map(|event| event.timestamp()).max().unwrap_or_default();
        if answer.events().len() < PAGE {
            return Ok(());
        }
        if last == from {
            bail!("{group} has more than {PAGE} events of one millisecond, and they cannot all be read");
        }
        from = last;
    }
}

/// The logs below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() && entry.path().extension().is_some_and(|end| end == "log") => {
                    found.push(entry.path());
                }
                _ => {}
            }
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const APPROVAL: &str = "aZ09-_xaZ09-_xaZ09-_xaZ09-_xaZ09-_xaZ09-_x1";
    const RELEASE: &str = "bZ09-_xaZ09-_xaZ09-_xaZ09-_xaZ09-_xaZ09-_x1";
    const TASK: &str = "0f3c7a52-7a3e-4c5e-9d43-5a1d0f6f2b11";

    fn run() -> Tokens {
        let body = format!(
            "Decide: <http://a.example/approvals/{APPROVAL}>.\nIts page: http://a.example/releases/{RELEASE}"
        );
        let mail = Mail { to: String::new(), subject: String::new(), body, topic: String::new(), at: 0 };
        let call = |operation: &str, body: Value| json!({ "caller": "acquire-lock", "operation": operation, "request": { "body": body.to_string() } });
        let calls = [
            call("states:SendTaskSuccess", json!({ "taskToken": TASK, "output": "{}" })),
            call("dynamodb:GetItem", json!({ "TableName": "slipway" })),
        ];
        Tokens::of(&[mail], &calls.map(|call| call.to_string()).join("\n")).expect("they are read")
    }

    fn found(line: &str) -> Vec<Kind> {
        run().find(line).into_iter().map(|(kind, _)| kind).collect()
    }

    #[test]
    fn a_token_in_a_line_is_found_wherever_it_stands() {
        for (line, kind) in [
            (
                format!(r#"{{"level":"INFO","message":"opened","path":"/approvals/{APPROVAL}"}}"#),
                Kind::Approval,
            ),
            (format!("x{APPROVAL}y is written"), Kind::Approval),
            (format!("Location: http://a.example/releases/{RELEASE}"), Kind::Release),
            (format!(r#"request: {{\"taskToken\":\"{TASK}\"}}"#), Kind::Task),
            (TASK.to_owned(), Kind::Task),
            (format!("GET /approvals/{}", RELEASE.replace('b', "c")), Kind::Link),
            (format!("next=%2Freleases%2F{}", APPROVAL.replace('a', "q")), Kind::Link),
        ] {
            assert_eq!(found(&line), [kind], "{line}");
        }
    }

    #[test]
    fn what_looks_like_a_token_and_is_none_is_not_found() {
        for line in [
            r#"{"routeKey":"GET /approvals/{token}","status":"200","requestId":"0f3c7a52-7a3e-4c5e-9d43-5a1d0f6f2b12"}"#,
            "sha256:e5bb2084ccf45087bda1c9bffdea0eb15ee67f0b91646106e466714f9de3c7e3",
            "GET /approvals/short and /releases/web-1",
            &APPROVAL[..42],
        ] {
            assert!(found(line).is_empty(), "{line}");
        }
    }

    #[test]
    fn a_finding_names_its_log_and_does_not_repeat_the_token() {
        let tokens = run();
        let mut search = Search::new(&tokens);
        search.look("serve.log", "the cloud is up");
        search.look(
            "/aws/lambda/slipway-acquire-lock",
            &format!("ended by {TASK}, asked at /approvals/{APPROVAL}"),
        );

        let error = search.end(&["serve.log".to_owned()]).expect_err("a token was logged").to_string();

        assert!(
            error.contains(
                "slipway-acquire-lock: approval token, task token: ended by …, asked at /approvals/…"
            ),
            "{error}"
        );
        assert!(!error.contains(TASK) && !error.contains(APPROVAL), "{error}");
    }

    #[test]
    fn a_search_past_a_log_or_without_tokens_fails() {
        let (whole, none) = (run(), Tokens::default());
        let logs = ["serve.log".to_owned()];
        let end = |tokens: &Tokens, log: &str, must_be_there: &[String]| {
            let mut search = Search::new(tokens);
            search.look(log, "the cloud is up");
            search.end(must_be_there)
        };

        let fine = end(&whole, "serve.log", &logs).expect("nothing was logged");

        assert!(fine.contains("1 approval tokens") && fine.contains("in 1 lines of 1 logs"), "{fine}");
        end(&whole, "terraform.log", &logs).expect_err("one log was not looked at");
        end(&whole, "serve.log", &[]).expect_err("no log was asked for");
        end(&none, "serve.log", &logs).expect_err("no token was known");
        let mut without_tasks = run();
        without_tasks.kinds.remove(TASK);
        end(&without_tasks, "serve.log", &logs).expect_err("no task token was known");
    }

    #[test]
    fn every_log_below_the_folder_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(folder.path().join("engine/one")).expect("a folder");
        for file in ["serve.log", "engine/one/out.log", "calls.jsonl"] {
            fs::write(folder.path().join(file), "a line").expect("it is written");
        }

        let found: Vec<_> = files(folder.path())
            .iter()
            .map(|file| file.strip_prefix(folder.path()).expect("below").to_owned())
            .collect();

        assert_eq!(found, [PathBuf::from("engine/one/out.log"), PathBuf::from("serve.log")]);
    }
}
