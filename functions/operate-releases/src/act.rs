//! What operators ask of releases. Each is done once, however often it is asked for, and in the caller's name.

use lambda_http::http::StatusCode;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use slipway_aws::{Key, Update};
use slipway_core::api::{
    AbortRequest, ClearRequest, Done, ProblemCode, ReleaseBegun, ReleaseRequest, RollbackRequest,
};
use slipway_core::application::Application;
use slipway_core::audit::{About, NewEntry, What};
use slipway_core::history::{History, ImageError};
use slipway_core::image::{Digest, Image, digest_of};
use slipway_core::name::{ApplicationName, ReleaseId, StageName};
use slipway_core::quarantine::{Lifted, Quarantine};
use slipway_core::release::{Asked, Started};
use slipway_core::request::{Abort, requested};
use slipway_release::{audit, audit_with, begin, count, now, quarantine_of, was_released};

use crate::Operator;
use crate::idempotency::{Answered, answer_before};
use crate::problem::{Failure, problem};
use crate::read::{configured, history, lock, refuse_ended, started};

pub(crate) async fn release(
    operator: &Operator<'_>,
    name: &ApplicationName,
    key: &str,
    request: ReleaseRequest,
) -> Result<ReleaseBegun, Failure> {
    let application = configured(operator, name).await?;
    let asked = Request { application: &application, key, asked: hash(&["release", &json(&request)]) };
    let image = async {
        let history = history(&operator.table, name).await?;
        image(operator, &application, &history, &request.image).await
    };
    asked.begin(operator, image, request.stage.as_ref(), &request.reason).await
}

pub(crate) async fn rollback(
    operator: &Operator<'_>,
    name: &ApplicationName,
    key: &str,
    request: RollbackRequest,
) -> Result<ReleaseBegun, Failure> {
    let application = configured(operator, name).await?;
    let asked = Request { application: &application, key, asked: hash(&["rollback", &json(&request)]) };
    let image = async {
        let history = history(&operator.table, name).await?;
        match &request.to {
            Some(to) => image(operator, &application, &history, to).await,
            None => Ok(history.before(runs(operator, &application, request.stage.as_ref()).await?.as_ref())?),
        }
    };
    asked.begin(operator, image, request.stage.as_ref(), &request.reason).await
}

/// What a request for a release is called where its key came with another one before.
const RELEASE: &str = "release";

/// A request for a release.
struct Request<'a> {
    application: &'a Application,
    key: &'a str,
    asked: String,
}

impl Request<'_> {
    async fn begin(
        self,
        operator: &Operator<'_>,
        image: impl Future<Output = Result<Image, Failure>>,
        stage: Option<&StageName>,
        reason: &str,
    ) -> Result<ReleaseBegun, Failure> {
        let Operator { table, config, caller, .. } = operator;
        let name = &self.application.name;
        let only = only(self.application, stage)?;
        let id = hash(&[&caller.arn, self.key]);
        let received = Key::request(name, &id);
        let before = answer_before(table, &received, &self.asked, RELEASE).await?;
        let asked =
            Asked { by: caller.name.clone(), reason: reason.to_owned(), arn: Some(caller.arn.clone()) };
        // What a rollback goes back to is another image once the first request has begun its release.
        let image = if let Some(image) = before {
            image
        } else {
            let image = image.await?;
            let release = requested(self.application, image.clone(), &id);
            if stage.is_some() && !was_released(table, &release).await? {
                return Err(problem(
                    StatusCode::CONFLICT,
                    ProblemCode::UnknownImage,
                    format!(
                        "{} was never released: leave the stage out, and it goes through all of them",
                        in_words(&image)
                    ),
                )
                .at("stage"));
            }
            refuse_quarantined(operator, name, &image).await?;
            let alone = stage.map(|stage| format!(" (for {stage} alone)")).unwrap_or_default();
            let entry = new_entry(operator, What::ReleaseRequested, &format!("{}{alone}", asked.in_words()));
            let about = About::release(name, &release.id, &image.digest);
            let new = Answered { asked: self.asked, answer: image };
            // Both at once: where the release cannot begin now, the same request comes again and adds no entry.
            if audit_with(table, &about, &entry, &received, &new).await? {
                new.answer
            } else {
                answer_before(table, &received, &new.asked, RELEASE).await?.unwrap_or(new.answer)
            }
        };
        let release = requested(self.application, image, &id);
        let (id, image) = (release.id.clone(), release.image.clone());
        let at = now();
        let started = Started { release, at, pushed_at: at, asked: Some(asked) };
        begin(operator.notifier(), &config.state_machine_arn, started, only).await?;
        let holder = lock(table, name).await?;
        Ok(ReleaseBegun {
            waits_for_lock_of: holder.filter(|holder| *holder != id),
            release: id,
            image,
            stage: stage.cloned(),
        })
    }
}

/// The application with the one stage that is meant, or as it is.
fn only(application: &Application, stage: Option<&StageName>) -> Result<Application, Failure> {
    let Some(stage) = stage else { return Ok(application.clone()) };
    application.clone().only(stage).ok_or_else(|| {
        let stages: Vec<_> = application.stages.iter().map(|stage| stage.name.as_str()).collect();
        problem(
            StatusCode::NOT_FOUND,
            ProblemCode::UnknownStage,
            format!("{} has no stage {stage}; write one of {}", application.name, stages.join(", ")),
        )
        .at("stage")
    })
}

/// The image that a person names: one of the history, else one of the registry.
pub(crate) async fn image(
    operator: &Operator<'_>,
    application: &Application,
    history: &History,
    name: &str,
) -> Result<Image, Failure> {
    let unknown = match history.image(name) {
        Ok(image) => return Ok(image),
        Err(error @ ImageError::Unknown { .. }) => error,
        Err(other) => return Err(other.into()),
    };
    // What was pushed and never released, such as under a tag that no application waits for.
    let tagged = operator.aws.repositories().tagged(&application.repository).await?;
    let found = tagged
        .into_iter()
        .find(|image| image.digest.as_str() == name || image.tags.iter().any(|tag| tag == name));
    let Some(found) = found else { return Err(Failure::from(unknown).at("image")) };
    let named = found.tags.iter().find(|tag| *tag == name).or(found.tags.first());
    Ok(Image {
        repository: application.repository.clone(),
        tag: named.cloned().unwrap_or_else(|| found.digest.short().to_owned()),
        digest: found.digest,
    })
}

/// The digest that a stage runs, of its first service; of the last stage, where none is named.
pub(crate) async fn runs(
    operator: &Operator<'_>,
    application: &Application,
    stage: Option<&StageName>,
) -> Result<Option<Digest>, Failure> {
    let stage = match stage {
        Some(name) => application.stages.iter().find(|stage| stage.name == *name),
        None => application.stages.last(),
    };
    let Some(stage) = stage else { return Ok(None) };
    let Some(service) = stage.services.first() else { return Ok(None) };
    let ecs = operator.aws.ecs();
    let views = ecs.services(stage.cluster(), &[service.service.as_str()]).await?;
    let Some(view) = views.first() else { return Ok(None) };
    let definition = ecs.task_definition(view.task_definition.as_str()).await?;
    Ok(definition.and_then(|definition| {
        definition.images().into_iter().find_map(|image| own_digest(application, image))
    }))
}

/// The digest of a container's image, where it is of the application's repository.
pub(crate) fn own_digest(application: &Application, image: &str) -> Option<Digest> {
    let digest = digest_of(image)?;
    let own = Image { repository: application.repository.clone(), digest, tag: "-".to_owned() };
    own.in_place_of(image).map(|_| own.digest)
}

async fn refuse_quarantined(
    operator: &Operator<'_>,
    application: &ApplicationName,
    image: &Image,
) -> Result<(), Failure> {
    match quarantine_of(&operator.table, application, &image.digest).await? {
        None => Ok(()),
        Some(quarantine) => Err(problem(
            StatusCode::CONFLICT,
            ProblemCode::Quarantined,
            format!(
                "{} is {}. If the image was not at fault, clear it: slipway clear {application} {}",
                in_words(image),
                quarantine.in_words(),
                image.digest.short()
            ),
        )
        .at("image")),
    }
}

pub(crate) async fn abort(
    operator: &Operator<'_>,
    application: &ApplicationName,
    id: &ReleaseId,
    request: AbortRequest,
) -> Result<Done, Failure> {
    let Operator { table, caller, .. } = operator;
    let begun = started(operator, application, id).await?;
    refuse_ended(operator, id).await?;
    let abort =
        Abort { by: caller.name.clone(), reason: request.reason, at: now(), arn: Some(caller.arn.clone()) };
    // The first one stands: asking twice is asking once.
    if table.put_new(&Key::abort(id), &abort).await? {
        tracing::warn!(release.id = %id, caller = caller.arn, reason = abort.reason, "{id} is to be {}", abort.in_words());
        count("ReleaseAborted", &[]);
        let subject = About::release(application, id, &begun.release.image.digest);
        write_down(operator, &subject, What::AbortRequested, &abort.in_words()).await?;
    }
    Ok(Done { words: format!("{id} ends; what it has begun to change is rolled back") })
}

pub(crate) async fn clear(
    operator: &Operator<'_>,
    name: &ApplicationName,
    request: ClearRequest,
) -> Result<Done, Failure> {
    let Operator { table, caller, .. } = operator;
    let history = history(table, name).await?;
    if history.0.is_empty() {
        configured(operator, name).await?;
    }
    // What is too long ago for the history is named by its whole digest.
    let image = match (history.image(&request.image), Digest::new(request.image.as_str())) {
        (Ok(image), _) => (in_words(&image), image.digest),
        (Err(_), Ok(digest)) => (digest.to_string(), digest),
        (Err(error), Err(_)) => return Err(Failure::from(error).at("image")),
    };
    let (words, digest) = image;
    let lifted =
        Lifted { by: caller.name.clone(), reason: request.reason, at: now(), arn: Some(caller.arn.clone()) };
    let key = Key::quarantine(name, &digest);
    let known = table.update(&key, |current: Option<Quarantine>| match current {
        Some(current) if current.holds() => {
            let release = current.release.clone();
            Update::Write(Quarantine { lifted: Some(lifted.clone()), ..current }, Some((true, release)))
        }
        Some(current) => Update::Leave(Some((false, current.release))),
        None => Update::Leave(None),
    });
    match known.await? {
        Some((true, release)) => {
            tracing::warn!(application = %name, image.digest = %digest, caller = caller.arn, "the quarantine of {digest} is lifted");
            count("QuarantineLifted", &[("Application", name.as_str())]);
            let reason =
                if lifted.reason.is_empty() { String::new() } else { format!(": {}", lifted.reason) };
            let subject = About::release(name, &release, &digest);
            write_down(
                operator,
                &subject,
                What::QuarantineCleared,
                &format!("Cleared by {}{reason}", caller.name),
            )
            .await?;
        }
        Some((false, _)) => {}
        None => {
            return Err(problem(
                StatusCode::CONFLICT,
                ProblemCode::NotQuarantined,
                format!("{words} of {name} is not quarantined"),
            )
            .at("image"));
        }
    }
    Ok(Done { words: format!("{words} may be released again; nothing was started") })
}

pub(crate) async fn write_down(
    operator: &Operator<'_>,
    subject: &About,
    what: What,
    words: &str,
) -> Result<(), Failure> {
    Ok(audit(&operator.table, subject, &new_entry(operator, what, words)).await?)
}

/// An entry of the audit for what the caller asks.
fn new_entry(operator: &Operator<'_>, what: What, words: &str) -> NewEntry {
    NewEntry {
        at: now(),
        what,
        person: None,
        caller: Some(operator.caller.arn.clone()),
        words: words.to_owned(),
    }
}

fn in_words(image: &Image) -> String {
    format!("{} ({})", image.tag_in_words(), image.digest.short())
}

fn json(request: &impl Serialize) -> String {
    serde_json::to_string(request).expect("a request is plain values, which make JSON")
}

pub(crate) fn hash(parts: &[&str]) -> String {
    hex::encode(Sha256::digest(parts.join("\n").as_bytes()))
}
