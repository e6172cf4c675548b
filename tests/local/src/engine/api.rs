//! The Docker Engine API, as far as MiniStack and the `docker` package use it.
//!
//! Everything else is refused with 501 in Docker's own form, never answered as if it had been done.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::{
    Json, Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State as Extracted},
    http::{Method, StatusCode, Uri, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use futures::stream;
use jiff::Timestamp;
use nix::sys::signal::Signal;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Shared,
    container::{Container, Options, StartError, State},
    image::{Image, PullError, or_default},
};
use crate::image::Platform;

const API_VERSION: &str = "1.44";
const OLDEST_API_VERSION: &str = "1.24";
/// The one network there is: the machine's loopback.
const NETWORK: &str = "bridge";
/// Requests are a few kilobytes; more is a mistake.
const LONGEST_BODY_BYTES: usize = 1 << 20;
/// What Docker gives a container to stop when nobody says.
const STOP_WITHIN_SECONDS: u64 = 10;

pub(super) fn router(shared: Arc<Shared>) -> Router {
    // Names of images hold slashes in the middle of paths, which routes cannot express: hence one match by hand.
    Router::new().fallback(answer).with_state(shared)
}

/// An answer that is not success: the status and Docker's `{"message"}`.
#[derive(Debug)]
struct Refusal(StatusCode, String);

impl Refusal {
    fn not_found(message: impl Into<String>) -> Self {
        Self(StatusCode::NOT_FOUND, message.into())
    }

    fn bad_request(message: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, message.into())
    }

    fn conflict(message: impl Into<String>) -> Self {
        Self(StatusCode::CONFLICT, message.into())
    }
}

impl From<PullError> for Refusal {
    fn from(error: PullError) -> Self {
        match error {
            PullError::Unknown(message) => Self::not_found(message),
            PullError::Failed(error) => Self(StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}")),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "message": self.1 }))).into_response()
    }
}

type Answer = Result<Response, Refusal>;

async fn answer(Extracted(shared): Extracted<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = match to_bytes(body, LONGEST_BODY_BYTES).await {
        Ok(body) => body,
        Err(error) => return Refusal::bad_request(error.to_string()).into_response(),
    };
    let answer =
        dispatch(&shared, &head.method, &head.uri, &body).await.unwrap_or_else(IntoResponse::into_response);
    tracing::debug!(method = %head.method, uri = %head.uri, status = answer.status().as_u16(), "container engine");
    answer
}

async fn dispatch(shared: &Arc<Shared>, method: &Method, uri: &Uri, body: &Bytes) -> Answer {
    let query = Query::of(uri);
    let path: Vec<String> =
        uri.path().split('/').filter(|segment| !segment.is_empty()).map(decoded).collect();
    let mut path: Vec<&str> = path.iter().map(String::as_str).collect();
    if path.first().is_some_and(|first| is_version(first)) {
        path.remove(0);
    }

    match (method.as_str(), path.as_slice()) {
        ("GET" | "HEAD", ["_ping"]) => Ok(([("Api-Version", API_VERSION)], "OK").into_response()),
        ("GET", ["version"]) => Ok(Json(version()).into_response()),
        ("GET", ["info"]) => Ok(Json(information(shared)).into_response()),

        ("GET", ["images", "json"]) => Ok(list_images(shared)),
        ("POST", ["images", "create"]) => pull_image(shared, &query).await,
        ("GET", ["images", name @ .., "json"]) => {
            let image = find_image(shared, &name.join("/"))?;
            Ok(Json(inspect_image(shared, &image)).into_response())
        }
        ("POST", ["images", name @ .., "tag"]) => tag_image(shared, &name.join("/"), &query),
        ("GET", ["distribution", name @ .., "json"]) => describe_image(shared, &name.join("/")).await,

        ("GET", ["containers", "json"]) => list_containers(shared, &query),
        ("POST", ["containers", "create"]) => create_container(shared, &query, body),
        ("GET", ["containers", id, "json"]) => {
            Ok(Json(inspect_container(&*find(shared, id)?)).into_response())
        }
        ("POST", ["containers", id, "start"]) => start_container(shared, id).await,
        ("POST", ["containers", id, "stop"]) => stop_container(shared, id, &query).await,
        ("POST", ["containers", id, "kill"]) => kill_container(shared, id, &query),
        ("POST", ["containers", id, "wait"]) => {
            let code = find(shared, id)?.wait().await;
            Ok(Json(json!({ "StatusCode": code })).into_response())
        }
        ("GET", ["containers", id, "logs"]) => read_logs(shared, id, &query),
        ("DELETE", ["containers", id]) => remove_container(shared, id, &query).await,

        ("GET", ["networks"]) => Ok(Json(json!([network()])).into_response()),
        ("GET", ["networks", NETWORK]) => Ok(Json(network()).into_response()),
        ("GET", ["networks", other]) => Err(Refusal::not_found(format!("network {other} not found"))),
        ("GET", ["volumes"]) => Ok(Json(json!({ "Volumes": [], "Warnings": null })).into_response()),
        ("GET", ["volumes", other]) => Err(Refusal::not_found(format!("get {other}: no such volume"))),
        _ => Err(Refusal(
            StatusCode::NOT_IMPLEMENTED,
            format!("this engine does not do {method} {}", uri.path()),
        )),
    }
}

fn is_version(segment: &str) -> bool {
    segment.strip_prefix('v').is_some_and(|number| number.split('.').all(|part| part.parse::<u16>().is_ok()))
}

fn decoded(segment: &str) -> String {
    // The form's decoder reads `+` as a space, a path does not.
    let pair = format!("={}", segment.replace('+', "%2B"));
    url::form_urlencoded::parse(pair.as_bytes())
        .next()
        .map_or_else(String::new, |(_, value)| value.into_owned())
}

/// The parameters of a request.
struct Query(HashMap<String, String>);

impl Query {
    fn of(uri: &Uri) -> Self {
        let query = uri.query().unwrap_or_default();
        Self(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn is_set(&self, name: &str) -> bool {
        matches!(self.get(name), Some("1" | "true" | "True"))
    }
}

fn version() -> Value {
    json!({
        "Version": env!("CARGO_PKG_VERSION"),
        "ApiVersion": API_VERSION,
        "MinAPIVersion": OLDEST_API_VERSION,
        "Os": "linux",
        "Arch": Platform::host().architecture(),
        "Platform": { "Name": "Slipway's container engine" },
        "Components": [],
    })
}

fn information(shared: &Shared) -> Value {
    let containers = shared.containers();
    let running = containers.values().filter(|container| container.state().is_running()).count();
    json!({
        "ID": "slipway",
        "Name": "slipway",
        "ServerVersion": env!("CARGO_PKG_VERSION"),
        "OSType": "linux",
        "Architecture": std::env::consts::ARCH,
        "Containers": containers.len(),
        "ContainersRunning": running,
        "ContainersPaused": 0,
        "ContainersStopped": containers.len() - running,
        "Images": shared.images.all().len(),
        "Driver": "folder",
        "Swarm": { "LocalNodeState": "inactive" },
        "Warnings": [],
    })
}

fn network() -> Value {
    json!({
        "Name": NETWORK,
        "Id": NETWORK,
        "Driver": NETWORK,
        "Scope": "local",
        "IPAM": { "Driver": "default", "Config": [{ "Subnet": "127.64.0.0/10" }] },
        "Internal": false,
        "Containers": {},
        "Options": {},
        "Labels": {},
    })
}

// ── Images ───────────────────────────────────────────────────────────────

fn find_image(shared: &Shared, name: &str) -> Result<Arc<Image>, Refusal> {
    shared.images.get(name).ok_or_else(|| Refusal::not_found(format!("No such image: {name}")))
}

async fn pull_image(shared: &Shared, query: &Query) -> Answer {
    let Some(repository) = query.get("fromImage") else {
        return Err(Refusal(StatusCode::NOT_IMPLEMENTED, "this engine does not import images".to_owned()));
    };
    let name = match query.get("tag") {
        Some(digest) if digest.contains(':') => format!("{repository}@{digest}"),
        Some(tag) => format!("{repository}:{tag}"),
        None => repository.to_owned(),
    };
    let image = shared.images.pull(&name).await?;
    let progress = [
        json!({ "status": format!("Digest: {}", image.id) }),
        json!({ "status": format!("Status: Image is up to date for {name}") }),
    ];
    let lines: Vec<io::Result<String>> = progress.map(|line| Ok(format!("{line}\r\n"))).into();
    Ok((
        [(CONTENT_TYPE, "application/json")],
        // Sent in chunks: clients take a body of known length for an error.
        Body::from_stream(stream::iter(lines)),
    )
        .into_response())
}

fn tag_image(shared: &Shared, name: &str, query: &Query) -> Answer {
    let image = find_image(shared, name)?;
    let Some(repository) = query.get("repo") else {
        return Err(Refusal::bad_request("`repo` is missing"));
    };
    let tag = query.get("tag").unwrap_or("latest");
    shared.images.tag(image, &format!("{repository}:{tag}"));
    Ok(StatusCode::CREATED.into_response())
}

async fn describe_image(shared: &Shared, name: &str) -> Answer {
    let (digest, media_type) = shared.images.describe(name).await?;
    let platform = json!({ "os": "linux", "architecture": Platform::host().architecture() });
    Ok(Json(json!({
        "Descriptor": { "mediaType": media_type, "digest": digest, "size": 0 },
        "Platforms": [platform],
    }))
    .into_response())
}

fn list_images(shared: &Shared) -> Response {
    let images: Vec<_> = shared
        .images
        .all()
        .into_iter()
        .map(|(image, names)| {
            let (digests, tags) = digests_and_tags(names);
            json!({
                "Id": image.id,
                "ParentId": "",
                "RepoTags": tags,
                "RepoDigests": digests,
                "Created": seconds(&image.created),
                "Size": image.size,
                "SharedSize": -1,
                "Containers": -1,
                "Labels": image.settings.labels,
            })
        })
        .collect();
    Json(images).into_response()
}

fn inspect_image(shared: &Shared, image: &Image) -> Value {
    let (digests, tags) = digests_and_tags(shared.images.names(image));
    let settings = &image.settings;
    json!({
        "Id": image.id,
        "RepoTags": tags,
        "RepoDigests": digests,
        "Created": image.created,
        "Os": "linux",
        "Architecture": image.architecture,
        "Size": image.size,
        "Config": {
            "Env": settings.env,
            "Entrypoint": settings.entrypoint,
            "Cmd": settings.cmd,
            "WorkingDir": settings.working_dir,
            "User": settings.user,
            "ExposedPorts": settings.exposed_ports,
            "Labels": settings.labels,
        },
        "RootFS": { "Type": "layers" },
    })
}

fn digests_and_tags(names: Vec<String>) -> (Vec<String>, Vec<String>) {
    names.into_iter().partition(|name| name.contains('@'))
}

fn seconds(timestamp: &str) -> i64 {
    timestamp.parse::<Timestamp>().map_or(0, Timestamp::as_second)
}

// ── Containers ───────────────────────────────────────────────────────────

/// What the creator of a container may ask. What is not here, such as volumes and limits, has no effect.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Creation {
    image: String,
    cmd: Option<Words>,
    entrypoint: Option<Words>,
    #[serde(default, deserialize_with = "or_default")]
    env: Vec<String>,
    working_dir: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    labels: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "or_default")]
    exposed_ports: BTreeMap<String, Value>,
    #[serde(default, deserialize_with = "or_default")]
    host_config: HostConfig,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HostConfig {
    #[serde(default, deserialize_with = "or_default")]
    extra_hosts: Vec<String>,
}

/// A command is a list, or a text that is the only word.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Words {
    Many(Vec<String>),
    One(String),
}

impl Words {
    /// The words; none when there is nothing, which Docker takes as not given.
    fn into_words(self) -> Option<Vec<String>> {
        let words = match self {
            Self::Many(words) => words,
            Self::One(word) => vec![word],
        };
        (!words.is_empty()).then_some(words)
    }
}

fn find(shared: &Shared, id: &str) -> Result<Arc<Container>, Refusal> {
    shared.container(id).ok_or_else(|| Refusal::not_found(format!("No such container: {id}")))
}

fn create_container(shared: &Shared, query: &Query, body: &Bytes) -> Answer {
    let asked: Creation = serde_json::from_slice(body)
        .map_err(|error| Refusal::bad_request(format!("the container does not parse: {error}")))?;
    let image = find_image(shared, &asked.image)?;
    let name = query.get("name").map(|name| name.trim_start_matches('/'));
    let this_machine = asked.host_config.extra_hosts.iter().filter_map(|host| {
        let (name, address) = host.split_once([':', '='])?;
        (address == "host-gateway").then(|| name.to_owned())
    });
    let options = Options {
        entrypoint: asked.entrypoint.and_then(Words::into_words),
        command: asked.cmd.and_then(Words::into_words),
        environment: asked.env,
        working_folder: asked.working_dir,
        labels: asked.labels,
        ports: asked.exposed_ports.into_keys().collect(),
        names_of_this_machine: this_machine.collect(),
    };

    let mut containers = shared.containers();
    if let Some(name) = name
        && let Some(other) = containers.values().find(|other| other.name == name)
    {
        return Err(Refusal::conflict(format!(
            "Conflict. The container name \"/{name}\" is already in use by container \"{}\". You have to remove (or rename) that container to be able to reuse that name.",
            other.id
        )));
    }
    let container = Container::new(name.map(str::to_owned), image, asked.image, options);
    let id = container.id.clone();
    containers.insert(id.clone(), Arc::new(container));
    Ok((StatusCode::CREATED, Json(json!({ "Id": id, "Warnings": [] }))).into_response())
}

async fn start_container(shared: &Shared, id: &str) -> Answer {
    let container = find(shared, id)?;
    if shared.closing.load(Ordering::SeqCst) {
        return Err(Refusal(StatusCode::SERVICE_UNAVAILABLE, "the engine is shutting down".to_owned()));
    }
    let started = container.start(&shared.addresses, &shared.watchdog, &shared.path).await;
    if shared.closing.load(Ordering::SeqCst) {
        // It began while the others were being stopped.
        container.kill();
    }
    match started {
        Ok(()) => Ok(StatusCode::NO_CONTENT.into_response()),
        Err(StartError::AlreadyRunning) => Ok(StatusCode::NOT_MODIFIED.into_response()),
        Err(StartError::Impossible(error)) => Err(Refusal::bad_request(format!("{error:#}"))),
    }
}

async fn stop_container(shared: &Shared, id: &str, query: &Query) -> Answer {
    let within = match query.get("t") {
        Some(seconds) => {
            seconds.parse().map_err(|_| Refusal::bad_request(format!("`t` is not a number: {seconds}")))?
        }
        None => STOP_WITHIN_SECONDS,
    };
    let ran = find(shared, id)?.stop(Duration::from_secs(within)).await;
    Ok(if ran { StatusCode::NO_CONTENT.into_response() } else { StatusCode::NOT_MODIFIED.into_response() })
}

fn kill_container(shared: &Shared, id: &str, query: &Query) -> Answer {
    let signal = match query.get("signal") {
        Some(name) => {
            parse_signal(name).ok_or_else(|| Refusal::bad_request(format!("Invalid signal: {name}")))?
        }
        None => Signal::SIGKILL,
    };
    if find(shared, id)?.signal(signal) {
        Ok(StatusCode::NO_CONTENT.into_response())
    } else {
        Err(Refusal::conflict(format!("Container {id} is not running")))
    }
}

/// A signal by its number, or its name with or without `SIG`.
fn parse_signal(name: &str) -> Option<Signal> {
    if let Ok(number) = name.parse::<i32>() {
        return Signal::try_from(number).ok();
    }
    let name = name.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    format!("SIG{name}").parse().ok()
}

async fn remove_container(shared: &Shared, id: &str, query: &Query) -> Answer {
    let container = find(shared, id)?;
    if container.state().is_running() {
        if !query.is_set("force") {
            return Err(Refusal::conflict(format!(
                "cannot remove container \"/{}\": container is running: stop the container before removing or force remove",
                container.name
            )));
        }
        container.kill();
        container.wait().await;
    }
    shared.containers().remove(&container.id);
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn inspect_container(container: &Container) -> Value {
    let line = container.command_line();
    let settings = &container.image.settings;
    let (address, process) = match container.state() {
        State::Running { address, process, .. } => (address.to_string(), process.as_raw()),
        _ => (String::new(), 0),
    };
    let ports: BTreeMap<_, _> =
        container.exposed_ports().into_iter().map(|port| (port, Value::Null)).collect();
    let environment: Vec<_> =
        container.environment().into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    json!({
        "Id": container.id,
        "Name": format!("/{}", container.name),
        "Created": container.created.to_string(),
        "Path": line.first().cloned().unwrap_or_default(),
        "Args": line.get(1..).unwrap_or_default(),
        "State": state(container, process),
        "Image": container.image.id,
        "Platform": "linux",
        "RestartCount": 0,
        "HostConfig": {
            "NetworkMode": NETWORK,
            "LogConfig": { "Type": "json-file", "Config": {} },
            "RestartPolicy": { "Name": "no", "MaximumRetryCount": 0 },
        },
        "Mounts": [],
        "Config": {
            "Hostname": &container.id[..12],
            "Image": container.image_name,
            "Env": environment,
            "Entrypoint": container.options.entrypoint.as_ref().unwrap_or(&settings.entrypoint),
            "Cmd": container.options.command.as_ref().unwrap_or(&settings.cmd),
            "WorkingDir": container.working_folder(),
            "User": settings.user,
            "ExposedPorts": ports.keys().map(|port| (port, json!({}))).collect::<BTreeMap<_, _>>(),
            "Labels": labels(container),
            "Tty": false,
        },
        "NetworkSettings": {
            "IPAddress": address,
            "Ports": ports,
            "Networks": { NETWORK: { "NetworkID": NETWORK, "IPAddress": address, "Gateway": "127.0.0.1" } },
        },
    })
}

fn state(container: &Container, process: i32) -> Value {
    /// How Docker writes a time that has not come.
    const NEVER: &str = "0001-01-01T00:00:00Z";
    let (status, code, started, finished) = match container.state() {
        State::Created => ("created", 0, NEVER.to_owned(), NEVER.to_owned()),
        State::Running { since, .. } => ("running", 0, since.to_string(), NEVER.to_owned()),
        State::Exited { code, since, at } => ("exited", code, since.to_string(), at.to_string()),
    };
    json!({
        "Status": status,
        "Running": status == "running",
        "Paused": false,
        "Restarting": false,
        "OOMKilled": false,
        "Dead": false,
        "Pid": process,
        "ExitCode": code,
        "Error": "",
        "StartedAt": started,
        "FinishedAt": finished,
    })
}

fn labels(container: &Container) -> BTreeMap<&String, &String> {
    let of_image = container.image.settings.labels.iter();
    of_image.chain(&container.options.labels).collect()
}

fn status(container: &Container) -> &'static str {
    match container.state() {
        State::Created => "created",
        State::Running { .. } => "running",
        State::Exited { .. } => "exited",
    }
}

fn list_containers(shared: &Shared, query: &Query) -> Answer {
    let filters = Filters::of(query)?;
    let all = query.is_set("all") || filters.status.is_some();
    let mut found: Vec<_> = shared
        .containers()
        .values()
        .filter(|container| all || container.state().is_running())
        .filter(|container| filters.fit(container))
        .cloned()
        .collect();
    found.sort_by_key(|container| std::cmp::Reverse(container.created));
    let list: Vec<_> = found
        .iter()
        .map(|container| {
            let whole = inspect_container(container);
            json!({
                "Id": container.id,
                "Names": [format!("/{}", container.name)],
                "Image": container.image_name,
                "ImageID": container.image.id,
                "Command": container.command_line().join(" "),
                "Created": container.created.as_second(),
                "State": status(container),
                "Status": status(container),
                "Ports": [],
                "Labels": labels(container),
                "HostConfig": { "NetworkMode": NETWORK },
                "NetworkSettings": { "Networks": whole["NetworkSettings"]["Networks"] },
                "Mounts": [],
            })
        })
        .collect();
    Ok(Json(list).into_response())
}

/// Which containers are asked for. A filter that is not here is refused: ignoring it would name too many.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Filters {
    label: Option<Values>,
    name: Option<Values>,
    id: Option<Values>,
    status: Option<Values>,
}

/// Values of a filter: a list, or the older form of a map to `true`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Values {
    List(Vec<String>),
    Map(BTreeMap<String, bool>),
}

impl Values {
    fn any(&self, fits: impl FnMut(&String) -> bool) -> bool {
        match self {
            Self::List(values) => values.iter().any(fits),
            Self::Map(values) => values.keys().any(fits),
        }
    }

    fn all(&self, fits: impl FnMut(&String) -> bool) -> bool {
        match self {
            Self::List(values) => values.iter().all(fits),
            Self::Map(values) => values.keys().all(fits),
        }
    }
}

impl Filters {
    fn of(query: &Query) -> Result<Self, Refusal> {
        let Some(text) = query.get("filters") else {
            return Ok(Self::default());
        };
        serde_json::from_str(text).map_err(|error| Refusal::bad_request(format!("invalid filter: {error}")))
    }

    fn fit(&self, container: &Container) -> bool {
        let labels = labels(container);
        let has_label = |wanted: &String| match wanted.split_once('=') {
            Some((name, value)) => labels.iter().any(|(other, has)| *other == name && *has == value),
            None => labels.contains_key(wanted),
        };
        self.label.as_ref().is_none_or(|values| values.all(has_label))
            && self
                .name
                .as_ref()
                .is_none_or(|values| values.any(|name| container.name.contains(name.trim_start_matches('/'))))
            && self.id.as_ref().is_none_or(|values| values.any(|id| container.id.starts_with(id)))
            && self.status.as_ref().is_none_or(|values| values.any(|wanted| wanted == status(container)))
    }
}

// ── Output ───────────────────────────────────────────────────────────────

fn read_logs(shared: &Shared, id: &str, query: &Query) -> Answer {
    let container = find(shared, id)?;
    let wanted = Wanted {
        streams: [query.is_set("stdout"), query.is_set("stderr")],
        times: query.is_set("timestamps"),
    };
    if wanted.streams == [false, false] {
        return Err(Refusal::bad_request("Bad parameters: you must choose at least one stream"));
    }
    let first = match query.get("tail") {
        None | Some("all") => 0,
        Some(count) => container.log.last(
            count.parse().map_err(|_| Refusal::bad_request(format!("`tail` is not a number: {count}")))?,
        ),
    };
    let body = if query.is_set("follow") {
        follow(container, first, wanted)
    } else {
        Body::from(wanted.frames(&container, first).0)
    };
    Ok(([(CONTENT_TYPE, "application/vnd.docker.multiplexed-stream")], body).into_response())
}

#[derive(Clone, Copy, Debug)]
struct Wanted {
    /// Standard output, standard error.
    streams: [bool; 2],
    times: bool,
}

impl Wanted {
    /// The wanted frames from this line on, and the number of the line after them.
    fn frames(self, container: &Container, first: u64) -> (Vec<u8>, u64) {
        let (lines, next) = container.log.from(first);
        let frames = lines
            .iter()
            .filter(|line| self.streams[line.stream as usize - 1])
            .flat_map(|line| line.frame(self.times))
            .collect();
        (frames, next)
    }
}

/// Everything from this line on, as it is written, until the container has ended.
fn follow(container: Arc<Container>, first: u64, wanted: Wanted) -> Body {
    let places = (container.log.watch(), container.watch(), first);
    let frames = stream::unfold(Some(places), move |places| {
        let container = Arc::clone(&container);
        async move {
            let (mut written, mut state, mut first) = places?;
            loop {
                written.mark_unchanged();
                // Asked before the lines are: an end that comes between shows in the next round.
                let ended = matches!(*state.borrow_and_update(), State::Exited { .. });
                let (frames, next) = wanted.frames(&container, first);
                first = next;
                if !frames.is_empty() {
                    let places = (!ended).then_some((written, state, first));
                    return Some((Ok::<_, io::Error>(Bytes::from(frames)), places));
                }
                if ended {
                    return None;
                }
                tokio::select! {
                    changed = written.changed() => changed.ok()?,
                    changed = state.changed() => changed.ok()?,
                }
            }
        }
    });
    Body::from_stream(frames)
}
