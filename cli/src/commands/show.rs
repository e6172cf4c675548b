//! `slipway show`.

use std::process::ExitCode;

use clap::Args;
use console::{Style, measure_text_width};
use jiff::Timestamp;
use slipway_core::api::{Event, ReleaseDetail};
use slipway_core::image::Image;

use super::{detail, meant, print};
use crate::show::{Cell, Table, duration, fitted, heading, image, indented, outcome_style, width, wrapped};
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
    let ReleaseDetail { release, begun_at, asked, end, events, .. } = detail;
    let head = format!("{} {}", release.application, image(&release.image));
    let mut lines = heading(&head, width);
    lines.extend(labelled("release", "", release.id.as_str(), width));
    let Image { repository, digest, .. } = &release.image;
    lines.extend(labelled("image", &format!("{repository}@"), digest.as_str(), width));
    lines.push(format!("  begun    {} UTC", begun_at.strftime("%Y-%m-%d %H:%M:%S")));
    lines.extend(asked.iter().flat_map(|asked| indented(asked, 2, width)));
    lines.push(String::new());
    let day = |at: &Timestamp| at.strftime("%m-%d").to_string();
    let is_one_day = events.iter().all(|event| day(&event.at) == day(begun_at));
    let time = if is_one_day { "  %H:%M:%S" } else { "  %m-%d %H:%M:%S" };
    let mut before = None;
    let mut table = Table::default();
    // How it ended stands below.
    for Event { at, stage, words, .. } in events.iter().filter(|event| event.step != "ENDED") {
        let since =
            before.map_or_else(String::new, |before| format!("+{}", duration(at.duration_since(before))));
        before = Some(*at);
        let stage = stage.as_ref().map(ToString::to_string).unwrap_or_default();
        let cells =
            [Cell::new(at.strftime(time).to_string()).styled(Style::new().dim()), since.into(), stage.into()];
        table.row_with(cells, [words.clone()]);
    }
    lines.extend(table.lines(width));
    if let Some(end) = end {
        let style = outcome_style(end.outcome);
        lines.push(String::new());
        let sentence = format!("{}: {}", end.outcome, end.reason);
        lines.extend(wrapped(&sentence, 0, width).into_iter().map(|line| style.apply_to(line).to_string()));
    }
    lines
}

/// A value that people copy, in one piece: on a line of its own where it has no room beside what it is.
fn labelled(label: &str, before: &str, value: &str, width: Option<usize>) -> Vec<String> {
    let whole = format!("  {label:<7}  {before}{value}");
    if width.is_none_or(|width| measure_text_width(&whole) <= width) {
        return vec![whole];
    }
    let label = fitted(format!("  {label:<7}  {before}").trim_end(), width);
    [label].into_iter().chain(indented(value, 2, width)).collect()
}
