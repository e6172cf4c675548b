//! The task definition that a release deploys to a service.

use futures::try_join;
use serde_json::Value;
use slipway_aws::{Aws, Key, Registration, TaskDefinition};
use slipway_core::application::{Families, StageService};
use slipway_core::definition::{fingerprint, own, planned};
use slipway_core::name::TaskDefinitionArn;
use slipway_core::release::Release;
use slipway_core::rollback::Template;

use crate::{Context, StepError};

/// Why there is no revision of a service to deploy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoRevision {
    /// None can be made, in words.
    Unusable(String),
    /// It would be another one than the stage's baseline has, and people may have been shown, in words. Nothing was begun.
    Changed(String),
}

/// A revision of a service to deploy, and whether that is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// The revision.
    pub arn: TaskDefinitionArn,
    /// How it is to be recorded.
    pub record: Record,
}

/// How a revision is to be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// It is recorded.
    Kept,
    /// No revision is recorded yet.
    New,
    /// In the place of one that was registered before the stage's baseline was captured anew.
    Replaces,
}

/// What ECS has of a service's families, read ahead of the decision that rests on it.
#[derive(Clone, Debug)]
pub struct Definitions {
    /// The newest revision of the family that Slipway registers in: most services run it.
    pub newest: Option<TaskDefinition>,
    /// The template, where a family has it.
    pub template: Option<TaskDefinition>,
}

impl Definitions {
    /// Asks ECS for the newest revision of the family that Slipway registers in and, where one is named, for the template.
    ///
    /// # Errors
    ///
    /// When ECS cannot be asked.
    pub async fn of_families(aws: &Aws, release: &str, template: Option<&str>) -> Result<Self, StepError> {
        let ecs = aws.ecs();
        let template = async {
            match template {
                Some(family) => ecs.task_definition(family).await,
                None => Ok(None),
            }
        };
        let (newest, template) = try_join!(ecs.task_definition(release), template)?;
        Ok(Self { newest, template })
    }

    /// The revision of this ARN, where it is one of these.
    #[must_use]
    pub fn with_arn(&self, arn: &TaskDefinitionArn) -> Option<TaskDefinition> {
        [&self.newest, &self.template].into_iter().flatten().find(|found| found.arn == *arn).cloned()
    }
}

impl Context<'_> {
    /// The revision that a release runs for a service: what the stage's baseline says is registered, and nothing else. It is
    /// the one that an earlier run registered, or a new one, which is recorded. Of two runs at the same moment the first to
    /// record its revision is followed by both.
    ///
    /// Before the stage `begun` to change, a newer template is an answer: people are asked about that one. After it, what
    /// they agreed to is deployed. `recorded` is what the table had a moment ago.
    ///
    /// # Errors
    ///
    /// When AWS cannot be asked.
    pub async fn revision(
        &self,
        service: &StageService,
        recorded: Option<&TaskDefinitionArn>,
        begun: bool,
    ) -> Result<Result<TaskDefinitionArn, NoRevision>, StepError> {
        Ok(match self.unrecorded_revision(service, recorded, begun, None).await? {
            Ok(revision) => Ok(self.record_revision(service, revision).await?),
            Err(none) => Err(none),
        })
    }

    /// The same, and a new one is not recorded yet: that is the caller's, before ECS is asked to run it. `read` is what ECS had
    /// a moment ago.
    ///
    /// # Errors
    ///
    /// When AWS cannot be asked.
    pub async fn unrecorded_revision(
        &self,
        service: &StageService,
        recorded: Option<&TaskDefinitionArn>,
        begun: bool,
        read: Option<Definitions>,
    ) -> Result<Result<Revision, NoRevision>, StepError> {
        if let Some(recorded) = recorded {
            // What was registered before the baseline was captured anew may be another one.
            let found = if begun { None } else { self.aws.ecs().task_definition(recorded.as_str()).await? };
            if begun || found.is_some_and(|found| self.is_planned(service, &found)) {
                return Ok(Ok(Revision { arn: recorded.clone(), record: Record::Kept }));
            }
        }
        let record = if recorded.is_some() { Record::Replaces } else { Record::New };
        let registered = self.registered(service, begun, read).await?;
        Ok(registered.map(|arn| Revision { arn, record }))
    }

    /// Records a revision; the one that is recorded then.
    ///
    /// # Errors
    ///
    /// When the table cannot be asked.
    pub async fn record_revision(
        &self,
        service: &StageService,
        Revision { arn, record }: Revision,
    ) -> Result<TaskDefinitionArn, StepError> {
        let Self { table, release, stage, .. } = self;
        let key = Key::deployed(&release.id, &stage.name, &service.service);
        match record {
            Record::Kept => Ok(arn),
            Record::Replaces => {
                table.put(&key, &arn).await?;
                Ok(arn)
            }
            Record::New => {
                let first = if table.put_new(&key, &arn).await? { None } else { table.get(&key).await? };
                Ok(first.map_or(arn, |recorded| recorded.document))
            }
        }
    }

    /// What ECS has of a service's families; nothing where the stage's baseline has no such service.
    ///
    /// # Errors
    ///
    /// When ECS cannot be asked.
    pub async fn definitions(&self, service: &StageService) -> Result<Option<Definitions>, StepError> {
        let Some(shown) = self.template(service) else { return Ok(None) };
        let families = self.stage.families(service);
        // Where the template is what the service runs, that is what it ran when it was looked at.
        let template = families.template_of(&shown.arn);
        Ok(Some(Definitions::of_families(self.aws, &families.release, Some(template)).await?))
    }

    /// The template that the stage's baseline has for a service.
    fn template(&self, service: &StageService) -> Option<&Template> {
        let services = &self.baseline.services;
        services.iter().find(|before| before.service == service.service).map(|before| &before.template)
    }

    /// Whether a revision is what the stage's baseline says is registered for the service.
    fn is_planned(&self, service: &StageService, found: &TaskDefinition) -> bool {
        let family = self.stage.families(service).release;
        self.template(service).is_some_and(|template| template.is_registered_as(&found.document, &family))
    }

    /// The revision that an earlier run registered, or a new one.
    async fn registered(
        &self,
        service: &StageService,
        begun: bool,
        read: Option<Definitions>,
    ) -> Result<Result<TaskDefinitionArn, NoRevision>, StepError> {
        let Self { aws, release, stage, .. } = self;
        let unusable = |reason: String| Ok(Err(NoRevision::Unusable(reason)));
        let read = match read {
            Some(read) => Some(read),
            None => self.definitions(service).await?,
        };
        let (Some(shown), Some(Definitions { newest, template })) = (self.template(service), read) else {
            return unusable(format!("{} has no recorded baseline", service.service));
        };
        let families = stage.families(service);
        // Its tag says whose it is, and anybody may write a tag.
        if let Some(newest) = newest
            && newest.release() == Some(release.id.as_str())
            && self.is_planned(service, &newest)
        {
            return Ok(Ok(newest.arn));
        }
        let template = match template {
            Some(template) if template.arn == shown.arn => Some(template),
            newer => {
                let is_same = newer.clone().is_some_and(|newer| {
                    usable_template(release, service, &families, Some(newer))
                        .is_ok_and(|(_, next)| next.registration == shown.registration)
                });
                if !begun && !is_same {
                    let by_now = newer.map_or_else(|| "gone".to_owned(), |newer| newer.arn.to_string());
                    return Ok(Err(NoRevision::Changed(format!(
                        "the template of {} is {by_now} by now, and {} was looked at",
                        service.service, shown.arn
                    ))));
                }
                aws.ecs().task_definition(shown.arn.as_str()).await?
            }
        };
        let (template, _) = match usable_template(release, service, &families, template) {
            Ok(usable) => usable,
            Err(reason) => return unusable(reason),
        };
        let planned = match plan(release, service, &families, &template) {
            Ok(planned) => planned,
            Err(reason) => return unusable(reason),
        };
        Ok(Ok(self.register_revision(&planned, &template.tags, &families.release).await?))
    }

    /// Registers a revision for the release: a document with its owner's tags, in a family.
    ///
    /// # Errors
    ///
    /// When ECS cannot be asked, or refuses.
    pub async fn register_revision(
        &self,
        document: &Value,
        tags: &[(String, String)],
        family: &str,
    ) -> Result<TaskDefinitionArn, StepError> {
        let Self { aws, release, generation, .. } = self;
        let registration =
            Registration { document, tags, family, release: &release.id, generation: *generation };
        Ok(aws.ecs().register(&registration).await?)
    }
}

/// The template that a service's next revision is made from, and what is registered; else why there can be none.
///
/// # Errors
///
/// The reason, in words.
pub fn usable_template(
    release: &Release,
    service: &StageService,
    families: &Families,
    template: Option<TaskDefinition>,
) -> Result<(TaskDefinition, Template), String> {
    let name = &service.service;
    let template = template.ok_or_else(|| {
        let family = families.template.as_deref().unwrap_or_default();
        match service.template {
            None => {
                format!("there is no task definition {family}: Terraform keeps the template of {name} there")
            }
            Some(_) if family.is_empty() => format!("the task definition that {name} runs is gone"),
            Some(_) => format!("there is no task definition {family}, which is the template of {name}"),
        }
    })?;
    let planned = plan(release, service, families, &template)?;
    let next = Template { arn: template.arn.clone(), registration: fingerprint(&planned) };
    Ok((template, next))
}

/// What is registered for a service from its template.
fn plan(
    release: &Release,
    service: &StageService,
    families: &Families,
    template: &TaskDefinition,
) -> Result<Value, String> {
    let own = own(&template.document, &release.image, service.service.as_str(), &service.containers)?;
    Ok(planned(&template.document, &families.release, &own, &release.image))
}
