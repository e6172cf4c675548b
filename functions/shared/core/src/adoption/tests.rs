use serde_json::json;

use super::*;
use crate::deployment::{Balancer, ServiceView, Traffic};
use crate::fixtures;
use crate::name::ClusterName;
use crate::name::{EmailAddress, ServiceArn, StageName, TaskDefinitionArn};

const HOST: &str = "111122223333.dkr.ecr.eu-central-1.amazonaws.com";

fn cluster(name: &str) -> ClusterName {
    ClusterName::new(name).expect("a name")
}

fn service_name(name: &str) -> ServiceName {
    ServiceName::new(name).expect("a name")
}

fn repository(name: &str) -> ExistingRepository {
    ExistingRepository {
        name: RepositoryName::new(name).expect("a name"),
        arn: format!("arn:aws:ecr:eu-central-1:111122223333:repository/{name}"),
        uri: format!("{HOST}/{name}"),
        deployer: None,
        has_mutable_tags: false,
    }
}

fn definition(family: &str, revision: u32) -> TaskDefinitionArn {
    let arn = format!("arn:aws:ecs:eu-central-1:111122223333:task-definition/{family}:{revision}");
    TaskDefinitionArn::new(arn).expect("an ARN")
}

fn document(containers: &[(&str, &str)]) -> Value {
    let containers: Vec<_> =
        containers.iter().map(|(name, image)| json!({ "name": name, "image": image })).collect();
    json!({
        "family": "shop-task", "networkMode": "awsvpc", "containerDefinitions": containers,
        "executionRoleArn": "arn:aws:iam::111122223333:role/shop-execution", "taskRoleArn": "shop-task",
    })
}

/// A service of one container, without a load balancer.
fn plain(of: &str, name: &str, image: &str) -> ExistingService {
    let runs = definition("shop-task", 7);
    ExistingService {
        cluster: cluster(of),
        name: service_name(name),
        view: ServiceView {
            arn: ServiceArn::new(format!("arn:aws:ecs:eu-central-1:111122223333:service/{of}/{name}"))
                .expect("an ARN"),
            task_definition: runs.clone(),
            traffic: Traffic { has_circuit_breaker: true, ..Traffic::default() },
            ..fixtures::service(7)
        },
        runs_on: vec!["FARGATE".into()],
        definition: Some(ExistingDefinition {
            document: document(&[(name, image)]),
            newest: Some(ExistingRevision { arn: runs, document: document(&[(name, image)]) }),
            is_released: false,
        }),
        target_groups: Vec::new(),
        address: None,
    }
}

/// The same behind a load balancer.
fn balanced(service: ExistingService, kind: &str, is_internal: bool) -> ExistingService {
    let arn = "arn:aws:elasticloadbalancing:eu-central-1:111122223333:targetgroup/web/6d0e".to_owned();
    let balancer = Balancer { target_group: Some(arn.clone()), ..Balancer::default() };
    let traffic = Traffic { balancers: vec![balancer], ..service.view.traffic.clone() };
    ExistingService {
        view: ServiceView { traffic, ..service.view },
        target_groups: vec![ExistingGroup {
            arn,
            protocol_version: Some("HTTP1".into()),
            path: Some("/up".into()),
            codes: Some("200".into()),
            balancers: vec![ExistingBalancer {
                arn: "arn:aws:elasticloadbalancing:eu-central-1:111122223333:loadbalancer/app/front/50dc"
                    .into(),
                kind: kind.into(),
                is_internal,
                dns_name: "front.example.com".into(),
            }],
        }],
        address: Some(Ok(Address {
            url: "http://front.example.com".into(),
            is_of_rule: false,
            asks: vec![],
        })),
        ..service
    }
}

fn internet_facing(of: &str, name: &str) -> ExistingService {
    balanced(plain(of, name, &format!("{HOST}/shop:v7")), "application", false)
}

fn inventory(services: Vec<ExistingService>) -> Inventory {
    Inventory {
        account: "111122223333".into(),
        region: "eu-central-1".into(),
        services,
        repositories: vec![repository("shop"), repository("team/api")],
        ..Inventory::default()
    }
}

fn stage(name: &str, of: &str, services: &[&str]) -> WishedStage {
    WishedStage {
        name: StageName::new(name).expect("a name"),
        cluster: cluster(of),
        services: services.iter().map(|name| service_name(name)).collect(),
    }
}

fn wish() -> Wish {
    Wish {
        stages: vec![stage("staging", "shop-staging", &[]), stage("production", "shop-production", &[])],
        repository: None,
        approvers: vec![EmailAddress::new("ana@example.com").expect("an address")],
        deployer: "slipway".into(),
    }
}

fn only() -> Wish {
    Wish { stages: vec![stage("production", "main", &[])], ..wish() }
}

/// What is said of one service alone.
fn reported(service: ExistingService) -> ServiceReport {
    let adoption = adopt(&inventory(vec![service]), &only());
    adoption.services.into_iter().next().expect("it was looked at")
}

fn configured(report: &ServiceReport) -> Value {
    serde_json::to_value(&report.check).expect("it is JSON")
}

#[test]
fn an_application_has_a_stage_for_each_cluster_and_asks_before_the_last() {
    let adoption = adopt(
        &inventory(vec![internet_facing("shop-staging", "web"), internet_facing("shop-production", "web")]),
        &wish(),
    );

    let services = json!([{ "service": "web", "template": "shop-task", "health": { "path": "/up" } }]);
    assert_eq!(
        serde_json::to_value(&adoption.applications).expect("it is JSON"),
        json!([{ "name": "shop", "repository": "shop", "tags": ["v*"], "stages": [
            { "name": "staging", "cluster": "shop-staging", "services": services },
            { "name": "production", "cluster": "shop-production", "services": services,
              "approval": { "approvers": ["ana@example.com"], "quorum": 1, "expires_after": "24h" } },
        ] }])
    );
    assert_eq!(
        adoption.task_role_arns,
        ["arn:aws:iam::111122223333:role/shop-execution", "arn:aws:iam::111122223333:role/shop-task"]
    );
    let untagged: Vec<_> = adoption.untagged.iter().map(|one| one.arn.as_str()).collect();
    assert_eq!(
        untagged,
        [
            "arn:aws:ecs:eu-central-1:111122223333:service/shop-production/web",
            "arn:aws:ecs:eu-central-1:111122223333:service/shop-staging/web",
            "arn:aws:ecr:eu-central-1:111122223333:repository/shop",
        ]
    );
    assert_eq!(adoption.left_out, []);
}

#[test]
fn a_repository_that_a_stage_does_not_run_is_left_out_with_the_reason() {
    let api = plain("shop-production", "api", &format!("{HOST}/team/api:v1"));
    let services =
        vec![internet_facing("shop-staging", "web"), internet_facing("shop-production", "web"), api];

    let adoption = adopt(&inventory(services), &wish());

    assert_eq!(adoption.applications.len(), 1);
    let [left_out] = adoption.left_out.as_slice() else { panic!("{:?}", adoption.left_out) };
    assert_eq!(left_out.what, "the repository team/api");
    assert!(left_out.why.contains("runs in production and not in staging"), "{}", left_out.why);
}

#[test]
fn a_service_is_judged_by_what_its_load_balancer_allows() {
    let web = || internet_facing("main", "web");
    assert_eq!(configured(&reported(web())), json!({ "health": { "path": "/up" } }));

    let mut by_rule = web();
    by_rule.address =
        Some(Ok(Address { url: "https://shop.example.com".into(), is_of_rule: true, asks: vec![] }));
    by_rule.target_groups[0].codes = Some("200-399".into());
    assert_eq!(
        configured(&reported(by_rule)),
        json!({ "health": { "path": "/up", "url": "https://shop.example.com", "codes": "200-399" } })
    );

    let mut unnamed = web();
    unnamed.address = Some(Err("the listener on port 443 speaks TLS".into()));
    let report = reported(unnamed);
    assert_eq!(configured(&report), json!({ "target_health": {} }));
    assert!(report.notes[0].contains("health = { path = \"/up\", url ="), "{:?}", report.notes);

    let mut grpc = web();
    grpc.target_groups[0].protocol_version = Some("GRPC".into());
    assert_eq!(configured(&reported(grpc)), json!({ "target_health": {} }));

    for (kind, is_internal, expected) in
        [("application", true, BalancerKind::Internal), ("network", false, BalancerKind::Network)]
    {
        let mut service = balanced(plain("main", "web", &format!("{HOST}/shop:v7")), kind, is_internal);
        service.address = Some(Err("it answers nobody".into()));
        let report = reported(service);
        assert_eq!((report.load_balancer, configured(&report)), (expected, json!({ "target_health": {} })));
        assert!(report.notes[0].contains("because it answers nobody"), "{:?}", report.notes);
    }

    let worker = reported(plain("main", "worker", &format!("{HOST}/shop:v7")));
    assert_eq!(configured(&worker), json!({ "steady": { "for": "30s" } }));

    let mut unattached = web();
    unattached.target_groups[0].balancers.clear();
    unattached.address = Some(Err("no listener forwards to it".into()));
    let report = reported(unattached);
    assert_eq!(report.load_balancer, BalancerKind::Unattached);
    assert_eq!(configured(&report), json!({ "steady": { "for": "30s" } }));

    let mut classic = plain("main", "web", &format!("{HOST}/shop:v7"));
    classic.view.traffic.balancers = vec![Balancer::default()];
    let report = reported(classic);
    assert_eq!(report.load_balancer, BalancerKind::Classic);
    assert_eq!(configured(&report), json!({ "steady": { "for": "30s" } }));
}

#[test]
fn several_target_groups_are_said() {
    let mut service = internet_facing("main", "web");
    let second = Balancer { target_group: Some("second".into()), ..Balancer::default() };
    service.view.traffic.balancers.push(second);

    let report = reported(service);

    assert_eq!(report.target_groups, 2);
    assert!(report.notes[0].contains("in 2 target groups"), "{:?}", report.notes);
}

#[test]
fn codes_are_written_where_others_than_2xx_are_good() {
    let written = |codes: &str| {
        let group = ExistingGroup { codes: Some(codes.into()), ..ExistingGroup::default() };
        other_codes(&group).map(|codes| codes.to_string())
    };

    for codes in ["200", "200-299", "200,202", "204, 200-201", "0-99", ""] {
        assert_eq!(written(codes), None, "{codes}");
    }
    for (codes, expected) in [("200-399", "200-399"), ("200, 302", "200,302"), ("401", "401")] {
        assert_eq!(written(codes).as_deref(), Some(expected), "{codes}");
    }
}

#[test]
fn a_release_is_made_from_the_family_that_terraform_registers_or_from_what_runs() {
    let template_of = |family: &str| {
        let mut service = internet_facing("main", "web");
        service.view.task_definition = definition(family, 7);
        reported(service).template
    };
    assert_eq!(template_of("shop-task"), Template::Family("shop-task".into()));
    // It runs, so it has a real image: somebody calls theirs so.
    assert_eq!(template_of("main-web-template"), Template::Family("main-web-template".into()));
    let mut unreleased = internet_facing("main", "web");
    unreleased.view.task_definition = definition("main-web-template", 1);
    unreleased.view.running_count = 0;
    assert_eq!(reported(unreleased).template, Template::Default);
    assert_eq!(template_of("main-web"), Template::Family("main-web".into()), "releases go elsewhere");
    assert_eq!(template_of("main-web-release"), Template::Running);

    let mut released = internet_facing("main", "web");
    released.view.task_definition = definition("main-web", 7);
    released.definition.as_mut().expect("it has one").is_released = true;
    assert_eq!(reported(released).template, Template::Default);

    let newest = ExistingRevision {
        arn: definition("shop-task", 9),
        document: document(&[("web", &format!("{HOST}/shop:v9"))]),
    };
    let mut behind = internet_facing("main", "web");
    behind.definition.as_mut().expect("it has one").newest = Some(newest);
    let notes = reported(behind).notes;
    assert!(notes.iter().any(|note| note.contains("what changed up to shop-task:9")), "{notes:?}");
}

#[test]
fn where_stages_have_revisions_of_one_family_each_is_deployed_from_what_it_runs() {
    let mut staging = internet_facing("shop-staging", "web");
    staging.view.task_definition = definition("shop-task", 8);
    let production = internet_facing("shop-production", "web");

    let adoption = adopt(&inventory(vec![staging, production.clone()]), &wish());
    assert!(adoption.services.iter().all(|service| service.template == Template::Running));

    let same = adopt(&inventory(vec![internet_facing("shop-staging", "web"), production]), &wish());
    assert!(same.services.iter().all(|service| service.template == Template::Family("shop-task".into())));
}

#[test]
fn a_service_whose_next_revision_would_have_no_image_of_ours_is_no_application() {
    let newest =
        ExistingRevision { arn: definition("shop-task", 9), document: document(&[("web", "nginx:1.29")]) };
    let mut service = internet_facing("main", "web");
    service.definition.as_mut().expect("it has one").newest = Some(newest);

    let adoption = adopt(&inventory(vec![service]), &only());

    let why = adoption.services[0].unsupported.as_deref().expect("no release could be made");
    assert!(why.contains("shop"), "{why}");
    assert_eq!(adoption.applications, []);
}

#[test]
fn containers_and_roles_are_those_of_the_revision_that_a_release_is_made_from() {
    let behind = |of: &str| {
        let mut service = internet_facing(of, "web");
        let ours = |tag: &str| format!("{HOST}/shop:{tag}");
        let mut newest = document(&[("app", &ours("v9")), ("nginx", &ours("nginx-3"))]);
        newest["taskRoleArn"] = json!("shop-reports");
        let newest = ExistingRevision { arn: definition("shop-task", 9), document: newest };
        service.definition.as_mut().expect("it has one").newest = Some(newest);
        service
    };
    let names = |report: &ServiceReport| -> (Vec<String>, Vec<String>) {
        let roles = report.roles.iter().filter_map(|role| role.rsplit('/').next());
        let containers = report.containers.iter().map(|container| container.name.clone());
        (containers.collect(), roles.map(ToOwned::to_owned).collect())
    };

    let of_family = adopt(&inventory(vec![behind("main")]), &only());
    let mut staging = behind("shop-staging");
    staging.view.task_definition = definition("shop-task", 8);
    let of_what_runs = adopt(&inventory(vec![staging, behind("shop-production")]), &wish());

    let report = &of_family.services[0];
    assert_eq!(report.template, Template::Family("shop-task".into()));
    let (containers, roles) = names(report);
    assert_eq!(containers, ["app", "nginx"]);
    assert_eq!(report.named_containers, ["app"]);
    assert_eq!(report.made_from.as_deref(), Some("shop-task:9"), "it runs shop-task:7");
    assert_eq!(
        roles,
        ["shop-execution", "shop-task", "shop-reports"],
        "a rollback and a release need theirs"
    );
    assert_eq!(of_family.task_role_arns.len(), 3);
    for report in &of_what_runs.services {
        assert_eq!((&report.template, &report.made_from), (&Template::Running, &None));
        let (containers, roles) = names(report);
        assert_eq!(containers, ["web"]);
        assert_eq!(roles, ["shop-execution", "shop-task"]);
    }
    assert_eq!(of_what_runs.task_role_arns.len(), 2);
}

#[test]
fn a_template_is_of_the_family_that_runs_or_of_the_modules_after_a_release() {
    let running = |family: &str, is_released: bool| {
        let mut service = internet_facing("main", "web");
        service.view.task_definition = definition(family, 7);
        template_family(&service, is_released)
    };

    assert_eq!(running("shop-task", false), "shop-task");
    assert_eq!(running("main-web", false), "main-web");
    assert_eq!(running("main-web", true), "main-web-template");
    assert_eq!(running("main-web-release", true), "main-web-release");
}

#[test]
fn the_containers_with_the_applications_image_take_a_release() {
    let with = |containers: &[(&str, String)]| {
        let mut service = plain("main", "web", "unused");
        let containers: Vec<_> = containers.iter().map(|(name, image)| (*name, image.as_str())).collect();
        let definition = service.definition.as_mut().expect("it has one");
        definition.newest.as_mut().expect("it has one").document = document(&containers);
        definition.document = document(&containers);
        reported(service)
    };
    let takes = |report: &ServiceReport| -> Vec<String> {
        let taken = report.containers.iter().filter(|container| container.takes_release);
        taken.map(|container| container.name.clone()).collect()
    };
    let ours = |tag: &str| format!("{HOST}/shop:{tag}");

    let sidecar = with(&[("app", ours("v7")), ("envoy", "envoyproxy/envoy:v1".into())]);
    assert_eq!((takes(&sidecar), sidecar.named_containers.len()), (vec!["app".to_owned()], 0));

    let both = with(&[("app", ours("v7")), ("cron", ours("v7"))]);
    assert_eq!((takes(&both).len(), both.named_containers.len()), (2, 0));

    let called = with(&[("nginx", ours("nginx-3")), ("web", ours("v7"))]);
    assert_eq!((takes(&called), called.named_containers.len()), (vec!["web".to_owned()], 0));

    let ambiguous = with(&[("app", ours("v7")), ("nginx", ours("nginx-3"))]);
    assert_eq!(takes(&ambiguous), ["app"]);
    assert_eq!(ambiguous.named_containers, ["app"]);
    assert!(ambiguous.notes.iter().any(|note| note.contains("several images")), "{:?}", ambiguous.notes);
}

#[test]
fn what_slipway_cannot_deploy_to_is_said_with_what_to_do() {
    let shop = || format!("{HOST}/shop:v7");
    let why = |service: ExistingService| {
        let adoption = adopt(&inventory(vec![service]), &only());
        assert_eq!(adoption.applications, []);
        adoption.services[0].unsupported.clone().expect("a reason")
    };

    for controller in ["CODE_DEPLOY", "EXTERNAL"] {
        let mut service = plain("main", "web", &shop());
        service.view.traffic.controller = Some(controller.into());
        assert!(why(service).contains(controller));
    }
    let mut bridged = internet_facing("main", "web");
    let definition = bridged.definition.as_mut().expect("it has one");
    definition.newest.as_mut().expect("it has one").document["networkMode"] = json!("bridge");
    assert!(why(bridged).contains("awsvpc"));
    assert!(why(plain("main", "web", "nginx:1.27")).contains("push its image to one"));
    let elsewhere = "999988887777.dkr.ecr.us-east-1.amazonaws.com/shop:v7";
    assert!(why(plain("main", "web", elsewhere)).contains("the account 999988887777 in us-east-1"));
    let mut gone = plain("main", "web", &shop());
    gone.definition = None;
    assert!(why(gone).contains("no task definition"));
}

#[test]
fn repositories_are_known_by_every_name_of_their_registry() {
    let inventory = inventory(Vec::new());
    for image in [
        format!("{HOST}/team/api:v1"),
        format!("{HOST}/team/api@sha256:{}", "a".repeat(64)),
        "111122223333.dkr-ecr.eu-central-1.on.aws/team/api:v1".to_owned(),
        "111122223333.dkr.ecr-fips.eu-central-1.amazonaws.com/team/api".to_owned(),
    ] {
        let found = repository_of(&image, &inventory).map(|found| found.name.to_string());
        assert_eq!(found.as_deref(), Some("team/api"), "{image}");
    }
    for image in ["team/api:v1", "docker.io/team/api:v1", "1.dkr.ecr.eu-central-1.amazonaws.com/team/api:v1"]
    {
        assert_eq!(repository_of(image, &inventory), None, "{image}");
    }
}

#[test]
fn an_alarm_of_a_service_undoes_a_release_unless_it_scales_or_knows_too_little() {
    let alarm = |name: &str, dimensions: &[(&str, &str)]| ExistingAlarm {
        name: name.into(),
        state: AlarmState::Ok,
        metrics: vec![dimensions.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()],
        actions: Vec::new(),
    };
    let mut inventory = inventory(vec![internet_facing("main", "web")]);
    let service = [("ClusterName", "main"), ("ServiceName", "web")];
    inventory.alarms = vec![
        alarm(
            "of-target-group",
            &[("TargetGroup", "targetgroup/web/6d0e"), ("LoadBalancer", "app/front/50dc")],
        ),
        alarm("of-load-balancer", &[("LoadBalancer", "app/front/50dc")]),
        alarm("of-service", &service),
        alarm(
            "of-another-group",
            &[("TargetGroup", "targetgroup/api/1"), ("LoadBalancer", "app/front/50dc")],
        ),
        alarm("of-another-cluster", &[("ClusterName", "other"), ("ServiceName", "web")]),
        alarm("of-nothing", &[]),
        ExistingAlarm {
            actions: vec!["arn:aws:autoscaling:eu-central-1:111122223333:scalingPolicy:1".into()],
            ..alarm("scales", &service)
        },
        ExistingAlarm { state: AlarmState::InsufficientData, ..alarm("knows-nothing", &service) },
    ];

    let adoption = adopt(&inventory, &only());

    let bake = adoption.applications[0].stages[0].bake.as_ref().expect("it bakes");
    assert_eq!(bake.alarms, ["of-load-balancer", "of-service", "of-target-group"]);
    let left_out: Vec<_> = adoption.services[0]
        .alarms
        .iter()
        .filter(|alarm| alarm.left_out.is_some())
        .map(|alarm| alarm.name.as_str())
        .collect();
    assert_eq!(left_out, ["scales", "knows-nothing"]);
}

#[test]
fn scheduled_tasks_of_the_same_image_are_released_along() {
    let schedule = |name: &str, of: &str, task: &str, image: &str| ExistingSchedule {
        name: name.into(),
        kind: ScheduleKind::Rule,
        cluster: cluster(of),
        task_definition: format!("arn:aws:ecs:eu-central-1:111122223333:task-definition/{task}"),
        document: Some(document(&[("job", image)])),
    };
    let shop = format!("{HOST}/shop:v7");
    let mut inventory = inventory(vec![internet_facing("main", "web")]);
    inventory.schedules = vec![
        schedule("nightly", "main", "report", &shop),
        schedule("weekly", "main", "cleanup:3", &shop),
        schedule("hourly", "main", "shop-task", &shop),
        schedule("other-image", "main", "backup", "postgres:17"),
        schedule("other-cluster", "other", "report", &shop),
    ];

    let adoption = adopt(&inventory, &only());

    let application = &adoption.applications[0];
    let tasks: Vec<_> = application.stages[0]
        .tasks
        .iter()
        .map(|task| (task.family.as_str(), task.container.as_str()))
        .collect();
    assert_eq!(tasks, [("cleanup", "job"), ("report", "job")]);
    let notes = application.notes.join("\n");
    assert!(notes.contains("weekly names revision 3 of cleanup"), "{notes}");
    assert!(notes.contains("hourly runs shop-task, the family of the service web"), "{notes}");
}

#[test]
fn one_cluster_may_have_both_stages() {
    let services = vec![internet_facing("main", "web-staging"), internet_facing("main", "web")];
    let stages = vec![stage("staging", "main", &["web-staging"]), stage("production", "main", &[])];

    let adoption = adopt(&inventory(services), &Wish { stages, ..wish() });

    let names: Vec<_> = adoption.applications[0]
        .stages
        .iter()
        .map(|stage| (stage.name.as_str(), stage.services[0].service.as_str(), stage.services.len()))
        .collect();
    assert_eq!(names, [("staging", "web-staging", 1), ("production", "web", 1)]);
}

#[test]
fn a_wished_repository_is_the_only_application_and_no_reproach_to_other_services() {
    let api = plain("main", "api", &format!("{HOST}/team/api:v1"));
    let wished = RepositoryName::new("team/api").expect("a name");
    let wish = Wish { repository: Some(wished), ..only() };

    let adoption = adopt(&inventory(vec![internet_facing("main", "web"), api]), &wish);

    let names: Vec<_> = adoption.applications.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["api"]);
    assert_eq!(adoption.left_out, []);
}

#[test]
fn an_applications_name_is_the_end_of_its_repositorys() {
    let name = |repository: &str, taken: &[&str]| {
        let taken: Vec<_> = taken.iter().map(|name| ApplicationName::new(*name).expect("a name")).collect();
        let repository = RepositoryName::new(repository).expect("a name");
        application_name(&repository, &taken.iter().collect::<Vec<_>>()).map(|name| name.to_string())
    };
    for (repository, expected) in [
        ("shop", "shop"),
        ("team/shop_api.v2", "shop-api-v2"),
        ("2024/3d-viewer", "d-viewer"),
        ("platform/customer-relationship-management-web", "customer-relationship-management"),
    ] {
        assert_eq!(name(repository, &[]).as_deref(), Some(expected), "{repository}");
    }
    assert_eq!(name("team/shop", &["shop"]).as_deref(), Some("team-shop"));
    assert_eq!(name("12/34", &[]), None);
}

#[test]
fn what_is_better_put_right_before_the_first_release_is_said() {
    let mut service = internet_facing("main", "web");
    service.view.traffic.has_circuit_breaker = false;
    service.view.desired_count = 0;
    service.view.deployer = Some("another".into());
    service.view.arn = ServiceArn::new("arn:aws:ecs:eu-central-1:111122223333:service/web").expect("an ARN");

    let adoption = adopt(&inventory(vec![service]), &only());

    let notes = adoption.services[0].warnings.join("\n");
    for words in
        ["no circuit breaker", "scaled to 0", "slipway:deployer = another", "short one of before 2021"]
    {
        assert!(notes.contains(words), "{words}: {notes}");
    }
    let services: Vec<_> = adoption.untagged.iter().filter(|one| one.of == Tagger::Ecs).collect();
    assert!(services.is_empty(), "what another deployer has is not taken from it: {services:?}");
}

#[test]
fn a_service_whose_rule_asks_for_more_than_a_host_is_judged_by_its_load_balancers_checks() {
    let mut service = internet_facing("main", "web");
    let asks = vec!["path-pattern /api/*".to_owned()];
    service.address = Some(Ok(Address { url: "http://front.example.com".into(), is_of_rule: false, asks }));

    let report = reported(service);

    assert_eq!(report.check, Check::TargetHealth {});
    assert!(report.notes.iter().any(|note| note.contains("path-pattern /api/*")), "{:?}", report.notes);
}

#[test]
fn a_family_that_several_stages_run_is_in_none_of_them() {
    let family = || PlannedTask { family: "nightly".into(), container: "job".into() };
    let stage = |name: &str| PlannedStage {
        name: StageName::new(name).expect("a name"),
        cluster: ClusterName::new(name).expect("a name"),
        services: vec![],
        tasks: vec![family(), PlannedTask { family: name.into(), ..family() }],
        approval: None,
        bake: None,
    };
    let mut application = PlannedApplication {
        stages: vec![stage("staging"), stage("production")],
        ..adopt(&inventory(vec![internet_facing("main", "web")]), &only()).applications.remove(0)
    };

    let left = leave_shared_families_out(&mut application);

    let families: Vec<_> =
        application.stages.iter().flat_map(|stage| &stage.tasks).map(|task| task.family.as_str()).collect();
    assert_eq!(families, ["staging", "production"]);
    assert!(left[0].what.contains("nightly"), "{left:?}");
}

#[test]
fn tags_that_the_pattern_does_not_take_are_said() {
    let mut inventory = inventory(vec![plain("main", "web", &format!("{HOST}/shop:main-4f5c"))]);
    inventory.repositories[0].has_mutable_tags = true;

    let notes = adopt(&inventory, &only()).applications[0].notes.join("\n");

    assert!(notes.contains("it runs the tag main-4f5c, which v* does not take"), "{notes}");
    assert!(notes.contains("IMMUTABLE"), "{notes}");
}
