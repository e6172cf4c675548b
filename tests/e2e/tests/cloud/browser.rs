//! A person with a real browser: opens the link of a mail, reads the page, answers. `tests/browser` drives it.

use serde_json::json;
use slipway_core::api::OpenedConsole;
use slipway_local::browser::{Browser, Look, Seen, Step, Visit};
use slipway_local::{PushOptions, Settings};

use crate::world::World;

const PHONE: u32 = 360;
const DESK: u32 = 1280;

#[tokio::test]
async fn a_person_approves_with_the_keyboard_alone_in_a_browser_without_scripts() {
    let (world, browser) = enter().await;
    let release = world.push(&PushOptions::good(&world.version())).await;
    let link = world.link(&release).await;

    let asking = look(&browser, &link, "asking").await;
    let steps = [
        Step::Tab { to: "reason" },
        Step::Type { text: "seen on staging" },
        Step::Tab { to: "approve" },
        Step::Press { key: "Enter" },
        Step::Look { name: "approved-at-once" },
    ];
    let approving =
        visit(&browser, &Visit { url: &link, javascript: false, width: DESK, steps: &steps }).await;
    let ended = world.ended(&release).await;
    let approved = look(&browser, &link, "approved").await;

    for words in [
        format!("→ {}", release.tag).as_str(),
        &release.digest,
        "runs now",
        "Time left",
        "Changes with it",
        "Seen in staging",
        "Rollback",
        "Expires",
    ] {
        assert!(asking.words.contains(words), "{words}: {}", asking.words);
    }
    for control in ["heading \"Let web", "textbox \"Reason", "button \"Approve\"", "button \"Reject\""] {
        assert!(asking.tree.contains(control), "{control}: {}", asking.tree);
    }
    assert!(
        approving.focused.iter().all(|focused| focused.ring >= 2.0),
        "the focus is seen: {:?}",
        approving.focused
    );
    let answer = approving.looks.last().expect("a page came");
    assert_eq!(answer.status, 200, "{}", answer.words);
    for page in [answer, &approved] {
        assert!(
            page.title.contains("was approved") && page.words.contains("seen on staging"),
            "{}",
            page.words
        );
        assert!(!page.tree.contains("button"), "there is nothing to answer any more: {}", page.tree);
    }
    assert_eq!(ended.outcome(), Some("RELEASED"), "{ended:?}");
}

#[tokio::test]
async fn a_person_rejects_on_a_phone_and_a_newer_push_has_closed_the_older_link() {
    let (world, browser) = enter().await;
    world.has_a_good_release().await;
    let production = world.service("production").await;

    let older = world.push(&PushOptions::good(&world.version())).await;
    let older_link = world.link(&older).await;
    let newer = world.push(&PushOptions::good(&world.version())).await;
    let link = world.link(&newer).await;
    world.ended(&older).await;
    let superseded = look(&browser, &older_link, "superseded").await;
    let steps = [
        Step::Fill { field: "reason", text: "not before the weekend" },
        Step::Click { button: "reject" },
        Step::Look { name: "rejected" },
    ];
    let rejecting =
        visit(&browser, &Visit { url: &link, javascript: true, width: PHONE, steps: &steps }).await;
    let ended = world.ended(&newer).await;

    assert!(
        superseded.title.contains("was superseded") && !superseded.tree.contains("button"),
        "{}",
        superseded.tree
    );
    let answer = rejecting.looks.last().expect("a page came");
    assert_eq!(answer.status, 200, "{}", answer.words);
    assert!(
        answer.title.contains("was rejected") && answer.words.contains("not before the weekend"),
        "{}",
        answer.words
    );
    assert_eq!(ended.outcome(), Some("REJECTED"), "{ended:?}");
    assert_eq!(world.service("production").await, production);
}

#[tokio::test]
async fn links_that_decide_nothing_any_more_have_pages_that_everybody_can_read() {
    let (world, browser) = enter().await;
    world.has_a_good_release().await;
    world.configure(|application| application["stages"][1]["approval"]["expires_after"] = json!("3s")).await;

    let release = world.push(&PushOptions::good(&world.version())).await;
    let link = world.link(&release).await;
    let ended = world.ended(&release).await;
    world.configure(|_| {}).await;
    let expired = look(&browser, &link, "expired").await;
    let (base, _) = link.rsplit_once('/').expect("a link");
    let unknown = look(&browser, &format!("{base}/{}", "A".repeat(43)), "unknown").await;

    assert_eq!(ended.outcome(), Some("EXPIRED"), "{ended:?}");
    assert!(expired.title.contains("has expired"), "{}", expired.words);
    assert_eq!(unknown.status, 404);
    assert!(unknown.title.contains("leads nowhere"), "{}", unknown.words);
    assert!(
        [&expired, &unknown].iter().all(|page| !page.tree.contains("button")),
        "there is nothing to answer"
    );
}

#[tokio::test]
async fn the_console_is_entered_and_read_with_and_without_scripts() {
    let (world, browser) = enter().await;
    world.has_a_good_release().await;
    let ana = world.visitor("ana-browser", &["GET/*"]).await;
    for javascript in [true, false] {
        let opened: OpenedConsole = ana.client.post("console/open", &json!({})).await.expect("it opens");
        for path in ["/board", "/approvals", "/doctor"] {
            assert!(ana.client.prove("GET", path, &opened.session).await.expect("it answers"), "{path}");
        }

        let steps = [
            Step::Look { name: "console-entrance" },
            Step::Click { button: "enter" },
            Step::Look { name: "console-entered" },
            Step::Click { button: "board" },
            Step::Look { name: "console-board" },
            Step::Tab { to: "filter" },
            Step::Type { text: "web" },
            Step::Look { name: "console-board-filtered" },
            Step::Click { button: "leave" },
            Step::Look { name: "console-left" },
        ];
        let visit = Visit { url: &opened.address, javascript, width: DESK, steps: &steps };
        let seen = browser.visit(&visit).await.unwrap_or_else(|error| panic!("{error:#}"));
        judge(&opened.address, &seen);

        let [entrance, entered, board, filtered, left] = seen.looks.as_slice() else {
            panic!("{:?}", seen.looks)
        };
        assert!(entrance.words.contains("lets one browser in"), "{}", entrance.words);
        assert!(entered.words.contains("the IAM user ana-browser"), "{}", entered.words);
        for words in ["production", "the IAM user ana-browser"] {
            assert!(board.words.contains(words) || board.tree.contains(words), "{words}: {}", board.tree);
        }
        assert!(board.tree.contains("link \"shop\""), "{}", board.tree);
        let is_filtered = !filtered.tree.contains("link \"shop\"");
        assert_eq!(is_filtered, javascript, "it filters as one types: {}", filtered.tree);
        assert!(left.status == 401 && left.words.contains("not in a session"), "{}", left.words);
        assert!(seen.focused.iter().all(|focused| focused.ring >= 2.0), "{:?}", seen.focused);
    }
}

pub(crate) async fn enter() -> (World, Browser) {
    let world = World::enter().await;
    let settings = Settings::discover(None).expect("the repository");
    let browser = Browser::prepare(&settings).await.unwrap_or_else(|error| panic!("{error:#}"));
    (world, browser)
}

/// What a page shows to a browser that does nothing else with it.
pub(crate) async fn look(browser: &Browser, link: &str, name: &str) -> Look {
    let steps = [Step::Look { name }];
    visit(browser, &Visit { url: link, javascript: true, width: DESK, steps: &steps }).await.looks.remove(0)
}

/// A visit, with what holds for all of them.
async fn visit(browser: &Browser, visit: &Visit<'_>) -> Seen {
    let seen = browser.visit(visit).await.unwrap_or_else(|error| panic!("{error:#}"));

    for look in &seen.looks {
        assert_eq!(look.scripts, 0, "{}", look.title);
    }
    assert!(seen.requests.iter().all(|request| request.kind != "script"), "{:?}", seen.requests);
    judge(visit.url, &seen);
    seen
}

/// What holds for every visit of a page.
fn judge(url: &str, seen: &Seen) {
    let origin = reqwest::Url::parse(url).expect("a link").origin().ascii_serialization();
    for request in &seen.requests {
        assert!(request.url.starts_with(&format!("{origin}/")), "a third party is asked: {request:?}");
    }
    assert!(seen.requests.iter().any(|request| request.kind == "stylesheet"), "{:?}", seen.requests);
    assert!(
        !seen.complaints.iter().any(|line| line.contains("Content Security Policy")),
        "{:?}",
        seen.complaints
    );
    for look in &seen.looks {
        for view in &look.views {
            assert!(
                view.violations.is_empty(),
                "{} {} {}: {:#?}",
                look.title,
                view.width,
                view.scheme,
                view.violations
            );
            assert_eq!(
                view.overflow,
                0,
                "{} is wider than {} pixels: {}",
                look.title,
                view.width,
                view.picture.display()
            );
            assert!(
                view.lowest_control.is_none_or(|height| height >= 44.0),
                "a finger needs 44 pixels: {view:?}"
            );
        }
    }
}
