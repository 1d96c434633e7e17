//! Follows the borders of HTTP/2 frames, as far as deadlines need: whether a header block is half here.
//!
//! Nothing is refused here. h2 checks every frame itself; it only does not mind how long one takes.

/// Length, type, flags, stream (RFC 9113, section 4.1).
const HEADER: usize = 9;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// Where in the frames of a client a connection stands, from behind the preface on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Frames {
    header: [u8; HEADER],
    /// Bytes of `header` that are here.
    filled: usize,
    /// Bytes of the payload that are not here yet.
    left: usize,
    /// A header block has begun and not ended.
    block: bool,
    /// The payload on its way is the last of a header block.
    last: bool,
}

impl Frames {
    /// Whether a header block is half here.
    pub(super) fn in_block(&self) -> bool {
        self.block
    }

    /// Follows `bytes`; how many header blocks ended in them.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> u64 {
        let mut rest = bytes;
        let mut blocks = 0;
        while !rest.is_empty() {
            let taken = if self.left > 0 { self.skip(rest) } else { self.collect(rest) };
            rest = rest.get(taken..).unwrap_or_default();
            if self.left == 0 && self.last {
                self.block = false;
                self.last = false;
                blocks += 1;
            }
        }
        blocks
    }

    fn skip(&mut self, bytes: &[u8]) -> usize {
        let taken = self.left.min(bytes.len());
        self.left -= taken;
        taken
    }

    fn collect(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        for (place, byte) in self.header.iter_mut().skip(self.filled).zip(bytes) {
            *place = *byte;
            taken += 1;
        }
        self.filled += taken;
        if self.filled == HEADER {
            self.filled = 0;
            self.begin();
        }
        taken
    }

    fn begin(&mut self) {
        let [high, middle, low, kind, flags, ..] = self.header;
        self.left = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        if matches!(kind, HEADERS | CONTINUATION) {
            self.block = true;
            self.last = flags & END_HEADERS != 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0, 0, u8::try_from(payload.len()).unwrap(), kind, flags, 0, 0, 0, 1];
        frame.extend_from_slice(payload);
        frame
    }

    /// The state must not depend on how the network cuts the bytes.
    fn follow(bytes: &[u8]) -> (u64, bool) {
        let mut whole = Frames::default();
        let blocks = whole.feed(bytes);
        let mut bytewise = Frames::default();
        let summed: u64 = bytes.iter().map(|byte| bytewise.feed(std::slice::from_ref(byte))).sum();
        assert_eq!((blocks, &whole), (summed, &bytewise));
        (blocks, whole.in_block())
    }

    #[test]
    fn a_block_lasts_from_its_first_frame_to_the_end_of_its_last() {
        let opening = frame(4, 0, b"");
        assert_eq!(follow(&opening), (0, false), "settings are no block");
        let half = [opening.clone(), frame(HEADERS, 0, b"abc")].concat();
        assert_eq!(follow(&half), (0, true));
        let whole = [half, frame(CONTINUATION, END_HEADERS, b"d")].concat();
        assert_eq!(follow(&whole), (1, false));
        assert_eq!(follow(&whole[..whole.len() - 1]), (0, true), "a byte is missing");
        let two = [whole, frame(0, 1, b"body"), frame(6, 0, b"01234567"), frame(HEADERS, END_HEADERS, b"")].concat();
        assert_eq!(follow(&two), (2, false));
    }
}
