//! A set of byte strings that can be walked one byte at a time.

/// Marks a node where no string ends.
const NONE: u32 = u32::MAX;

/// The first and only node without a parent.
pub(super) const ROOT: u32 = 0;

/// A trie in breadth-first order: the children of a node lie side by side, so a node is two numbers and a byte.
#[derive(Debug)]
pub(super) struct Trie {
    /// Node `n` has the children `first[n]..first[n + 1]`.
    first: Vec<u32>,
    /// The byte that leads to the node.
    label: Vec<u8>,
    /// What ends at the node, or `NONE`.
    value: Vec<u32>,
    /// The root's children by byte, because every walk begins there.
    root: Box<[u32; 256]>,
}

impl Trie {
    /// Builds the trie of distinct, non-empty strings with their values.
    pub(super) fn new(mut strings: Vec<(&[u8], u32)>) -> Self {
        strings.sort_unstable_by_key(|(string, _)| *string);
        let mut trie = Self { first: vec![1], label: vec![0], value: vec![NONE], root: Box::new([NONE; 256]) };
        // One entry per node, in the order of the nodes: the strings that pass through it.
        let mut level = vec![strings.as_slice()];
        let mut depth = 0;
        while !level.is_empty() {
            let mut next = Vec::new();
            for strings in level {
                trie.children(strings, depth, &mut next);
            }
            level = next;
            depth += 1;
        }
        for child in trie.first.first().copied().unwrap_or(0)..trie.first.get(1).copied().unwrap_or(0) {
            let byte = trie.label.get(child as usize).copied().unwrap_or(0);
            if let Some(slot) = trie.root.get_mut(usize::from(byte)) {
                *slot = child;
            }
        }
        trie
    }

    /// Appends the children of the node that all of `strings` pass through after `depth` bytes.
    fn children<'a>(&mut self, strings: &'a [(&'a [u8], u32)], depth: usize, next: &mut Vec<&'a [(&'a [u8], u32)]>) {
        let byte = |string: &(&[u8], u32)| string.0.get(depth).copied();
        let longer = strings.iter().position(|string| string.0.len() > depth).unwrap_or(strings.len());
        for group in strings.get(longer..).unwrap_or_default().chunk_by(|a, b| byte(a) == byte(b)) {
            let Some(head) = group.first() else { continue };
            self.label.push(byte(head).unwrap_or(0));
            self.value.push(if head.0.len() == depth + 1 { head.1 } else { NONE });
            next.push(group);
        }
        self.first.push(self.label.len() as u32);
    }

    /// The node that `byte` leads to.
    #[inline]
    pub(super) fn step(&self, node: u32, byte: u8) -> Option<u32> {
        if node == ROOT {
            return self.root.get(usize::from(byte)).copied().filter(|child| *child != NONE);
        }
        let begin = *self.first.get(node as usize)?;
        let end = *self.first.get(node as usize + 1)?;
        let labels = self.label.get(begin as usize..end as usize)?;
        let at = if labels.len() <= 8 {
            labels.iter().position(|label| *label == byte)?
        } else {
            labels.binary_search(&byte).ok()?
        };
        Some(begin + at as u32)
    }

    /// The value of the string that ends at `node`.
    #[inline]
    pub(super) fn value(&self, node: u32) -> Option<u32> {
        self.value.get(node as usize).copied().filter(|value| *value != NONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(trie: &Trie, string: &str) -> Option<u32> {
        let node = string.bytes().try_fold(ROOT, |node, byte| trie.step(node, byte))?;
        trie.value(node)
    }

    #[test]
    fn it_holds_its_strings_and_no_other() {
        let words = ["a", "ab", "abc", "b", "你", "你好", "xyz"];
        let trie = Trie::new(words.iter().zip(0..).map(|(word, id)| (word.as_bytes(), id)).collect());
        for (id, word) in words.iter().enumerate() {
            assert_eq!(find(&trie, word), Some(id as u32), "{word}");
        }
        for word in ["", "x", "xy", "abcd", "c", "好"] {
            assert_eq!(find(&trie, word), None, "{word}");
        }
    }

    #[test]
    fn nodes_with_many_children_are_searched_right() {
        let words: Vec<[u8; 2]> = (0..=255).map(|byte| [b'k', byte]).collect();
        let trie = Trie::new(words.iter().zip(0..).map(|(word, id)| (word.as_slice(), id)).collect());
        let k = trie.step(ROOT, b'k').unwrap();
        assert!((0..=255).all(|byte| trie.value(trie.step(k, byte).unwrap()) == Some(u32::from(byte))));
    }

    #[test]
    fn an_empty_trie_leads_nowhere() {
        assert_eq!(Trie::new(Vec::new()).step(ROOT, b'a'), None);
    }
}
