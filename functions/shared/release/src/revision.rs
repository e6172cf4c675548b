//! The task definition that a release deploys to a service.

use futures::try_join;
use slipway_aws::{Key, Registration, TaskDefinition};
use slipway_core::application::StageService;
use slipway_core::definition::own;
use slipway_core::name::TaskDefinitionArn;
use slipway_core::release::Release;

use crate::{Context, StepError};

impl Context<'_> {
    /// The revision that a release runs for a service: the one that an earlier run registered, or a new one, which is
    /// recorded. Of two runs at the same moment the first to record its revision is followed by both. An `Err` says
    /// why there can be none.
    ///
    /// # Errors
    ///
    /// When AWS cannot be asked.
    pub async fn revision(
        &self,
        service: &StageService,
    ) -> Result<Result<TaskDefinitionArn, String>, StepError> {
        let Self { table, release, stage, .. } = self;
        match table.get(&Key::deployed(&release.id, &stage.name, &service.service)).await? {
            Some(recorded) => Ok(Ok(recorded.document)),
            None => self.new_revision(service).await,
        }
    }

    /// The same where none was recorded a moment ago.
    ///
    /// # Errors
    ///
    /// When AWS cannot be asked.
    pub async fn new_revision(
        &self,
        service: &StageService,
    ) -> Result<Result<TaskDefinitionArn, String>, StepError> {
        let Self { table, release, stage, .. } = self;
        let key = Key::deployed(&release.id, &stage.name, &service.service);
        let registered = match self.registered(service).await? {
            Ok(registered) => registered,
            Err(reason) => return Ok(Err(reason)),
        };
        let first = if table.put_new(&key, &registered).await? { None } else { table.get(&key).await? };
        Ok(Ok(first.map_or(registered, |recorded| recorded.document)))
    }

    /// The revision that an earlier run registered, or a new one.
    async fn registered(
        &self,
        service: &StageService,
    ) -> Result<Result<TaskDefinitionArn, String>, StepError> {
        let Self { aws, release, generation, stage, .. } = self;
        let families = stage.families(&service.service);
        let ecs = aws.ecs();
        let (newest, template) =
            try_join!(ecs.task_definition(&families.release), ecs.task_definition(&families.template))?;
        if let Some(newest) = newest
            && newest.release() == Some(release.id.as_str())
        {
            return Ok(Ok(newest.arn));
        }
        let template = match usable_template(self.release, service, &families.template, template) {
            Ok(template) => template,
            Err(reason) => return Ok(Err(reason)),
        };
        let own = own(&template.document, &release.image, &service.service, service.container.as_deref());
        let own = match own {
            Ok(own) => own,
            Err(reason) => return Ok(Err(reason)),
        };
        let image_for =
            |image: &str| if image == own.image { release.image.in_place_of(image) } else { None };
        let registration = Registration {
            document: &template.document,
            tags: &template.tags,
            family: &families.release,
            release: &release.id,
            generation: *generation,
        };
        Ok(Ok(aws.ecs().register(&registration, image_for).await?))
    }
}

/// The template that a service's next revision is made from; else why there can be none.
///
/// # Errors
///
/// The reason, in words.
pub fn usable_template(
    release: &Release,
    service: &StageService,
    family: &str,
    template: Option<TaskDefinition>,
) -> Result<TaskDefinition, String> {
    let name = &service.service;
    let template = template.ok_or_else(|| {
        format!("there is no task definition {family}: Terraform keeps the template of {name} there")
    })?;
    own(&template.document, &release.image, name, service.container.as_deref())?;
    Ok(template)
}
