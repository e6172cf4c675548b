//! The engine as its clients see it: HTTP over its socket, images from a registry.

use std::{fs, net::Ipv4Addr, path::Path, sync::Mutex as StdMutex};

use axum::{
    Router,
    extract::State,
    http::{Method, StatusCode, Uri},
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, UnixStream},
};

use super::*;
use crate::image::{Behaviour, BuiltImage, ImageOptions, Make, Platform, build};

const REPOSITORY: &str = "000000000000.dkr.ecr.us-east-1.amazonaws.com/web";

/// An engine, and a registry that holds what it is given.
struct World {
    folder: tempfile::TempDir,
    engine: Engine,
    registry: Arc<Registry>,
}

/// Documents by the last part of their path: a tag or a digest.
#[derive(Default)]
struct Registry(StdMutex<HashMap<String, (String, Vec<u8>)>>);

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let registry = Arc::new(Registry::default());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let router = Router::new().fallback(serve).with_state(Arc::clone(&registry));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let engine = Engine::start(EngineConfig {
            socket: folder.path().join("engine.sock"),
            state: folder.path().join("state"),
            registry: format!("http://{address}").parse().expect("a URL"),
            path: Vec::new(),
        })
        .await
        .expect("it starts");
        Self { folder, engine, registry }
    }

    /// Puts an image that runs this shell script into the registry under a tag, and returns its digest.
    fn publish(&self, tag: &str, script: &str, platforms: &[Platform]) -> String {
        let folder = self.folder.path().join("application");
        fs::create_dir_all(folder.join("web")).expect("a folder");
        fs::write(folder.join("gunicorn.conf.py"), "").expect("a file");
        let program = folder.join("web/gunicorn");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("a file");
        let options = ImageOptions {
            version: tag.to_owned(),
            behaviour: Behaviour::Good,
            make: Make::Sample,
            migration: None,
            platforms: platforms.to_vec(),
        };
        let image = build(&folder, &options).expect("it builds");
        self.registry.add(tag, &image);
        image.top.digest
    }

    async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let (status, bytes) = self.ask_bytes(method, path, body).await;
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    async fn ask_bytes(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Vec<u8>) {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut stream = UnixStream::connect(&self.engine.socket).await.expect("it listens");
        let request = format!(
            "{method} /v1.44{path} HTTP/1.0\r\nHost: engine\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.expect("it reads");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("it answers");
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
        let status = String::from_utf8_lossy(&answer[9..12]).parse().expect("a status");
        (status, answer[end + 4..].to_vec())
    }

    async fn pull(&self, reference: &str) -> u16 {
        let (repository, tag) = reference.split_once(['@', ':']).expect("a tag");
        let path = format!("/images/create?fromImage={repository}&tag={tag}");
        self.ask_bytes("POST", &path, None).await.0
    }

    /// Creates and starts a container that runs a shell script, and returns its id.
    async fn run(&self, image: &str, script: &str) -> String {
        let asked = json!({ "Image": image, "Entrypoint": ["sh", "-c", script] });
        let (status, created) = self.ask("POST", "/containers/create", Some(&asked)).await;
        assert_eq!(status, 201, "{created}");
        let id = created["Id"].as_str().expect("an id").to_owned();
        let (status, failure) = self.ask("POST", &format!("/containers/{id}/start"), None).await;
        assert_eq!(status, 204, "{failure}");
        id
    }
}

impl Registry {
    fn add(&self, tag: &str, image: &BuiltImage) {
        let mut documents = locked(&self.0);
        let all = image.blobs.iter().chain(&image.children).chain([&image.top]);
        for document in all {
            let entry = (document.media_type.to_owned(), document.bytes.clone());
            documents.insert(document.digest.clone(), entry);
        }
        let top = (image.top.media_type.to_owned(), image.top.bytes.clone());
        documents.insert(tag.to_owned(), top);
    }
}

async fn serve(State(registry): State<Arc<Registry>>, method: Method, uri: Uri) -> Response {
    assert!(matches!(method, Method::GET | Method::HEAD));
    let name = uri.path().rsplit('/').next().unwrap_or_default();
    match locked(&registry.0).get(name) {
        Some((media_type, bytes)) => ([("Content-Type", media_type.clone())], bytes.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

#[tokio::test]
async fn an_image_is_pulled_by_digest_and_run() {
    let world = World::new().await;
    let digest = world.publish("v1", "", &[Platform::host()]);
    let image = format!("{REPOSITORY}@{digest}");

    assert_eq!(world.pull(&image).await, 200);
    let id = world.run(&image, "pwd; echo $VERSION; echo oh >&2; exit 4").await;
    let (_, ended) = world.ask("POST", &format!("/containers/{id}/wait"), None).await;
    let logs = format!("/containers/{id}/logs?stdout=1&stderr=0");
    let (_, logs) = world.ask_bytes("GET", &logs, None).await;

    assert_eq!(ended["StatusCode"], 4);
    let logs = String::from_utf8_lossy(&logs);
    assert!(logs.contains("/app\n") && logs.contains("v1\n"), "{logs}");
    assert!(!logs.contains("oh"), "{logs}");
}

#[tokio::test]
async fn an_image_that_the_local_registry_does_not_have_is_unknown() {
    let world = World::new().await;
    let absent = format!("sha256:{}", "0".repeat(64));

    for image in [
        format!("{REPOSITORY}:v1"),
        format!("{REPOSITORY}@{absent}"),
        "postgres:15-alpine".to_owned(),
        "public.ecr.aws/docker/library/redis:7".to_owned(),
    ] {
        assert_eq!(world.pull(&image).await, 404, "{image}");
        let asked = json!({ "Image": image });
        let (status, refusal) = world.ask("POST", "/containers/create", Some(&asked)).await;
        assert_eq!(status, 404, "{image}");
        assert_eq!(refusal["message"], format!("No such image: {image}"));
    }
}

#[tokio::test]
async fn an_index_gives_the_image_of_this_machine() {
    let world = World::new().await;
    world.publish("both", "", &Platform::ALL);
    let image = format!("{REPOSITORY}:both");

    assert_eq!(world.pull(&image).await, 200);

    let (_, found) = world.ask("GET", &format!("/images/{image}/json"), None).await;
    assert_eq!(found["Architecture"], Platform::host().architecture());
}

#[tokio::test]
async fn a_start_waits_until_the_port_accepts_and_a_stop_frees_the_address() {
    let world = World::new().await;
    world.publish("v1", "", &[Platform::host()]);
    let image = format!("{REPOSITORY}:v1");
    world.pull(&image).await;
    let server = "sleep 0.3; exec python3 -c 'import os, socket, time; s = socket.create_server((os.environ[\"HOST\"], 8080)); time.sleep(60)'";

    let id = world.run(&image, server).await;

    let (_, running) = world.ask("GET", &format!("/containers/{id}/json"), None).await;
    let address = running["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
        .as_str()
        .expect("an address")
        .to_owned();
    tokio::net::TcpStream::connect((address.as_str(), 8080)).await.expect("it serves");
    let (stopped, _) = world.ask("POST", &format!("/containers/{id}/stop?t=2"), None).await;
    let (_, after) = world.ask("GET", &format!("/containers/{id}/json"), None).await;
    assert_eq!(stopped, 204);
    assert_eq!(after["State"]["Status"], "exited");
    assert_eq!(after["State"]["ExitCode"], 143);
    assert_eq!(after["NetworkSettings"]["IPAddress"], "");
}

#[tokio::test]
async fn following_the_output_ends_with_the_container() {
    let world = World::new().await;
    world.publish("v1", "", &[Platform::host()]);
    let image = format!("{REPOSITORY}:v1");
    world.pull(&image).await;

    let id = world.run(&image, "for n in 1 2 3; do echo line $n; sleep 0.05; done").await;
    let logs = format!("/containers/{id}/logs?follow=1&stdout=1&stderr=1");
    let (_, logs) = world.ask_bytes("GET", &logs, None).await;

    let frame = |number| format!("\x01\0\0\0\0\0\0\x07line {number}\n");
    assert_eq!(String::from_utf8_lossy(&logs), [frame(1), frame(2), frame(3)].concat());
}

#[tokio::test]
async fn containers_are_found_by_label_name_and_state() {
    let world = World::new().await;
    world.publish("v1", "", &[Platform::host()]);
    let image = format!("{REPOSITORY}:v1");
    world.pull(&image).await;
    let asked = json!({ "Image": image, "Labels": { "owner": "ana" } });
    let (_, created) = world.ask("POST", "/containers/create?name=one", Some(&asked)).await;

    for (filters, found) in [
        (r#"{"label":["owner"]}"#, 1),
        (r#"{"label":["owner=ana"]}"#, 1),
        (r#"{"label":["owner=ana","other"]}"#, 0),
        (r#"{"label":{"owner=bo":true}}"#, 0),
        (r#"{"name":["one"],"status":["created"]}"#, 1),
        (r#"{"status":["running"]}"#, 0),
    ] {
        let filters: String = url::form_urlencoded::byte_serialize(filters.as_bytes()).collect();
        let path = format!("/containers/json?all=1&filters={filters}");
        let (_, list) = world.ask("GET", &path, None).await;
        assert_eq!(list.as_array().map(Vec::len), Some(found), "{filters}");
    }
    let unknown = world.ask("GET", "/containers/json?filters=%7B%22volume%22%3A%5B%5D%7D", None);
    assert_eq!(unknown.await.0, 400);
    let again = world.ask("POST", "/containers/create?name=one", Some(&asked));
    assert_eq!(again.await.0, 409);
    let id = created["Id"].as_str().expect("an id");
    let beginning = format!("/containers/{}/json", &id[..12]);
    assert_eq!(world.ask("GET", &beginning, None).await.0, 200);
}

#[tokio::test]
async fn what_the_engine_cannot_do_is_refused_in_dockers_form() {
    let world = World::new().await;

    for (method, path, expected) in [
        ("POST", "/containers/x/exec", 501),
        ("POST", "/build", 501),
        ("GET", "/containers/x/json", 404),
        ("GET", "/networks/other", 404),
        ("POST", "/containers/create", 400),
    ] {
        let (status, refusal) = world.ask(method, path, None).await;

        assert_eq!(status, expected, "{method} {path}");
        assert!(refusal["message"].is_string(), "{method} {path}");
    }
}

#[tokio::test]
async fn nothing_is_left_when_the_engine_ends() {
    for politely in [true, false] {
        let world = World::new().await;
        world.publish("v1", "", &[Platform::host()]);
        let image = format!("{REPOSITORY}:v1");
        world.pull(&image).await;
        let child = world.folder.path().join("child");
        let script = format!("sleep 60 & echo $! > {}; wait", child.display());
        // Its start takes seconds, because it never listens.
        let start = world.run(&image, &script);
        let _ = tokio::time::timeout(Duration::from_millis(100), start).await;
        let process = process_in(&child).await;
        let socket = world.engine.socket.clone();

        if politely {
            world.engine.shutdown().await;
        } else {
            drop(world.engine);
        }

        assert!(!socket.exists());
        wait_for(|| is_gone(&process)).await;
    }
}

#[tokio::test]
async fn a_second_engine_on_the_same_socket_is_refused_and_a_dead_ones_is_replaced() {
    let world = World::new().await;
    let config = EngineConfig {
        socket: world.engine.socket.clone(),
        state: world.folder.path().join("state"),
        registry: "http://127.0.0.1:1".parse().expect("a URL"),
        path: Vec::new(),
    };
    let refusal = Engine::start(config.clone()).await.expect_err("it is taken");
    assert!(refusal.to_string().contains("already listens"));

    let stale = world.folder.path().join("stale.sock");
    drop(std::os::unix::net::UnixListener::bind(&stale).expect("a socket"));
    let config = EngineConfig { socket: stale, ..config };

    Engine::start(config).await.expect("it starts").shutdown().await;
}

async fn process_in(file: &Path) -> String {
    let read = || fs::read_to_string(file).unwrap_or_default();
    wait_for(|| read().ends_with('\n')).await;
    read().trim().to_owned()
}

fn is_gone(process: &str) -> bool {
    let state = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    state.is_empty() || state.contains(") Z ")
}

async fn wait_for(holds: impl Fn() -> bool) {
    for _ in 0..300 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it does not hold after 3 seconds");
}
