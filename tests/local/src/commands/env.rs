//! `cargo local env`.

use std::collections::BTreeMap;

use crate::{Cloud, Settings, client, environment::Environment, functions};

pub(super) async fn run(settings: &Settings) -> anyhow::Result<()> {
    let cloud = Cloud::attach(settings).await?;
    let mut variables: BTreeMap<String, String> = client::variables(cloud.endpoint())
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    variables.extend(of_functions(settings, &cloud).await?);
    for (name, value) in variables {
        println!("export {name}='{}'", value.replace('\'', r"'\''"));
    }
    // cargo-lambda is in the private environment.
    println!("export PATH='{}':\"$PATH\"", Environment::made(settings).programs().display());
    Ok(())
}

/// What Terraform configured the functions with, so that one which runs elsewhere (`cargo lambda watch`) behaves alike.
async fn of_functions(settings: &Settings, cloud: &Cloud) -> anyhow::Result<BTreeMap<String, String>> {
    let lambda = aws_sdk_lambda::Client::new(cloud.sdk());
    let mut variables = BTreeMap::new();
    for function in functions::names(settings)? {
        let answer =
            lambda.get_function_configuration().function_name(format!("slipway-{function}")).send().await?;
        let configured = answer.environment().and_then(|environment| environment.variables());
        variables.extend(configured.cloned().unwrap_or_default());
    }
    Ok(variables)
}
