//! The applications' configurations, as Terraform wrote them.

use jiff::Timestamp;
use slipway_aws::Aws;
use slipway_core::application::Application;

use crate::StepError;

/// An application, and since when it is configured as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configured {
    /// The application.
    pub application: Application,
    /// When its configuration was written.
    pub at: Timestamp,
}

/// Reads all applications.
///
/// # Errors
///
/// When SSM cannot be asked, or a configuration does not fit; the error names the parameter and the field.
pub async fn applications(aws: &Aws, path: &str) -> Result<Vec<Configured>, StepError> {
    let parameters = aws.parameters().below(path).await?;
    parameters
        .iter()
        .map(|parameter| {
            let application = Application::parse(&parameter.value)
                .map_err(|error| StepError::InvalidConfiguration(format!("{}: {error}", parameter.name)))?;
            Ok(Configured { application, at: parameter.modified_at })
        })
        .collect()
}
