//! The Lambda function `resume-release`.

use resume_release::handle;
use slipway_runtime::{Config, Environment};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    slipway_runtime::log();
    let config = Config::read(&Environment::of_process())?;
    let aws = slipway_runtime::connect(env!("CARGO_PKG_NAME"))?;
    aws.table(&config.table).warm_up().await;
    slipway_runtime::serve(|input| handle(&aws, &config, input)).await
}
