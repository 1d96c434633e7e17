//! Word, PowerPoint and Excel files in both languages.

use crate::{outline, read};

#[test]
fn a_word_file_has_headings_lists_a_table_a_footnote_and_pages() {
    let document = read("guide-en.docx");
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
        "p@2 Support answers within four hours.[1]",
        "p@2 [1] On working days only.",
    ];
    assert_eq!(outline(&document), expected);
    assert_eq!(document.title.as_deref(), Some("Installation guide"));
    assert_eq!(document.pages, Some(2));
}

#[test]
fn a_chinese_word_file_is_read_alike() {
    let lines = outline(&read("contract-zh.docx"));
    assert_eq!(lines[0], "h1@1 采购合同");
    assert_eq!(lines[1], "p@1 本合同自双方签字之日起生效，有效期为三年。");
    assert_eq!(lines[4], "li@1 2. 验收后支付百分之七十。");
    assert_eq!(lines[9], "tr@1 服务器 | 五台 | 9,800 元");
    assert_eq!(lines[10], "p@2 违约金为合同总额的百分之五。[1]");
}

#[test]
fn slides_are_pages_with_titles_bullets_tables_and_notes() {
    let document = read("review.pptx");
    let expected = [
        "h1@1 Quarterly review",
        "li@1 - Revenue grew by 12 percent",
        "li@1   - Mostly in Asia",
        "li@1 - Costs fell",
        "p@1 Thank the sales team.",
        "h1@2 下季度计划",
        "li@2 - 上线知识库",
        "li@2 - 招聘六名工程师",
        "th@2 项目 | 负责人",
        "tr@2 知识库 | 王芳",
        "p@2 预算为三百万元。",
    ];
    assert_eq!(outline(&document), expected);
    assert_eq!(document.pages, Some(2));
}

#[test]
fn sheets_are_pages_and_cells_are_shown_as_a_person_sees_them() {
    let document = read("tables.xlsx");
    let expected = [
        "h1@1 工资表",
        "p@1 2026 年 3 月工资",
        "th@1 部门 | 姓名 | 入职日期 | 工资 | 奖金比例",
        "tr@1 销售部 | 李雷 | 2026年3月3日 | ¥8,500.00 | 15.3%",
        "tr@1 销售部 | 韩梅梅 | 2026年3月4日 | ¥12,000.50 | 20.0%",
        "tr@1 研发部 | Alice | 2026年3月5日 | ¥15,000.00 | 8.3%",
        "h1@2 Stock",
        "th@2 Part | Count | Checked | Ready",
        "tr@2 Bolt M4 | 1200 | 2026-03-02 13:30 | TRUE",
        "tr@2 Nut M4 | 0.3 |  | FALSE",
    ];
    assert_eq!(outline(&document), expected);
}
