//! Bytes of text to UTF-8: marks, declarations, then evidence.

use std::borrow::Cow;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{BIG5, Encoding, GB18030, GBK, UTF_16BE, UTF_16LE};

use crate::ParseError;

/// Bytes that are looked at to tell an encoding; chardetng's own guess settles within a few KiB of Chinese.
const SAMPLE: usize = 16 << 10;

/// Share of characters that may be undecodable: one flipped byte in a long text is not a wrong encoding.
const TOLERATED_ERRORS: f64 = 0.002;

/// Decodes `bytes`. `declared` is a label the file gives itself (`charset=gb2312`), believed when it fits.
///
/// # Errors
/// `Unsupported` for bytes that are no text at all, `Encoding` when no encoding fits.
pub(crate) fn decode<'b>(bytes: &'b [u8], declared: Option<&str>) -> Result<Cow<'b, str>, ParseError> {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        return clean_decode(encoding, bytes.get(mark..).unwrap_or_default());
    }
    if let Some(encoding) = wide(bytes) {
        return clean_decode(encoding, bytes);
    }
    if is_binary(bytes) {
        return Err(ParseError::Unsupported("binary content".to_owned()));
    }
    if let Ok(text) = simdutf8::basic::from_utf8(bytes) {
        return Ok(Cow::Borrowed(text));
    }
    if let Some(encoding) = declared.and_then(|label| Encoding::for_label(label.trim().as_bytes())) {
        let encoding = if encoding == GBK { GB18030 } else { encoding };
        let (text, errors) = encoding.decode_without_bom_handling(bytes);
        if !errors {
            return Ok(text);
        }
    }
    clean_decode(legacy(sample(bytes)), bytes)
}

/// The name of a file in UTF-8, or in whatever encoding the sender's machine uses.
#[must_use]
pub fn file_name(raw: &[u8]) -> String {
    names(&[raw]).pop().unwrap_or_default()
}

/// File names as people wrote them. UTF-8 is known by itself; the others are judged together, since a name alone is too short to
/// tell its encoding by.
pub(crate) fn names(raw: &[&[u8]]) -> Vec<String> {
    let old: Vec<&[u8]> = raw.iter().copied().filter(|name| std::str::from_utf8(name).is_err()).collect();
    if old.is_empty() {
        return raw.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    }
    let joined = old.join(&b'\n');
    let encoding = if is_gb2312(&joined) { GB18030 } else { legacy(sample(&joined)) };
    let decoded = |name: &&[u8]| match std::str::from_utf8(name) {
        Ok(name) => name.to_owned(),
        Err(_) => encoding.decode_without_bom_handling(name).0.into_owned(),
    };
    raw.iter().map(decoded).collect()
}

/// Whether every character beyond ASCII is one of GB 2312: its two bytes are both above A0, and few others encode so.
/// Japanese kana in Shift-JIS and accents of Western code pages are not.
fn is_gb2312(bytes: &[u8]) -> bool {
    let mut rest = bytes.iter();
    while let Some(byte) = rest.next() {
        if *byte < 0x80 {
            continue;
        }
        let second = rest.next().copied().unwrap_or_default();
        if !matches!(byte, 0xa1..=0xa3 | 0xb0..=0xf7) || !(0xa1..=0xfe).contains(&second) {
            return false;
        }
    }
    !GB18030.decode_without_bom_handling(bytes).1
}

/// UTF-16 without a mark. Latin text shows it by zero bytes on one side, Chinese text by decoding to Chinese.
fn wide(bytes: &[u8]) -> Option<&'static Encoding> {
    let sample = bytes.get(..SAMPLE.min(bytes.len()) & !1)?;
    if !bytes.len().is_multiple_of(2) || sample.is_empty() {
        return None;
    }
    let zero = |side: usize| sample.iter().skip(side).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (zero(0), zero(1));
    if even + odd == 0 && std::str::from_utf8(bytes).is_ok() {
        return None;
    }
    let (little, big) = (plausible(sample, u16::from_le_bytes), plausible(sample, u16::from_be_bytes));
    let (encoding, share, seen) = if little >= big { (UTF_16LE, little, odd) } else { (UTF_16BE, big, even) };
    let needed = if seen * 20 > sample.len() { 0.85 } else { 0.97 };
    (share >= needed).then_some(encoding)
}

/// Share of 16-bit units that ordinary English or Chinese text is made of.
fn plausible(sample: &[u8], unit: fn([u8; 2]) -> u16) -> f64 {
    let units = sample.as_chunks::<2>().0;
    let good = units.iter().filter(|bytes| {
        matches!(unit(**bytes), 0x09 | 0x0a | 0x0d | 0x20..=0x7e | 0xa0..=0xff | 0x2010..=0x2026
            | 0x3000..=0x301f | 0x4e00..=0x9fa5 | 0xff01..=0xff5e)
    });
    good.count() as f64 / units.len().max(1) as f64
}

/// Text holds no NUL and hardly any other control character.
fn is_binary(bytes: &[u8]) -> bool {
    let sample = bytes.get(..SAMPLE.min(bytes.len())).unwrap_or_default();
    let control = sample.iter().filter(|byte| matches!(byte, 0..=8 | 14..=26 | 28..=31)).count();
    sample.contains(&0) || control * 50 > sample.len()
}

/// The first bytes, cut after an ASCII byte so that no character is halved.
fn sample(bytes: &[u8]) -> &[u8] {
    let head = bytes.get(..SAMPLE.min(bytes.len())).unwrap_or_default();
    if head.len() == bytes.len() {
        return head;
    }
    let end = head.iter().rposition(|byte| *byte < 0x30).map_or(head.len(), |at| at + 1);
    head.get(..end).unwrap_or(head)
}

/// chardetng's guess, unless the bytes read as ordinary Chinese in GB18030 or Big5: on short texts the
/// detector takes two hanzi for Latin or Korean letters.
fn legacy(sample: &[u8]) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(sample, true);
    let guess = detector.guess(None, Utf8Detection::Deny);
    let guess = if guess == GBK { GB18030 } else { guess };
    let simplified = chinese_share(GB18030, sample);
    let traditional = chinese_share(BIG5, sample);
    match (simplified, traditional) {
        (s, t) if s.max(t) < COMMON_SHARE => guess,
        (s, t) if s >= t => GB18030,
        _ => BIG5,
    }
}

/// Common characters make up about 45 % of running Chinese; decoded wrongly they are below 8 %.
const COMMON_SHARE: f64 = 0.18;

/// Share of non-ASCII characters that are among the most frequent of Chinese text; 0 when the bytes do not fit.
fn chinese_share(encoding: &'static Encoding, sample: &[u8]) -> f64 {
    let (text, errors) = encoding.decode_without_bom_handling(sample);
    if errors {
        return 0.0;
    }
    let (mut all, mut common) = (0_usize, 0_usize);
    for c in text.chars().filter(|c| !c.is_ascii()) {
        all += 1;
        common += usize::from(FREQUENT.contains(c));
    }
    common as f64 / all.max(1) as f64
}

/// The most frequent characters of simplified and traditional Chinese prose, and its punctuation.
const FREQUENT: &str = "的一是不了在人有我他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可里后小么心多天而能好都然没日于起还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长知民样现分将外但身些与高意进把法此实回二理美点月明其种声全工己话儿者向情部正名定女问力机给等几很业最间新什打便位因重被走电四第门相次东政海口使教西再平真听世气信北少关并内加化由却代军产入先山五太水万市眼体别处总才场师书比住员九笑性通目华报立马命张活难神数件安表原车白应路期叫死常提感金何更反合放做系计或司利受光王果亲界及今京务制解各任至清物台象记边共风战干接它许八特觉望直服毛林题建南度统色字请交爱让认算论百吃义科怎元社术结六功指思非流每青管夫连远资队跟带花快条院变联言权往展该领传近留红治决周保达办运武半候七必城父强步完革深区即求品士转量空甚众技轻程告江语英基派满式李息写呢识极令黄德收脸钱党倒未持取设始版双历越史商千片容研像找友孩站广改议形委早房音火际则首单据导影失拿网香似斯专石若兵弟谁校读志飞观争究包组造落视济喜离虽坏兴這來個說們為時會過後麼對裡學國發開無從動兩長現將與進實點話間問機給業電門東氣關並內產萬體別處總場師書員華報馬張難車應記邊戰許覺題請愛讓認論義術結連遠資隊帶變聯權領傳紅決達辦運強轉眾輕語滿極黃臉錢黨設雙歷廣議單據導網專讀觀爭組視濟離雖壞興，。、；：？！“”‘’「」『』《》（）—…·　";

/// The decoded text, refused when more than a few characters are undecodable.
fn clean_decode<'b>(encoding: &'static Encoding, bytes: &'b [u8]) -> Result<Cow<'b, str>, ParseError> {
    let (text, errors) = encoding.decode_without_bom_handling(bytes);
    if !errors {
        return Ok(text);
    }
    let (mut bad, mut all) = (0_usize, 0_usize);
    for c in text.chars() {
        all += 1;
        bad += usize::from(c == char::REPLACEMENT_CHARACTER);
    }
    let allowed = (all as f64 * TOLERATED_ERRORS).max(1.0);
    if bad as f64 > allowed { Err(ParseError::Encoding) } else { Ok(text) }
}

#[cfg(test)]
mod tests;
