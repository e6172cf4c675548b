//! What people see: the command in a terminal of 80 and of 140 columns and without one, against an API with prepared
//! documents. `tests/golden` has it as text (accepted with `EXPECTORATE=overwrite`); as pictures, on light and on dark
//! ground, it is in the folder `terminal` of Cargo's `target/tmp`.

mod api;
mod cloud;
mod documents;
mod picture;
mod terminal;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use vt100::Color;

use crate::api::{Answer, Api};
use crate::documents::{LONG, release_id};
use crate::terminal::{FOLDER, Frame, Recording, Terminal, piped};

const WIDTHS: [u16; 2] = [80, 140];
/// Red, green, yellow and cyan. Of the sixteen colours that have names they are those, with blue and magenta, that a light
/// and a dark theme both set off from their ground; black, white and the greys vanish in one of the two.
const READABLE: [Color; 5] = [Color::Default, Color::Idx(1), Color::Idx(2), Color::Idx(3), Color::Idx(6)];
/// How many lines of a long list the golden file has, at its beginning and at its end.
const SHOWN: usize = 16;

/// A command, and all that people see of it.
struct Scene<'a> {
    name: &'a str,
    arguments: Vec<&'a str>,
    typed: &'a str,
    code: i32,
    /// What is another time in every run, and what stands in its place.
    replaced: &'a [(String, &'static str)],
    /// What is to be copied, and is wider than some terminals.
    copied: &'a str,
}

impl<'a> Scene<'a> {
    fn new(name: &'a str, arguments: &'a str) -> Self {
        Self {
            name,
            arguments: arguments.split(' ').collect(),
            typed: "",
            code: 0,
            replaced: &[],
            copied: "",
        }
    }

    fn ends_with(self, code: i32) -> Self {
        Self { code, ..self }
    }

    fn typing(self, typed: &'a str) -> Self {
        Self { typed, ..self }
    }

    /// Runs it everywhere, judges what is seen, and holds it to the golden file.
    fn is_as_it_was(&self, api: impl Fn() -> Api + Sync) {
        let run = |terminal: Terminal| terminal.run(&api(), &self.arguments, self.typed);
        // At the same time: a release is followed for as long as it takes.
        let (piped, recordings) = std::thread::scope(|all| {
            let piped = all.spawn(|| piped(&api(), &self.arguments));
            let recordings = WIDTHS.map(|columns| {
                let terminal = Terminal::wide(columns);
                (all.spawn(move || run(terminal)), all.spawn(move || run(terminal.without_colours())))
            });
            let recordings = recordings
                .map(|(coloured, plain)| (coloured.join().expect("it ran"), plain.join().expect("it ran")));
            (piped.join().expect("it ran"), recordings)
        });
        let (output, beside, code) = piped;
        assert_eq!(code, Some(self.code), "{}: {output}{beside}", self.name);
        for text in [&output, &beside] {
            let control = text.chars().find(|letter| letter.is_control() && *letter != '\n');
            assert_eq!(control, None, "{} without a terminal: {text}", self.name);
        }
        let mut golden = format!("$ slipway {}\n# exit code {}\n", self.arguments.join(" "), self.code);
        let whole = format!("{output}{beside}");
        for (coloured, plain) in &recordings {
            let columns = coloured.columns;
            self.judge(coloured, &whole);
            let frames = coloured.frames();
            for (position, frame) in frames.iter().enumerate() {
                let picture =
                    if frames.len() > 1 { format!(", picture {}", position + 1) } else { String::new() };
                golden.push_str(&format!("\n# {columns} columns{picture}\n{}", abridged(&frame.shown())));
            }
            let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("terminal");
            picture::draw(&folder, &format!("{}-{columns}", self.name), columns, &frames);

            assert!(!plain.text().contains('\u{1b}'), "{} with NO_COLOR: {}", self.name, plain.text());
            self.judge(plain, &whole);
            if coloured.moves().is_empty() {
                assert_eq!(plain.whole().text(), coloured.whole().text(), "{} with NO_COLOR", self.name);
            } else {
                golden.push_str(&format!("\n# {columns} columns, NO_COLOR\n{}", plain.whole().shown()));
            }
        }
        golden.push_str(&format!("\n# no terminal\n{}", abridged(&output)));
        if !beside.is_empty() {
            golden.push_str(&format!("\n# no terminal, standard error\n{beside}"));
        }
        for (now, then) in self.replaced {
            golden = golden.replace(now, then);
        }
        let file = format!("{}/tests/golden/{}.txt", env!("CARGO_MANIFEST_DIR"), self.name);
        expectorate::assert_contents(file, &golden);
    }

    /// What holds of whatever is shown in a terminal; `whole` is what the command says where nothing limits it.
    fn judge(&self, recording: &Recording, whole: &str) {
        let name = format!("{} in {} columns", self.name, recording.columns);
        assert_eq!(recording.code, Some(self.code), "{name}: {}", recording.text());
        for letter in recording.text().chars().filter(|letter| letter.is_control()) {
            assert!("\r\n\u{1b}".contains(letter), "{name} sends {letter:?}");
        }
        for sequence in recording.moves() {
            let is_known = sequence.ends_with('A') || ["[2K", "[J"].contains(&sequence.as_str());
            assert!(is_known, "{name} sends {sequence:?}");
        }
        for frame in &recording.frames() {
            for line in &frame.lines {
                let is_copied = self.copied.contains(line.text().trim());
                assert!(
                    !line.is_broken || is_copied,
                    "{name}: a line is wider than the terminal: {}",
                    line.text()
                );
                for (text, _, look) in &line.cells {
                    assert!(READABLE.contains(&look.colour), "{name}: {text} is {:?}", look.colour);
                    assert!(
                        look.background == Color::Default && !look.inverse,
                        "{name}: {text} has a ground"
                    );
                }
            }
            // A release that goes on says other things in a picture than line by line.
            if recording.moves().is_empty() && self.typed.is_empty() {
                let cut = cut_words(frame, whole);
                assert!(cut.is_empty(), "{name}: cut without an ellipsis: {cut:?}\n{}", frame.text());
            }
        }
    }
}

/// The words of a frame that the whole text does not have, and that no ellipsis says are cut. One that is wider than the
/// terminal goes on at the beginning of the next line.
fn cut_words(frame: &Frame, whole: &str) -> Vec<String> {
    let known: BTreeSet<_> = whole.split_whitespace().collect();
    let lines: Vec<Vec<String>> = frame
        .lines
        .iter()
        .map(|line| line.text().split_whitespace().map(ToOwned::to_owned).collect())
        .collect();
    let mut cut = Vec::new();
    let mut open = String::new();
    for words in lines.iter().filter(|words| !words.is_empty()) {
        for (position, word) in words.iter().enumerate() {
            let joined = format!("{open}{word}");
            let is_known = |word: &str| {
                let beginning = word.strip_suffix('…').filter(|beginning| !beginning.is_empty());
                known.contains(word)
                    || beginning.is_some_and(|cut| known.iter().any(|all| all.starts_with(cut)))
            };
            if is_known(&joined) || is_known(word) || word == "…" {
                open.clear();
            } else if position + 1 == words.len() && known.iter().any(|all| all.starts_with(&joined)) {
                open = joined;
            } else {
                cut.push(word.clone());
                open.clear();
            }
        }
    }
    cut.extend((!open.is_empty()).then_some(open));
    cut
}

/// The beginning and the end of a list that is long.
fn abridged(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    if lines.len() <= 10 * SHOWN {
        return text.to_owned();
    }
    let (first, last) = (&lines[..2 * SHOWN], &lines[lines.len() - 2 * SHOWN..]);
    let between = lines.len() - 4 * SHOWN;
    format!("{}\n# {between} lines more\n{}\n", first.join("\n"), last.join("\n"))
}

#[test]
fn a_status_of_no_application_says_what_to_do() {
    Scene::new("status-none", "status")
        .is_as_it_was(|| Api::answering([("GET /applications", vec![documents::no_application()])]));
}

#[test]
fn a_status_of_one_application() {
    Scene::new("status-one", "status")
        .is_as_it_was(|| Api::answering([("GET /applications", vec![documents::one_application()])]));
}

#[test]
fn a_status_of_five_applications_with_all_that_can_be_said_of_them() {
    Scene::new("status-five", "status")
        .is_as_it_was(|| Api::answering([("GET /applications", vec![documents::five_applications()])]));
}

#[test]
fn a_status_of_three_hundred_applications_is_there_within_a_second() {
    let api = || Api::answering([("GET /applications", vec![documents::three_hundred_applications()])]);
    Scene::new("status-three-hundred", "status").is_as_it_was(api);

    // The quickest of some: another test may have the machine meanwhile.
    let took = (0..3).map(|_| Terminal::wide(140).run(&api(), &["status"], "").took).min();
    assert!(took.is_some_and(|took| took < Duration::from_secs(1)), "it took {took:?}");
}

#[test]
fn a_status_of_one_application_has_its_services_quarantines_and_pushes() {
    let route = format!("GET /applications/{LONG}");
    Scene::new("status-application", &format!("status {LONG}"))
        .is_as_it_was(|| Api::answering([(&route, vec![documents::application()])]));
    Scene::new("status-application-quiet", "status web")
        .is_as_it_was(|| Api::answering([("GET /applications/web", vec![documents::quiet_application()])]));
}

#[test]
fn a_release_that_went_well_or_wrong_is_shown_with_all_that_happened() {
    let id = release_id("checkout", 12);
    let route = format!("GET /applications/checkout/releases/{id}");
    let arguments = format!("show {id}");
    Scene::new("show", &arguments).is_as_it_was(|| Api::answering([(&route, vec![documents::went_well()])]));
    Scene::new("show-rolled-back", &arguments)
        .is_as_it_was(|| Api::answering([(&route, vec![documents::went_wrong()])]));
    let id = release_id(LONG, 32);
    let route = format!("GET /applications/{LONG}/releases/{id}");
    Scene::new("show-long", &format!("show {id}"))
        .is_as_it_was(|| Api::answering([(&route, vec![documents::long_release()])]));
}

#[test]
fn a_history_says_how_each_release_ended_and_the_figures() {
    let route = "GET /applications/checkout/releases";
    Scene::new("history", "history checkout")
        .is_as_it_was(|| Api::answering([(route, vec![documents::history()])]));
    Scene::new("history-none", "history checkout")
        .is_as_it_was(|| Api::answering([(route, vec![documents::no_history()])]));
}

#[test]
fn a_diff_says_what_would_change_and_what_would_stop_it() {
    let route = format!("GET /applications/{LONG}/diff?image=a1b2c3d4");
    Scene::new("diff", &format!("diff {LONG} a1b2c3d4"))
        .is_as_it_was(|| Api::answering([(&route, vec![documents::diff()])]));
    Scene::new("diff-same", "diff web")
        .is_as_it_was(|| Api::answering([("GET /applications/web/diff", vec![documents::same()])]));
}

#[test]
fn approvals_say_who_is_asked_and_who_got_no_mail() {
    let (answer, replaced) = documents::approvals();
    let scene = Scene { replaced: &replaced, ..Scene::new("approvals", "approvals") };
    scene.is_as_it_was(|| Api::answering([("GET /approvals", vec![answer.clone()])]));
    Scene::new("approvals-none", "approvals")
        .is_as_it_was(|| Api::answering([("GET /approvals", vec![documents::no_approvals()])]));
}

#[test]
fn the_console_says_its_address_and_who_came_and_proves_what_pages_wait_for() {
    let [opened, waiting, over] = documents::console();
    let api = || {
        Api::answering([
            ("POST /console/open", vec![opened.clone()]),
            ("POST /console/permissions", vec![waiting.clone(), over.clone()]),
            ("GET /board", vec![Answer::proven()]),
            ("GET /approvals", vec![Answer::proven()]),
            ("GET /doctor", vec![Answer::forbidden()]),
            ("GET /applications/web", vec![Answer::proven()]),
            ("GET /applications/shop", vec![Answer::forbidden()]),
        ])
    };
    let address = opened.document["address"].as_str().expect("an address").to_owned();
    Scene { copied: &address, ..Scene::new("console", "console --no-browser") }.is_as_it_was(api);
}

#[test]
fn an_audit_says_who_let_what_in_and_where_it_is_broken() {
    let route = "GET /applications/checkout/audit";
    Scene::new("audit", "audit checkout")
        .is_as_it_was(|| Api::answering([(route, vec![documents::audit(None)])]));
    Scene::new("audit-broken", "audit checkout")
        .ends_with(1)
        .is_as_it_was(|| Api::answering([(route, vec![documents::audit(Some(3))])]));
}

#[test]
fn a_release_is_followed_until_it_ends() {
    let id = release_id("checkout", 12);
    let route = format!("GET /applications/checkout/releases/{id}");
    let arguments = format!("watch {id}");
    Scene::new("watch", &arguments).is_as_it_was(|| Api::answering([(&route, documents::goes_well())]));
}

#[test]
fn who_has_just_pushed_is_shown_the_release_that_the_push_begins() {
    // The API knows no other release.
    let route = format!("GET /applications/checkout/releases/{}", release_id("checkout", 13));
    let api = Api::answering([
        ("GET /applications/checkout/releases", vec![documents::ended_history(), documents::history()]),
        (route.as_str(), vec![documents::went_well()]),
    ]);
    let recording = Terminal::wide(140).run(&api, &["watch", "checkout"], "");
    let text = recording.whole().text();
    assert!(text.contains("no release of checkout runs; waiting 10 s for one to begin"), "{text}");
    assert!(text.contains("RELEASED: every stage runs the image"), "{text}");
}

#[test]
fn a_pipeline_that_names_its_image_is_told_of_no_other_release() {
    let route = format!("GET /applications/checkout/releases/{}", release_id("checkout", 13));
    let api = Api::answering([
        ("GET /applications/checkout/releases", vec![documents::ended_history(), documents::history()]),
        (route.as_str(), vec![documents::went_well()]),
    ]);
    let recording = Terminal::wide(140).run(&api, &["watch", "checkout", "--image", "v13"], "");
    let text = recording.whole().text();
    assert!(
        text.contains("no release of checkout with the image v13 began yet; waiting 1 min for one to begin"),
        "{text}"
    );
    assert!(text.contains("RELEASED: every stage runs the image"), "{text}");
}

#[test]
fn a_release_that_is_rolled_back_is_followed_to_that_end() {
    let id = release_id("checkout", 12);
    let route = format!("GET /applications/checkout/releases/{id}");
    Scene::new("watch-rolled-back", &format!("watch {id}"))
        .ends_with(1)
        .is_as_it_was(|| Api::answering([(&route, documents::goes_wrong())]));
}

#[test]
fn a_terminal_of_few_lines_shows_the_end_of_a_release_whole() {
    let id = release_id("checkout", 12);
    let route = format!("GET /applications/checkout/releases/{id}");
    let api = Api::answering([(route.as_str(), vec![documents::went_wrong()])]);
    let terminal = Terminal { rows: 6, ..Terminal::wide(80) };
    let recording = terminal.run(&api, &["watch", &id], "");
    let text = recording.whole().text();
    assert!(text.contains("checkout v12") && text.contains("checkout-production/6d0ecf831eec9f09"), "{text}");
}

#[test]
fn whoever_asks_for_a_change_is_told_what_will_happen_and_asked() {
    let api = || Api::answering([("GET /applications/web", vec![documents::quiet_application()])]);
    let mut scene =
        Scene::new("rollback-asked", "rollback web --stage production --reason slow").ends_with(2);
    scene = scene.typing("n\n");
    scene.is_as_it_was(api);
}

#[test]
fn services_that_exist_are_looked_at_and_their_terraform_is_written() {
    let arguments = "init --staging shop-staging --production shop-production --approver ana@example.com --out shop --force";
    Scene::new("init", arguments).is_as_it_was(cloud::shop);

    let folder = PathBuf::from(FOLDER).join("shop");
    for name in ["terraform.tfvars", "main.tf", "README.md", "init-policy.json", "tag-policy.json"] {
        let written = std::fs::read_to_string(folder.join(name)).expect("it is written");
        let golden = format!("{}/tests/golden/init/{name}", env!("CARGO_MANIFEST_DIR"));
        expectorate::assert_contents(golden, &written);
    }
    let formatted =
        std::process::Command::new("terraform").args(["fmt", "-check", "-diff"]).arg(&folder).output();
    let formatted = formatted.expect("Terraform is installed");
    assert!(formatted.status.success(), "{}", String::from_utf8_lossy(&formatted.stdout));
}

#[test]
fn who_does_not_say_what_is_staging_is_asked_in_a_terminal_and_refused_elsewhere() {
    let _gone = std::fs::remove_dir_all(PathBuf::from(FOLDER).join("asked"));
    let arguments = ["init", "--out", "asked"];
    let recording =
        Terminal::wide(140).run(&cloud::shop(), &arguments, "2\nshop-production\nana@example.com\n");
    let text = recording.whole().text();
    assert_eq!(recording.code, Some(0), "{text}");
    assert!(
        text.contains("1) shop-production") && text.contains("shop: an image of shop goes to staging"),
        "{text}"
    );
    let values = std::fs::read_to_string(PathBuf::from(FOLDER).join("asked/terraform.tfvars"));
    assert!(values.expect("it is written").contains("approvers = [\"ana@example.com\"]"));

    let refused: [(&[&str], &str); 7] = [
        (&arguments, "asked/main.tf is there already"),
        (&["init", "--out", "nobody"], "write --staging CLUSTER"),
        (&["init", "--out", "nobody", "--no-staging"], "write --production CLUSTER"),
        (
            &["init", "--out", "nobody", "--staging", "shop-staging", "--production", "shop-production"],
            "write --approver EMAIL",
        ),
        (
            &["init", "--out", "nobody", "--staging", "shop", "--production", "shop-production"],
            "--staging: there is no ECS cluster shop",
        ),
        (
            &[
                "init",
                "--out",
                "nobody",
                "--staging",
                "shop-staging/api",
                "--production",
                "shop-production",
                "--no-approval",
            ],
            "no service api",
        ),
        (
            &[
                "init",
                "--out",
                "nobody",
                "--no-staging",
                "--production",
                "shop-production/proxy",
                "--no-approval",
            ],
            "nothing was written",
        ),
    ];
    for (arguments, words) in refused {
        let (output, beside, code) = piped(&cloud::shop(), arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {output}{beside}");
        assert!(beside.contains(words), "{arguments:?}: {beside}");
        assert!(!PathBuf::from(FOLDER).join("nobody").exists(), "{arguments:?}");
    }
}

#[test]
fn a_look_is_a_document_for_programs_and_writes_nothing() {
    let arguments =
        ["init", "--no-staging", "--production", "shop-production/web,worker", "--output", "json"];
    let (output, beside, code) = piped(&cloud::shop(), &arguments);
    assert_eq!(code, Some(0), "{beside}");
    let document: serde_json::Value = serde_json::from_str(&output).expect("it is JSON");
    assert_eq!(document["services"][0]["health"]["url"], "https://shop.example.com");
    assert_eq!(document["applications"][0]["stages"][0]["services"][1]["steady"]["for"], "30s");
    assert!(!PathBuf::from(FOLDER).join("slipway").exists());

    let (policy, _, code) = piped(&cloud::shop(), &["init", "--print-policy"]);
    assert_eq!(code, Some(0));
    assert!(policy.contains("ecs:DescribeServices"), "{policy}");
}

#[test]
fn what_is_wrong_is_a_sentence_that_says_what_to_do() {
    let unknown = Answer::problem(
        404,
        "UnknownApplication",
        "no application is called chekout; those that are, the nearest first: checkout, cart, catalogue, search, web, …",
    );
    let api = || Api::answering([("GET /applications/chekout", vec![unknown.clone()])]);
    Scene::new("error-unknown", "status chekout").ends_with(2).is_as_it_was(api);
    Scene::new("error-usage", "status web --outptu json").ends_with(2).is_as_it_was(api);
    let forbidden = || Api::answering([("GET /applications/web/releases", vec![Answer::forbidden()])]);
    Scene::new("error-forbidden", "history web").ends_with(2).is_as_it_was(forbidden);
    Scene::new("error-name", "history Web_Shop").ends_with(2).is_as_it_was(forbidden);
}

#[test]
fn the_help_fits_a_terminal() {
    Scene::new("help", "--help").is_as_it_was(|| Api::answering([]));
}
