//! What a scan found in an image, and whether a stage lets the image through.

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::span::Span;

/// How long a stage waits for the result of a scan when its configuration does not say, in seconds.
const WAIT_SECONDS: u32 = 15 * 60;
/// How many findings are named.
const TOLD: usize = 5;

/// How bad a finding is, as ECR and Inspector call it, from the least to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Severity {
    /// INFORMATIONAL.
    Informational,
    /// LOW.
    Low,
    /// MEDIUM.
    Medium,
    /// HIGH.
    High,
    /// CRITICAL.
    Critical,
    /// One that the scanner has no word for (UNDEFINED, UNTRIAGED), or a new one: it counts as the worst.
    Unknown,
}

impl Severity {
    /// The severity of this name.
    #[must_use]
    pub fn of(name: &str) -> Self {
        match name {
            "INFORMATIONAL" => Self::Informational,
            "LOW" => Self::Low,
            "MEDIUM" => Self::Medium,
            "HIGH" => Self::High,
            "CRITICAL" => Self::Critical,
            _ => Self::Unknown,
        }
    }

    /// The severity in AWS's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Informational => "INFORMATIONAL",
            Self::Low => "LOW",
            Self::Medium => "MEDIUM",
            Self::High => "HIGH",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// Which findings stop a stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageCheckPolicy {
    /// The worst severity that passes: `INFORMATIONAL`, `LOW`, `MEDIUM`, `HIGH` or `CRITICAL`. A finding above it
    /// stops the stage.
    pub stop_above: Severity,
    /// Findings that pass all the same, each until a day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<AllowedFinding>,
    /// How long the result of the scan is waited for; 15 minutes when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Span>,
}

/// A finding that passes for a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AllowedFinding {
    /// Its name, such as `CVE-2026-12345`.
    pub finding: String,
    /// The last day on which it passes, in UTC.
    #[schemars(with = "String")]
    pub until: Date,
    /// Why, for those who read it later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl ImageCheckPolicy {
    /// How long the result is waited for, in seconds: as configured, else 15 minutes.
    #[must_use]
    pub fn wait_seconds(&self) -> u32 {
        self.wait.as_ref().map_or(WAIT_SECONDS, Span::seconds)
    }
}

/// One thing that a scan found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its name, such as `CVE-2026-12345`.
    pub name: String,
    /// How bad it is.
    pub severity: Severity,
    /// The package that has it; empty where the scanner does not say.
    pub package: String,
}

/// What the registry says of the scan of one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scan {
    /// There is no result yet.
    Pending {
        /// What there is instead.
        why: String,
    },
    /// It was scanned.
    Done {
        /// What was found.
        findings: Vec<Finding>,
    },
    /// It cannot be scanned, or its scan failed.
    Impossible {
        /// Why.
        why: String,
    },
}

/// Whether an image may go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It may.
    Pass(Checked),
    /// There is no result yet.
    Wait {
        /// What there is instead.
        why: String,
    },
    /// It may not.
    Stop {
        /// Why.
        reason: String,
    },
}

/// What an image was let through with, as people are shown it, and as the second check compares it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// The figures in words.
    pub words: String,
    /// The names of the findings of HIGH and worse that were let through.
    pub severe: Vec<String>,
}

impl Checked {
    /// The severe findings that this check has and an earlier one had not.
    #[must_use]
    pub fn new_since<'a>(&'a self, earlier: &Self) -> Vec<&'a str> {
        self.severe.iter().filter(|name| !earlier.severe.contains(name)).map(String::as_str).collect()
    }
}

/// Judges what was found in an image: of a multi-architecture image, in each of its images.
#[must_use]
pub fn judge(policy: &ImageCheckPolicy, scans: &[Scan], today: Date) -> Judgement {
    if scans.is_empty() {
        return Judgement::Stop {
            reason: "the image cannot be scanned: its index names no image".to_owned(),
        };
    }
    let mut findings: Vec<&Finding> = Vec::new();
    for scan in scans {
        match scan {
            Scan::Impossible { why } => {
                return Judgement::Stop { reason: format!("the image cannot be judged: {why}") };
            }
            Scan::Pending { .. } => {}
            Scan::Done { findings: some } => findings.extend(some),
        }
    }
    if let Some(Scan::Pending { why }) = scans.iter().find(|scan| matches!(scan, Scan::Pending { .. })) {
        return Judgement::Wait { why: why.clone() };
    }
    findings.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.name.cmp(&b.name)));
    findings.dedup_by(|a, b| a.name == b.name && a.severity == b.severity);
    let allowance = |finding: &Finding| {
        policy
            .allow
            .iter()
            .filter(|allowed| allowed.finding == finding.name)
            .max_by_key(|allowed| allowed.until)
    };
    let above: Vec<&Finding> =
        findings.iter().copied().filter(|finding| finding.severity > policy.stop_above).collect();
    let stopping: Vec<&Finding> = above
        .iter()
        .copied()
        .filter(|finding| allowance(finding).is_none_or(|allowed| allowed.until < today))
        .collect();
    if !stopping.is_empty() {
        let names = stopping.iter().take(TOLD).map(|finding| {
            let package =
                if finding.package.is_empty() { String::new() } else { format!(", {}", finding.package) };
            let expired = allowance(finding)
                .map(|allowed| format!(", allowed until {}", allowed.until))
                .unwrap_or_default();
            format!("{} ({}{package}{expired})", finding.name, finding.severity.as_str())
        });
        let more = stopping.len().saturating_sub(TOLD);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let count =
            if stopping.len() == 1 { "1 finding".to_owned() } else { format!("{} findings", stopping.len()) };
        let names = names.collect::<Vec<_>>().join(", ");
        return Judgement::Stop {
            reason: format!(
                "the scan of the image has {count} above {}: {names}{more}",
                policy.stop_above.as_str()
            ),
        };
    }
    let severe = findings
        .iter()
        .filter(|finding| finding.severity >= Severity::High)
        .map(|finding| finding.name.clone())
        .collect();
    Judgement::Pass(Checked { words: in_words(policy, &findings, &above), severe })
}

/// The figures, and what passes by name.
fn in_words(policy: &ImageCheckPolicy, findings: &[&Finding], above: &[&Finding]) -> String {
    let all = [
        Severity::Unknown,
        Severity::Critical,
        Severity::High,
        Severity::Medium,
        Severity::Low,
        Severity::Informational,
    ];
    let counts = all.into_iter().filter_map(|severity| {
        let count = findings.iter().filter(|finding| finding.severity == severity).count();
        (count > 0).then(|| format!("{count} {}", severity.as_str()))
    });
    let counts = counts.collect::<Vec<_>>().join(", ");
    let counts = if counts.is_empty() { "no findings".to_owned() } else { counts };
    let allowed = above.iter().map(|finding| {
        let allowed = policy
            .allow
            .iter()
            .filter(|allowed| allowed.finding == finding.name)
            .max_by_key(|allowed| allowed.until);
        let until = allowed.map(|allowed| {
            let reason = allowed.reason.as_ref().map(|reason| format!(", {reason}")).unwrap_or_default();
            format!(" until {}{reason}", allowed.until)
        });
        format!("{}{}", finding.name, until.unwrap_or_default())
    });
    let allowed = allowed.collect::<Vec<_>>().join("; ");
    let allowed = if allowed.is_empty() { String::new() } else { format!("; allowed: {allowed}") };
    format!("{counts}; stops above {}{allowed}", policy.stop_above.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> ImageCheckPolicy {
        serde_json::from_value(serde_json::json!({
            "stop_above": "MEDIUM",
            "allow": [{ "finding": "CVE-2026-2", "until": "2026-12-31", "reason": "not reachable" }],
        }))
        .expect("it fits")
    }

    fn found(findings: &[(&str, &str)]) -> Scan {
        let findings = findings.iter().map(|(name, severity)| Finding {
            name: (*name).to_owned(),
            severity: Severity::of(severity),
            package: "openssl".to_owned(),
        });
        Scan::Done { findings: findings.collect() }
    }

    fn day(text: &str) -> Date {
        text.parse().expect("a date")
    }

    fn stopped(scans: &[Scan], today: &str) -> Option<String> {
        match judge(&policy(), scans, day(today)) {
            Judgement::Stop { reason } => Some(reason),
            _ => None,
        }
    }

    #[test]
    fn what_is_not_above_the_threshold_passes_with_its_figures() {
        let scan = found(&[("CVE-2026-1", "LOW"), ("CVE-2026-3", "MEDIUM"), ("CVE-2026-4", "LOW")]);

        let Judgement::Pass(checked) = judge(&policy(), &[scan], day("2026-11-24")) else {
            panic!("it passes")
        };

        assert_eq!(checked, Checked { words: "1 MEDIUM, 2 LOW; stops above MEDIUM".into(), severe: vec![] });
        let Judgement::Pass(clean) = judge(&policy(), &[found(&[])], day("2026-11-24")) else {
            panic!("it passes")
        };
        assert_eq!(clean.words, "no findings; stops above MEDIUM");
    }

    #[test]
    fn what_is_above_it_stops_by_name_the_worst_first() {
        let scan = found(&[
            ("CVE-2026-1", "HIGH"),
            ("CVE-2026-9", "CRITICAL"),
            ("CVE-2026-5", "UNTRIAGED"),
            ("CVE-2026-6", "LOW"),
        ]);

        assert_eq!(
            stopped(&[scan], "2026-11-24").expect("it stops"),
            "the scan of the image has 3 findings above MEDIUM: CVE-2026-5 (UNKNOWN, openssl), CVE-2026-9 (CRITICAL, openssl), \
             CVE-2026-1 (HIGH, openssl)"
        );
    }

    #[test]
    fn an_allowed_finding_passes_until_the_end_of_its_day() {
        let scan = [found(&[("CVE-2026-2", "CRITICAL")])];

        let Judgement::Pass(checked) = judge(&policy(), &scan, day("2026-12-31")) else {
            panic!("it passes")
        };
        assert_eq!(
            checked.words,
            "1 CRITICAL; stops above MEDIUM; allowed: CVE-2026-2 until 2026-12-31, not reachable"
        );
        assert_eq!(checked.severe, ["CVE-2026-2"]);
        assert!(stopped(&scan, "2027-01-01").expect("it stops").contains("allowed until 2026-12-31"));
    }

    #[test]
    fn no_result_is_waited_for_and_no_possible_result_stops() {
        let pending = || Scan::Pending { why: "there is no scan".into() };
        let impossible = Scan::Impossible { why: "UNSUPPORTED_IMAGE".into() };

        assert!(matches!(
            judge(&policy(), &[found(&[]), pending()], day("2026-11-24")),
            Judgement::Wait { .. }
        ));
        assert!(
            stopped(&[pending(), impossible], "2026-11-24").expect("it stops").contains("UNSUPPORTED_IMAGE")
        );
        assert!(stopped(&[], "2026-11-24").is_some());
    }

    #[test]
    fn a_second_check_tells_what_is_new_and_severe() {
        let pass = |findings: &[(&str, &str)]| {
            let policy = ImageCheckPolicy { stop_above: Severity::Critical, ..policy() };
            let Judgement::Pass(checked) = judge(&policy, &[found(findings)], day("2026-11-24")) else {
                panic!("it passes")
            };
            checked
        };
        let before = pass(&[("CVE-2026-1", "HIGH")]);

        assert_eq!(
            pass(&[("CVE-2026-1", "HIGH"), ("CVE-2026-7", "LOW")]).new_since(&before),
            Vec::<&str>::new()
        );
        assert_eq!(
            pass(&[("CVE-2026-1", "HIGH"), ("CVE-2026-7", "HIGH")]).new_since(&before),
            ["CVE-2026-7"]
        );
    }
}
