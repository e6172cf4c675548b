//! A client of the SDK that answers by rules instead of asking AWS, for answers that the local cloud cannot give.
//!
//! `aws_smithy_mocks::mock_client!` needs the `test-util` feature of each SDK crate, and with it cargo would compile
//! all of them a second time; this is the same without.

/// `answering!(aws_sdk_ecs, [&rule, …])`: the first rule that matches a request answers it.
macro_rules! answering {
    ($sdk:ident, [$($rule:expr),+ $(,)?]) => {{
        let rules = ::aws_smithy_mocks::MockResponseInterceptor::new().rule_mode(::aws_smithy_mocks::RuleMode::MatchAny);
        let config = $sdk::Config::builder()
            .behavior_version($sdk::config::BehaviorVersion::latest())
            .region($sdk::config::Region::new("eu-central-1"))
            .credentials_provider($sdk::config::Credentials::new("id", "secret", None, None, "test"))
            .http_client(::aws_smithy_mocks::create_mock_http_client())
            .interceptor(rules$(.with_rule($rule))+)
            .build();
        $sdk::Client::from_conf(config)
    }};
}

pub(crate) use answering;
