//! Clients of the local cloud, as its root user.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_sfn::config::Credentials;

/// The region of the local cloud.
pub const REGION: &str = "us-east-1";
/// The account of the local cloud.
pub const ACCOUNT: &str = "000000000000";
/// The root user's access key and its secret: MiniStack's, good on loopback only.
pub const KEY: &str = "test";

/// The environment through which Terraform, SDKs and the AWS CLI reach the local cloud as its root user.
#[must_use]
pub fn variables(endpoint: &str) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_ENDPOINT_URL", endpoint.to_owned()),
        ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", KEY.to_owned()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_DEFAULT_REGION", REGION.to_owned()),
        // Neither a person's own profile nor an instance's role may come before these.
        ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("NO_PROXY", "127.0.0.1,localhost,.localhost".to_owned()),
    ]
}

/// The SDK's configuration for the local cloud's root user.
pub async fn sdk(endpoint: &str) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::from_static(REGION))
        .credentials_provider(Credentials::new(KEY, KEY, None, None, "slipway-local"))
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(2))
                .operation_attempt_timeout(Duration::from_secs(20))
                .build(),
        )
        .load()
        .await
}

/// A browser's share of HTTP: it finds `*.localhost` on this machine, as browsers do, and asks no proxy.
///
/// # Errors
///
/// When the system's TLS cannot be set up.
pub fn browser(address: &url::Url) -> anyhow::Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30));
    if let Some(host) = address.host_str()
        && host.ends_with(".localhost")
    {
        let port = address.port_or_known_default().unwrap_or(80);
        builder = builder.resolve(host, ([127, 0, 0, 1], port).into());
    }
    Ok(builder.build()?)
}
