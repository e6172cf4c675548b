//! The Lambda function `serve-console`.

use std::convert::Infallible;

use lambda_http::service_fn;
use serve_console::{Config, handle};
use slipway_runtime::Environment;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    slipway_runtime::log();
    let config = Config::read(&Environment::of_process())?;
    let api = slipway_runtime::connect(env!("CARGO_PKG_NAME"))?.operators_api(&config.operators_api)?;
    let api = &api;
    lambda_http::run(service_fn(|request| async move { Ok::<_, Infallible>(handle(api, request).await) }))
        .await
}
