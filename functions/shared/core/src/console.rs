//! A session of the console: whose it is, how its one-time address is spent, and what its pages may ask for now.
//!
//! A session has no rights of its own. For each path of the operators' API that a page asks for, whoever opened the
//! session proves by a signed request that IAM lets them; the proof counts for [`PERMISSION`], and what is not proven again
//! is gone.

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::caller::Caller;

/// How long a session lasts at the most.
pub const SESSION: SignedDuration = SignedDuration::from_hours(8);
/// How long the one-time address can be used.
pub const ADDRESS: SignedDuration = SignedDuration::from_mins(2);
/// How long a proof counts that IAM allows a path.
pub const PERMISSION: SignedDuration = SignedDuration::from_mins(5);
/// A permission that ends sooner than this is asked for again while it is used.
pub const RENEWED_BEFORE: SignedDuration = SignedDuration::from_secs(150);
/// How long IAM's refusal is shown before it is asked again.
pub const REFUSAL: SignedDuration = SignedDuration::from_secs(30);
/// How many requests of one session are answered in a minute. A page that is kept fresh asks six times.
pub const REQUESTS_A_MINUTE: u64 = 240;

/// What stands between a session's name and a secret of it. It is in no token (base64url, RFC 4648).
pub const SEPARATOR: char = '.';

/// Whether it has the shape of a token: 32 bytes as 43 characters.
#[must_use]
pub fn is_token(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// The name of the session that a browser's secret or an address's token is of; nothing where it has not their shape.
#[must_use]
pub fn session_of(token: &str) -> Option<&str> {
    let (name, secret) = token.split_once(SEPARATOR)?;
    (is_token(name) && is_token(secret)).then_some(name)
}

/// A session. Secrets are kept as hashes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Who opened it, as IAM proved it.
    pub by: Caller,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// The one-time address, until it is spent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<OneTimeAddress>,
    /// The hash of the browser's secret, once the address is spent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_hash: Option<String>,
    /// When it was ended before its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

/// A one-time address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneTimeAddress {
    /// The hash of its token.
    pub hash: String,
    /// From when on it cannot be used.
    pub expires_at: Timestamp,
}

/// Why a one-time address lets nobody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotEntered {
    /// It is none of this session, or was spent.
    #[error("the address is not known, or was used before")]
    Unknown,
    /// Its time is over.
    #[error("the address was to be used within two minutes")]
    Expired,
    /// The session's time is over, or it was ended.
    #[error("the session has ended")]
    Ended,
}

impl Session {
    /// A session that its address, whose token has this hash, lets a browser into.
    #[must_use]
    pub fn open(by: Caller, address_hash: String, now: Timestamp) -> Self {
        let address = OneTimeAddress { hash: address_hash, expires_at: now + ADDRESS };
        Self { by, opened_at: now, address: Some(address), secret_hash: None, ended_at: None }
    }

    /// When it ends by itself.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.opened_at + SESSION
    }

    /// Whether it goes on.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.ended_at.is_none() && now < self.expires_at()
    }

    /// The session after its address was spent for a browser whose new secret has this hash. A secret from before is none
    /// any more.
    ///
    /// # Errors
    ///
    /// When the address lets nobody in: nothing changes then.
    pub fn enter(self, address_hash: &str, secret_hash: String, now: Timestamp) -> Result<Self, NotEntered> {
        if !self.is_open(now) {
            return Err(NotEntered::Ended);
        }
        match &self.address {
            Some(address) if address.hash != address_hash => Err(NotEntered::Unknown),
            None => Err(NotEntered::Unknown),
            Some(address) if now >= address.expires_at => Err(NotEntered::Expired),
            Some(_) => Ok(Self { address: None, secret_hash: Some(secret_hash), ..self }),
        }
    }

    /// Whether a browser with the secret of this hash is in it. Hashes are compared, of which nobody learns a secret.
    #[must_use]
    pub fn knows(&self, secret_hash: &str, now: Timestamp) -> bool {
        self.is_open(now) && self.secret_hash.as_deref() == Some(secret_hash)
    }

    /// Whether this caller opened it. The whole ARN counts: two sessions of one role may be two people's.
    #[must_use]
    pub fn is_of(&self, caller: &Caller) -> bool {
        self.by.arn == caller.arn
    }

    /// The session, ended; nothing where it has ended already.
    #[must_use]
    pub fn end(self, now: Timestamp) -> Option<Self> {
        self.is_open(now).then_some(Self { address: None, secret_hash: None, ended_at: Some(now), ..self })
    }

    /// The permission that a proof of this moment gives: never longer than the session.
    #[must_use]
    pub fn permission(&self, now: Timestamp) -> Permission {
        Permission { until: (now + PERMISSION).min(self.expires_at()) }
    }
}

/// That IAM has let whoever opened the session ask for a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permission {
    /// From when on it does not count.
    pub until: Timestamp,
}

impl Permission {
    /// The permission after IAM has refused its path: it counts no more, however long the refusal is shown. Nothing where it
    /// does not count already.
    #[must_use]
    pub fn end(self, at: Timestamp) -> Option<Self> {
        (at < self.until).then_some(Self { until: at })
    }
}

/// What a page asked for that has yet to be proven, or proven again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PathRequest {
    /// The method.
    pub method: String,
    /// The path of the operators' API, with its names.
    pub path: String,
    /// When a page last asked for it.
    #[schemars(schema_with = "crate::api::time")]
    pub at: Timestamp,
    /// When IAM refused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::api::time_or_none")]
    pub refused_at: Option<Timestamp>,
}

impl PathRequest {
    /// Whether IAM is to be asked: a page asked for it a short while ago, and it was not refused since.
    #[must_use]
    pub fn is_waiting(&self, now: Timestamp) -> bool {
        now < self.at + PERMISSION && self.refused_at.is_none_or(|at| at < self.at)
    }

    /// Whether IAM refused it a short while ago.
    #[must_use]
    pub fn is_refused(&self, now: Timestamp) -> bool {
        self.refused_at.is_some_and(|at| now < at + REFUSAL)
    }
}

/// What may be done about a page's request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is answered.
    Allowed,
    /// It is answered, and its permission is asked for again.
    AllowedAndRenewed,
    /// Its permission is asked for.
    Unproven,
    /// IAM does not allow it.
    Refused,
}

/// Judges a page's request by the permission that was proven and by what is known of it. Whatever IAM said last counts.
#[must_use]
pub fn judge(permission: Option<&Permission>, request: Option<&PathRequest>, now: Timestamp) -> Verdict {
    if request.is_some_and(|request| request.is_refused(now)) {
        return Verdict::Refused;
    }
    match permission.map(|permission| permission.until.duration_since(now)) {
        Some(left) if left >= RENEWED_BEFORE => Verdict::Allowed,
        Some(left) if left > SignedDuration::ZERO => Verdict::AllowedAndRenewed,
        _ => Verdict::Unproven,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: SignedDuration = SignedDuration::from_hours(1);
    const SECOND: SignedDuration = SignedDuration::from_secs(1);

    fn at(time: &str) -> Timestamp {
        format!("2026-11-20T{time}Z").parse().expect("a time")
    }

    fn ana() -> Caller {
        Caller::of("arn:aws:iam::123456789012:user/ana", &[])
    }

    fn opened() -> Session {
        Session::open(ana(), "address".into(), at("08:00:00"))
    }

    fn entered() -> Session {
        opened().enter("address", "secret".into(), at("08:01:00")).expect("it lets in")
    }

    #[test]
    fn an_address_lets_one_browser_in_and_no_second_one() {
        let session = entered();

        assert!(session.knows("secret", at("08:01:00")));
        let second = session.clone().enter("address", "other".into(), at("08:01:01"));
        assert_eq!(second, Err(NotEntered::Unknown));
        assert!(!session.knows("other", at("08:01:01")));
    }

    #[test]
    fn an_address_that_is_late_or_another_one_lets_nobody_in() {
        for (hash, time, problem) in [
            ("address", "08:02:00", NotEntered::Expired),
            ("other", "08:00:01", NotEntered::Unknown),
            ("address", "16:00:00", NotEntered::Ended),
        ] {
            assert_eq!(opened().enter(hash, "secret".into(), at(time)), Err(problem), "{hash} {time}");
        }
    }

    #[test]
    fn nobody_is_in_a_session_before_its_address_is_spent() {
        assert!(!opened().knows("secret", at("08:00:01")));
        assert!(!opened().knows("address", at("08:00:01")));
    }

    #[test]
    fn a_session_ends_after_eight_hours_and_when_it_is_ended() {
        assert!(entered().knows("secret", at("15:59:59")));
        assert!(!entered().knows("secret", at("16:00:00")));

        let ended = entered().end(at("09:00:00")).expect("it was open");
        assert!(!ended.knows("secret", at("09:00:00")) && !ended.is_open(at("09:00:00")));
        assert_eq!(ended.end(at("09:00:01")), None);
    }

    #[test]
    fn what_iam_allows_others_does_not_count() {
        let other = Caller::of("arn:aws:iam::123456789012:user/anabel", &[]);
        assert!(entered().is_of(&ana()));
        assert!(!entered().is_of(&other));
    }

    #[test]
    fn a_permission_lasts_five_minutes_and_never_longer_than_its_session() {
        let session = entered();
        assert_eq!(session.permission(at("09:00:00")).until, at("09:05:00"));
        assert_eq!(session.permission(at("15:58:00")).until, at("16:00:00"));
    }

    #[test]
    fn what_was_not_proven_for_five_minutes_is_not_answered() {
        let proven = at("09:00:00");
        let permission = entered().permission(proven);
        for (after, verdict) in [
            (SignedDuration::ZERO, Verdict::Allowed),
            (RENEWED_BEFORE, Verdict::Allowed),
            (RENEWED_BEFORE + SECOND, Verdict::AllowedAndRenewed),
            (PERMISSION - SECOND, Verdict::AllowedAndRenewed),
            (PERMISSION, Verdict::Unproven),
            (HOUR, Verdict::Unproven),
        ] {
            assert_eq!(judge(Some(&permission), None, proven + after), verdict, "{after:?}");
        }
        assert_eq!(judge(None, None, proven), Verdict::Unproven);
    }

    #[test]
    fn iam_is_asked_about_what_a_page_still_wants_and_was_not_refused() {
        let now = at("09:00:00");
        let (method, path) = ("GET".to_owned(), "/applications".to_owned());
        let wanted = PathRequest { method, path, at: now, refused_at: None };
        let refused = PathRequest { refused_at: Some(now + SECOND), ..wanted.clone() };

        assert!(wanted.is_waiting(now) && wanted.is_waiting(now + PERMISSION - SECOND));
        assert!(!refused.is_waiting(now + SECOND));
        assert!(!wanted.is_waiting(now + PERMISSION));
    }

    #[test]
    fn a_refusal_ends_the_permission_that_was_given_before() {
        let now = at("09:00:00");
        let permission = entered().permission(now).end(now + SECOND).expect("it counted");
        let (method, path) = ("GET".to_owned(), "/applications".to_owned());
        let refused = PathRequest { method, path, at: now, refused_at: Some(now + SECOND) };

        assert_eq!(judge(Some(&permission), Some(&refused), now + SECOND), Verdict::Refused);
        assert_eq!(judge(Some(&permission), Some(&refused), now + SECOND + REFUSAL), Verdict::Unproven);
        assert_eq!(permission.end(now + SECOND), None);
    }

    #[test]
    fn a_refusal_counts_at_once_and_is_asked_again_later() {
        let now = at("09:00:00");
        let permission = entered().permission(now);
        let (method, path) = ("GET".to_owned(), "/applications".to_owned());
        let refused = PathRequest { method, path, at: now, refused_at: Some(now) };

        assert_eq!(judge(Some(&permission), Some(&refused), now + SECOND), Verdict::Refused);
        assert_eq!(judge(None, Some(&refused), now + REFUSAL), Verdict::Unproven);
    }
}
