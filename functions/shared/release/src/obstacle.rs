//! What keeps a service from being verified.

use slipway_aws::Aws;
use slipway_core::application::StageService;
use slipway_core::deployment::ServiceView;
use slipway_core::obstacle::Obstacle;

use crate::StepError;

/// Why a service cannot be asked through its load balancer, or judged by its health checks; nothing where it can, or is not to
/// be.
///
/// # Errors
///
/// When ELB cannot be asked.
pub async fn unreachable(
    aws: &Aws,
    service: &StageService,
    view: &ServiceView,
) -> Result<Option<Obstacle>, StepError> {
    if service.target_health.is_some() {
        if view.traffic.balanced().next().is_none() {
            return Ok(Some(Obstacle::no_target_group(&service.service)));
        }
        let unattached = aws.load_balancers().unattached(view).await?;
        return Ok(unattached.map(|group| Obstacle::unattached(&service.service, &group)));
    }
    if service.health.as_ref().is_none_or(|health| health.url.is_some()) {
        return Ok(None);
    }
    let listener = aws.load_balancers().listener_of(view).await?;
    Ok(listener.err().map(|why| Obstacle::unreachable(&service.service, why)))
}
