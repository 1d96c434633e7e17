//! Messages as Outlook saves them: properties in the streams of a compound file ([MS-OXMSG]).

use crate::builder::Builder;
use crate::compound::Streams;
use crate::scope::Scope;
use crate::{Document, Format, ParseError, email, encoding, html, rtf, text};

mod compressed;
mod properties;

use properties::Properties;

/// Messages inside messages that are followed.
const DEEPEST: usize = 8;

/// A text body shorter than this beside another one only says that one should look at the other.
const SHORT_BODY: usize = 80;

/// Reads a message.
pub(crate) fn parse(streams: &mut Streams<'_>, scope: Scope<'_>) -> Result<Document, ParseError> {
    let mut builder = Builder::new(scope.limits);
    let message = Properties::read(streams, "", properties::ROOT_HEAD)?;
    builder.title(&message.text(streams, properties::SUBJECT)?);
    append(&mut builder, streams, &message, 0, scope)?;
    builder.finish(Format::Msg, None, ParseError::Empty)
}

fn append(
    builder: &mut Builder<'_>,
    streams: &mut Streams<'_>,
    message: &Properties,
    depth: usize,
    scope: Scope<'_>,
) -> Result<(), ParseError> {
    builder.heading(depth + 1, &message.text(streams, properties::SUBJECT)?)?;
    builder.paragraph(&headers(streams, message)?)?;
    body(builder, streams, message)?;
    for path in streams.storages(message.path(), "__attach_version1.0_") {
        let attachment = Properties::read(streams, &path, properties::PART_HEAD)?;
        let inside = format!("{path}/__substg1.0_3701000D");
        if depth < DEEPEST && streams.has(&format!("{inside}/__properties_version1.0")) {
            let inner = Properties::read(streams, &inside, properties::INNER_HEAD)?;
            append(builder, streams, &inner, depth + 1, scope)?;
            continue;
        }
        attach(builder, streams, &attachment, depth, scope)?;
    }
    Ok(())
}

/// The name of an attachment, and its text when it is a document.
fn attach(
    builder: &mut Builder<'_>,
    streams: &mut Streams<'_>,
    attachment: &Properties,
    depth: usize,
    scope: Scope<'_>,
) -> Result<(), ParseError> {
    let long = attachment.text(streams, properties::LONG_NAME)?;
    let name = if long.is_empty() { attachment.text(streams, properties::SHORT_NAME)? } else { long };
    let kind = attachment.text(streams, properties::MEDIA_TYPE)?;
    let kind = if kind.is_empty() { String::new() } else { format!(" ({kind})") };
    builder.paragraph(&format!("Attachment: {name}{kind}"))?;
    let bytes = attachment.bytes(streams, properties::DATA)?.unwrap_or_default();
    email::attached(builder, &name, &bytes, depth + 1, scope)
}

/// The lines a mail program shows above the body.
fn headers(streams: &mut Streams<'_>, message: &Properties) -> Result<String, ParseError> {
    let sender = message.text(streams, properties::SENDER)?;
    let mut address = message.text(streams, properties::SENDER_SMTP)?;
    if address.is_empty() {
        address = message.text(streams, properties::SENDER_ADDRESS)?;
    }
    let mut lines = vec![("From", person(&sender, &address))];
    let (mut to, mut copies) = (Vec::new(), Vec::new());
    for path in streams.storages(message.path(), "__recip_version1.0_") {
        let recipient = Properties::read(streams, &path, properties::PART_HEAD)?;
        let name = recipient.text(streams, properties::NAME)?;
        let mut address = recipient.text(streams, properties::SMTP)?;
        if address.is_empty() {
            address = recipient.text(streams, properties::ADDRESS)?;
        }
        let list = if recipient.number(properties::KIND_OF_RECIPIENT) == Some(2) { &mut copies } else { &mut to };
        list.push(person(&name, &address));
    }
    if to.is_empty() && copies.is_empty() {
        to.push(message.text(streams, properties::SHOWN_TO)?);
        copies.push(message.text(streams, properties::SHOWN_COPIES)?);
    }
    lines.push(("To", to.join(", ")));
    lines.push(("Cc", copies.join(", ")));
    lines.push(("Date", message.date().unwrap_or_default()));
    lines.push(("Subject", message.text(streams, properties::SUBJECT)?.replace(['\r', '\n'], " ")));
    let filled = lines.into_iter().filter(|(_, value)| !value.trim().is_empty());
    Ok(filled.map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join("\n"))
}

/// A name and an address; those of an Exchange server's own directory say nothing to a person.
fn person(name: &str, address: &str) -> String {
    let (name, address) = (name.trim(), address.trim());
    match (name.is_empty() || name == address, address.is_empty() || address.to_lowercase().starts_with("/o=")) {
        (false, false) => format!("{name} <{address}>"),
        (true, false) => address.to_owned(),
        _ => name.to_owned(),
    }
}

/// The plain body, or another one when it says hardly anything.
fn body(builder: &mut Builder<'_>, streams: &mut Streams<'_>, message: &Properties) -> Result<(), ParseError> {
    let plain = message.text(streams, properties::BODY)?;
    if plain.trim().len() >= SHORT_BODY {
        return text::append(builder, &plain);
    }
    if let Some(page) = message.html(streams)? {
        return html::append(builder, &page).map(drop);
    }
    if plain.trim().is_empty()
        && let Some(packed) = message.bytes(streams, properties::RICH_BODY)?
    {
        return rtf::append(builder, &compressed::unpack(&packed, builder.limits())?).map(drop);
    }
    text::append(builder, &plain)
}

impl Properties {
    /// The HTML body, in whichever of its two forms it was stored.
    fn html(&self, streams: &mut Streams<'_>) -> Result<Option<String>, ParseError> {
        if let Some(bytes) = self.bytes(streams, properties::HTML)? {
            let declared = html::declared_charset(&bytes);
            let page = match self.number(properties::INTERNET_PAGE) {
                _ if declared.is_some() => encoding::decode(&bytes, declared.as_deref())?.into_owned(),
                Some(65001) | None => encoding::decode(&bytes, None)?.into_owned(),
                Some(page) => self.decoded(page, &bytes),
            };
            return Ok(Some(page));
        }
        let page = self.text(streams, properties::HTML)?;
        Ok(Some(page).filter(|page| !page.trim().is_empty()))
    }
}
