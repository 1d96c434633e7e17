//! Which code page the bytes of a font are in.

use std::borrow::Cow;
use std::collections::HashMap;

use encoding_rs::{Encoding, WINDOWS_1252};

use crate::xls::code_page;

/// The fonts of a file.
pub(super) struct Fonts {
    charsets: HashMap<i32, &'static Encoding>,
    /// Of the file as a whole.
    page: &'static Encoding,
    /// The font of text that names none.
    pub(super) usual: i32,
}

impl Default for Fonts {
    fn default() -> Self {
        Self { charsets: HashMap::new(), page: WINDOWS_1252, usual: 0 }
    }
}

impl Fonts {
    pub(super) fn set_code_page(&mut self, number: i32) {
        self.page = code_page(u16::try_from(number).unwrap_or_default());
    }

    /// Windows' character sets; 0 and 1 say no more than the file does.
    pub(super) fn set_charset(&mut self, font: i32, charset: i32) {
        let page = match charset {
            77 => 10000,
            128 => 932,
            129 => 949,
            134 => 936,
            136 => 950,
            161 => 1253,
            162 => 1254,
            163 => 1258,
            177 => 1255,
            178 => 1256,
            186 => 1257,
            204 => 1251,
            222 => 874,
            238 => 1250,
            _ => return,
        };
        self.charsets.insert(font, code_page(page));
    }

    pub(super) fn decode<'t>(&self, font: i32, bytes: &'t [u8]) -> Cow<'t, str> {
        let encoding = self.charsets.get(&font).copied().unwrap_or(self.page);
        let (text, errors) = encoding.decode_without_bom_handling(bytes);
        if !errors {
            return text;
        }
        // A font for Western letters in a Chinese file, or the other way round.
        let (other, errors) = self.page.decode_without_bom_handling(bytes);
        if errors { WINDOWS_1252.decode_without_bom_handling(bytes).0 } else { other }
    }
}
