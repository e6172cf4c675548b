//! `slipway approvals resend`: mails of an open approval go out again.

use std::process::ExitCode;

use clap::Args;
use slipway_core::api::{Approvals, Done, OpenApproval, ResendRequest};
use slipway_core::name::{EmailAddress, ReleaseId};

use super::act::Asked;
use super::{application, path_of, print_done};
use crate::show::{image, list};
use crate::{Client, Error, Output};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The release's id, or an application [default: the only approval that people are asked for].
    name: Option<String>,
    /// This approver alone, and not all who have not answered.
    #[arg(long, value_name = "ADDRESS")]
    approver: Option<String>,
    #[command(flatten)]
    asked: Asked,
}

pub(crate) async fn run(client: &Client, output: Output, arguments: &Arguments) -> Result<ExitCode, Error> {
    let approver = arguments.approver.as_deref().map(EmailAddress::new).transpose();
    let approver = approver.map_err(|error| Error::Refused(format!("--approver: {error}")))?;
    let open: Approvals = client.get("approvals").await?;
    let release = match meant(&open.approvals, arguments.name.as_deref())? {
        Meant::Open(approval) => {
            let people = approver
                .as_ref()
                .map_or_else(|| approval.silent().collect(), |approver| vec![approver.to_string()]);
            let mail = if people.len() == 1 { "gets the mail" } else { "get the mail" };
            arguments.asked.confirm(&format!(
                "{} {mail} for {} of {} to {} again, with a further link.",
                list(&people),
                image(&approval.image),
                approval.application,
                approval.stage
            ))?;
            approval.release.clone()
        }
        // The API knows what became of it.
        Meant::Other(id) => id,
    };
    let request = ResendRequest { approver, reason: arguments.asked.reason.clone() };
    let done: Done = client.post(&format!("{}/resend", path_of(&release)?), &request).await?;
    print_done(output, &done);
    Ok(ExitCode::SUCCESS)
}

/// What a person means.
#[derive(Debug, PartialEq, Eq)]
enum Meant<'a> {
    /// An approval that people are asked for.
    Open(&'a OpenApproval),
    /// A release that asks nobody.
    Other(ReleaseId),
}

fn meant<'a>(open: &'a [OpenApproval], name: Option<&str>) -> Result<Meant<'a>, Error> {
    let id = name.and_then(|name| ReleaseId::new(name).ok()).filter(|id| id.application().is_some());
    let of: Vec<_> = match (&id, name) {
        (Some(id), _) => open.iter().filter(|approval| approval.release == *id).collect(),
        (None, Some(name)) => {
            let name = application(name)?;
            open.iter().filter(|approval| approval.application == name).collect()
        }
        (None, None) => open.iter().collect(),
    };
    match (of.as_slice(), id) {
        ([only], _) => Ok(Meant::Open(only)),
        ([], Some(id)) => Ok(Meant::Other(id)),
        ([], None) => {
            let of = name.map(|name| format!(" of {name}")).unwrap_or_default();
            Err(Error::Refused(format!("nobody is asked for an approval{of}: `slipway approvals` lists all")))
        }
        (several, _) => {
            let ids: Vec<_> = several.iter().map(|approval| approval.release.to_string()).collect();
            Err(Error::Refused(format!("several approvals wait, name one of: {}", ids.join(", "))))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "web-0123456789abcdef0123456789abcdef";

    fn approval(application: &str) -> OpenApproval {
        let image =
            json!({ "repository": "web", "digest": format!("sha256:{}", "a1".repeat(32)), "tag": "v2" });
        serde_json::from_value(json!({
            "release": ID.replacen("web", application, 1), "application": application, "stage": "production", "image": image,
            "asked_at": "2026-11-20T08:00:30Z", "expires_at": "2026-11-21T08:00:30Z", "quorum": 1,
            "approvers": [{ "address": "ana@example.com", "reachable": true }],
        }))
        .expect("it fits")
    }

    #[test]
    fn the_one_approval_that_waits_is_meant_or_the_one_that_is_named() {
        let two = [approval("web"), approval("shop")];

        assert_eq!(meant(&two[..1], None).ok(), Some(Meant::Open(&two[0])));
        assert_eq!(meant(&two, Some("shop")).ok(), Some(Meant::Open(&two[1])));
        assert_eq!(meant(&two, Some(ID)).ok(), Some(Meant::Open(&two[0])));
        let error = meant(&two, None).expect_err("which?").to_string();
        assert!(error.contains(ID) && error.contains("name one of"), "{error}");
    }

    #[test]
    fn where_nobody_is_asked_it_says_so_and_the_api_says_what_became_of_a_release() {
        let id = ReleaseId::new(ID).expect("an id");

        assert_eq!(meant(&[], Some(ID)).ok(), Some(Meant::Other(id)));
        let error = meant(&[], Some("web")).expect_err("nobody is asked").to_string();
        assert!(error.starts_with("nobody is asked for an approval of web"), "{error}");
    }
}
