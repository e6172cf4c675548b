//! Services that somebody else made: they are released as they are, and nothing of theirs is renamed or changed.

use aws_sdk_ecs::types::{
    CapacityProviderStrategyItem, DeploymentCircuitBreaker, DeploymentConfiguration, LaunchType,
    LoadBalancer, NetworkConfiguration, Tag, TaskDefinition,
};
use aws_sdk_elasticloadbalancingv2::Client as Balancing;
use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, Certificate, HttpHeaderConditionConfig, LoadBalancerSchemeEnum,
    LoadBalancerTypeEnum, ProtocolEnum, RuleCondition, TargetTypeEnum,
};
use serde_json::{Value, json};
use slipway_core::api::Application;
use slipway_core::doctor::Checkup;
use slipway_local::image::Behaviour;
use slipway_local::wire::{CallRule, Fault};
use slipway_local::{PushOptions, Pushed};

use crate::operators::{text, words};
use crate::world::World;

const CLUSTER: &str = "staging";

/// What somebody else made, beside what the modules made.
struct Theirs<'a> {
    world: &'a World,
    ecs: aws_sdk_ecs::Client,
    balancing: Balancing,
    /// The image that all of it runs.
    image: String,
    like: TaskDefinition,
    network: NetworkConfiguration,
    vpc: String,
    services: Vec<&'static str>,
    groups: Vec<String>,
    balancers: Vec<String>,
}

impl<'a> Theirs<'a> {
    async fn new(world: &'a World) -> Self {
        let ecs = aws_sdk_ecs::Client::new(world.cloud.sdk());
        let balancing = Balancing::new(world.cloud.sdk());
        let version = world.version();
        let options = PushOptions { tag: Some(format!("theirs-{version}")), ..PushOptions::light(&version) };
        // No application waits for this tag.
        let Pushed { tag, .. } = world.cloud.push_to("web", &options).await.expect("it is pushed");
        let like = world.template(CLUSTER).await;
        let image = like.container_definitions()[0].image().expect("an image").to_owned();
        let image = format!("{}:{tag}", image.rsplit_once(':').expect("a tag").0);
        let web = ecs.describe_services().cluster(CLUSTER).services("web").send().await.expect("ECS answers");
        let network = web.services()[0].network_configuration().expect("a network").clone();
        let group = balancing.describe_target_groups().names("web-staging").send().await;
        let vpc = group.expect("ELB answers").target_groups()[0].vpc_id().expect("a VPC").to_owned();
        Self {
            world,
            ecs,
            balancing,
            image,
            like,
            network,
            vpc,
            services: vec![],
            groups: vec![],
            balancers: vec![],
        }
    }

    /// Registers a revision of a family, as their pipeline does.
    async fn family(&self, family: &str, containers: &[(&str, &str)]) {
        let containers = containers.iter().map(|(name, image)| {
            let mut container = self.like.container_definitions()[0].clone();
            (container.name, container.image) = (Some((*name).to_owned()), Some((*image).to_owned()));
            // The port is the application's.
            if *image != self.image {
                (container.essential, container.port_mappings) = (Some(false), None);
                container.command = Some(vec!["sleep".to_owned(), "3600".to_owned()]);
            }
            container
        });
        let registered = self
            .ecs
            .register_task_definition()
            .family(family)
            .set_container_definitions(Some(containers.collect()))
            .set_cpu(self.like.cpu.clone())
            .set_memory(self.like.memory.clone())
            .set_task_role_arn(self.like.task_role_arn.clone())
            .set_execution_role_arn(self.like.execution_role_arn.clone())
            .set_network_mode(self.like.network_mode.clone())
            .set_requires_compatibilities(self.like.requires_compatibilities.clone())
            .tags(Tag::builder().key("owner").value("them").build());
        registered.send().await.expect("ECS takes it");
    }

    async fn balancer(
        &mut self,
        name: &str,
        kind: LoadBalancerTypeEnum,
        scheme: LoadBalancerSchemeEnum,
    ) -> String {
        let subnets = self.network.awsvpc_configuration().expect("a VPC").subnets().to_vec();
        let made = self
            .balancing
            .create_load_balancer()
            .name(name)
            .r#type(kind)
            .scheme(scheme)
            .set_subnets(Some(subnets));
        let made = made.send().await.expect("ELB takes it");
        let arn = made.load_balancers()[0].load_balancer_arn().expect("an ARN").to_owned();
        self.balancers.push(arn.clone());
        arn
    }

    async fn group(&mut self, name: &str, protocol: ProtocolEnum, version: Option<&str>) -> String {
        let made = self
            .balancing
            .create_target_group()
            .name(name)
            .protocol(protocol)
            .set_protocol_version(version.map(ToOwned::to_owned))
            .port(8080)
            .target_type(TargetTypeEnum::Ip)
            .vpc_id(&self.vpc)
            .health_check_path("/health");
        let made = made.send().await.expect("ELB takes it");
        let arn = made.target_groups()[0].target_group_arn().expect("an ARN").to_owned();
        self.groups.push(arn.clone());
        arn
    }

    async fn listener(&self, balancer: &str, protocol: ProtocolEnum, port: i32, group: &str) -> String {
        let made = self
            .balancing
            .create_listener()
            .load_balancer_arn(balancer)
            .protocol(protocol)
            .port(port)
            .default_actions(forward(group));
        let made = made.send().await.expect("ELB takes it");
        made.listeners()[0].listener_arn().expect("an ARN").to_owned()
    }

    async fn service(&mut self, name: &'static str, family: &str, groups: &[&str], spot: bool) {
        let balancers = groups.iter().map(|group| {
            LoadBalancer::builder()
                .target_group_arn(*group)
                .container_name("app")
                .container_port(8080)
                .build()
        });
        let breaker = DeploymentCircuitBreaker::builder().enable(true).rollback(true).build();
        let made = self
            .ecs
            .create_service()
            .cluster(CLUSTER)
            .service_name(name)
            .task_definition(family)
            .desired_count(1)
            .network_configuration(self.network.clone())
            .set_load_balancers(Some(balancers.collect()))
            .deployment_configuration(
                DeploymentConfiguration::builder().deployment_circuit_breaker(breaker).build(),
            )
            .tags(Tag::builder().key("slipway:deployer").value("slipway").build());
        let made = if spot {
            let item = CapacityProviderStrategyItem::builder().capacity_provider("FARGATE_SPOT").weight(1);
            made.capacity_provider_strategy(item.build().expect("a strategy"))
        } else {
            made.launch_type(LaunchType::Fargate)
        };
        made.send().await.expect("ECS takes it");
        self.services.push(name);
    }

    /// How many revisions a family has, and the images of the newest.
    async fn newest(&self, family: &str) -> (i32, Vec<String>) {
        let answer = self.ecs.describe_task_definition().task_definition(family).send().await;
        let newest = answer.expect("ECS answers").task_definition.expect("it exists");
        let images =
            newest.container_definitions().iter().filter_map(|one| one.image().map(ToOwned::to_owned));
        (newest.revision(), images.collect())
    }

    /// The digest or tag that each service runs in its first container.
    async fn runs(&self) -> Vec<(String, String)> {
        let mut all = Vec::new();
        for service in &self.services {
            let runs = self.world.runs(CLUSTER, service).await.task_definition;
            let (_, images) = self.newest(&runs).await;
            let family = runs.rsplit('/').next().and_then(|name| name.split(':').next()).unwrap_or_default();
            all.push((family.to_owned(), images[0].clone()));
        }
        all
    }

    async fn remove(self) {
        for service in &self.services {
            let gone = self.ecs.delete_service().cluster(CLUSTER).service(*service).force(true).send().await;
            gone.expect("ECS takes it");
        }
        for balancer in &self.balancers {
            let gone = self.balancing.delete_load_balancer().load_balancer_arn(balancer).send().await;
            gone.expect("ELB takes it");
        }
        for group in &self.groups {
            let gone = self.balancing.delete_target_group().target_group_arn(group).send().await;
            gone.expect("ELB takes it");
        }
    }
}

fn forward(group: &str) -> Action {
    Action::builder().r#type(ActionTypeEnum::Forward).target_group_arn(group).build()
}

/// Services of seven kinds, each with a family of its own, and what a stage says of them.
async fn seven_kinds(theirs: &mut Theirs<'_>) -> Value {
    let image = theirs.image.clone();
    let version = theirs.world.version();
    let options = PushOptions { tag: Some(format!("nginx-{version}")), ..PushOptions::light(&version) };
    theirs.world.cloud.push_to("web", &options).await.expect("it is pushed");
    let sidecar = format!("{}:nginx-{version}", image.rsplit_once(':').expect("a tag").0);
    for family in ["shop-web", "shop-tenant", "shop-inside", "shop-tcp", "shop-two", "shop-worker"] {
        theirs.family(family, &[("app", &image)]).await;
    }
    theirs.family("shop-sidecar", &[("app", &image), ("proxy", &sidecar)]).await;

    let public =
        theirs.balancer("theirs", LoadBalancerTypeEnum::Application, LoadBalancerSchemeEnum::InternetFacing);
    let public = public.await;
    let inside =
        theirs.balancer("theirs-inside", LoadBalancerTypeEnum::Application, LoadBalancerSchemeEnum::Internal);
    let inside = inside.await;
    let tcp =
        theirs.balancer("theirs-tcp", LoadBalancerTypeEnum::Network, LoadBalancerSchemeEnum::InternetFacing);
    let tcp = tcp.await;
    let web = theirs.group("theirs-web", ProtocolEnum::Http, None).await;
    let tenant = theirs.group("theirs-tenant", ProtocolEnum::Http, None).await;
    let hidden = theirs.group("theirs-inside", ProtocolEnum::Http, None).await;
    let stream = theirs.group("theirs-tcp", ProtocolEnum::Tcp, None).await;
    let first = theirs.group("theirs-first", ProtocolEnum::Http, None).await;
    let second = theirs.group("theirs-second", ProtocolEnum::Http, None).await;

    // One load balancer for two applications: a rule with a header tells them apart.
    let listener = theirs.listener(&public, ProtocolEnum::Http, 80, &web).await;
    let header = HttpHeaderConditionConfig::builder().http_header_name("X-Tenant").values("shop").build();
    let condition = RuleCondition::builder().field("http-header").http_header_config(header).build();
    let rule = theirs.balancing.create_rule().listener_arn(listener).priority(1).conditions(condition);
    rule.actions(forward(&tenant)).send().await.expect("ELB takes it");
    theirs.listener(&inside, ProtocolEnum::Http, 80, &hidden).await;
    theirs.listener(&inside, ProtocolEnum::Http, 8080, &first).await;
    theirs.listener(&inside, ProtocolEnum::Http, 8081, &second).await;
    theirs.listener(&tcp, ProtocolEnum::Tcp, 443, &stream).await;

    theirs.service("their-web", "shop-web", &[&web], false).await;
    theirs.service("their-tenant", "shop-tenant", &[&tenant], false).await;
    theirs.service("their-inside", "shop-inside", &[&hidden], false).await;
    theirs.service("their-tcp", "shop-tcp", &[&stream], false).await;
    theirs.service("their-two", "shop-two", &[&first, &second], false).await;
    theirs.service("their-worker", "shop-worker", &[], true).await;
    theirs.service("their-sidecar", "shop-sidecar", &[], false).await;

    json!([
        // No page of the application answers 200 here, and 404 is what is asked for.
        { "service": "their-web", "template": "shop-web", "health": { "path": "/nowhere", "codes": "404" } },
        { "service": "their-tenant", "template": "shop-tenant",
          "health": { "path": "/health", "headers": { "X-Tenant": "shop" } } },
        { "service": "their-inside", "template": "shop-inside", "target_health": { "command": ["python", "-c", "print('well')"] } },
        { "service": "their-tcp", "template": "shop-tcp", "target_health": {} },
        { "service": "their-two", "template": "shop-two", "target_health": {} },
        { "service": "their-worker", "template": "running", "steady": { "for": "1s" } },
        { "service": "their-sidecar", "template": "shop-sidecar", "containers": ["app"], "steady": { "for": "1s" } },
    ])
}

#[tokio::test]
async fn services_that_exist_are_released_and_rolled_back_as_they_are() {
    let world = World::enter_calm().await;
    let mut theirs = Theirs::new(&world).await;
    let services = seven_kinds(&mut theirs).await;
    theirs.family("shop-nightly", &[("job", &theirs.image)]).await;
    let tasks = json!([{ "family": "shop-nightly" }]);
    world
        .configure(|application| {
            application["stages"] =
                json!([{ "name": "staging", "cluster": CLUSTER, "services": services, "tasks": tasks }]);
        })
        .await;
    let families =
        ["shop-web", "shop-tenant", "shop-inside", "shop-tcp", "shop-two", "shop-worker", "shop-sidecar"];
    let mut before = Vec::new();
    for family in families {
        before.push(theirs.newest(family).await);
    }

    let good = world.push(&PushOptions::light(&world.version())).await;
    let released = world.ended(&good).await;
    let runs = theirs.runs().await;
    let nightly = theirs.newest("shop-nightly").await;
    let bad = world.push(&PushOptions::light(&world.version()).behaving(Behaviour::Crash)).await;
    let rolled_back = world.ended(&bad).await;
    let after_the_bad = (theirs.runs().await, theirs.newest("shop-nightly").await);
    let newer = world.push(&PushOptions::light(&world.version())).await;
    let released_again = world.ended(&newer).await;
    let nightly_of_the_newer = theirs.newest("shop-nightly").await;
    world.release_again(&good.digest, None, "the newer one is slow").await.expect("it begins");
    let went_back = world.ended(&good).await;
    let nightly_again = theirs.newest("shop-nightly").await;
    let mut after = Vec::new();
    for family in families {
        after.push(theirs.newest(family).await);
    }
    world.configure(|_| {}).await;
    let services: Vec<_> = theirs.services.clone();
    theirs.remove().await;

    assert_eq!(released.outcome(), Some("RELEASED"), "{released:?}");
    for (service, (family, image)) in services.iter().zip(&runs) {
        assert_eq!(family, &format!("staging-{service}-release"));
        assert!(image.ends_with(&good.digest), "{service}: {image}");
    }
    assert!(nightly.1[0].ends_with(&good.digest), "{nightly:?}");
    assert_eq!(
        (rolled_back.outcome(), rolled_back.stage()),
        (Some("ROLLED_BACK"), Some("staging")),
        "{rolled_back:?}"
    );
    assert_eq!(after_the_bad, (runs, nightly), "everything runs what it ran");
    assert_eq!(released_again.outcome(), Some("RELEASED"), "{released_again:?}");
    assert!(nightly_of_the_newer.1[0].ends_with(&newer.digest), "{nightly_of_the_newer:?}");
    assert_eq!(went_back.outcome(), Some("RELEASED"), "{went_back:?}");
    assert!(nightly_again.1[0].ends_with(&good.digest), "schedules run the earlier image: {nightly_again:?}");
    assert_eq!(after, before, "and their families are as they were");
}

#[tokio::test]
async fn what_is_there_is_looked_at_with_reading_rights_alone_and_written_down() {
    let world = World::enter_calm().await;
    let mut theirs = Theirs::new(&world).await;
    let configured = seven_kinds(&mut theirs).await;
    let names: Vec<_> = theirs.services.clone();
    let reader = world.operator("e2e-reader", &[]).await;
    let policy = world.run_slipway(&reader, &["init", "--print-policy"]).await;
    let iam = aws_sdk_iam::Client::new(world.cloud.sdk());
    let given = iam.put_user_policy().user_name("e2e-reader").policy_name("operators");
    given.policy_document(text(&policy.stdout)).send().await.expect("IAM takes it");

    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("slipway");
    let production = format!("{CLUSTER}/{}", names.join(","));
    let out_argument = out.to_string_lossy();
    let arguments = [
        "init",
        "--no-staging",
        "--production",
        &production,
        "--approver",
        "ana@example.com",
        "--out",
        &out_argument,
        "--output",
        "json",
    ];
    let before = theirs.runs().await;
    let ran = world.run_slipway(&reader, &arguments).await;
    let again = world.run_slipway(&reader, &arguments).await;
    let after = theirs.runs().await;
    theirs.remove().await;

    assert!(ran.status.success(), "{}", words(&ran));
    let seen: Value = serde_json::from_slice(&ran.stdout).expect("a document");
    let variables = std::fs::read_to_string(out.join("terraform.tfvars")).expect("it is written");
    for service in configured.as_array().expect("services") {
        let name = service["service"].as_str().expect("a name");
        let report = seen["services"].as_array().expect("services").iter().find(|one| one["service"] == name);
        let report = report.unwrap_or_else(|| panic!("{name} is seen: {seen}"));
        assert_eq!(report["unsupported"], Value::Null, "{report}");
        assert!(
            variables.contains(&format!("service  = \"{name}\""))
                || variables.contains(&format!("\"{name}\"")),
            "{variables}"
        );
        let family =
            report["task_definition"].as_str().and_then(|name| name.split(':').next()).expect("a family");
        assert!(variables.contains(&format!("\"{family}\"")), "{name}: {variables}");
    }
    for words in ["target_health", "steady", "health", "containers", "ana@example.com"] {
        assert!(variables.contains(words), "{words}: {variables}");
    }
    assert!(!again.status.success() && words(&again).contains("--force"), "{}", words(&again));
    assert_eq!(after, before, "and nothing is changed");
}

/// A certificate of ACM for a name.
async fn certificate(world: &World, name: &str) -> String {
    let asked = reqwest::Client::new()
        .post(format!("http://127.0.0.1:{}/", world.cloud.port()))
        .header("x-amz-target", "CertificateManager.RequestCertificate")
        .header("content-type", "application/x-amz-json-1.1")
        .header("authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/acm/aws4_request, SignedHeaders=host, Signature=0")
        .body(json!({ "DomainName": name }).to_string());
    let answer = asked.send().await.expect("ACM answers").text().await.expect("an answer");
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    answer["CertificateArn"].as_str().expect("an ARN").to_owned()
}

#[tokio::test]
async fn a_service_is_asked_by_tls_under_the_name_that_its_certificate_has() {
    let world = World::enter_calm().await;
    let mut theirs = Theirs::new(&world).await;
    theirs.family("shop-tls", &[("app", &theirs.image)]).await;
    let balancer = theirs
        .balancer("theirs-tls", LoadBalancerTypeEnum::Application, LoadBalancerSchemeEnum::InternetFacing)
        .await;
    let group = theirs.group("theirs-tls", ProtocolEnum::Http, None).await;
    let name = "theirs-tls.alb.localhost";
    let made = theirs
        .balancing
        .create_listener()
        .load_balancer_arn(&balancer)
        .protocol(ProtocolEnum::Https)
        .port(443)
        .certificates(Certificate::builder().certificate_arn(certificate(&world, name).await).build())
        .default_actions(forward(&group));
    let listener =
        made.send().await.expect("ELB takes it").listeners()[0].listener_arn().expect("an ARN").to_owned();
    theirs.service("their-tls", "shop-tls", &[&group], false).await;
    let configure = async |url: Option<String>| {
        world
            .configure(|application| {
                let mut health = json!({ "path": "/health" });
                if let Some(url) = url {
                    health["url"] = url.into();
                }
                let service = json!({ "service": "their-tls", "template": "shop-tls", "health": health });
                application["stages"] =
                    json!([{ "name": "staging", "cluster": CLUSTER, "services": [service] }]);
            })
            .await;
    };

    configure(None).await;
    let nameless = world.push(&PushOptions::light(&world.version())).await;
    let refused = world.ended(&nameless).await;
    configure(Some(format!("https://{name}:{}", world.cloud.tls_port()))).await;
    let good = world.push(&PushOptions::light(&world.version())).await;
    let released = world.ended(&good).await;
    let other = Certificate::builder().certificate_arn(certificate(&world, "www.example.com").await).build();
    let changed = theirs.balancing.modify_listener().listener_arn(&listener).certificates(other);
    changed.send().await.expect("ELB takes it");
    let foreign = world.push(&PushOptions::light(&world.version())).await;
    let rolled_back = world.ended(&foreign).await;
    world.configure(|_| {}).await;
    theirs.remove().await;

    assert_eq!((refused.outcome(), refused.stage()), (Some("FAILED"), Some("staging")), "{refused:?}");
    assert!(
        refused.reason().expect("a reason").contains("no rule with a host says which name"),
        "{refused:?}"
    );
    assert_eq!(released.outcome(), Some("RELEASED"), "{released:?}");
    // The release before is no better seen through that certificate.
    assert_eq!(
        (rolled_back.outcome(), rolled_back.stage()),
        (Some("STUCK"), Some("staging")),
        "{rolled_back:?}"
    );
    let reason = rolled_back.reason().expect("a reason");
    assert!(reason.contains("certificate"), "{reason}");
}

#[tokio::test]
async fn what_schedules_run_is_restored_with_the_stage() {
    let world = World::enter_calm().await;
    world.has_a_good_release().await;
    let theirs = Theirs::new(&world).await;
    for family in ["shop-hourly", "shop-daily"] {
        theirs.family(family, &[("job", &theirs.image)]).await;
    }
    world
        .configure(|application| {
            application["stages"][0]["tasks"] =
                json!([{ "family": "shop-hourly" }, { "family": "shop-daily", "container": "job" }]);
            application["stages"].as_array_mut().expect("stages").truncate(1);
        })
        .await;
    // The second family's revision is not registered, however often it is tried.
    let throttled = CallRule {
        nth: 2,
        times: 200,
        ..CallRule::new("ecs:RegisterTaskDefinition", Fault::Throttle).of("bake-stage")
    };
    world.break_calls(throttled).await;

    let release = world.push(&PushOptions::light(&world.version())).await;
    world
        .until("the first family has the image", async || {
            theirs.newest("shop-hourly").await.1[0].ends_with(&release.digest)
        })
        .await;
    let id = world.id_of(&release).await;
    world.abort(&id, "not tonight").await;
    let ended = world.ended(&release).await;
    world.mend().await;
    let (hourly, daily) = (theirs.newest("shop-hourly").await, theirs.newest("shop-daily").await);
    let image = theirs.image.clone();
    world.configure(|_| {}).await;
    theirs.remove().await;

    assert_eq!((ended.outcome(), ended.stage()), (Some("ROLLED_BACK"), Some("staging")), "{ended:?}");
    assert_eq!((hourly.1, daily.1), (vec![image.clone()], vec![image]));
    assert_eq!((hourly.0 - daily.0).signum(), 1, "what it was is registered again");
}

#[tokio::test]
async fn what_cannot_be_released_as_it_is_is_refused_before_anything_changes() {
    let world = World::enter_calm().await;
    let mut theirs = Theirs::new(&world).await;
    let image = theirs.image.clone();
    let other = format!("{}:other-1", image.rsplit_once(':').expect("a tag").0);
    theirs.family("shop-grpc", &[("app", &image)]).await;
    theirs.family("shop-both", &[("app", &image), ("api", &other)]).await;
    let inside = theirs
        .balancer("theirs-grpc", LoadBalancerTypeEnum::Application, LoadBalancerSchemeEnum::InternetFacing)
        .await;
    let group = theirs.group("theirs-grpc", ProtocolEnum::Http, Some("GRPC")).await;
    theirs.listener(&inside, ProtocolEnum::Http, 80, &group).await;
    theirs.service("their-grpc", "shop-grpc", &[&group], false).await;
    theirs.service("their-both", "shop-both", &[], false).await;

    let grpc = json!({ "service": "their-grpc", "template": "shop-grpc", "health": { "path": "/" } });
    let worker =
        json!({ "service": "their-both", "template": "running", "target_health": {}, "containers": ["app"] });
    let both = json!({ "service": "their-both", "template": "shop-both", "steady": { "for": "1s" } });
    let none = json!({ "service": "their-both", "template": "shop-none", "steady": { "for": "1s" } });
    let nightly = json!([{ "family": "shop-missing" }]);
    let plain = json!({ "service": "their-both", "template": "running", "containers": ["app"], "steady": { "for": "1s" } });
    let mut seen = Vec::new();
    for (service, tasks, words) in [
        (
            grpc,
            json!([]),
            "its target group theirs-grpc takes GRPC, and Slipway asks by HTTP/1.1. Write the address that answers from outside as health.url of the service, or target_health = {} in the place of health",
        ),
        (worker, json!([]), "their-both has no target group, so no load balancer checks its tasks"),
        (
            both,
            json!([]),
            "shop-both has several images of the repository web, in the containers app, api: write containers = [\"app\"]",
        ),
        (none, json!([]), "there is no task definition shop-none, which is the template of their-both"),
        (plain, nightly, "there is no task definition shop-missing, which the stage's tasks name"),
    ] {
        world
            .configure(|application| {
                application["stages"] =
                    json!([{ "name": "staging", "cluster": CLUSTER, "services": [service], "tasks": tasks }]);
            })
            .await;
        let release = world.push(&PushOptions::light(&world.version())).await;
        seen.push((world.ended(&release).await, words));
    }
    let runs = theirs.runs().await;
    world.configure(|_| {}).await;
    theirs.remove().await;

    for (ended, words) in seen {
        assert_eq!((ended.outcome(), ended.stage()), (Some("FAILED"), Some("staging")), "{ended:?}");
        assert!(ended.reason().is_some_and(|reason| reason.contains(words)), "{words}: {ended:?}");
    }
    assert!(runs.iter().all(|(_, runs)| *runs == image), "{runs:?}");
}

#[tokio::test]
async fn a_revision_that_somebody_registers_for_a_schedule_during_a_release_is_left_alone() {
    let world = World::enter_calm().await;
    world.has_a_good_release().await;
    let theirs = Theirs::new(&world).await;
    theirs.family("shop-monthly", &[("job", &theirs.image)]).await;
    world.alarm("e2e-staging-5xx", "OK").await;
    world
        .configure(|application| {
            application["stages"][0]["bake"] = json!({ "for": "6s", "alarms": ["e2e-staging-5xx"] });
            application["stages"][0]["tasks"] = json!([{ "family": "shop-monthly" }]);
            application["stages"].as_array_mut().expect("stages").truncate(1);
        })
        .await;

    let release = world.push(&PushOptions::light(&world.version())).await;
    world.until_it_bakes(&release).await;
    theirs.family("shop-monthly", &[("job", &theirs.image)]).await;
    let newer = theirs.newest("shop-monthly").await;
    let ended = world.ended(&release).await;
    world.quiet().await;
    let newest = theirs.newest("shop-monthly").await;
    let mails = world.mails_since(&release);
    world.configure(|_| {}).await;
    theirs.remove().await;

    assert_eq!(ended.outcome(), Some("RELEASED"), "{ended:?}");
    assert_eq!(newest, newer, "it may be what the task needs");
    let words = format!("somebody has registered shop-monthly:{}", newer.0);
    assert!(mails.iter().any(|mail| mail.body.contains(&words)), "people read it: {mails:?}");
}

#[tokio::test]
async fn a_revision_that_somebody_registered_for_a_schedule_is_drift_until_the_next_release() {
    let world = World::enter_calm().await;
    world.has_a_good_release().await;
    let theirs = Theirs::new(&world).await;
    theirs.family("shop-weekly", &[("job", &theirs.image)]).await;
    world
        .configure(|application| {
            application["stages"][0]["tasks"] = json!([{ "family": "shop-weekly" }]);
            application["stages"].as_array_mut().expect("stages").truncate(1);
        })
        .await;
    let release = world.push(&PushOptions::light(&world.version())).await;
    let released = world.ended(&release).await;
    let given = theirs.newest("shop-weekly").await;
    let operators = world.cloud.operators().expect("the API");
    let status: Application = operators.get("applications/web").await.expect("it answers");

    theirs.family("shop-weekly", &[("job", &theirs.image)]).await;
    let mails = world.cloud.inbox().expect("the inbox").len();
    world.move_back("RUNNING", "web#staging#", "since", jiff::SignedDuration::from_mins(5)).await;
    for _ in 0..2 {
        assert_eq!(world.reconcile().await["problems"], json!([]));
    }
    world.quiet().await;
    let inbox = world.cloud.inbox().expect("the inbox");
    let drifts: Vec<_> =
        inbox[mails..].iter().filter(|mail| mail.subject.contains("did not release")).collect();
    let checkup: Checkup = operators.get("applications/web/doctor").await.expect("it answers");
    let next = world.push(&PushOptions::light(&world.version())).await;
    let released_again = world.ended(&next).await;
    let newest = theirs.newest("shop-weekly").await;
    world.configure(|_| {}).await;
    theirs.remove().await;

    assert_eq!(released.outcome(), Some("RELEASED"), "{released:?}");
    assert!(given.1[0].ends_with(&release.digest), "{given:?}");
    let runs = status.status.stages[0].runs.as_ref().expect("it runs a release");
    assert!(
        runs.tasks[0].task_definition.as_str().ends_with(&format!("shop-weekly:{}", given.0)),
        "{runs:?}"
    );
    assert_eq!(drifts.len(), 1, "people are notified, and once");
    let words =
        format!("tasks of shop-weekly run shop-weekly:{}, and not shop-weekly:{}", given.0 + 1, given.0);
    assert!(drifts[0].body.to_lowercase().contains(&words), "{}", drifts[0].body);
    assert!(checkup.findings.iter().any(|finding| finding.what.contains(&words)), "{checkup:?}");
    assert_eq!(released_again.outcome(), Some("RELEASED"), "{released_again:?}");
    assert_eq!(newest.0, given.0 + 2);
    assert!(newest.1[0].ends_with(&next.digest), "{newest:?}");
}
