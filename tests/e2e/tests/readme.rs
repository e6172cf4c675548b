//! CONTRIBUTING.md's own `cargo lambda` commands, on the local cloud that `SLIPWAY_LOCAL` names. The
//! README's commands, `cargo local demo` and `cargo local test`, are what runs this.
//!
//! What `cargo lambda watch` builds by itself is left out: it is the functions alone, for which cargo chooses other
//! features of the dependencies, and so minutes of building what is built. The functions run as they are built for the
//! cloud, and `cargo lambda watch` gives them their invocations.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use slipway_local::{Cloud, Settings};
use tokio::process::{Child, Command};

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The `cargo lambda invoke` commands of CONTRIBUTING.md, each with the output that it shows.
fn shown() -> Vec<(Vec<String>, Value)> {
    let page = std::fs::read_to_string(repository().join("CONTRIBUTING.md")).expect("the page");
    let mut commands = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(arguments) = line.strip_prefix("$ cargo lambda invoke ") {
            let output = lines
                .next()
                .and_then(|output| serde_json::from_str(output).ok())
                .expect("it shows its output");
            commands.push((arguments.split(' ').map(ToOwned::to_owned).collect(), output));
        }
    }
    commands
}

/// What `eval "$(cargo local env)"` sets.
async fn environment() -> Vec<(String, String)> {
    let script = "eval \"$(cargo local env)\"; env";
    let output = Command::new("bash")
        .args(["-c", script])
        .current_dir(repository())
        .output()
        .await
        .expect("bash runs");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn cargo_lambda(environment: &[(String, String)]) -> Command {
    let mut command = Command::new("cargo");
    command.arg("lambda").envs(environment.iter().cloned()).current_dir(repository()).kill_on_drop(true);
    command
}

async fn watching(environment: &[(String, String)], port: u16) -> Child {
    let mut watch = cargo_lambda(environment);
    // A process group of its own, which ends with it.
    watch
        .args(["watch", "--only-lambda-apis", "--invoke-port", &port.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    let child = watch.spawn().expect("cargo lambda is in the local cloud's environment");
    for _ in 0..100 {
        if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            return child;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("cargo lambda watch does not listen on {port}");
}

/// A function as it is built, which asks `cargo lambda watch` for its invocations.
fn function(settings: &Settings, environment: &[(String, String)], name: &str, port: u16) -> Child {
    Command::new(settings.target.join("debug").join(name))
        .envs(environment.iter().cloned())
        .env("AWS_LAMBDA_RUNTIME_API", format!("http://127.0.0.1:{port}/.rt/{name}"))
        .env("AWS_LAMBDA_FUNCTION_NAME", name)
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .kill_on_drop(true)
        .spawn()
        .expect("the functions are built")
}

#[tokio::test]
async fn the_readmes_cargo_lambda_commands_answer_what_it_shows() {
    let settings = Settings::discover(None).expect("settings");
    Cloud::attach(&settings)
        .await
        .expect("a local cloud runs: `cargo local test` starts one, or `cargo local up`");
    let commands = shown();
    assert!(commands.len() >= 2, "it shows the commands");
    let environment = environment().await;
    let port = TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port();
    let mut watch = watching(&environment, port).await;

    let mut answers = Vec::new();
    let names: BTreeSet<&str> = commands.iter().map(|(arguments, _)| arguments[0].as_str()).collect();
    let _functions: Vec<_> =
        names.into_iter().map(|name| function(&settings, &environment, name, port)).collect();
    for (arguments, _) in &commands {
        let file = arguments.last().expect("a file");
        assert!(Path::new(&repository().join(file)).is_file(), "{file} is there");
        let mut invoke = cargo_lambda(&environment);
        invoke.args(["invoke", "--invoke-port", &port.to_string()]).args(arguments);
        answers.push(invoke.output().await.expect("cargo lambda runs"));
    }
    if let Some(pid) = watch.id() {
        let group = format!("-{pid}");
        let ended = Command::new("kill").args(["-KILL", "--", &group]).status().await.expect("kill runs");
        assert!(ended.success(), "cargo lambda watch and its functions are ended");
    }
    watch.wait().await.expect("it ended");

    for ((arguments, expected), answer) in commands.iter().zip(answers) {
        let text = String::from_utf8_lossy(&answer.stdout);
        let mut value: Value = serde_json::from_str(text.trim()).unwrap_or_else(|error| {
            panic!("{arguments:?}: {error}: {text}{}", String::from_utf8_lossy(&answer.stderr))
        });
        if value["result"] == "DUPLICATE" {
            // The cloud has received it before.
            value["result"] = "STARTED".into();
        }
        assert_eq!(value, *expected, "{arguments:?}");
    }
}
