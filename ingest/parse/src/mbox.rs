//! Mailboxes: messages one after the other, each behind a line that begins with `From `.

use std::borrow::Cow;

use crate::builder::Builder;
use crate::scope::Scope;
use crate::{Document, Format, ParseError, email};

/// Whether a mailbox begins in these bytes.
pub(crate) fn looks_like(bytes: &[u8]) -> bool {
    bytes.starts_with(b"From ") && email::looks_like(bytes)
}

/// Reads a mailbox; each message is a section under its subject.
pub(crate) fn parse(bytes: &[u8], scope: Scope<'_>) -> Result<Document, ParseError> {
    let mut builder = Builder::new(scope.limits);
    let messages = messages(bytes);
    scope.limits.check("max_pages", messages.len(), scope.limits.max_pages)?;
    for (index, message) in messages.iter().enumerate() {
        let read = email::section(&mut builder, &unquoted(message), scope);
        read.map_err(|error| error.inside(&format!("message {}", index + 1)))?;
    }
    builder.finish(Format::Mbox, None, ParseError::Empty)
}

/// The messages, each without the line before it.
fn messages(bytes: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let (mut start, mut at, mut after_blank) = (None, 0, true);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let next = at + line.len();
        if after_blank && is_border(line) {
            found.extend(start.and_then(|start| bytes.get(start..at)));
            start = Some(next);
        } else if start.is_none() && !line.trim_ascii().is_empty() {
            start = Some(at);
        }
        after_blank = line.trim_ascii().is_empty();
        at = next;
    }
    found.extend(start.and_then(|start| bytes.get(start..)));
    found.retain(|message| !message.trim_ascii().is_empty());
    found
}

/// `From li@example.com Mon Mar  2 09:00:00 2026`: a sentence that begins so has no time in it.
fn is_border(line: &[u8]) -> bool {
    let time = |window: &[u8]| matches!(window, [a, b':', b] if a.is_ascii_digit() && b.is_ascii_digit());
    line.starts_with(b"From ") && line.windows(3).any(time)
}

/// Lines that would have looked like a border were given a `>` when they were stored.
fn unquoted(message: &[u8]) -> Cow<'_, [u8]> {
    let is_quoted = |line: &[u8]| {
        let marks = line.iter().take_while(|byte| **byte == b'>').count();
        marks > 0 && line.get(marks..).is_some_and(|rest| rest.starts_with(b"From "))
    };
    if !message.split(|byte| *byte == b'\n').any(is_quoted) {
        return Cow::Borrowed(message);
    }
    let lines = message.split_inclusive(|byte| *byte == b'\n');
    Cow::Owned(lines.flat_map(|line| line.get(usize::from(is_quoted(line))..).unwrap_or_default()).copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_part_messages_and_sentences_do_not() {
        let bytes = b"From a@b Mon Mar  2 09:00:00 2026\nSubject: x\n\nFrom here on.\n\n>From there.\n\nFrom c@d Mon Mar  2 10:00:00 2026\nSubject: y\n\nz\n";
        let found = messages(bytes);
        assert_eq!(found.len(), 2);
        assert!(unquoted(found[0]).ends_with(b"From here on.\n\nFrom there.\n\n"));
        assert_eq!(found[1], b"Subject: y\n\nz\n");
    }
}
