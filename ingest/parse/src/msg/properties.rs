//! The properties of a message, a recipient or an attachment.

use std::collections::HashMap;

use crate::ParseError;
use crate::compound::Streams;
use crate::xls::code_page;

pub(super) const SUBJECT: u16 = 0x0037;
pub(super) const SENDER: u16 = 0x0c1a;
pub(super) const SENDER_ADDRESS: u16 = 0x0c1f;
pub(super) const SENDER_SMTP: u16 = 0x5d01;
pub(super) const SHOWN_TO: u16 = 0x0e04;
pub(super) const SHOWN_COPIES: u16 = 0x0e03;
pub(super) const BODY: u16 = 0x1000;
pub(super) const HTML: u16 = 0x1013;
pub(super) const RICH_BODY: u16 = 0x1009;
pub(super) const NAME: u16 = 0x3001;
pub(super) const ADDRESS: u16 = 0x3003;
pub(super) const SMTP: u16 = 0x39fe;
pub(super) const KIND_OF_RECIPIENT: u16 = 0x0c15;
pub(super) const LONG_NAME: u16 = 0x3707;
pub(super) const SHORT_NAME: u16 = 0x3704;
pub(super) const MEDIA_TYPE: u16 = 0x370e;
pub(super) const DATA: u16 = 0x3701;
pub(super) const INTERNET_PAGE: u16 = 0x3fde;
const MESSAGE_PAGE: u16 = 0x3ffd;
const SENT: u16 = 0x0039;
const DELIVERED: u16 = 0x0e06;

/// Bytes before the properties: of the message that was saved, of one inside it, of its parts.
pub(super) const ROOT_HEAD: usize = 32;
pub(super) const INNER_HEAD: usize = 24;
pub(super) const PART_HEAD: usize = 8;

/// One object's properties: short ones by value, others by the stream they are in.
pub(super) struct Properties {
    path: String,
    values: HashMap<u16, u64>,
}

impl Properties {
    /// Reads the short ones.
    pub(super) fn read(streams: &mut Streams<'_>, path: &str, head: usize) -> Result<Self, ParseError> {
        let table = streams.read(&format!("{path}/__properties_version1.0"))?.unwrap_or_default();
        let mut values = HashMap::new();
        for entry in table.get(head..).unwrap_or_default().as_chunks::<16>().0 {
            let [_, _, low, high, _, _, _, _, value @ ..] = *entry;
            values.insert(u16::from_le_bytes([low, high]), u64::from_le_bytes(value));
        }
        Ok(Self { path: path.to_owned(), values })
    }

    /// Where its streams are.
    pub(super) fn path(&self) -> &str {
        if self.path.is_empty() { "/" } else { &self.path }
    }

    /// The lower half of a short property.
    pub(super) fn number(&self, id: u16) -> Option<u32> {
        self.values.get(&id).and_then(|value| u32::try_from(value & 0xffff_ffff).ok())
    }

    /// A text, empty when there is none.
    pub(super) fn text(&self, streams: &mut Streams<'_>, id: u16) -> Result<String, ParseError> {
        if let Some(bytes) = streams.read(&self.stream(id, 0x001f))? {
            return Ok(encoding_rs::UTF_16LE.decode_without_bom_handling(&bytes).0.into_owned());
        }
        let bytes = streams.read(&self.stream(id, 0x001e))?.unwrap_or_default();
        Ok(self.decoded(self.number(MESSAGE_PAGE).unwrap_or_default(), &bytes))
    }

    /// Bytes, `None` when there are none.
    pub(super) fn bytes(&self, streams: &mut Streams<'_>, id: u16) -> Result<Option<Vec<u8>>, ParseError> {
        streams.read(&self.stream(id, 0x0102))
    }

    /// Text in a code page by its number; judged by its looks where the number is missing.
    pub(super) fn decoded(&self, page: u32, bytes: &[u8]) -> String {
        if page == 0
            && let Ok(text) = crate::encoding::decode(bytes, None)
        {
            return text.into_owned();
        }
        let encoding = code_page(u16::try_from(page).unwrap_or_default());
        encoding.decode_without_bom_handling(bytes).0.into_owned()
    }

    /// When it was sent, or else came.
    pub(super) fn date(&self) -> Option<String> {
        let value = self.values.get(&SENT).or_else(|| self.values.get(&DELIVERED))?;
        date(*value)
    }

    fn stream(&self, id: u16, kind: u16) -> String {
        format!("{}/__substg1.0_{id:04X}{kind:04X}", self.path)
    }
}

/// Windows' count of 100 ns since 1601 as a date a person reads.
fn date(ticks: u64) -> Option<String> {
    let seconds = i64::try_from(ticks / 10_000_000).ok()?;
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days since 1 March 0000 (H. Hinnant, "chrono-compatible low-level date algorithms"); 1601 began 584,694 days after it.
    let days = days + 584_694;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = year + era * 400 + i64::from(month <= 2);
    (1601..10_000)
        .contains(&year)
        .then(|| format!("{year:04}-{month:02}-{day:02} {:02}:{:02} UTC", rest / 3600, rest % 3600 / 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date(0).as_deref(), Some("1601-01-01 00:00 UTC"));
        // 1970 began 11,644,473,600 seconds after 1601; 1,772,413,200 seconds later it was 2026-03-02 01:00.
        assert_eq!(date((11_644_473_600 + 1_772_413_200) * 10_000_000).as_deref(), Some("2026-03-02 01:00 UTC"));
        assert_eq!(date(u64::MAX), None);
    }
}
