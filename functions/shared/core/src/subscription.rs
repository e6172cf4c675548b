//! Who is subscribed to the approvals' topic: SNS hands each mail, and with it a link, to whoever it lists.

use std::collections::BTreeSet;

use crate::application::ApprovalPolicy;
use crate::name::EmailAddress;

/// A subscription of the approvals' topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// `email`, `https`, `sqs` and others.
    pub protocol: String,
    /// Where its messages go.
    pub endpoint: String,
    /// Whether its owner has confirmed it: before that SNS hands it nothing.
    pub confirmed: bool,
    /// Whether it was confirmed by IAM, which alone may end it then; nothing where that was not looked up.
    pub authenticated: Option<bool>,
}

impl Subscription {
    /// The person whose mails it takes; none where it is not one of an address.
    #[must_use]
    pub fn person(&self) -> Option<EmailAddress> {
        if self.protocol == "email" { EmailAddress::new(self.endpoint.as_str()).ok() } else { None }
    }
}

/// Those of the people whom SNS hands no mail: their subscription is not confirmed, or gone.
pub fn unreachable<'a>(
    people: impl IntoIterator<Item = &'a EmailAddress>,
    subscriptions: &[Subscription],
) -> Vec<EmailAddress> {
    let reachable: BTreeSet<_> =
        subscriptions.iter().filter(|one| one.confirmed).filter_map(Subscription::person).collect();
    people.into_iter().filter(|person| !reachable.contains(person)).cloned().collect()
}

/// The subscribers who are nobody whom an application asks, each with their protocol.
pub(crate) fn strangers(approvers: &BTreeSet<EmailAddress>, subscriptions: &[Subscription]) -> Vec<String> {
    subscriptions
        .iter()
        .filter(|one| one.person().is_none_or(|person| !approvers.contains(&person)))
        .map(|one| format!("{} ({})", one.endpoint, one.protocol))
        .collect()
}

/// Why nobody may be asked while these are subscribed: one of them is nobody's whom an application asks. Terraform alone
/// subscribes approvers, each with a filter; whoever else gets on the topic would get every link.
#[must_use]
pub fn foreign(approvers: &BTreeSet<EmailAddress>, subscriptions: &[Subscription]) -> Option<String> {
    let foreign = strangers(approvers, subscriptions);
    (!foreign.is_empty()).then(|| {
        format!(
            "nobody is asked while the approvals' topic has a subscriber who is no approver: {}. Find out who subscribed it (CloudTrail, Subscribe), remove it (aws sns unsubscribe), and release the image again",
            foreign.join(", ")
        )
    })
}

/// Why too few people can answer, where that is so: SNS sends nothing to an address that has not confirmed.
#[must_use]
pub fn cannot_decide(policy: &ApprovalPolicy, subscriptions: &[Subscription]) -> Option<String> {
    let cannot = unreachable(&policy.approvers, subscriptions);
    let can = policy.approvers.len() - cannot.len();
    (can < usize::from(policy.quorum)).then(|| {
        let cannot: Vec<_> = cannot.iter().map(EmailAddress::as_str).collect();
        format!(
            "nobody can approve: {can} of {} approvers have confirmed their subscription, and {} must approve. {} must confirm it by the link \
             in the mail that SNS sent them, or subscribe again; a new subscription works after 15 minutes at the latest",
            policy.approvers.len(),
            policy.quorum,
            cannot.join(" and ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(protocol: &str, endpoint: &str) -> Subscription {
        Subscription {
            protocol: protocol.into(),
            endpoint: endpoint.into(),
            confirmed: true,
            authenticated: None,
        }
    }

    fn policy() -> ApprovalPolicy {
        serde_json::from_value(serde_json::json!({
            "approvers": ["ana@example.com", "bo@example.com", "cy@example.com"], "quorum": 2, "expires_after": "1h",
        }))
        .expect("it fits")
    }

    #[test]
    fn too_few_confirmed_subscriptions_are_reported_with_the_names() {
        let all =
            ["ana@example.com", "Bo@Example.com", "cy@example.com"].map(|endpoint| by("email", endpoint));
        assert_eq!(cannot_decide(&policy(), &all), None);

        let pending = Subscription { confirmed: false, ..by("email", "ana@example.com") };
        let reason =
            cannot_decide(&policy(), &[pending, by("email", "cy@example.com")]).expect("one is not two");
        assert!(
            reason.contains("1 of 3 approvers")
                && reason.contains("ana@example.com and bo@example.com must confirm"),
            "{reason}"
        );
    }

    #[test]
    fn whoever_is_no_approver_stops_the_question() {
        let approvers = policy().approvers.into_iter().collect();
        let known = by("email", "Ana@example.com");
        assert_eq!(foreign(&approvers, std::slice::from_ref(&known)), None);

        let pending = Subscription { confirmed: false, ..by("https", "https://collect.example.net") };
        for other in [
            by("email", "eve@example.net"),
            by("email-json", "ana@example.com"),
            by("sqs", "arn:aws:sqs:eu-central-1:111122223333:queue"),
            pending,
        ] {
            let reason = foreign(&approvers, &[known.clone(), other.clone()]).expect("it is nobody's");
            assert!(
                reason.contains(&other.endpoint) && !reason.contains("ana@example.com (email)"),
                "{reason}"
            );
        }
    }

    #[test]
    fn who_is_gone_is_named() {
        let gone = unreachable(
            &policy().approvers,
            &[by("email", "ana@example.com"), by("https", "cy@example.com")],
        );
        assert_eq!(
            gone.iter().map(EmailAddress::as_str).collect::<Vec<_>>(),
            ["bo@example.com", "cy@example.com"]
        );
    }
}
