//! Text to paragraphs, headings, list items and rows.

use super::Reader;
use super::state::Destination;
use crate::ParseError;
use crate::table::Table;

/// The table being read.
#[derive(Default)]
pub(super) struct Rows {
    table: Option<Table>,
    cells: Vec<String>,
    /// Of each cell of the row, whether it goes on from the one above.
    continued: Vec<bool>,
    continues: bool,
    above: Vec<String>,
}

impl Reader<'_, '_> {
    /// Words of the text itself.
    pub(super) fn in_text(&mut self, word: &str, number: Option<i32>) -> Result<(), ParseError> {
        match word {
            "par" | "sect" if self.state.in_table => self.text.push('\n'),
            "par" | "sect" | "page" => self.paragraph()?,
            "line" | "softline" => self.text.push('\n'),
            "tab" | "nestcell" => self.text.push('\t'),
            "nestrow" => self.text.push('\n'),
            "cell" => {
                let cell = std::mem::take(&mut self.text);
                self.rows.cells.push(cell);
                self.marker = None;
            }
            "row" => self.row()?,
            "pard" => {
                (self.state.in_table, self.state.outline, self.state.style, self.state.level) = (false, None, 0, 0);
            }
            "intbl" => self.state.in_table = true,
            "trowd" => self.rows.continued.clear(),
            "clvmrg" => self.rows.continues = true,
            "cellx" => {
                let continues = std::mem::take(&mut self.rows.continues);
                if self.rows.continued.len() < 256 {
                    self.rows.continued.push(continues);
                }
            }
            "s" => self.state.style = number.unwrap_or_default(),
            "outlinelevel" => self.state.outline = number.and_then(|level| usize::try_from(level).ok()),
            "ilvl" => self.state.level = number.and_then(|level| usize::try_from(level).ok()).unwrap_or(0),
            "deff" => {
                self.fonts.usual = number.unwrap_or_default();
                self.state.font = self.fonts.usual;
            }
            "ansicpg" => self.fonts.set_code_page(number.unwrap_or_default()),
            "chftn" => self.text.push_str(&format!("[{}]", self.notes + 1)),
            _ => self.everywhere(word, number),
        }
        Ok(())
    }

    pub(super) fn end_group(&mut self) -> Result<(), ParseError> {
        let Some(outer) = self.saved.pop() else { return Ok(()) };
        let inner = std::mem::replace(&mut self.state, outer);
        self.passed = 0;
        self.ignorable = false;
        if inner.destination == Destination::Styles {
            let name = std::mem::take(&mut self.aside);
            if let Some(level) = heading_level(&name, inner.outline) {
                self.levels.insert(inner.style, level);
            }
        }
        if inner.destination == self.state.destination {
            return Ok(());
        }
        let aside = match inner.destination {
            Destination::Text | Destination::Nowhere => return Ok(()),
            _ => std::mem::take(&mut self.aside),
        };
        match inner.destination {
            Destination::Title => self.builder.title(&aside),
            Destination::Marker => self.marker = Some(aside.trim().to_owned()),
            Destination::Note => {
                self.notes += 1;
                self.attached.push(format!("[{}] {}", self.notes, aside.trim()));
            }
            Destination::Comment => self.attached.push(format!("[comment] {}", aside.trim())),
            _ => {}
        }
        Ok(())
    }

    /// Ends the file.
    pub(super) fn end(&mut self) -> Result<(), ParseError> {
        if !self.rows.cells.is_empty() {
            self.row()?;
        }
        self.paragraph()?;
        self.end_table()
    }

    fn paragraph(&mut self) -> Result<(), ParseError> {
        let text = std::mem::take(&mut self.text);
        let marker = self.marker.take().filter(|marker| !marker.is_empty());
        if !text.trim().is_empty() {
            self.end_table()?;
            let level = self.state.outline.or_else(|| self.levels.get(&self.state.style).copied());
            match (level, marker) {
                (Some(level), Some(marker)) => self.builder.heading(level + 1, &format!("{marker} {text}"))?,
                (Some(level), None) => self.builder.heading(level + 1, &text)?,
                (None, Some(marker)) => self.builder.list_item(self.state.level, shown(&marker), &text)?,
                (None, None) => self.builder.paragraph(&text)?,
            }
        }
        self.notes_of_it()
    }

    fn notes_of_it(&mut self) -> Result<(), ParseError> {
        for note in std::mem::take(&mut self.attached) {
            self.builder.paragraph(&note)?;
        }
        Ok(())
    }

    fn row(&mut self) -> Result<(), ParseError> {
        let mut cells = std::mem::take(&mut self.rows.cells);
        for (at, cell) in cells.iter_mut().enumerate() {
            let continued = self.rows.continued.get(at).copied().unwrap_or_default();
            if let Some(above) = self.rows.above.get(at).filter(|_| continued && cell.trim().is_empty()) {
                cell.clone_from(above);
            }
        }
        self.rows.above.clone_from(&cells);
        self.text.clear();
        self.rows.table.get_or_insert_default().row(self.builder, cells)
    }

    fn end_table(&mut self) -> Result<(), ParseError> {
        self.rows.above.clear();
        match self.rows.table.take() {
            Some(mut table) => {
                table.finish(self.builder)?;
                self.notes_of_it()
            }
            None => Ok(()),
        }
    }
}

/// A bullet from a font of bullets is one like any other.
fn shown(marker: &str) -> &str {
    if marker.chars().any(char::is_alphanumeric) { marker } else { "-" }
}

/// The depth from 0 of the headings of a style, by its outline or by the name that Word gives it.
fn heading_level(name: &str, outline: Option<usize>) -> Option<usize> {
    let name = name.trim().trim_end_matches(';').to_lowercase();
    let number = name.strip_prefix("heading ").or_else(|| name.strip_prefix("标题 "));
    let number = number.and_then(|number| number.trim().parse::<usize>().ok());
    number.and_then(|number| number.checked_sub(1)).or(outline.filter(|level| *level < 9))
}
