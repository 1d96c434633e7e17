//! What a PDF shows only by where its glyphs stand: words, tables, numbers of pages.

use kubemate_parse::Limits;

use crate::made::{HELVETICA, pages, pdf};
use crate::{outline, try_parse};

fn shown(content: &str) -> String {
    let file = pdf("/Font<</F1 4 0 R>>", HELVETICA, content, &[]);
    try_parse(&file, "a.pdf", &Limits::default()).unwrap().text
}

fn outline_of(file: &[u8]) -> Vec<String> {
    outline(&try_parse(file, "a.pdf", &Limits::default()).unwrap())
}

#[test]
fn a_space_written_as_that_of_two_letters_parts_words() {
    // As Ghostscript writes what groff has set: the space after the full stop is taken back after the next letter.
    let content = "BT /F1 10 Tf 72 700 Td (end) Tj 6.09 Tc 16.68 0 Td (.T) Tj 0 Tc 14.98 0 Td (his) Tj \
                   2.9 Tc 17.84 0 Td [(ei)290(fi)290(ti)]TJ ET";
    assert_eq!(shown(content), "end. This e if it i");
}

#[test]
fn letters_set_apart_are_one_word() {
    assert_eq!(shown("BT /F1 10 Tf 3 Tc 72 700 Td (ANNUAL) Tj ET"), "ANNUAL");
    let apart = "BT /F1 10 Tf 72 700 Td [(A)-300(N)-300(N)-300(U)-300(A)-300(L)-900(R)-300(E)-300(P)-300(O)-300(R)-300(T)]TJ ET";
    assert_eq!(shown(apart), "ANNUAL REPORT");
}

#[test]
fn a_table_has_rows_cells_and_a_header_and_its_wrapped_cells_are_whole() {
    let file = pages(&[&[
        (11, 72, 760, "Spare parts are delivered within two working days."),
        (11, 72, 720, "Part"),
        (11, 200, 720, "Use"),
        (11, 400, 720, "Price"),
        (11, 72, 700, "Rotor"),
        (11, 200, 700, "for pumps of the"),
        (11, 200, 687, "second series"),
        (11, 400, 700, "129.00"),
        (11, 72, 665, "Seal kit"),
        (11, 200, 665, "all pumps"),
        (11, 400, 665, "18.40"),
        (11, 72, 620, "Prices are in euros and hold until the end of the year."),
    ]]);
    let expected = [
        "p@1 Spare parts are delivered within two working days.",
        "th@1 Part | Use | Price",
        "tr@1 Rotor | for pumps of the second series | 129.00",
        "tr@1 Seal kit | all pumps | 18.40",
        "p@1 Prices are in euros and hold until the end of the year.",
    ];
    assert_eq!(outline_of(&file), expected);
}

#[test]
fn lists_are_no_tables() {
    let item = |y: i32, mark: &'static str, text: &'static str| [(11, 72, y, mark), (11, 90, y, text)];
    let strings =
        [item(700, "1.", "Open the valve."), item(680, "2.", "Start the pump."), item(660, "3.", "Close it.")];
    let lines = outline_of(&pages(&[strings.as_flattened()]));
    assert_eq!(lines, ["p@1 1. Open the valve.", "p@1 2. Start the pump.", "p@1 3. Close it."]);
}

#[test]
fn facts_at_the_edges_of_pages_are_kept_and_page_numbers_are_not() {
    let page = |chapter: &'static str, code: &'static str, total: &'static str, number: &'static str| {
        [
            (18, 72, 790, chapter),
            (11, 72, 770, code),
            (11, 72, 400, "Same text."),
            (11, 72, 60, total),
            (9, 290, 30, number),
        ]
    };
    let file = pages(&[
        &page("Chapter 1", "Room 1 has code 8037.", "1280", "1"),
        &page("Chapter 2", "Room 2 has code 8074.", "2560", "2"),
        &page("Chapter 3", "Room 3 has code 8111.", "3840", "3"),
    ]);
    let text = try_parse(&file, "a.pdf", &Limits::default()).unwrap().text;
    for fact in ["Chapter 1", "Chapter 2", "Chapter 3", "code 8037", "code 8074", "code 8111", "1280", "2560", "3840"] {
        assert!(text.contains(fact), "{fact} in {text}");
    }
    assert!(text.lines().all(|line| !["1", "2", "3"].contains(&line)), "{text}");
}
