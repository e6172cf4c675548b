//! Step Functions: starting the workflow, and ending its waits.

use aws_sdk_sfn::Client;
use aws_sdk_sfn::operation::describe_execution::DescribeExecutionError;
use aws_sdk_sfn::types::ExecutionStatus;
use serde::Serialize;
use slipway_core::lock::Life;

use crate::AwsError;

/// The longest cause that a task fails with, in bytes.
const LONGEST_CAUSE: usize = 8_000;

/// The workflow's executions.
#[derive(Clone, Debug)]
pub struct Executions {
    client: Client,
}

/// What starting an execution came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// It runs, started by this call or by one before with the same name and input.
    Running,
    /// An execution of this name is there already, running with another input or ended within 90 days.
    AlreadyThere,
}

/// What became of an end that was sent to a waiting task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The task has it.
    Delivered,
    /// Nobody waits any more: the task ended, by an earlier call, whose answer may have been lost, or by its time-out.
    NobodyWaits,
}

impl Executions {
    pub(crate) const fn new(client: Client) -> Self {
        Self { client }
    }

    /// Starts an execution of this name. Starting the same again changes nothing.
    ///
    /// # Errors
    ///
    /// When Step Functions cannot be asked, or refuses.
    pub async fn start(
        &self,
        state_machine: &str,
        name: &str,
        input: &(impl Serialize + Sync),
    ) -> Result<Start, AwsError> {
        const OPERATION: &str = "states:StartExecution";
        let request = self
            .client
            .start_execution()
            .state_machine_arn(state_machine)
            .name(name)
            .input(json(OPERATION, input)?);
        match request.send().await {
            Ok(_) => Ok(Start::Running),
            Err(error)
                if error.as_service_error().is_some_and(
                    aws_sdk_sfn::operation::start_execution::StartExecutionError::is_execution_already_exists,
                ) =>
            {
                Ok(Start::AlreadyThere)
            }
            Err(error) => Err(AwsError::from_sdk(OPERATION, error)),
        }
    }

    /// Whether the execution of this name still runs; nothing where there is none.
    ///
    /// # Errors
    ///
    /// When Step Functions cannot be asked, or refuses.
    pub async fn life(&self, state_machine: &str, name: &str) -> Result<Option<Life>, AwsError> {
        const OPERATION: &str = "states:DescribeExecution";
        match self.client.describe_execution().execution_arn(execution_arn(state_machine, name)).send().await
        {
            // PENDING_REDRIVE is an end as well, until a person redrives it.
            Ok(answer) if *answer.status() == ExecutionStatus::Running => Ok(Some(Life::Running)),
            Ok(_) => Ok(Some(Life::Ended)),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(DescribeExecutionError::is_execution_does_not_exist) =>
            {
                Ok(None)
            }
            Err(error) => Err(AwsError::from_sdk(OPERATION, error)),
        }
    }

    /// Ends a waiting task well, with its output.
    ///
    /// # Errors
    ///
    /// When Step Functions cannot be asked, or refuses. A task that does not wait any more is
    /// [`Delivery::NobodyWaits`].
    pub async fn succeed(&self, token: &str, output: &(impl Serialize + Sync)) -> Result<Delivery, AwsError> {
        const OPERATION: &str = "states:SendTaskSuccess";
        match self.client.send_task_success().task_token(token).output(json(OPERATION, output)?).send().await
        {
            Ok(_) => Ok(Delivery::Delivered),
            Err(error)
                if error.as_service_error().is_some_and(|error| {
                    error.is_task_timed_out() || error.is_task_does_not_exist() || error.is_invalid_token()
                }) =>
            {
                Ok(Delivery::NobodyWaits)
            }
            Err(error) => Err(AwsError::from_sdk(OPERATION, error)),
        }
    }

    /// Ends a waiting task with an error, which the state's Retry and Catch match by its name. The cause is cut to
    /// 8,000 bytes, at the end of a character: Step Functions takes 32,768 characters (`SendTaskFailure`, AWS Step
    /// Functions API reference), but every later state would carry them along.
    ///
    /// # Errors
    ///
    /// When Step Functions cannot be asked, or refuses. A task that does not wait any more is
    /// [`Delivery::NobodyWaits`].
    pub async fn fail(&self, token: &str, error: &str, cause: &str) -> Result<Delivery, AwsError> {
        let cause = &cause[..cause.floor_char_boundary(LONGEST_CAUSE)];
        match self.client.send_task_failure().task_token(token).error(error).cause(cause).send().await {
            Ok(_) => Ok(Delivery::Delivered),
            Err(error)
                if error.as_service_error().is_some_and(|error| {
                    error.is_task_timed_out() || error.is_task_does_not_exist() || error.is_invalid_token()
                }) =>
            {
                Ok(Delivery::NobodyWaits)
            }
            Err(error) => Err(AwsError::from_sdk("states:SendTaskFailure", error)),
        }
    }
}

/// `arn:…:execution:MACHINE:NAME` of `arn:…:stateMachine:MACHINE`.
fn execution_arn(state_machine: &str, name: &str) -> String {
    format!("{}:{name}", state_machine.replacen(":stateMachine:", ":execution:", 1))
}

fn json(operation: &'static str, value: &impl Serialize) -> Result<String, AwsError> {
    serde_json::to_string(value).map_err(|error| AwsError::unusable(operation, error.to_string()))
}

#[cfg(test)]
mod tests {
    use aws_sdk_sfn::operation::send_task_failure::{SendTaskFailureError, SendTaskFailureOutput};
    use aws_sdk_sfn::operation::send_task_success::SendTaskSuccessError;
    use aws_sdk_sfn::operation::start_execution::StartExecutionError;
    use aws_sdk_sfn::types::error::{ExecutionAlreadyExists, TaskDoesNotExist, TaskTimedOut};
    use aws_smithy_mocks::mock;

    use super::*;
    use crate::answering::answering;

    #[tokio::test]
    async fn the_second_start_and_the_second_result_change_nothing() {
        let exists = mock!(aws_sdk_sfn::Client::start_execution).then_error(|| {
            StartExecutionError::ExecutionAlreadyExists(ExecutionAlreadyExists::builder().build())
        });
        let timed_out = mock!(aws_sdk_sfn::Client::send_task_success)
            .then_error(|| SendTaskSuccessError::TaskTimedOut(TaskTimedOut::builder().build()));
        let executions = Executions::new(answering!(aws_sdk_sfn, [&exists, &timed_out]));

        assert_eq!(
            executions.start("arn:aws:states:…", "web-a1", &()).await.expect("no error"),
            Start::AlreadyThere
        );
        assert_eq!(executions.succeed("token", &()).await.expect("no error"), Delivery::NobodyWaits);
    }

    #[tokio::test]
    async fn a_task_fails_by_name_with_a_cause_that_is_not_too_long() {
        let failed = mock!(aws_sdk_sfn::Client::send_task_failure)
            .match_requests(|request| {
                let cause = request.cause().unwrap_or_default();
                (request.task_token(), request.error()) == (Some("token"), Some("Woken"))
                    && (cause == "short" || cause.len() == 7_999)
            })
            .then_output(|| SendTaskFailureOutput::builder().build());
        let executions = Executions::new(answering!(aws_sdk_sfn, [&failed]));

        for cause in ["short".to_owned(), format!("a{}", "ä".repeat(40_000))] {
            assert_eq!(
                executions.fail("token", "Woken", &cause).await.expect("no error"),
                Delivery::Delivered
            );
        }
    }

    #[tokio::test]
    async fn a_task_that_has_ended_cannot_fail_and_that_is_no_error() {
        let gone = mock!(aws_sdk_sfn::Client::send_task_failure)
            .then_error(|| SendTaskFailureError::TaskDoesNotExist(TaskDoesNotExist::builder().build()));
        let executions = Executions::new(answering!(aws_sdk_sfn, [&gone]));

        assert_eq!(executions.fail("token", "Woken", "").await.expect("no error"), Delivery::NobodyWaits);
    }
}
