use super::*;

fn blocks(html: &str) -> Vec<String> {
    let document = parse(html, &Limits::default()).unwrap();
    document.blocks.iter().map(|b| format!("{} {}", mark(b.kind), &document.text[b.range.clone()])).collect()
}

fn mark(kind: BlockKind) -> String {
    match kind {
        BlockKind::Heading { level } => format!("h{level}"),
        BlockKind::Paragraph => "p".to_owned(),
        BlockKind::ListItem => "li".to_owned(),
        BlockKind::TableHeader => "th".to_owned(),
        BlockKind::TableRow => "tr".to_owned(),
        BlockKind::Code => "code".to_owned(),
        BlockKind::Contents => "contents".to_owned(),
    }
}

#[test]
fn a_page_becomes_blocks_in_reading_order() {
    let html = "<!doctype html><html><head><title>安装 &amp; 升级</title><style>p{}</style></head><body>
        <nav><a href=/>Home</a></nav><h1>安装</h1><p>First <b>bold</b>\n line<br>second&nbsp;line
        <ul><li>one<li><p>two</p><ol start=3><li>inner</ol></ul>
        <pre>let x = 1;\n  y();\n</pre><script>alert('<p>')</script><p>最后
        一段。</body></html>";
    let expected = [
        "h1 安装",
        "p First bold line\nsecond line",
        "li - one",
        "li - two",
        "li   3. inner",
        "code let x = 1;\n  y();",
        "p 最后一段。",
    ];
    assert_eq!(blocks(html), expected);
    assert_eq!(parse(html, &Limits::default()).unwrap().title.as_deref(), Some("安装 & 升级"));
}

#[test]
fn tables_keep_their_header_and_layout_tables_their_blocks() {
    let html = "<table><caption>Prices</caption><thead><tr><th>Item</th><th>Price</th></tr></thead>
        <tr><td><p>Bread</p></td><td>2.50<br>EUR</td></tr></table>
        <table><tr><td><h2>Offer</h2><p>Text.</p></td></tr></table>";
    assert_eq!(blocks(html), ["p Prices", "th Item | Price", "tr Bread | 2.50 EUR", "h2 Offer", "p Text."]);
}

#[test]
fn main_text_wins_and_hidden_text_is_dropped() {
    let html = "<div>Site</div><main><p>The article itself, long enough to matter.</p><p hidden>no</p></main><footer>c</footer>";
    assert_eq!(blocks(html), ["p The article itself, long enough to matter."]);
}

#[test]
fn an_unclosed_nav_does_not_hide_the_page() {
    assert_eq!(blocks("<nav><p>All there is."), ["p All there is."]);
}

#[test]
fn the_declared_encoding_is_found() {
    assert_eq!(declared_charset(b"<html><META charset='GB2312'>").as_deref(), Some("gb2312"));
    assert_eq!(declared_charset(b"<?xml version='1.0' encoding=\"big5\"?>").as_deref(), Some("big5"));
    assert_eq!(declared_charset(b"the charset=x is plain text"), None);
}

#[test]
fn cells_that_span_rows_and_columns_are_said_in_each_row() {
    let html = "<table><tr><th>型号<th>数量<th>价格<tr><td rowspan=2>A1<td>30<td>9.50<tr><td>31<td>9.90\
        <tr><td colspan=2>Total<td>19.40<tr></table>";
    assert_eq!(
        blocks(html),
        ["th 型号 | 数量 | 价格", "tr A1 | 30 | 9.50", "tr A1 | 31 | 9.90", "tr Total |  | 19.40"]
    );
}
