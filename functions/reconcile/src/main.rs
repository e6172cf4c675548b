//! The Lambda function `reconcile`.

use reconcile::{Config, handle};
use slipway_runtime::Environment;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    slipway_runtime::log();
    let config = Config::read(&Environment::of_process())?;
    let aws = slipway_runtime::connect(env!("CARGO_PKG_NAME"))?;
    aws.table(&config.table).warm_up().await;
    slipway_runtime::serve(|input| handle(&aws, &config, input)).await
}
