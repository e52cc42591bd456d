//! Bars, as SVG: for each scenario one of each peer.

use std::fmt::Write as _;

/// A scenario's name, and each peer's multiple of our cost.
pub(super) type Group = (&'static str, Vec<(&'static str, f64)>);

/// The chart. Bars that are too long for it end in their number.
pub(super) fn drawn(groups: &[Group], date: &str) -> String {
    let rows: usize = groups.iter().map(|(_, bars)| bars.len()).sum();
    let height = TOP + rows * ROW + groups.len() * GAP + 10;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"10\" y=\"20\" font-size=\"14\">Processor time of a request, as a multiple of Rollgate's ({date})</text>\n"
    );
    let mut y = TOP;
    for (name, bars) in groups {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "<text x=\"10\" y=\"{}\" font-weight=\"bold\">{name}</text>", y + 11);
        for (peer, times) in bars {
            let length = (times.min(LONGEST) * UNIT).round() as usize;
            let colour = if *peer == super::US { "#c2410c" } else { "#94a3b8" };
            let _ = writeln!(
                text,
                "<text x=\"140\" y=\"{}\" text-anchor=\"end\">{peer}</text><rect x=\"{LEFT}\" y=\"{}\" width=\"{length}\" height=\"{}\" fill=\"{colour}\"/><text x=\"{}\" y=\"{}\">{times:.2}</text>",
                y + 11,
                y + 1,
                ROW - 3,
                LEFT + length + 5,
                y + 11
            );
            y += ROW;
        }
        y += GAP;
    }
    text + "</svg>\n"
}

const WIDTH: usize = 720;
const TOP: usize = 36;
const ROW: usize = 15;
const GAP: usize = 8;
const LEFT: usize = 148;
/// One time our cost.
const UNIT: f64 = 80.0;
const LONGEST: f64 = 6.5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bar_has_its_length_and_its_number() {
        let drawn = drawn(&[("plain", vec![("rollgate", 1.0), ("envoy", 2.5), ("traefik", 40.0)])], "2026-01-02");
        for part in ["width=\"80\"", "width=\"200\"", "width=\"520\"", ">40.00<", ">plain<", "2026-01-02"] {
            assert!(drawn.contains(part), "{part}: {drawn}");
        }
        assert_eq!(drawn.matches("<rect").count(), 4);
    }
}
