//! Keys and values of the tokens a sequence has read, in pages that sequences share.
//!
//! A page is written by one sequence only. Choices of one request and prompts with the same beginning hold the same
//! pages; whoever writes into a page that others hold gets a copy first.

use std::sync::Arc;

use half::f16;

use super::architecture::{Architecture, BLOCK};

/// Positions of one page.
pub(crate) const PAGE: usize = BLOCK;

/// Keys and values of [`PAGE`] positions in all layers.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    /// For each layer and head: `head_size` rows of [`PAGE`] numbers, so that a processor lane is a position.
    keys: Vec<f16>,
    /// For each layer and head: [`PAGE`] rows of `head_size` numbers.
    values: Vec<f16>,
}

/// What one sequence has read.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    pages: Vec<Arc<Page>>,
    heads: usize,
    head_size: usize,
    layers: usize,
}

impl Memory {
    /// Remembers nothing yet.
    pub(crate) fn new(architecture: &Architecture) -> Self {
        let Architecture { kv_heads, head_size, layers, .. } = *architecture;
        Self { pages: Vec::new(), heads: kv_heads, head_size, layers }
    }

    /// Starts with pages that another sequence has filled.
    pub(crate) fn with_pages(architecture: &Architecture, pages: Vec<Arc<Page>>) -> Self {
        Self { pages, ..Self::new(architecture) }
    }

    /// The page that holds positions `PAGE * index..`, when it exists.
    pub(crate) fn page(&self, index: usize) -> Option<&Arc<Page>> {
        self.pages.get(index)
    }

    /// Bytes of one page of this network.
    pub(crate) fn page_bytes(architecture: &Architecture) -> usize {
        2 * architecture.layers * architecture.kv_width() * PAGE * size_of::<f16>()
    }

    /// Makes room for positions below `length`.
    pub(crate) fn grow(&mut self, length: usize) {
        let numbers = self.layers * self.heads * self.head_size * PAGE;
        while self.pages.len() * PAGE < length {
            let empty = Page { keys: vec![f16::ZERO; numbers], values: vec![f16::ZERO; numbers] };
            self.pages.push(Arc::new(empty));
        }
    }

    /// Stores the key and the value of one position in one layer; heads lie one after the other.
    pub(crate) fn write(&mut self, layer: usize, position: usize, key: &[f32], value: &[f32]) {
        let (heads, size) = (self.heads, self.head_size);
        let Some(page) = self.pages.get_mut(position / PAGE) else { return };
        let page = Arc::make_mut(page);
        let slot = position % PAGE;
        let keys = page.keys.chunks_exact_mut(size * PAGE).skip(layer * heads);
        for (stored, head) in keys.zip(key.chunks_exact(size)) {
            for (stored, number) in stored.iter_mut().skip(slot).step_by(PAGE).zip(head) {
                *stored = f16::from_f32(*number);
            }
        }
        let values = page.values.chunks_exact_mut(size * PAGE).skip(layer * heads);
        for (stored, head) in values.zip(value.chunks_exact(size)) {
            for (stored, number) in stored.iter_mut().skip(slot * size).zip(head) {
                *stored = f16::from_f32(*number);
            }
        }
    }

    /// Keys and values of one head in one layer, page by page, as far as position `length` needs.
    pub(crate) fn head(
        &self,
        layer: usize,
        head: usize,
        length: usize,
    ) -> impl Iterator<Item = (&[f16], &[f16])> + Clone {
        let part = self.head_size * PAGE;
        let start = (layer * self.heads + head) * part;
        let cut = move |numbers: &'_ [f16]| -> std::ops::Range<usize> {
            start.min(numbers.len())..(start + part).min(numbers.len())
        };
        self.pages.iter().take(length.div_ceil(PAGE)).map(move |page| {
            let keys = page.keys.get(cut(&page.keys)).unwrap_or_default();
            let values = page.values.get(cut(&page.values)).unwrap_or_default();
            (keys, values)
        })
    }
}
