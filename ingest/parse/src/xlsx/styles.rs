//! `xl/styles.xml`: the number format of each cell style.

use std::collections::HashMap;

use super::date::{self, DateFormat};
use super::number::NumberFormat;
use crate::xml::{Node, Xml};
use crate::{Limits, ParseError};

/// How a number is shown.
#[derive(Debug, Clone)]
enum Shown {
    General,
    Date(DateFormat),
    Number(Box<NumberFormat>),
}

/// The formats of the cell styles, by index.
#[derive(Debug, Default)]
pub(crate) struct Styles {
    cells: Vec<Shown>,
}

impl Styles {
    pub(super) fn read(bytes: Option<Vec<u8>>, limits: &Limits) -> Result<Self, ParseError> {
        let bytes = bytes.unwrap_or_default();
        let mut xml = Xml::new(&bytes, limits);
        let mut custom = HashMap::new();
        let mut styles = Self::default();
        let mut in_cells = false;
        loop {
            match xml.next()? {
                Node::Open(tag) => match tag.name().as_str() {
                    "numFmt" => {
                        drop(custom.insert(tag.number("numFmtId"), tag.attribute("formatCode").unwrap_or_default()))
                    }
                    "cellXfs" => in_cells = true,
                    "xf" if in_cells => {
                        let id = tag.number("numFmtId");
                        let code = custom.get(&id).map(String::as_str).or_else(|| built_in(id.unwrap_or(0)));
                        styles.cells.push(shown(code.unwrap_or("General")));
                    }
                    _ => {}
                },
                Node::Close(name) if name.as_str() == "cellXfs" => in_cells = false,
                Node::End => return Ok(styles),
                _ => {}
            }
        }
    }

    /// From the number formats of the cell styles, each a built-in's number or the code of its own.
    pub(crate) fn of(formats: &[u16], custom: &HashMap<u16, String>) -> Self {
        let code = |id: &u16| custom.get(id).map(String::as_str).or_else(|| built_in(i64::from(*id)));
        Self { cells: formats.iter().map(|id| shown(code(id).unwrap_or("General"))).collect() }
    }

    /// A stored number as the cell's style shows it.
    pub(crate) fn show(&self, style: usize, value: f64, from_1904: bool) -> String {
        match self.cells.get(style) {
            Some(Shown::Date(format)) => format.show(value, from_1904).unwrap_or_else(|| general(value)),
            Some(Shown::Number(format)) => format.show(value),
            Some(Shown::General) | None => general(value),
        }
    }
}

/// Fifteen significant digits, which is all Excel keeps: 0.1 + 0.2 is shown as 0.3.
pub(super) fn general(value: f64) -> String {
    let rounded: f64 = format!("{value:.14e}").parse().unwrap_or(value);
    let size = rounded.abs();
    if size != 0.0 && !(1e-9..1e21).contains(&size) { format!("{rounded:E}") } else { format!("{rounded}") }
}

fn shown(code: &str) -> Shown {
    let first = code.split(';').next().unwrap_or_default();
    if code.eq_ignore_ascii_case("general") || code == "@" || code.is_empty() {
        Shown::General
    } else if date::is_date(first) {
        Shown::Date(DateFormat::new(first))
    } else {
        Shown::Number(Box::new(NumberFormat::new(code)))
    }
}

/// The formats that files name by number only (ECMA-376 part 1, 18.8.30). Short dates are written as ISO 8601: their
/// real order depends on the reader's country, and 3/2/2026 is two days. 27 and up are those of Chinese Excel.
fn built_in(id: i64) -> Option<&'static str> {
    Some(match id {
        1 => "0",
        2 => "0.00",
        3 => "#,##0",
        4 => "#,##0.00",
        5..=8 | 41 | 42 => "#,##0",
        9 => "0%",
        10 => "0.00%",
        11 => "0.00E+00",
        14 | 30 => "yyyy-mm-dd",
        15 => "d-mmm-yy",
        16 => "d-mmm",
        17 => "mmm-yy",
        18 => "h:mm AM/PM",
        19 => "h:mm:ss AM/PM",
        20 => "h:mm",
        21 => "h:mm:ss",
        22 => "yyyy-mm-dd h:mm",
        27 | 36 | 50 | 52 | 57 => "yyyy\"年\"m\"月\"",
        28 | 29 | 51 | 53 | 54 | 58 => "m\"月\"d\"日\"",
        31 => "yyyy\"年\"m\"月\"d\"日\"",
        32 | 34 | 55 => "h\"时\"mm\"分\"",
        33 | 35 | 56 => "h\"时\"mm\"分\"ss\"秒\"",
        37 | 38 => "#,##0",
        39 | 40 | 43 | 44 => "#,##0.00",
        45 => "mm:ss",
        46 => "[h]:mm:ss",
        47 => "mm:ss.0",
        48 => "0.0E+0",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn general_numbers_have_no_noise() {
        let shown = [0.1 + 0.2, 1200.0, -3.25, 46083.0, 1e25].map(general).join(" ");
        assert_eq!(shown, "0.3 1200 -3.25 46083 1E25");
    }
}
