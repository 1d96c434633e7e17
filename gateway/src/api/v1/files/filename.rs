//! The name of an uploaded file, as people and models will see it.

use http::HeaderMap;
use http::header::CONTENT_DISPOSITION;

use crate::api::names::is_hidden;

/// Longest file name that is kept, in characters.
const LONGEST: usize = 255;
/// The name of a file that came without one.
const NAMELESS: &str = "upload";

/// The name that the field's `content-disposition` gives: `filename*` before `filename`, its last part, nothing hidden.
pub(super) fn of(headers: &HeaderMap) -> String {
    let header = headers.get(CONTENT_DISPOSITION).map(|value| value.as_bytes()).unwrap_or_default();
    let parameters = parameters(header);
    let named = |name: &str| parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_slice());
    let extended = named("filename*").and_then(decoded);
    // A name in another encoding than UTF-8 loses letters but keeps its extension, which the readers look at.
    clean(&extended.or_else(|| named("filename").map(lossy)).unwrap_or_default())
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `form-data; name="file"; filename="a.pdf"` as pairs; a `;` within quotes is a letter.
fn parameters(header: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut pairs = Vec::new();
    let mut rest = header;
    while let Some(at) = rest.iter().position(|byte| *byte == b';') {
        let (name, after) = split(rest.get(at + 1..).unwrap_or_default(), |byte| matches!(byte, b'=' | b';'));
        let Some(value) = after.strip_prefix(b"=") else {
            rest = after;
            continue;
        };
        let (value, after) = value_of(value);
        pairs.push((lossy(name.trim_ascii()).to_ascii_lowercase(), value));
        rest = after;
    }
    pairs
}

/// What stands before the first byte that is `end`, and what begins with it.
fn split(bytes: &[u8], end: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    bytes.split_at(bytes.iter().position(|byte| end(*byte)).unwrap_or(bytes.len()))
}

/// A quoted or bare value, and what follows it. Only quotes are escaped: old browsers send whole Windows paths.
fn value_of(bytes: &[u8]) -> (Vec<u8>, &[u8]) {
    let Some(quoted) = bytes.trim_ascii_start().strip_prefix(b"\"") else {
        let (bare, rest) = split(bytes, |byte| byte == b';');
        return (bare.trim_ascii().to_vec(), rest);
    };
    let mut value = Vec::new();
    let mut rest = quoted;
    loop {
        match rest {
            [b'\\', b'"', after @ ..] => {
                value.push(b'"');
                rest = after;
            }
            [b'"', after @ ..] => return (value, after),
            [byte, after @ ..] => {
                value.push(*byte);
                rest = after;
            }
            [] => return (value, rest),
        }
    }
}

/// RFC 8187: `UTF-8'zh'%E5%90%88%E5%90%8C.pdf`.
fn decoded(value: &[u8]) -> Option<String> {
    let mut parts = value.splitn(3, |byte| *byte == b'\'');
    let (charset, _language, text) = (parts.next()?, parts.next()?, parts.next()?);
    let bytes = unescaped(text)?;
    match charset.to_ascii_lowercase().as_slice() {
        b"utf-8" => String::from_utf8(bytes).ok(),
        b"iso-8859-1" => Some(bytes.into_iter().map(char::from).collect()),
        _ => None,
    }
}

fn unescaped(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        rest = after;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        bytes.push(hex::decode(digits).ok()?.first().copied()?);
        rest = after;
    }
    Some(bytes)
}

/// The last part of a path, without letters that hide or reorder others: `invoice\u{202E}fdp.exe` looks like a PDF.
fn clean(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String = last.chars().filter(|letter| !is_hidden(*letter)).take(LONGEST).collect();
    if clean.trim().is_empty() { NAMELESS.to_owned() } else { clean }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn name(header: &[u8]) -> String {
        of(&HeaderMap::from_iter([(CONTENT_DISPOSITION, HeaderValue::from_bytes(header).unwrap())]))
    }

    #[test]
    fn the_last_part_of_the_path_is_the_name() {
        assert_eq!(name(br#"form-data; name="file"; filename="a.pdf""#), "a.pdf");
        assert_eq!(name(br#"form-data; name="file"; filename="C:\docs\a; b.pdf""#), "a; b.pdf");
        assert_eq!(name(br#"form-data; name="file"; filename="../../etc/passwd""#), "passwd");
        assert_eq!(name(br#"form-data; filename=plain.txt; name=file"#), "plain.txt");
        assert_eq!(name(br#"form-data; name="a; filename=\"no\""; filename="say \"hi\".txt""#), "say \"hi\".txt");
        for without in
            [&br#"form-data; name="file""#[..], br#"form-data; filename="/""#, br#"form-data; filename="#, b""]
        {
            assert_eq!(name(without), "upload");
        }
    }

    #[test]
    fn an_extended_name_goes_first() {
        assert_eq!(name(br#"form-data; filename="_.pdf"; filename*=UTF-8''%E5%90%88%E5%90%8C.pdf"#), "合同.pdf");
        assert_eq!(name(br#"form-data; filename*=utf-8'zh'%E5%90%88.pdf; filename="_.pdf""#), "合.pdf");
        assert_eq!(name(br#"form-data; filename*=ISO-8859-1'de'%FCber.txt"#), "über.txt");
        for broken in ["UTF-8''%E5%90.pdf", "UTF-8''%zz.pdf", "UTF-8''%E", "KOI8-R''%E5.pdf", "no quotes"] {
            let header = format!(r#"form-data; filename="plain.pdf"; filename*={broken}"#);
            assert_eq!(name(header.as_bytes()), "plain.pdf", "{broken}");
        }
        assert_eq!(name(br#"form-data; filename*=UTF-8''..%2F..%2Fa%00b.txt"#), "ab.txt");
    }

    #[test]
    fn nothing_hides_in_a_name() {
        let hidden = [
            '\u{200B}', '\u{200F}', '\u{2028}', '\u{2029}', '\u{202A}', '\u{202E}', '\u{2066}', '\u{2069}', '\u{FEFF}',
        ];
        for letter in hidden {
            let header = format!(r#"form-data; filename="invoice{letter}fdp.exe""#);
            assert_eq!(name(header.as_bytes()), "invoicefdp.exe", "{letter:?}");
        }
        assert_eq!(name(format!(r#"form-data; filename="{}""#, "长".repeat(300)).as_bytes()).chars().count(), 255);
    }

    #[test]
    fn a_name_in_another_encoding_keeps_its_extension() {
        let gb18030 = [&br#"form-data; name="file"; filename=""#[..], &[0xBA, 0xCF, 0xCD, 0xAC], b".pdf\""].concat();
        let name = name(&gb18030);
        assert!(name.ends_with(".pdf") && name.starts_with('\u{FFFD}'), "{name}");
    }
}
