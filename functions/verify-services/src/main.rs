//! The Lambda function `verify-services`.

use slipway_runtime::{Config, Environment};
use verify_services::{Prober, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    slipway_runtime::log();
    let config = Config::read(&Environment::of_process())?;
    let aws = slipway_runtime::connect(env!("CARGO_PKG_NAME"))?;
    let table = aws.table(&config.table);
    let prober = Prober::new()?;
    tokio::join!(aws.ecs().warm_up(), table.clone().warm_up());
    slipway_runtime::serve_step(&aws, &table, |input, _| handle(&aws, &config, &prober, input)).await
}
