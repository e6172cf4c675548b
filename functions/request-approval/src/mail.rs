//! The mail that asks for an approval: plain text that reads well on a phone.

use jiff::Timestamp;
use slipway_aws::Mail;
use slipway_core::approval::{Approval, SHOWN_CHANGES, Status, Verdict};
use slipway_core::migration::Kind;
use slipway_core::name::EmailAddress;
use slipway_core::rollback::ServiceBaseline;

/// The mail to one approver, with their own link.
pub(crate) fn request(approval: &Approval, approver: &EmailAddress, url: &str) -> Mail {
    let Approval { release, stage, .. } = approval;
    let image = &release.image;
    let mut text =
        format!("{} {} waits for your approval to go to {stage}.\n\n", release.application, image.tag);
    if approval.baseline.round > 1 {
        text += &format!(
            "{stage}, or what is known of the image, has changed since you were asked before: that approval does not count, whoever gave it.\n\n"
        );
    }
    if let Some(asked) = &approval.asked {
        text += &format!("{}.\n\n", asked.in_words());
    }
    text += &format!(
        "Image    {}@{}\nTag      {}\nRelease  {}\n",
        image.repository, image.digest, image.tag, release.id
    );
    if let Some(revision) = &approval.revision {
        text += &format!("Commit   {revision}\n");
    }
    if let Some(pushed_at) = approval.pushed_at {
        text += &format!("Pushed   {pushed_at:.0}\n");
    }
    for service in &approval.baseline.services {
        let now = if service.ran_nothing() {
            "nothing yet: this is its first release, and a rollback can only stop it".to_owned()
        } else {
            short(&service.image)
        };
        text += &format!("\n{stage} runs now\n  {}: {now}\n", service.service);
    }
    if !approval.changes.is_empty() {
        text += "\nChanges with it\n";
        for change in approval.changes.iter().take(SHOWN_CHANGES) {
            text += &format!("  {change}\n");
        }
        if approval.changes.len() > SHOWN_CHANGES {
            text +=
                &format!("  and {} more, all of them on the page\n", approval.changes.len() - SHOWN_CHANGES);
        }
    }
    for why in approval
        .baseline
        .services
        .iter()
        .filter(|service| service.image_gone)
        .filter_map(ServiceBaseline::not_restorable)
    {
        text += &format!("\nNo rollback is possible: {why}.\n");
    }
    if let Some(disquiet) = approval.baseline.in_spite_of() {
        text += &format!("\nNOT QUIET: {disquiet}. Approving needs a tick beside it on the page.\n");
    }
    for verified in &approval.verified {
        text += &format!(
            "\nSeen in {}\n  {}: {}\n",
            verified.stage,
            verified.verification.service,
            verified.verification.in_words()
        );
    }
    for evidence in &approval.evidence {
        text += &format!("\n{}\n  {}\n", evidence.gate, evidence.words);
    }
    if approval.migration == Some(Kind::Contract) {
        text += &format!("\nNO ROLLBACK BY ITSELF: {}.\n", Kind::Contract.in_words());
    }
    text += &format!("\nLook at it, and approve or reject:\n{url}\n\n");
    text += &format!(
        "The link is yours alone; do not pass it on. It can be used until {:.0}.\n",
        approval.expires_at
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
    Mail {
        subject: format!("Approve {} {} for {stage}?", release.application, image.tag),
        text,
        approver: Some(approver.to_string()),
    }
}

/// The same to an approver whose subscription may have been too new for the first mail, with a further link of their own.
pub(crate) fn again(approval: &Approval, approver: &EmailAddress, url: &str) -> Mail {
    let asked = request(approval, approver, url);
    let text = format!(
        "You are asked a second time, because your subscription was new at {:.0} and the first mail may not have reached you.\n\n{}",
        approval.requested_at, asked.text
    );
    Mail { text, ..asked }
}

/// The reminder to an approver who has not answered, with a further link of their own.
pub(crate) fn reminder(approval: &Approval, approver: &EmailAddress, url: &str) -> Mail {
    let asked = request(approval, approver, url);
    let text = format!(
        "Nobody has decided yet, and after {:.0} it is too late.\n\n{}",
        approval.expires_at, asked.text
    );
    Mail { subject: format!("Reminder: {}", asked.subject), text, approver: asked.approver }
}

/// What became of an approval, to every approver.
pub(crate) fn receipt(approval: &Approval, approver: &EmailAddress, now: Timestamp) -> Mail {
    let Approval { release, stage, .. } = approval;
    let name = format!("{} {}", release.application, release.image.tag);
    let because =
        || approval.closed_because.as_deref().map_or_else(String::new, |because| format!(": {because}"));
    let (word, what) = match approval.status_at(now) {
        Status::Pending => ("waits", format!("{name} still waits for approval.")),
        Status::Approved => ("approved", format!("{name} was approved and goes to {stage}.")),
        Status::Rejected => ("rejected", format!("{name} was rejected and does not go to {stage}.")),
        Status::Expired => (
            "expired",
            format!("Nobody decided before {:.0}: {name} does not go to {stage}.", approval.expires_at),
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
        text += &format!("\n{word} by the link issued to {}, {:.0}\n", decision.by, decision.at);
        if !decision.reason.is_empty() {
            text += &format!("  {}\n", decision.reason);
        }
    }
    let image = &release.image;
    text += &format!(
        "\nImage    {}@{}\nTag      {}\nRelease  {}\n",
        image.repository, image.digest, image.tag, release.id
    );
    text += "\nYour link shows this, too. There is nothing left to do.\n";
    Mail { subject: format!("{name} {word} for {stage}"), text, approver: Some(approver.to_string()) }
}

/// The repository and the first digits of the digest.
fn short(image: &str) -> String {
    let name = image.rsplit('/').next().unwrap_or(image);
    match name.split_once("@sha256:") {
        Some((repository, digits)) => format!("{repository}@sha256:{}", digits.get(..12).unwrap_or(digits)),
        None => name.to_owned(),
    }
}

/// What a mail of several says of one approval, in a line.
pub(crate) fn in_a_line(approval: &Approval, now: Timestamp) -> String {
    let Approval { release, stage, .. } = approval;
    let name = format!("{} {}", release.application, release.image.tag);
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
mod tests {
    use slipway_core::application::ApprovalPolicy;
    use slipway_core::image::{Digest, Image};
    use slipway_core::name::{
        ApplicationName, ReleaseId, RepositoryName, ServiceArn, ServiceName, StageName, TaskDefinitionArn,
    };
    use slipway_core::release::Release;
    use slipway_core::rollback::{Baseline, Template};

    use super::*;

    #[test]
    fn the_mail_says_what_from_what_and_until_when() {
        let ana = EmailAddress::new("ana@example.com").expect("an address");
        let release = Release {
            id: ReleaseId::new("web-a1").expect("an id"),
            application: ApplicationName::new("web").expect("a name"),
            image: Image {
                repository: RepositoryName::new("web").expect("a name"),
                digest: Digest::new(format!("sha256:{}", "a".repeat(64))).expect("a digest"),
                tag: "v2".into(),
            },
        };
        let service = ServiceBaseline {
            service: ServiceName::new("web").expect("a name"),
            arn: ServiceArn::new("arn:aws:ecs:eu-central-1:111122223333:service/production/web")
                .expect("an ARN"),
            task_definition: TaskDefinitionArn::new(
                "arn:aws:ecs:eu-central-1:111122223333:task-definition/production-web:1",
            )
            .expect("an ARN"),
            template: Template {
                arn: TaskDefinitionArn::new(
                    "arn:aws:ecs:eu-central-1:111122223333:task-definition/production-web-template:1",
                )
                .expect("an ARN"),
                registration: String::new(),
            },
            image: format!("host/web@sha256:{}", "b".repeat(64)),
            desired_count: 1,
            first: false,
            image_gone: false,
        };
        let policy = ApprovalPolicy {
            approvers: vec![ana.clone()],
            quorum: 1,
            expires_after: "1h".parse().expect("a span"),
            remind_before: None,
            confirm_digest: false,
            other_than_pusher: false,
            pushers: slipway_core::pusher::Identities::default(),
            override_alarms: false,
        };
        let baseline = Baseline { services: vec![service], round: 1, ..Baseline::default() };
        let at = jiff::Timestamp::from_second(0).expect("in range");
        let approval = Approval::open(
            release,
            StageName::new("production").expect("a name"),
            &policy,
            baseline,
            vec![],
            at,
        );

        let mail = request(&approval, &ana, "https://example.com/approvals/abc");

        assert_eq!(mail.subject, "Approve web v2 for production?");
        assert_eq!(mail.approver.as_deref(), Some("ana@example.com"));
        for words in [
            format!("web@sha256:{}", "a".repeat(64)),
            "web: web@sha256:bbbbbbbbbbbb\n".to_owned(),
            "https://example.com/approvals/abc\n".to_owned(),
            "until 1970-01-01T01:00:00Z".to_owned(),
        ] {
            assert!(mail.text.contains(&words), "{words} is in\n{}", mail.text);
        }
    }
}
