//! Mails of an approval that go out again because an operator asks for it.
//!
//! Whoever is asked records the wish and no more: the step that asks people sends the mails, each with a further link.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::approval::{Approval, Status, Verdict};
use crate::name::EmailAddress;

/// That an operator asked for an approval's mails to go out again, as the table keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resend {
    /// Who, in words, as IAM proved it.
    pub by: String,
    /// The ARN that IAM proved.
    pub arn: String,
    /// Why; empty when they gave no reason.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// The one approver whom the mail goes to; nobody where it goes to all who have not answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approver: Option<EmailAddress>,
}

/// Why no mail goes out again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// Nobody's answer counts any more.
    #[error("the approval for {stage} {ended}: nobody is asked any more")]
    Over {
        /// The stage that people were asked for.
        stage: String,
        /// What became of the approval, in words.
        ended: String,
    },
    /// The person is none of those who are asked.
    #[error("{approver} is not asked; those who have not answered: {silent}")]
    NotAmong {
        /// The person.
        approver: EmailAddress,
        /// Those who are asked and have not answered.
        silent: String,
    },
    /// The person has answered.
    #[error("{approver} has {answer} already: a mail would ask for nothing")]
    Answered {
        /// The person.
        approver: EmailAddress,
        /// What they said.
        answer: &'static str,
    },
    /// Everybody has.
    #[error("everybody who is asked has answered: a mail would ask for nothing")]
    AllAnswered,
}

impl Resend {
    /// Whom the mails go to: those of them who have not answered.
    pub fn people<'a>(&'a self, approval: &'a Approval) -> impl Iterator<Item = &'a EmailAddress> {
        approval.unanswered().filter(|one| self.approver.as_ref().is_none_or(|only| only == *one))
    }

    /// Who asked for it, and why, in words.
    #[must_use]
    pub fn in_words(&self) -> String {
        let why = if self.reason.is_empty() { String::new() } else { format!(": {}", self.reason) };
        format!("at the request of {}{why}", self.by)
    }
}

/// Whom an approval's mails go to again; `approver` where one of them is meant.
///
/// # Errors
///
/// Why they go to nobody.
pub fn whom(
    approval: &Approval,
    approver: Option<&EmailAddress>,
    now: Timestamp,
) -> Result<Vec<EmailAddress>, NotSent> {
    let ended = match approval.status_at(now) {
        Status::Pending => None,
        Status::Approved => Some("was given".to_owned()),
        Status::Rejected => Some("was rejected".to_owned()),
        Status::Expired => Some(format!("expired at {:.0}", approval.expires_at)),
        Status::Superseded => Some("ended with a newer push".to_owned()),
        Status::Withdrawn => Some("ended with the release".to_owned()),
        Status::Voided => Some("does not count, because the stage changed".to_owned()),
    };
    if let Some(ended) = ended {
        return Err(NotSent::Over { stage: approval.stage.to_string(), ended });
    }
    let silent: Vec<_> = approval.unanswered().cloned().collect();
    let Some(approver) = approver else {
        return if silent.is_empty() { Err(NotSent::AllAnswered) } else { Ok(silent) };
    };
    if silent.contains(approver) {
        return Ok(vec![approver.clone()]);
    }
    let decision = approval.decisions.iter().find(|decision| decision.by == *approver);
    let approver = approver.clone();
    Err(if let Some(decision) = decision {
        let answer = if decision.verdict == Verdict::Approved { "approved" } else { "rejected" };
        NotSent::Answered { approver, answer }
    } else {
        let silent: Vec<_> = silent.iter().map(EmailAddress::as_str).collect();
        NotSent::NotAmong { approver, silent: silent.join(", ") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approval::tests::approval;

    fn person(name: &str) -> EmailAddress {
        EmailAddress::new(format!("{name}@example.com")).expect("an address")
    }

    fn second(at: i64) -> Timestamp {
        Timestamp::from_second(at).expect("in range")
    }

    fn answered(verdict: Verdict, quorum: u16) -> Approval {
        approval(quorum).decide(&person("ana"), verdict, "", None, second(1)).expect("it counts")
    }

    #[test]
    fn mails_go_to_those_who_have_not_answered_or_to_one_of_them() {
        let approval = answered(Verdict::Approved, 2);

        assert_eq!(whom(&approval, None, second(2)), Ok(vec![person("bo"), person("cy")]));
        assert_eq!(whom(&approval, Some(&person("cy")), second(2)), Ok(vec![person("cy")]));
    }

    #[test]
    fn who_has_answered_and_who_is_not_asked_gets_none() {
        let approval = answered(Verdict::Approved, 2);

        assert_eq!(
            whom(&approval, Some(&person("ana")), second(2)),
            Err(NotSent::Answered { approver: person("ana"), answer: "approved" })
        );
        let error = whom(&approval, Some(&person("eve")), second(2)).expect_err("she is not asked");
        assert_eq!(
            error.to_string(),
            "eve@example.com is not asked; those who have not answered: bo@example.com, cy@example.com"
        );
        let mut all = answered(Verdict::Approved, 3);
        for name in ["bo", "cy"] {
            all = all.decide(&person(name), Verdict::Approved, "", None, second(2)).unwrap_or(all);
        }
        all.status = Status::Pending;
        assert_eq!(whom(&all, None, second(3)), Err(NotSent::AllAnswered));
    }

    #[test]
    fn an_approval_that_is_over_sends_none_and_says_what_became_of_it() {
        for (over, now, words) in [
            (answered(Verdict::Approved, 1), 2, "was given"),
            (answered(Verdict::Rejected, 1), 2, "was rejected"),
            (approval(1), 60, "expired at 1970-01-01T00:01:00Z"),
            (approval(1).superseded("by v3"), 2, "ended with a newer push"),
            (approval(1).withdrawn("aborted"), 2, "ended with the release"),
        ] {
            let error = whom(&over, None, second(now)).expect_err("it is over").to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_wish_is_about_those_who_are_silent_when_it_is_done() {
        let resend = |approver: Option<EmailAddress>| Resend {
            by: "the IAM user nina".into(),
            arn: "arn".into(),
            reason: "no mail came".into(),
            at: second(1),
            approver,
        };
        let approval = answered(Verdict::Approved, 2);
        let people = |resend: &Resend| resend.people(&approval).cloned().collect::<Vec<_>>();

        assert_eq!(people(&resend(None)), [person("bo"), person("cy")]);
        assert_eq!(people(&resend(Some(person("bo")))), [person("bo")]);
        assert_eq!(people(&resend(Some(person("ana")))), []);
        assert_eq!(resend(None).in_words(), "at the request of the IAM user nina: no mail came");
    }
}
