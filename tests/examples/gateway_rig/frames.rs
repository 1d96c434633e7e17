//! The frames of a stream: how the mock writes them, and how the load knows that each arrived as it was written.
//!
//! Each frame carries its number and the time at which it was written, in fixed places of a text that never changes.

use std::{str, sync::LazyLock};

/// `00000007 000000000012d687 `: the frame's number in decimal, its time in hexadecimal nanoseconds.
const MARK: usize = 26;
const CONTENT: &str = "\"content\":\"";
const OPENING: &str = concat!(
    r#"data: {"id":"chatcmpl-rig","object":"chat.completion.chunk","created":1750000000,"model":"mock","#,
    r#""system_fingerprint":"fp_rig","choices":[{"index":0,"delta":{"#
);
const CLOSING: &str = "\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n";
const FINISH: &str = "},\"logprobs\":null,\"finish_reason\":\"stop\"}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";

/// A frame without its mark.
struct Template {
    before: Vec<u8>,
    after: Vec<u8>,
}

static FIRST: LazyLock<Template> = LazyLock::new(|| Template::new("\"role\":\"assistant\","));
static LATER: LazyLock<Template> = LazyLock::new(|| Template::new(""));

impl Template {
    fn new(role: &str) -> Self {
        Self { before: format!("{OPENING}{role}{CONTENT}").into_bytes(), after: CLOSING.as_bytes().to_vec() }
    }

    fn of(number: usize) -> &'static Self {
        if number == 0 { &FIRST } else { &LATER }
    }
}

/// Appends frame `number`, written at `time` nanoseconds.
pub(crate) fn write(number: usize, time: u64, out: &mut Vec<u8>) {
    let template = Template::of(number);
    out.extend_from_slice(&template.before);
    out.extend_from_slice(format!("{number:08} {time:016x} ").as_bytes());
    out.extend_from_slice(&template.after);
}

/// What follows `count` frames: why the answer ended, its token counts when they were asked for, and the last event.
pub(crate) fn ending(count: usize, with_usage: bool) -> String {
    let finish = format!("{OPENING}{FINISH}");
    let total = count + PROMPT_TOKENS;
    let usage = format!(
        "{}[],\"usage\":{{\"prompt_tokens\":{PROMPT_TOKENS},\"completion_tokens\":{count},\"total_tokens\":{total}}}}}\n\n",
        OPENING.strip_suffix("[{\"index\":0,\"delta\":{").unwrap_or(OPENING)
    );
    format!("{finish}{}{DONE}", if with_usage { usage.as_str() } else { "" })
}

/// Tokens that the mock says its prompt had.
pub(crate) const PROMPT_TOKENS: usize = 42;

/// What became of the frames of one stream, or of many.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Verdict {
    /// Frames that arrived in their order.
    pub(crate) frames: u64,
    /// Of these, those with other bytes around the same text: a gateway that writes frames itself.
    pub(crate) reworded: u64,
    /// Frames that were left out, came twice or in another order, and events that are none of ours.
    pub(crate) faults: u64,
    /// Streams that ended as they should.
    pub(crate) whole: u64,
}

impl Verdict {
    pub(crate) fn add(&mut self, other: &Self) {
        self.frames += other.frames;
        self.reworded += other.reworded;
        self.faults += other.faults;
        self.whole += other.whole;
    }
}

/// Follows one stream of `expected` frames, in whatever pieces it comes.
#[derive(Debug)]
pub(crate) struct Checker {
    expected: usize,
    next: usize,
    rest: Vec<u8>,
    done: bool,
    pub(crate) verdict: Verdict,
}

impl Checker {
    pub(crate) fn new(expected: usize) -> Self {
        Self { expected, next: 0, rest: Vec::with_capacity(512), done: false, verdict: Verdict::default() }
    }

    /// Follows the events in `bytes`; calls `seen` with the number and the time of writing of each frame.
    pub(crate) fn feed(&mut self, bytes: &[u8], mut seen: impl FnMut(usize, u64)) {
        let mut rest = std::mem::take(&mut self.rest);
        rest.extend_from_slice(bytes);
        let mut from = 0;
        while let Some(end) = end_of_event(rest.get(from..).unwrap_or_default()) {
            self.event(rest.get(from..from + end).unwrap_or_default(), &mut seen);
            from += end;
        }
        rest.drain(..from);
        self.rest = rest;
    }

    /// The stream ended here; whether it was whole.
    pub(crate) fn end(&mut self) -> bool {
        let whole = self.done && self.next == self.expected && self.rest.is_empty();
        self.verdict.whole = u64::from(whole);
        self.verdict.faults += u64::from(!whole);
        whole
    }

    fn event(&mut self, event: &[u8], seen: &mut impl FnMut(usize, u64)) {
        if self.done {
            self.verdict.faults += 1;
        } else if event == DONE.as_bytes() {
            self.done = true;
        } else if let Some(mark) = marked(event) {
            self.frame(event, mark, seen);
        } else if !is_other(event) {
            self.verdict.faults += 1;
        }
    }

    fn frame(&mut self, event: &[u8], (number, time): (usize, u64), seen: &mut impl FnMut(usize, u64)) {
        if number != self.next {
            self.verdict.faults += 1;
        }
        self.next = number + 1;
        self.verdict.frames += 1;
        self.verdict.reworded += u64::from(!is_exact(event, number));
        seen(number, time);
    }
}

fn end_of_event(bytes: &[u8]) -> Option<usize> {
    let lf = bytes.windows(2).position(|window| window == b"\n\n")?;
    Some(lf + 2)
}

fn is_exact(event: &[u8], number: usize) -> bool {
    let template = Template::of(number);
    let inside = event.strip_prefix(template.before.as_slice());
    inside.and_then(|rest| rest.strip_suffix(template.after.as_slice())).is_some_and(|mark| mark.len() == MARK)
}

/// The mark in an event's content, however the JSON around it is spaced.
fn marked(event: &[u8]) -> Option<(usize, u64)> {
    let text = str::from_utf8(event).ok()?;
    let (_, after) = text.split_once("\"content\":")?;
    let mark = after.trim_start().strip_prefix('"')?.get(..MARK)?;
    let (number, time) = mark.split_once(' ')?;
    // The text ends where the mark does: a second frame joined to it would not.
    let closed = after.trim_start().get(1 + MARK..)?.starts_with('"');
    (closed && number.len() == 8).then_some((number.parse().ok()?, u64::from_str_radix(time.trim_end(), 16).ok()?))
}

/// Events beside the frames: a comment, an empty delta, the reason of the end, the counts.
fn is_other(event: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(event) else { return false };
    text.starts_with(':')
        || (text.starts_with("data: {")
            && ["\"finish_reason\"", "\"usage\"", "\"delta\""].iter().any(|key| text.contains(key))
            && !text.contains("\"error\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(count: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in 0..count {
            write(number, 7 + number as u64, &mut bytes);
        }
        bytes.extend_from_slice(ending(count, true).as_bytes());
        bytes
    }

    fn judged(bytes: &[u8], size: usize, expected: usize) -> (Verdict, bool) {
        let mut checker = Checker::new(expected);
        let mut times = Vec::new();
        for piece in bytes.chunks(size) {
            checker.feed(piece, |number, time| times.push((number, time)));
        }
        assert!(times.iter().all(|(number, time)| *time == 7 + *number as u64));
        let whole = checker.end();
        (checker.verdict, whole)
    }

    #[test]
    fn an_unharmed_stream_is_whole_however_it_is_cut() {
        let bytes = stream(5);
        for size in [1, 7, 300, bytes.len()] {
            let (verdict, whole) = judged(&bytes, size, 5);
            assert_eq!((verdict, whole), (Verdict { frames: 5, reworded: 0, faults: 0, whole: 1 }, true), "{size}");
        }
    }

    #[test]
    fn every_event_is_json_with_the_fields_clients_read() {
        let text = String::from_utf8(stream(2)).unwrap();
        let events: Vec<_> = text.split_terminator("\n\n").collect();
        assert_eq!(events.last(), Some(&"data: [DONE]"));
        let read = |event: &str| serde_json::from_str::<serde_json::Value>(event.strip_prefix("data: ").unwrap());
        let json: Vec<_> = events[..events.len() - 1].iter().map(|event| read(event).unwrap()).collect();
        assert_eq!(json[0]["choices"][0]["delta"]["role"], "assistant");
        assert_eq!(json[2]["choices"][0]["finish_reason"], "stop");
        assert_eq!(json[3]["usage"]["completion_tokens"], 2);
        assert_eq!(json[3]["choices"], serde_json::json!([]));
    }

    #[test]
    fn lost_doubled_and_cut_frames_are_faults() {
        let text = String::from_utf8(stream(4)).unwrap();
        let events: Vec<_> = text.split_inclusive("\n\n").collect();
        let lost = [&events[..1], &events[2..]].concat().concat();
        assert_eq!(judged(lost.as_bytes(), 100, 4).0.faults, 1);
        let doubled = [&events[..2], &events[1..]].concat().concat();
        assert_eq!(judged(doubled.as_bytes(), 100, 4).0.faults, 1);
        let cut = events[..3].concat();
        assert!(!judged(cut.as_bytes(), 100, 4).1);
        let shorter = [&events[..3], &events[4..]].concat().concat();
        assert!(!judged(shorter.as_bytes(), 100, 4).1);
    }

    #[test]
    fn other_bytes_around_the_same_text_are_told_apart_from_faults() {
        let spaced = String::from_utf8(stream(3)).unwrap().replace("\":", "\": ");
        assert_eq!(judged(spaced.as_bytes(), 64, 3), (Verdict { frames: 3, reworded: 3, faults: 0, whole: 1 }, true));
        let joined = String::from_utf8(stream(3)).unwrap().replacen("00000001 0000000000000008 ", "00000001 00", 1);
        assert!(judged(joined.as_bytes(), 64, 3).0.faults > 0);
        let failed = String::from_utf8(stream(2)).unwrap().replace("data: [DONE]", "data: {\"error\":{}}");
        assert!(!judged(failed.as_bytes(), 64, 2).1);
    }
}
