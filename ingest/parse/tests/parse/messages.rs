//! Mailboxes, and messages as Outlook saves them.

use std::io::{Cursor, Write};

use cfb::CompoundFile;
use kubemate_parse::{Format, Limits};

use crate::{fixture, outline, read, try_parse};

#[test]
fn a_mailbox_is_its_messages_with_the_text_of_their_attachments() {
    let document = read("box.mbox");
    let lines = outline(&document);
    assert_eq!(document.format, Format::Mbox);
    let subjects: Vec<_> = lines.iter().filter(|line| line.starts_with("h1 ")).collect();
    assert_eq!(subjects, ["h1 Delivery date", "h1 合同附件", "h1 Price table"]);
    for text in
        ["From then on it is yours.", "新地址为滨江路 88 号", "销售部 | 李雷 | 2026年3月3日", "Attachment: 通知.txt"]
    {
        assert!(document.text.contains(text), "{text} in {lines:#?}");
    }
}

/// A message with properties, each a storage's path, the number of a property with its kind, and its bytes.
struct Message(CompoundFile<Cursor<Vec<u8>>>);

impl Message {
    fn new() -> Self {
        let mut message = Self(CompoundFile::create(Cursor::new(Vec::new())).unwrap());
        // 2026-03-02 01:00 UTC, as Windows counts.
        let sent = (11_644_473_600_u64 + 1_772_413_200) * 10_000_000;
        message.values("", 32, &[(0x0039_0040, sent), (0x3ffd_0003, 936)]);
        message
    }

    fn values(&mut self, path: &str, head: usize, values: &[(u32, u64)]) {
        let mut table = vec![0; head];
        for (tag, value) in values {
            table.extend_from_slice(&tag.to_le_bytes());
            table.extend_from_slice(&[6, 0, 0, 0]);
            table.extend_from_slice(&value.to_le_bytes());
        }
        self.stream(&format!("{path}/__properties_version1.0"), &table);
    }

    fn stream(&mut self, path: &str, bytes: &[u8]) {
        if let Some((folder, _)) = path.rsplit_once('/').filter(|(folder, _)| !folder.is_empty()) {
            self.0.create_storage_all(folder).unwrap();
        }
        self.0.create_stream(path).unwrap().write_all(bytes).unwrap();
    }

    fn text(&mut self, path: &str, id: &str, text: &str) {
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        self.stream(&format!("{path}/__substg1.0_{id}001F"), &wide);
    }

    fn bytes(mut self) -> Vec<u8> {
        self.0.flush().unwrap();
        self.0.into_inner().into_inner()
    }
}

#[test]
fn a_saved_message_has_people_date_body_and_attachments() {
    let mut message = Message::new();
    message.text("", "0037", "三月报价单");
    message.text("", "0C1A", "李雷");
    message.text("", "0C1F", "/O=BANK/CN=LI");
    message.text("", "5D01", "li@example.com");
    message.text(
        "",
        "1000",
        "报价总额为 128,000 元，有效期至 2026 年 4 月 30 日。请在有效期之内书面确认，逾期需要重新报价。",
    );
    for (number, kind, name) in [(0, 1, "Han Meimei"), (1, 2, "王芳")] {
        let path = format!("/__recip_version1.0_#0000000{number}");
        message.values(&path, 8, &[(0x0c15_0003, kind)]);
        message.text(&path, "3001", name);
        message.text(&path, "39FE", &format!("p{number}@example.com"));
    }
    let path = "/__attach_version1.0_#00000000";
    message.values(path, 8, &[]);
    message.text(path, "3707", "工资.xls");
    message.stream(&format!("{path}/__substg1.0_37010102"), &fixture("tables.xls"));
    let inner = "/__attach_version1.0_#00000001";
    message.values(inner, 8, &[]);
    let inside = format!("{inner}/__substg1.0_3701000D");
    message.values(&inside, 24, &[]);
    message.text(&inside, "0037", "Original request");
    message.text(&inside, "1000", "Please send the price list before Friday.");
    let document = try_parse(&message.bytes(), "offer.msg", &Limits::default()).unwrap();
    let lines = outline(&document);
    assert_eq!(lines[0], "h1 三月报价单");
    assert_eq!(
        lines[1],
        "p From: 李雷 <li@example.com>\nTo: Han Meimei <p0@example.com>\nCc: 王芳 <p1@example.com>\nDate: 2026-03-02 01:00 UTC\nSubject: 三月报价单"
    );
    assert!(lines[2].starts_with("p 报价总额为 128,000 元"));
    assert!(lines.contains(&"p Attachment: 工资.xls".to_owned()));
    assert!(lines.contains(&"tr 销售部 | 李雷 | 2026年3月3日 | ¥8,500.00 | 15.3%".to_owned()));
    assert!(lines.ends_with(&["p Please send the price list before Friday.".to_owned()]), "{lines:#?}");
}

#[test]
fn other_bodies_are_read_where_there_is_no_plain_one() {
    let mut html = Message::new();
    html.stream("/__substg1.0_10130102", "<html><body><p>Der Rotor kostet 129 €.</p></body></html>".as_bytes());
    html.stream("/__substg1.0_0037001E", &encoding_rs::GBK.encode("价格").0);
    let document = try_parse(&html.bytes(), "a.msg", &Limits::default()).unwrap();
    assert_eq!(outline(&document)[0], "h1 价格");
    assert!(document.text.ends_with("Der Rotor kostet 129 €."));
    let rich = b"{\\rtf1\\ansi\\ansicpg936 \\'ba\\'cf\\'cd\\'ac\\par}";
    let packed = [&[0; 8][..], b"MELA", &[0; 4], rich].concat();
    let mut message = Message::new();
    message.stream("/__substg1.0_10090102", &packed);
    assert!(try_parse(&message.bytes(), "a.msg", &Limits::default()).unwrap().text.ends_with("合同"));
}
