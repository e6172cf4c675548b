//! The end of a one-off task's log.

use slipway_aws::Aws;
use slipway_core::migration::LOG_LINES;
use slipway_core::name::TaskDefinitionArn;

use crate::StepError;

/// The last lines that a container of a task wrote, where its log is in CloudWatch. That it cannot be read is said in
/// its place, and fails nothing: how the task ended is known without it.
pub async fn log_tail(
    aws: &Aws,
    task_definition: &TaskDefinitionArn,
    container: &str,
    task: &str,
) -> Vec<String> {
    match read(aws, task_definition, container, task).await {
        Ok(lines) => lines,
        Err(error) => {
            tracing::warn!("the log of {task} cannot be read: {error}");
            vec![format!("(its log cannot be read: {error})")]
        }
    }
}

async fn read(
    aws: &Aws,
    task_definition: &TaskDefinitionArn,
    container: &str,
    task: &str,
) -> Result<Vec<String>, StepError> {
    let definition = aws.ecs().task_definition(task_definition.as_str()).await?;
    let Some(stream) = definition.and_then(|definition| definition.log_of(container, task)) else {
        return Ok(Vec::new());
    };
    Ok(aws.logs().tail(&stream, LOG_LINES).await?)
}
