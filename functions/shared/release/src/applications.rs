//! The applications' configurations, as Terraform wrote them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;
use slipway_aws::Aws;
use slipway_core::application::Application;
use slipway_core::name::{ApplicationName, EmailAddress, RepositoryName};

use crate::StepError;

/// An application, and since when it is configured as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configured {
    /// The application.
    pub application: Application,
    /// When its configuration was written.
    pub at: Timestamp,
}

/// All applications. One whose configuration does not fit holds up no other.
#[derive(Debug, Default)]
pub struct Applications {
    /// Those that can be used.
    pub configured: Vec<Configured>,
    /// Why others cannot: the parameter, and the field.
    pub broken: Vec<Broken>,
    /// Whom they ask, all of them, also those whose configuration does not fit otherwise.
    pub approvers: BTreeSet<EmailAddress>,
}

/// An application whose configuration does not fit.
#[derive(Debug)]
pub struct Broken {
    /// The parameter that has it.
    pub parameter: String,
    /// What is wrong with it, with the field.
    pub problem: String,
}

impl Broken {
    /// The application, which its parameter is called by.
    #[must_use]
    pub fn application(&self) -> Option<ApplicationName> {
        ApplicationName::new(self.parameter.rsplit('/').next()?).ok()
    }

    /// Whether it is the application of this name.
    #[must_use]
    pub fn is(&self, application: &ApplicationName) -> bool {
        self.application().as_ref() == Some(application)
    }

    /// That its configuration cannot be used.
    #[must_use]
    pub fn error(&self) -> StepError {
        StepError::InvalidConfiguration(format!("{}: {}", self.parameter, self.problem))
    }
}

impl Applications {
    /// The application of this name, if it is configured.
    ///
    /// # Errors
    ///
    /// When it is, and its configuration does not fit.
    pub fn find(self, name: &ApplicationName) -> Result<Option<Application>, StepError> {
        if let Some(broken) = self.broken.iter().find(|broken| broken.is(name)) {
            return Err(broken.error());
        }
        let mut applications = self.configured.into_iter().map(|configured| configured.application);
        Ok(applications.find(|application| application.name == *name))
    }
}

/// The addresses of a configuration's approvers, whatever else it holds.
fn approvers_in(configuration: &str) -> Vec<EmailAddress> {
    let configuration: Value = serde_json::from_str(configuration).unwrap_or_default();
    let stages = configuration["stages"].as_array().into_iter().flatten();
    stages
        .flat_map(|stage| stage["approval"]["approvers"].as_array().into_iter().flatten())
        .filter_map(|approver| EmailAddress::new(approver.as_str()?).ok())
        .collect()
}

/// Reads one application; nothing where it is not configured.
///
/// All of them are ten to a call, and SSM answers 40 calls a second: what many releases ask at one moment asks for one.
///
/// # Errors
///
/// When SSM cannot be asked, or its configuration does not fit.
pub async fn find_application(
    aws: &Aws,
    path: &str,
    name: &ApplicationName,
) -> Result<Option<Application>, StepError> {
    let Some(parameter) = aws.parameters().parameter(&format!("{path}/{name}")).await? else {
        return Ok(None);
    };
    match Application::parse(&parameter.value) {
        Ok(application) => Ok(Some(application)),
        Err(error) => Err(Broken { parameter: parameter.name, problem: error.to_string() }.error()),
    }
}

/// The application that a repository belongs to, as Terraform wrote it beside the applications; nothing where it belongs to
/// none.
///
/// # Errors
///
/// When SSM cannot be asked, or the application's configuration does not fit.
pub async fn application_by_repository(
    aws: &Aws,
    path: &str,
    repositories: &str,
    repository: &RepositoryName,
) -> Result<Option<Application>, StepError> {
    let Some(parameter) = aws.parameters().parameter(&format!("{repositories}/{repository}")).await? else {
        return Ok(None);
    };
    let name = ApplicationName::new(parameter.value.as_str())
        .map_err(|error| Broken { parameter: parameter.name.clone(), problem: error.to_string() }.error())?;
    let found = find_application(aws, path, &name).await?;
    Ok(found.filter(|application| application.repository == *repository))
}

/// Whom the applications ask, all of them, as Terraform wrote them: a hundred to a parameter.
///
/// # Errors
///
/// When SSM cannot be asked, or a parameter is no list of addresses.
pub async fn approvers(aws: &Aws, path: &str) -> Result<BTreeSet<EmailAddress>, StepError> {
    let mut all = BTreeSet::new();
    for parameter in aws.parameters().below(path).await? {
        let some: Vec<EmailAddress> = serde_json::from_str(&parameter.value).map_err(|error| {
            Broken { parameter: parameter.name.clone(), problem: error.to_string() }.error()
        })?;
        all.extend(some);
    }
    Ok(all)
}

/// Reads all applications.
///
/// # Errors
///
/// When SSM cannot be asked.
pub async fn applications(aws: &Aws, path: &str) -> Result<Applications, StepError> {
    let mut all = Applications::default();
    for parameter in aws.parameters().below(path).await? {
        all.approvers.extend(approvers_in(&parameter.value));
        match Application::parse(&parameter.value) {
            Ok(application) => all.configured.push(Configured { application, at: parameter.modified_at }),
            Err(error) => {
                tracing::error!(
                    parameter = parameter.name,
                    "an application's configuration does not fit: {error}"
                );
                all.broken.push(Broken { parameter: parameter.name, problem: error.to_string() });
            }
        }
    }
    Ok(all)
}
