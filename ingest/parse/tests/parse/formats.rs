//! Files of other programs than Microsoft's newest, each made by a program people use.

use calamine::{DataType, Reader, Xls};

use crate::{fixture, outline, read};

#[test]
fn an_old_workbook_reads_as_the_new_one_it_was_saved_from() {
    let (old, new) = (read("tables.xls"), read("tables.xlsx"));
    assert_eq!((outline(&old), old.pages), (outline(&new), new.pages));
}

#[test]
fn another_reader_sees_no_text_in_an_old_workbook_that_ours_does_not() {
    let mut book = Xls::new(std::io::Cursor::new(fixture("tables.xls"))).unwrap();
    let ours = read("tables.xls").text;
    for name in ["工资表", "Stock"] {
        let range = book.worksheet_range(name).unwrap();
        for text in range.used_cells().filter_map(|(_, _, cell)| cell.get_string()) {
            assert!(ours.contains(text), "{text}");
        }
    }
}

#[test]
fn an_open_document_text_has_headings_lists_a_table_and_pages() {
    let document = read("guide-en.odt");
    let expected = [
        "h1@1 Installation guide",
        "p@1 Kubemate runs on one machine or on a cluster.",
        "h2@1 Before you begin",
        "li@1 1. Install the package.",
        "li@1 2. Start the service.",
        "li@1 - Two cores are enough.",
        "li@1 - Four gigabytes of memory.",
        "th@1 Role | Port | Note",
        "tr@1 gateway | 8080 | HTTP",
        "tr@1 gateway | 9090 | metrics",
        "p@2 Support answers within four hours.",
    ];
    assert_eq!(outline(&document), expected);
    assert_eq!((document.title.as_deref(), document.pages), (Some("Installation guide"), Some(2)));
    assert_eq!(outline(&read("contract-zh.odt"))[9], "tr@1 服务器 | 五台 | 9,800 元");
}

#[test]
fn an_open_document_sheet_is_shown_as_a_person_sees_it() {
    let lines = outline(&read("tables.ods"));
    assert_eq!(lines[3], "tr@1 销售部 | 李雷 | 2026年3月3日 | ¥8,500.00 | 15.3%");
    assert_eq!(lines[4], "tr@1 销售部 | 韩梅梅 | 2026年3月4日 | ¥12,000.50 | 20.0%");
    assert_eq!(lines[6..8], ["h1@2 Stock", "th@2 Part | Count | Checked | Ready"]);
    assert!(!lines.iter().any(|line| line.contains("not shown")), "{lines:?}");
}

#[test]
fn an_open_document_presentation_reads_as_the_slides_it_was_saved_from() {
    assert_eq!(outline(&read("review.odp")), outline(&read("review.pptx")));
}

#[test]
fn a_rich_text_file_is_read_in_chinese() {
    let lines = outline(&read("contract-zh.rtf"));
    let expected = [
        "h1 采购合同",
        "p 本合同自双方签字之日起生效，有效期为三年。",
        "h2 付款方式",
        "li 1. 签约后支付百分之三十。",
        "li 2. 验收后支付百分之七十。",
        "li - 发票为增值税专用发票。",
        "li - 付款期限为十五日。",
        "th 货物 | 数量 | 单价",
        "tr 服务器 | 十台 | 12,000 元",
        "tr 服务器 | 五台 | 9,800 元",
        "p 违约金为合同总额的百分之五。",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_book_is_read_in_the_order_of_its_spine() {
    let document = read("handbook-zh.epub");
    let expected = [
        "h1 第一章 安装",
        "p 机器须放在平整的桌面上，离墙至少十厘米。",
        "h1 Chapter 3 Warranty",
        "p The guarantee lasts three years.",
        "h1 第二章 除垢",
        "p 每六十天除垢一次，用柠檬酸。",
    ];
    assert_eq!(outline(&document), expected);
    assert_eq!(document.title.as_deref(), Some("咖啡机手册"));
}

#[test]
fn a_fixed_layout_of_the_national_standard_keeps_its_pages() {
    let document = read("notice-zh.ofd");
    let expected = [
        "h1@1 差旅费管理办法",
        "p@1 第一条 出差人员应当按规定等级乘坐交通工具，未按规定等级乘坐的，超支部分由个人自理。",
        "p@1 第二条 住宿费标准为每人每天四百元，凭发票据实报销。",
        "p@2 第三条 伙食补助费按出差自然天数计算，每人每天一百元。Receipts are due within 30 days.",
    ];
    assert_eq!(outline(&document), expected);
    assert_eq!(document.pages, Some(2));
}

#[test]
fn a_bundle_is_its_documents_under_their_paths_whatever_the_code_page_of_the_names() {
    let lines = outline(&read("bundle-gbk.zip"));
    for line in
        ["h1 合同/通知.txt", "h1 合同/子目录/工资.xls", "h1 manual.pdf", "h2 工资表", "p Not read: 图片/标志.png"]
    {
        assert!(lines.iter().any(|found| found == line), "{line} in {lines:#?}");
    }
    assert!(lines.iter().any(|line| line.contains("新地址为滨江路 88 号")));
    let lines = outline(&read("bundle-sjis.zip"));
    assert_eq!(lines[0], "h1 資料/お知らせ.txt");
    assert!(
        lines.contains(&"p 見積金額は十二万円です。有効期限は四月三十日までとなっております。".to_owned()),
        "{lines:?}"
    );
}

#[test]
fn japanese_text_in_its_old_encoding_is_decoded() {
    assert!(read("notice-sjis.txt").text.contains("新しい住所は東京都港区芝公園四丁目二番八号です。"));
    let (name, ..) = encoding_rs::GB18030.encode("采购合同.docx");
    assert_eq!(kubemate_parse::file_name(&name), "采购合同.docx");
    let (name, ..) = encoding_rs::SHIFT_JIS.encode("見積書とお知らせ.docx");
    assert_eq!(kubemate_parse::file_name(&name), "見積書とお知らせ.docx");
}

#[test]
fn what_is_said_to_be_read_is_what_the_documentation_says() {
    assert!(include_str!("../../../../docs/FILES.md").contains(kubemate_parse::SUPPORTED));
}
