//! Fonts: what text a character code stands for, and how wide it is.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use encoding_rs::{BIG5, EUC_JP, EUC_KR, Encoding, GB18030, SHIFT_JIS, UTF_16BE};
use hayro_cmap::{BfString, CMap, CidFamily, load_embedded};
use hayro_font::{CMapResolverFn, Font, FontCache, FontGlyph, FontQuery, FontResolverFn};
use hayro_syntax::object::{Array, Dict, Name, ObjectIdentifier, String as PdfString};

/// Longest range of a width array that is believed: codes are 16 bits wide, and each code costs memory.
const LONGEST_RANGE: u32 = 65_536;

/// All fonts of a document, each loaded once.
pub(super) struct Fonts<'a> {
    cache: FontCache<'a>,
    fonts: FontResolverFn,
    cmaps: CMapResolverFn,
    loaded: HashMap<ObjectIdentifier, Option<Rc<LoadedFont<'a>>>>,
}

impl<'a> Fonts<'a> {
    pub(super) fn new() -> Self {
        Self {
            cache: FontCache::new(),
            fonts: Arc::new(|query| match query {
                FontQuery::Standard(font) => Some(font.get_font_data()),
                FontQuery::Fallback(query) => Some(query.pick_standard_font().get_font_data()),
            }),
            cmaps: Arc::new(load_embedded),
            loaded: HashMap::new(),
        }
    }

    /// The font of a dictionary; `None` when it cannot be read.
    pub(super) fn load(&mut self, dict: &Dict<'a>) -> Option<Rc<LoadedFont<'a>>> {
        let Some(id) = dict.obj_id() else { return self.read(dict) };
        if let Some(font) = self.loaded.get(&id) {
            return font.clone();
        }
        let font = self.read(dict);
        self.loaded.insert(id, font.clone());
        font
    }

    fn read(&self, dict: &Dict<'a>) -> Option<Rc<LoadedFont<'a>>> {
        if !has_sane_widths(dict) {
            return None;
        }
        let font = self.cache.font(dict, &self.fonts, &self.cmaps)?;
        Some(Rc::new(LoadedFont::new(font, dict)))
    }
}

/// What one code shows.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    /// Its text; empty when it is not known.
    pub(super) text: Rc<str>,
    /// Thousandths of the font size, along the line.
    pub(super) advance: f64,
}

/// A font with the text of its codes.
pub(super) struct LoadedFont<'a> {
    font: Font<'a>,
    fallback: Fallback,
    /// Its glyphs are drawings: without names that mean anything, the codes are the best guess.
    drawn: bool,
    composite: bool,
    pub(super) bold: bool,
    pub(super) mono: bool,
    pub(super) horizontal: bool,
    codes: RefCell<HashMap<(u32, u8), Shown>>,
}

/// How codes become text when the font has no map of its own.
enum Fallback {
    None,
    /// The code is text in a character encoding, as with the CMaps `GBK-EUC-H` and `UniGB-UCS2-H`.
    Encoded(&'static Encoding),
    /// The code is a glyph number of one of Adobe's collections.
    Collection(Box<CMap>),
}

impl<'a> LoadedFont<'a> {
    fn new(font: Font<'a>, dict: &Dict<'a>) -> Self {
        let name = dict.get::<Name<'_>>(b"BaseFont").map(|name| name.as_str().to_ascii_lowercase()).unwrap_or_default();
        let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
        Self {
            horizontal: font.is_horizontal(),
            fallback: Fallback::of(dict),
            composite: dict.contains_key(b"DescendantFonts"),
            drawn: dict.get::<Name<'_>>(b"Subtype").is_some_and(|kind| kind.as_str() == "Type3"),
            bold: has(&["bold", "black", "heavy", "demi", "simhei"]),
            mono: has(&["mono", "courier", "consol", "menlo", "typewriter", "cmtt", "fixed", "sourcecode"]),
            font,
            codes: RefCell::new(HashMap::new()),
        }
    }

    /// Whether its codes are usually of two bytes.
    pub(super) fn is_composite(&self) -> bool {
        self.composite
    }

    /// The code at `offset` and how many bytes it takes, at least one.
    pub(super) fn read_code(&self, bytes: &[u8], offset: usize) -> (u32, u8) {
        let (code, length) = self.font.read_code(bytes, offset);
        (code, u8::try_from(length.max(1)).unwrap_or(1))
    }

    pub(super) fn show(&self, code: u32, length: u8) -> Shown {
        if let Some(shown) = self.codes.borrow().get(&(code, length)) {
            return shown.clone();
        }
        let advance = self.font.code_advance(code);
        let advance = if self.horizontal { advance.x } else { advance.y };
        let text = self.fallback.first(code, length).or_else(|| self.own(code));
        let text = text.or_else(|| self.fallback.last(code)).or_else(|| self.code_as_text(code));
        let shown = Shown { text: text.unwrap_or_default().into(), advance };
        self.codes.borrow_mut().insert((code, length), shown.clone());
        shown
    }

    fn code_as_text(&self, code: u32) -> Option<String> {
        let letter = u8::try_from(code).ok().filter(|byte| self.drawn && (0x20..0x7f).contains(byte))?;
        Some(String::from(char::from(letter)))
    }

    /// The text by the font's ToUnicode map or its glyph names.
    fn own(&self, code: u32) -> Option<String> {
        let found = match self.font.glyph(self.font.map_code(code), code) {
            FontGlyph::Outline(glyph) => glyph.as_unicode(),
            FontGlyph::Type3(glyph) => glyph.as_unicode(),
        };
        usable(found?)
    }
}

impl Fallback {
    fn of(dict: &Dict<'_>) -> Self {
        if let Some(name) = dict.get::<Name<'_>>(b"Encoding")
            && let Some(encoding) = encoding_of(name.as_str())
            && !dict.contains_key(b"ToUnicode")
        {
            return Self::Encoded(encoding);
        }
        let descendant = dict.get::<Array<'_>>(b"DescendantFonts").and_then(|fonts| fonts.iter::<Dict<'_>>().next());
        let system = descendant.and_then(|font| font.get::<Dict<'_>>(b"CIDSystemInfo"));
        let collection = system.and_then(|info| {
            let (registry, ordering) =
                (info.get::<PdfString<'_>>(b"Registry")?, info.get::<PdfString<'_>>(b"Ordering")?);
            CidFamily::from_registry_ordering(registry.as_bytes(), ordering.as_bytes()).ucs2_cmap()
        });
        let map = collection.and_then(load_embedded).and_then(|data| CMap::parse(data, load_embedded));
        map.map_or(Self::None, |map| Self::Collection(Box::new(map)))
    }

    /// Text that is surer than what the font says.
    fn first(&self, code: u32, length: u8) -> Option<String> {
        let Self::Encoded(encoding) = self else { return None };
        let bytes = code.to_be_bytes();
        let bytes = bytes.get(4 - usize::from(length.min(4))..)?;
        let (text, errors) = encoding.decode_without_bom_handling(bytes);
        (!errors).then(|| text.into_owned())
    }

    fn last(&self, code: u32) -> Option<String> {
        let Self::Collection(map) = self else { return None };
        usable(map.lookup_bf_string(code)?)
    }
}

/// The character encoding behind a predefined CMap (ISO 32000-1, table 118).
fn encoding_of(cmap: &str) -> Option<&'static Encoding> {
    let stem = cmap.strip_suffix("-H").or_else(|| cmap.strip_suffix("-V"))?;
    match stem {
        "GB-EUC" | "GBpc-EUC" | "GBK-EUC" | "GBKp-EUC" | "GBK2K" => Some(GB18030),
        "B5pc" | "HKscs-B5" | "ETen-B5" | "ETenms-B5" => Some(BIG5),
        "90ms-RKSJ" | "90msp-RKSJ" | "90pv-RKSJ" | "83pv-RKSJ" | "Add-RKSJ" | "Ext-RKSJ" => Some(SHIFT_JIS),
        "EUC" => Some(EUC_JP),
        "KSC-EUC" | "KSCms-UHC" | "KSCms-UHC-HW" | "KSCpc-EUC" => Some(EUC_KR),
        _ if stem.starts_with("Uni") && (stem.contains("UCS2") || stem.contains("UTF16")) => Some(UTF_16BE),
        _ => None,
    }
}

/// Maps of subset fonts give control characters or private ones for glyphs they do not know.
fn usable(found: BfString) -> Option<String> {
    let text = match found {
        BfString::Char(c) => String::from(c),
        BfString::String(text) => text,
    };
    let good = |c: char| !c.is_control() && !matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{fffd}');
    let blank = text.chars().all(|c| matches!(c, '\t' | '\n' | '\r'));
    if blank { Some(" ".to_owned()) } else { text.chars().all(good).then_some(text) }
}

/// Width arrays give ranges of codes: one range of four thousand million is a few bytes.
fn has_sane_widths(dict: &Dict<'_>) -> bool {
    let Some(fonts) = dict.get::<Array<'_>>(b"DescendantFonts") else { return true };
    let Some(font) = fonts.iter::<Dict<'_>>().next() else { return true };
    [(&b"W"[..], 1), (&b"W2"[..], 3)].into_iter().all(|(key, values)| {
        let Some(array) = font.get::<Array<'_>>(key) else { return true };
        let mut items = array.flex_iter();
        loop {
            if items.next::<(u32, Array<'_>)>().is_some() {
                continue;
            }
            let Some((first, last)) = items.next::<(u32, u32)>() else { return true };
            if last.saturating_sub(first) > LONGEST_RANGE {
                return false;
            }
            for _ in 0..values {
                if items.next::<f32>().is_none() {
                    return true;
                }
            }
        }
    })
}
