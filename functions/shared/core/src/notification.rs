//! Notifications, wherever people read them: a mail, a chat, or their own program.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::alarm::{AlarmChange, AlarmState};
use crate::api::Running;
use crate::approval::Approval;
use crate::name::{ApplicationName, EmailAddress, StageName};
use crate::push::Ignored;
use crate::release::{Ended, Ending, Outcome, Release, Started};
use crate::rollback::{Baseline, ServiceBaseline};
use crate::words::{self, capitalized};

/// The longest name of an alarm that CloudWatch takes, in characters (`PutMetricAlarm`, Amazon CloudWatch API reference).
const LONGEST_ALARM: usize = 255;
/// The longest name of an image that is shown, in characters: a repository's, and a digest.
const LONGEST_IMAGE: usize = 330;

/// What it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Kind {
    /// A release began.
    Started,
    /// A push that somebody meant started no release.
    Ignored,
    /// People are asked.
    Waiting,
    /// A release ended so.
    Released,
    /// A release ended so.
    RolledBack,
    /// A release ended so.
    Rejected,
    /// A release ended so.
    Expired,
    /// A release ended so.
    Superseded,
    /// A release ended so.
    Failed,
    /// A release ended so, and a person is needed.
    Stuck,
    /// An alarm fires.
    AlarmRings,
    /// An alarm is quiet again.
    AlarmQuiet,
    /// An alarm has too little data.
    AlarmBlind,
    /// Several changes of alarms in one notification.
    AlarmFlood,
    /// SNS has no confirmed subscription of an approver any more.
    ApproverUnreachable,
    /// A stage runs something that no release brought.
    Drift,
    /// A release waits for the end of a freeze.
    Frozen,
    /// A person let a release through a freeze.
    FreezeOverridden,
}

impl From<Outcome> for Kind {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Released => Self::Released,
            Outcome::RolledBack => Self::RolledBack,
            Outcome::Rejected => Self::Rejected,
            Outcome::Expired => Self::Expired,
            Outcome::Superseded => Self::Superseded,
            Outcome::Failed => Self::Failed,
            Outcome::Stuck => Self::Stuck,
        }
    }
}

impl From<AlarmState> for Kind {
    fn from(state: AlarmState) -> Self {
        match state {
            AlarmState::Alarm => Self::AlarmRings,
            AlarmState::Ok => Self::AlarmQuiet,
            AlarmState::InsufficientData => Self::AlarmBlind,
        }
    }
}

impl Kind {
    /// The kind in one word, for filters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "STARTED",
            Self::Ignored => "IGNORED",
            Self::Waiting => "WAITING",
            Self::Released => "RELEASED",
            Self::RolledBack => "ROLLED_BACK",
            Self::Rejected => "REJECTED",
            Self::Expired => "EXPIRED",
            Self::Superseded => "SUPERSEDED",
            Self::Failed => "FAILED",
            Self::Stuck => "STUCK",
            Self::AlarmRings => "ALARM_FIRES",
            Self::AlarmQuiet => "ALARM_QUIET",
            Self::AlarmBlind => "ALARM_BLIND",
            Self::AlarmFlood => "ALARM_FLOOD",
            Self::ApproverUnreachable => "APPROVER_UNREACHABLE",
            Self::Drift => "DRIFT",
            Self::Frozen => "FROZEN",
            Self::FreezeOverridden => "FREEZE_OVERRIDDEN",
        }
    }

    /// Whether it is sent at once, however many others are: it asks people to act.
    #[must_use]
    pub const fn is_urgent(self) -> bool {
        matches!(
            self,
            Self::Stuck
                | Self::RolledBack
                | Self::AlarmRings
                | Self::ApproverUnreachable
                | Self::FreezeOverridden
        )
    }

    /// What stands before the title in a chat, so that the loud ones are seen among the others.
    const fn sign(self) -> &'static str {
        match self {
            Self::Started => ":arrow_forward:",
            Self::Waiting => ":raised_hand:",
            Self::Released | Self::AlarmQuiet => ":white_check_mark:",
            Self::RolledBack => ":leftwards_arrow_with_hook:",
            Self::Ignored | Self::Rejected | Self::Expired | Self::Superseded => ":heavy_minus_sign:",
            Self::Failed => ":x:",
            Self::Stuck => ":rotating_light: :rotating_light: :rotating_light:",
            Self::AlarmRings | Self::AlarmFlood => ":bell:",
            Self::Frozen => ":snowflake:",
            Self::FreezeOverridden => ":warning:",
            Self::AlarmBlind | Self::ApproverUnreachable | Self::Drift => ":grey_question:",
        }
    }
}

/// A name and what it stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// The name, one or two words.
    pub name: String,
    /// What it stands for.
    pub value: String,
}

/// A notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// What it is about.
    pub kind: Kind,
    /// The application.
    pub application: ApplicationName,
    /// The stage, where it is about one.
    pub stage: Option<StageName>,
    /// The release, where it is about one.
    pub release: Option<Release>,
    /// A line.
    pub title: String,
    /// A sentence or more, a paragraph each.
    pub paragraphs: Vec<String>,
    /// The figures.
    pub facts: Vec<Fact>,
    /// Where to look further: names and addresses.
    pub links: Vec<Fact>,
}

impl Notification {
    /// The text of a mail.
    #[must_use]
    pub fn text(&self) -> String {
        let width = self.facts.iter().map(|fact| fact.name.len()).max().unwrap_or_default().max(7);
        let mut text = self.paragraphs.join("\n\n") + "\n";
        if !self.facts.is_empty() {
            text += "\n";
        }
        for Fact { name, value } in &self.facts {
            text += &format!("{name:width$}  {value}\n");
        }
        for Fact { name, value } in &self.links {
            text += &format!("\n{name}:\n{value}\n");
        }
        text
    }

    /// The message that Amazon Q Developer in chat applications shows in Slack and Teams ("Custom notifications using
    /// Amazon Q Developer in chat applications", its administrator guide). All about one release is one thread.
    #[must_use]
    pub fn chat(&self) -> Value {
        let facts =
            self.facts.iter().map(|Fact { name, value }| format!("*{name}* {}", without_markup(value)));
        // A link of Slipway's own, or of AWS's console.
        let links = self.links.iter().map(|Fact { name, value }| format!("<{value}|{name}>"));
        let paragraphs = self.paragraphs.iter().map(|paragraph| without_markup(paragraph));
        let description: Vec<String> = paragraphs.chain([facts.collect::<Vec<_>>().join("\n")]).collect();
        let thread = self
            .release
            .as_ref()
            .map_or_else(|| self.application.to_string(), |release| release.id.to_string());
        let mut content = json!({
            "textType": "client-markdown",
            "title": format!("{} {}", self.kind.sign(), without_markup(&self.title)),
            "description": description.join("\n\n").trim_end(),
            "keywords": [self.kind.as_str(), self.application],
        });
        if !self.links.is_empty() {
            content["nextSteps"] = links.collect();
        }
        json!({
            "version": "1.0",
            "source": "custom",
            "content": content,
            "metadata": { "threadId": thread, "summary": without_markup(&self.title), "eventType": self.kind.as_str() },
        })
    }

    /// The `detail` of the event `Slipway Notification`, for programs.
    #[must_use]
    pub fn event(&self) -> Value {
        let mut event = json!({
            "kind": self.kind,
            "application": self.application,
            "title": self.title,
            "text": self.paragraphs.join("\n\n"),
            "facts": self.facts,
        });
        if let Some(stage) = &self.stage {
            event["stage"] = json!(stage);
        }
        if let Some(release) = &self.release {
            event["release"] = json!(release);
        }
        event
    }

    /// The same with one more place to look.
    #[must_use]
    pub fn and_link(mut self, name: &str, url: String) -> Self {
        self.links.push(fact(name, url));
        self
    }

    /// A release began.
    #[must_use]
    pub fn started(started: &Started, stages: &[&StageName]) -> Self {
        let Started { release, asked, .. } = started;
        let name = release.in_words();
        let stages: Vec<_> = stages.iter().map(|stage| stage.as_str()).collect();
        let why = asked
            .as_ref()
            .map_or_else(|| "Its push started it.".to_owned(), |asked| format!("{}.", asked.in_words()));
        Self {
            kind: Kind::Started,
            application: release.application.clone(),
            stage: None,
            title: format!("{name} has begun"),
            paragraphs: vec![format!("{name} goes to {}. {why}", stages.join(", then to "))],
            facts: about(release),
            links: vec![],
            release: Some(release.clone()),
        }
    }

    /// A push that somebody meant started no release. `would_be` is the one that it would have been.
    #[must_use]
    pub fn ignored(would_be: &Release, ignored: &Ignored) -> Self {
        let Release { application, image, .. } = would_be;
        let name = would_be.in_words();
        Self {
            kind: Kind::Ignored,
            application: application.clone(),
            stage: None,
            title: format!("{name} is not released"),
            paragraphs: vec![words::sentence(&format!("The push of {name} starts no release: {ignored}."))],
            facts: vec![fact("Image", image.to_string()), fact("Tag", image.tag_in_words())],
            links: vec![],
            release: None,
        }
    }

    /// People are asked.
    #[must_use]
    pub fn waiting(approval: &Approval) -> Self {
        let Approval { release, stage, quorum, approvers, expires_at, .. } = approval;
        let people: Vec<_> = approval.reachable().map(|approver| approver.as_str()).collect();
        let how_many =
            if approvers.len() == 1 { String::new() } else { format!("; {quorum} of them must approve") };
        let not_asked =
            approval.not_asked().map(|words| format!(" {}.", capitalized(&words))).unwrap_or_default();
        let mut facts = about(release);
        facts.extend(runs(&approval.baseline));
        facts.extend(approval.running.first().map(|running| {
            fact("Since", format!("{:.0}, {}", running.since, running.release.image.tag_in_words()))
        }));
        facts.push(fact("Until", format!("{expires_at:.0}")));
        Self {
            kind: Kind::Waiting,
            application: release.application.clone(),
            stage: Some(stage.clone()),
            title: format!("{} waits for approval to go to {stage}", release.in_words()),
            paragraphs: vec![format!(
                "Each was sent a link of their own: {}{how_many}.{not_asked}",
                people.join(", ")
            )],
            facts,
            links: vec![],
            release: Some(release.clone()),
        }
    }

    /// An approver whom SNS hands no mail any more.
    #[must_use]
    pub fn unreachable(application: &ApplicationName, approver: &EmailAddress) -> Self {
        Self {
            kind: Kind::ApproverUnreachable,
            application: application.clone(),
            stage: None,
            title: format!("{approver} is not asked any more to approve {application}"),
            paragraphs: vec![
                format!(
                    "The subscription of {approver} to the approvals' topic is gone or not confirmed: SNS sends them nothing. Some mail scanners follow the unsubscribe link of every mail."
                ),
                "Subscribe them again with `terraform apply`, and have them confirm as infra/README.md says under \"Confirm a subscription\": only IAM may end it then.".to_owned(),
            ],
            facts: vec![fact("Approver", approver.to_string())],
            links: vec![],
            release: None,
        }
    }

    /// A stage runs something that no release brought: `drifts` says what, service by service.
    #[must_use]
    pub fn drift(
        application: &ApplicationName,
        stage: &StageName,
        runs: &Running,
        drifts: &[String],
    ) -> Self {
        let mut facts =
            vec![fact("Released", runs.image.to_string()), fact("Tag", runs.image.tag_in_words())];
        facts.extend(runs.release.as_ref().map(|release| fact("Release", release.to_string())));
        Self {
            kind: Kind::Drift,
            application: application.clone(),
            stage: Some(stage.clone()),
            title: format!("{application} {stage} runs what Slipway did not release"),
            paragraphs: vec![
                words::sentence(&format!("{}.", drifts.join("; "))),
                "Nothing was changed. Somebody deployed it beside Slipway, or ECS went back to it by itself. The next release takes what runs then for its baseline; until then `slipway status` shows it.".to_owned(),
            ],
            facts,
            links: vec![],
            release: None,
        }
    }

    /// A release waits at a stage for the end of a freeze: `frozen` says which, in words.
    #[must_use]
    pub fn frozen(release: &Release, stage: &StageName, frozen: &str) -> Self {
        let name = release.in_words();
        Self {
            kind: Kind::Frozen,
            application: release.application.clone(),
            stage: Some(stage.clone()),
            title: format!("{name} waits: {stage} is frozen"),
            paragraphs: vec![
                words::sentence(&format!("{}.", capitalized(frozen))),
                format!(
                    "The release goes on by itself when the freeze is over. To let it through before: `slipway override {}`; to end it: `slipway abort {}`.",
                    release.id, release.id
                ),
            ],
            facts: about(release),
            links: vec![],
            release: Some(release.clone()),
        }
    }

    /// A person let a release through a freeze: `words` says who and why, `frozen` what was frozen.
    #[must_use]
    pub fn freeze_overridden(release: &Release, words: &str, frozen: &[String]) -> Self {
        let name = release.in_words();
        Self {
            kind: Kind::FreezeOverridden,
            application: release.application.clone(),
            stage: None,
            title: format!("{name} goes on in spite of a freeze"),
            paragraphs: vec![
                words::sentence(&format!("{}.", capitalized(words))),
                words::sentence(&format!("{}.", capitalized(&frozen.join("; ")))),
                "Its gates and approvals stay as they are.".to_owned(),
            ],
            facts: about(release),
            links: vec![],
            release: Some(release.clone()),
        }
    }

    /// A release ended. `before` is what the stage that ended it ran before.
    #[must_use]
    pub fn ended(release: &Release, ended: &Ended, notes: &[String], before: Option<&Baseline>) -> Self {
        let Ending { outcome, stage, reason, .. } = &ended.ending;
        let at_stage = stage.as_ref().map_or_else(String::new, |stage| format!(" at {stage}"));
        let what_now = match outcome {
            Outcome::Released => "Every stage runs the image.",
            Outcome::RolledBack => {
                "The stage runs what it ran before. The image is quarantined: it is not released again until a person clears it (`slipway clear`)."
            }
            Outcome::Rejected => {
                "The stage was not changed. The image is quarantined: it is not released again until a person clears it (`slipway clear`)."
            }
            Outcome::Expired | Outcome::Superseded | Outcome::Failed => "The stage was not changed.",
            Outcome::Stuck => {
                "A PERSON IS NEEDED: look at what the stage's services run, and see the runbook under STUCK."
            }
        };
        let name = release.in_words();
        let first = format!("{name} ended {outcome}{at_stage}.");
        let reason = words::sentence(reason);
        let mut paragraphs = if *outcome == Outcome::Stuck {
            vec![what_now.to_owned(), first, reason]
        } else {
            vec![first, reason, what_now.to_owned()]
        };
        paragraphs.extend(notes.iter().map(|note| words::sentence(note)));
        let mut facts = about(release);
        if matches!(outcome, Outcome::RolledBack | Outcome::Stuck) {
            facts.extend(before.into_iter().flat_map(runs).map(|Fact { value, .. }| fact("Before", value)));
        }
        facts.push(fact("Ended", format!("{:.0}", ended.at)));
        let loud = if *outcome == Outcome::Stuck { "A PERSON IS NEEDED: " } else { "" };
        Self {
            kind: (*outcome).into(),
            application: release.application.clone(),
            stage: stage.clone(),
            title: format!("{loud}{name} {outcome}{at_stage}"),
            paragraphs,
            facts,
            links: vec![],
            release: Some(release.clone()),
        }
    }

    /// An alarm of a stage changed. `live` is the newest release that went through it, and when that was.
    #[must_use]
    pub fn alarm(
        application: &ApplicationName,
        stage: &StageName,
        change: &AlarmChange,
        live: Option<(&Release, Timestamp)>,
    ) -> Self {
        let AlarmChange { state, configuration, .. } = change;
        let alarm_name = words::line(&change.alarm_name, LONGEST_ALARM);
        let what = match state.value {
            AlarmState::Alarm => "is in ALARM",
            AlarmState::Ok => "is OK again",
            AlarmState::InsufficientData => "has too little data",
        };
        let mut paragraphs = vec![format!("The alarm {alarm_name} of {application}'s stage {stage} {what}.")];
        paragraphs.extend(
            [&configuration.description, &state.reason]
                .into_iter()
                .filter(|words| !words.is_empty())
                .cloned(),
        );
        let mut facts = Vec::new();
        if let Some(since) = state.since() {
            facts.push(fact("Since", format!("{since:.0}")));
        }
        if let Some((value, threshold)) = state.figures() {
            facts.push(fact("Value", format!("{value} (threshold {threshold})")));
        }
        if let Some(metric) = configuration.metric() {
            facts.push(fact("Metric", words::line(&metric, words::LONGEST)));
        }
        match live {
            Some((release, at)) => {
                facts.extend(about(release));
                facts.push(fact("Live", format!("since {at:.0}")));
            }
            None => paragraphs.push(format!("{application} has had no release yet.")),
        }
        Self {
            kind: state.value.into(),
            application: application.clone(),
            stage: Some(stage.clone()),
            title: format!("{alarm_name} {what} ({application} {stage})"),
            paragraphs,
            facts,
            links: vec![],
            release: live.map(|(release, _)| release.clone()),
        }
    }

    /// Changes of alarms that came too fast for one notification each.
    #[must_use]
    pub fn flood(application: &ApplicationName, held: &[String]) -> Self {
        let count = held.len();
        Self {
            kind: Kind::AlarmFlood,
            application: application.clone(),
            stage: None,
            title: format!("{count} more changes of {application}'s alarms"),
            paragraphs: vec![
                format!(
                    "{application}'s alarms changed too fast for one notification each. These came on top:"
                ),
                held.iter().map(|line| words::sentence(line)).collect::<Vec<_>>().join("\n"),
            ],
            facts: vec![],
            links: vec![],
            release: None,
        }
    }
}

fn fact(name: &str, value: String) -> Fact {
    Fact { name: name.to_owned(), value }
}

fn about(release: &Release) -> Vec<Fact> {
    let image = &release.image;
    vec![
        fact("Image", image.to_string()),
        fact("Tag", image.tag_in_words()),
        fact("Release", release.id.to_string()),
    ]
}

/// What a stage runs, a line for each service.
fn runs(baseline: &Baseline) -> Vec<Fact> {
    let line = |service: &ServiceBaseline| {
        let image = service.image.rsplit('/').next().unwrap_or_default();
        let image =
            if service.ran_nothing() { "nothing".to_owned() } else { words::line(image, LONGEST_IMAGE) };
        if baseline.services.len() == 1 { image } else { format!("{}: {image}", service.service) }
    };
    baseline.services.iter().map(|service| fact("Runs", line(service))).collect()
}

/// A text in which a chat finds no markup: no mention, no link, no emphasis, no emoji. Slack writes `&`, `<` and `>` as HTML
/// does ("Formatting text for app surfaces", Slack's API documentation), and has no way to write its other marks, so their
/// look-alikes stand in for them.
fn without_markup(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let (mut before, mut is_in_arn) = (' ', false);
    for (position, character) in text.char_indices() {
        let rest = &text[position + character.len_utf8()..];
        let begins = !before.is_alphanumeric();
        let ends = !rest.starts_with(char::is_alphanumeric);
        // An ARN has names between colons, too, and is copied from there.
        is_in_arn =
            !character.is_whitespace() && (is_in_arn || (begins && text[position..].starts_with("arn:")));
        match character {
            '&' => plain.push_str("&amp;"),
            '<' => plain.push_str("&lt;"),
            '>' => plain.push_str("&gt;"),
            '*' => plain.push('∗'),
            '~' => plain.push('∼'),
            '`' => plain.push('ˋ'),
            '_' if begins || ends => plain.push('＿'),
            ':' if !is_in_arn && begins_emoji(rest) => plain.push('∶'),
            '@' if begins => plain.push('＠'),
            other => plain.push(other),
        }
        before = character;
    }
    plain
}

/// Whether a name and a colon follow, as in `:bell:`. The figures of a time are no name.
fn begins_emoji(rest: &str) -> bool {
    rest.split_once(':').is_some_and(|(name, _)| {
        name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+-'".contains(&byte))
            && name.bytes().any(|byte| byte.is_ascii_alphabetic())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hostile::text;

    #[test]
    fn a_chat_finds_no_markup_in_words() {
        for (text, shown) in [
            ("web_production_5xx is in ALARM", "web_production_5xx is in ALARM"),
            (
                "08:16:01 arn:aws:ecs:eu-central-1:1:service/web",
                "08:16:01 arn:aws:ecs:eu-central-1:1:service/web",
            ),
            ("ana@example.com", "ana@example.com"),
            (
                "<!channel> & <@U1> <https://example.net|x>",
                "&lt;!channel&gt; &amp; &lt;＠U1&gt; &lt;https://example.net|x&gt;",
            ),
            ("*bold* _it_ ~gone~ `code`", "∗bold∗ ＿it＿ ∼gone∼ ˋcodeˋ"),
            ("all is well :white_check_mark: @here", "all is well ∶white_check_mark: ＠here"),
        ] {
            assert_eq!(without_markup(text), shown);
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_no_markup_of_a_chat(text in text()) {
            let shown = without_markup(&words::line(&text, words::LONGEST));
            prop_assert!(!shown.contains(['<', '>', '*', '~', '`']), "{shown}");
            prop_assert!(!shown.contains(":rotating_light:") && !shown.contains(" @here"), "{shown}");
        }
    }
}
