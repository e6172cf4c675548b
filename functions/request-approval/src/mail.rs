//! The mail that asks for an approval: plain text that reads well on a phone.

use jiff::Timestamp;
use slipway_aws::Mail;
use slipway_core::approval::{Approval, Evidence, Running, SHOWN_CHANGES, Status, Verdict};
use slipway_core::image::digest_of;
use slipway_core::migration::Kind;
use slipway_core::name::EmailAddress;
use slipway_core::resend::Resend;
use slipway_core::rollback::ServiceBaseline;
use slipway_core::timeline::in_words;
use slipway_core::words;

/// How many columns a line of Slipway's own has. A name that is longer, an address and what others wrote stay whole, so that
/// none of it begins a line.
const WIDTH: usize = 72;
/// The longest change that a mail shows, in characters; the page shows it whole.
const LONGEST_CHANGE: usize = 300;

/// The mail to one approver, with their own link: what is decided and where comes first, then what is known of it.
pub(crate) fn request(approval: &Approval, approver: &EmailAddress, url: &str) -> Mail {
    let Approval { release, stage, .. } = approval;
    let image = &release.image;
    let name = approval.release.in_words();
    let mut text = format!("{name} waits for your approval to go to {stage}.\n\n");
    if approval.baseline.round > 1 {
        text += &format!(
            "{stage}, or what is known of the image, has changed since you were asked\nbefore: that approval does not count, whoever gave it.\n\n"
        );
    }
    if let Some(asked) = &approval.asked {
        text += &format!("{}.\n\n", words::sentence(&asked.in_words()));
    }
    text += &versions(approval);
    for warning in warnings(approval) {
        text += &format!("\n{warning}\n");
    }
    let time = approval.expires_at.duration_since(approval.requested_at);
    text += &format!("\nLook at it, and approve or reject:\n{url}\n\n");
    text += &format!(
        "The link is yours alone; do not pass it on. It can be used for {},\nuntil {}.\n",
        in_words(time),
        minute(approval.expires_at)
    );
    if approval.confirm_digest {
        text += "To approve, you type the last six characters of the digest.\n";
    }
    if approval.other_than_pusher {
        text += "One of those who approve must be someone who did not push the image.\n";
    }
    if approval.quorum > 1 {
        text += &format!("{} of {} people have to approve.\n", approval.quorum, approval.approvers.len());
    }
    text += &known(approval);
    text += &changes(approval);
    text += &checks(approval);
    text += &format!("\nThe image\n{}\nRelease  {}\n", image.digest, release.id);
    Mail { subject: format!("Approve {name} for {stage}?"), text, approver: Some(approver.to_string()) }
}

/// From what to what, for each service.
fn versions(approval: &Approval) -> String {
    let mut text = String::new();
    let image = &approval.release.image;
    let next = format!("{} ({})", image.tag_in_words(), image.digest.short());
    let services = &approval.baseline.services;
    let width = services.iter().map(|service| service.service.as_str().len()).max().unwrap_or_default();
    for service in services {
        text += &format!("  {:width$}  {} → {next}\n", service.service.as_str(), runs(approval, service));
    }
    text
}

/// What a service runs now: the tag and the beginning of the digest, as far as they are known.
fn runs(approval: &Approval, service: &ServiceBaseline) -> String {
    let version = approval.version_of(service);
    match digest_of(&service.image) {
        Some(digest) if version != digest.short() => format!("{version} ({})", digest.short()),
        _ => version,
    }
}

/// Since when what runs now does, who approved it, and where the new image comes from.
fn known(approval: &Approval) -> String {
    let mut text = String::new();
    let mut known: Vec<_> = approval.running.iter().collect();
    known.dedup_by(|one, other| one.release == other.release);
    for Running { release, since, approved_by, .. } in known {
        text += &format!("Runs      {}, since {}\n", release.image.tag_in_words(), minute(*since));
        let people: Vec<_> = approved_by.iter().map(EmailAddress::as_str).collect();
        if !people.is_empty() {
            text += &format!("          approved by {}\n", people.join(", "));
        }
    }
    if let Some(revision) = &approval.revision {
        text += &format!("Commit    {revision}\n");
    }
    for (_, link) in approval.source_links() {
        text += &format!("          {link}\n");
    }
    if let Some(authors) = &approval.authors {
        text += &format!("Built by  {}\n", words::line(authors, words::LONGEST));
    }
    if let Some(pushed_at) = approval.pushed_at {
        text += &format!("Pushed    {}\n", minute(pushed_at));
    }
    if text.is_empty() { text } else { format!("\n{text}") }
}

/// What nobody should overlook.
fn warnings(approval: &Approval) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(disquiet) = approval.baseline.in_spite_of() {
        let disquiet = words::sentence(&disquiet);
        warnings.push(format!("NOT QUIET: {disquiet}.\nApproving needs a tick beside it on the page."));
    }
    if let Some(why) = approval.not_restorable() {
        warnings.push(format!("NO ROLLBACK IS POSSIBLE: {}.", words::sentence(&why)));
    } else if approval.migration == Some(Kind::Contract) {
        warnings.push(filled("", &format!("NO ROLLBACK BY ITSELF: {}.", Kind::Contract.in_words())));
    }
    warnings
}

/// What changes with the image, the worst first.
fn changes(approval: &Approval) -> String {
    let mut text = "\nChanges with it\n".to_owned();
    if approval.changes.is_empty() {
        text += "  Nothing but the image.\n";
    }
    for change in approval.changes.iter().take(SHOWN_CHANGES) {
        text += &format!("  {}\n", self::change(change));
    }
    if approval.changes.len() > SHOWN_CHANGES {
        text += &format!("  and {} more, all of them on the page\n", approval.changes.len() - SHOWN_CHANGES);
    }
    text
}

/// A change on one line. Its path has slashes: with dots it reads like the name of a host.
fn change(change: &str) -> String {
    let parts: Vec<_> = change.splitn(3, ": ").collect();
    match parts[..] {
        [service, path, what] => {
            words::line(&format!("{service}: {}: {what}", path.replace('.', "/")), LONGEST_CHANGE)
        }
        _ => words::line(change, LONGEST_CHANGE),
    }
}

/// What the gates found, what the stages before showed, the alarms, and what a rollback would do.
fn checks(approval: &Approval) -> String {
    let mut text = String::new();
    for Evidence { gate, words } in &approval.evidence {
        text +=
            &format!("\n{}\n{}\n", words::line(gate, words::LONGEST), filled("  ", &words::sentence(words)));
    }
    let mut stage = None;
    for verified in &approval.verified {
        if stage.replace(&verified.stage) != Some(&verified.stage) {
            text += &format!("\nSeen in {}\n", verified.stage);
        }
        let figures = words::sentence(&verified.verification.in_words());
        text += &format!("  {}: {figures}\n", verified.verification.service);
        text += &verified.link().map_or_else(String::new, |link| format!("    {link}\n"));
    }
    if !approval.baseline.alarms.is_empty() {
        text += "\nAlarms\n";
    }
    for alarm in &approval.baseline.alarms {
        text += &format!("  {}: {}\n", words::line(&alarm.name, words::LONGEST), alarm.state.as_str());
    }
    text + &format!("\nRollback\n{}\n", filled("  ", &approval.rollback_in_words()))
}

fn minute(at: Timestamp) -> impl std::fmt::Display {
    at.strftime("%Y-%m-%d %H:%M UTC")
}

/// A sentence in lines that a mail shows as they are. Where it has words of others, an indent says whose lines they are.
fn filled(indent: &str, sentence: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in sentence.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("{indent}{word}")),
        }
    }
    lines.join("\n")
}

/// The same to an approver whose subscription may have been too new for the first mail, with a further link of their own.
pub(crate) fn again(approval: &Approval, approver: &EmailAddress, url: &str) -> Mail {
    let asked = request(approval, approver, url);
    let text = format!(
        "You are asked a second time, because your subscription was new at\n{}, and the first mail may not have reached you.\n\n{}",
        minute(approval.requested_at),
        asked.text
    );
    Mail { text, ..asked }
}

/// The reminder to an approver who has not answered, with a further link of their own.
pub(crate) fn reminder(approval: &Approval, approver: &EmailAddress, url: &str) -> Mail {
    let asked = request(approval, approver, url);
    let text = format!(
        "Nobody has decided yet, and after {} it is too late.\n\n{}",
        minute(approval.expires_at),
        asked.text
    );
    Mail { subject: format!("Reminder: {}", asked.subject), text, approver: asked.approver }
}

/// The same once more because an operator asked for it, with a further link of the approver's own.
pub(crate) fn sent_again(approval: &Approval, approver: &EmailAddress, url: &str, resend: &Resend) -> Mail {
    let asked = request(approval, approver, url);
    let text = format!("You get this mail again, {}.\n\n{}", words::sentence(&resend.in_words()), asked.text);
    Mail { subject: format!("Again: {}", asked.subject), text, approver: asked.approver }
}

/// What became of an approval, to every approver.
pub(crate) fn receipt(approval: &Approval, approver: &EmailAddress, now: Timestamp) -> Mail {
    let Approval { release, stage, .. } = approval;
    let name = approval.release.in_words();
    let because = || {
        let because = approval.closed_because.as_deref().map(words::sentence);
        because.map_or_else(String::new, |because| format!(": {because}"))
    };
    let (word, what) = match approval.status_at(now) {
        Status::Pending => ("waits", format!("{name} still waits for approval.")),
        Status::Approved => ("approved", format!("{name} was approved and goes to {stage}.")),
        Status::Rejected => ("rejected", format!("{name} was rejected and does not go to {stage}.")),
        Status::Expired => (
            "expired",
            format!("Nobody decided before {}: {name} does not go to {stage}.", minute(approval.expires_at)),
        ),
        Status::Superseded => ("superseded", format!("{name} does not go to {stage}{}.", because())),
        Status::Voided => ("asked again", format!("The approval of {name} does not count{}.", because())),
        Status::Withdrawn => ("ended", format!("{name} does not go to {stage}{}.", because())),
    };
    let mut text = format!("{what}\n");
    for decision in &approval.decisions {
        let word = match decision.verdict {
            Verdict::Approved => "Approved",
            Verdict::Rejected => "Rejected",
        };
        text += &format!("\n{word} by the link issued to {}, {}\n", decision.by, minute(decision.at));
        if !decision.reason.is_empty() {
            text += &format!("  {}\n", words::sentence(&decision.reason));
        }
    }
    let image = &release.image;
    text += &format!("\nThe image\n{}\nRelease  {}\n", image.digest, release.id);
    text += "\nYour link shows this, too. There is nothing left to do.\n";
    Mail { subject: format!("{name} {word} for {stage}"), text, approver: Some(approver.to_string()) }
}

/// What a mail of several says of one approval, in a line.
pub(crate) fn in_a_line(approval: &Approval, now: Timestamp) -> String {
    let Approval { release, stage, .. } = approval;
    let name = release.in_words();
    match approval.status_at(now) {
        Status::Pending => {
            format!("{name} waits for your approval to go to {stage}, until {:.0}", approval.expires_at)
        }
        status => format!("{name}, {stage}: {}", became(status)),
    }
}

/// What became of an approval, in a word that ends a sentence.
const fn became(status: Status) -> &'static str {
    match status {
        Status::Pending => "waits",
        Status::Approved => "approved",
        Status::Rejected => "rejected",
        Status::Expired => "expired",
        Status::Superseded => "superseded by a newer push",
        Status::Withdrawn => "ended by a person",
        Status::Voided => "asked again",
    }
}

/// One mail of several that came too fast for one each: a line for each, with its link where it has one.
pub(crate) fn summary(approver: &EmailAddress, lines: &[(&str, Option<String>)]) -> Mail {
    let waiting = lines.iter().filter(|(_, link)| link.is_some()).count();
    let mut text =
        "They came too fast for a mail each. A link is yours alone; do not pass it on.\n".to_owned();
    for (line, link) in lines {
        text += &format!("\n{line}\n");
        if let Some(link) = link {
            text += &format!("{link}\n");
        }
    }
    let subject = if waiting > 0 {
        format!("{waiting} approvals wait for you")
    } else {
        format!("What became of {} approvals", lines.len())
    };
    Mail { subject, text, approver: Some(approver.to_string()) }
}

#[cfg(test)]
mod tests;
