//! Keys and values of recent prompts, so that the same beginning is not computed again.
//!
//! A page is found by a hash over the caller's salt and all tokens up to the page's end. Prompts share only within
//! one salt, and requests without a salt share nothing: from how soon an answer comes, nobody can learn what
//! another tenant asked.

use std::{collections::HashMap, sync::Arc};

use sha2::{Digest, Sha256};

use super::pages::{Memory, PAGE, Page};

type Key = [u8; 32];

/// Pages by the tokens they hold, with a bound on their number.
#[derive(Debug)]
pub(crate) struct Prefixes {
    pages: HashMap<Key, Kept>,
    most: usize,
    clock: u64,
}

#[derive(Debug)]
struct Kept {
    page: Arc<Page>,
    used: u64,
}

impl Prefixes {
    /// Keeps at most so many pages.
    pub(crate) fn new(most: usize) -> Self {
        Self { pages: HashMap::new(), most, clock: 0 }
    }

    /// The pages that the beginning of `tokens` fills, as far as they are known. At least one token is left to
    /// compute, since its scores are needed.
    pub(crate) fn find(&mut self, salt: &str, tokens: &[u32]) -> Vec<Arc<Page>> {
        let (reusable, _) = tokens.split_at(tokens.len().saturating_sub(1));
        let known = keys(salt, reusable).into_iter().map_while(|key| {
            let kept = self.pages.get(&key)?;
            Some((key, Arc::clone(&kept.page)))
        });
        let (keys, pages): (Vec<_>, Vec<_>) = known.unzip();
        self.touch(&keys);
        pages
    }

    /// Keeps the full pages of a sequence that has computed `tokens`.
    pub(crate) fn keep(&mut self, salt: &str, tokens: &[u32], memory: &Memory) {
        let keys = keys(salt, tokens);
        for (index, key) in keys.iter().enumerate() {
            if let Some(page) = memory.page(index) {
                self.pages.entry(*key).or_insert_with(|| Kept { page: Arc::clone(page), used: 0 });
            }
        }
        self.touch(&keys);
        while self.pages.len() > self.most {
            let oldest = self.pages.iter().min_by_key(|(_, kept)| kept.used).map(|(key, _)| *key);
            oldest.and_then(|key| self.pages.remove(&key));
        }
    }

    /// Marks pages as used; the first page of a text is newer than its followers, which are useless without it.
    fn touch(&mut self, keys: &[Key]) {
        for key in keys.iter().rev() {
            self.clock += 1;
            if let Some(kept) = self.pages.get_mut(key) {
                kept.used = self.clock;
            }
        }
    }
}

fn keys(salt: &str, tokens: &[u32]) -> Vec<Key> {
    let mut last: Key = Sha256::digest(salt.as_bytes()).into();
    let pages = tokens.chunks_exact(PAGE).map(|tokens| {
        let mut hash = Sha256::new_with_prefix(last);
        for token in tokens {
            hash.update(token.to_le_bytes());
        }
        last = hash.finalize().into();
        last
    });
    pages.collect()
}
