//! Excel files from before 2007: a page and a heading per visible sheet, its cells as Excel shows them.
//!
//! Read here for the reasons that xlsx is: a spreadsheet library gives the stored number where a person sees a date or a
//! percentage, and makes room for as many cells as the file claims to have. The records are those of [MS-XLS].

use std::collections::HashMap;

use encoding_rs::Encoding;

use crate::builder::Builder;
use crate::xlsx::styles::Styles;
use crate::{Document, Format, Limits, ParseError};

mod cells;
mod record;
mod strings;

use record::{Record, Records};

/// What cells need to be shown.
struct Book {
    /// Strings are of two kinds: counted in bytes of a code page (Excel 5 and 95), or Unicode (97 and later).
    is_unicode: bool,
    code_page: &'static Encoding,
    strings: Vec<String>,
    styles: Styles,
    /// Days are counted from 1904, as on old Macs.
    from_1904: bool,
}

struct SheetName {
    name: String,
    /// Where its records begin in the stream.
    at: usize,
    visible: bool,
}

/// Reads the workbook's stream.
pub(crate) fn parse(stream: &[u8], limits: &Limits) -> Result<Document, ParseError> {
    let (book, sheets) = read_globals(stream, limits)?;
    limits.check("max_pages", sheets.len(), limits.max_pages)?;
    let mut builder = Builder::new(limits);
    let mut filled = false;
    for (index, sheet) in sheets.iter().enumerate().filter(|(_, sheet)| sheet.visible) {
        builder.page(index + 1)?;
        builder.heading(1, &sheet.name)?;
        filled |= cells::read(stream.get(sheet.at..).unwrap_or_default(), &book, &mut builder)?;
    }
    if !filled {
        return Err(ParseError::NoText);
    }
    builder.finish(Format::Xls, Some(sheets.len()), ParseError::NoText)
}

/// The records before the first sheet: strings, styles, the names of the sheets.
fn read_globals(stream: &[u8], limits: &Limits) -> Result<(Book, Vec<SheetName>), ParseError> {
    let mut records = Records::new(stream);
    let first = records.next().filter(|record| record.kind == record::BOF);
    let is_unicode = match first.and_then(|record| record.u16(0)) {
        Some(0x0600) => true,
        Some(0x0500) => false,
        _ => return Err(ParseError::broken("it does not begin as an Excel workbook")),
    };
    let mut book = Book {
        is_unicode,
        code_page: encoding_rs::WINDOWS_1252,
        strings: Vec::new(),
        styles: Styles::default(),
        from_1904: false,
    };
    let (mut sheets, mut custom, mut formats) = (Vec::new(), HashMap::new(), Vec::new());
    let mut ended = false;
    while let Some(record) = records.next() {
        match record.kind {
            record::FILE_PASS => return Err(ParseError::Encrypted),
            record::CODE_PAGE => book.code_page = code_page(record.u16(0).unwrap_or_default()),
            record::DATE_MODE => book.from_1904 = record.u16(0) == Some(1),
            record::FORMAT => {
                let code = if is_unicode { book.long_string(&record, 2) } else { book.short_string(&record, 2) };
                custom.insert(record.u16(0).unwrap_or_default(), code);
            }
            record::XF => formats.push(record.u16(2).unwrap_or_default()),
            record::SHEET => sheets.extend(book.sheet_name(&record)),
            record::STRINGS => book.strings = strings::read(&record, records.continued(), limits)?,
            record::EOF => {
                ended = true;
                break;
            }
            _ => {}
        }
    }
    if !ended {
        return Err(ParseError::broken("the workbook ends early"));
    }
    book.styles = Styles::of(&formats, &custom);
    Ok((book, sheets))
}

impl Book {
    /// A worksheet's name; charts, macros and dialogs have no cells.
    fn sheet_name(&self, record: &Record<'_>) -> Option<SheetName> {
        let (state, kind) = (record.u8(4)?, record.u8(5)?);
        let at = usize::try_from(record.u32(0)?).ok()?;
        let name = self.short_string(record, 6);
        (kind == 0).then_some(SheetName { name, at, visible: state & 3 == 0 })
    }

    /// A string whose length is one byte.
    fn short_string(&self, record: &Record<'_>, at: usize) -> String {
        self.string(record, usize::from(record.u8(at).unwrap_or_default()), at + 1)
    }

    /// A string whose length is two bytes.
    fn long_string(&self, record: &Record<'_>, at: usize) -> String {
        self.string(record, usize::from(record.u16(at).unwrap_or_default()), at + 2)
    }

    fn string(&self, record: &Record<'_>, length: usize, at: usize) -> String {
        let rest = record.data.get(at..).unwrap_or_default();
        if !self.is_unicode {
            return self.code_page.decode_without_bom_handling(cut(rest, length)).0.into_owned();
        }
        match rest.split_first() {
            Some((flags, rest)) if flags & 1 == 0 => cut(rest, length).iter().copied().map(char::from).collect(),
            Some((_, rest)) => encoding_rs::UTF_16LE.decode_without_bom_handling(cut(rest, length * 2)).0.into_owned(),
            None => String::new(),
        }
    }
}

/// At most the first `length` bytes.
fn cut(bytes: &[u8], length: usize) -> &[u8] {
    bytes.get(..length.min(bytes.len())).unwrap_or_default()
}

/// Windows' number of a code page, where the web's name for it is not `windows-` and the number.
pub(crate) fn code_page(number: u16) -> &'static Encoding {
    match number {
        932 => encoding_rs::SHIFT_JIS,
        936 | 54936 => encoding_rs::GB18030,
        949 => encoding_rs::EUC_KR,
        950 => encoding_rs::BIG5,
        10000 => encoding_rs::MACINTOSH,
        65001 => encoding_rs::UTF_8,
        866 => encoding_rs::IBM866,
        number => Encoding::for_label(format!("windows-{number}").as_bytes()).unwrap_or(encoding_rs::WINDOWS_1252),
    }
}
