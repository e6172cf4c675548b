//! Who asks through the operators' API: whoever IAM says that it is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;

use crate::words;

/// A caller, as IAM has proved it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Caller {
    /// The ARN of the user, or of the role's session, as API Gateway hands it over.
    pub arn: String,
    /// The caller in words: what mails, pages and the history show.
    pub name: String,
}

/// The longest name that is shown, in characters. IAM's own limit for a user or a session is 64, for a role as well.
const LONGEST: usize = 160;

impl Caller {
    /// The caller of this ARN. A session's name counts only where its role is among `session_roles`, patterns such as
    /// `AWSReservedSSO_*`: whoever may assume another role writes any name into its session.
    ///
    /// Shapes of the ARNs: "IAM identifiers" (IAM user guide), `arn:aws:iam::ACCOUNT:user/PATH/NAME`,
    /// `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`, `arn:aws:sts::ACCOUNT:federated-user/NAME`,
    /// `arn:aws:iam::ACCOUNT:root`.
    #[must_use]
    pub fn of(arn: &str, session_roles: &[String]) -> Self {
        let resource = arn.splitn(6, ':').nth(5).unwrap_or_default();
        let mut parts = resource.split('/');
        let name = match (parts.next(), parts.next_back()) {
            (Some("user"), Some(user)) => format!("the IAM user {user}"),
            (Some("assumed-role"), Some(session)) => {
                let role = parts.next().unwrap_or_default();
                let is_named = session_roles.iter().any(|pattern| WildMatch::new(pattern).matches(role));
                if is_named { format!("{session} (role {role})") } else { format!("the role {role}") }
            }
            (Some("root"), None) => "the account's root user".to_owned(),
            // Its name is what whoever asked for the session wrote.
            (Some("federated-user"), Some(_)) => "a federated user".to_owned(),
            _ => arn.to_owned(),
        };
        Self { arn: arn.to_owned(), name: words::line(&name, LONGEST) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(arn: &str) -> String {
        Caller::of(arn, &["AWSReservedSSO_*".to_owned(), "night-shift".to_owned()]).name
    }

    #[test]
    fn a_caller_is_who_iam_says() {
        for (arn, expected) in [
            ("arn:aws:iam::123456789012:user/ana", "the IAM user ana"),
            ("arn:aws:iam::123456789012:user/team/a/ana", "the IAM user ana"),
            ("arn:aws:iam::123456789012:root", "the account's root user"),
            ("arn:aws:sts::123456789012:assumed-role/deploy/anybody", "the role deploy"),
            ("arn:aws:sts::123456789012:federated-user/anybody", "a federated user"),
            ("arn:aws-cn:iam::123456789012:user/ana", "the IAM user ana"),
        ] {
            assert_eq!(name(arn), expected, "{arn}");
        }
    }

    #[test]
    fn a_sessions_name_counts_where_its_role_enforces_it() {
        assert_eq!(
            name(
                "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Admin_0123456789abcdef/ana@example.com"
            ),
            "ana@example.com (role AWSReservedSSO_Admin_0123456789abcdef)"
        );
        assert_eq!(
            name("arn:aws:sts::123456789012:assumed-role/night-shift/ana@example.com"),
            "ana@example.com (role night-shift)"
        );
        assert_eq!(
            name("arn:aws:sts::123456789012:assumed-role/night-shift-2/ana@example.com"),
            "the role night-shift-2"
        );
    }

    #[test]
    fn what_is_no_arn_is_shown_as_it_is_on_one_line() {
        assert_eq!(name("some\nthing"), "some thing");
        assert_eq!(name(""), "");
    }
}
