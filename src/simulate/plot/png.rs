//! A drawing as PNG, twice as large. Letters are of a bitmap font: whoever looks at it needs none, and neither does the machine.

use std::convert::Infallible;

use embedded_graphics::{
    Drawable, Pixel,
    draw_target::DrawTarget,
    geometry::{OriginDimensions, Point, Size},
    mono_font::{MonoTextStyle, iso_8859_1::FONT_10X20},
    pixelcolor::{Rgb888, RgbColor},
    text::{Alignment, Baseline, Text, TextStyleBuilder},
};
use tiny_skia::{
    Color, LineCap, LineJoin, Paint, PathBuilder, Pixmap, PremultipliedColorU8, Stroke, StrokeDash, Transform,
};

use super::drawing::{Anchor, Colour, DASH, Drawing, Mark, Style};

/// The whole file.
pub(in super::super) fn png(drawing: &Drawing) -> Vec<u8> {
    let side = |length: f64| ((length * SCALE).ceil() as u32).clamp(1, MOST);
    let pixmap = Pixmap::new(side(drawing.width), side(drawing.height));
    let mut sheet = Sheet(pixmap.expect("its sides are more than 0 and not large"));
    sheet.0.fill(Color::WHITE);
    for mark in &drawing.marks {
        sheet.put(mark);
    }
    sheet.0.encode_png().expect("memory takes all")
}

/// What is drawn on.
struct Sheet(Pixmap);

impl Sheet {
    fn put(&mut self, mark: &Mark) {
        match mark {
            Mark::Line { points, stroke } => self.line(points, stroke),
            Mark::Text { at, anchor, style, text } => {
                let Colour(red, green, blue) = style.colour();
                let alignment = match anchor {
                    Anchor::Start => Alignment::Left,
                    Anchor::Middle => Alignment::Center,
                    Anchor::End => Alignment::Right,
                };
                let place = Point::new((at.0 * SCALE).round() as i32, (at.1 * SCALE).round() as i32);
                let character = MonoTextStyle::new(&FONT_10X20, Rgb888::new(red, green, blue));
                let placed = TextStyleBuilder::new().alignment(alignment).baseline(Baseline::Alphabetic).build();
                // Bold is written twice.
                for shift in 0..=i32::from(*style == Style::Bold) {
                    let place = place + Point::new(shift, 0);
                    let Ok(_) = Text::with_text_style(text, place, character, placed).draw(self);
                }
            }
        }
    }

    fn line(&mut self, points: &[(f64, f64)], stroke: &super::drawing::Stroke) {
        let mut path = PathBuilder::new();
        for (place, (x, y)) in points.iter().enumerate() {
            let (x, y) = ((x * SCALE) as f32, (y * SCALE) as f32);
            if place == 0 { path.move_to(x, y) } else { path.line_to(x, y) }
        }
        let Some(path) = path.finish() else { return };
        let Colour(red, green, blue) = stroke.colour;
        let mut paint = Paint::default();
        paint.set_color_rgba8(red, green, blue, 255);
        let dash = DASH.map(|length| (length * SCALE) as f32).to_vec();
        let stroke = Stroke {
            width: (stroke.width * SCALE) as f32,
            line_cap: LineCap::Butt,
            line_join: LineJoin::Round,
            dash: if stroke.is_dashed { StrokeDash::new(dash, 0.0) } else { None },
            ..Stroke::default()
        };
        self.0.stroke_path(&path, &paint, &stroke, Transform::identity(), None);
    }
}

impl OriginDimensions for Sheet {
    fn size(&self) -> Size {
        Size::new(self.0.width(), self.0.height())
    }
}

impl DrawTarget for Sheet {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        let (width, height) = (self.0.width(), self.0.height());
        for Pixel(Point { x, y }, colour) in pixels {
            let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else { continue };
            let colour = PremultipliedColorU8::from_rgba(colour.r(), colour.g(), colour.b(), 255);
            if x < width
                && y < height
                && let Some(colour) = colour
            {
                self.0.pixels_mut()[(y * width + x) as usize] = colour;
            }
        }
        Ok(())
    }
}

/// Pixels of the file in one of the drawing.
const SCALE: f64 = 2.0;

/// Pixels of a side.
const MOST: u32 = 8_192;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_a_line_and_a_text_on_it() {
        let mut drawing = Drawing::new(60.0, 20.0);
        let blank = png(&drawing);
        let stroke = super::super::drawing::Stroke { colour: Colour(255, 0, 0), width: 2.0, is_dashed: false };
        drawing.line(vec![(0.0, 18.0), (60.0, 18.0)], stroke);
        drawing.text((0.0, 12.0), Anchor::Start, Style::Plain, "ä <b> \u{1b}日");
        let read = Pixmap::decode_png(&png(&drawing)).unwrap();
        assert_eq!((read.width(), read.height()), (120, 40));
        let of = |x: u32, y: u32| read.pixel(x, y).map(|pixel| (pixel.red(), pixel.green(), pixel.blue()));
        assert_eq!((of(60, 36), of(60, 30)), (Some((255, 0, 0)), Some((255, 255, 255))));
        let dark = (0..24).flat_map(|y| (0..60).map(move |x| (x, y))).filter(|(x, y)| of(*x, *y) == Some((34, 34, 34)));
        assert!(dark.count() > 40);
        assert_ne!(png(&drawing), blank);
        assert_eq!(png(&drawing), png(&drawing));
    }
}
