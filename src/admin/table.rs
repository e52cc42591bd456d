//! Columns of equal width. All text that goes in is made harmless ([`super::text`]).

use clap::builder::styling::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr;

use super::text::shown;

/// Text in one place of a table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

/// What a colour stands for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    #[default]
    Plain,
    Good,
    Warning,
    Bad,
    Heading,
}

/// Where a column's text stands, and its heading.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Column {
    Left(&'static str),
    /// Numbers.
    Right(&'static str),
}

/// Rows under one heading.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Cell {
    /// Text that is there or is not; `-` stands for the latter.
    pub(crate) fn maybe(text: Option<impl AsRef<str>>) -> Self {
        text.map_or_else(|| "-".into(), |text| text.as_ref().into())
    }

    /// The same with a colour.
    pub(crate) fn toned(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: shown(text.as_ref()).into_owned(), tone: Tone::Plain }
    }
}

impl Table {
    /// An empty one.
    pub(crate) fn new(columns: &[Column]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Two columns without headings: what something is called, and what it is.
    pub(crate) fn facts() -> Self {
        Self::new(&[Column::Left(""), Column::Left("")])
    }

    /// Adds a row; places at its end may be left out.
    pub(crate) fn row(&mut self, cells: impl Into<Vec<Cell>>) {
        self.rows.push(cells.into());
    }

    /// Adds a row of [`Table::facts`].
    pub(crate) fn fact(&mut self, name: &str, value: impl Into<Cell>) {
        self.row([name.into(), value.into()]);
    }

    /// Nothing to show.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// As lines.
    pub(crate) fn text(&self, colours: bool) -> String {
        let mut out = String::new();
        for line in self.lines() {
            line.iter().for_each(|cell| cell.put(&mut out, colours));
            out.push('\n');
        }
        out
    }

    /// What stands on each line, the space between columns included; the heading first, if there is one.
    pub(super) fn lines(&self) -> Vec<Vec<Cell>> {
        let headings = self.columns.iter().map(|column| Cell::from(column.heading()).toned(Tone::Heading));
        let headings: Vec<Cell> = headings.collect();
        let has_headings = headings.iter().any(|heading| !heading.text.is_empty());
        let lines = has_headings.then_some(&headings).into_iter().chain(&self.rows);
        let widths = self.widths(&headings);
        lines.map(|line| self.line(line, &widths)).collect()
    }

    fn widths(&self, headings: &[Cell]) -> Vec<usize> {
        let mut widths: Vec<usize> = headings.iter().map(|heading| heading.text.width()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.text.width());
            }
        }
        widths
    }

    fn line(&self, cells: &[Cell], widths: &[usize]) -> Vec<Cell> {
        let mut line = Vec::new();
        let mut gap = 0;
        for ((column, cell), width) in self.columns.iter().zip(cells).zip(widths) {
            let missing = width - cell.text.width();
            let (before, after) = match column {
                Column::Left(_) => (0, missing),
                Column::Right(_) => (missing, 0),
            };
            gap += before;
            // What is only space at the end of a line is left out.
            if !cell.text.is_empty() {
                if gap > 0 {
                    line.push(Cell::from(" ".repeat(gap)));
                    gap = 0;
                }
                line.push(cell.clone());
            }
            gap += after + 2;
        }
        line
    }
}

impl Cell {
    /// What stands in it.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// What its colour stands for.
    pub(super) fn tone(&self) -> Tone {
        self.tone
    }

    fn put(&self, out: &mut String, colours: bool) {
        let style = self.tone.style();
        if !colours || style.is_plain() {
            out.push_str(&self.text);
            return;
        }
        out.push_str(&format!("{style}{}{style:#}", self.text));
    }
}

impl Column {
    fn heading(self) -> &'static str {
        match self {
            Self::Left(heading) | Self::Right(heading) => heading,
        }
    }
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Warning => AnsiColor::Yellow.on_default(),
            Self::Bad => AnsiColor::Red.on_default(),
            Self::Heading => Style::new().bold(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Table {
        let mut table = Table::new(&[Column::Left("NAME"), Column::Right("WEIGHT"), Column::Left("STATE")]);
        table.row(["k8s-flask@file".into(), "95".into(), Cell::from("up").toned(Tone::Good)]);
        table.row(["日本\u{1b}[2J".into(), "100.5".into()]);
        table.row(["".into(), "".into(), "braked".into()]);
        table
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_text() {
        let expected = "\
NAME            WEIGHT  STATE
k8s-flask@file      95  up
日本\\u{1b}[2J    100.5
                        braked
";
        assert_eq!(sample().text(false), expected);
    }

    #[test]
    fn colours_are_added_when_asked_for_only() {
        let coloured = sample().text(true);
        assert!(coloured.contains("\u{1b}[32mup\u{1b}[0m"), "{coloured:?}");
        assert!(!sample().text(false).contains('\u{1b}'));
    }

    #[test]
    fn facts_have_no_headings() {
        let mut facts = Table::facts();
        facts.fact("owner", "api");
        facts.fact("generation", "17");
        assert_eq!(facts.text(false), "owner       api\ngeneration  17\n");
    }
}
