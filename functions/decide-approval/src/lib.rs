//! The approval page behind the link of a mail. Looking at it changes nothing; only its form, sent by POST, decides.
//!
//! It writes decisions into the table and nothing else: the table's stream brings them to the workflow. Links that are
//! altered, unknown, used or expired get the same calm kind of page, and no effect.

mod answer;
mod form;
mod page;
mod signed_in;

use std::future::Future;

use lambda_http::http::{Method, StatusCode};
use lambda_http::{Request, Response};
use slipway_aws::{Aws, Key, Stored, Table, Write};
use slipway_core::approval::{Approval, Decision, Link, Refusal, Verdict};
use slipway_core::audit::{About, NewEntry, What};
use slipway_core::pusher::Pushers;
use slipway_core::timeline::{Step, View};
use slipway_release::{
    StepError, Timeline, audit, count, find_application, minute_of, next_entry, now, token_hash,
};
use slipway_runtime::{ConfigurationError, Environment};

pub use form::{Form, FormProblem, nonce};
use signed_in::SignedIn;

/// How often a decision is tried again when another one, or an entry of the audit, was written at the same moment.
const RACES: usize = 20;
/// How many entries of the audit one link makes in a minute, besides its decision.
const ENTRIES_A_MINUTE: u64 = 5;
/// Where approvals are.
const APPROVALS: &str = "/approvals/";
/// Where releases can be read.
const RELEASES: &str = "/releases/";

/// The function's configuration, from its environment.
#[derive(Clone, Debug)]
pub struct Config {
    /// The table's name.
    pub table: String,
    /// The SSM path that the applications' parameters are below: who may approve is read again with each form.
    pub applications_path: String,
}

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    ///
    /// When a variable is not set.
    pub fn read(environment: &Environment<'_>) -> Result<Self, ConfigurationError> {
        Ok(Self { table: environment.table()?, applications_path: environment.applications_path()? })
    }
}

/// Whose link, to which approval, and what became of it since.
struct Found {
    link: Link,
    approval: Approval,
    version: u64,
}

/// Answers a request of a browser. What goes wrong inside is logged, and answered with a page that says to try again.
pub async fn handle(aws: &Aws, config: &Config, request: Request) -> Response<String> {
    match route(aws, config, &request).await {
        Ok(response) => response,
        Err(error) => {
            tracing::error!(error.name = error.name(), "the approval page could not be answered: {error}");
            answer::page(StatusCode::SERVICE_UNAVAILABLE, &page::try_again())
        }
    }
}

fn route<'a>(
    aws: &'a Aws,
    config: &'a Config,
    request: &'a Request,
) -> impl Future<Output = Result<Response<String>, StepError>> + 'a {
    let path = request.uri().path();
    let table = aws.table(&config.table);
    async move {
        match (request.method(), path) {
            (&Method::GET | &Method::HEAD, "/style.css") => Ok(answer::stylesheet()),
            (&Method::GET | &Method::HEAD, _) if path.starts_with(RELEASES) => match token(path, RELEASES) {
                Some(token) => release(&table, token, request.uri().query()).await,
                None => Ok(unknown()),
            },
            (&Method::GET | &Method::HEAD, _) => match token(path, APPROVALS) {
                Some(token) => show(&table, token, request).await,
                None => Ok(unknown()),
            },
            (&Method::POST, _) => match token(path, APPROVALS) {
                Some(token) => decide(aws, config, &table, token, request).await,
                None => Ok(unknown()),
            },
            _ => Ok(answer::page(StatusCode::METHOD_NOT_ALLOWED, &page::unknown())),
        }
    }
}

/// The token of `/approvals/{token}` or `/releases/{token}`: 32 bytes as 43 characters. Anything else is not looked up.
fn token<'a>(path: &'a str, below: &str) -> Option<&'a str> {
    let token = path.strip_prefix(below)?;
    let fits = token.len() == 43
        && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    fits.then_some(token)
}

/// Shows how a release went, or how far it is. Nothing can be done from there, and nothing is written.
async fn release(table: &Table, token: &str, query: Option<&str>) -> Result<Response<String>, StepError> {
    let Some(view) = table.get::<View>(&Key::view(&token_hash(table, token))).await? else {
        return Ok(unknown());
    };
    let release = view.document.release;
    let events = Timeline::of(table, &release.id).events().await?;
    let loading = page::Loading::of(query, &events);
    let page = page::release(&release, &events, loading, now());
    Ok(match loading {
        page::Loading::Again => answer::page_loaded_again(&page, page::LOADED_AGAIN_AFTER),
        page::Loading::Once => answer::page(StatusCode::OK, &page),
    })
}

async fn find(table: &Table, token: &str) -> Result<Option<Found>, StepError> {
    let Some(link) = table.get::<Link>(&Key::link(&token_hash(table, token))).await? else { return Ok(None) };
    let stored = table.get(&Key::approval(&link.document.approval)).await?;
    Ok(stored.map(|Stored { document, version }| Found { link: link.document, approval: document, version }))
}

/// Shows the approval as it is. That it was opened is written down; nothing else is.
async fn show(table: &Table, token: &str, request: &Request) -> Result<Response<String>, StepError> {
    let Some(found) = find(table, token).await? else { return Ok(unknown()) };
    let person = SignedIn::of(request);
    if !person.may_use_link_of(&found.link.approver) {
        return not_yours(table, &found, &person).await;
    }
    if request.method() == Method::GET {
        write_down(table, &found, What::Opened, person.in_words()).await?;
    }
    page_of(table, &found.approval, &found.link, token, StatusCode::OK).await
}

async fn page_of(
    table: &Table,
    approval: &Approval,
    link: &Link,
    token: &str,
    status: StatusCode,
) -> Result<Response<String>, StepError> {
    let mut steps = Timeline::of(table, &approval.release.id).events().await?;
    steps.retain(|event| event.at > approval.requested_at && event.step != Step::Asked);
    let pushers = pushers(table, approval).await?;
    let visit = page::Visit {
        approval,
        progress: &steps,
        pushers: pushers.as_ref(),
        approver: &link.approver,
        nonce: &form::nonce(token),
        now: now(),
    };
    Ok(answer::page(status, &page::approval(visit)))
}

async fn decide(
    aws: &Aws,
    config: &Config,
    table: &Table,
    token: &str,
    request: &Request,
) -> Result<Response<String>, StepError> {
    let form = match Form::read(request, token) {
        Ok(form) => form,
        Err(problem) => {
            count("DecisionRefused", &[("Reason", problem.label())]);
            if let Some(found) = find(table, token).await? {
                write_down(table, &found, What::Refused, problem.to_string()).await?;
            }
            return Ok(answer::page(problem.status(), &page::bad_form(problem)));
        }
    };
    let person = SignedIn::of(request);
    for _ in 0..RACES {
        let Some(found) = find(table, token).await? else { return Ok(unknown()) };
        if !person.may_use_link_of(&found.link.approver) {
            return not_yours(table, &found, &person).await;
        }
        let pushers = pushers(table, &found.approval).await?;
        let decided = match still_asked(aws, config, &found)
            .await?
            .and_then(|()| answered(&found, &form, pushers.as_ref()))
        {
            Ok(decided) => decided,
            Err(refusal) => {
                count("DecisionRefused", &[("Reason", label(refusal))]);
                write_down(table, &found, What::Refused, refusal.to_string()).await?;
                return match refusal {
                    Refusal::WrongDigest => {
                        Ok(answer::page(StatusCode::UNPROCESSABLE_ENTITY, &page::wrong_digest()))
                    }
                    Refusal::NotOverridden => {
                        Ok(answer::page(StatusCode::UNPROCESSABLE_ENTITY, &page::not_overridden()))
                    }
                    Refusal::PusherUnknown => Ok(answer::page(StatusCode::CONFLICT, &page::pusher_unknown())),
                    Refusal::PusherUnmapped => {
                        Ok(answer::page(StatusCode::CONFLICT, &page::pusher_unmapped()))
                    }
                    // The page shows what was decided, or that the time is over.
                    _ => page_of(table, &found.approval, &found.link, token, StatusCode::CONFLICT).await,
                };
            }
        };
        let Some(decision) = decided.decisions.last() else { continue };
        let what = match decision.verdict {
            Verdict::Approved => What::Approved,
            Verdict::Rejected => What::Rejected,
        };
        let happening = NewEntry {
            at: decision.at,
            what,
            person: Some(decision.by.clone()),
            caller: None,
            words: words(&decided, decision, &person),
        };
        let (entry, sealed) = next_entry(table, &About::from(&decided), &happening).await?;
        let decision = Write::over(&Key::approval(&decided.id), &decided, Some(found.version));
        if table.write_all(&[decision, Write::new(&entry, &sealed)]).await? {
            tracing::info!(release.id = %decided.release.id, stage = %decided.stage, audit.hash = sealed.hash, status = ?decided.status, "a decision about {} in {} was written", decided.release.id, decided.stage);
            count("Decision", &[("Status", page::word(decided.status))]);
            return page_of(table, &decided, &found.link, token, StatusCode::OK).await;
        }
    }
    Ok(answer::page(StatusCode::SERVICE_UNAVAILABLE, &page::try_again()))
}

/// A decision in the audit: with what an approval overrides, and who was signed in.
fn words(approval: &Approval, decision: &Decision, person: &SignedIn) -> String {
    let in_spite_of = match (approval.baseline.in_spite_of(), decision.verdict) {
        (Some(disquiet), Verdict::Approved) => format!("(in spite of: {disquiet})"),
        _ => String::new(),
    };
    let person = Some(person.in_words()).filter(|words| !words.is_empty()).map(|words| format!("({words})"));
    let parts = [decision.reason.clone(), in_spite_of, person.unwrap_or_default()];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The page for who is signed in and uses the link of somebody else, which is written down.
async fn not_yours(table: &Table, found: &Found, person: &SignedIn) -> Result<Response<String>, StepError> {
    count("DecisionRefused", &[("Reason", "NotYours")]);
    let words = format!("the link is somebody else's: {}", person.in_words());
    write_down(table, found, What::Refused, words).await?;
    Ok(answer::page(StatusCode::FORBIDDEN, &page::not_yours()))
}

/// The approval with this form's answer.
fn answered(found: &Found, form: &Form, pushers: Option<&Pushers>) -> Result<Approval, Refusal> {
    let Found { link, approval, .. } = found;
    let decided = approval.decide(&link.approver, form.verdict, &form.reason, pushers, now())?;
    let confirmed =
        !approval.confirm_digest || form.verdict == Verdict::Rejected || form.digest == approval.digest_end();
    let overridden =
        approval.baseline.not_quiet.is_empty() || form.verdict == Verdict::Rejected || form.overrides;
    match (confirmed, overridden) {
        (true, true) => Ok(decided),
        (false, _) => Err(Refusal::WrongDigest),
        (true, false) => Err(Refusal::NotOverridden),
    }
}

/// Who pushed the image, where CloudTrail has recorded it.
async fn pushers(table: &Table, approval: &Approval) -> Result<Option<Pushers>, StepError> {
    let image = &approval.release.image;
    Ok(table
        .get::<Pushers>(&Key::pushers(&image.repository, &image.digest))
        .await?
        .map(|stored| stored.document))
}

/// Whether the person is among the stage's approvers still: someone who has left the team may have the mail.
async fn still_asked(aws: &Aws, config: &Config, found: &Found) -> Result<Result<(), Refusal>, StepError> {
    let Found { link, approval, .. } = found;
    let application = find_application(aws, &config.applications_path, &approval.release.application).await?;
    let mut stages = application.iter().flat_map(|application| &application.stages);
    let asked = stages
        .find(|stage| stage.name == approval.stage)
        .and_then(|stage| stage.approval.as_ref())
        .is_some_and(|policy| policy.approvers.contains(&link.approver));
    Ok(if asked { Ok(()) } else { Err(Refusal::NotAsked) })
}

/// Writes down what happened at the page. Whoever asks for it all the time has a few entries a minute, and no more:
/// decisions are entries of the same chain.
async fn write_down(table: &Table, found: &Found, what: What, words: String) -> Result<(), StepError> {
    let page = Key::page(&found.approval.id, &found.link.approver, &minute_of(now()));
    if table.count(&page).await? > ENTRIES_A_MINUTE {
        count("AuditEntrySkipped", &[("What", what.as_str())]);
        return Ok(());
    }
    let happening =
        NewEntry { at: now(), what, person: Some(found.link.approver.clone()), caller: None, words };
    audit(table, &About::from(&found.approval), &happening).await
}

fn unknown() -> Response<String> {
    count("DecisionRefused", &[("Reason", "Unknown")]);
    answer::page(StatusCode::NOT_FOUND, &page::unknown())
}

const fn label(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Expired => "Expired",
        Refusal::Decided => "Decided",
        Refusal::Used => "Used",
        Refusal::NotAsked => "NotAsked",
        Refusal::PusherUnknown => "PusherUnknown",
        Refusal::PusherUnmapped => "PusherUnmapped",
        Refusal::WrongDigest => "WrongDigest",
        Refusal::NotOverridden => "NotOverridden",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_43_characters_of_the_alphabet_are_looked_up() {
        let good = format!("/approvals/{}", "aZ09-_x".repeat(7).get(..43).expect("long enough"));
        assert!(token(&good, APPROVALS).is_some());
        for bad in [
            "/",
            "/approvals/",
            &good[..20],
            &format!("{good}x"),
            &good.replace('Z', "."),
            &good.replace('Z', "%"),
            &format!("{good}/"),
        ] {
            assert_eq!(token(bad, APPROVALS), None, "{bad}");
        }
    }
}
