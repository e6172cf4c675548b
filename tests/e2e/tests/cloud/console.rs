//! The console: who gets into a session, what it sees, and how it ends.

use jiff::SignedDuration;
use reqwest::header::HeaderMap;
use serde_json::json;
use slipway_core::api::{Applications, ConsoleAnswer, ConsoleRequests, Done, OpenedConsole};
use slipway_local::PushOptions;

use crate::operators::{Operator, until_asked};
use crate::world::World;

/// The paths of the operators' API that let their holder open a session.
const OPENING: [&str; 3] = ["POST/console/open", "POST/console/permissions", "POST/console/end"];

/// What the console answered.
struct Page {
    status: u16,
    headers: HeaderMap,
    html: String,
}

impl Page {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The cookie as a browser sends it back.
    fn cookie(&self) -> String {
        self.header("set-cookie").split(';').next().unwrap_or_default().to_owned()
    }
}

/// What a browser sends with a page's own form.
const OWN_FORM: (&str, &str) = ("sec-fetch-site", "same-origin");

impl World {
    async fn console(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Page {
        self.browses(method, path, headers, "").await
    }

    /// Sends a form to a page.
    async fn sends(&self, path: &str, headers: &[(&str, &str)], form: &str) -> Page {
        self.browses("POST", path, headers, form).await
    }

    async fn browses(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Page {
        let address =
            self.cloud.outputs().expect("the outputs")["console_url"].as_str().expect("it").to_owned();
        let url = reqwest::Url::parse(&format!("{address}{path}")).expect("an address");
        let host = url.host_str().expect("a host").to_owned();
        let browser = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .resolve(&host, ([127, 0, 0, 1], self.cloud.port()).into())
            .build()
            .expect("a client");
        let mut request = browser.request(method.parse().expect("a method"), url).body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.expect("the console answers");
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Page { status, headers, html: answer.text().await.expect("a page") }
    }

    async fn page(&self, path: &str, cookie: &str) -> Page {
        self.console("GET", path, &[("cookie", cookie)]).await
    }

    /// An IAM user who may open a session, and may ask for these paths besides.
    pub(crate) async fn visitor(&self, name: &str, paths: &[&str]) -> Operator {
        self.operator(name, &[&OPENING[..], paths].concat()).await
    }

    /// Opens a session and enters it: its name, and the browser's cookie.
    async fn enters(&self, operator: &Operator) -> (String, String) {
        let opened = open(operator).await;
        let entered = self.console("POST", &path_of(&opened.address), &[OWN_FORM]).await;
        assert_eq!(entered.status, 200, "{}", entered.html);
        (opened.session.clone(), entered.cookie())
    }
}

async fn open(operator: &Operator) -> OpenedConsole {
    operator.client.post("console/open", &json!({})).await.expect("it opens")
}

fn path_of(address: &str) -> String {
    reqwest::Url::parse(address).expect("an address").path().to_owned()
}

#[tokio::test]
async fn an_address_lets_one_browser_in_once_and_looking_at_it_spends_nothing() {
    let world = World::enter().await;
    let ana = world.visitor("ana-console", &[]).await;
    let opened = open(&ana).await;
    let path = path_of(&opened.address);

    for _ in 0..3 {
        let shown = world.console("GET", &path, &[]).await;
        assert_eq!(shown.status, 200);
        assert_eq!(shown.header("referrer-policy"), "no-referrer");
        assert!(shown.header("set-cookie").is_empty() && !shown.html.contains(&path), "{}", shown.html);
    }
    for site in [None, Some("cross-site"), Some("same-site")] {
        let headers: Vec<_> = site.map(|site| ("sec-fetch-site", site)).into_iter().collect();
        assert_eq!(world.console("POST", &path, &headers).await.status, 403, "{site:?}");
    }
    let entered = world.console("POST", &path, &[OWN_FORM]).await;
    let again = world.console("POST", &path, &[OWN_FORM]).await;

    assert_eq!(entered.status, 200);
    assert!(entered.html.contains("the IAM user ana-console"), "{}", entered.html);
    for part in ["__Host-slipway=", "Path=/", "Secure", "HttpOnly", "SameSite=Strict", "Max-Age="] {
        assert!(entered.header("set-cookie").contains(part), "{part}: {}", entered.header("set-cookie"));
    }
    assert!(!entered.header("set-cookie").contains(path.rsplit('/').next().expect("a token")));
    assert_eq!((again.status, again.header("set-cookie")), (410, ""));
}

#[tokio::test]
async fn an_address_of_a_session_that_is_over_lets_nobody_in() {
    let world = World::enter().await;
    let ana = world.visitor("ana-console", &[]).await;
    let opened = open(&ana).await;
    let pk = format!("CONSOLE#{}", opened.session);

    world.move_back(&pk, "SESSION", "opened_at", SignedDuration::from_hours(9)).await;
    let late = world.console("POST", &path_of(&opened.address), &[OWN_FORM]).await;

    assert_eq!((late.status, late.header("set-cookie")), (410, ""), "{}", late.html);
}

#[tokio::test]
async fn a_page_shows_what_iam_lets_its_caller_see_and_nothing_else() {
    let world = World::enter().await;
    let ana = world
        .visitor("ana-console", &["GET/board", "GET/applications/web", "GET/applications/web/releases"])
        .await;
    let (session, cookie) = world.enters(&ana).await;

    let unproven = world.page("/", &cookie).await;
    let proven = ana.client.prove("GET", "/board", &session).await.expect("it answers");
    let board = world.page("/", &cookie).await;
    let shop = world.page("/applications/shop", &cookie).await;
    let asked: ConsoleRequests =
        ana.client.post("console/permissions", &json!({ "session": session })).await.expect("it answers");
    let shop_proven = ana.client.prove("GET", "/applications/shop", &session).await.expect("it answers");
    let refused = ["GET /applications/shop", "GET /applications/shop/releases"];
    let refused = json!({ "session": session, "refused": refused });
    let _asked: ConsoleRequests = ana.client.post("console/permissions", &refused).await.expect("it answers");
    let shop_refused = world.page("/applications/shop", &cookie).await;

    assert_eq!((unproven.status, unproven.header("refresh")), (202, "1; url=?waited=1"));
    assert!(proven);
    assert_eq!(board.status, 200, "{}", board.html);
    assert!(board.html.contains(r#"data-name="web""#) && board.html.contains("the IAM user ana-console"));
    assert_eq!(shop.status, 202);
    assert!(asked.entered && !asked.ended);
    let waiting: Vec<_> = asked.requests.iter().map(|request| request.path.as_str()).collect();
    assert!(waiting.contains(&"/applications/shop"), "{waiting:?}");
    assert!(!shop_proven, "IAM does not allow it");
    assert_eq!(shop_refused.status, 403, "{}", shop_refused.html);
    assert!(shop_refused.html.contains("GET /applications/shop"), "{}", shop_refused.html);
}

#[tokio::test]
async fn what_is_taken_away_is_gone_once_its_proof_is_five_minutes_old() {
    let world = World::enter().await;
    let ana = world.visitor("ana-console", &["GET/board"]).await;
    let (session, cookie) = world.enters(&ana).await;
    assert!(ana.client.prove("GET", "/board", &session).await.expect("it answers"));
    assert_eq!(world.page("/", &cookie).await.status, 200);

    let _without = world.visitor("ana-console", &[]).await;
    let proven = ana.client.prove("GET", "/board", &session).await.expect("it answers");
    let pk = format!("CONSOLE#{session}");
    world.move_back(&pk, "PERMISSION#GET /board", "until", SignedDuration::from_mins(5)).await;
    let later = world.page("/", &cookie).await;

    assert!(!proven, "IAM allows it no more");
    assert_eq!(later.status, 202, "{}", later.html);
}

#[tokio::test]
async fn what_iam_has_refused_is_gone_at_once_and_for_longer_than_that_is_shown() {
    let world = World::enter().await;
    let ana = world.visitor("ana-console", &["GET/board"]).await;
    let (session, cookie) = world.enters(&ana).await;
    assert!(ana.client.prove("GET", "/board", &session).await.expect("it answers"));
    assert_eq!(world.page("/", &cookie).await.status, 200);
    let pk = format!("CONSOLE#{session}");
    // The page has its permission asked for again, and the command finds it refused.
    world.move_back(&pk, "PERMISSION#GET /board", "until", SignedDuration::from_secs(200)).await;
    assert_eq!(world.page("/", &cookie).await.status, 200);
    let refused = json!({ "session": session, "refused": ["GET /board"] });
    let _asked: ConsoleRequests = ana.client.post("console/permissions", &refused).await.expect("it answers");

    let at_once = world.page("/", &cookie).await;
    world.move_back(&pk, "REQUEST#GET /board", "refused_at", SignedDuration::from_secs(31)).await;
    let later = world.page("/", &cookie).await;

    assert_eq!(at_once.status, 403, "{}", at_once.html);
    assert_eq!(later.status, 202, "the permission of before counts no more: {}", later.html);
}

#[tokio::test]
async fn a_browser_that_is_in_a_session_is_asked_before_it_enters_another_one() {
    let world = World::enter().await;
    let ana = world.visitor("ana-console", &[]).await;
    let eve = world.visitor("eve-console", &[]).await;
    let (_, cookie) = world.enters(&ana).await;
    let path = path_of(&open(&eve).await.address);
    let headers = [("cookie", cookie.as_str()), OWN_FORM];

    let asked = world.console("POST", &path, &headers).await;
    let still = world.page("/", &cookie).await;
    let instead = world.sends(&path, &headers, "instead=yes").await;

    assert_eq!((asked.status, asked.header("set-cookie")), (409, ""), "{}", asked.html);
    assert_eq!(still.status, 202, "the session goes on");
    assert_eq!(instead.status, 200);
    assert!(instead.html.contains("the IAM user eve-console"), "{}", instead.html);
    assert_ne!(instead.cookie(), cookie);
}

#[tokio::test]
async fn a_session_is_of_no_use_to_others() {
    let world = World::enter().await;
    let ana = world.visitor("ana-console", &[]).await;
    let eve = world.visitor("eve-console", &["GET/board", "POST/console/request"]).await;
    let (session, cookie) = world.enters(&ana).await;
    let (_, eves) = world.enters(&eve).await;
    let secret = cookie.split_once('=').expect("a cookie").1;
    let eves = eves.split_once('=').expect("a cookie").1;

    let proof = eve.client.prove("GET", "/board", &session).await.expect("it answers");
    let end = json!({ "session": session });
    let ended = eve.client.post::<Done>("console/end", &end).await.expect_err("it is refused").to_string();
    let read = eve.client.post::<ConsoleRequests>("console/permissions", &end).await;
    let mixed = format!("{session}.{}", eves.split_once('.').expect("two parts").1);
    let request = json!({ "secret": mixed, "method": "GET", "path": "/board" });
    let guessed: ConsoleAnswer = eve.client.post("console/request", &request).await.expect("it answers");

    assert!(!proof, "a proof of somebody else's does not count");
    assert!(ended.contains("no such session"), "{ended}");
    assert!(read.is_err());
    assert_eq!(guessed, ConsoleAnswer::NoSession);
    assert_eq!(world.page("/", &cookie).await.status, 202, "the session goes on, and nothing is proven");
    for cookie in [
        format!("__Host-slipway={session}"),
        format!("__Host-slipway={secret}x"),
        format!("__Host-slipway={secret}; __Host-slipway={eves}"),
        format!("slipway={secret}"),
        String::new(),
    ] {
        assert_eq!(world.page("/", &cookie).await.status, 401, "{cookie}");
    }
}

/// A whole request of a caller's, as API Gateway hands it on: what it would do, it does where it has no further header.
fn request_of(
    world: &World,
    caller: &str,
    route: &str,
    path: &str,
    body: &serde_json::Value,
) -> serde_json::Value {
    let mut event = world.event("operator-rollback.json");
    event["routeKey"] = json!(route);
    event["rawPath"] = json!(path);
    event["requestContext"]["routeKey"] = json!(route);
    event["requestContext"]["http"]["path"] = json!(path);
    event["requestContext"]["authorizer"]["iam"]["userArn"] =
        json!(format!("arn:aws:iam::000000000000:user/{caller}"));
    event["headers"]["idempotency-key"] = json!(format!("proof-{}", world.version()));
    event["body"] = json!(body.to_string());
    let parts: Vec<_> = path.split('/').collect();
    let mut names = json!({});
    for (name, at) in [("application", 2), ("release", 4)] {
        if route.contains(&format!("{{{name}}}")) {
            names[name] = json!(parts[at]);
        }
    }
    event["pathParameters"] = names;
    event
}

#[tokio::test]
async fn a_request_that_proves_a_path_does_nothing_there() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let ana = world.visitor("ana-console", &["POST/applications/*", "POST/freeze"]).await;
    let (session, _) = world.enters(&ana).await;
    let release = world.push(&PushOptions::light(&world.version())).await;
    let _link = until_asked(&world, &release).await;
    let id = world.id_of(&release).await;
    let entry = world.cloud.wire().last().await.expect("the wire answers");
    let (of_application, of_release) =
        ("/applications/web", format!("/applications/web/releases/{id}/abort"));
    let digest = world.digest_in("production").await;
    let requests = [
        (
            "POST /applications/{application}/rollback",
            format!("{of_application}/rollback"),
            json!({ "to": digest, "stage": "staging" }),
        ),
        (
            "POST /applications/{application}/freeze",
            format!("{of_application}/freeze"),
            json!({ "stage": "staging", "reason": "the sale" }),
        ),
        ("POST /freeze", "/freeze".to_owned(), json!({ "stage": "staging", "reason": "the sale" })),
        ("POST /applications/{application}/releases/{release}/abort", of_release.clone(), json!({})),
    ];

    for (route, path, body) in &requests {
        let mut event = request_of(&world, "ana-console", route, path, body);
        event["headers"]["slipway-console"] = json!(session);
        let proven = world.invoke("operate-releases", &event).await.expect("it answers");
        assert_eq!(proven["statusCode"], 204, "{path}: {proven}");
        event["headers"]["slipway-console"] = json!("x");
        let of_none = world.invoke("operate-releases", &event).await.expect("it answers");
        assert_eq!(of_none["statusCode"], 404, "{path}: {of_none}");
    }
    let route = "POST /applications/{application}/rollback";
    let mut event = request_of(&world, "ana-console", route, "/applications/%77eb/rollback", &json!({}));
    event["pathParameters"]["application"] = json!("web");
    event["headers"]["slipway-console"] = json!(session);
    let encoded = world.invoke("operate-releases", &event).await.expect("it answers");
    assert!(ana.client.prove("POST", "/applications/web/rollback", &session).await.expect("it answers"));
    assert!(
        !ana.client.prove("POST", "/console/open", &session).await.expect("it answers"),
        "it is of no page"
    );
    world.quiet().await;
    let begun = world.calls_since(entry, "operate-releases", "states:StartExecution").await;
    let board: Applications = world.operators().get("board").await.expect("it answers");
    let (route, path, body) = &requests[3];
    let aborted = world
        .invoke("operate-releases", &request_of(&world, "ana-console", route, path, body))
        .await
        .expect("it answers");

    assert_eq!(encoded["statusCode"], 404, "IAM was asked about another path: {encoded}");
    assert_eq!(begun, 0, "nothing was released");
    assert!(board.freezes.is_empty(), "{:?}", board.freezes);
    let goes_on =
        board.applications.iter().flat_map(|one| &one.releases).any(|open| open.id.to_string() == id);
    assert!(goes_on, "the release was not aborted");
    assert_eq!(aborted["statusCode"], 200, "the same request without the header does it: {aborted}");
    assert_ne!(world.ended(&release).await.outcome(), Some("RELEASED"));
}

#[tokio::test]
async fn a_session_ends_in_the_browser_by_the_command_and_after_eight_hours() {
    let world = World::enter().await;
    let ana = world.visitor("ana-console", &["GET/board"]).await;

    let (_, left) = world.enters(&ana).await;
    let foreign = world.console("POST", "/leave", &[("cookie", &left)]).await;
    let still = world.page("/", &left).await;
    let leaving = world.console("POST", "/leave", &[("cookie", &left), OWN_FORM]).await;
    let (_, ended) = world.enters(&ana).await;
    let output = world.run_slipway(&ana, &["console", "--end"]).await;
    let (session, old) = world.enters(&ana).await;
    world
        .move_back(&format!("CONSOLE#{session}"), "SESSION", "opened_at", SignedDuration::from_hours(8))
        .await;

    assert_eq!((foreign.status, still.status), (403, 202), "a form of another page ends nothing");
    assert_eq!(leaving.status, 303);
    assert!(leaving.header("set-cookie").contains("Max-Age=0"), "{}", leaving.header("set-cookie"));
    assert!(output.status.success(), "{}", crate::operators::words(&output));
    for cookie in [left, ended, old] {
        assert_eq!(world.page("/", &cookie).await.status, 401);
    }
    assert!(!ana.client.prove("GET", "/board", &session).await.expect("it answers"));
}

#[tokio::test]
async fn a_person_freezes_from_a_page_once_and_the_audit_has_who_iam_proved() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let ana = world.visitor("ana-console", &["POST/applications/web/freeze"]).await;
    let (session, cookie) = world.enters(&ana).await;
    let path = "/applications/web/freeze";

    let unproven = world.page(path, &cookie).await;
    assert!(ana.client.prove("POST", path, &session).await.expect("it answers"));
    let asking = world.page(path, &cookie).await;
    let looked: Applications = world.operators().get("board").await.expect("it answers");
    let form = format!("{}&stage=production&reason=the+sale", hidden(&asking.html));
    let headers = [("cookie", cookie.as_str()), ("content-type", "application/x-www-form-urlencoded")];
    let foreign = world.sends(path, &headers, &form).await;
    let own = [&headers[..], &[OWN_FORM][..]].concat();
    let other = world.sends("/applications/shop/freeze", &own, &form).await;
    let altered = world.sends(path, &own, &form.replace("nonce=", "nonce=0")).await;
    let done = world.sends(path, &own, &form).await;
    let again = world.sends(path, &own, &form).await;
    let board: Applications = world.operators().get("board").await.expect("it answers");
    let audit: slipway_core::api::Audit =
        world.operators().get("applications/web/audit").await.expect("it answers");
    let lift = json!({ "stage": "production", "reason": "the test is over" });
    let _lifted: Done =
        world.operators().post("applications/web/unfreeze", &lift).await.expect("it is lifted");
    let once_more = world.sends(path, &own, &form).await;
    let other_words = world.sends(path, &own, &form.replace("the+sale", "another")).await;
    let after: Applications = world.operators().get("board").await.expect("it answers");
    let said = world.page(done.header("location"), &cookie).await;

    assert_eq!(unproven.status, 202);
    assert!(asking.html.contains("the IAM user ana-console"), "{}", asking.html);
    assert!(looked.freezes.is_empty(), "a look does nothing: {:?}", looked.freezes);
    assert_eq!((foreign.status, other.status, altered.status), (403, 403, 403));
    assert_eq!((done.status, again.status), (303, 303), "{} {}", done.html, again.html);
    assert_eq!((said.status, once_more.status, other_words.status), (200, 303, 422), "{}", said.html);
    assert!(said.html.contains("is frozen until somebody lifts it"), "{}", said.html);
    assert!(after.freezes.is_empty(), "the same form again freezes nothing: {:?}", after.freezes);
    assert_eq!(board.freezes.len(), 1, "{:?}", board.freezes);
    assert_eq!(board.freezes[0].by, "the IAM user ana-console");
    let entries = slipway_core::audit::read(&audit.entries).expect("the chain holds");
    let last = entries.iter().rev().find(|entry| entry.what == slipway_core::audit::What::Frozen);
    let caller = last.and_then(|entry| entry.caller.clone()).unwrap_or_default();
    assert!(caller.ends_with("user/ana-console"), "{caller}");
}

/// The hidden fields of a page's form, as a browser sends them.
fn hidden(html: &str) -> String {
    let field = |name: &str| {
        let (_, rest) = html.split_once(&format!(r#"name="{name}" value=""#)).expect(name);
        format!("{name}={}", rest.split('"').next().unwrap_or_default())
    };
    format!("{}&{}", field("key"), field("nonce"))
}

#[tokio::test]
async fn no_secret_of_a_session_is_written_anywhere() {
    let world = World::enter().await;
    let ana = world.visitor("ana-console", &["GET/board"]).await;
    let opened = open(&ana).await;
    let path = path_of(&opened.address);
    let entered = world.console("POST", &path, &[OWN_FORM]).await;
    let cookie = entered.cookie();
    let _page = world.page("/", &cookie).await;

    let secrets =
        [path.rsplit('.').next(), cookie.rsplit('.').next()].map(|secret| secret.expect("a secret"));
    let mut written = world.logged().await;
    written.extend(world.partition(&format!("CONSOLE#{}", opened.session)).await);
    for (place, text) in written {
        for secret in secrets {
            assert!(!text.contains(secret), "{place} has a secret of the session");
        }
    }
}

#[tokio::test]
async fn the_consoles_role_sees_nothing_of_the_table() {
    let world = World::enter().await;
    let role = world.role("serve-console").await;

    let written = [("CONSOLE#x", "SESSION"), ("LOCK#web", "LOCK"), ("APPROVAL#web-1/production", "APPROVAL")];
    world.refuses(&role, &written, &["CONSOLE#x", "OPEN", "RUNNING"]).await;
    let client = world.cloud.operators_as(role).expect("the API");
    let opened = client.post::<OpenedConsole>("console/open", &json!({})).await.expect_err("it is refused");
    assert!(opened.to_string().contains("you may not POST /console/open"), "{opened}");
    let read = client.get::<serde_json::Value>("applications").await.expect_err("it is refused");
    assert!(read.to_string().contains("you may not GET /applications"), "{read}");
}

/// What the stages run, what is under way and what is frozen are one query each; the session and its permission are read
/// besides, and requests counted.
#[tokio::test]
async fn the_board_reads_as_much_of_the_table_for_one_application_as_for_all() {
    let world = World::enter_calm().await;
    let ana = world.visitor("ana-console", &["GET/board"]).await;
    let (session, cookie) = world.enters(&ana).await;
    assert!(ana.client.prove("GET", "/board", &session).await.expect("it answers"));
    assert_eq!(world.page("/", &cookie).await.status, 200);
    world.quiet().await;

    let entry = world.cloud.wire().last().await.expect("the wire answers");
    assert_eq!(world.page("/", &cookie).await.status, 200);

    assert_eq!(world.calls_since(entry, "operate-releases", "dynamodb:Query").await, 3);
    assert_eq!(world.calls_since(entry, "operate-releases", "dynamodb:GetItem").await, 3);
    assert_eq!(world.calls_since(entry, "operate-releases", "ecs:DescribeServices").await, 0);
    assert_eq!(world.calls_since(entry, "operate-releases", "ssm:GetParametersByPath").await, 0);
}
