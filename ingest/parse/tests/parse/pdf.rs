//! PDFs: pages, paragraphs, columns and Chinese fonts that are not embedded.

use crate::{code_of, fixture, outline, read};

#[test]
fn an_english_manual_keeps_its_pages_and_loses_its_running_lines() {
    let document = read("manual-en.pdf");
    let expected = [
        "p@1 Kubemate manual",
        "h1@1 Storage",
        "p@1 Documents are kept in a folder until an object store is configured, and every file is hashed while it is \
         written so that a repeated upload costs nothing.",
        "p@1 The quota of a tenant is forty gigabytes by default.",
        "h1@2 Backups",
        "p@2 A backup is taken every night at two o'clock and kept on a separate disk for thirty days.",
        "p@2 Restoring takes about twelve minutes.",
        "h1@3 Limits",
        "p@3 At most 512 connections are accepted from one address.",
    ];
    assert_eq!(outline(&document), expected);
    assert_eq!((document.title.as_deref(), document.pages), (Some("Kubemate manual"), Some(3)));
}

#[test]
fn a_chinese_handbook_is_joined_without_spaces() {
    let document = read("handbook-zh.pdf");
    let expected = [
        "p@1 员工手册",
        "h1@1 第一章 总则",
        "p@1 本办法适用于公司全体员工，自二〇二六年一月一日起施行，由人力资源部负责解释，各部门应当遵照执行并及时反馈执行中遇到的问题。",
        "h1@2 第二章 休假",
        "p@2 员工连续工作满一年的，每年享受带薪年休假五天；满十年的，享受十天。",
        "p@2 事假须提前三个工作日申请。",
        "h1@3 第三章 附则",
        "p@3 本办法由董事会于 2025 年 12 月 15 日通过。",
    ];
    assert_eq!(outline(&document), expected);
}

#[test]
fn predefined_character_maps_are_read_without_embedded_fonts() {
    for name in ["gbk.pdf", "gbk2k.pdf", "ucs2.pdf"] {
        assert_eq!(read(name).text, "本合同自双方签字之日起生效，镕基 2026。", "{name}");
    }
}

#[test]
fn columns_drawn_in_disorder_are_read_one_after_the_other() {
    let expected = [
        "h1@1 A title over both of the columns of this page",
        "p@1 The left column speaks of configuration files and where the program looks for them when it is started by a \
         service manager on a machine without a user who could be asked for the answer.",
        "p@1 The right column is about logs, which are written as JSON lines to the standard output, so that the \
         collector of the cluster is able to find each field without guessing where one might begin.",
    ];
    assert_eq!(outline(&read("columns.pdf")), expected);
}

#[test]
fn scans_and_locked_files_are_refused_by_name() {
    assert_eq!(code_of(&fixture("scan.pdf"), "scan.pdf"), "no_text");
    assert_eq!(code_of(&fixture("locked.pdf"), "locked.pdf"), "encrypted_file");
    assert_eq!(code_of(b"%PDF-1.7\n%cut", "cut.pdf"), "broken_file");
}
