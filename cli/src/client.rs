//! Asks the operators' API: finds it, signs each request (`SigV4`) and puts what is wrong into a sentence.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_credential_types::provider::error::CredentialsError;
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_sdk_ssm::error::SdkError;
use aws_sdk_ssm::operation::get_parameter::GetParameterError;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_types::os_shim_internal::{Env, Fs};
use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use slipway_aws::Aws;
use slipway_core::api::Problem;
use tokio::sync::{Mutex, OnceCell};
use url::Url;

use crate::{Error, Place};

/// What a person without credentials does, where no profile has single sign-on.
const SIGN_IN: &str = "name a profile with --profile, or set AWS's variables";
/// Why nobody has any.
const NONE: &str = "none are configured";
/// How long credentials must still be good to be used.
const REST: Duration = Duration::from_secs(60);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often a request is sent, where no answer comes, and how long it is waited before each further time.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(300), Duration::from_millis(1_000), Duration::from_millis(3_000)];

/// The time that a signature says.
#[expect(clippy::disallowed_methods, reason = "AWS compares it with its own clock")]
fn time() -> SystemTime {
    SystemTime::now()
}

/// Who asks, and where.
#[derive(Debug)]
pub struct Client {
    place: Place,
    found: OnceCell<Found>,
}

#[derive(Debug)]
struct Found {
    sdk: SdkConfig,
    http: reqwest::Client,
    region: String,
    url: Url,
    /// Those that were given last: a role or a sign-on is not asked for them with every request.
    credentials: Mutex<Option<Credentials>>,
}

impl Found {
    fn new(sdk: SdkConfig, http: reqwest::Client, region: String, url: Url) -> Self {
        Self { sdk, http, region, url, credentials: Mutex::default() }
    }
}

impl Client {
    /// A client that looks where Slipway is once it is asked for something.
    #[must_use]
    pub fn new(place: Place) -> Self {
        Self { place, found: OnceCell::new() }
    }

    /// A client that knows where Slipway is, and asks with this configuration's credentials.
    ///
    /// # Errors
    ///
    /// When no connection can be made, or the configuration has no region.
    pub fn at(sdk: SdkConfig, url: Url) -> Result<Self, Error> {
        let region = sdk.region().map(ToString::to_string);
        let region = region.ok_or_else(|| Error::Refused("the configuration has no region".to_owned()))?;
        let http = browser(&url)?;
        let found = OnceCell::new_with(Some(Found::new(sdk, http, region, url)));
        Ok(Self { place: Place::default(), found })
    }

    /// Asks for a document.
    ///
    /// # Errors
    ///
    /// When it is refused, or nothing answers.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.ask(&Method::GET, path, None, None).await
    }

    /// Asks for something to be done, once: the request may be sent several times, with the same key.
    ///
    /// # Errors
    ///
    /// When it is refused, or nothing answers.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<T, Error> {
        let body = serde_json::to_vec(body).expect("a request is plain values, which make JSON");
        let mut key = [0; 16];
        getrandom::fill(&mut key)
            .map_err(|error| Error::Refused(format!("the system gives no randomness: {error}")))?;
        self.ask(&Method::POST, path, Some(body), Some(hex::encode(key))).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: &Method,
        path: &str,
        body: Option<Vec<u8>>,
        key: Option<String>,
    ) -> Result<T, Error> {
        let found = self.found.get_or_try_init(|| self.find()).await?;
        let mut tries = PAUSES.iter();
        loop {
            let answered = self.send(found, method, path, body.as_deref(), key.as_deref()).await;
            match (answered, tries.next()) {
                (Err(error), Some(pause)) if error.may_be_asked_again() => tokio::time::sleep(*pause).await,
                (answered, _) => return answered,
            }
        }
    }

    /// Asks IAM whether the caller may ask for a path, and has the answer count for a session of the console. The API does
    /// nothing else with such a request, whatever its method is.
    ///
    /// # Errors
    ///
    /// When nothing answers, or credentials cannot be used. That IAM refuses is an answer.
    pub async fn prove(&self, method: &str, path: &str, session: &str) -> Result<bool, Error> {
        let found = self.found.get_or_try_init(|| self.find()).await?;
        let method = Method::from_bytes(method.as_bytes())
            .map_err(|error| Error::Refused(format!("{method} is no method: {error}")))?;
        let path = path.trim_start_matches('/');
        let mut tries = PAUSES.iter();
        loop {
            match (self.prove_once(found, &method, path, session).await, tries.next()) {
                (Err(error), Some(pause)) if error.may_be_asked_again() => tokio::time::sleep(*pause).await,
                (proven, _) => return proven,
            }
        }
    }

    async fn prove_once(
        &self,
        found: &Found,
        method: &Method,
        path: &str,
        session: &str,
    ) -> Result<bool, Error> {
        let (status, body) =
            self.exchange(found, method, path, None, Some(("slipway-console", session))).await?;
        match status {
            StatusCode::NO_CONTENT => Ok(true),
            StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => Ok(false),
            _ => Err(refusal(method, path, status, &body)),
        }
    }

    async fn send<T: DeserializeOwned>(
        &self,
        found: &Found,
        method: &Method,
        path: &str,
        body: Option<&[u8]>,
        key: Option<&str>,
    ) -> Result<T, Error> {
        let key = key.map(|key| ("idempotency-key", key));
        let (status, body) = self.exchange(found, method, path, body, key).await?;
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|error| {
                Error::Refused(format!(
                    "the operators' API answers something else than this version of slipway knows ({error}): install the one of your deployer's version"
                ))
            });
        }
        Err(refusal(method, path, status, &body))
    }

    /// Sends a signed request with a header of its own, and gives back the status and the body of the answer.
    async fn exchange(
        &self,
        found: &Found,
        method: &Method,
        path: &str,
        body: Option<&[u8]>,
        header: Option<(&str, &str)>,
    ) -> Result<(StatusCode, Vec<u8>), Error> {
        let url =
            found.url.join(path).map_err(|error| Error::Refused(format!("{path} is no path: {error}")))?;
        let mut headers = vec![("host".to_owned(), authority(&url))];
        if body.is_some() {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        if let Some((name, value)) = header {
            headers.push((name.to_owned(), value.to_owned()));
        }
        headers.extend(self.signature(found, method, &url, &headers, body.unwrap_or_default()).await?);
        let mut request = found.http.request(method.clone(), url);
        for (name, value) in headers.into_iter().filter(|(name, _)| name != "host") {
            request = request.header(name, value);
        }
        if let Some(body) = body {
            request = request.body(body.to_vec());
        }
        let answer = request.send().await.map_err(|error| {
            Error::Unanswered(format!(
                "the operators' API at {} does not answer: {}",
                found.url,
                cause(&error)
            ))
        })?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(|error| {
            Error::Unanswered(format!("the answer of the operators' API broke off: {}", cause(&error)))
        })?;
        Ok((status, body.to_vec()))
    }

    /// The headers that prove who asks.
    async fn signature(
        &self,
        found: &Found,
        method: &Method,
        url: &Url,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Result<Vec<(String, String)>, Error> {
        let credentials = self.kept_credentials(found).await?;
        let identity = credentials.into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&found.region)
            .name("execute-api")
            .time(time())
            .settings(SigningSettings::default())
            .build()
            .expect("every parameter is set");
        let signable = SignableRequest::new(
            method.as_str(),
            url.as_str(),
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())),
            SignableBody::Bytes(body),
        );
        let signed = signable.and_then(|signable| sign(signable, &parameters.into()));
        let signed =
            signed.map_err(|error| Error::Refused(format!("the request cannot be signed: {error}")))?;
        let (instructions, _) = signed.into_parts();
        Ok(instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    async fn kept_credentials(&self, found: &Found) -> Result<Credentials, Error> {
        let mut kept = found.credentials.lock().await;
        let good = |one: &Credentials| one.expiry().is_none_or(|expiry| expiry > time() + REST);
        if let Some(credentials) = kept.as_ref().filter(|one| good(one)) {
            return Ok(credentials.clone());
        }
        Ok(kept.insert(self.credentials(&found.sdk).await?).clone())
    }

    async fn credentials(&self, sdk: &SdkConfig) -> Result<Credentials, Error> {
        let why = match sdk.credentials_provider() {
            Some(provider) => match provider.provide_credentials().await {
                Ok(credentials) => return Ok(credentials),
                // It lists all places where there are none.
                Err(CredentialsError::CredentialsNotLoaded(_)) => NONE.to_owned(),
                Err(error) => cause_with_file(&error),
            },
            None => NONE.to_owned(),
        };
        let hint = sign_in(self.place.profile.as_deref()).await;
        Err(Error::Refused(format!("no AWS credentials can be used ({why}): {hint}")))
    }

    /// A connection to AWS itself, with the same credentials and in the same region: for what is asked before there is an
    /// operators' API.
    ///
    /// # Errors
    ///
    /// When no region is known, or no credentials can be used.
    pub async fn aws(&self) -> Result<Aws, Error> {
        let sdk = match self.found.get() {
            Some(found) => found.sdk.clone(),
            None => self.load().await?.0,
        };
        // AWS would say less of what is wrong with them.
        self.credentials(&sdk).await?;
        Ok(Aws::with(&sdk))
    }

    /// What the person's profile and variables say, and the region that they name.
    async fn load(&self) -> Result<(SdkConfig, String), Error> {
        let Place { profile, region, .. } = &self.place;
        let mut loader = aws_config::defaults(BehaviorVersion::latest());
        if let Some(profile) = profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = region {
            loader = loader.region(Region::new(region.clone()));
        }
        let sdk = loader.load().await;
        match sdk.region().map(ToString::to_string) {
            Some(region) => Ok((sdk, region)),
            None => Err(Error::Refused(
                "no region is known: name it with --region, AWS_REGION, or in your profile".to_owned(),
            )),
        }
    }

    /// Finds Slipway: in the region that the person named, by the address that Terraform wrote down.
    async fn find(&self) -> Result<Found, Error> {
        let Place { deployer, api, .. } = &self.place;
        let (sdk, region) = self.load().await?;
        let address = match api {
            Some(api) => api.clone(),
            None => self.address(&sdk, deployer, &region).await?,
        };
        let url = Url::parse(&format!("{}/", address.trim_end_matches('/')))
            .ok()
            .filter(Url::has_host)
            .ok_or_else(|| {
                Error::Refused(format!("{address} is no address of an API: write it as --api https://…"))
            })?;
        let http = browser(&url)?;
        Ok(Found::new(sdk, http, region, url))
    }

    async fn address(&self, sdk: &SdkConfig, deployer: &str, region: &str) -> Result<String, Error> {
        // SSM would say less of what is wrong with them.
        self.credentials(sdk).await?;
        let name = format!("/{deployer}/operators-api");
        let answer = aws_sdk_ssm::Client::new(sdk).get_parameter().name(&name).send().await;
        match answer {
            Ok(answer) => answer.parameter.and_then(|parameter| parameter.value).ok_or_else(|| {
                Error::Refused(format!(
                    "the parameter {name} of SSM is empty: apply Slipway's Terraform again"
                ))
            }),
            Err(error) if error.as_service_error().is_some_and(GetParameterError::is_parameter_not_found) => {
                Err(Error::Refused(format!(
                    "there is no Slipway called {deployer} in {region} of this account: name its region with --region, or its name with --deployer"
                )))
            }
            Err(error) => Err(not_found(&name, region, &error)),
        }
    }
}

/// Why SSM gave no address.
fn not_found(name: &str, region: &str, error: &SdkError<GetParameterError>) -> Error {
    if let Some(service) = error.as_service_error() {
        let meta = service.meta();
        return Error::Refused(format!(
            "SSM does not give the parameter {name} ({}: {}): allow ssm:GetParameter for it, or name the API with --api",
            meta.code().unwrap_or("an error without a name"),
            meta.message().unwrap_or_default()
        ));
    }
    Error::Unanswered(format!("SSM does not answer in {region}: {}", cause(error)))
}

/// What a person does whose profile gives no credentials. One with IAM Identity Center, or one that assumes a role with
/// such a one, is signed in ("Configuring IAM Identity Center authentication with the AWS CLI", AWS CLI User Guide).
async fn sign_in(profile: Option<&str>) -> String {
    let chosen = profile.map(|name| Cow::Owned(name.to_owned()));
    let files = EnvConfigFiles::default();
    let Ok(all) = aws_config::profile::load(&Fs::real(), &Env::real(), &files, chosen).await else {
        return SIGN_IN.to_owned();
    };
    let mut name = all.selected_profile();
    // A chain of roles that is longer, or comes back to its beginning, is none that works.
    for _ in 0..8 {
        let Some(profile) = all.get_profile(name) else { break };
        if profile.get("sso_session").or(profile.get("sso_start_url")).is_some() {
            return format!("sign in with `aws sso login --profile {name}`");
        }
        let Some(source) = profile.get("source_profile") else { break };
        name = source;
    }
    SIGN_IN.to_owned()
}

/// A client for an address. As browsers do, it finds `*.localhost` on this machine (RFC 6761), and asks no proxy for it.
pub(crate) fn browser(address: &Url) -> Result<reqwest::Client, Error> {
    let mut builder = reqwest::Client::builder()
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("slipway/", env!("CARGO_PKG_VERSION")));
    if let Some(host) = address.host_str().filter(|host| host.ends_with(".localhost")) {
        let port = address.port_or_known_default().unwrap_or(80);
        builder = builder.no_proxy().resolve(host, ([127, 0, 0, 1], port).into());
    }
    builder.build().map_err(|error| Error::Refused(format!("no connection can be made: {error}")))
}

/// What the API says is wrong, or what API Gateway says before it is asked.
fn refusal(method: &Method, path: &str, status: StatusCode, body: &[u8]) -> Error {
    if let Ok(problem) = serde_json::from_slice::<Problem>(body) {
        return if status.is_server_error() {
            Error::Unanswered(problem.detail)
        } else {
            Error::Refused(problem.detail)
        };
    }
    // API Gateway's own answers have a `message`, or a `Message`.
    let message = serde_json::from_slice::<serde_json::Value>(body).unwrap_or_default();
    let message = message["message"].as_str().or(message["Message"].as_str()).unwrap_or_default().to_owned();
    match status {
        StatusCode::FORBIDDEN => {
            let path = path.split('?').next().unwrap_or(path);
            let why = if message.is_empty() { String::new() } else { format!(" ({message})") };
            Error::Refused(format!(
                "you may not {method} /{path}{why}: IAM must allow execute-api:Invoke on …/$default/{method}/{path} of the operators' API"
            ))
        }
        StatusCode::TOO_MANY_REQUESTS => {
            Error::Unanswered("the operators' API is asked too often: try again in some seconds".to_owned())
        }
        status if status.is_server_error() => Error::Unanswered(format!(
            "the operators' API answers {status}: try again in some seconds{}",
            if message.is_empty() { String::new() } else { format!(" ({message})") }
        )),
        status => Error::Refused(format!("the operators' API answers {status}: {message}")),
    }
}

/// Host and port as a request's header has them.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The innermost reason of an error.
fn cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(next) = innermost.source() {
        innermost = next;
    }
    innermost.to_string()
}

/// The same, with the file that an operating system's reason is about.
fn cause_with_file(error: &(dyn std::error::Error + 'static)) -> String {
    let (mut innermost, mut outer) = (error, None);
    while let Some(next) = innermost.source() {
        (innermost, outer) = (next, Some(innermost));
    }
    match outer.filter(|_| innermost.is::<std::io::Error>()) {
        Some(outer) => format!("{outer}: {innermost}"),
        None => innermost.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(status: u16, body: &str) -> String {
        let status = StatusCode::from_u16(status).expect("a status");
        let error = refusal(&Method::POST, "applications/web/rollback", status, body.as_bytes());
        format!("{} {error}", error.exit_code())
    }

    #[test]
    fn a_missing_permission_names_the_path() {
        let words = words(403, r#"{"message":"Forbidden"}"#);
        assert_eq!(
            words,
            "2 you may not POST /applications/web/rollback (Forbidden): IAM must allow execute-api:Invoke on …/$default/POST/applications/web/rollback of the operators' API"
        );
    }

    #[test]
    fn a_problem_is_said_in_its_own_words_and_only_an_unanswered_request_is_sent_again() {
        let problem = |status: u16| {
            format!(
                r#"{{"type":"about:blank","status":{status},"title":"t","detail":"do this","code":"Ended"}}"#
            )
        };
        assert_eq!(words(409, &problem(409)), "2 do this");
        assert_eq!(words(503, &problem(503)), "3 do this");
        assert!(words(429, "{}").starts_with("3 "));
        assert!(words(500, r#"{"message":"Internal Server Error"}"#).starts_with("3 "));
        assert!(words(404, r#"{"message":"Not Found"}"#).starts_with("2 "));
    }
}
