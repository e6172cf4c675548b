//! What the functions logged of a release, page by page.
//!
//! CloudWatch Logs takes five `FilterLogEvents` in a second and no more, for the account in a region, and does not raise it
//! ("How do I determine throttling in my CloudWatch logs?", AWS Knowledge Center). A call asks one log, and there is one for
//! each function: so the calls of a request go one after the other, a fifth of a second apart.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lambda_http::http::StatusCode;
use slipway_aws::{Found, Key, Logs as LogGroups};
use slipway_core::api::{LogLine, Logs, ProblemCode};
use slipway_core::log::{self, Place, Read};
use slipway_core::name::{ApplicationName, ReleaseId};
use slipway_core::release::Ended;
use slipway_release::{StepError, now};

use crate::Operator;
use crate::problem::{Failure, problem, unavailable};
use crate::read::started;

/// How far apart the calls are.
const APART: Duration = Duration::from_millis(200);
/// How long one request reads: a call takes eight seconds at the most, and the function has fifteen.
const READS_FOR: SignedDuration = SignedDuration::from_secs(6);
/// How long before a release's beginning functions log about it, such as what received its push.
const BEFORE: SignedDuration = SignedDuration::from_secs(10);
/// How long after a release's end functions still log about it.
const AFTER: SignedDuration = SignedDuration::from_secs(30);
/// How late CloudWatch may show a line.
const LATE: SignedDuration = SignedDuration::from_secs(30);

/// What a person asks for besides the release.
pub(crate) struct Wanted<'a> {
    /// The one function whose log is read.
    pub(crate) function: Option<&'a str>,
    /// Where the page begins, as the answer before has it.
    pub(crate) token: Option<&'a str>,
}

pub(crate) async fn logs(
    operator: &Operator<'_>,
    application: &ApplicationName,
    release: &ReleaseId,
    wanted: Wanted<'_>,
) -> Result<Logs, Failure> {
    let functions = functions(operator, wanted.function)?;
    let started = started(operator, application, release).await?;
    let ended = operator.table.get::<Ended>(&Key::ending(release)).await?;
    let last = ended.map(|stored| stored.document.at + AFTER);
    let now = now();
    let is_over = last.is_some_and(|last| last < now);
    let end = last.unwrap_or(now).min(now).as_millisecond();
    let place = match wanted.token {
        None => Place { from: (started.at - BEFORE).as_millisecond(), length: None },
        Some(token) => token.parse::<Place>().map_err(|error| {
            problem(
                StatusCode::BAD_REQUEST,
                ProblemCode::Malformed,
                format!("{token} cannot be used: {error}; leave it out to begin anew"),
            )
            .at("token")
        })?,
    };
    if place.from > end {
        return Ok(whole(Vec::new(), place.from, is_over, now));
    }
    let log = Log { logs: operator.aws.logs(), release, until: now + READS_FOR };
    let Some((lines, next)) = log.page(operator, &functions, &place, end).await? else {
        // Too much was logged in this time by everybody.
        let Some(smaller) = place.smaller(end) else { return Err(Failure::Problem(Box::new(unavailable()))) };
        return Ok(Logs { next: Some(smaller.to_string()), ..Logs::default() });
    };
    if next > end {
        return Ok(whole(lines, next, is_over, now));
    }
    // What was read in time may be read in larger slices.
    let next = Place { from: next, length: place.length.map(|length| length.saturating_mul(2)) };
    Ok(Logs { lines, next: Some(next.to_string()), up_to_date: false })
}

/// A page behind which there is nothing now: of a release that is over, nothing ever.
fn whole(lines: Vec<LogLine>, next: i64, is_over: bool, now: Timestamp) -> Logs {
    let late = (now - LATE).as_millisecond();
    let next = (!is_over).then(|| Place { from: next.min(late), length: None }.to_string());
    Logs { lines, next, up_to_date: true }
}

/// The functions whose logs are read: one, or all.
fn functions(operator: &Operator<'_>, wanted: Option<&str>) -> Result<Vec<String>, Failure> {
    let all = &operator.config.functions;
    let Some(wanted) = wanted else { return Ok(all.clone()) };
    let prefix = format!("{}-", operator.config.deployer);
    let name = wanted.strip_prefix(&prefix).unwrap_or(wanted);
    if all.iter().any(|one| one == name) {
        return Ok(vec![name.to_owned()]);
    }
    Err(problem(
        StatusCode::NOT_FOUND,
        ProblemCode::UnknownFunction,
        format!("there is no function {wanted}; there are: {}", all.join(", ")),
    )
    .at("function"))
}

/// What is read in one request.
struct Log<'a> {
    logs: LogGroups,
    release: &'a ReleaseId,
    until: Timestamp,
}

impl Log<'_> {
    /// The lines of a slice, and the first millisecond that is not among them; nothing where there was no time to look
    /// into every log.
    async fn page(
        &self,
        operator: &Operator<'_>,
        functions: &[String],
        place: &Place,
        end: i64,
    ) -> Result<Option<(Vec<LogLine>, i64)>, StepError> {
        let (mut lines, mut read) = (Vec::new(), Vec::new());
        let mut apart = tokio::time::interval(APART);
        apart.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        for function in functions {
            let group = format!("/aws/lambda/{}-{function}", operator.config.deployer);
            let mut token = None;
            let mut found = 0;
            let until = loop {
                if now() >= self.until {
                    // Without a line nobody knows how far it came.
                    break (found > 0).then(|| last(&lines)).map(Read::UpTo);
                }
                apart.tick().await;
                let words = self.release.as_str();
                let Found { logged, next } =
                    self.logs.search(&group, words, (place.from, place.until(end)), token).await?;
                let new = logged
                    .into_iter()
                    .filter_map(|logged| log::line(function, self.release, logged.at, &logged.text));
                let before = lines.len();
                lines.extend(new);
                found += lines.len() - before;
                match next {
                    None => break Some(Read::All),
                    Some(_) if found >= log::LINES => break Some(Read::UpTo(last(&lines))),
                    more => token = more,
                }
            };
            match until {
                Some(until) => read.push(until),
                None => return Ok(None),
            }
        }
        Ok(Some(log::page(place, end, &read, lines)))
    }
}

fn last(lines: &[LogLine]) -> i64 {
    lines.last().map(|line| line.at.as_millisecond()).unwrap_or_default()
}
