//! What a person does with a link from a mail: opens the page, fills in its form, presses a button.

use anyhow::{Context as _, bail};
use scraper::{ElementRef, Html, Selector};
use url::Url;

use crate::client;

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
/// When nothing answers at the address.
pub async fn open(address: &Url) -> anyhow::Result<Page> {
    let answer = client::browser(address)?
        .get(address.clone())
        .send()
        .await
        .with_context(|| format!("{address} does not answer"))?;
    Page::read(answer).await
}

/// Opens the page of a link and answers it through its form.
///
/// # Errors
///
/// When the page has no form with that button (the link is used, expired or wrong): the page's words say why.
pub async fn answer(link: &str, answer: Answer, reason: Option<&str>) -> anyhow::Result<Page> {
    let address = Url::parse(link).with_context(|| format!("`{link}` is not a link"))?;
    let page = open(&address).await?;
    let Some(form) = page.form(answer, reason) else {
        bail!("the page has nothing to answer:\n{}", page.text);
    };
    let target = address.join(&form.action)?;
    let response = client::browser(&target)?
        .post(target.clone())
        .header("content-type", "application/x-www-form-urlencoded")
        // A browser says where the form came from, and the page may insist on it.
        .header("origin", address.origin().ascii_serialization())
        .header("referer", address.as_str())
        .body(serde_urlencoded::to_string(&form.fields)?)
        .send()
        .await
        .with_context(|| format!("{target} does not answer"))?;
    Page::read(response).await
}

/// A form, filled in.
#[derive(Debug)]
struct Form {
    action: String,
    fields: Vec<(String, String)>,
}

impl Page {
    async fn read(answer: reqwest::Response) -> anyhow::Result<Self> {
        let status = answer.status().as_u16();
        let html = answer.text().await?;
        Ok(Self { status, text: words(&html), html })
    }

    /// Whether the page has an element of this name.
    #[must_use]
    pub fn has_element(&self, name: &str) -> bool {
        let document = Html::parse_document(&self.html);
        Selector::parse(name).is_ok_and(|selector| document.select(&selector).next().is_some())
    }

    /// The form that has the answer's button, with its hidden fields, the reason and that button.
    fn form(&self, answer: Answer, reason: Option<&str>) -> Option<Form> {
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
                    fields.push((name.to_owned(), reason.unwrap_or(value).to_owned()));
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

        let form = page.form(Answer::Reject, Some("not today")).expect("a form");

        assert_eq!(form.action, "/approvals/x");
        assert_eq!(
            serde_urlencoded::to_string(form.fields).expect("pairs"),
            "digest=sha256%3A1&reason=not+today&decision=reject"
        );
    }

    #[test]
    fn a_page_without_a_form_is_read_in_words() {
        let page = words("<main><h1>This link has expired</h1><p>Nothing was  changed.</p></main>");

        assert_eq!(page, "This link has expired\nNothing was changed.");
    }
}
