//! An upstream's event stream made into what OpenAI's clients read, and read for what it costs.
//!
//! Events leave whole and at once, in the buffer they came in when nothing about them changes.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use memchr::memmem;
use serde::{Deserialize, de::IgnoredAny};

use super::{
    Broken,
    counts::{Counts, Told},
};

/// Longest event that is held until its end comes.
const MAX_EVENT: usize = 8 * 1024 * 1024;
const DONE: &[u8] = b"data: [DONE]\n\n";

/// A stream on its way.
#[derive(Debug)]
pub(super) struct Events {
    /// The beginning of an event whose end has not come.
    held: BytesMut,
    counts: Counts,
    changes: Changes,
    /// A reason to stop was seen.
    ended: bool,
    /// `[DONE]` was seen, or an error of the upstream's: nothing comes after either.
    done: bool,
}

/// What differs between the upstream's words and the client's.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes {
    /// The model's name over there and the name that the client asked for, where they differ.
    pub(super) rename: Option<(String, String)>,
    /// Whether the counts were the gateway's own wish.
    pub(super) strips_usage: bool,
}

/// What becomes of an event.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Pass,
    Drop,
    Replace(Vec<u8>),
}

impl Events {
    pub(super) fn new(counts: Counts, changes: Changes) -> Self {
        Self { held: BytesMut::new(), counts, changes, ended: false, done: false }
    }

    /// Takes what has come and gives what can leave: whole events only, nothing when none is whole.
    ///
    /// # Errors
    /// When an event does not end.
    pub(super) fn feed(&mut self, data: Bytes) -> Result<Bytes, Broken> {
        self.counts.began();
        if self.held.is_empty() {
            let whole = whole(&data);
            self.held.extend_from_slice(data.get(whole..).unwrap_or_default());
            return Ok(self.pass(data.slice(..whole)));
        }
        self.held.extend_from_slice(&data);
        if self.held.len() > MAX_EVENT {
            return Err(Broken::Endless);
        }
        let whole = whole(&self.held);
        let events = self.held.split_to(whole).freeze();
        Ok(self.pass(events))
    }

    /// What the upstream forgot to send before it closed.
    ///
    /// # Errors
    /// When it closed in the middle of its answer.
    pub(super) fn close(&mut self) -> Result<Option<Bytes>, Broken> {
        if self.done {
            return Ok(None);
        }
        if !self.ended {
            self.counts.failed();
            return Err(Broken::Short);
        }
        self.done = true;
        self.counts.ended();
        Ok(Some(Bytes::from_static(DONE)))
    }

    /// Whether the answer's last event has left.
    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    pub(super) fn failed(&mut self) {
        self.counts.failed();
    }

    /// `events`, changed where they must be.
    fn pass(&mut self, events: Bytes) -> Bytes {
        let mut changed: Option<Vec<u8>> = None;
        let mut at = 0;
        while let Some(end) = end_of_event(events.get(at..).unwrap_or_default()) {
            let event = events.get(at..at + end).unwrap_or_default();
            match self.judge(event) {
                Verdict::Pass => {
                    if let Some(out) = &mut changed {
                        out.extend_from_slice(event);
                    }
                }
                verdict => {
                    let out = changed.get_or_insert_with(|| events.get(..at).unwrap_or_default().to_vec());
                    if let Verdict::Replace(text) = verdict {
                        out.extend_from_slice(&text);
                    }
                }
            }
            at += end;
        }
        changed.map_or(events, Bytes::from)
    }

    fn judge(&mut self, event: &[u8]) -> Verdict {
        if self.done {
            return Verdict::Drop;
        }
        if let Some(data) = plain_data(event) {
            return self.judge_data(data);
        }
        let Some(data) = joined_data(event) else { return comment(event) };
        match self.judge_data(&data) {
            Verdict::Pass => Verdict::Replace(framed(&data)),
            verdict => verdict,
        }
    }

    fn judge_data(&mut self, data: &[u8]) -> Verdict {
        if data == b"[DONE]" {
            self.done = true;
            self.counts.ended();
            return Verdict::Pass;
        }
        if data.starts_with(b"{\"error\"") {
            self.counts.failed();
            self.done = true;
            return Verdict::Pass;
        }
        self.ended |= memmem::find(data, b"\"finish_reason\":\"").is_some();
        let mut text = None;
        if memmem::find(data, b"\"usage\"").is_some() {
            match self.read_usage(data) {
                Verdict::Replace(changed) => text = Some(changed),
                Verdict::Drop => return Verdict::Drop,
                Verdict::Pass => {}
            }
        } else {
            self.counts.piece();
        }
        let renamed = self.changes.renamed(text.as_deref().unwrap_or(data));
        renamed.or(text).map_or(Verdict::Pass, |text| Verdict::Replace(framed(&text)))
    }

    /// Notes the counts of a chunk, and takes them out again when the client did not ask for them.
    fn read_usage(&mut self, data: &[u8]) -> Verdict {
        let Ok(chunk) = serde_json::from_slice::<Chunk>(data) else { return Verdict::Pass };
        chunk.usage.into_iter().for_each(|told| self.counts.tell(told));
        if !chunk.choices.is_empty() {
            self.counts.piece();
        }
        match (self.changes.strips_usage, chunk.choices.is_empty() && chunk.usage.is_some()) {
            (false, _) => Verdict::Pass,
            (true, true) => Verdict::Drop,
            (true, false) => without_usage(data).map_or(Verdict::Pass, Verdict::Replace),
        }
    }
}

impl Changes {
    /// `json` with the model's name that the client knows, when it says another.
    pub(super) fn renamed(&self, json: &[u8]) -> Option<Vec<u8>> {
        let (from, to) = self.rename.as_ref()?;
        let from = serde_json::to_vec(from).ok()?;
        let at = values_of(json, b"\"model\"").find(|at| json.get(at.clone()) == Some(from.as_slice()))?;
        let mut out = json.get(..at.start)?.to_vec();
        serde_json::to_writer(&mut out, to).ok()?;
        out.extend_from_slice(json.get(at.end..)?);
        Some(out)
    }
}

/// Where the values of `key` stand. A key inside a text is never found: its quotes would be escaped.
fn values_of<'a>(json: &'a [u8], key: &'static [u8]) -> impl Iterator<Item = Range<usize>> + 'a {
    memmem::find_iter(json, key).filter_map(move |at| {
        let after = at + key.len();
        let rest = json.get(after..)?;
        let colon = rest.iter().position(|byte| !byte.is_ascii_whitespace())?;
        let value = rest.get(colon..)?.strip_prefix(b":")?;
        let blank = value.iter().position(|byte| !byte.is_ascii_whitespace())?;
        let start = after + colon + 1 + blank;
        let mut values = serde_json::Deserializer::from_slice(json.get(start..)?).into_iter::<IgnoredAny>();
        values.next()?.ok()?;
        Some(start..start + values.byte_offset())
    })
}

/// `data` without its field `usage` and the comma beside it.
fn without_usage(data: &[u8]) -> Option<Vec<u8>> {
    const KEY: &[u8] = b"\"usage\"";
    let value = values_of(data, KEY).last()?;
    let key = memmem::rfind(data.get(..value.start)?, KEY)?;
    let before = data.get(..key)?.trim_ascii_end();
    let after = data.get(value.end..)?.trim_ascii_start();
    let (before, after) = match before.strip_suffix(b",") {
        Some(before) => (before, after),
        None => (before, after.strip_prefix(b",").unwrap_or(after)),
    };
    Some([before, after].concat())
}

/// Whole events without the counts in them: as they reach a client that did not ask for them.
pub(crate) fn without_counts(events: Bytes) -> Bytes {
    if memmem::find(&events, b"\"usage\"").is_none() {
        return events;
    }
    let mut out = Vec::with_capacity(events.len());
    let mut rest = events.as_ref();
    while let Some((event, after)) = end_of_event(rest).and_then(|end| rest.split_at_checked(end)) {
        rest = after;
        let counted = plain_data(event).filter(|data| memmem::find(data, b"\"usage\"").is_some());
        match counted.and_then(|data| Some((data, serde_json::from_slice::<Chunk>(data).ok()?))) {
            Some((_, chunk)) if chunk.choices.is_empty() && chunk.usage.is_some() => {}
            Some((data, _)) => out.extend(without_usage(data).map_or_else(|| event.to_vec(), |data| framed(&data))),
            None => out.extend_from_slice(event),
        }
    }
    out.extend_from_slice(rest);
    Bytes::from(out)
}

/// What of a chunk tells counts from words.
#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<IgnoredAny>,
    usage: Option<Told>,
}

/// How many of the first bytes are whole events.
fn whole(data: &[u8]) -> usize {
    let newlines = memmem::rfind(data, b"\n\n").map(|at| at + 2);
    let returns = memchr::memchr(b'\r', data).and_then(|_| memmem::rfind(data, b"\r\n\r\n")).map(|at| at + 4);
    newlines.max(returns).unwrap_or(0)
}

/// Where the first event ends, its empty line included.
fn end_of_event(data: &[u8]) -> Option<usize> {
    let newlines = memmem::find(data, b"\n\n").map(|at| at + 2);
    let returns = memchr::memchr(b'\r', data).and_then(|_| memmem::find(data, b"\r\n\r\n")).map(|at| at + 4);
    match (newlines, returns) {
        (Some(left), Some(right)) => Some(left.min(right)),
        (left, right) => left.or(right),
    }
}

/// The JSON of an event that is written as clients expect it: one line, `data: ` with its space.
fn plain_data(event: &[u8]) -> Option<&[u8]> {
    let line = event.strip_prefix(b"data: ")?.strip_suffix(b"\n\n")?;
    memchr::memchr2(b'\n', b'\r', line).is_none().then_some(line)
}

/// The JSON of an event that is written otherwise; none when it has no data.
fn joined_data(event: &[u8]) -> Option<Vec<u8>> {
    let lines = event.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let data: Vec<_> = lines.filter_map(|line| line.strip_prefix(b"data:")).map(<[u8]>::trim_ascii).collect();
    (!data.is_empty()).then(|| data.join(&b' '))
}

/// A comment keeps connections open; names and ids without data would break clients.
fn comment(event: &[u8]) -> Verdict {
    if event.starts_with(b":") && event.ends_with(b"\n\n") && event.iter().filter(|byte| **byte == b'\n').count() == 2 {
        Verdict::Pass
    } else {
        Verdict::Drop
    }
}

fn framed(data: &[u8]) -> Vec<u8> {
    [b"data: ", data, b"\n\n"].concat()
}

#[cfg(test)]
mod tests;
