//! What a push of an image starts.

use futures::{join, try_join};
use jiff::Timestamp;
use slipway_aws::{Aws, Key, Table, Tagged};
use slipway_core::api::IgnoredPush;
use slipway_core::application::Application;
use slipway_core::image::Image;
use slipway_core::name::{ApplicationName, ReleaseId};
use slipway_core::notification::Notification;
use slipway_core::push::{self, Ignored, ImageAction};
use slipway_core::quarantine::Quarantine;
use slipway_core::release::{Release, Started};
use slipway_release::{Notifier, Open, StepError, find_application, now, would_change};

use crate::{Config, KnownRepositories, Received, duplicate, ignore, start};

/// Starts the release that the application of a pushed image waits for.
pub(crate) async fn handle(
    aws: &Aws,
    config: &Config,
    known: &KnownRepositories,
    action: &ImageAction,
    at: Timestamp,
) -> Result<Received, StepError> {
    let image = match push::image_of(action) {
        Ok(image) => image,
        Err(ignored) => {
            if let Some(image) = push::tagged_of(action)
                && let Ok(application) = application_of(aws, config, &image).await?
            {
                keep(aws, config, &application, image, at, &ignored).await?;
            }
            return Ok(ignore(&ignored));
        }
    };
    let (application, seen) = match look_up(aws, config, known, &image).await? {
        Ok(found) => found,
        Err(ignored) => return Ok(ignore(&ignored)),
    };
    match release(aws, config, image.clone(), &application, seen, at).await? {
        Ok(Next::Start(started)) => start(aws, config, started, application).await,
        Ok(Next::Duplicate(release)) => Ok(duplicate(release)),
        Err(ignored) => {
            keep(aws, config, &application, image.clone(), at, &ignored).await?;
            if ignored.is_news() {
                notify(aws, config, image, &application, &ignored).await?;
            }
            Ok(ignore(&ignored))
        }
    }
}

/// What a wanted push comes to.
enum Next {
    /// A release begins.
    Start(Started),
    /// It is this one's push, or this one runs with its image.
    Duplicate(ReleaseId),
}

/// What the registry and the table have of an image.
struct Seen {
    found: Option<Tagged>,
    /// The first release of the image.
    first: Option<Started>,
    /// That it is quarantined.
    quarantined: Option<Ignored>,
}

impl Seen {
    async fn of_image(
        aws: &Aws,
        config: &Config,
        application: &ApplicationName,
        image: &Image,
    ) -> Result<Self, StepError> {
        let (table, repositories) = (aws.table(&config.table), aws.repositories());
        let own = Key::release(&push::release_id(application, &image.digest));
        let quarantine = Key::quarantine(application, &image.digest);
        let keys = [own.clone(), quarantine.clone()];
        let (found, items) = try_join!(repositories.find(image), table.get_all(&keys))?;
        let quarantine = items.document::<Quarantine>(&quarantine)?.filter(Quarantine::holds);
        let quarantined = quarantine.map(|Quarantine { release, outcome, reason, .. }| {
            Ignored::Quarantined { release, outcome, reason }
        });
        Ok(Self { found, first: items.document(&own)?, quarantined })
    }
}

/// The application of an image, and where it is the one of the repository's last push, what is known of the image: it is asked
/// at the same time, and belongs to the release that would begin.
async fn look_up(
    aws: &Aws,
    config: &Config,
    known: &KnownRepositories,
    image: &Image,
) -> Result<Result<(Application, Option<Result<Seen, StepError>>), Ignored>, StepError> {
    // Of a tag that was not wanted nothing else is asked.
    if let Some(last) = known.belonged_to(&image.repository)
        && last.wants(&image.tag)
    {
        let application = find_application(aws, &config.applications_path, &last.name);
        let (application, seen) = join!(application, Seen::of_image(aws, config, &last.name, image));
        // One that does not fit may have given the repository away.
        if let Ok(Some(application)) = application
            && application.repository == image.repository
        {
            known.belongs_to(&image.repository, &application);
            return Ok(Ok((application, Some(seen))));
        }
    }
    Ok(application_of(aws, config, image).await?.map(|application| {
        known.belongs_to(&image.repository, &application);
        (application, None)
    }))
}

async fn application_of(
    aws: &Aws,
    config: &Config,
    image: &Image,
) -> Result<Result<Application, Ignored>, StepError> {
    let Config { applications_path, repositories_path, .. } = config;
    let found = slipway_release::application_by_repository(
        aws,
        applications_path,
        repositories_path,
        &image.repository,
    )
    .await?;
    Ok(found.ok_or_else(|| Ignored::UnknownRepository(image.repository.clone())))
}

async fn release(
    aws: &Aws,
    config: &Config,
    image: Image,
    application: &Application,
    seen: Option<Result<Seen, StepError>>,
    at: Timestamp,
) -> Result<Result<Next, Ignored>, StepError> {
    let release = match push::release_of(image, application) {
        Ok(release) => release,
        Err(ignored) => return Ok(Err(ignored)),
    };
    let table = aws.table(&config.table);
    let seen = match seen {
        Some(seen) => seen,
        None => Seen::of_image(aws, config, &release.application, &release.image).await,
    };
    let Seen { found, first, quarantined } = seen?;
    if let Some(Err(ignored)) = found.as_ref().map(|found| push::is_an_image(&found.media_type)) {
        return Ok(Err(ignored));
    }
    // Of an image that is gone only the event is left.
    let pushed_at =
        found.map_or(at, |found| push::pushed_at(found.pushed_at, found.tags.len(), first.is_some(), at));
    let started = |release| Started { release, at: now(), pushed_at, asked: None };
    let Some(first) = first else {
        return Ok(quarantined.map_or_else(|| Ok(Next::Start(started(release))), Err));
    };
    let again = push::release_again(&release);
    let before = table.get::<Started>(&Key::release(&again.id)).await?.map(|stored| stored.document);
    let tag = &release.image.tag;
    let of_this_tag = before.or_else(|| (first.release.image.tag == *tag).then(|| first.clone()));
    if let Some(of_this_tag) = &of_this_tag
        && push::is_same_push(of_this_tag, tag, at)
    {
        return Ok(Ok(Next::Duplicate(of_this_tag.release.id.clone())));
    }
    if let Some(quarantined) = quarantined {
        return Ok(Err(quarantined));
    }
    if let Some(open) = open_of(&table, &release).await? {
        return Ok(Ok(Next::Duplicate(open)));
    }
    if let Some(of_this_tag) = of_this_tag {
        return Ok(Err(Ignored::SameTag { release: of_this_tag.release.id }));
    }
    if would_change(aws, &again, application).await? {
        Ok(Ok(Next::Start(started(again))))
    } else {
        Ok(Err(Ignored::NothingChanged { release: first.release.id }))
    }
}

/// The release of the same image that runs, if one does.
async fn open_of(table: &Table, release: &Release) -> Result<Option<ReleaseId>, StepError> {
    let (partition, prefix) = Key::open_of(&release.application);
    let open = table.list::<Open>(&partition, &prefix).await?;
    let mut releases = open.into_iter().map(|(_, stored)| stored.document.started.release);
    Ok(releases.find(|open| open.image.digest == release.image.digest).map(|open| open.id))
}

/// Keeps in the application's history why a push started nothing.
async fn keep(
    aws: &Aws,
    config: &Config,
    application: &Application,
    image: Image,
    at: Timestamp,
    ignored: &Ignored,
) -> Result<(), StepError> {
    let key = Key::ignored(&application.name, at, &image);
    let push = IgnoredPush { image, at, reason: ignored.to_string() };
    Ok(aws.table(&config.table).put(&key, &push).await?)
}

/// Notifies people, once for an image and a tag, that a push started nothing that somebody meant to be released.
async fn notify(
    aws: &Aws,
    config: &Config,
    image: Image,
    application: &Application,
    ignored: &Ignored,
) -> Result<(), StepError> {
    let Ok(release) = push::release_of(image, application) else { return Ok(()) };
    let would_be = push::release_again(&release);
    let table = aws.table(&config.table);
    let notifier = Notifier { aws, table: &table, channels: &config.channels };
    notifier.notify_once(&would_be.id, Notification::ignored(&would_be, ignored)).await
}
