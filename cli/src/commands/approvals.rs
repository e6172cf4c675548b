//! `slipway approvals`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use console::Style;
use slipway_core::api::{Approvals, Approver, OpenApproval};
use slipway_core::approval::Verdict;

use super::{application, now, print, resend};
use crate::show::{ago, duration, hanging, heading, image, indented, minute, width};
use crate::{Client, Error, Output};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    /// Only those of this application.
    application: Option<String>,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Send an open approval's mails again to those who have not answered, each with a further link.
    #[command(after_help = "Example: slipway approvals resend web --approver ana@example.com")]
    Resend(resend::Arguments),
}

pub(crate) async fn run(client: &Client, output: Output, arguments: &Arguments) -> Result<ExitCode, Error> {
    if let Some(Action::Resend(arguments)) = &arguments.action {
        return resend::run(client, output, arguments).await;
    }
    let only = arguments.application.as_deref().map(application).transpose()?;
    let mut approvals: Approvals = client.get("approvals").await?;
    approvals.approvals.retain(|approval| only.as_ref().is_none_or(|only| approval.application == *only));
    print(output, &approvals, || lines(&approvals, width()));
    Ok(ExitCode::SUCCESS)
}

fn lines(approvals: &Approvals, width: Option<usize>) -> Vec<String> {
    if approvals.approvals.is_empty() {
        return vec!["Nobody is asked for an approval.".to_owned()];
    }
    let each: Vec<_> = approvals.approvals.iter().map(|approval| of(approval, width)).collect();
    each.join(&String::new())
}

fn of(approval: &OpenApproval, width: Option<usize>) -> Vec<String> {
    let OpenApproval { release, application, stage, image: to, asked_at, expires_at, quorum, approvers } =
        approval;
    let left = duration(expires_at.duration_since(now()));
    let head = format!("{application} {} to {stage}", image(to));
    let mut lines = heading(&head, width);
    let asked = format!(
        "asked {}, until {} UTC ({left} left); {quorum} of {} must approve",
        ago(*asked_at, now()),
        minute(*expires_at),
        approvers.len()
    );
    lines.extend(indented(&asked, 2, width));
    lines.extend(approvers.iter().flat_map(|approver| person(approver, width)));
    lines.extend(indented(release.as_str(), 2, width));
    lines
}

fn person(approver: &Approver, width: Option<usize>) -> Vec<String> {
    let Approver { address, answer, answered_at, reachable } = approver;
    let when = answered_at.map(|at| format!(" {}", ago(at, now()))).unwrap_or_default();
    let (style, sign, words) = match answer {
        Some(Verdict::Approved) => (Style::new().green(), "✓", format!("{address} approved{when}")),
        Some(Verdict::Rejected) => (Style::new().red(), "✗", format!("{address} rejected{when}")),
        None if *reachable => (Style::new(), "…", format!("{address} has not answered")),
        None => {
            (Style::new().yellow(), "!", format!("{address} got no mail: the subscription is not confirmed"))
        }
    };
    let lines = hanging(&format!("{sign} {words}"), 2, width.map(|width| width.saturating_sub(2)));
    lines.into_iter().map(|line| style.apply_to(format!("  {line}")).to_string()).collect()
}
