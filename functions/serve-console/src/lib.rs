//! The console: pages that show what the operators' API answers to whoever opened the session, and have it do what they
//! may, and nothing else.
//!
//! Everyone can reach this function, so it holds nothing: no right in the table, and of the operators' API the three routes
//! that take a browser's secret. `operate-releases` knows the session and says what it may see
//! (docs/decisions/0030-the-console.md).

mod act;
mod answer;
mod ask;
mod entrance;
mod page;

use futures::join;
use lambda_http::http::{Method, StatusCode};
use lambda_http::{Request, RequestExt as _, Response};
use maud::Markup;
use slipway_aws::OperatorsApi;
use slipway_core::api::{Application, Applications, Approvals, Audit, ReleaseDetail, Releases};
use slipway_core::doctor::Checkup;
use slipway_core::name::{ApplicationName, ReleaseId};
use slipway_release::now;
use slipway_runtime::{ConfigurationError, Environment};

use act::Target;
use ask::{NoDocument, Visitor};

/// The routes, each with its method, as API Gateway has them. Terraform's are held to these.
pub const ROUTES: [&str; 23] = [
    "GET /",
    "GET /applications/{application}",
    "GET /applications/{application}/audit",
    "GET /applications/{application}/clear",
    "GET /applications/{application}/freeze",
    "GET /applications/{application}/release",
    "GET /applications/{application}/releases/{release}",
    "GET /applications/{application}/releases/{release}/abort",
    "GET /applications/{application}/rollback",
    "GET /applications/{application}/unfreeze",
    "GET /approvals",
    "GET /enter/{token}",
    "GET /health",
    "GET /script.js",
    "GET /style.css",
    "POST /applications/{application}/clear",
    "POST /applications/{application}/freeze",
    "POST /applications/{application}/release",
    "POST /applications/{application}/releases/{release}/abort",
    "POST /applications/{application}/rollback",
    "POST /applications/{application}/unfreeze",
    "POST /enter/{token}",
    "POST /leave",
];

/// The function's configuration, from its environment.
#[derive(Clone, Debug)]
pub struct Config {
    /// The address of the operators' API.
    pub operators_api: String,
}

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    ///
    /// When a variable is not set.
    pub fn read(environment: &Environment<'_>) -> Result<Self, ConfigurationError> {
        Ok(Self {
            operators_api: environment
                .require("SLIPWAY_OPERATORS_API", "the address of the operators' API")?,
        })
    }
}

/// Answers a request of a browser. What goes wrong inside is logged, and answered with a page that says to try again.
pub async fn handle(api: &OperatorsApi, request: Request) -> Response<String> {
    let path = request.uri().path().to_owned();
    let parts: Vec<_> = path.trim_start_matches('/').split('/').collect();
    match (request.method(), parts.as_slice()) {
        (&Method::GET, ["style.css"]) => answer::stylesheet(),
        (&Method::GET, ["script.js"]) => answer::script(),
        (&Method::GET, ["enter", token]) => entrance::ask(token),
        (&Method::POST, ["enter", token]) => entrance::enter(api, &request, token).await,
        (&Method::POST, ["leave"]) => entrance::leave(api, &request).await,
        (method, parts) => {
            let secret = answer::secret_of(&request).unwrap_or_default();
            let visitor = Visitor { api, secret: &secret };
            let answered = match (method, Target::of(parts)) {
                (&Method::GET, None) => show(&visitor, parts, &request).await,
                (&Method::GET, Some(target)) => act::ask(&visitor, &target, &request).await,
                (&Method::POST, Some(target)) => act::act(&visitor, &target, &request).await,
                _ => Ok(answer::page(StatusCode::METHOD_NOT_ALLOWED, &page::unknown())),
            };
            answered.unwrap_or_else(|why| answer::again(answer::no_document(&why), &request))
        }
    }
}

/// A page, and who sees it.
async fn show(
    visitor: &Visitor<'_>,
    parts: &[&str],
    request: &Request,
) -> Result<Response<String>, NoDocument> {
    let markup = match parts {
        [""] => {
            let query = request.query_string_parameters_ref();
            let filter = query.and_then(|query| query.first("filter")).unwrap_or_default().to_owned();
            let board = visitor.ask::<Applications>("/board").await?;
            page::board(&board.document, &filter, &board.by, now())
        }
        ["applications", name] => application(visitor, name).await?,
        ["applications", name, "audit"] => {
            let name = application_name(name)?;
            let audit = visitor.ask::<Audit>(&format!("/applications/{name}/audit")).await?;
            page::audit_page(&name, &audit.document, &audit.by)
        }
        ["applications", name, "releases", id] => release(visitor, name, id).await?,
        ["approvals"] => {
            let approvals = visitor.ask::<Approvals>("/approvals").await?;
            page::approvals(&approvals.document, &approvals.by, now())
        }
        ["health"] => {
            let checkup = visitor.ask::<Checkup>("/doctor").await?;
            page::health(&checkup.document, &checkup.by)
        }
        _ => return Err(NoDocument::UnknownPage),
    };
    Ok(answer::page(StatusCode::OK, &markup))
}

async fn application(visitor: &Visitor<'_>, name: &str) -> Result<Markup, NoDocument> {
    let name = application_name(name)?;
    let (path, of_releases) = (format!("/applications/{name}"), format!("/applications/{name}/releases"));
    // Both are asked for before one of them says what is missing: then both permissions are on their way.
    let (asked, releases) = join!(visitor.ask::<Application>(&path), visitor.ask::<Releases>(&of_releases));
    let (asked, releases) = (allowed(asked)?, allowed(releases)?);
    let by = match (&asked, &releases) {
        (Ok(shown), _) => &shown.by,
        (_, Ok(shown)) => &shown.by,
        (Err(path), Err(_)) => return Err(NoDocument::Refused(path.clone())),
    };
    let one = page::Parts {
        status: asked.as_ref().map(|shown| &shown.document),
        releases: releases.as_ref().map(|shown| &shown.document),
    };
    Ok(page::application(&name, &one, by, now()))
}

/// What a page has of a document: it, or the path that IAM refuses. Everything else is for the whole page.
fn allowed<T>(asked: Result<T, NoDocument>) -> Result<Result<T, String>, NoDocument> {
    match asked {
        Ok(shown) => Ok(Ok(shown)),
        Err(NoDocument::Refused(path)) => Ok(Err(path)),
        Err(other) => Err(other),
    }
}

async fn release(visitor: &Visitor<'_>, name: &str, id: &str) -> Result<Markup, NoDocument> {
    let name = application_name(name)?;
    let id = ReleaseId::new(id).map_err(|_| NoDocument::UnknownPage)?;
    let release = visitor.ask::<ReleaseDetail>(&format!("/applications/{name}/releases/{id}")).await?;
    Ok(page::release(&release.document, &release.by))
}

/// A name in a path, before it becomes a part of another one.
fn application_name(name: &str) -> Result<ApplicationName, NoDocument> {
    ApplicationName::new(name).map_err(|_| NoDocument::UnknownPage)
}
