//! The Lambda function `acquire-lock`.

use acquire_lock::{Config, handle};
use slipway_runtime::Environment;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    slipway_runtime::log();
    let config = Config::read(&Environment::of_process())?;
    let aws = slipway_runtime::connect(env!("CARGO_PKG_NAME"))?;
    let table = aws.table(&config.table);
    table.clone().warm_up().await;
    slipway_runtime::serve_step(&aws, &table, |input, _| handle(&aws, &config, input)).await
}
