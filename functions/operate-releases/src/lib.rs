//! The operators' API: what people and their programs ask about releases, and ask of them.
//!
//! API Gateway proves who asks (IAM, `SigV4`) and whether they may (`execute-api:Invoke` on the route's method and path)
//! before this function runs; what it is asked to do, it does in the caller's name. Its shapes are
//! [`slipway_core::api`], its document is `docs/openapi.json`.

mod act;
mod board;
mod call;
mod console;
mod diff;
mod doctor;
mod freeze;
mod idempotency;
mod logs;
pub mod openapi;
mod problem;
mod read;
mod resend;
mod upkeep;

use lambda_http::http::StatusCode;
use lambda_http::request::RequestContext;
use lambda_http::{Request, RequestExt as _, Response};
use serde::Serialize;
use slipway_aws::{Aws, Table};
use slipway_core::api::ProblemCode;
use slipway_core::caller::Caller;
use slipway_core::words;
use slipway_release::{Channels, Notifier, StepError, count};
use slipway_runtime::{ConfigurationError, Environment};

use call::Call;
use problem::{Failure, problem};

/// The routes, each with its method, as API Gateway has them. Terraform's are held to these.
pub const ROUTES: [&str; 31] = [
    "GET /applications",
    "GET /applications/{application}",
    "GET /applications/{application}/audit",
    "GET /applications/{application}/diff",
    "GET /applications/{application}/doctor",
    "GET /applications/{application}/releases",
    "GET /applications/{application}/releases/{release}",
    "GET /applications/{application}/releases/{release}/logs",
    "GET /approvals",
    "GET /board",
    "GET /dead-letters",
    "GET /doctor",
    "GET /openapi.json",
    "POST /applications/{application}/clear",
    "POST /applications/{application}/freeze",
    "POST /applications/{application}/release",
    "POST /applications/{application}/releases/{release}/abort",
    "POST /applications/{application}/releases/{release}/override",
    "POST /applications/{application}/releases/{release}/resend",
    "POST /applications/{application}/rollback",
    "POST /applications/{application}/unfreeze",
    "POST /console/end",
    "POST /console/enter",
    "POST /console/leave",
    "POST /console/open",
    "POST /console/permissions",
    "POST /console/request",
    "POST /dead-letters/redrive",
    "POST /freeze",
    "POST /reconcile",
    "POST /unfreeze",
];

/// The function's configuration, from its environment.
#[derive(Clone, Debug)]
pub struct Config {
    /// The table's name.
    pub table: String,
    /// The workflow's ARN.
    pub state_machine_arn: String,
    /// The SSM path that the applications' parameters are below.
    pub applications_path: String,
    /// Where people are notified.
    pub channels: Channels,
    /// The roles whose sessions are named by who enforces the name, as patterns.
    pub session_roles: Vec<String>,
    /// The deployer's name: services and repositories that it may touch are tagged with it, and its queues begin with it.
    pub deployer: String,
    /// The ARN of the topic that the approvers' subscriptions are on.
    pub approval_topic_arn: String,
    /// The roles of tasks that functions may pass on to ECS, as patterns; none where they are too many to name.
    pub task_roles: Vec<String>,
    /// How many minutes lie between two reconciliations.
    pub reconcile_minutes: u32,
    /// Its functions.
    pub functions: Vec<String>,
    /// The rules that wake some of them.
    pub rules: Vec<String>,
    /// The console's address, without a slash at its end.
    pub console_url: String,
}

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    ///
    /// When a variable is not set.
    pub fn read(environment: &Environment<'_>) -> Result<Self, ConfigurationError> {
        let list = |names: String| names.split(',').map(ToOwned::to_owned).collect();
        Ok(Self {
            table: environment.table()?,
            state_machine_arn: environment.state_machine_arn()?,
            applications_path: environment.applications_path()?,
            channels: environment.channels()?,
            session_roles: environment.session_roles(),
            deployer: environment.require("SLIPWAY_DEPLOYER", "the deployer's name, such as slipway")?,
            approval_topic_arn: environment
                .require("SLIPWAY_APPROVAL_TOPIC_ARN", "the ARN of the approvals' SNS topic")?,
            task_roles: environment.task_roles(),
            reconcile_minutes: environment.reconcile_minutes()?,
            functions: environment
                .require("SLIPWAY_FUNCTIONS", "the names of all functions, with commas between them")
                .map(list)?,
            rules: environment
                .require("SLIPWAY_RULES", "the names of all rules, with commas between them")
                .map(list)?,
            console_url: environment.require("SLIPWAY_CONSOLE_URL", "the address of the console's API")?,
        })
    }
}

/// Who asks, and what is needed to answer.
pub(crate) struct Operator<'a> {
    aws: &'a Aws,
    config: &'a Config,
    table: Table,
    caller: Caller,
}

impl Operator<'_> {
    const fn notifier(&self) -> Notifier<'_> {
        Notifier { aws: self.aws, table: &self.table, channels: &self.config.channels }
    }
}

/// Answers a request. What goes wrong inside is logged, and answered with a problem that says to try again.
pub async fn handle(aws: &Aws, config: &Config, request: Request) -> Response<String> {
    route(aws, config, &request).await.unwrap_or_else(problem::of_failure)
}

/// The route that API Gateway has matched, and the caller that it has proved.
fn context(request: &Request) -> Option<(String, String)> {
    let RequestContext::ApiGatewayV2(context) = request.request_context_ref()? else { return None };
    let iam = context.authorizer.as_ref()?.iam.as_ref()?;
    Some((context.route_key.clone()?, iam.user_arn.clone()?))
}

async fn route(aws: &Aws, config: &Config, request: &Request) -> Result<Response<String>, Failure> {
    // Without a caller nobody has let this request through: no route is without IAM.
    let Some((route, arn)) = context(request) else {
        return Err(problem(
            StatusCode::FORBIDDEN,
            ProblemCode::UnknownRoute,
            "the request has no caller that IAM has proved: sign it (SigV4) for the service execute-api",
        ));
    };
    let caller = Caller::of(&arn, &config.session_roles);
    let operator = Operator { aws, config, table: aws.table(&config.table), caller };
    let (call, caller) = (Call::of(request, route), &operator.caller);
    let route = &call.route;
    if let Some(session) = console::to_prove(request) {
        tracing::info!(caller = caller.arn, route, "{} proves {route} for the console", caller.name);
        return console::prove(&operator, &call, request.uri().path(), session?).await;
    }
    // The one is asked each second while a session lasts, the other is logged by whose session it is.
    if !["POST /console/permissions", "POST /console/request"].contains(&route.as_str()) {
        tracing::info!(caller = caller.arn, route, "{} asks for {route}", caller.name);
    }
    refuse_unknown_parameters(&call)?;
    match call.route.as_str() {
        "POST /console/open" => Ok(json(&console::open(&operator, call.body()?).await?)),
        "POST /console/permissions" => Ok(json(&console::permissions(&operator, call.body()?).await?)),
        "POST /console/end" => Ok(json(&console::end(&operator, call.body()?).await?)),
        "POST /console/enter" => Ok(json(&console::enter(&operator, call.body()?).await?)),
        "POST /console/leave" => Ok(json(&console::leave(&operator, call.body()?).await?)),
        "POST /console/request" => Ok(json(&console::request(&operator, call.body()?).await?)),
        _ => answer(&operator, &call).await,
    }
}

/// Answers what a caller asks for, whichever way it came.
pub(crate) async fn answer(operator: &Operator<'_>, call: &Call) -> Result<Response<String>, Failure> {
    refuse_unknown_parameters(call)?;
    if call.route.starts_with("POST ") {
        count("OperatorRequest", &[("Route", &call.route)]);
        return change(operator, call).await;
    }
    Ok(match call.route.as_str() {
        "GET /applications" => json(&read::applications(operator).await?),
        "GET /applications/{application}" => json(&read::application(operator, &call.application()?).await?),
        "GET /applications/{application}/audit" => json(&read::audit(operator, &call.application()?).await?),
        "GET /applications/{application}/diff" => {
            json(&diff::diff(operator, &call.application()?, call.parameter("image")).await?)
        }
        "GET /applications/{application}/doctor" => {
            json(&Box::pin(doctor::application(operator, &call.application()?)).await?)
        }
        "GET /applications/{application}/releases" => {
            json(&read::releases(operator, &call.application()?).await?)
        }
        "GET /applications/{application}/releases/{release}" => {
            json(&read::release(operator, &call.application()?, &call.release()?).await?)
        }
        "GET /applications/{application}/releases/{release}/logs" => {
            let (application, release) = (call.application()?, call.release()?);
            let wanted =
                logs::Wanted { function: call.parameter("function"), token: call.parameter("token") };
            json(&logs::logs(operator, &application, &release, wanted).await?)
        }
        "GET /approvals" => json(&read::approvals(operator).await?),
        "GET /board" => json(&board::board(operator).await?),
        "GET /doctor" => json(&Box::pin(doctor::deployer(operator)).await?),
        "GET /dead-letters" => json(&upkeep::dead_letters(operator).await?),
        "GET /openapi.json" => json(&openapi::document()),
        _ => return Err(unknown_route(&call.route)),
    })
}

/// Does what a caller asks for.
async fn change(operator: &Operator<'_>, call: &Call) -> Result<Response<String>, Failure> {
    Ok(match call.route.as_str() {
        "POST /applications/{application}/clear" => {
            json(&act::clear(operator, &call.application()?, call.body()?).await?)
        }
        "POST /applications/{application}/freeze" => {
            json(&freeze::freeze(operator, Some(&call.application()?), call.body()?).await?)
        }
        "POST /applications/{application}/unfreeze" => {
            json(&freeze::unfreeze(operator, Some(&call.application()?), call.body()?).await?)
        }
        "POST /freeze" => json(&freeze::freeze(operator, None, call.body()?).await?),
        "POST /unfreeze" => json(&freeze::unfreeze(operator, None, call.body()?).await?),
        "POST /applications/{application}/releases/{release}/override" => {
            let (application, release) = (call.application()?, call.release()?);
            json(&freeze::let_through(operator, &application, &release, call.body()?).await?)
        }
        "POST /applications/{application}/release" => {
            let (application, key) = (call.application()?, call.idempotency_key()?);
            json(&act::release(operator, &application, key, call.body()?).await?)
        }
        "POST /applications/{application}/releases/{release}/abort" => {
            json(&act::abort(operator, &call.application()?, &call.release()?, call.body()?).await?)
        }
        "POST /applications/{application}/releases/{release}/resend" => {
            let (application, release, key) = (call.application()?, call.release()?, call.idempotency_key()?);
            json(&resend::resend(operator, &application, &release, key, call.body()?).await?)
        }
        "POST /applications/{application}/rollback" => {
            let (application, key) = (call.application()?, call.idempotency_key()?);
            json(&act::rollback(operator, &application, key, call.body()?).await?)
        }
        "POST /dead-letters/redrive" => {
            json(&upkeep::redrive(operator, call.idempotency_key()?, call.body()?).await?)
        }
        "POST /reconcile" => json(&upkeep::reconcile(operator, call.idempotency_key()?, call.body()?).await?),
        _ => return Err(unknown_route(&call.route)),
    })
}

fn unknown_route(route: &str) -> Failure {
    problem(
        StatusCode::NOT_FOUND,
        ProblemCode::UnknownRoute,
        format!("there is no {route}; GET /openapi.json describes what there is"),
    )
}

/// The parameters of a route's query. The document has these.
fn parameters_of(route: &str) -> &'static [&'static str] {
    match route {
        "GET /applications/{application}/diff" => &["image"],
        "GET /applications/{application}/releases/{release}/logs" => &["function", "token"],
        _ => &[],
    }
}

/// A parameter that is not known is refused, as a field of a body is: whoever wrote it meant something by it.
fn refuse_unknown_parameters(call: &Call) -> Result<(), Failure> {
    let (route, known) = (&call.route, parameters_of(&call.route));
    let unknown = call.query.iter().find(|(name, _)| !known.contains(&name.as_str()));
    unknown.map_or(Ok(()), |(name, _)| {
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let name = words::line(name, words::LONGEST);
        Err(problem(
            StatusCode::BAD_REQUEST,
            ProblemCode::Malformed,
            format!("the query's parameter {name:?} is not known; {route} takes {known}"),
        )
        .at(&name))
    })
}

fn json(answer: &impl Serialize) -> Response<String> {
    problem::json(200, "application/json", answer)
}

impl From<StepError> for Failure {
    fn from(error: StepError) -> Self {
        match error {
            StepError::InvalidConfiguration(words) => {
                problem(StatusCode::CONFLICT, ProblemCode::BrokenConfiguration, words)
            }
            other => Self::Step(other),
        }
    }
}

impl From<slipway_aws::AwsError> for Failure {
    fn from(error: slipway_aws::AwsError) -> Self {
        StepError::from(error).into()
    }
}
