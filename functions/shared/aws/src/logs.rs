//! CloudWatch Logs: what tasks and functions wrote.

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::operation::filter_log_events::FilterLogEventsError;
use aws_sdk_cloudwatchlogs::operation::get_log_events::GetLogEventsError;

use jiff::Timestamp;
use slipway_core::words;

use crate::{AwsError, LogStream};

/// The logs of tasks and functions.
#[derive(Clone, Debug)]
pub struct Logs {
    client: Client,
}

/// A text that was logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// When.
    pub at: Timestamp,
    /// The text.
    pub text: String,
}

/// What a search found, in the order of its times, and how it goes on where it is not through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// What was found; it may be nothing although there is more.
    pub logged: Vec<Logged>,
    /// The token that goes on.
    pub next: Option<String>,
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

    /// What a group has with these words in it between two moments, both included, in milliseconds since 1970. Nothing
    /// where there is no such group. One call: how often this may be asked is the caller's to know.
    ///
    /// The events are "sorted by event timestamp", and an answer may be empty "while there are more log events available
    /// through the token" (`FilterLogEvents`, Amazon CloudWatch Logs API reference). A term with other characters than
    /// letters and digits stands in double quotes ("Filter pattern syntax", Amazon CloudWatch Logs user guide).
    ///
    /// # Errors
    ///
    /// When CloudWatch Logs cannot be asked.
    pub async fn search(
        &self,
        group: &str,
        words: &str,
        (from, until): (i64, i64),
        token: Option<String>,
    ) -> Result<Found, AwsError> {
        let request = self
            .client
            .filter_log_events()
            .log_group_name(group)
            .filter_pattern(format!("\"{words}\""))
            .start_time(from)
            .end_time(until)
            .set_next_token(token);
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(FilterLogEventsError::is_resource_not_found_exception) =>
            {
                return Ok(Found::default());
            }
            Err(error) => return Err(AwsError::from_sdk("logs:FilterLogEvents", error)),
        };
        let logged = answer.events.unwrap_or_default().into_iter().filter_map(|event| {
            let at = Timestamp::from_millisecond(event.timestamp?).ok()?;
            Some(Logged { at, text: event.message.unwrap_or_default() })
        });
        Ok(Found { logged: logged.collect(), next: answer.next_token })
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudwatchlogs::operation::filter_log_events::FilterLogEventsOutput;
    use aws_sdk_cloudwatchlogs::operation::get_log_events::GetLogEventsOutput;
    use aws_sdk_cloudwatchlogs::types::error::ResourceNotFoundException;
    use aws_sdk_cloudwatchlogs::types::{FilteredLogEvent, OutputLogEvent};
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

    #[tokio::test]
    async fn a_search_asks_for_the_words_as_they_are_and_says_how_it_goes_on() {
        let rule = mock!(aws_sdk_cloudwatchlogs::Client::filter_log_events)
            .match_requests(|request| {
                request.filter_pattern() == Some("\"web-1\"")
                    && (request.start_time(), request.end_time()) == (Some(5), Some(9))
                    && request.next_token() == Some("a")
            })
            .then_output(|| {
                let event = FilteredLogEvent::builder().timestamp(7).message("web-1 began").build();
                FilterLogEventsOutput::builder().events(event).next_token("b").build()
            });
        let logs = Logs::new(answering!(aws_sdk_cloudwatchlogs, [&rule]));

        let found = logs.search("/aws/lambda/slipway-x", "web-1", (5, 9), Some("a".into())).await;

        let Found { logged, next } = found.expect("an answer");
        assert_eq!((logged[0].at.as_millisecond(), logged[0].text.as_str()), (7, "web-1 began"));
        assert_eq!(next.as_deref(), Some("b"));
    }
}
