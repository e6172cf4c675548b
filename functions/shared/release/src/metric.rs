//! Metrics in CloudWatch's embedded metric format: a line of JSON on standard output, which CloudWatch Logs turns
//! into a metric. Source: "Specification: Embedded metric format" in the Amazon CloudWatch user guide.

use serde_json::{Value, json};

/// Counts one happening in the namespace `Slipway`. A dimension has few values: never an id.
#[expect(clippy::print_stdout, reason = "the embedded metric format is read from standard output")]
pub fn count(name: &str, dimensions: &[(&str, &str)]) {
    println!("{}", line(name, 1, "Count", dimensions, crate::now()));
}

/// Records a length of time, in whole seconds, in the namespace `Slipway`.
#[expect(clippy::print_stdout, reason = "the embedded metric format is read from standard output")]
pub fn seconds(name: &str, length: jiff::SignedDuration, dimensions: &[(&str, &str)]) {
    println!("{}", line(name, length.as_secs(), "Seconds", dimensions, crate::now()));
}

fn line(name: &str, value: i64, unit: &str, dimensions: &[(&str, &str)], at: jiff::Timestamp) -> Value {
    let names: Vec<_> = dimensions.iter().map(|(dimension, _)| *dimension).collect();
    let mut line = json!({
        "_aws": {
            "Timestamp": at.as_millisecond(),
            "CloudWatchMetrics": [{ "Namespace": "Slipway", "Dimensions": [names], "Metrics": [{ "Name": name, "Unit": unit }] }],
        },
        name: value,
    });
    for (dimension, value) in dimensions {
        line[*dimension] = json!(value);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_what_cloudwatch_documents() {
        let at = jiff::Timestamp::from_millisecond(1_700_000_000_123).expect("in range");
        assert_eq!(
            line("PushIgnored", 1, "Count", &[("Reason", "NoTag")], at),
            json!({
                "_aws": {
                    "Timestamp": 1_700_000_000_123_i64,
                    "CloudWatchMetrics": [{ "Namespace": "Slipway", "Dimensions": [["Reason"]], "Metrics": [{ "Name": "PushIgnored", "Unit": "Count" }] }],
                },
                "PushIgnored": 1,
                "Reason": "NoTag",
            })
        );
    }
}
