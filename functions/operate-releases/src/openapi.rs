//! The document that describes the API: `OpenAPI` 3.1, whose schemas are JSON Schemas (2020-12), made from the Rust types.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};
use slipway_core::api::{
    AbortRequest, Application, Applications, Approvals, Audit, ClearRequest, ConsoleAnswer, ConsoleEnd,
    ConsoleEntrance, ConsoleEntry, ConsoleExit, ConsoleOpening, ConsolePermissions, ConsoleRequest,
    ConsoleRequests, DeadLetters, Diff, Done, FreezeRequest, Logs, OpenedConsole, OverrideRequest, Problem,
    ReconcileRequest, RedriveRequest, Redriven, ReleaseBegun, ReleaseDetail, ReleaseRequest, Releases,
    ResendRequest, RollbackRequest, UnfreezeRequest,
};
use slipway_core::doctor::Checkup;

use crate::{ROUTES, parameters_of};

/// What the token of a page of a log looks like (`slipway_core::log::Place`).
const TOKEN: &str = "^[0-9]{1,15}(-[1-9][0-9]{0,14})?$";

/// The document.
#[must_use]
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let problem = reference::<Problem>(&mut generator);
    let mut paths = Map::new();
    for route in ROUTES {
        let (method, path) = route.split_once(' ').expect("a route is a method and a path");
        let operation = operation(route, path, &mut generator, &problem);
        let methods = paths.entry(path).or_insert_with(|| json!({}));
        methods[method.to_lowercase()] = operation;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Slipway's operators' API",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache 2.0", "identifier": "Apache-2.0" },
            "description": "What people and their programs ask about releases, and ask of them. Every request is signed (SigV4) for the service execute-api; the IAM permission is execute-api:Invoke on the method and path. With the header Slipway-Console, which has the name of the caller's session of the console, a request proves that IAM allows it and does nothing else; the answer is 204.",
        },
        "servers": [{ "url": "{url}", "variables": { "url": { "default": "http://localhost", "description": "The Terraform output operators_api" } } }],
        "security": [{ "sigv4": [] }],
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": {
                "sigv4": {
                    "type": "apiKey", "in": "header", "name": "Authorization",
                    "description": "AWS Signature Version 4, for the service execute-api",
                    "x-amazon-apigateway-authtype": "awsSigv4",
                },
            },
        },
    })
}

fn operation(route: &str, path: &str, generator: &mut SchemaGenerator, problem: &Value) -> Value {
    let (id, summary, answer) = answer_of(route, generator);
    let mut parameters: Vec<_> = path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| {
            json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string", "minLength": 1 }, "description": described(name) })
        })
        .collect();
    parameters.extend(parameters_of(route).iter().map(|name| {
        let mut schema = json!({ "type": "string", "minLength": 1 });
        if *name == "token" {
            schema["pattern"] = json!(TOKEN);
        }
        json!({ "name": name, "in": "query", "required": false, "schema": schema, "description": described(name) })
    }));
    let body = body_of(route, generator);
    if needs_key(route) {
        parameters.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": true,
            "schema": { "type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[!-~]+$" },
            "description": "New for each request, and the same when it is sent again: it is done once.",
        }));
    }
    let problem = |words: &str| json!({ "description": words, "content": { "application/problem+json": { "schema": problem } } });
    let mut responses = json!({
        "200": { "description": "The answer", "content": { "application/json": { "schema": answer } } },
        "400": problem("A parameter, the body or a header does not fit"),
        "403": { "description": "The caller has no permission for this method and path, or the request is not signed" },
        "503": problem("AWS could not be asked; the same request may be sent again"),
    });
    if path.contains('{') || body.is_some() {
        responses["404"] = problem("There is no such application, release, image or stage");
        responses["409"] = problem("The state of the application or the image does not allow it");
    }
    if path == "/dead-letters/redrive" {
        responses["404"] = problem("There is no such queue");
    }
    if body.is_some() {
        responses["422"] = problem("The key came with another request before");
    }
    let mut operation =
        json!({ "operationId": id, "summary": summary, "parameters": parameters, "responses": responses });
    if let Some(schema) = body {
        operation["requestBody"] = json!({ "required": needs_body(&schema, generator), "content": { "application/json": { "schema": schema } } });
    }
    operation
}

fn described(parameter: &str) -> &'static str {
    match parameter {
        "application" => "The application's name",
        "image" => {
            "A tag, a digest, or six or more of a digest's first digits; without it what the last stage runs"
        }
        "function" => "The one function whose lines are asked for; without it those of all",
        "token" => "The `next` of the answer before; without it the page is the first one",
        _ => "The release's id",
    }
}

/// Whether a route begins something new each time: then the client says which requests are the same.
fn needs_key(route: &str) -> bool {
    let last = route.rsplit('/').next().unwrap_or_default();
    route.starts_with("POST ") && ["reconcile", "redrive", "release", "resend", "rollback"].contains(&last)
}

fn answer_of(route: &str, generator: &mut SchemaGenerator) -> (&'static str, &'static str, Value) {
    match route {
        "GET /applications" => (
            "listApplications",
            "Every application, and what its stages run",
            reference::<Applications>(generator),
        ),
        "GET /applications/{application}" => (
            "getApplication",
            "One application with all that an operator asks about it",
            reference::<Application>(generator),
        ),
        "GET /applications/{application}/audit" => (
            "getAudit",
            "An application's audit, for whoever checks its chain",
            reference::<Audit>(generator),
        ),
        "GET /applications/{application}/diff" => {
            ("getDiff", "What a release of an image would change now", reference::<Diff>(generator))
        }
        "GET /applications/{application}/doctor" => (
            "checkApplication",
            "What would stop a release of an application or goes wrong, each with what to do",
            reference::<Checkup>(generator),
        ),
        "GET /applications/{application}/releases" => (
            "listReleases",
            "An application's releases and DORA's four figures",
            reference::<Releases>(generator),
        ),
        "GET /applications/{application}/releases/{release}" => {
            ("getRelease", "One release with all that happened to it", reference::<ReleaseDetail>(generator))
        }
        "GET /applications/{application}/releases/{release}/logs" => (
            "getLogs",
            "What the functions logged of a release, the oldest line first, a page of it",
            reference::<Logs>(generator),
        ),
        "GET /dead-letters" => (
            "listDeadLetters",
            "The queues of events that could not be handled, and how many each holds",
            reference::<DeadLetters>(generator),
        ),
        "GET /approvals" => (
            "listApprovals",
            "The approvals that people are asked for now",
            reference::<Approvals>(generator),
        ),
        "GET /board" => (
            "getBoard",
            "Every application and what its stages run, without what ECS says of their services",
            reference::<Applications>(generator),
        ),
        "GET /doctor" => (
            "checkDeployer",
            "What goes wrong with the deployer itself, each with what to do",
            reference::<Checkup>(generator),
        ),
        _ if route.contains("/console/") => answer_of_console(route, generator),
        _ => answer_of_post(route, generator),
    }
}

fn answer_of_console(route: &str, generator: &mut SchemaGenerator) -> (&'static str, &'static str, Value) {
    match route {
        "POST /console/end" => ("endConsole", "End a session of the console", reference::<Done>(generator)),
        "POST /console/enter" => (
            "enterConsole",
            "Spend a one-time address of the console for a browser, which gets a new secret",
            reference::<ConsoleEntrance>(generator),
        ),
        "POST /console/leave" => {
            ("leaveConsole", "End the session of a browser", reference::<Done>(generator))
        }
        "POST /console/open" => (
            "openConsole",
            "Open a session of the console, which may do what its caller proves one path after the other",
            reference::<OpenedConsole>(generator),
        ),
        "POST /console/permissions" => (
            "listConsolePermissions",
            "Which paths a session's pages ask for that IAM has yet to allow",
            reference::<ConsoleRequests>(generator),
        ),
        _ => (
            "requestFromConsole",
            "Answer a page of the console, no further than IAM lets whoever opened its session",
            reference::<ConsoleAnswer>(generator),
        ),
    }
}

fn answer_of_post(route: &str, generator: &mut SchemaGenerator) -> (&'static str, &'static str, Value) {
    match route {
        "POST /applications/{application}/clear" => (
            "clearQuarantine",
            "Let an image be released again that was rolled back or rejected",
            reference::<Done>(generator),
        ),
        "POST /applications/{application}/release" => {
            ("release", "Release an image through every stage and gate", reference::<ReleaseBegun>(generator))
        }
        "POST /applications/{application}/releases/{release}/abort" => (
            "abort",
            "End a release; what it has begun to change is rolled back",
            reference::<Done>(generator),
        ),
        "POST /applications/{application}/freeze" => (
            "freezeApplication",
            "Freeze a stage of the application, or all of them",
            reference::<Done>(generator),
        ),
        "POST /applications/{application}/unfreeze" => {
            ("unfreezeApplication", "Lift a freeze of the application", reference::<Done>(generator))
        }
        "POST /freeze" => {
            ("freeze", "Freeze a stage of every application, or all of them", reference::<Done>(generator))
        }
        "POST /unfreeze" => ("unfreeze", "Lift a freeze of every application", reference::<Done>(generator)),
        "POST /applications/{application}/releases/{release}/override" => (
            "overrideFreeze",
            "Let a release through the freezes that are in force now",
            reference::<Done>(generator),
        ),
        "POST /applications/{application}/releases/{release}/resend" => (
            "resend",
            "Send the mails of the release's open approval again to those who have not answered",
            reference::<Done>(generator),
        ),
        "POST /dead-letters/redrive" => (
            "redrive",
            "Hand dead letters to their functions again, as many as there is time for in one request",
            reference::<Redriven>(generator),
        ),
        "POST /reconcile" => (
            "reconcile",
            "Look for pushes, events and outcomes that were lost, now and not in some minutes",
            reference::<Done>(generator),
        ),
        "POST /applications/{application}/rollback" => {
            ("rollback", "Release the image that ran before again", reference::<ReleaseBegun>(generator))
        }
        _ => ("getDocument", "This document", json!({ "type": "object" })),
    }
}

/// Whether a request without a body is refused: something in it has no default.
fn needs_body(schema: &Value, generator: &SchemaGenerator) -> bool {
    let name = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
    let definition = name.and_then(|name| generator.definitions().get(name));
    definition.is_some_and(|definition| definition["required"].as_array().is_some_and(|all| !all.is_empty()))
}

fn body_of(route: &str, generator: &mut SchemaGenerator) -> Option<Value> {
    let (_, path) = route.split_once(' ')?;
    if route.starts_with("GET ") {
        return None;
    }
    Some(match path.rsplit('/').next()? {
        "end" => reference::<ConsoleEnd>(generator),
        "leave" => reference::<ConsoleExit>(generator),
        "enter" => reference::<ConsoleEntry>(generator),
        "open" => reference::<ConsoleOpening>(generator),
        "permissions" => reference::<ConsolePermissions>(generator),
        "request" => reference::<ConsoleRequest>(generator),
        "clear" => reference::<ClearRequest>(generator),
        "release" => reference::<ReleaseRequest>(generator),
        "abort" => reference::<AbortRequest>(generator),
        "freeze" => reference::<FreezeRequest>(generator),
        "unfreeze" => reference::<UnfreezeRequest>(generator),
        "override" => reference::<OverrideRequest>(generator),
        "resend" => reference::<ResendRequest>(generator),
        "redrive" => reference::<RedriveRequest>(generator),
        "reconcile" => reference::<ReconcileRequest>(generator),
        _ => reference::<RollbackRequest>(generator),
    })
}

fn reference<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().to_value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_the_committed_one() {
        let document = format!("{}\n", serde_json::to_string_pretty(&document()).expect("it is JSON"));
        expectorate::assert_contents(
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json"),
            &document,
        );
    }

    #[test]
    fn every_route_has_an_operation_of_its_own() {
        let document = document();
        let operations = document["paths"].as_object().expect("paths").values();
        let ids: std::collections::BTreeSet<_> = operations
            .flat_map(|methods| methods.as_object().expect("methods").values())
            .map(|operation| operation["operationId"].as_str().expect("an id"))
            .collect();
        assert_eq!(ids.len(), ROUTES.len());
    }
}
