//! SSM: the applications' configurations.

use aws_sdk_ssm::Client;
use aws_sdk_ssm::operation::get_parameter::GetParameterError;
use jiff::Timestamp;

use crate::AwsError;

/// A parameter as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name, with its path.
    pub name: String,
    /// Its value.
    pub value: String,
    /// When it was written.
    pub modified_at: Timestamp,
}

/// SSM's parameters.
#[derive(Clone, Debug)]
pub struct Parameters {
    client: Client,
}

impl Parameters {
    pub(crate) const fn new(client: Client) -> Self {
        Self { client }
    }

    /// All parameters below a path.
    ///
    /// # Errors
    ///
    /// When SSM cannot be asked.
    pub async fn below(&self, path: &str) -> Result<Vec<Parameter>, AwsError> {
        let found =
            self.client.get_parameters_by_path().path(path).into_paginator().send().try_collect().await;
        let found = found.map_err(|error| AwsError::from_sdk("ssm:GetParametersByPath", error))?;
        Ok(found.iter().flat_map(|page| page.parameters()).filter_map(read).collect())
    }

    /// The parameter of this name; nothing where there is none.
    ///
    /// # Errors
    ///
    /// When SSM cannot be asked.
    pub async fn parameter(&self, name: &str) -> Result<Option<Parameter>, AwsError> {
        match Box::pin(self.client.get_parameter().name(name).send()).await {
            Ok(answer) => Ok(answer.parameter().and_then(read)),
            Err(error) if error.as_service_error().is_some_and(GetParameterError::is_parameter_not_found) => {
                Ok(None)
            }
            Err(error) => Err(AwsError::from_sdk("ssm:GetParameter", error)),
        }
    }
}

fn read(parameter: &aws_sdk_ssm::types::Parameter) -> Option<Parameter> {
    let modified_at = parameter.last_modified_date().and_then(|at| Timestamp::from_second(at.secs()).ok());
    Some(Parameter {
        name: parameter.name()?.to_owned(),
        value: parameter.value()?.to_owned(),
        modified_at: modified_at.unwrap_or(Timestamp::UNIX_EPOCH),
    })
}

#[cfg(test)]
mod tests {
    use aws_sdk_ssm::operation::get_parameters_by_path::GetParametersByPathOutput;
    use aws_sdk_ssm::types::Parameter;
    use aws_sdk_ssm::types::error::ParameterNotFound;
    use aws_smithy_mocks::mock;

    use super::*;
    use crate::answering::answering;

    #[tokio::test]
    async fn a_parameter_that_is_not_there_is_an_answer_and_no_error() {
        let none = mock!(aws_sdk_ssm::Client::get_parameter)
            .then_error(|| GetParameterError::ParameterNotFound(ParameterNotFound::builder().build()));
        let parameters = Parameters::new(answering!(aws_sdk_ssm, [&none]));

        assert_eq!(parameters.parameter("/slipway/applications/web").await.expect("SSM answers"), None);
    }

    #[tokio::test]
    async fn every_page_is_read() {
        let page = |name: &'static str, next: Option<&'static str>| {
            move || {
                let parameter = Parameter::builder().name(name).value("{}").build();
                GetParametersByPathOutput::builder()
                    .parameters(parameter)
                    .set_next_token(next.map(ToOwned::to_owned))
                    .build()
            }
        };
        let first = mock!(aws_sdk_ssm::Client::get_parameters_by_path)
            .match_requests(|request| request.next_token().is_none())
            .then_output(page("/a", Some("2")));
        let second = mock!(aws_sdk_ssm::Client::get_parameters_by_path)
            .match_requests(|request| request.next_token() == Some("2"))
            .then_output(page("/b", None));
        let parameters = Parameters::new(answering!(aws_sdk_ssm, [&first, &second]));

        let found = parameters.below("/slipway/applications").await.expect("SSM answers");

        assert_eq!(found.iter().map(|parameter| parameter.name.as_str()).collect::<Vec<_>>(), ["/a", "/b"]);
    }
}
