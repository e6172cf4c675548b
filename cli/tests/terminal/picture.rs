//! What a terminal shows as a picture (SVG), on a light ground and on a dark one, for people to look at.

use std::fs;
use std::path::Path;

use vt100::Color;

use crate::terminal::{Frame, Look};

const WIDTH: usize = 9;
const HEIGHT: usize = 20;

/// A terminal's colours: its ground, its text, and the sixteen that have names.
struct Theme {
    name: &'static str,
    ground: &'static str,
    text: &'static str,
    named: [&'static str; 16],
}

/// The colours of two themes that many terminals come with (GNOME's, light and dark).
const THEMES: [Theme; 2] = [
    Theme { name: "light", ground: "#ffffff", text: "#1e1e1e", named: NAMED },
    Theme { name: "dark", ground: "#1e1e1e", text: "#ffffff", named: NAMED },
];
const NAMED: [&str; 16] = [
    "#171421", "#c01c28", "#26a269", "#a2734c", "#12488b", "#a347ba", "#2aa1b3", "#d0cfcc", "#5e5c64",
    "#f66151", "#33da7a", "#e9ad0c", "#2a7bde", "#c061cb", "#33c7de", "#ffffff",
];

/// Draws frames below each other into `FOLDER/NAME-light.svg` and `FOLDER/NAME-dark.svg`.
pub(crate) fn draw(folder: &Path, name: &str, columns: u16, frames: &[Frame]) {
    fs::create_dir_all(folder).expect("the folder is there");
    for theme in &THEMES {
        let picture = svg(theme, usize::from(columns), frames);
        fs::write(folder.join(format!("{name}-{}.svg", theme.name)), picture).expect("it is written");
    }
}

fn svg(theme: &Theme, columns: usize, frames: &[Frame]) -> String {
    let mut texts = String::new();
    let mut row = 0;
    for frame in frames {
        for line in &frame.lines {
            row += 1;
            let mut column = 0;
            for (text, wide, look) in &line.cells {
                if text != " " {
                    let (x, y) = (WIDTH * (column + 1), HEIGHT * row);
                    texts.push_str(&format!(
                        "<text x=\"{x}\" y=\"{y}\"{}>{}</text>\n",
                        styled(theme, *look),
                        safe(text)
                    ));
                }
                column += wide;
            }
        }
        row += 1;
    }
    let (width, height) = (WIDTH * (columns + 2), HEIGHT * (row + 1));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" font-size=\"15\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"{}\"/>\n<g fill=\"{}\">\n{texts}</g></svg>\n",
        theme.ground, theme.text
    )
}

fn styled(theme: &Theme, look: Look) -> String {
    let colour = match look.colour {
        Color::Idx(index) => theme.named.get(usize::from(index)).copied().unwrap_or(theme.text),
        _ => theme.text,
    };
    let fill = if colour == theme.text { String::new() } else { format!(" fill=\"{colour}\"") };
    let bold = if look.bold { " font-weight=\"bold\"" } else { "" };
    let dim = if look.dim { " opacity=\"0.55\"" } else { "" };
    format!("{fill}{bold}{dim}")
}

fn safe(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
