//! The Lambda function `watch-alarms`.

use slipway_runtime::Environment;
use watch_alarms::{Config, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    slipway_runtime::log();
    let config = Config::read(&Environment::of_process())?;
    let aws = slipway_runtime::connect(env!("CARGO_PKG_NAME"))?;
    aws.table(&config.table).warm_up().await;
    slipway_runtime::serve(|input| handle(&aws, &config, input)).await
}
