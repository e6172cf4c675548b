//! CloudWatch Logs: what tasks wrote.

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::operation::get_log_events::GetLogEventsError;

use slipway_core::words;

use crate::{AwsError, LogStream};

/// The logs of tasks.
#[derive(Clone, Debug)]
pub struct Logs {
    client: Client,
}

impl Logs {
    pub(crate) const fn new(client: Client) -> Self {
        Self { client }
    }

    /// The last lines of a stream, oldest first, as [`words::line`] leaves them. None where there is no such stream: a task that never ran has
    /// written nothing.
    ///
    /// # Errors
    ///
    /// When CloudWatch Logs cannot be asked.
    pub async fn tail(&self, stream: &LogStream, lines: usize) -> Result<Vec<String>, AwsError> {
        let request = self
            .client
            .get_log_events()
            .log_group_name(&stream.group)
            .log_stream_name(&stream.name)
            .start_from_head(false)
            .limit(i32::try_from(lines).unwrap_or(i32::MAX));
        match request.send().await {
            Ok(answer) => Ok(answer
                .events()
                .iter()
                .filter_map(|event| event.message())
                .map(|line| words::line(line, words::LONGEST))
                .collect()),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(GetLogEventsError::is_resource_not_found_exception) =>
            {
                Ok(Vec::new())
            }
            Err(error) => Err(AwsError::from_sdk("logs:GetLogEvents", error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudwatchlogs::operation::get_log_events::GetLogEventsOutput;
    use aws_sdk_cloudwatchlogs::types::OutputLogEvent;
    use aws_sdk_cloudwatchlogs::types::error::ResourceNotFoundException;
    use aws_smithy_mocks::mock;

    use super::*;
    use crate::answering::answering;

    fn stream() -> LogStream {
        LogStream { group: "/ecs/production/web".into(), name: "task/web/1".into() }
    }

    #[tokio::test]
    async fn the_last_lines_are_asked_for_and_a_stream_that_is_not_there_has_none() {
        let rule = mock!(aws_sdk_cloudwatchlogs::Client::get_log_events)
            .match_requests(|request| request.limit() == Some(2) && request.start_from_head() == Some(false))
            .then_output(|| {
                let line = |text: &str| OutputLogEvent::builder().message(text).build();
                GetLogEventsOutput::builder()
                    .events(line("a\n"))
                    .events(line("\u{1b}[31mb\thttps://example.net"))
                    .build()
            });
        let logs = Logs::new(answering!(aws_sdk_cloudwatchlogs, [&rule]));
        assert_eq!(logs.tail(&stream(), 2).await.expect("an answer"), ["a", "[31mb https[:]//example[.]net"]);

        let gone = mock!(aws_sdk_cloudwatchlogs::Client::get_log_events).then_error(|| {
            GetLogEventsError::ResourceNotFoundException(ResourceNotFoundException::builder().build())
        });
        let logs = Logs::new(answering!(aws_sdk_cloudwatchlogs, [&gone]));
        assert!(logs.tail(&stream(), 2).await.expect("an answer").is_empty());
    }
}
