//! From drawn tokens to the text that leaves: whole characters only, and never a part of a stop string.

/// The text of one choice as it grows.
#[derive(Debug)]
pub(crate) struct Text {
    stops: Vec<String>,
    /// Bytes of a character that is not complete.
    bytes: Vec<u8>,
    /// Text that may be the beginning of a stop string.
    held: String,
    /// Bytes of text that left.
    sent: usize,
}

/// What a token added.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Grown {
    /// Text that may leave now.
    pub(crate) text: String,
    /// Whether a stop string came: nothing follows.
    pub(crate) stopped: bool,
}

impl Text {
    /// Ends before the first of `stops`, none of which is empty.
    pub(crate) fn new(stops: &[String]) -> Self {
        Self { stops: stops.to_vec(), bytes: Vec::new(), held: String::new(), sent: 0 }
    }

    /// Bytes of text that left so far.
    pub(crate) fn sent(&self) -> usize {
        self.sent
    }

    /// Bytes of text so far, held back or sent; an incomplete character counts as nothing.
    pub(crate) fn len(&self) -> usize {
        self.sent + self.held.len()
    }

    /// Adds the bytes of a token.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Grown {
        self.bytes.extend_from_slice(piece);
        let rest = self.bytes.len() - complete(&self.bytes);
        let incomplete = self.bytes.split_off(self.bytes.len() - rest);
        let whole = std::mem::replace(&mut self.bytes, incomplete);
        self.held.push_str(&String::from_utf8_lossy(&whole));
        self.release(false)
    }

    /// No token follows: what was held back leaves, unless it is a stop string.
    pub(crate) fn finish(&mut self) -> Grown {
        let bytes = std::mem::take(&mut self.bytes);
        self.held.push_str(&String::from_utf8_lossy(&bytes));
        self.release(true)
    }

    fn release(&mut self, last: bool) -> Grown {
        let stop = self.stops.iter().filter_map(|stop| self.held.find(stop)).min();
        let keep = if last { 0 } else { self.longest_beginning() };
        let cut = stop.unwrap_or(self.held.len() - keep);
        let rest = self.held.split_off(cut);
        let text = std::mem::replace(&mut self.held, rest);
        self.sent += text.len();
        Grown { text, stopped: stop.is_some() }
    }

    /// Length of the longest end of the held text that a stop string begins with.
    fn longest_beginning(&self) -> usize {
        let begins = |stop: &String| {
            let ends = self.held.char_indices().map(|(at, _)| at);
            let end = ends.filter(|at| self.held.len() - at < stop.len());
            end.map(|at| self.held.len() - at)
                .find(|length| self.held.get(self.held.len() - length..).is_some_and(|end| stop.starts_with(end)))
        };
        self.stops.iter().filter_map(begins).max().unwrap_or(0)
    }
}

/// How many bytes from the start form whole characters; broken ones count as whole, only a character that more
/// bytes could complete does not.
fn complete(bytes: &[u8]) -> usize {
    let mut done = 0;
    while let Err(error) = std::str::from_utf8(bytes.get(done..).unwrap_or_default()) {
        match error.error_len() {
            Some(broken) => done += error.valid_up_to() + broken,
            None => return done + error.valid_up_to(),
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::{Grown, Text};

    fn all(stops: &[&str], pieces: &[&[u8]]) -> (Vec<String>, bool) {
        let mut text = Text::new(&stops.iter().map(ToString::to_string).collect::<Vec<_>>());
        let mut out = Vec::new();
        for piece in pieces {
            let Grown { text: grown, stopped } = text.push(piece);
            out.push(grown);
            if stopped {
                return (out, true);
            }
        }
        let last = text.finish();
        out.push(last.text);
        (out, last.stopped)
    }

    #[test]
    fn a_character_cut_between_tokens_leaves_whole() {
        let euro = "€".as_bytes();
        let (out, _) = all(&[], &[b"a", &euro[..1], &euro[1..2], &euro[2..], b"b"]);
        assert_eq!(out, ["a", "", "", "€", "b", ""]);
    }

    #[test]
    fn bytes_that_no_character_has_are_replaced() {
        let (out, _) = all(&[], &[b"a\xff", b"\xe4\xb8", b"x"]);
        assert_eq!(out.concat(), "a\u{fffd}\u{fffd}x");
    }

    #[test]
    fn an_unfinished_character_at_the_end_is_replaced() {
        assert_eq!(all(&[], &[b"a\xe4\xb8"]).0.concat(), "a\u{fffd}");
    }

    #[test]
    fn a_stop_string_across_tokens_never_leaves() {
        let (out, stopped) = all(&["STOP"], &[b"go S", b"TO", b"P on"]);
        assert_eq!(out, ["go ", "", ""]);
        assert!(stopped);
    }

    #[test]
    fn only_a_possible_beginning_is_held_back() {
        let (out, stopped) = all(&["STOP", "\n\n"], &[b"a ST", b"ART\n", b"b", b"S"]);
        assert_eq!(out, ["a ", "START", "\nb", "", "S"]);
        assert!(!stopped);
    }

    #[test]
    fn the_earliest_of_several_stops_counts() {
        let (out, stopped) = all(&["world", "lo"], &[b"hello world"]);
        assert_eq!((out.concat().as_str(), stopped), ("hel", true));
    }
}
