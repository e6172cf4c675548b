//! Each fault, against an endpoint that counts what reaches it.

use std::{
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, extract::State, http::StatusCode};
use serde_json::json;
use tempfile::NamedTempFile;

use crate::{
    awkward::{Awkward, Awkwardness},
    told,
};

use super::*;

const UPDATE: &str = "ecs:UpdateService";

/// An endpoint behind a wire.
struct World {
    standing: Standing,
    reached: Arc<AtomicUsize>,
    examples: NamedTempFile,
    awkward: NamedTempFile,
}

impl World {
    async fn new() -> Self {
        async fn answer(State(reached): State<Arc<AtomicUsize>>) -> (StatusCode, &'static str) {
            reached.fetch_add(1, Ordering::SeqCst);
            (StatusCode::ACCEPTED, "done")
        }

        let reached = Arc::default();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("its address"));
        let router = Router::new().fallback(answer).with_state(Arc::clone(&reached));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let examples = NamedTempFile::new().expect("a file");
        let awkward = NamedTempFile::new().expect("a file");
        let files = WireFiles {
            examples: examples.path().to_owned(),
            recording: examples.path().with_extension("recording"),
            awkward: awkward.path().to_owned(),
        };
        let standing = Wire::start(&endpoint, files).await.expect("a wire");
        Self { standing, reached, examples, awkward }
    }

    fn endpoint(&self) -> String {
        self.standing.wire().endpoint()
    }

    fn control(&self) -> Control {
        Control::of(&self.endpoint())
    }

    async fn breaks(&self, fault: Fault) -> &Self {
        let plan = Plan { calls: vec![CallRule::new(UPDATE, fault)], ..Plan::default() };
        self.control().follow(&plan).await.expect("the wire takes the plan");
        self
    }

    /// Makes a call as a function does.
    async fn call(&self, protocol: &str, patience: Duration) -> Result<(u16, String), reqwest::Error> {
        let client = reqwest::Client::builder().no_proxy().timeout(patience).build()?;
        let request = client
            .post(self.endpoint())
            .header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=KEY/20260101/us-east-1/ecs/aws4_request, Signature=0",
            )
            .header("user-agent", "aws-sdk-rust/1.3 app/slipway-deploy-services");
        let request = match protocol {
            "query" => request.body("Action=UpdateService"),
            _ => request
                .header("x-amz-target", "AmazonEC2ContainerServiceV20141113.UpdateService")
                .body(json!({"cluster": "staging", "service": "web"}).to_string()),
        };
        let answer = request.send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    async fn calls(&self) -> Vec<String> {
        self.control().trace(0).await.expect("the trace").iter().map(|entry| entry.what.to_string()).collect()
    }

    /// The examples, once there are so many.
    async fn examples(&self, count: usize) -> Vec<Value> {
        for _ in 0..200 {
            let written = std::fs::read_to_string(self.examples.path()).expect("the file");
            if written.ends_with('\n') && written.lines().count() >= count {
                return written.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("there are no {count} examples");
    }

    fn reached(&self) -> usize {
        self.reached.load(Ordering::SeqCst)
    }
}

const PATIENCE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_call_passes_and_is_written_down() {
    let world = World::new().await;

    let answer = world.call("json", PATIENCE).await.expect("an answer");

    assert_eq!(answer, (202, "done".to_owned()));
    assert_eq!(world.calls().await, ["deploy-services ecs:UpdateService staging/web 202"]);
}

#[tokio::test]
async fn of_the_calls_of_one_kind_one_is_written_whole() {
    let world = World::new().await;

    for protocol in ["json", "json", "query", "json"] {
        world.call(protocol, PATIENCE).await.expect("an answer");
    }

    let examples = world.examples(2).await;
    assert_eq!(examples.len(), 2, "{examples:?}");
    assert_eq!(
        examples[0],
        json!({
            "caller": "deploy-services",
            "operation": UPDATE,
            "request": {
                "method": "POST",
                "path": "/",
                "headers": {"x-amz-target": "AmazonEC2ContainerServiceV20141113.UpdateService"},
                "body": r#"{"cluster":"staging","service":"web"}"#,
            },
            "answer": {"status": 202, "headers": {"content-type": "text/plain; charset=utf-8"}, "body": "done"},
        })
    );
    assert_eq!(examples[1]["request"]["body"], "Action=UpdateService");
}

#[tokio::test]
async fn a_broken_call_is_no_example() {
    let world = World::new().await;
    for fault in [Fault::RefuseBefore, Fault::Throttle, Fault::LoseAnswer] {
        let _ = world.breaks(fault).await.call("json", PATIENCE).await;
    }
    world.call("query", PATIENCE).await.expect("an answer");

    let examples = world.examples(1).await;
    assert_eq!(examples.len(), 1, "{examples:?}");
    assert_eq!(examples[0]["request"]["body"], "Action=UpdateService");
}

#[tokio::test]
async fn a_refused_call_has_no_effect_and_is_answered_in_its_protocol() {
    for (protocol, named) in
        [("json", r#""__type":"InternalFailure""#), ("query", "<Code>InternalFailure</Code>")]
    {
        let world = World::new().await;
        world.breaks(Fault::RefuseBefore).await;

        let (status, body) = world.call(protocol, PATIENCE).await.expect("an answer");
        let after = world.call(protocol, PATIENCE).await.expect("an answer");

        assert_eq!((status, after.0, world.reached()), (500, 202, 1));
        assert!(body.contains(named), "{body}");
    }
}

#[tokio::test]
async fn a_throttled_call_has_no_effect_and_is_answered_in_its_protocol() {
    for (protocol, named) in
        [("json", r#""__type":"ThrottlingException""#), ("query", "<Code>Throttling</Code>")]
    {
        let world = World::new().await;
        world.breaks(Fault::Throttle).await;

        let (status, body) = world.call(protocol, PATIENCE).await.expect("an answer");

        assert_eq!((status, world.reached()), (400, 0));
        assert!(body.contains(named), "{body}");
    }
}

#[tokio::test]
async fn aws_own_rates_hold_where_they_are_asked_for() {
    let world = World::new().await;
    let taken = async |calls: u32| {
        let mut taken = 0;
        for _ in 0..calls {
            let (status, _) = world.call("json", PATIENCE).await.expect("an answer");
            taken += u32::from(status == 202);
        }
        taken
    };

    assert_eq!(taken(70).await, 70);
    let awkward =
        Awkwardness { now: Awkward { rates: true, ..Awkward::default() }, ..Awkwardness::default() };
    told::write(world.awkward.path(), &awkward).expect("it is told");
    let burst = taken(90).await;
    assert!((50..90).contains(&burst), "a bucket of 50, which fills by 5 a second: {burst}");
}

#[tokio::test]
async fn a_lost_answer_comes_after_the_effect() {
    let world = World::new().await;
    world.breaks(Fault::LoseAnswer).await;

    let error = world.call("json", PATIENCE).await.expect_err("no answer");

    assert!(!error.is_timeout(), "the connection is closed at once: {error:?}");
    assert_eq!(world.reached(), 1);
    assert_eq!(world.calls().await, ["deploy-services ecs:UpdateService staging/web 202 [lose-answer]"]);
}

#[tokio::test]
async fn a_delayed_answer_is_later_than_the_caller_waits() {
    let world = World::new().await;
    world.breaks(Fault::Delay).await;

    let error = world.call("json", Duration::from_millis(300)).await.expect_err("no answer in time");

    assert!(error.is_timeout(), "{error:?}");
    assert_eq!(world.reached(), 1);
    assert!(
        pass::HELD > Duration::from_secs(8),
        "the functions wait 8 seconds for a call with all its tries"
    );
}

#[tokio::test]
async fn a_late_effect_comes_after_the_caller_has_been_cut_off() {
    let world = World::new().await;
    world.breaks(Fault::Late).await;

    let error = world.call("json", PATIENCE).await.expect_err("no answer");
    let at_once = world.reached();
    tokio::time::sleep(pass::LATE + Duration::from_secs(2)).await;

    assert!(!error.is_timeout(), "the connection is closed at once: {error:?}");
    assert_eq!((at_once, world.reached()), (0, 1));
}

#[tokio::test]
async fn a_killed_caller_is_gone_before_or_after_the_effect() {
    for (fault, reached) in [(Fault::KillBefore, 0), (Fault::KillAfter, 1)] {
        let world = World::new().await;
        world.breaks(fault).await;

        let mut caller = caller(world.standing.wire());
        let ended = tokio::task::spawn_blocking(move || caller.wait())
            .await
            .expect("it is waited for")
            .expect("it ends");

        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&ended), Some(9), "{fault}");
        assert_eq!(world.reached(), reached, "{fault}");
    }
}

/// Another process that makes a call and waits for the answer.
fn caller(wire: &Wire) -> Child {
    let request = "POST / HTTP/1.1\\r\\nHost: wire\\r\\nAuthorization: Credential=KEY/0/0/ecs/aws4_request\\r\\nX-Amz-Target: ECS.UpdateService\\r\\nContent-Length: 2\\r\\n\\r\\n{}";
    let script = format!(
        "exec 3<>/dev/tcp/127.0.0.1/{}; printf '{request}' >&3; read -r answer <&3; echo \"$answer\"; sleep 60",
        wire.0.address.port()
    );
    Command::new("bash")
        .args(["-c", &script])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("bash starts")
}

#[tokio::test]
async fn the_wire_does_not_kill_its_own_process() {
    let world = World::new().await;
    world.breaks(Fault::KillAfter).await;

    world.call("json", PATIENCE).await.expect_err("the connection is closed");

    assert_eq!(world.reached(), 1);
}

#[tokio::test]
async fn a_new_plan_counts_anew_and_a_reset_breaks_nothing() {
    let world = World::new().await;
    world.breaks(Fault::Throttle).await.call("json", PATIENCE).await.expect("an answer");
    let second = world.breaks(Fault::Throttle).await.call("json", PATIENCE).await.expect("an answer");
    world.breaks(Fault::Throttle).await.control().reset().await.expect("the wire answers");

    let third = world.call("json", PATIENCE).await.expect("an answer");

    assert_eq!((second.0, third.0), (400, 202));
    assert_eq!(world.control().last().await.expect("the wire answers"), 3);
    assert_eq!(world.control().trace(2).await.expect("the trace").len(), 1);
}

#[tokio::test]
async fn a_plan_that_nobody_understands_is_refused() {
    let world = World::new().await;
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");

    let answer = client
        .put(format!("{}/_slipway/faults", world.endpoint()))
        .header("content-type", "application/json")
        .body(json!({"calls": [{"operation": "*", "nth": 1, "fault": "explode"}]}).to_string())
        .send()
        .await
        .expect("an answer");

    assert_eq!(answer.status().as_u16(), 422);
}

#[tokio::test]
async fn an_event_is_broken_by_its_type_and_written_down_with_the_rules_that_got_it() {
    let world = World::new().await;
    let wire = world.standing.wire();
    let plan = Plan {
        events: vec![EventRule::new("ECR Image Action", EventFault::Drop).from(2)],
        ..Plan::default()
    };
    world.control().follow(&plan).await.expect("the wire takes the plan");
    let push = json!({"detail-type": "ECR Image Action", "detail": {"repository-name": "web", "image-digest": "sha256:0123456789"}});

    let (first, fate) = wire.happened(&push);
    wire.delivered(first, "ECR Image Action", vec!["push".to_owned()]);
    let (_, second) = wire.happened(&push);

    assert_eq!((fate, second), (None, Some(EventFault::Drop)));
    assert_eq!(
        world.calls().await,
        ["event ECR Image Action web@01234567 → push", "event ECR Image Action web@01234567 → nobody [drop]"]
    );
}
