//! What a scenario measured, beside what is asked of it.

use std::fmt::{Display, Write as _};

/// The figures of one scenario.
#[derive(Debug, Default)]
pub struct Figures {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    figure: String,
    asked: String,
    measured: String,
    verdict: Verdict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Met,
    Missed,
    /// Nothing is asked: it is there to be known.
    Told,
}

impl Figures {
    /// A figure that something is asked of.
    pub fn ask(&mut self, figure: impl Display, asked: impl Display, measured: impl Display, met: bool) {
        let verdict = if met { Verdict::Met } else { Verdict::Missed };
        self.push(figure, asked, measured, verdict);
    }

    /// A figure that is only told.
    pub fn tell(&mut self, figure: impl Display, measured: impl Display) {
        self.push(figure, "", measured, Verdict::Told);
    }

    /// A count that has to be 0.
    pub fn none(&mut self, figure: impl Display, count: u64) {
        self.ask(figure, 0, count, count == 0);
    }

    /// Whether every figure is as asked.
    pub fn met(&self) -> bool {
        self.rows.iter().all(|row| row.verdict != Verdict::Missed)
    }

    /// A Markdown table whose columns are aligned, so that it reads in a terminal too.
    pub fn table(&self) -> String {
        let head = ["figure", "asked", "measured", "verdict"].map(String::from);
        let mut lines = vec![head];
        lines.extend(self.rows.iter().map(Row::cells));
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default();
        let widths = [width(0), width(1), width(2), width(3)];
        let mut text = String::new();
        for (number, line) in lines.iter().enumerate() {
            push_line(&mut text, line, widths);
            if number == 0 {
                push_line(&mut text, &widths.map(|width| "-".repeat(width)), widths);
            }
        }
        text
    }

    fn push(&mut self, figure: impl Display, asked: impl Display, measured: impl Display, verdict: Verdict) {
        self.rows.push(Row {
            figure: figure.to_string(),
            asked: asked.to_string(),
            measured: measured.to_string(),
            verdict,
        });
    }
}

impl Row {
    fn cells(&self) -> [String; 4] {
        let verdict = match self.verdict {
            Verdict::Met => "met",
            Verdict::Missed => "MISSED",
            Verdict::Told => "",
        };
        [self.figure.clone(), self.asked.clone(), self.measured.clone(), verdict.to_owned()]
    }
}

fn push_line(text: &mut String, cells: &[String; 4], widths: [usize; 4]) {
    for (cell, width) in cells.iter().zip(widths) {
        // Writing to a string cannot fail.
        let _ = write!(text, "| {cell:width$} ");
    }
    text.push_str("|\n");
}

/// Microseconds as milliseconds.
pub fn milliseconds(microseconds: u64) -> String {
    format!("{:.2} ms", microseconds as f64 / 1000.0)
}

/// KiB as MiB.
pub fn mebibytes(kibibytes: u64) -> String {
    format!("{:.1} MiB", kibibytes as f64 / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_missed_figure_is_enough() {
        let mut figures = Figures::default();
        figures.none("failed requests", 0);
        figures.tell("p99", "1 ms");
        assert!(figures.met());
        figures.none("resets", 1);
        assert!(!figures.met());
    }

    #[test]
    fn the_table_is_markdown_with_columns_below_each_other() {
        let mut figures = Figures::default();
        figures.none("failed requests", 0);
        figures.tell("p99", "1.25 ms");
        assert_eq!(
            figures.table(),
            "| figure          | asked | measured | verdict |\n\
             | --------------- | ----- | -------- | ------- |\n\
             | failed requests | 0     | 0        | met     |\n\
             | p99             |       | 1.25 ms  |         |\n"
        );
    }
}
