use super::super::content::Glyph;
use super::super::line::pieces;
use super::*;
use hayro_font::kurbo::{Point, Vec2};

/// Ten-point type, five points a letter.
fn glyphs(text: &str, x: f64, y: f64) -> Vec<Glyph> {
    let glyph = |(index, c): (usize, char)| Glyph {
        text: c.to_string().into(),
        origin: Point::new(x + index as f64 * 5.0, y),
        advance: Vec2::new(5.0, 0.0),
        size: 10.0,
        bold: false,
        mono: false,
    };
    text.chars().enumerate().map(glyph).collect()
}

fn read(glyphs: &[Glyph]) -> Vec<String> {
    lines(pieces(glyphs, 600.0, 800.0)).into_iter().map(|line| line.piece.text).collect()
}

const LEFT: &str = "left column running text number";
const RIGHT: &str = "right column running text number";

#[test]
fn columns_drawn_one_after_the_other_stay_so() {
    let mut page = Vec::new();
    for (text, x) in [(LEFT, 50.0), (RIGHT, 310.0)] {
        for row in 0..8 {
            page.extend(glyphs(&format!("{text} {row}"), x, 100.0 + f64::from(row) * 12.0));
        }
    }
    let lines = read(&page);
    assert_eq!(lines.len(), 16);
    assert_eq!(
        (lines[7].as_str(), lines[8].as_str()),
        ("left column running text number 7", "right column running text number 0")
    );
}

#[test]
fn columns_drawn_in_disorder_are_put_in_order_and_a_title_stays_on_top() {
    let mut page = Vec::new();
    for row in (0..10).rev() {
        let y = 100.0 + f64::from(row) * 12.0;
        page.extend(glyphs(&format!("{RIGHT} {row}"), 310.0, y));
        page.extend(glyphs(&format!("{LEFT} {row}"), 50.0, y));
    }
    page.extend(glyphs("A title that runs over both of the columns, as titles do here", 150.0, 60.0));
    let lines = read(&page);
    assert!(lines[0].starts_with("A title"));
    assert_eq!(lines[1], "left column running text number 0");
    assert_eq!(lines[11], "right column running text number 0");
}

#[test]
fn cells_of_a_row_are_one_line_and_words_are_spaced_by_gaps() {
    let mut page = glyphs("Item", 50.0, 100.0);
    page.extend(glyphs("Price", 200.0, 100.0));
    page.extend(glyphs("two", 50.0, 112.0));
    page.extend(glyphs("words", 67.5, 112.0));
    assert_eq!(read(&page), ["Item Price", "two words"]);
}

#[test]
fn turned_text_is_read_and_slanted_text_is_not() {
    let mut page = glyphs("upright", 50.0, 100.0);
    for (index, c) in "turned".chars().enumerate() {
        let along = index as f64 * 5.0;
        page.push(Glyph {
            origin: Point::new(30.0, 300.0 - along),
            advance: Vec2::new(0.0, -5.0),
            ..glyphs(&c.to_string(), 0.0, 0.0).remove(0)
        });
        page.push(Glyph {
            origin: Point::new(300.0 + along, 300.0 - along),
            advance: Vec2::new(4.0, -4.0),
            ..glyphs("X", 0.0, 0.0).remove(0)
        });
    }
    assert_eq!(read(&page), ["upright", "turned"]);
}
