//! What AWS does by itself: answers that lag behind, tasks that are replaced, counts that scaling changes.

use std::time::Duration;

use aws_sdk_ecs::operation::describe_task_definition::DescribeTaskDefinitionOutput;
use aws_sdk_ecs::types::{
    ContainerDefinition, DeploymentCircuitBreaker, DeploymentConfiguration, LaunchType, SortOrder, Tag,
    TaskDefinition, TaskDefinitionField,
};
use aws_sdk_elasticloadbalancingv2::types::IpAddressType;
use aws_sdk_ssm::types::ParameterType;
use serde_json::json;
use slipway_local::image::Behaviour;
use slipway_local::{Awkward, PushOptions};

use crate::world::World;

/// For how many seconds the functions' reads answer as before a write.
const LAG: f64 = 5.0;

fn ecs(world: &World) -> aws_sdk_ecs::Client {
    aws_sdk_ecs::Client::new(world.cloud.sdk())
}

fn lag(world: &World, seconds: f64) {
    world
        .cloud
        .set_awkward(&Awkward { lag_seconds: seconds, ..Awkward::default() })
        .expect("the cloud is told");
}

/// The newest revision of a family that runs an image: a rollback may have registered what ran before it once more.
async fn registered_for(world: &World, family: &str, digest: &str) -> DescribeTaskDefinitionOutput {
    let newest = ecs(world).list_task_definitions().family_prefix(family).sort(SortOrder::Desc);
    let arns = newest.send().await.expect("ECS answers").task_definition_arns.unwrap_or_default();
    for arn in arns {
        let request = ecs(world).describe_task_definition().task_definition(arn);
        let found = request.include(TaskDefinitionField::Tags).send().await.expect("ECS answers");
        let images = found.task_definition().map(TaskDefinition::container_definitions).unwrap_or_default();
        if images.iter().any(|container| container.image().is_some_and(|image| image.ends_with(digest))) {
            return found;
        }
    }
    panic!("no revision of {family} runs {digest}");
}

async fn scale(world: &World, cluster: &str, service: &str, count: i32) {
    let scaled =
        ecs(world).update_service().cluster(cluster).service(service).desired_count(count).send().await;
    scaled.expect("ECS takes it");
    world.settle().await;
}

#[tokio::test]
async fn a_good_image_is_released_though_ecs_answers_as_before_its_update() {
    let world = World::enter().await;
    world.has_a_good_release().await;

    lag(&world, LAG);
    let release = world.push(&PushOptions::light(&world.version())).await;
    world.approve(&release).await;
    let ended = world.ended(&release).await;
    lag(&world, 0.0);

    assert_eq!(ended.outcome(), Some("RELEASED"), "{ended:?}");
    for stage in ["staging", "production"] {
        assert_eq!(world.digest_in(stage).await, release.digest, "{stage}");
    }
}

#[tokio::test]
async fn a_stage_is_rolled_back_though_ecs_answers_as_before_its_update() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let before = world.digest_in("staging").await;
    world.staging_bakes_for("10m").await;

    let release = world.push(&PushOptions::light(&world.version())).await;
    world.until_it_bakes(&release).await;
    lag(&world, LAG);
    world.alarm("e2e-staging-5xx", "ALARM").await;
    let ended = world.ended(&release).await;
    lag(&world, 0.0);
    world.alarm("e2e-staging-5xx", "OK").await;
    world.configure(|_| {}).await;

    assert_eq!((ended.outcome(), ended.stage()), (Some("ROLLED_BACK"), Some("staging")), "{ended:?}");
    assert_eq!(world.digest_in("staging").await, before);
}

#[tokio::test]
async fn an_update_that_ecs_does_not_show_yet_is_undone_when_the_release_is_aborted_at_once() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let before = world.digest_in("staging").await;

    lag(&world, LAG);
    let entry = world.entry().await;
    let release = world.push(&PushOptions::light(&world.version())).await;
    world
        .until("staging is updated", async || {
            world.calls_since(entry, "deploy-services", "ecs:UpdateService").await > 0
        })
        .await;
    let id = world.id_of(&release).await;
    world.abort(&id, "the wrong image").await;
    let ended = world.ended(&release).await;
    lag(&world, 0.0);

    assert_eq!((ended.outcome(), ended.stage()), (Some("ROLLED_BACK"), Some("staging")), "{ended:?}");
    assert_eq!(world.digest_in("staging").await, before, "and not the image that ECS was asked for");
}

#[tokio::test]
async fn one_bad_answer_costs_a_good_image_nothing() {
    let world = World::enter().await;
    world.has_a_good_release().await;

    let release = world.push(&PushOptions::light(&world.version()).behaving(Behaviour::Stumble)).await;
    world.approve(&release).await;
    let ended = world.ended(&release).await;

    assert_eq!(ended.outcome(), Some("RELEASED"), "{ended:?}");
    assert_eq!(world.digest_in("production").await, release.digest);
}

#[tokio::test]
async fn tasks_that_aws_replaces_cost_a_good_image_nothing() {
    let world = World::enter().await;
    world.has_a_good_release().await;

    let replaces = Awkward { replaces_seconds: 4.0, ..Awkward::default() };
    world.cloud.set_awkward(&replaces).expect("the cloud is told");
    let release = world.push(&PushOptions::light(&world.version())).await;
    world.approve(&release).await;
    let ended = world.ended(&release).await;
    world.cloud.set_awkward(&Awkward::default()).expect("the cloud is told");

    assert_eq!(ended.outcome(), Some("RELEASED"), "{ended:?}");
    assert_eq!(world.digest_in("production").await, release.digest);
}

#[tokio::test]
async fn counts_that_scaling_changes_all_the_time_cost_a_good_image_nothing() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let runs = world.service("staging").await;

    let release = world.push(&PushOptions::light(&world.version())).await;
    for count in [2, 3, 1].into_iter().cycle().take(120) {
        if world.waits_for(&release, "RequestApproval").await {
            break;
        }
        scale(&world, "staging", "web", count).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    world.approve(&release).await;
    let ended = world.ended(&release).await;
    scale(&world, "staging", "web", runs.desired_count).await;

    assert_eq!(ended.outcome(), Some("RELEASED"), "{ended:?}");
}

#[tokio::test]
async fn a_service_that_cannot_be_asked_from_outside_is_refused_before_it_changes() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let before = world.service("staging").await;
    let balancing = aws_sdk_elasticloadbalancingv2::Client::new(world.cloud.sdk());
    let group = balancing.describe_target_groups().names("web-staging").send().await.expect("ELB answers");
    let balancer = group.target_groups()[0].load_balancer_arns()[0].clone();
    let addresses = async |kind: IpAddressType| {
        let request = balancing.set_ip_address_type().load_balancer_arn(&balancer).ip_address_type(kind);
        request.send().await.expect("ELB takes it");
    };
    world
        .configure(|application| {
            let health = &mut application["stages"][0]["services"][0]["health"];
            health.as_object_mut().expect("it is looked at").remove("url");
        })
        .await;

    addresses(IpAddressType::DualstackWithoutPublicIpv4).await;
    let release = world.push(&PushOptions::light(&world.version())).await;
    let ended = world.ended(&release).await;
    addresses(IpAddressType::Ipv4).await;
    world.configure(|_| {}).await;

    let reason = ended.reason().expect("a reason").clone();
    assert_eq!((ended.outcome(), ended.stage()), (Some("FAILED"), Some("staging")), "{ended:?}");
    assert!(reason.contains("no public IPv4 address") && reason.contains("health.url"), "{reason}");
    assert_eq!(world.service("staging").await, before);
}

#[tokio::test]
async fn an_application_that_is_taken_away_while_it_is_released_is_still_rolled_back() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let before = world.digest_in("staging").await;
    world.configure(|_| {}).await;
    let whole = world.configured().await;
    world.staging_bakes_for("10m").await;

    let release = world.push(&PushOptions::light(&world.version())).await;
    world.until_it_bakes(&release).await;
    let ssm = aws_sdk_ssm::Client::new(world.cloud.sdk());
    let name = "/slipway/applications/web";
    ssm.delete_parameter().name(name).send().await.expect("SSM takes it");
    world.alarm("e2e-staging-5xx", "ALARM").await;
    let ended = world.ended(&release).await;
    let request = ssm.put_parameter().name(name).r#type(ParameterType::String).value(whole.to_string());
    request.send().await.expect("SSM takes it");
    world.alarm("e2e-staging-5xx", "OK").await;

    assert_eq!((ended.outcome(), ended.stage()), (Some("ROLLED_BACK"), Some("staging")), "{ended:?}");
    assert_eq!(world.digest_in("staging").await, before);
}

#[tokio::test]
async fn what_ran_before_a_rollback_is_the_newest_revision_of_its_family_again() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let before = world.service("staging").await;
    world.staging_bakes_for("10m").await;

    let release = world.push(&PushOptions::light(&world.version())).await;
    world.until_it_bakes(&release).await;
    let family = ecs(&world).describe_task_definition().task_definition("staging-web");
    let image = async || {
        let answer = family.clone().send().await.expect("ECS answers");
        let newest = answer.task_definition.expect("it exists");
        newest.container_definitions()[0].image().expect("an image").to_owned()
    };
    let while_it_bakes = image().await;
    world.alarm("e2e-staging-5xx", "ALARM").await;
    let ended = world.ended(&release).await;
    world.alarm("e2e-staging-5xx", "OK").await;
    world.configure(|_| {}).await;

    assert_eq!(ended.outcome(), Some("ROLLED_BACK"), "{ended:?}");
    assert!(while_it_bakes.ends_with(&release.digest), "{while_it_bakes}");
    // A schedule that names the family runs it.
    assert!(image().await.ends_with(&world.digest_in("staging").await));
    assert_eq!(
        world.service("staging").await.task_definition,
        before.task_definition,
        "and the service its own"
    );
}

#[tokio::test]
async fn a_service_that_is_scaled_to_0_on_purpose_is_not_started_unasked() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let runs = world.service("staging").await;

    scale(&world, "staging", "web", 0).await;
    let release = world.push(&PushOptions::light(&world.version())).await;
    let ended = world.ended(&release).await;
    let parked = world.service("staging").await;
    scale(&world, "staging", "web", runs.desired_count).await;
    let digest = world.digest_in("staging").await;
    world.until("staging runs again", async || world.is_steady("staging", &digest).await).await;

    assert_eq!((ended.outcome(), ended.stage()), (Some("FAILED"), Some("staging")), "{ended:?}");
    assert!(ended.reason().expect("a reason").contains("web is scaled to 0 tasks"), "{ended:?}");
    assert_eq!((parked.desired_count, parked.task_definition), (0, runs.task_definition));
}

#[tokio::test]
async fn a_first_release_that_fails_after_scaling_has_lifted_its_service_is_rolled_back_and_stopped() {
    let world = World::enter().await;
    let ecs = ecs(&world);
    // As after the first apply, where the registration of its scaling has lifted it to its minimum.
    let template = ecs.describe_task_definition().task_definition("staging-web-template").send().await;
    let template = template.expect("ECS answers").task_definition.expect("it exists");
    let family = "staging-fresh-template";
    let registered = ecs
        .register_task_definition()
        .family(family)
        .set_container_definitions(template.container_definitions)
        .set_cpu(template.cpu)
        .set_memory(template.memory)
        .set_task_role_arn(template.task_role_arn)
        .set_execution_role_arn(template.execution_role_arn)
        .set_network_mode(template.network_mode)
        .set_requires_compatibilities(template.requires_compatibilities);
    registered.send().await.expect("ECS takes it");
    let created = ecs
        .create_service()
        .cluster("staging")
        .service_name("fresh")
        .task_definition(family)
        .launch_type(LaunchType::Fargate)
        .desired_count(2)
        .deployment_configuration(
            DeploymentConfiguration::builder()
                .deployment_circuit_breaker(
                    DeploymentCircuitBreaker::builder().enable(true).rollback(true).build(),
                )
                .build(),
        )
        .tags(Tag::builder().key("slipway:deployer").value("slipway").build());
    created.send().await.expect("ECS takes it");
    world
        .configure(|application| {
            let services = json!([{ "service": "fresh", "steady": { "for": "1s" } }]);
            application["stages"] =
                json!([{ "name": "staging", "services": services, "deploy_timeout": "1m" }]);
        })
        .await;

    let bad = world.push(&PushOptions::light(&world.version()).behaving(Behaviour::Crash)).await;
    let failed = world.ended(&bad).await;
    let stopped = world.runs("staging", "fresh").await;
    let good = world.push(&PushOptions::light(&world.version())).await;
    let released = world.ended(&good).await;
    let runs = world.runs("staging", "fresh").await;
    world.configure(|_| {}).await;
    ecs.delete_service().cluster("staging").service("fresh").force(true).send().await.expect("ECS takes it");

    assert_eq!((failed.outcome(), failed.stage()), (Some("ROLLED_BACK"), Some("staging")), "{failed:?}");
    assert!(stopped.task_definition.contains(family), "{stopped:?}");
    assert_eq!(stopped.desired_count, 0);
    assert_eq!(released.outcome(), Some("RELEASED"), "{released:?}");
    assert!(!runs.task_definition.contains(family), "{runs:?}");
}

#[tokio::test]
async fn a_sidecar_of_the_same_repository_stays_and_the_templates_tags_come_along() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let family = "staging-web-template";
    let described = ecs(&world).describe_task_definition().task_definition(family).send().await;
    let before = described.expect("ECS answers").task_definition.expect("it exists");
    let image = before.container_definitions()[0].image().expect("an image").to_owned();
    let sidecar = image.replace(":template", ":nginx-1.27");
    let register = |containers: Vec<ContainerDefinition>, tags: Option<Vec<Tag>>| {
        ecs(&world)
            .register_task_definition()
            .family(family)
            .set_container_definitions(Some(containers))
            .set_tags(tags)
            .set_cpu(before.cpu.clone())
            .set_memory(before.memory.clone())
            .set_task_role_arn(before.task_role_arn.clone())
            .set_execution_role_arn(before.execution_role_arn.clone())
            .set_network_mode(before.network_mode.clone())
            .set_requires_compatibilities(before.requires_compatibilities.clone())
            .send()
    };
    let mut containers = before.container_definitions().to_vec();
    containers.push(ContainerDefinition::builder().name("nginx").image(&sidecar).essential(false).build());
    let tag = Tag::builder().key("cost-center").value("4711").build();
    register(containers, Some(vec![tag])).await.expect("ECS takes it");

    // The sidecar's image is not in the registry, so its tasks do not run: what is registered is looked at.
    let release = world.push(&PushOptions::light(&world.version())).await;
    world.ended(&release).await;
    let found = registered_for(&world, "staging-web", &release.digest).await;
    register(before.container_definitions().to_vec(), None).await.expect("ECS takes it");

    let revision = found.task_definition().expect("a revision");
    let images: Vec<_> = revision.container_definitions().iter().filter_map(|one| one.image()).collect();
    assert!(images[0].ends_with(&release.digest), "{images:?}");
    assert_eq!(images[1], sidecar);
    let tags: Vec<_> = found.tags().iter().filter_map(|tag| tag.key().zip(tag.value())).collect();
    assert!(tags.contains(&("cost-center", "4711")), "{tags:?}");
    assert!(tags.iter().any(|(key, _)| *key == "slipway:release"), "{tags:?}");
}
