//! Internet messages: headers as text, the body, the names of attachments, messages inside messages.

use mail_parser::{Address, Encoding, Message, MessageParser, MessagePart, MimeHeaders, PartType};

use crate::builder::Builder;
use crate::scope::Scope;
use crate::{Document, Format, Hint, ParseError, encoding, format, html, text};

/// Messages inside messages that are followed; a forwarded thread rarely has three.
const DEEPEST: usize = 8;

/// A text body shorter than this beside an HTML body only says that one should look at the HTML.
const SHORT_BODY: usize = 80;

/// Reads one message.
pub(crate) fn parse(bytes: &[u8], scope: Scope<'_>) -> Result<Document, ParseError> {
    let mut builder = Builder::new(scope.limits);
    let subject = section(&mut builder, without_mbox_line(bytes), scope)?;
    builder.title(&subject);
    builder.finish(Format::Email, None, ParseError::Empty)
}

/// Adds one message to a document and gives its subject.
pub(crate) fn section(builder: &mut Builder<'_>, bytes: &[u8], scope: Scope<'_>) -> Result<String, ParseError> {
    let message = MessageParser::default()
        .parse(bytes)
        .filter(|message| !message.parts.is_empty())
        .ok_or_else(|| ParseError::broken("it has no message headers"))?;
    append(builder, &message, 0, scope)?;
    Ok(message.subject().unwrap_or_default().to_owned())
}

/// Whether the first lines are headers and two of them are a mail's own.
pub(crate) fn looks_like(bytes: &[u8]) -> bool {
    let head = bytes.get(..bytes.len().min(4096)).unwrap_or_default();
    let mut known = 0;
    for line in head.split(|byte| *byte == b'\n').take(40) {
        let line = line.trim_ascii_end();
        if line.is_empty() {
            break;
        }
        if line.starts_with(b" ") || line.starts_with(b"\t") || line.starts_with(b"From ") {
            continue;
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return false };
        let name = line.get(..colon).unwrap_or_default().to_ascii_lowercase();
        if name.is_empty() || !name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-') {
            return false;
        }
        let strong: [&[u8]; 7] = [
            b"received",
            b"message-id",
            b"mime-version",
            b"return-path",
            b"dkim-signature",
            b"content-type",
            b"delivered-to",
        ];
        let weak: [&[u8]; 4] = [b"from", b"to", b"date", b"subject"];
        known += if strong.contains(&&*name) { 2 } else { usize::from(weak.contains(&&*name)) };
    }
    known >= 4
}

/// The `From ` line that mailbox files put before a message.
fn without_mbox_line(bytes: &[u8]) -> &[u8] {
    if !bytes.starts_with(b"From ") {
        return bytes;
    }
    let end = bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    bytes.get(end..).unwrap_or(bytes)
}

fn append(builder: &mut Builder<'_>, message: &Message<'_>, depth: usize, scope: Scope<'_>) -> Result<(), ParseError> {
    builder.heading(depth + 1, message.subject().unwrap_or_default())?;
    builder.paragraph(&headers(message))?;
    for part in bodies(message) {
        match &part.body {
            PartType::Html(body) => drop(html::append(builder, body)?),
            PartType::Text(body) => {
                text::append(builder, &redecoded(message, part).unwrap_or_else(|| body.to_string()))?
            }
            _ => {}
        }
    }
    for part in message.attachments() {
        match part.message() {
            Some(inner) if depth < DEEPEST => append(builder, inner, depth + 1, scope)?,
            _ => {
                builder.paragraph(&attachment(part))?;
                attached(builder, part.attachment_name().unwrap_or_default(), part.contents(), depth + 1, scope)?;
            }
        }
    }
    Ok(())
}

/// The plain bodies, or the HTML ones when there are no plain ones worth reading.
fn bodies<'m>(message: &'m Message<'m>) -> Vec<&'m MessagePart<'m>> {
    let plain: Vec<_> = message.text_bodies().collect();
    let length: usize = plain.iter().map(|part| part.text_contents().map_or(0, |text| text.trim().len())).sum();
    let html: Vec<_> = message.html_bodies().collect();
    let has_html = html.iter().any(|part| part.is_text_html());
    if length < SHORT_BODY && has_html { html } else { plain }
}

/// The lines a mail program shows above the body.
fn headers(message: &Message<'_>) -> String {
    let mut lines = Vec::new();
    let people = [("From", message.from()), ("To", message.to()), ("Cc", message.cc())];
    for (name, address) in people {
        if let Some(address) = address {
            lines.push(format!("{name}: {}", people_of(address)));
        }
    }
    if let Some(date) = message.header_raw("Date") {
        lines.push(format!("Date: {}", date.trim()));
    }
    if let Some(subject) = message.subject() {
        lines.push(format!("Subject: {}", subject.replace(['\r', '\n'], " ")));
    }
    lines.join("\n")
}

fn people_of(address: &Address<'_>) -> String {
    let shown = address.iter().map(|person| match (person.name(), person.address()) {
        (Some(name), Some(address)) => format!("{name} <{address}>"),
        (name, address) => name.or(address).unwrap_or_default().to_owned(),
    });
    shown.collect::<Vec<_>>().join(", ")
}

fn attachment(part: &MessagePart<'_>) -> String {
    let kind = part.content_type().map(|kind| match kind.subtype() {
        Some(subtype) => format!("{}/{subtype}", kind.ctype()),
        None => kind.ctype().to_owned(),
    });
    match (part.attachment_name(), kind) {
        (Some(name), Some(kind)) => format!("Attachment: {name} ({kind})"),
        (Some(name), None) => format!("Attachment: {name}"),
        (None, kind) => format!("Attachment ({})", kind.unwrap_or_else(|| "unnamed".to_owned())),
    }
}

/// The text of an attachment that is a document, under the line that names it. One that cannot be read is named only: the
/// message is what was uploaded.
pub(crate) fn attached(
    builder: &mut Builder<'_>,
    name: &str,
    bytes: &[u8],
    depth: usize,
    scope: Scope<'_>,
) -> Result<(), ParseError> {
    let Ok(inner) = scope.inside() else { return Ok(()) };
    if bytes.is_empty() {
        return Ok(());
    }
    let hint = Hint { filename: name, media_type: None };
    match format::read(bytes, &hint, inner) {
        // Bytes that merely happen to be text say nothing under a name that promises something else.
        Ok(document) if document.format == Format::Text && !hint.names_text() => Ok(()),
        Ok(document) => builder.include(&document, u8::try_from(depth).unwrap_or(6)),
        Err(error) if error.code() == "too_large" => Err(error.inside(name)),
        Err(_) => Ok(()),
    }
}

/// A body sent as raw bytes under a wrong or missing charset, decoded by what the bytes are.
fn redecoded(message: &Message<'_>, part: &MessagePart<'_>) -> Option<String> {
    let damaged = part.is_encoding_problem || part.text_contents()?.contains(char::REPLACEMENT_CHARACTER);
    if !damaged || part.encoding != Encoding::None {
        return None;
    }
    let range = usize::try_from(part.offset_body).ok()?..usize::try_from(part.offset_end).ok()?;
    let bytes = message.raw_message.get(range)?;
    encoding::decode(bytes, None).ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mail: &[u8]) -> Document {
        assert!(looks_like(mail));
        {
            let (limits, inflated) = (crate::Limits::default(), std::cell::Cell::new(0));
            parse(mail, Scope::new(&limits, &inflated)).unwrap()
        }
    }

    #[test]
    fn headers_body_and_attachments_are_text() {
        let mail = "From: =?gb2312?B?wO7A1w==?= <li@example.com>\r\nTo: han@example.com\r\nSubject: =?UTF-8?Q?=E6=8A=A5=E4=BB=B7?=\r\nDate: Mon, 2 Mar 2026 09:00:00 +0800\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=gb2312\r\nContent-Transfer-Encoding: base64\r\n\r\nxOO6w6Os1ea83Lyxo6E=\r\n--b\r\nContent-Type: application/pdf; name=\"offer.pdf\"\r\nContent-Disposition: attachment; filename=\"offer.pdf\"\r\n\r\nxx\r\n--b--\r\n";
        let document = read(mail.as_bytes());
        assert_eq!(document.title.as_deref(), Some("报价"));
        assert!(document.text.starts_with(
            "报价\n\nFrom: 李雷 <li@example.com>\nTo: han@example.com\nDate: Mon, 2 Mar 2026 09:00:00 +0800\n"
        ));
        assert!(document.text.contains("你好，"));
        assert!(document.text.ends_with("Attachment: offer.pdf (application/pdf)"));
    }

    #[test]
    fn html_is_read_when_there_is_nothing_else_and_nested_mail_is_followed() {
        let mail = "From: a@example.com\nTo: b@example.com\nSubject: Outer\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html\n\n<p>Hello <b>there</b></p>\n--b\nContent-Type: message/rfc822\n\nFrom: c@example.com\nSubject: Inner\nDate: Tue, 3 Mar 2026 10:00:00 +0000\n\nInner text.\n\n--b--\n";
        let document = read(mail.as_bytes());
        assert!(document.text.contains("Hello there"));
        assert!(document.text.contains("Inner\n\nFrom: c@example.com"));
        assert!(document.text.ends_with("Inner text."));
    }

    #[test]
    fn a_body_of_raw_gbk_without_a_charset_is_decoded() {
        let (body, ..) = encoding_rs::GBK.encode("本合同自双方签字之日起生效，有效期为三年。");
        let mut mail = b"From: a@example.com\nTo: b@example.com\nSubject: x\nMIME-Version: 1.0\n\n".to_vec();
        mail.extend_from_slice(&body);
        assert!(read(&mail).text.ends_with("有效期为三年。"));
    }

    #[test]
    fn prose_with_colons_is_no_mail() {
        assert!(!looks_like(b"Note: to all\nFrom now on: no\n"));
    }
}
