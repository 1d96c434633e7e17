//! Lists within lists, with the numbers a reader sees.

use std::collections::HashMap;

use super::styles::Styles;
use crate::docx::numbering::spell;
use crate::xml::Tag;

/// The open lists, the outermost first.
#[derive(Default)]
pub(super) struct Lists {
    open: Vec<List>,
    /// The last number of each style's first level, for lists that go on.
    counted: HashMap<String, usize>,
}

struct List {
    style: String,
    count: usize,
    /// The item has begun and its first paragraph is still to come.
    pending: bool,
}

impl Lists {
    pub(super) fn depth(&self) -> usize {
        self.open.len()
    }

    pub(super) fn open(&mut self, tag: &Tag<'_>, styles: &Styles) {
        let named = tag.attribute("style-name");
        let style = named.or_else(|| self.open.last().map(|list| list.style.clone())).unwrap_or_default();
        let goes_on = tag.attribute("continue-numbering").is_some_and(|value| value == "true")
            || tag.attribute("continue-list").is_some();
        let start = styles.level(&style, self.open.len()).map_or(1, |level| level.start);
        let before = start.saturating_sub(1);
        let count = if goes_on { self.counted.get(&style).copied().unwrap_or(before) } else { before };
        self.open.push(List { style, count, pending: false });
    }

    pub(super) fn close(&mut self) {
        if let Some(list) = self.open.pop()
            && self.open.is_empty()
        {
            self.counted.insert(list.style, list.count);
        }
    }

    pub(super) fn item(&mut self, tag: &Tag<'_>) {
        if let Some(list) = self.open.last_mut() {
            let start = tag.number("start-value").and_then(|start| usize::try_from(start).ok());
            list.count = start.unwrap_or_else(|| list.count.saturating_add(1));
            list.pending = true;
        }
    }

    /// The marker of the item whose first paragraph comes now; `None` for later paragraphs and outside of lists.
    pub(super) fn marker(&mut self, styles: &Styles) -> Option<String> {
        let depth = self.open.len().checked_sub(1)?;
        let list = self.open.last_mut()?;
        if !std::mem::take(&mut list.pending) {
            return None;
        }
        let style = list.style.clone();
        let bullet = Some("-".to_owned());
        let Some(level) = styles.level(&style, depth) else { return bullet };
        if level.format.is_none() {
            return bullet;
        }
        let first = (depth + 1).saturating_sub(level.shown);
        let counts = self.open.iter().enumerate().skip(first);
        let numbers = counts.map(|(at, list)| {
            let format = styles.level(&style, at).and_then(|level| level.format.as_deref());
            format.filter(|format| *format != "none").map_or(String::new(), |format| spell(list.count, format))
        });
        let number = numbers.filter(|number| !number.is_empty()).collect::<Vec<_>>().join(".");
        if number.is_empty() { bullet } else { Some(format!("{}{number}{}", level.prefix, level.suffix)) }
    }
}
