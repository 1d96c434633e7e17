//! Content streams: where each glyph of a page stands.

use std::collections::HashMap;
use std::rc::Rc;

use hayro_font::kurbo::{Affine, Point, Vec2};
use hayro_syntax::content::TypedIter;
use hayro_syntax::content::ops::TypedInstruction;
use hayro_syntax::object::{Array, Dict, Name, Object, Stream, String as PdfString};
use hayro_syntax::page::{Page, Resources};

use super::font::{Fonts, LoadedFont};
use crate::{Limits, ParseError};

/// Forms within forms; viewers stop at about as many.
const DEEPEST_FORM: usize = 16;

/// Saved graphics states; real pages stay below fifty.
const MOST_STATES: usize = 512;

/// One glyph, in points from the upper left corner of the page as it is shown.
#[derive(Debug, Clone)]
pub(crate) struct Glyph {
    pub(crate) text: Rc<str>,
    pub(crate) origin: Point,
    /// From its origin to that of the next.
    pub(crate) advance: Vec2,
    pub(crate) size: f64,
    pub(crate) bold: bool,
    pub(crate) mono: bool,
}

/// Reads pages one after the other.
pub(super) struct Reader<'a, 'l> {
    limits: &'l Limits,
    fonts: Fonts<'a>,
    operators: u64,
    glyphs: Vec<Glyph>,
    /// Open marked content: replacement text, still to be shown or already shown.
    marks: Vec<Mark>,
}

enum Mark {
    Plain,
    /// The glyphs inside stand for this text, which is shown at the first of them.
    Replaced(Option<Rc<str>>),
}

#[derive(Clone)]
struct State<'a> {
    ctm: Affine,
    font: Option<Rc<LoadedFont<'a>>>,
    size: f64,
    char_space: f64,
    word_space: f64,
    stretch: f64,
    leading: f64,
    rise: f64,
}

impl State<'_> {
    /// The part of the character space that belongs to the glyphs of a string of so many bytes: letters set apart are
    /// one word, but programs that shrink files (Ghostscript) write the space between two words as that of two letters.
    fn tracking(&self, length: usize) -> f64 {
        let code = if self.font.as_ref().is_some_and(|font| font.is_composite()) { 2 } else { 1 };
        if length > 2 * code { self.char_space } else { self.char_space.min(0.0) }
    }

    /// The same for strings shown together: a number between them that takes the space back shows that it is no tracking.
    fn tracking_of(&self, texts: &Array<'_>) -> f64 {
        let mut length = 0;
        for item in texts.iter::<Object<'_>>() {
            match item {
                Object::String(text) => length += text.as_bytes().len(),
                Object::Number(by)
                    if self.char_space > 0.0 && by.as_f64() / 1000.0 * self.size > self.char_space * 0.5 =>
                {
                    return 0.0;
                }
                _ => {}
            }
        }
        self.tracking(length)
    }
}

/// The text matrices, which live from `BT` to `ET`.
#[derive(Clone, Copy)]
struct Cursor {
    matrix: Affine,
    line: Affine,
}

impl<'a, 'l> Reader<'a, 'l> {
    pub(super) fn new(limits: &'l Limits) -> Self {
        Self { limits, fonts: Fonts::new(), operators: 0, glyphs: Vec::new(), marks: Vec::new() }
    }

    /// The glyphs of a page, in the order they are drawn.
    ///
    /// # Errors
    /// `TooLarge` when the document draws without end.
    pub(super) fn page(&mut self, page: &Page<'a>) -> Result<Vec<Glyph>, ParseError> {
        let transform = page.initial_transform(true).as_coeffs();
        let state = State {
            ctm: Affine::new(transform),
            font: None,
            size: 1.0,
            char_space: 0.0,
            word_space: 0.0,
            stretch: 1.0,
            leading: 0.0,
            rise: 0.0,
        };
        self.marks.clear();
        self.run(page.typed_operations(), page.resources(), state, 0)?;
        Ok(std::mem::take(&mut self.glyphs))
    }

    fn run(
        &mut self,
        mut operators: TypedIter<'_>,
        resources: &Resources<'a>,
        mut state: State<'a>,
        depth: usize,
    ) -> Result<(), ParseError> {
        let mut saved = Vec::new();
        let mut cursor = Cursor { matrix: Affine::IDENTITY, line: Affine::IDENTITY };
        let mut fonts: HashMap<Vec<u8>, Option<Rc<LoadedFont<'a>>>> = HashMap::new();
        while let Some(operator) = operators.next() {
            self.count_operator()?;
            use TypedInstruction as Op;
            match operator {
                Op::SaveState(_) if saved.len() < MOST_STATES => saved.push(state.clone()),
                Op::RestoreState(_) => state = saved.pop().unwrap_or(state),
                Op::Transform(m) => {
                    let matrix = [&m.0, &m.1, &m.2, &m.3, &m.4, &m.5].map(|n| n.as_f64());
                    state.ctm *= Affine::new(matrix);
                }
                Op::BeginText(_) => cursor = Cursor { matrix: Affine::IDENTITY, line: Affine::IDENTITY },
                Op::TextFont(font) => {
                    state.size = font.1.as_f64();
                    let loaded = fonts.entry(font.0.as_ref().to_vec());
                    state.font =
                        loaded.or_insert_with(|| resources.get_font(font.0).and_then(|d| self.fonts.load(&d))).clone();
                }
                Op::SetTextMatrix(m) => {
                    let matrix = [&m.0, &m.1, &m.2, &m.3, &m.4, &m.5].map(|n| n.as_f64());
                    cursor = Cursor { matrix: Affine::new(matrix), line: Affine::new(matrix) };
                }
                Op::NextLine(by) => cursor.next_line(by.0.as_f64(), by.1.as_f64()),
                Op::NextLineAndSetLeading(by) => {
                    state.leading = -by.1.as_f64();
                    cursor.next_line(by.0.as_f64(), by.1.as_f64());
                }
                Op::NextLineUsingLeading(_) => cursor.next_line(0.0, -state.leading),
                Op::ShowText(text) => self.show_one(&state, &mut cursor, text.0),
                Op::ShowTexts(texts) => self.show_all(&state, &mut cursor, texts.0),
                Op::NextLineAndShowText(text) => {
                    cursor.next_line(0.0, -state.leading);
                    self.show_one(&state, &mut cursor, text.0);
                }
                Op::ShowTextWithParameters(text) => {
                    (state.word_space, state.char_space) = (text.0.as_f64(), text.1.as_f64());
                    cursor.next_line(0.0, -state.leading);
                    self.show_one(&state, &mut cursor, text.2);
                }
                Op::CharacterSpacing(space) => state.char_space = space.0.as_f64(),
                Op::WordSpacing(space) => state.word_space = space.0.as_f64(),
                Op::HorizontalScaling(scale) => state.stretch = scale.0.as_f64() / 100.0,
                Op::TextLeading(leading) => state.leading = leading.0.as_f64(),
                Op::TextRise(rise) => state.rise = rise.0.as_f64(),
                Op::XObject(name) if depth < DEEPEST_FORM => {
                    if let Some(stream) = resources.get_x_object(name.0) {
                        self.form(&stream, resources, &state, depth)?;
                    }
                }
                Op::BeginMarkedContentWithProperties(mark) => self.begin_mark(mark.1, resources),
                Op::BeginMarkedContent(_) => self.marks.push(Mark::Plain),
                Op::EndMarkedContent(_) => drop(self.marks.pop()),
                _ => {}
            }
        }
        Ok(())
    }

    fn count_operator(&mut self) -> Result<(), ParseError> {
        self.operators += 1;
        let allowed = self.limits.max_operators;
        if self.operators > allowed {
            return Err(ParseError::TooLarge { limit: "max_operators", allowed });
        }
        self.limits.check("max_page_glyphs", self.glyphs.len(), self.limits.max_page_glyphs)
    }

    fn form(
        &mut self,
        stream: &Stream<'a>,
        resources: &Resources<'a>,
        state: &State<'a>,
        depth: usize,
    ) -> Result<(), ParseError> {
        let dict = stream.dict();
        if dict.get::<Name<'_>>(b"Subtype").is_none_or(|kind| kind.as_str() != "Form") {
            return Ok(());
        }
        let Ok(content) = stream.decoded_data() else { return Ok(()) };
        let own = dict.get::<Dict<'a>>(b"Resources").map(Resources::new);
        let mut inner = state.clone();
        if let Some(matrix) = dict.get::<[f64; 6]>(b"Matrix") {
            inner.ctm *= Affine::new(matrix);
        }
        self.run(TypedIter::new(&content), own.as_ref().unwrap_or(resources), inner, depth + 1)
    }

    fn begin_mark(&mut self, properties: &Object<'_>, resources: &Resources<'a>) {
        let dict = match properties {
            Object::Dict(dict) => Some(dict.clone()),
            Object::Name(name) => resources.properties.get::<Dict<'_>>(name.as_ref()),
            _ => None,
        };
        let text = dict
            .and_then(|dict| dict.get::<PdfString<'_>>(b"ActualText"))
            .map(|text| super::text_string(text.as_bytes()));
        self.marks.push(text.map_or(Mark::Plain, |text| Mark::Replaced(Some(text.into()))));
    }

    fn show_all(&mut self, state: &State<'a>, cursor: &mut Cursor, texts: &Array<'_>) {
        let horizontal = state.font.as_ref().is_none_or(|font| font.horizontal);
        let tracking = state.tracking_of(texts);
        for item in texts.iter::<Object<'_>>() {
            match item {
                Object::String(text) => self.show(state, cursor, text.as_bytes(), tracking),
                Object::Number(number) => {
                    let by = -number.as_f64() / 1000.0 * state.size;
                    cursor.advance(if horizontal { Vec2::new(by * state.stretch, 0.0) } else { Vec2::new(0.0, by) });
                }
                _ => {}
            }
        }
    }

    fn show_one(&mut self, state: &State<'a>, cursor: &mut Cursor, text: &PdfString<'_>) {
        self.show(state, cursor, text.as_bytes(), state.tracking(text.as_bytes().len()));
    }

    /// Draws a string whose glyphs are each `tracking` wider than the font says.
    fn show(&mut self, state: &State<'a>, cursor: &mut Cursor, bytes: &[u8], tracking: f64) {
        let Some(font) = state.font.clone() else { return };
        let step = |length: f64| {
            if font.horizontal { Vec2::new(length * state.stretch, 0.0) } else { Vec2::new(0.0, length) }
        };
        let mut offset = 0;
        while offset < bytes.len() {
            let (code, length) = font.read_code(bytes, offset);
            offset += usize::from(length);
            let shown = font.show(code, length);
            let word_space = if code == 32 && length == 1 { state.word_space } else { 0.0 };
            let width = shown.advance / 1000.0 * state.size;
            let text = self.replaced(shown.text);
            self.place(state, cursor, &font, text, step(width + tracking));
            cursor.advance(step(width + state.char_space + word_space));
        }
    }

    /// The text of a glyph, by the marked content around it.
    fn replaced(&mut self, text: Rc<str>) -> Rc<str> {
        let replacement = self.marks.iter_mut().find_map(|mark| match mark {
            Mark::Replaced(text) => Some(text.take()),
            Mark::Plain => None,
        });
        match replacement {
            Some(replacement) => replacement.unwrap_or_else(|| Rc::from("")),
            None => text,
        }
    }

    fn place(&mut self, state: &State<'a>, cursor: &Cursor, font: &LoadedFont<'a>, text: Rc<str>, step: Vec2) {
        let transform = state.ctm * cursor.matrix;
        let [a, b, c, d, ..] = transform.as_coeffs();
        // Vertical glyphs stand centred on their line; half a size to the left is close enough to sort them.
        let start = Point::new(0.0, state.rise);
        let origin = transform * start;
        let advance = Vec2::new(a * step.x + c * step.y, b * step.x + d * step.y);
        let size = state.size.abs() * if font.horizontal { c.hypot(d) } else { a.hypot(b) };
        if text.is_empty()
            || !origin.is_finite()
            || !advance.x.is_finite()
            || !advance.y.is_finite()
            || !size.is_finite()
        {
            return;
        }
        self.glyphs.push(Glyph { text, origin, advance, size, bold: font.bold, mono: font.mono });
    }
}

impl Cursor {
    fn next_line(&mut self, x: f64, y: f64) {
        self.line *= Affine::translate((x, y));
        self.matrix = self.line;
    }

    fn advance(&mut self, step: Vec2) {
        self.matrix *= Affine::translate(step);
    }
}
