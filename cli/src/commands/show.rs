//! `slipway show`.

use std::process::ExitCode;

use clap::Args;
use console::Style;
use slipway_core::api::{Event, ReleaseDetail};

use super::{detail, meant, print};
use crate::show::{Cell, Table, image, outcome_style, width, wrapped};
use crate::{Client, Error, Output};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The release's id, or an application, whose newest release is shown.
    release: String,
}

pub(crate) async fn run(client: &Client, output: Output, arguments: &Arguments) -> Result<ExitCode, Error> {
    let id = meant(client, Some(&arguments.release)).await?;
    let release = detail(client, &id).await?;
    print(output, &release, || lines(&release, width()));
    Ok(ExitCode::SUCCESS)
}

fn lines(detail: &ReleaseDetail, width: Option<usize>) -> Vec<String> {
    let ReleaseDetail { release, asked, end, events, .. } = detail;
    let bold = Style::new().bold();
    let mut lines = vec![
        bold.apply_to(format!("{} {}", release.application, image(&release.image))).to_string(),
        format!("  release  {}", release.id),
        format!("  image    {}", release.image),
    ];
    lines.extend(asked.iter().map(|asked| format!("  {asked}")));
    lines.push(String::new());
    let mut before = None;
    let mut table = Table::default();
    // How it ended stands below.
    for Event { at, stage, words, .. } in events.iter().filter(|event| event.step != "ENDED") {
        let since =
            before.map_or_else(String::new, |before| format!("+{} s", at.duration_since(before).as_secs()));
        before = Some(*at);
        let stage = stage.as_ref().map(ToString::to_string).unwrap_or_default();
        table.row([
            Cell::new(format!("  {}", at.strftime("%m-%d %H:%M:%S"))).styled(Style::new().dim()),
            since.into(),
            stage.into(),
            words.as_str().into(),
        ]);
    }
    lines.extend(table.lines(None).iter().flat_map(|line| folded(line, width)));
    if let Some(end) = end {
        let style = outcome_style(end.outcome);
        lines.push(String::new());
        let sentence = format!("{}: {}", end.outcome, end.reason);
        lines.extend(wrapped(&sentence, 0, width).into_iter().map(|line| style.apply_to(line).to_string()));
    }
    lines
}

/// A line that goes on below its words where it is too long.
fn folded(line: &str, width: Option<usize>) -> Vec<String> {
    const INDENT: usize = 8;
    match width {
        Some(width) if console::measure_text_width(line) > width => {
            let first = console::truncate_str(line, width, "").into_owned();
            // Cut between words.
            let cut = first.rfind(' ').filter(|cut| *cut > width / 2).unwrap_or(first.len());
            let rest = line.get(cut..).unwrap_or_default().trim_start();
            let rest = wrapped(rest, INDENT, Some(width));
            let rest = rest.into_iter().map(|line| format!("{}{line}", " ".repeat(INDENT)));
            [first.get(..cut).unwrap_or(&first).to_owned()].into_iter().chain(rest).collect()
        }
        _ => vec![line.to_owned()],
    }
}
