//! What a caller asks for: a route with its names, parameters and body, whether a signed request brought it or a page.

use std::borrow::Cow;
use std::collections::BTreeMap;

use lambda_http::http::StatusCode;
use lambda_http::{Request, RequestExt as _};
use serde::de::DeserializeOwned;
use serde_json::Value;
use slipway_core::api::ProblemCode;
use slipway_core::name::{ApplicationName, ReleaseId};

use crate::ROUTES;
use crate::problem::{Failure, problem};

/// What a caller asks for.
#[derive(Debug, Default)]
pub(crate) struct Call {
    /// The route as API Gateway has it, such as `GET /applications/{application}`.
    pub(crate) route: String,
    /// The names in the path.
    names: BTreeMap<String, String>,
    /// The query's parameters.
    pub(crate) query: BTreeMap<String, String>,
    key: Option<String>,
    body: Vec<u8>,
}

impl Call {
    /// What a request asks for, by the route that API Gateway has matched.
    pub(crate) fn of(request: &Request, route: String) -> Self {
        let names = request.path_parameters_ref().into_iter().flat_map(|all| all.iter());
        let query = request.query_string_parameters_ref().into_iter().flat_map(|all| all.iter());
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let key = request.headers().get("idempotency-key").and_then(|key| key.to_str().ok());
        Self {
            route,
            names: names.map(owned).collect(),
            // Of a parameter that is given twice the first one counts, so the last is not to take its place.
            query: query.map(owned).fold(BTreeMap::new(), |mut all, (name, value)| {
                all.entry(name).or_insert(value);
                all
            }),
            key: key.map(ToOwned::to_owned),
            body: request.body().to_vec(),
        }
    }

    /// What a page asks for by a method and a path; nothing where the API has no such route for pages.
    pub(crate) fn of_page(method: &str, path: &str, query: BTreeMap<String, String>) -> Option<Self> {
        let (route, names) = ROUTES.into_iter().find_map(|route| {
            let (of, template) = route.split_once(' ')?;
            let names =
                (of == method && !template.starts_with("/console/")).then(|| named(template, path))?;
            Some((route, names?))
        })?;
        Some(Self { route: route.to_owned(), names, query, ..Self::default() })
    }

    /// The same with a key and a body.
    pub(crate) fn with(self, key: Option<String>, body: Option<&Value>) -> Self {
        Self { key, body: body.map(|body| body.to_string().into_bytes()).unwrap_or_default(), ..self }
    }

    /// The method, and the path with its names: what IAM is asked about.
    ///
    /// # Errors
    ///
    /// When a name in it is none.
    pub(crate) fn method_and_path(&self) -> Result<(&str, String), Failure> {
        let (method, template) = self.route.split_once(' ').unwrap_or_default();
        let mut path = template.to_owned();
        if template.contains("{application}") {
            path = path.replace("{application}", self.application()?.as_str());
        }
        if template.contains("{release}") {
            path = path.replace("{release}", self.release()?.as_str());
        }
        Ok((method, path))
    }

    /// A parameter of the query.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    fn name(&self, name: &str) -> &str {
        self.names.get(name).map_or("", String::as_str)
    }

    pub(crate) fn application(&self) -> Result<ApplicationName, Failure> {
        let name = self.name("application");
        ApplicationName::new(name).map_err(|_| {
            problem(
                StatusCode::NOT_FOUND,
                ProblemCode::UnknownApplication,
                format!("no application is called {name:?}"),
            )
        })
    }

    pub(crate) fn release(&self) -> Result<ReleaseId, Failure> {
        let id = self.name("release");
        ReleaseId::new(id).map_err(|_| {
            problem(
                StatusCode::NOT_FOUND,
                ProblemCode::UnknownRelease,
                format!("no release has the id {id:?}"),
            )
        })
    }

    /// The key by which the same request is known again: 1 to 64 visible characters.
    pub(crate) fn idempotency_key(&self) -> Result<&str, Failure> {
        let key = self.key.as_deref().unwrap_or_default();
        if (1..=64).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(key);
        }
        Err(problem(
            StatusCode::BAD_REQUEST,
            ProblemCode::Malformed,
            "the header Idempotency-Key is missing or does not fit: send 1 to 64 visible characters, new for each request and the same when it is sent again",
        )
        .at("Idempotency-Key"))
    }

    /// The request's body as it came.
    pub(crate) fn body_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// The request's body; an empty one is an empty object.
    pub(crate) fn body<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        let body: &[u8] = if self.body.is_empty() { b"{}" } else { &self.body };
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
}

/// The names that a path has where a route's template has them in braces; nothing where the path is of another route.
fn named(template: &str, path: &str) -> Option<BTreeMap<String, String>> {
    let (mut parts, mut names) = (path.split('/'), BTreeMap::new());
    for expected in template.split('/') {
        let part = parts.next()?;
        match expected.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) => {
                names.insert(name.to_owned(), part.to_owned());
            }
            None if part == expected => {}
            None => return None,
        }
    }
    parts.next().is_none().then_some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_page(method: &str, path: &str) -> Option<Call> {
        Call::of_page(method, path, BTreeMap::new())
    }

    #[test]
    fn a_path_of_every_route_for_pages_is_that_route_again() {
        for route in ROUTES.into_iter().filter(|route| !route.contains("/console/")) {
            let path = route.replace("{application}", "web").replace("{release}", "web-4f5c4f5c");
            let (method, path) = path.split_once(' ').expect("a method and a path");
            let call = of_page(method, path).unwrap_or_else(|| panic!("{path} is of no route"));

            assert_eq!(call.route, route);
            let (of, asked) = call.method_and_path().unwrap_or_else(|_| panic!("{path} has its names"));
            assert_eq!((of, asked.as_str()), (method, path));
        }
    }

    #[test]
    fn pages_reach_nothing_else() {
        for (method, path) in [
            ("POST", "/console/open"),
            ("POST", "/console/request"),
            ("GET", "/applications/"),
            ("GET", "/applications/web/"),
            ("GET", "//applications"),
            ("GET", "applications"),
            ("get", "/applications"),
            ("DELETE", "/applications"),
            ("GET", "/applications/web/releases/a/b"),
        ] {
            let names =
                of_page(method, path).and_then(|call| call.method_and_path().ok().map(|(_, path)| path));
            assert_eq!(names, None, "{method} {path}");
        }
    }

    #[test]
    fn a_name_that_is_none_is_refused() {
        for path in
            ["/applications/..", "/applications/%77eb", "/applications/web%2Freleases", "/applications/*"]
        {
            let call = of_page("GET", path).expect("its shape is a route's");
            assert!(call.method_and_path().is_err(), "{path}");
        }
    }
}
