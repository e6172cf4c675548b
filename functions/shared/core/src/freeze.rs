//! Freezes: times in which a stage does not change. A window of the configuration comes back each week or on a date; a person
//! freezes at once, and until somebody lifts it.
//!
//! A freeze keeps a stage from beginning to change. What has begun goes on, and a rollback is never frozen.

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::{ApplicationName, StageName};
use crate::quarantine::Lifted;
use crate::words;

/// How many windows may follow one another without a gap before the end is given up: more than a year of days.
const LONGEST_ROW: usize = 400;

/// What a release does at a stage that is frozen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum WhenFrozen {
    /// It waits until the freeze is over.
    #[default]
    Wait,
    /// It ends FAILED before the stage changes.
    End,
    /// It goes on: no freeze counts for the stage.
    Ignore,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the days of the week")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl From<Weekday> for Day {
    fn from(day: Weekday) -> Self {
        match day {
            Weekday::Monday => Self::Mon,
            Weekday::Tuesday => Self::Tue,
            Weekday::Wednesday => Self::Wed,
            Weekday::Thursday => Self::Thu,
            Weekday::Friday => Self::Fri,
            Weekday::Saturday => Self::Sat,
            Weekday::Sunday => Self::Sun,
        }
    }
}

/// A time of the day, as `16:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct TimeOfDay(Time);

impl TryFrom<String> for TimeOfDay {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no time of the day; write hours and minutes, such as 16:00");
        let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
        let number = |digits: &str| {
            let fits = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
            fits.then(|| digits.parse::<i8>().ok()).flatten()
        };
        let time = number(hour).zip(number(minute));
        let time = time.and_then(|(hour, minute)| Time::new(hour, minute, 0, 0).ok());
        time.map(Self).ok_or_else(wrong)
    }
}

impl From<TimeOfDay> for String {
    fn from(TimeOfDay(time): TimeOfDay) -> Self {
        format!("{:02}:{:02}", time.hour(), time.minute())
    }
}

/// A time that comes back, in which a stage does not change: from a time of each day that is named until another one, or
/// the whole day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FreezeWindow {
    /// The days of the week on which it begins, `MON` to `SUN`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<Day>,
    /// The dates on which it begins, such as `2026-12-24`. Without days and dates it begins every day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub dates: Vec<Date>,
    /// When it begins on such a day, as `16:00`; with the day when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<TimeOfDay>,
    /// When it ends, as `08:00`: on the same day, or on the next one where that is not after `from`; with the day when it is
    /// not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<TimeOfDay>,
    /// The time zone of all this, by its name in IANA's database, such as `Europe/Berlin`; `UTC` when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Why, for those who wait.
    pub reason: String,
}

impl FreezeWindow {
    /// What does not fit: the field, and what to write.
    #[must_use]
    pub fn problem(&self) -> Option<(&'static str, &'static str)> {
        if self.reason.trim().is_empty() {
            return Some(("reason", "write why, for those who wait"));
        }
        if self.zone().is_none() {
            return Some((
                "time_zone",
                "write a name of IANA's time zone database, such as Europe/Berlin or UTC",
            ));
        }
        (self.from.is_some() && self.from == self.to)
            .then_some(("to", "write another time than from; leave out both for the whole day"))
    }

    fn zone(&self) -> Option<TimeZone> {
        self.time_zone.as_deref().map_or(Some(TimeZone::UTC), |name| TimeZone::get(name).ok())
    }

    /// When the window ends that is open at a time; nothing where none is.
    fn ends(&self, at: Timestamp) -> Option<Timestamp> {
        let open = self.around(at, 0).into_iter().filter(|(from, until)| *from <= at && at < *until);
        open.map(|(_, until)| until).max()
    }

    /// When the windows begin and end that begin from the day before a time until some days after it.
    fn around(&self, at: Timestamp, days: usize) -> Vec<(Timestamp, Timestamp)> {
        // A zone that is not known any more freezes nothing: `problem` refuses it where the configuration is read.
        let Some(zone) = self.zone() else { return Vec::new() };
        let today = at.to_zoned(zone.clone()).date();
        let Ok(yesterday) = today.yesterday() else { return Vec::new() };
        let begins = yesterday.series(1.day()).take(days + 2).filter(|day| self.begins_on(*day));
        begins.filter_map(|day| self.on(day, &zone)).collect()
    }

    /// When the window that begins on a day begins and ends.
    fn on(&self, day: Date, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
        let from = self.from.map_or(Time::midnight(), |TimeOfDay(time)| time);
        let until = match self.to {
            Some(TimeOfDay(to)) if to > from => day.to_datetime(to),
            Some(TimeOfDay(to)) => day.tomorrow().ok()?.to_datetime(to),
            None => day.tomorrow().ok()?.to_datetime(Time::midnight()),
        };
        let instant = |civil: DateTime| civil.to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp());
        Some((instant(day.to_datetime(from))?, instant(until)?))
    }

    fn begins_on(&self, day: Date) -> bool {
        let every_day = self.days.is_empty() && self.dates.is_empty();
        every_day || self.days.contains(&day.weekday().into()) || self.dates.contains(&day)
    }
}

/// A person's freeze, as the table keeps it: of one application or of all, of one stage or of all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    /// The application; all of them where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<ApplicationName>,
    /// The stage; all of them where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<StageName>,
    /// Until when; until somebody lifts it where no time is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: String,
    /// Who, in words.
    pub by: String,
    /// Who, as the ARN that IAM proved.
    pub arn: String,
    /// Since when.
    pub at: Timestamp,
    /// That somebody lifted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifted: Option<Lifted>,
}

impl Freeze {
    /// Whether it is in force at a time.
    #[must_use]
    pub fn holds(&self, at: Timestamp) -> bool {
        self.lifted.is_none() && self.until.is_none_or(|until| at < until)
    }

    /// Whether it is a freeze of the stage.
    #[must_use]
    pub fn is_of(&self, application: &ApplicationName, stage: &StageName) -> bool {
        self.application.as_ref().is_none_or(|one| one == application)
            && self.stage.as_ref().is_none_or(|one| one == stage)
    }

    /// What is frozen, in words.
    #[must_use]
    pub fn scope(&self) -> String {
        scope(self.application.as_ref(), self.stage.as_ref())
    }
}

/// What a freeze is of, in words.
#[must_use]
pub fn scope(application: Option<&ApplicationName>, stage: Option<&StageName>) -> String {
    match (application, stage) {
        (None, None) => "every stage of every application".to_owned(),
        (None, Some(stage)) => format!("{stage} of every application"),
        (Some(application), None) => format!("every stage of {application}"),
        (Some(application), Some(stage)) => format!("{stage} of {application}"),
    }
}

/// Until when a freeze lasts, in words.
#[must_use]
pub fn until_in_words(until: Option<Timestamp>) -> String {
    until.map_or_else(
        || "until somebody lifts it".to_owned(),
        |until| format!("until {} UTC", until.strftime("%Y-%m-%d %H:%M")),
    )
}

/// That a person lets one release through the freezes that were in force then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// Who, in words.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When. Freezes of people that are younger count.
    pub at: Timestamp,
    /// Until when windows are overridden: until the end of those that were open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub windows_until: Option<Timestamp>,
    /// Who, as the ARN that IAM proved.
    pub arn: String,
}

impl Override {
    /// The override in words.
    #[must_use]
    pub fn in_words(&self) -> String {
        format!("the freeze is overridden by {}: {}", self.by, self.reason)
    }
}

/// That a stage is frozen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Frozen {
    /// Until when; until somebody lifts it where nothing is here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub until: Option<Timestamp>,
    /// Why, and who froze it where a person did.
    pub reasons: Vec<String>,
}

impl Frozen {
    /// The same in words.
    #[must_use]
    pub fn in_words(&self, stage: &StageName) -> String {
        format!("{stage} is frozen {}: {}", until_in_words(self.until), self.reasons.join("; "))
    }
}

/// Until when the windows that are open at a time, and those that follow without a gap, last, and why; nothing where none is
/// open.
#[must_use]
pub fn open_windows(windows: &[FreezeWindow], at: Timestamp) -> Option<(Timestamp, Vec<String>)> {
    let mut reasons: Vec<String> = Vec::new();
    let mut until = at;
    for _ in 0..LONGEST_ROW {
        let open: Vec<_> =
            windows.iter().filter_map(|window| Some((window.ends(until)?, &window.reason))).collect();
        let Some(next) = open.iter().map(|(ends, _)| *ends).max() else { break };
        if until == at {
            reasons.extend(open.iter().map(|(_, reason)| words::line(reason, words::LONGEST)));
        }
        until = next;
    }
    reasons.dedup();
    (until > at).then_some((until, reasons))
}

/// The next freeze by windows that begins between two times: when, until when, and why.
#[must_use]
pub fn next_window(
    windows: &[FreezeWindow],
    after: Timestamp,
    before: Timestamp,
) -> Option<(Timestamp, Timestamp, Vec<String>)> {
    let hours = usize::try_from(before.duration_since(after).as_hours()).unwrap_or_default();
    let days = (hours / 24 + 1).min(LONGEST_ROW);
    let begins = windows.iter().flat_map(|window| window.around(after, days)).map(|(from, _)| from);
    let from = begins.filter(|from| (after..before).contains(from)).min()?;
    let (until, reasons) = open_windows(windows, from)?;
    Some((from, until, reasons))
}

/// Whether a stage is frozen at a time: by windows of its configuration, or by people, and not overridden for the release that
/// asks.
#[must_use]
pub fn frozen<'a>(
    windows: &[FreezeWindow],
    freezes: impl IntoIterator<Item = &'a Freeze>,
    (application, stage): (&ApplicationName, &StageName),
    overridden: Option<&Override>,
    at: Timestamp,
) -> Option<Frozen> {
    let by_window = open_windows(windows, at)
        .filter(|_| overridden.and_then(|one| one.windows_until).is_none_or(|until| at >= until));
    let by_people: Vec<_> = freezes
        .into_iter()
        .filter(|freeze| freeze.is_of(application, stage) && freeze.holds(at))
        .filter(|freeze| overridden.is_none_or(|one| freeze.at > one.at))
        .collect();
    if by_window.is_none() && by_people.is_empty() {
        return None;
    }
    let (window_until, mut reasons) = by_window.map_or((None, Vec::new()), |(until, why)| (Some(until), why));
    reasons.extend(by_people.iter().map(|freeze| format!("{} ({})", freeze.reason, freeze.by)));
    let without_end = by_people.iter().any(|freeze| freeze.until.is_none());
    let until = by_people.iter().filter_map(|freeze| freeze.until).chain(window_until).max();
    Some(Frozen { until: until.filter(|_| !without_end), reasons })
}

/// When a step that waits for the end of a freeze looks again in any case.
#[must_use]
pub fn looks_again(frozen: &Frozen, now: Timestamp) -> Timestamp {
    let in_a_day = now + SignedDuration::from_hours(24);
    frozen.until.map_or(in_a_day, |until| until.max(now + 1.second()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn window(json: serde_json::Value) -> FreezeWindow {
        serde_json::from_value(json).expect("a window")
    }

    fn name() -> (ApplicationName, StageName) {
        (ApplicationName::new("web").expect("a name"), StageName::new("production").expect("a name"))
    }

    fn freeze(stage: Option<&str>, until: Option<&str>) -> Freeze {
        Freeze {
            application: None,
            stage: stage.map(|stage| StageName::new(stage).expect("a name")),
            until: until.map(at),
            reason: "incident 7".into(),
            by: "the IAM user ana".into(),
            arn: "arn:aws:iam::111122223333:user/ana".into(),
            at: at("2026-11-20T10:00:00Z"),
            lifted: None,
        }
    }

    #[test]
    fn a_window_is_open_in_its_time_zone_over_midnight_and_over_the_change_of_clocks() {
        let weekend = window(serde_json::json!({
            "days": ["FRI"], "from": "16:00", "to": "08:00", "time_zone": "Europe/Berlin", "reason": "night" }));
        for (time, ends) in [
            ("2026-11-27T14:59:00Z", None), // Friday, 15:59 in Berlin
            ("2026-11-27T15:00:00Z", Some("2026-11-28T07:00:00Z")),
            ("2026-11-28T06:59:59Z", Some("2026-11-28T07:00:00Z")),
            ("2026-11-28T07:00:00Z", None),
            // The clocks go forward in the night from Saturday to Sunday, 2027-03-28; on Friday before it is winter time still.
            ("2027-03-26T15:00:00Z", Some("2027-03-27T07:00:00Z")),
            ("2027-04-02T14:00:00Z", Some("2027-04-03T06:00:00Z")),
        ] {
            assert_eq!(weekend.ends(at(time)), ends.map(at), "{time}");
        }
        let sunday =
            window(serde_json::json!({ "days": ["SUN"], "time_zone": "Europe/Berlin", "reason": "clocks" }));
        assert_eq!(
            sunday.ends(at("2027-03-28T10:00:00Z")),
            Some(at("2027-03-28T22:00:00Z")),
            "a day of 23 hours"
        );
    }

    #[test]
    fn windows_that_follow_one_another_are_one_freeze() {
        let windows = [
            window(serde_json::json!({ "days": ["SAT", "SUN"], "reason": "weekend" })),
            window(serde_json::json!({ "days": ["FRI"], "from": "16:00", "reason": "weekend" })),
            window(serde_json::json!({ "dates": ["2026-11-30"], "to": "12:00", "reason": "inventory" })),
        ];
        let (until, reasons) = open_windows(&windows, at("2026-11-27T17:00:00Z")).expect("it is open");
        assert_eq!((until, reasons), (at("2026-11-30T12:00:00Z"), vec!["weekend".to_owned()]));
        assert_eq!(open_windows(&windows, at("2026-11-27T15:59:59Z")), None);
        assert_eq!(open_windows(&windows, at("2026-11-30T12:00:00Z")), None);

        let next = |after, before| {
            next_window(&windows, at(after), at(before)).map(|(from, until, _)| (from, until))
        };
        assert_eq!(
            next("2026-11-26T12:00:00Z", "2026-11-28T12:00:00Z"),
            Some((at("2026-11-27T16:00:00Z"), at("2026-11-30T12:00:00Z")))
        );
        assert_eq!(
            next("2026-11-26T12:00:00Z", "2026-11-27T16:00:00Z"),
            None,
            "people have answered by then"
        );

        let always = [window(serde_json::json!({ "reason": "closed for good" }))];
        assert!(open_windows(&always, at("2026-11-27T17:00:00Z")).is_some(), "it ends at some time");
    }

    #[test]
    fn a_person_freezes_what_they_name_until_the_time_or_until_it_is_lifted() {
        let (application, stage) = name();
        let looked = |freeze: Freeze, time: &str| {
            frozen(&[], [&freeze], (&application, &stage), None, at(time)).map(|frozen| frozen.until)
        };
        assert_eq!(looked(freeze(None, None), "2026-11-21T00:00:00Z"), Some(None));
        assert_eq!(looked(freeze(Some("staging"), None), "2026-11-21T00:00:00Z"), None);
        let until = "2026-11-21T00:00:00Z";
        assert_eq!(
            looked(freeze(Some("production"), Some(until)), "2026-11-20T23:59:59Z"),
            Some(Some(at(until)))
        );
        assert_eq!(looked(freeze(Some("production"), Some(until)), until), None);

        let found = frozen(
            &[],
            [&freeze(None, Some(until))],
            (&application, &stage),
            None,
            at("2026-11-20T12:00:00Z"),
        );
        assert_eq!(
            found.expect("it is frozen").in_words(&stage),
            "production is frozen until 2026-11-21 00:00 UTC: incident 7 (the IAM user ana)"
        );
    }

    #[test]
    fn an_override_lets_a_release_through_what_was_frozen_then_and_through_nothing_later() {
        let (application, stage) = name();
        let windows = [window(serde_json::json!({ "days": ["FRI"], "reason": "weekend" }))];
        let given = Override {
            by: "the IAM user bo".into(),
            reason: "the fix".into(),
            at: at("2026-11-20T11:00:00Z"),
            windows_until: Some(at("2026-11-21T00:00:00Z")),
            arn: String::new(),
        };
        let looked = |freezes: &[Freeze], time: &str| {
            frozen(&windows, freezes, (&application, &stage), Some(&given), at(time)).is_some()
        };
        assert!(!looked(&[freeze(None, None)], "2026-11-20T12:00:00Z"));
        let later = Freeze { at: at("2026-11-20T11:30:00Z"), ..freeze(None, None) };
        assert!(looked(&[later], "2026-11-20T12:00:00Z"), "somebody stops it after that");
        assert!(looked(&[], "2026-11-27T12:00:00Z"), "the window of the next week");
    }

    #[test]
    fn what_does_not_fit_is_named_with_what_to_write() {
        let wrong = |json: serde_json::Value| window(json).problem().map(|(field, _)| field);
        assert_eq!(wrong(serde_json::json!({ "reason": " " })), Some("reason"));
        assert_eq!(wrong(serde_json::json!({ "reason": "x", "time_zone": "Berlin" })), Some("time_zone"));
        assert_eq!(wrong(serde_json::json!({ "reason": "x", "from": "08:00", "to": "08:00" })), Some("to"));
        assert_eq!(wrong(serde_json::json!({ "reason": "x", "from": "08:00" })), None);
        for time in ["8:00", "24:00", "08:60", "08.00", "+8:00", ""] {
            let error = TimeOfDay::try_from(time.to_owned()).expect_err(time);
            assert!(error.contains("such as 16:00"), "{error}");
        }
        assert_eq!(String::from(TimeOfDay::try_from("08:05".to_owned()).expect("a time")), "08:05");
    }
}
