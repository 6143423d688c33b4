//! What a terminal showed, as an SVG picture: text stays text, so it is small, sharp, and can be searched.

use std::fmt::Write as _;

const SIZE: f64 = 13.0;
/// Columns of a monospaced letter, in its size.
const ADVANCE: f64 = 0.602;
const LEADING: f64 = 17.0;
const MARGIN: f64 = 16.0;
/// Below the bar with the three circles.
const TOP: f64 = 46.0;

const GROUND: &str = "#1b2129";
const INK: &str = "#d7dce2";
const FAINT: &str = "#8a95a1";

/// The letters that follow look like this.
#[derive(Clone, Copy, Default, PartialEq)]
struct Style {
    bold: bool,
    dim: bool,
    colour: Option<&'static str>,
}

/// Text with escape sequences as a picture; `label` is what it is called for those who do not see it.
pub(super) fn of(text: &str, label: &str) -> String {
    let lines: Vec<Vec<(Style, String)>> = text.lines().map(spans).collect();
    let columns = lines.iter().map(|line| length(line)).max().unwrap_or(0);
    let width = (columns as f64)
        .mul_add(SIZE * ADVANCE, 2.0 * MARGIN)
        .ceil();
    let height = (lines.len() as f64).mul_add(LEADING, TOP).ceil();
    let mut picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\" aria-label=\"{label}\">\n<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{GROUND}\"/>\n"
    );
    for (at, colour) in [(18, "#f07178"), (36, "#ffcb6b"), (54, "#a5d66f")] {
        let _ = write!(
            picture,
            "<circle cx=\"{at}\" cy=\"16\" r=\"5\" fill=\"{colour}\"/>"
        );
    }
    let _ = writeln!(
        picture,
        "\n<g font-family=\"ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace\" font-size=\"{SIZE}\">"
    );
    for (number, line) in lines.iter().enumerate() {
        let y = (number as f64).mul_add(LEADING, TOP);
        if length(line) > 0 {
            let _ = writeln!(
                picture,
                "<text y=\"{y}\" xml:space=\"preserve\">{}</text>",
                drawn(line)
            );
        }
    }
    picture.push_str("</g>\n</svg>\n");
    picture
}

fn drawn(line: &[(Style, String)]) -> String {
    let mut drawn = String::new();
    let mut column = 0;
    for (style, text) in line {
        // Each span says where it begins: fonts differ in how wide a letter is.
        let x = (column as f64).mul_add(SIZE * ADVANCE, MARGIN);
        let colour = style.colour.unwrap_or(if style.dim { FAINT } else { INK });
        let weight = if style.bold {
            " font-weight=\"bold\""
        } else {
            ""
        };
        let _ = write!(
            drawn,
            "<tspan x=\"{x:.1}\" fill=\"{colour}\"{weight}>{}</tspan>",
            escaped(text)
        );
        column += text.chars().count();
    }
    drawn
}

/// Parts of one style each; neighbours of the same style are one part.
fn spans(line: &str) -> Vec<(Style, String)> {
    let mut spans: Vec<(Style, String)> = Vec::new();
    let mut style = Style::default();
    let mut rest = line;
    while !rest.is_empty() {
        let (text, after) = rest.split_at(rest.find("\u{1b}[").unwrap_or(rest.len()));
        match spans.last_mut() {
            Some((last, told)) if *last == style => told.push_str(text),
            _ if text.is_empty() => {}
            _ => spans.push((style, text.to_owned())),
        }
        let Some((codes, after)) = after
            .strip_prefix("\u{1b}[")
            .and_then(|after| after.split_once('m'))
        else {
            break;
        };
        for code in codes.split(';') {
            style = style.after(code);
        }
        rest = after;
    }
    spans
}

impl Style {
    fn after(self, code: &str) -> Self {
        match code {
            "" | "0" => Self::default(),
            "1" => Self { bold: true, ..self },
            "2" => Self { dim: true, ..self },
            "31" | "91" => self.in_colour("#f07178"),
            "32" | "92" => self.in_colour("#a5d66f"),
            "33" | "93" => self.in_colour("#ffcb6b"),
            "34" | "94" => self.in_colour("#82aaff"),
            "35" | "95" => self.in_colour("#c792ea"),
            "36" | "96" => self.in_colour("#89ddff"),
            _ => self,
        }
    }

    fn in_colour(self, colour: &'static str) -> Self {
        Self {
            colour: Some(colour),
            ..self
        }
    }
}

fn length(line: &[(Style, String)]) -> usize {
    line.iter().map(|(_, text)| text.chars().count()).sum()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_style_is_a_part_that_says_where_it_begins() {
        let picture = of("ab \u{1b}[1m\u{1b}[32mc<d\u{1b}[0m e", "two words");
        assert!(picture.contains("aria-label=\"two words\""), "{picture}");
        let bold = "<tspan x=\"39.5\" fill=\"#a5d66f\" font-weight=\"bold\">c&lt;d</tspan>";
        assert!(picture.contains(bold), "{picture}");
        assert!(
            picture.contains(&format!("fill=\"{INK}\"> e</tspan>")),
            "{picture}"
        );
    }

    #[test]
    fn neighbours_of_one_style_are_one_part() {
        let line = spans("\u{1b}[2mone\u{1b}[0m\u{1b}[2m two\u{1b}[0m");
        assert_eq!(line.len(), 1);
        assert_eq!(line[0].1, "one two");
    }
}
