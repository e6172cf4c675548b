//! The operators' API: what people and their programs ask about releases, and ask of them.
//!
//! API Gateway proves who asks (IAM, `SigV4`) and whether they may (`execute-api:Invoke` on the route's method and path)
//! before this function runs; what it is asked to do, it does in the caller's name. Its shapes are
//! [`slipway_core::api`], its document is `docs/openapi.json`.

mod act;
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

use lambda_http::http::{Method, StatusCode};
use lambda_http::request::RequestContext;
use lambda_http::{Request, RequestExt as _, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use slipway_aws::{Aws, Table};
use slipway_core::api::ProblemCode;
use slipway_core::caller::Caller;
use slipway_core::name::{ApplicationName, ReleaseId};
use slipway_core::words;
use slipway_release::{Channels, Notifier, StepError, count};
use slipway_runtime::{ConfigurationError, Environment};

use problem::{Failure, problem};

/// The routes, each with its method, as API Gateway has them. Terraform's are held to these.
pub const ROUTES: [&str; 24] = [
    "GET /applications",
    "GET /applications/{application}",
    "GET /applications/{application}/audit",
    "GET /applications/{application}/diff",
    "GET /applications/{application}/doctor",
    "GET /applications/{application}/releases",
    "GET /applications/{application}/releases/{release}",
    "GET /applications/{application}/releases/{release}/logs",
    "GET /approvals",
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
    match route(aws, config, &request).await {
        Ok(response) => response,
        Err(Failure::Problem(problem)) => problem::answer(&problem),
        Err(Failure::Step(error)) => {
            tracing::error!(
                error.name = error.name(),
                "a request could not be answered: {}",
                error.with_causes()
            );
            problem::answer(&problem::unavailable())
        }
    }
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
    tracing::info!(caller = caller.arn, route, "{} asks for {route}", caller.name);
    let operator = Operator { aws, config, table: aws.table(&config.table), caller };
    let operator = &operator;
    refuse_unknown_parameters(&route, request)?;
    if request.method() == Method::POST {
        count("OperatorRequest", &[("Route", &route)]);
    }
    Ok(match route.as_str() {
        "GET /applications" => json(&read::applications(operator).await?),
        "GET /applications/{application}" => {
            json(&read::application(operator, &application(request)?).await?)
        }
        "GET /applications/{application}/audit" => {
            json(&read::audit(operator, &application(request)?).await?)
        }
        "GET /applications/{application}/diff" => {
            let query = request.query_string_parameters_ref();
            let image = query.and_then(|query| query.first("image"));
            json(&diff::diff(operator, &application(request)?, image).await?)
        }
        "GET /applications/{application}/doctor" => {
            json(&Box::pin(doctor::application(operator, &application(request)?)).await?)
        }
        "GET /applications/{application}/releases" => {
            json(&read::releases(operator, &application(request)?).await?)
        }
        "GET /applications/{application}/releases/{release}" => {
            json(&read::release(operator, &application(request)?, &release(request)?).await?)
        }
        "GET /applications/{application}/releases/{release}/logs" => {
            let (application, release) = (application(request)?, release(request)?);
            let query = request.query_string_parameters_ref();
            let asked = |name: &str| query.and_then(|query| query.first(name));
            let wanted = logs::Wanted { function: asked("function"), token: asked("token") };
            json(&logs::logs(operator, &application, &release, wanted).await?)
        }
        "GET /approvals" => json(&read::approvals(operator).await?),
        "GET /doctor" => json(&Box::pin(doctor::deployer(operator)).await?),
        "GET /dead-letters" => json(&upkeep::dead_letters(operator).await?),
        "GET /openapi.json" => json(&openapi::document()),
        "POST /applications/{application}/clear" => {
            json(&act::clear(operator, &application(request)?, body(request)?).await?)
        }
        "POST /applications/{application}/freeze" => {
            json(&freeze::freeze(operator, Some(&application(request)?), body(request)?).await?)
        }
        "POST /applications/{application}/unfreeze" => {
            json(&freeze::unfreeze(operator, Some(&application(request)?), body(request)?).await?)
        }
        "POST /freeze" => json(&freeze::freeze(operator, None, body(request)?).await?),
        "POST /unfreeze" => json(&freeze::unfreeze(operator, None, body(request)?).await?),
        "POST /applications/{application}/releases/{release}/override" => {
            let (application, release) = (application(request)?, release(request)?);
            json(&freeze::let_through(operator, &application, &release, body(request)?).await?)
        }
        "POST /applications/{application}/release" => {
            let (application, key) = (application(request)?, idempotency_key(request)?);
            json(&act::release(operator, &application, &key, body(request)?).await?)
        }
        "POST /applications/{application}/releases/{release}/abort" => {
            json(&act::abort(operator, &application(request)?, &release(request)?, body(request)?).await?)
        }
        "POST /applications/{application}/releases/{release}/resend" => {
            let (application, release) = (application(request)?, release(request)?);
            let key = idempotency_key(request)?;
            json(&resend::resend(operator, &application, &release, &key, body(request)?).await?)
        }
        "POST /applications/{application}/rollback" => {
            let (application, key) = (application(request)?, idempotency_key(request)?);
            json(&act::rollback(operator, &application, &key, body(request)?).await?)
        }
        "POST /dead-letters/redrive" => {
            let key = idempotency_key(request)?;
            json(&upkeep::redrive(operator, &key, body(request)?).await?)
        }
        "POST /reconcile" => {
            let key = idempotency_key(request)?;
            json(&upkeep::reconcile(operator, &key, body(request)?).await?)
        }
        _ => {
            return Err(problem(
                StatusCode::NOT_FOUND,
                ProblemCode::UnknownRoute,
                format!("there is no {route}; GET /openapi.json describes what there is"),
            ));
        }
    })
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
fn refuse_unknown_parameters(route: &str, request: &Request) -> Result<(), Failure> {
    let known = parameters_of(route);
    let mut given = request.query_string_parameters_ref().into_iter().flat_map(|given| given.iter());
    let unknown = given.find(|(name, _)| !known.contains(name));
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

fn parameter(request: &Request, name: &str) -> String {
    request.path_parameters_ref().and_then(|all| all.first(name)).unwrap_or_default().to_owned()
}

fn application(request: &Request) -> Result<ApplicationName, Failure> {
    let name = parameter(request, "application");
    ApplicationName::new(name.as_str()).map_err(|_| {
        problem(
            StatusCode::NOT_FOUND,
            ProblemCode::UnknownApplication,
            format!("no application is called {name:?}"),
        )
    })
}

fn release(request: &Request) -> Result<ReleaseId, Failure> {
    let id = parameter(request, "release");
    ReleaseId::new(id.as_str()).map_err(|_| {
        problem(StatusCode::NOT_FOUND, ProblemCode::UnknownRelease, format!("no release has the id {id:?}"))
    })
}

/// The key by which the same request is known again: 1 to 64 visible characters.
fn idempotency_key(request: &Request) -> Result<String, Failure> {
    let key = request.headers().get("idempotency-key").and_then(|key| key.to_str().ok()).unwrap_or_default();
    if (1..=64).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(key.to_owned());
    }
    Err(problem(
        StatusCode::BAD_REQUEST,
        ProblemCode::Malformed,
        "the header Idempotency-Key is missing or does not fit: send 1 to 64 visible characters, new for each request and the same when it is sent again",
    )
    .at("Idempotency-Key"))
}

/// The request's body; an empty one is an empty object.
fn body<T: DeserializeOwned>(request: &Request) -> Result<T, Failure> {
    let body: &[u8] = request.body().as_ref();
    let body = if body.is_empty() { b"{}" } else { body };
    let mut input = serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(&mut input).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { "the top".to_owned() } else { path };
        problem(
            StatusCode::BAD_REQUEST,
            ProblemCode::Malformed,
            format!("the body does not fit at {field}: {}", error.into_inner()),
        )
        .at(&field)
    })
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
