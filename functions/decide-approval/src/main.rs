//! The Lambda function `decide-approval`.

use std::convert::Infallible;

use decide_approval::{Config, handle};
use lambda_http::service_fn;
use slipway_runtime::Environment;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    slipway_runtime::log();
    let config = Config::read(&Environment::of_process())?;
    let aws = slipway_runtime::connect(env!("CARGO_PKG_NAME"))?;
    aws.table(&config.table).warm_up().await;
    let (aws, config) = (&aws, &config);
    lambda_http::run(service_fn(
        |request| async move { Ok::<_, Infallible>(handle(aws, config, request).await) },
    ))
    .await
}
