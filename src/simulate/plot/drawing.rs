//! Lines and texts on a white sheet. Places are in pixels, from above and from the left.

/// The sheet.
#[derive(Debug)]
pub(in super::super) struct Drawing {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) marks: Vec<Mark>,
}

/// Something on it.
#[derive(Debug)]
pub(super) enum Mark {
    Line {
        points: Vec<(f64, f64)>,
        stroke: Stroke,
    },
    /// `at` is on the line that letters stand on.
    Text {
        at: (f64, f64),
        anchor: Anchor,
        style: Style,
        text: String,
    },
}

/// How a line is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stroke {
    pub(super) colour: Colour,
    pub(super) width: f64,
    pub(super) is_dashed: bool,
}

/// Red, green, blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Colour(pub(super) u8, pub(super) u8, pub(super) u8);

/// Which part of a text is at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// How a text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Bold,
    Plain,
    Faint,
}

impl Drawing {
    pub(super) fn new(width: f64, height: f64) -> Self {
        Self { width, height, marks: Vec::new() }
    }

    /// A line through points; a single one is none.
    pub(super) fn line(&mut self, points: Vec<(f64, f64)>, stroke: Stroke) {
        if points.len() > 1 {
            self.marks.push(Mark::Line { points, stroke });
        }
    }

    pub(super) fn text(&mut self, at: (f64, f64), anchor: Anchor, style: Style, text: &str) {
        self.marks.push(Mark::Text { at, anchor, style, text: text.to_owned() });
    }
}

impl Colour {
    pub(super) const GRID: Self = Self(221, 221, 221);
}

impl Style {
    pub(super) fn colour(self) -> Colour {
        match self {
            Self::Bold | Self::Plain => Colour(34, 34, 34),
            Self::Faint => Colour(102, 102, 102),
        }
    }
}

/// A dash and the gap after it.
pub(super) const DASH: [f64; 2] = [6.0, 4.0];
