//! The environment, read once in `main` into a function's own typed configuration.

use slipway_aws::Settings;
use slipway_release::Channels;

/// A lookup of environment variables, given in so that a configuration can be tested without a process.
pub struct Environment<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
}

/// A variable that is missing or empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the environment variable {variable} is not set; it should hold {expected}")]
pub struct ConfigurationError {
    /// The variable's name.
    pub variable: &'static str,
    /// What it should hold.
    pub expected: &'static str,
}

impl<'a> Environment<'a> {
    /// An environment that is looked up by this function.
    #[must_use]
    pub fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { lookup }
    }

    /// The process's own environment.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
    pub fn of_process() -> Self {
        Self { lookup: &|variable| std::env::var(variable).ok() }
    }

    /// A variable that must be set.
    ///
    /// # Errors
    ///
    /// When it is not, with what it should hold.
    pub fn require(
        &self,
        variable: &'static str,
        expected: &'static str,
    ) -> Result<String, ConfigurationError> {
        (self.lookup)(variable)
            .filter(|value| !value.is_empty())
            .ok_or(ConfigurationError { variable, expected })
    }

    /// What is to be logged, as `RUST_LOG` says it; nothing where it is not set.
    #[must_use]
    pub fn logged(&self) -> Option<String> {
        (self.lookup)("RUST_LOG")
    }

    /// Where AWS is called. The variables are the SDK's own ("AWS SDKs and tools settings reference"), and those of the
    /// certificates OpenSSL's.
    ///
    /// # Errors
    ///
    /// When there is no region.
    pub fn settings(&self) -> Result<Settings, ConfigurationError> {
        let set = |variable: &str| (self.lookup)(variable).filter(|value| !value.is_empty());
        let is_true = |variable: &str| set(variable).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let region = set("AWS_REGION").or_else(|| set("AWS_DEFAULT_REGION"));
        Ok(Settings {
            region: region.ok_or(ConfigurationError {
                variable: "AWS_REGION",
                expected: "the region, such as eu-central-1",
            })?,
            endpoint_url: set("AWS_ENDPOINT_URL"),
            use_fips: is_true("AWS_USE_FIPS_ENDPOINT"),
            use_dual_stack: is_true("AWS_USE_DUALSTACK_ENDPOINT"),
            names_certificates: set("SSL_CERT_FILE").or_else(|| set("SSL_CERT_DIR")).is_some(),
        })
    }

    /// The table that every function remembers in.
    ///
    /// # Errors
    ///
    /// When it is not set.
    pub fn table(&self) -> Result<String, ConfigurationError> {
        self.require("SLIPWAY_TABLE", "the name of Slipway's DynamoDB table")
    }

    /// The ARN of the workflow that takes a release through its stages.
    ///
    /// # Errors
    ///
    /// When it is not set.
    pub fn state_machine_arn(&self) -> Result<String, ConfigurationError> {
        self.require("SLIPWAY_STATE_MACHINE_ARN", "the ARN of the release workflow")
    }

    /// The SSM path that the applications' parameters are below.
    ///
    /// # Errors
    ///
    /// When it is not set.
    pub fn applications_path(&self) -> Result<String, ConfigurationError> {
        self.require(
            "SLIPWAY_APPLICATIONS_PATH",
            "the SSM path of the applications, such as /slipway/applications",
        )
    }

    /// The SSM path of the parameters that say which application a repository belongs to.
    ///
    /// # Errors
    ///
    /// When it is not set.
    pub fn repositories_path(&self) -> Result<String, ConfigurationError> {
        self.require(
            "SLIPWAY_REPOSITORIES_PATH",
            "the SSM path of the repositories, such as /slipway/repositories",
        )
    }

    /// The SSM path of the parameters that name all approvers.
    ///
    /// # Errors
    ///
    /// When it is not set.
    pub fn approvers_path(&self) -> Result<String, ConfigurationError> {
        self.require("SLIPWAY_APPROVERS_PATH", "the SSM path of the approvers, such as /slipway/approvers")
    }

    /// Where people are notified.
    ///
    /// # Errors
    ///
    /// When a variable is not set.
    pub fn channels(&self) -> Result<Channels, ConfigurationError> {
        Ok(Channels {
            mails: self
                .require("SLIPWAY_NOTIFICATION_TOPIC_ARN", "the ARN of the notifications' SNS topic")?,
            chats: self.require("SLIPWAY_CHAT_TOPIC_ARN", "the ARN of the SNS topic for chats")?,
            pages: self.pages_url()?,
            mails_a_minute: self.mails_a_minute()?,
        })
    }

    /// The roles whose sessions are named by who enforces the name, as patterns; none where the variable is not set.
    #[must_use]
    pub fn session_roles(&self) -> Vec<String> {
        self.list("SLIPWAY_SESSION_ROLES")
    }

    /// The roles of tasks that functions may pass on to ECS, as patterns; none where the variable is not set.
    #[must_use]
    pub fn task_roles(&self) -> Vec<String> {
        self.list("SLIPWAY_TASK_ROLES")
    }

    fn list(&self, variable: &str) -> Vec<String> {
        let words = (self.lookup)(variable).unwrap_or_default();
        words.split(',').filter(|word| !word.is_empty()).map(ToOwned::to_owned).collect()
    }

    /// How many minutes lie between two reconciliations.
    ///
    /// # Errors
    ///
    /// When it is not set, or no number.
    pub fn reconcile_minutes(&self) -> Result<u32, ConfigurationError> {
        const NAME: &str = "SLIPWAY_RECONCILE_MINUTES";
        const WHAT: &str = "how many minutes lie between two reconciliations, a whole number";
        let value = self.require(NAME, WHAT)?;
        value.parse().map_err(|_| ConfigurationError { variable: NAME, expected: WHAT })
    }

    fn mails_a_minute(&self) -> Result<u64, ConfigurationError> {
        const NAME: &str = "SLIPWAY_MAILS_PER_MINUTE";
        const WHAT: &str = "how many mails go alone to one address in a minute, a whole number";
        let value = self.require(NAME, WHAT)?;
        value.parse().map_err(|_| ConfigurationError { variable: NAME, expected: WHAT })
    }

    /// Where the pages are that links lead to, without a slash at the end.
    ///
    /// # Errors
    ///
    /// When it is not set.
    pub fn pages_url(&self) -> Result<String, ConfigurationError> {
        let url = self.require("SLIPWAY_APPROVAL_URL", "the address of the approval page's API")?;
        Ok(url.trim_end_matches('/').to_owned())
    }
}

/// The configuration of a function that needs nothing but the table.
#[derive(Clone, Debug)]
pub struct Config {
    /// The table's name.
    pub table: String,
}

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    ///
    /// When a variable is not set.
    pub fn read(environment: &Environment<'_>) -> Result<Self, ConfigurationError> {
        Ok(Self { table: environment.table()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_or_empty_variable_is_named_with_what_it_should_hold() {
        for lookup in [&|_: &str| None as Option<String>, &|_: &str| Some(String::new())]
            as [&dyn Fn(&str) -> Option<String>; 2]
        {
            let error = Environment::new(lookup).table().expect_err("it is missing");
            assert_eq!(
                error.to_string(),
                "the environment variable SLIPWAY_TABLE is not set; it should hold the name of Slipway's DynamoDB table"
            );
        }
    }

    fn settings_of(set: &[(&str, &str)]) -> Result<Settings, ConfigurationError> {
        let lookup = |variable: &str| {
            set.iter().find(|(name, _)| *name == variable).map(|(_, value)| (*value).to_owned())
        };
        Environment::new(&lookup).settings()
    }

    #[test]
    fn where_aws_is_called_is_what_the_sdks_variables_say() {
        let region = Settings { region: "eu-central-1".to_owned(), ..Settings::default() };
        assert_eq!(settings_of(&[("AWS_REGION", "eu-central-1"), ("SSL_CERT_FILE", "")]), Ok(region.clone()));
        assert_eq!(settings_of(&[("AWS_DEFAULT_REGION", "eu-central-1")]), Ok(region.clone()));

        let all = [
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:4566"),
            ("AWS_USE_FIPS_ENDPOINT", "True"),
            ("AWS_USE_DUALSTACK_ENDPOINT", "true"),
            ("SSL_CERT_DIR", "/etc/ssl/certs"),
        ];
        let expected = Settings {
            endpoint_url: Some("http://127.0.0.1:4566".to_owned()),
            use_fips: true,
            use_dual_stack: true,
            names_certificates: true,
            ..region
        };
        assert_eq!(settings_of(&all), Ok(expected));

        let error = settings_of(&[]).expect_err("there is no region");
        assert_eq!(
            error.to_string(),
            "the environment variable AWS_REGION is not set; it should hold the region, such as eu-central-1"
        );
    }

    #[test]
    fn a_variable_that_is_set_is_given_back() {
        let lookup = |variable: &str| (variable == "SLIPWAY_TABLE").then(|| "slipway".to_owned());
        assert_eq!(Environment::new(&lookup).table().as_deref(), Ok("slipway"));
    }
}
