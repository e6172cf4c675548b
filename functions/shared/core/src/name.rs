//! Names that AWS or a person gave, checked once where they come in.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A name that does not fit its rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not {expected}")]
pub struct NameError {
    /// What was given.
    pub value: String,
    /// What it should be, in words.
    pub expected: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $expected:literal, $check:expr) => {
        name!($(#[$doc])* $type, $expected, $check, |value| value);
    };
    ($(#[$doc:meta])* $type:ident, $expected:literal, $check:expr, $normal:expr) => {
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        $(#[$doc])*
        #[serde(try_from = "String", into = "String")]
        #[schemars(with = "String")]
        pub struct $type(String);

        impl $type {
            /// Checks the name.
            ///
            /// # Errors
            ///
            /// When it does not fit the rule that the type's documentation gives.
            pub fn new(value: impl Into<String>) -> Result<Self, NameError> {
                let value = value.into();
                let check: fn(&str) -> bool = $check;
                let normal: fn(String) -> String = $normal;
                if check(&value) {
                    Ok(Self(normal(value)))
                } else {
                    Err(NameError { value, expected: $expected })
                }
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;
            fn try_from(value: String) -> Result<Self, NameError> {
                Self::new(value)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

pub(crate) use name;

/// Lower-case letters, digits and single hyphens, starting with a letter; `longest` characters at the most.
fn is_slug(value: &str, longest: usize) -> bool {
    value.len() <= longest
        && value.starts_with(|first: char| first.is_ascii_lowercase())
        && !value.ends_with('-')
        && !value.contains("--")
        && value.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn is_ecs_name(value: &str) -> bool {
    (1..=255).contains(&value.len())
        && value.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

name!(
    /// The name of an application: a slug of 32 characters at the most, because it begins every release's id
    /// and Step Functions allows 80 characters for an execution's name.
    ApplicationName,
    "a name of lower-case letters, digits and single hyphens, starting with a letter, 32 characters at the most",
    |value| is_slug(value, 32)
);

name!(
    /// The name of a stage: a slug of 32 characters at the most.
    #[schemars(extend("pattern" = "^[a-z][a-z0-9]*(-[a-z0-9]+)*$", "maxLength" = 32))]
    StageName,
    "a name of lower-case letters, digits and single hyphens, starting with a letter, 32 characters at the most",
    |value| is_slug(value, 32)
);

name!(
    /// The name of an ECS cluster: letters, digits, hyphens and underscores, 255 at the most.
    ClusterName,
    "the name of an ECS cluster: letters, digits, hyphens and underscores",
    is_ecs_name
);

name!(
    /// The name of an ECS service: letters, digits, hyphens and underscores, 255 at the most.
    ServiceName,
    "the name of an ECS service: letters, digits, hyphens and underscores",
    is_ecs_name
);

name!(
    /// The name of a task definition family: letters, digits, hyphens and underscores, 255 at the most
    /// (`RegisterTaskDefinition`, Amazon ECS API reference).
    FamilyName,
    "the name of a task definition family: letters, digits, hyphens and underscores",
    is_ecs_name
);

name!(
    /// The name of an ECR repository, without the registry's host.
    RepositoryName,
    "the name of an ECR repository: lower-case letters, digits and - _ . / between them",
    |value| (2..=256).contains(&value.len())
        && value.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
        && value.ends_with(|last: char| last.is_ascii_lowercase() || last.is_ascii_digit())
        && value.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_./".contains(c))
);

/// What an address of the rough form is, for documents.
const EMAIL: &str = r"^[^@\s,<>\u0000-\u001f\u007f-\u009f]+@[^@\s,<>.\u0000-\u001f\u007f-\u009f]+(\.[^@\s,<>.\u0000-\u001f\u007f-\u009f]+)+$";

name!(
    /// An e-mail address, checked only for its rough form: what it really is shows when its owner confirms it. In lower case:
    /// `Team@…` and `team@…` are one person.
    #[schemars(extend("pattern" = EMAIL, "maxLength" = 254))]
    EmailAddress,
    "an e-mail address, such as ana@example.com",
    |value| value.len() <= 254
        && !value.contains(|c: char| c.is_whitespace() || c.is_control() || c == ',' || c == '<' || c == '>')
        && value.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && !domain.contains('@') && domain.contains('.') && !domain.starts_with('.') && !domain.ends_with('.')
        }),
    |value| value.to_lowercase()
);

name!(
    /// The ARN of a revision of a task definition, `arn:…:task-definition/FAMILY:REVISION`.
    TaskDefinitionArn,
    "the ARN of a task definition",
    |value| value.starts_with("arn:") && value.contains(":task-definition/")
);

impl TaskDefinitionArn {
    /// The family of the revision.
    #[must_use]
    pub fn family(&self) -> &str {
        let name = self.name();
        name.rsplit_once(':').map_or(name, |(family, _)| family)
    }

    /// The family and the revision, `production-web:7`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.as_str().rsplit('/').next().unwrap_or_default()
    }
}

name!(
    /// The ARN of an ECS service, `arn:…:service/CLUSTER/SERVICE`.
    ServiceArn,
    "the ARN of an ECS service",
    |value| value.starts_with("arn:") && value.contains(":service/")
);

name!(
    /// The id of a release: also the name of its execution, and the same for the same push however often its
    /// event comes.
    ReleaseId,
    "the id of a release: letters, digits, hyphens and underscores, 80 at the most",
    |value| (1..=80).contains(&value.len()) && value.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
);

impl ReleaseId {
    /// The application that the id begins with; nothing where Slipway has not made it: an application's name, a hyphen and
    /// 32 hexadecimal digits, and for a further release of an image a hyphen and eight more.
    #[must_use]
    pub fn application(&self) -> Option<ApplicationName> {
        let is_hex = |digits: &str, count: usize| {
            digits.len() == count
                && digits.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        };
        let first = match self.as_str().rsplit_once('-') {
            Some((first, digits)) if is_hex(digits, 8) => first,
            _ => self.as_str(),
        };
        let (name, digits) = first.rsplit_once('-')?;
        ApplicationName::new(name).ok().filter(|_| is_hex(digits, 32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_fit_are_kept_as_they_are() {
        assert_eq!(ApplicationName::new("web-2").expect("fits").as_str(), "web-2");
        assert_eq!(EmailAddress::new("Ana@Example.com").expect("fits").to_string(), "ana@example.com");
        assert_eq!(RepositoryName::new("team/web.api").expect("fits").as_str(), "team/web.api");
    }

    #[test]
    fn the_documents_take_what_the_rules_take() {
        let fits = |schema: schemars::Schema, text: &str| {
            jsonschema::is_valid(&schema.to_value(), &serde_json::json!(text))
        };
        let long = "a".repeat(33);
        for text in ["a", "web-2", "production", "", "-a", "a-", "a--b", "2a", "A", "a_b", &long] {
            assert_eq!(
                fits(schemars::schema_for!(StageName), text),
                StageName::new(text).is_ok(),
                "{text:?}"
            );
        }
        for text in [
            "ana@example.com",
            "Ana@x.example.com",
            "",
            "ana",
            "@b.c",
            "a@b",
            "a@.b",
            "a@b.",
            "a b@c.d",
            "a@b@c.d",
            "a\u{13}@b.c",
        ] {
            assert_eq!(
                fits(schemars::schema_for!(EmailAddress), text),
                EmailAddress::new(text).is_ok(),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_releases_id_begins_with_its_application() {
        let application = |id: &str| {
            ReleaseId::new(id).expect("an id").application().map(|application| application.to_string())
        };
        let digits = "0123456789abcdef0123456789abcdef";
        assert_eq!(application(&format!("web-{digits}")).as_deref(), Some("web"));
        assert_eq!(application(&format!("web-shop-{digits}-0a1b2c3d")).as_deref(), Some("web-shop"));
        // An application may be called like digits.
        assert_eq!(application(&format!("a-0a1b2c3d-{digits}")).as_deref(), Some("a-0a1b2c3d"));
        for other in ["web", "web-1", &format!("{digits}-0a1b2c3d"), &format!("-{digits}")] {
            if ReleaseId::new(other).is_ok() {
                assert_eq!(application(other), None, "{other}");
            }
        }
    }

    #[test]
    fn names_that_do_not_fit_say_what_would() {
        for bad in ["", "Web", "web_1", "-web", "web-", "a--b", &"a".repeat(33)] {
            let error = ApplicationName::new(bad).expect_err(bad);
            assert!(error.to_string().contains("lower-case letters"), "{error}");
        }
        for bad in [
            "ana",
            "ana@",
            "@example.com",
            "ana@example",
            "ana@exa mple.com",
            "a@b@c.com",
            "a@b.c\r\nBcc: d@e.f",
        ] {
            EmailAddress::new(bad).expect_err(bad);
        }
    }
}
