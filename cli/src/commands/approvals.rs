//! `slipway approvals`.

use std::process::ExitCode;

use clap::Args;
use console::Style;
use slipway_core::api::{Approvals, Approver, OpenApproval};
use slipway_core::approval::Verdict;

use super::{application, now, print};
use crate::show::{ago, duration, fitted, image, minute, width};
use crate::{Client, Error, Output};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only those of this application.
    application: Option<String>,
}

pub(crate) async fn run(client: &Client, output: Output, arguments: &Arguments) -> Result<ExitCode, Error> {
    let only = arguments.application.as_deref().map(application).transpose()?;
    let mut approvals: Approvals = client.get("approvals").await?;
    approvals.approvals.retain(|approval| only.as_ref().is_none_or(|only| approval.application == *only));
    print(output, &approvals, || lines(&approvals));
    Ok(ExitCode::SUCCESS)
}

fn lines(approvals: &Approvals) -> Vec<String> {
    if approvals.approvals.is_empty() {
        return vec!["Nobody is asked for an approval.".to_owned()];
    }
    approvals.approvals.iter().flat_map(of).collect()
}

fn of(approval: &OpenApproval) -> Vec<String> {
    let OpenApproval { release, application, stage, image: to, asked_at, expires_at, quorum, approvers } =
        approval;
    let (bold, width) = (Style::new().bold(), width());
    let left = duration(expires_at.duration_since(now()));
    let mut lines = vec![
        bold.apply_to(format!("{application} {} to {stage}", image(to))).to_string(),
        fitted(
            &format!(
                "  asked {}, until {} UTC ({left} left); {quorum} of {} must approve",
                ago(*asked_at, now()),
                minute(*expires_at),
                approvers.len()
            ),
            width,
        ),
    ];
    lines.extend(approvers.iter().map(|approver| fitted(&person(approver), width)));
    lines.push(fitted(&format!("  {release}"), width));
    lines
}

fn person(approver: &Approver) -> String {
    let Approver { address, answer, answered_at, reachable } = approver;
    let when = answered_at.map(|at| format!(" {}", ago(at, now()))).unwrap_or_default();
    match answer {
        Some(Verdict::Approved) => {
            Style::new().green().apply_to(format!("  ✓ {address} approved{when}")).to_string()
        }
        Some(Verdict::Rejected) => {
            Style::new().red().apply_to(format!("  ✗ {address} rejected{when}")).to_string()
        }
        None if *reachable => format!("  … {address} has not answered"),
        None => Style::new()
            .yellow()
            .apply_to(format!("  ! {address} got no mail: the subscription is not confirmed"))
            .to_string(),
    }
}
