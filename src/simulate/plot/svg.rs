//! A drawing as SVG.

use std::fmt::Write;

use super::drawing::{Anchor, Colour, DASH, Drawing, Mark, Style};

/// The whole document.
pub(in super::super) fn svg(drawing: &Drawing) -> String {
    let (width, height) = (number(drawing.width), number(drawing.height));
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"Helvetica, Arial, sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    for mark in &drawing.marks {
        out.push_str(&element(mark));
    }
    out.push_str("</svg>\n");
    out
}

fn element(mark: &Mark) -> String {
    match mark {
        Mark::Line { points, stroke } => {
            let points: Vec<String> = points.iter().map(|(x, y)| format!("{},{}", number(*x), number(*y))).collect();
            let dash = match stroke.is_dashed {
                true => format!(" stroke-dasharray=\"{} {}\"", DASH[0], DASH[1]),
                false => String::new(),
            };
            let (colour, width) = (hex(stroke.colour), number(stroke.width));
            let points = points.join(" ");
            format!(
                "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"{dash} points=\"{points}\"/>\n"
            )
        }
        Mark::Text { at, anchor, style, text } => {
            let anchor = match anchor {
                Anchor::Start => "",
                Anchor::Middle => " text-anchor=\"middle\"",
                Anchor::End => " text-anchor=\"end\"",
            };
            let bold = if *style == Style::Bold { " font-weight=\"bold\" font-size=\"15\"" } else { "" };
            let (x, y, colour) = (number(at.0), number(at.1), hex(style.colour()));
            format!("<text x=\"{x}\" y=\"{y}\" fill=\"{colour}\"{anchor}{bold}>{}</text>\n", escaped(text))
        }
    }
}

/// To a tenth of a pixel.
fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

fn hex(Colour(red, green, blue): Colour) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // XML has no such characters.
            _ if character.is_control() => out.push(' '),
            '\u{fffe}' | '\u{ffff}' => out.push(' '),
            _ => write!(out, "{character}").expect("a string takes all"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{super::drawing::Stroke, *};

    #[test]
    fn what_is_written_is_xml_whatever_the_text() {
        let mut drawing = Drawing::new(10.0, 20.5);
        drawing.text((1.0, 2.26), Anchor::End, Style::Faint, "a <b> & \u{1b}c");
        let stroke = Stroke { colour: Colour(1, 2, 255), width: 2.0, is_dashed: true };
        drawing.line(vec![(0.0, 0.04), (1.25, 2.0)], stroke);
        drawing.line(vec![(0.0, 0.0)], stroke);
        let svg = svg(&drawing);
        assert!(
            svg.contains("<text x=\"1\" y=\"2.3\" fill=\"#666666\" text-anchor=\"end\">a &lt;b&gt; &amp;  c</text>")
        );
        assert!(svg.contains("stroke=\"#0102ff\" stroke-width=\"2\" stroke-dasharray=\"6 4\" points=\"0,0 1.2,2\""));
        assert_eq!(svg.matches("<polyline").count(), 1);
    }
}
