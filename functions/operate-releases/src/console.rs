//! Sessions of the console: opened by who IAM proved, entered by one browser, and answered as far as IAM lets whoever opened
//! them.
//!
//! Nothing here decides what somebody may do. A permission is written down when a signed request of that very path, by
//! whoever opened the session, has come through API Gateway with the header `Slipway-Console`: then IAM has allowed it a
//! moment ago ("Control access to HTTP APIs with IAM authorization", API Gateway developer guide). Such a request is
//! answered with 204, and does nothing else.

use std::collections::BTreeMap;

use futures::try_join;
use jiff::Timestamp;
use lambda_http::http::StatusCode;
use lambda_http::{Request, Response};
use serde_json::Value;
use slipway_aws::{Key, Stored, Table, Update};
use slipway_core::api::{
    ConsoleAnswer, ConsoleEnd, ConsoleEntrance, ConsoleEntry, ConsoleExit, ConsoleOpening,
    ConsolePermissions, ConsoleRequest, ConsoleRequests, Done, OpenedConsole, ProblemCode,
};
use slipway_core::console::{
    ADDRESS, PathRequest, Permission, REQUESTS_A_MINUTE, SEPARATOR, Session, Verdict, is_token, judge,
    session_of,
};
use slipway_release::{count, minute_of, new_token, now, token_hash};

use crate::act::hash;
use crate::call::Call;
use crate::idempotency::{Answered, answer_before};
use crate::problem::{self, Failure, problem};
use crate::{Operator, answer, json};

/// The header of a request that proves a path and does nothing else, with the session's name.
const PROVES: &str = "slipway-console";

/// The session whose permission a request is to prove; nothing where it asks for an answer.
pub(crate) fn to_prove(request: &Request) -> Option<Result<&str, Failure>> {
    let session = request.headers().get(PROVES)?;
    // Whatever it says, such a request does nothing but prove.
    Some(session.to_str().ok().filter(|session| is_token(session)).ok_or_else(no_session))
}

/// Opens a session for the caller.
pub(crate) async fn open(operator: &Operator<'_>, _: ConsoleOpening) -> Result<OpenedConsole, Failure> {
    let Operator { table, config, caller, .. } = operator;
    let (name, secret, at) = (new_token()?, new_token()?, now());
    let token = format!("{name}{SEPARATOR}{secret}");
    let session = Session::open(caller.clone(), token_hash(table, &token), at);
    let opened = OpenedConsole {
        address: format!("{}/enter/{token}", config.console_url.trim_end_matches('/')),
        address_expires_at: at + ADDRESS,
        expires_at: session.expires_at(),
        session: name,
    };
    // Both names are new, so neither write meets another one.
    table
        .put(&Key::console_opened(&token_hash(table, &caller.arn), &opened.session), &session.expires_at())
        .await?;
    table.put(&Key::console(&opened.session), &session).await?;
    tracing::info!(caller = caller.arn, "{} has opened a session of the console", caller.name);
    count("ConsoleOpened", &[]);
    Ok(opened)
}

/// The session of this name, where the caller opened it. Of another one's nothing is said.
async fn own(operator: &Operator<'_>, name: &str) -> Result<Session, Failure> {
    let session = find_session(&operator.table, name).await?;
    session.filter(|session| session.is_of(&operator.caller)).ok_or_else(no_session)
}

async fn find_session(table: &Table, name: &str) -> Result<Option<Session>, Failure> {
    if !is_token(name) {
        return Ok(None);
    }
    Ok(table.get::<Session>(&Key::console(name)).await?.map(|stored| stored.document))
}

fn no_session() -> Failure {
    problem(
        StatusCode::NOT_FOUND,
        ProblemCode::UnknownSession,
        "you have no such session of the console, or it has ended: open one with `slipway console`",
    )
    .at("session")
}

/// Writes down that IAM lets the caller ask for this path: it has let this request through.
pub(crate) async fn prove(
    operator: &Operator<'_>,
    call: &Call,
    path: &str,
    name: &str,
) -> Result<Response<String>, Failure> {
    let (method, asked) = call.method_and_path()?;
    // IAM was asked about the path as it came: one that is written in another way is another one to it.
    if path != asked || Call::of_page(method, &asked, BTreeMap::new()).is_none() {
        return Err(problem(
            StatusCode::NOT_FOUND,
            ProblemCode::UnknownRoute,
            "pages of the console do not ask for this path",
        ));
    }
    let at = now();
    let session = own(operator, name).await?;
    if !session.is_open(at) {
        return Err(no_session());
    }
    let permission = Key::console_permission(name, method, &asked);
    operator.table.put(&permission, &session.permission(at)).await?;
    remember(&operator.table, name, method, &asked, |request| PathRequest { refused_at: None, ..request })
        .await?;
    Ok(Response::builder()
        .status(StatusCode::NO_CONTENT)
        .header("cache-control", "no-store")
        .body(String::new())
        .expect("a status and a header that are constants make a response"))
}

/// Changes what is known of a page's request, where there is one.
async fn remember(
    table: &Table,
    session: &str,
    method: &str,
    path: &str,
    change: impl Fn(PathRequest) -> PathRequest,
) -> Result<(), Failure> {
    let key = Key::console_request(session, method, path);
    table
        .update(&key, |current: Option<PathRequest>| match current {
            Some(current) if change(current.clone()) != current => Update::Write(change(current), ()),
            _ => Update::Leave(()),
        })
        .await?;
    Ok(())
}

/// Takes down what IAM refused, and says what pages ask for.
pub(crate) async fn permissions(
    operator: &Operator<'_>,
    asked: ConsolePermissions,
) -> Result<ConsoleRequests, Failure> {
    let ConsolePermissions { session: name, refused } = asked;
    let (session, table, at) = (own(operator, &name).await?, &operator.table, now());
    for refused in &refused {
        let Some((method, path)) = refused.split_once(' ') else { continue };
        if Call::of_page(method, path, BTreeMap::new()).is_none() {
            continue;
        }
        remember(table, &name, method, path, |request| PathRequest { refused_at: Some(at), ..request })
            .await?;
        // What was proven before counts no more, also once the refusal is not shown any more.
        let permission = Key::console_permission(&name, method, path);
        let ended = table.update(&permission, |current: Option<Permission>| {
            current
                .and_then(|permission| permission.end(at))
                .map_or(Update::Leave(()), |ended| Update::Write(ended, ()))
        });
        ended.await?;
    }
    let (pk, prefix) = Key::console_requests(&name);
    let requests =
        table.list::<PathRequest>(&pk, &prefix).await?.into_iter().map(|(_, stored)| stored.document);
    Ok(ConsoleRequests {
        requests: requests.filter(|request| request.is_waiting(at)).collect(),
        entered: session.secret_hash.is_some(),
        ended: !session.is_open(at),
    })
}

/// Ends a session of the caller's, or all of them.
pub(crate) async fn end(operator: &Operator<'_>, asked: ConsoleEnd) -> Result<Done, Failure> {
    let table = &operator.table;
    let names = if let Some(name) = asked.session {
        own(operator, &name).await?;
        vec![name]
    } else {
        let (pk, prefix) = Key::consoles_opened(&token_hash(table, &operator.caller.arn));
        let opened = table.list::<Timestamp>(&pk, &prefix).await?;
        let at = now();
        let opened = opened.into_iter().filter(|(_, stored)| at < stored.document);
        opened.map(|(key, _)| key.sk).collect()
    };
    let mut ended: usize = 0;
    for name in &names {
        ended += usize::from(close(table, name).await?);
    }
    if ended == 0 {
        let arn = &operator.caller.arn;
        return Ok(Done {
            words: format!(
                "{arn} has no open session of the console; a role's session of another name is another caller, whose sessions end with their command, in the browser, or after eight hours"
            ),
        });
    }
    Ok(Done { words: in_words(ended) })
}

fn in_words(ended: usize) -> String {
    match ended {
        0 => "no session of the console was open".to_owned(),
        1 => "the session of the console has ended".to_owned(),
        several => format!("{several} sessions of the console have ended"),
    }
}

/// Ends the session of a browser. That it has none is no error: then there is nothing to end.
pub(crate) async fn leave(operator: &Operator<'_>, asked: ConsoleExit) -> Result<Done, Failure> {
    let table = &operator.table;
    let hash = token_hash(table, &asked.secret);
    let Some(name) = session_of(&asked.secret) else { return Ok(Done { words: in_words(0) }) };
    let session = find_session(table, name).await?;
    let is_in = session.is_some_and(|session| session.knows(&hash, now()));
    let ended = is_in && close(table, name).await?;
    Ok(Done { words: in_words(usize::from(ended)) })
}

async fn close(table: &Table, name: &str) -> Result<bool, Failure> {
    let (at, key) = (now(), Key::console(name));
    let ended =
        table.update(&key, |current: Option<Session>| match current.and_then(|session| session.end(at)) {
            Some(ended) => Update::Write(ended, true),
            None => Update::Leave(false),
        });
    let ended = ended.await?;
    if ended {
        count("ConsoleEnded", &[]);
    }
    Ok(ended)
}

/// Spends a one-time address for a browser, which gets a secret that nobody had before.
pub(crate) async fn enter(operator: &Operator<'_>, entry: ConsoleEntry) -> Result<ConsoleEntrance, Failure> {
    let table = &operator.table;
    let Some(name) = session_of(&entry.token) else { return Ok(ConsoleEntrance::Unknown) };
    let (at, address) = (now(), token_hash(table, &entry.token));
    let secret = format!("{name}{SEPARATOR}{}", new_token()?);
    let hash = token_hash(table, &secret);
    let key = Key::console(name);
    let entered = table.update(&key, |current: Option<Session>| {
        let Some(session) = current else { return Update::Leave(ConsoleEntrance::Unknown) };
        // The answer to the write was lost: it is this very request that has spent the address.
        let left = session.expires_at().duration_since(at).as_secs();
        let by = session.by.name.clone();
        let entered = || ConsoleEntrance::Entered { secret: secret.clone(), seconds: left, by: by.clone() };
        if session.knows(&hash, at) {
            return Update::Leave(entered());
        }
        match session.enter(&address, hash.clone(), at) {
            Ok(session) => Update::Write(session, entered()),
            Err(why) => Update::Leave(why.into()),
        }
    });
    let entered = entered.await?;
    count("ConsoleEntered", &[("Result", &format!("{entered:?}"))]);
    Ok(entered)
}

/// Answers a page, as the API answers whoever opened its session, and no further than IAM lets them.
pub(crate) async fn request(
    operator: &Operator<'_>,
    asked: ConsoleRequest,
) -> Result<ConsoleAnswer, Failure> {
    let table = &operator.table;
    let Some(name) = session_of(&asked.secret) else { return Ok(ConsoleAnswer::NoSession) };
    let (at, hash) = (now(), token_hash(table, &asked.secret));
    let session = find_session(table, name).await?.filter(|session| session.knows(&hash, at));
    let Some(session) = session else { return Ok(ConsoleAnswer::NoSession) };
    if table.count(&Key::console_pace(name, &minute_of(at))).await? > REQUESTS_A_MINUTE {
        count("ConsoleRefused", &[("Reason", "TooMany")]);
        return Ok(ConsoleAnswer::TooMany);
    }
    let Some(call) = Call::of_page(&asked.method, &asked.path, asked.query) else {
        let answer = problem::of_failure(crate::unknown_route(&asked.path));
        return Ok(answered(&answer, &session));
    };
    let call = call.with(asked.key, asked.document.as_ref());
    let (method, path) = match call.method_and_path() {
        Ok(found) => found,
        Err(failure) => return Ok(answered(&problem::of_failure(failure), &session)),
    };
    match verdict(table, name, method, &path).await? {
        Verdict::Refused => return Ok(ConsoleAnswer::Refused),
        Verdict::Unproven => return Ok(ConsoleAnswer::Unproven),
        Verdict::Allowed | Verdict::AllowedAndRenewed => {}
    }
    if asked.asks_only {
        return Ok(ConsoleAnswer::Allowed { by: session.by.name });
    }
    let Operator { aws, config, .. } = operator;
    let caller = session.by.clone();
    let route = &call.route;
    tracing::info!(caller = caller.arn, route, "{} asks for {route} in the console", caller.name);
    let operator = Operator { aws, config, table: table.clone(), caller };
    let answer =
        Box::pin(answer_once(&operator, name, &call, &path)).await.unwrap_or_else(problem::of_failure);
    Ok(answered(&answer, &session))
}

/// Answers a page. The same form again has the answer of the first time, whatever was done since: a freeze that somebody has
/// lifted does not come back when its page is sent again.
async fn answer_once(
    operator: &Operator<'_>,
    session: &str,
    call: &Call,
    path: &str,
) -> Result<Response<String>, Failure> {
    if call.route.starts_with("GET ") {
        return answer(operator, call).await;
    }
    let form = Key::console_form(session, call.idempotency_key()?);
    let asked = hash(&[path, &call.body_text()]);
    if let Some(before) =
        answer_before::<Value>(&operator.table, &form, &asked, "a form of the console").await?
    {
        return Ok(json(&before));
    }
    let answer = answer(operator, call).await?;
    let document: Value = serde_json::from_str(answer.body()).unwrap_or_default();
    operator.table.put(&form, &Answered { asked, answer: document }).await?;
    Ok(answer)
}

fn answered(answer: &Response<String>, session: &Session) -> ConsoleAnswer {
    let document: Value = serde_json::from_str(answer.body()).unwrap_or_default();
    ConsoleAnswer::Answered { status: answer.status().as_u16(), document, by: session.by.name.clone() }
}

/// Whether a page's request is answered; what has yet to be proven is written down for the command.
async fn verdict(table: &Table, session: &str, method: &str, path: &str) -> Result<Verdict, Failure> {
    let (permission, request) =
        (Key::console_permission(session, method, path), Key::console_request(session, method, path));
    let (permission, known) =
        try_join!(table.get::<Permission>(&permission), table.get::<PathRequest>(&request))?;
    let (permission, known) = (permission.map(document), known.map(document));
    let at = now();
    let verdict = judge(permission.as_ref(), known.as_ref(), at);
    if matches!(verdict, Verdict::Unproven | Verdict::AllowedAndRenewed) {
        let wanted = PathRequest { method: method.to_owned(), path: path.to_owned(), at, refused_at: None };
        table.put(&request, &wanted).await?;
    }
    Ok(verdict)
}

fn document<T>(stored: Stored<T>) -> T {
    stored.document
}

#[cfg(test)]
mod tests {
    use lambda_http::Body;

    use super::*;

    #[test]
    fn a_request_with_the_header_proves_whatever_the_header_says() {
        let of = |value: &[u8]| {
            let request = lambda_http::http::Request::builder().header("Slipway-Console", value);
            request.body(Body::Empty).expect("a request")
        };
        let name = "a".repeat(43);
        assert!(to_prove(&lambda_http::http::Request::new(Body::Empty)).is_none());
        assert!(to_prove(&of(name.as_bytes())).is_some_and(|session| session.is_ok()));
        for bad in [&b""[..], b"x", b"\xff", format!("{name}a").as_bytes(), b"a b"] {
            assert!(to_prove(&of(bad)).is_some_and(|session| session.is_err()), "{bad:?}");
        }
    }

    #[test]
    fn only_what_has_the_shape_of_a_secret_is_looked_up() {
        let (name, secret) = ("aZ09-_x".repeat(7)[..43].to_owned(), "b".repeat(43));
        assert_eq!(session_of(&format!("{name}.{secret}")), Some(name.as_str()));
        for bad in [
            String::new(),
            name.clone(),
            format!("{name}.{}", &secret[1..]),
            format!("{name}.{secret}."),
            format!("{name}#{secret}"),
            format!("{}#.{secret}", &name[1..]),
        ] {
            assert_eq!(session_of(&bad), None, "{bad}");
        }
    }
}
