//! What an account has: `terraform destroy` is to leave of it what was there before.

use std::collections::BTreeSet;

use aws_config::SdkConfig;

/// What there is of these kinds, by kind and name: clusters, tables, load balancers, target groups, functions, state
/// machines, topics, queues, logs, repositories, rules, parameters and roles. Networks and HTTP APIs are not looked at, nor
/// what AWS itself keeps for a while: revisions of task definitions, deleted keys.
///
/// # Errors
///
/// When a list cannot be read.
pub async fn of(sdk: &SdkConfig) -> anyhow::Result<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    let mut add = |kind: &str, names: Vec<String>| {
        all.extend(names.into_iter().map(|name| format!("{kind} {name}")));
    };
    let ecs = aws_sdk_ecs::Client::new(sdk);
    add("cluster", ecs.list_clusters().into_paginator().items().send().try_collect().await?);
    add(
        "table",
        aws_sdk_dynamodb::Client::new(sdk)
            .list_tables()
            .into_paginator()
            .items()
            .send()
            .try_collect()
            .await?,
    );
    let balancing = aws_sdk_elasticloadbalancingv2::Client::new(sdk);
    let balancers = balancing.describe_load_balancers().send().await?.load_balancers.unwrap_or_default();
    add("load balancer", balancers.into_iter().filter_map(|one| one.load_balancer_name).collect());
    let groups = balancing.describe_target_groups().send().await?.target_groups.unwrap_or_default();
    add("target group", groups.into_iter().filter_map(|one| one.target_group_name).collect());
    let functions = aws_sdk_lambda::Client::new(sdk).list_functions().into_paginator().items().send();
    let functions: Vec<_> = functions.try_collect().await?;
    add("function", functions.into_iter().filter_map(|one| one.function_name).collect());
    let machines = aws_sdk_sfn::Client::new(sdk).list_state_machines().into_paginator().items().send();
    let machines: Vec<_> = machines.try_collect().await?;
    add("state machine", machines.into_iter().map(|one| one.name).collect());
    let topics = aws_sdk_sns::Client::new(sdk).list_topics().into_paginator().items().send();
    let topics: Vec<_> = topics.try_collect().await?;
    add("topic", topics.into_iter().filter_map(|one| one.topic_arn).collect());
    let queues = aws_sdk_sqs::Client::new(sdk).list_queues().into_paginator().items().send();
    add("queue", queues.try_collect().await?);
    let logs = aws_sdk_cloudwatchlogs::Client::new(sdk).describe_log_groups().into_paginator().items().send();
    let logs: Vec<_> = logs.try_collect().await?;
    add("log group", logs.into_iter().filter_map(|one| one.log_group_name).collect());
    let repositories = aws_sdk_ecr::Client::new(sdk).describe_repositories().into_paginator().items().send();
    let repositories: Vec<_> = repositories.try_collect().await?;
    add("repository", repositories.into_iter().filter_map(|one| one.repository_name).collect());
    let rules = aws_sdk_eventbridge::Client::new(sdk).list_rules().send().await?.rules.unwrap_or_default();
    add("rule", rules.into_iter().filter_map(|one| one.name).collect());
    let pages = aws_sdk_ssm::Client::new(sdk).describe_parameters().into_paginator().send();
    let pages: Vec<_> = pages.try_collect().await?;
    let parameters = pages.into_iter().flat_map(|page| page.parameters.unwrap_or_default());
    add("parameter", parameters.filter_map(|one| one.name).collect());
    let iam = aws_sdk_iam::Client::new(sdk);
    let roles: Vec<_> = iam.list_roles().into_paginator().items().send().try_collect().await?;
    add("role", roles.into_iter().map(|one| one.role_name).collect());
    Ok(all)
}
