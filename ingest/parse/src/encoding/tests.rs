use super::*;

const CHINESE: &str = "本合同自双方签字之日起生效，有效期为三年。\n第二条 付款方式\n";
const TRADITIONAL: &str = "本合約自雙方簽字之日起生效，有效期為三年。\r\n第二條 付款方式";

fn round(encoding: &'static Encoding, text: &str) -> String {
    let (bytes, _, unmappable) = encoding.encode(text);
    assert!(!unmappable);
    decode(&bytes, None).unwrap().into_owned()
}

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2], mark: bool) -> Vec<u8> {
    let mark = mark.then_some(0xfeff);
    mark.into_iter().chain(text.encode_utf16()).flat_map(bytes).collect()
}

#[test]
fn chinese_encodings_are_told_apart() {
    assert_eq!(round(GBK, CHINESE), CHINESE);
    assert_eq!(round(GB18030, "镕𠮷的一是不了在人有我他"), "镕𠮷的一是不了在人有我他");
    assert_eq!(round(BIG5, TRADITIONAL), TRADITIONAL);
    assert_eq!(round(GBK, "你好"), "你好");
    assert_eq!(round(GBK, "Name,部门,电话\nLi,销售部,139"), "Name,部门,电话\nLi,销售部,139");
}

#[test]
fn utf16_is_found_with_and_without_a_mark() {
    for text in [CHINESE, "Plain English, two lines.\nSecond line.", "混合 mixed 文本 2026 年。"] {
        for mark in [true, false] {
            assert_eq!(decode(&utf16(text, u16::to_le_bytes, mark), None).unwrap(), text);
            assert_eq!(decode(&utf16(text, u16::to_be_bytes, mark), None).unwrap(), text);
        }
    }
}

#[test]
fn utf8_is_borrowed_and_its_mark_dropped() {
    assert!(matches!(decode(CHINESE.as_bytes(), None), Ok(Cow::Borrowed(CHINESE))));
    assert_eq!(decode("\u{feff}标题".as_bytes(), None).unwrap(), "标题");
}

#[test]
fn a_declared_label_is_used_when_it_fits() {
    let (bytes, ..) = encoding_rs::WINDOWS_1252.encode("Crème brûlée — 12 €");
    assert_eq!(decode(&bytes, Some("windows-1252")).unwrap(), "Crème brûlée — 12 €");
    let (bytes, ..) = GBK.encode("价格");
    assert_eq!(decode(&bytes, Some("gb2312")).unwrap(), "价格");
}

#[test]
fn binary_content_is_refused() {
    let error = decode(&[0, 159, 146, 150, 0, 1, 2, 3, 0], None).unwrap_err();
    assert_eq!(error.code(), "unsupported_file");
}
