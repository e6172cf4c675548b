//! What a person does with a link from a mail: opens the page, fills in its form, presses a button.

use scraper::{ElementRef, Html, Selector};
use url::Url;

use crate::Error;
use crate::client::browser;

/// A person's answer to a request for approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Yes.
    Approve,
    /// No.
    Reject,
}

impl Answer {
    /// The value of the form's button.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
        }
    }
}

/// What a person fills in, besides the button.
#[derive(Clone, Debug, Default)]
pub struct Filled {
    /// Why.
    pub reason: Option<String>,
    /// The digest's last six characters, where the page asks for them.
    pub digest: Option<String>,
    /// That alarms which are not quiet are overridden, where the page asks for it.
    pub overrides: bool,
}

/// A page as a person sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The status that it came with.
    pub status: u16,
    /// Its words, a block to a line.
    pub text: String,
    html: String,
}

/// Opens a page.
///
/// # Errors
///
/// When it is no link, or nothing answers at the address.
pub async fn open(link: &str) -> Result<Page, Error> {
    let address = parse(link)?;
    let answer = browser(&address)?.get(address.clone()).send().await;
    Page::read(answer.map_err(|error| no_answer(&address, &error))?).await
}

/// Answers a page that was opened through its form.
///
/// # Errors
///
/// When the page has no form with that button (the link is used, expired or wrong): the page's words say why.
pub async fn answer(link: &str, page: &Page, answer: Answer, filled: &Filled) -> Result<Page, Error> {
    let address = parse(link)?;
    let form = page
        .form(answer, filled)
        .ok_or_else(|| Error::Refused(format!("the page has nothing to answer:\n{}", page.text)))?;
    let target = address
        .join(&form.action)
        .map_err(|error| Error::Refused(format!("the page's form leads to {}: {error}", form.action)))?;
    let fields = serde_urlencoded::to_string(&form.fields).expect("pairs of texts make a form");
    let response = browser(&target)?
        .post(target.clone())
        .header("content-type", "application/x-www-form-urlencoded")
        // A browser says where the form came from, and the page may insist on it.
        .header("origin", address.origin().ascii_serialization())
        .header("referer", address.as_str())
        .body(fields)
        .send()
        .await
        .map_err(|error| no_answer(&target, &error))?;
    Page::read(response).await
}

fn parse(link: &str) -> Result<Url, Error> {
    let link = Url::parse(link).ok().filter(Url::has_host);
    link.ok_or_else(|| {
        Error::Refused("that is no link: copy it whole from your mail, from https:// on".to_owned())
    })
}

fn no_answer(address: &Url, error: &reqwest::Error) -> Error {
    let host = address.host_str().unwrap_or_default();
    Error::Unanswered(format!("the page at {host} does not answer: {error}"))
}

/// A form, filled in.
#[derive(Debug)]
struct Form {
    action: String,
    fields: Vec<(String, String)>,
}

impl Page {
    async fn read(answer: reqwest::Response) -> Result<Self, Error> {
        let status = answer.status().as_u16();
        let html =
            answer.text().await.map_err(|error| Error::Unanswered(format!("the page broke off: {error}")))?;
        Ok(Self { status, text: words(&html), html })
    }

    /// Whether the page has an element of this name.
    #[must_use]
    pub fn has_element(&self, name: &str) -> bool {
        let document = Html::parse_document(&self.html);
        Selector::parse(name).is_ok_and(|selector| document.select(&selector).next().is_some())
    }

    /// The form that has the answer's button, with its hidden fields, the reason and that button.
    fn form(&self, answer: Answer, filled: &Filled) -> Option<Form> {
        let document = Html::parse_document(&self.html);
        let (forms, controls) =
            (Selector::parse("form").ok()?, Selector::parse("input, button, textarea").ok()?);
        for form in document.select(&forms) {
            let mut fields = Vec::new();
            let mut pressed = false;
            for control in form.select(&controls) {
                let Some(name) = control.attr("name") else {
                    continue;
                };
                let value = control.attr("value").unwrap_or_default();
                let is_button = control.value().name() == "button" || control.attr("type") == Some("submit");
                if is_button {
                    if name == "decision" && value == answer.as_str() {
                        pressed = true;
                        fields.push((name.to_owned(), value.to_owned()));
                    }
                } else if name == "reason" {
                    fields.push((name.to_owned(), filled.reason.as_deref().unwrap_or(value).to_owned()));
                } else if name == "digest" && control.attr("type") == Some("text") {
                    fields.push((name.to_owned(), filled.digest.as_deref().unwrap_or(value).to_owned()));
                } else if control.attr("type") == Some("checkbox") {
                    if filled.overrides {
                        fields.push((name.to_owned(), value.to_owned()));
                    }
                } else if name == "decision" && control.attr("type") == Some("radio") {
                    if value == answer.as_str() {
                        pressed = true;
                        fields.push((name.to_owned(), value.to_owned()));
                    }
                } else {
                    fields.push((name.to_owned(), value.to_owned()));
                }
            }
            if pressed {
                let action = form.attr("action").unwrap_or_default().to_owned();
                return Some(Form { action, fields });
            }
        }
        None
    }
}

/// The words of a page, without its markup: one line for each block.
fn words(html: &str) -> String {
    let document = Html::parse_document(html);
    let Ok(blocks) = Selector::parse("h1, h2, h3, p, li, dt, dd, tr, label, button") else {
        return String::new();
    };
    let mut lines: Vec<String> = Vec::new();
    for block in document.select(&blocks) {
        let text = text_of(block);
        match (block.value().name(), lines.last_mut()) {
            (_, _) if text.is_empty() => {}
            // A term and what is said of it belong together.
            ("dd", Some(term)) => {
                term.push_str(": ");
                term.push_str(&text);
            }
            _ => lines.push(text),
        }
    }
    if lines.is_empty() {
        return text_of(document.root_element());
    }
    lines.join("\n")
}

fn text_of(element: ElementRef<'_>) -> String {
    let text: String = element.text().collect::<Vec<_>>().join(" ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(reason: &str) -> Filled {
        Filled { reason: Some(reason.to_owned()), ..Filled::default() }
    }

    #[test]
    fn the_form_goes_with_its_hidden_fields_and_one_button() {
        let page = Page {
            status: 200,
            text: String::new(),
            html: r#"<form method="post" action="/approvals/x"><input type="hidden" name="digest" value="sha256:1">
                <textarea name="reason"></textarea><button name="decision" value="approve">Approve</button>
                <button name="decision" value="reject">Reject</button></form>"#
                .into(),
        };

        let form = page.form(Answer::Reject, &filled("not today")).expect("a form");

        assert_eq!(form.action, "/approvals/x");
        assert_eq!(
            serde_urlencoded::to_string(form.fields).expect("pairs"),
            "digest=sha256%3A1&reason=not+today&decision=reject"
        );
    }

    #[test]
    fn what_a_page_asks_for_besides_is_filled_in_and_an_alarm_is_overridden_only_where_it_is_said() {
        let page = Page {
            status: 200,
            text: String::new(),
            html: r#"<form action="/x"><input name="digest" type="text"><input name="override" type="checkbox" value="alarms">
                <button name="decision" value="approve">Approve</button></form>"#
                .into(),
        };
        let fields = |filled: &Filled| {
            let form = page.form(Answer::Approve, filled).expect("a form");
            serde_urlencoded::to_string(form.fields).expect("pairs")
        };

        assert_eq!(fields(&Filled::default()), "digest=&decision=approve");
        let filled = Filled { digest: Some("abc123".into()), overrides: true, reason: None };
        assert_eq!(fields(&filled), "digest=abc123&override=alarms&decision=approve");
    }

    #[test]
    fn a_page_without_a_form_is_read_in_words() {
        let page = words("<main><h1>This link has expired</h1><p>Nothing was  changed.</p></main>");

        assert_eq!(page, "This link has expired\nNothing was changed.");
    }
}
