//! Where people look further when an alarm fires: pages of AWS's console.

use slipway_core::application::Stage;
use slipway_core::notification::Fact;

/// The alarm, the dashboard, and the logs of the stage's services.
pub(crate) fn of(region: &str, dashboard: &str, stage: &Stage, alarm: &str) -> Vec<Fact> {
    let console = format!("{}/cloudwatch/home?region={region}", console(region));
    let link = |name: &str, hash: String| Fact { name: name.to_owned(), value: format!("{console}#{hash}") };
    let mut links = vec![
        link("The alarm", format!("alarmsV2:alarm/{}", escaped(alarm))),
        link("The dashboard", format!("dashboards/dashboard/{}", escaped(dashboard))),
    ];
    links.extend(stage.services.iter().map(|service| {
        // The console's own way to write a slash within such an address.
        let group = format!("/ecs/{}/{}", stage.cluster(), service.service).replace('/', "$252F");
        link(&format!("The logs of {}", service.service), format!("logsV2:log-groups/log-group/{group}"))
    }));
    links
}

/// The console of a region. Those of China and of the US government have their own.
fn console(region: &str) -> String {
    match region.split('-').take(2).collect::<Vec<_>>().as_slice() {
        ["cn", ..] => "https://console.amazonaws.cn".to_owned(),
        ["us", "gov"] => "https://console.amazonaws-us-gov.com".to_owned(),
        _ => format!("https://{region}.console.aws.amazon.com"),
    }
}

/// A name as it stands in an address.
fn escaped(name: &str) -> String {
    use std::fmt::Write as _;
    name.bytes().fold(String::new(), |mut escaped, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            escaped.push(char::from(byte));
        } else {
            let _written = write!(escaped, "%{byte:02X}");
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_links_lead_to_the_alarm_the_dashboard_and_each_services_logs() {
        let stage: Stage = serde_json::from_value(serde_json::json!({
            "name": "production", "services": [{ "service": "web", "health": { "path": "/health" } }],
        }))
        .expect("it fits");

        let links = of("eu-central-1", "slipway", &stage, "web 5xx");

        let base = "https://eu-central-1.console.aws.amazon.com/cloudwatch/home?region=eu-central-1#";
        let values: Vec<_> =
            links.iter().map(|link| link.value.strip_prefix(base).unwrap_or_default()).collect();
        assert_eq!(
            values,
            [
                "alarmsV2:alarm/web%205xx",
                "dashboards/dashboard/slipway",
                "logsV2:log-groups/log-group/$252Fecs$252Fproduction$252Fweb"
            ]
        );
    }

    #[test]
    fn each_partition_has_its_own_console() {
        for (region, expected) in [
            ("eu-central-1", "https://eu-central-1.console.aws.amazon.com"),
            ("us-east-1", "https://us-east-1.console.aws.amazon.com"),
            ("us-gov-west-1", "https://console.amazonaws-us-gov.com"),
            ("cn-north-1", "https://console.amazonaws.cn"),
        ] {
            assert_eq!(console(region), expected);
        }
    }
}
