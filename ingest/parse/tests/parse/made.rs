//! Small files built by hand, where a program that writes such a file would hide what the test is about.

use std::io::{Cursor, Write};

use zip::write::{SimpleFileOptions, ZipWriter};

/// A container of Office files.
pub(crate) fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A Word file of one part.
pub(crate) fn docx(content: &str) -> Vec<u8> {
    archive(&[("word/document.xml", content.as_bytes())])
}

pub(crate) const HELVETICA: &str = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>";
pub(crate) const HELLO: &str = "BT /F1 12 Tf 72 720 Td (hello) Tj ET";

/// A PDF of one page, whose font is object 4 and whose content object 5; more objects follow from 6.
pub(crate) fn pdf(resources: &str, font: &str, content: &str, more: &[String]) -> Vec<u8> {
    let stream = |content: &str| format!("<</Length {}>>stream\n{content}\nendstream", content.len());
    let mut objects = vec![
        "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
        "<</Type/Pages/Kids[3 0 R]/Count 1>>".to_owned(),
        format!("<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<<{resources}>>/Contents 5 0 R>>"),
        font.to_owned(),
        stream(content),
    ];
    objects.extend_from_slice(more);
    written(&objects)
}

/// Numbered objects as a whole file.
fn written(objects: &[String]) -> Vec<u8> {
    let mut out = "%PDF-1.4\n".to_owned();
    let mut table = String::new();
    for (index, object) in objects.iter().enumerate() {
        table += &format!("{:010} 00000 n \n", out.len());
        out += &format!("{} 0 obj\n{object}\nendobj\n", index + 1);
    }
    let (start, count) = (out.len(), objects.len() + 1);
    out += &format!("xref\n0 {count}\n0000000000 65535 f \n{table}");
    out += &format!("trailer<</Size {count}/Root 1 0 R>>\nstartxref\n{start}\n%%EOF");
    out.into_bytes()
}

/// A PDF whose pages show strings of Helvetica: size, left, height above the foot, and text of each.
pub(crate) fn pages(pages: &[&[(u32, i32, i32, &str)]]) -> Vec<u8> {
    let content = |strings: &[(u32, i32, i32, &str)]| -> String {
        strings.iter().map(|(size, x, y, text)| format!("BT /F1 {size} Tf {x} {y} Td ({text}) Tj ET\n")).collect()
    };
    let mut objects = vec!["<</Type/Catalog/Pages 2 0 R>>".to_owned(), String::new(), HELVETICA.to_owned()];
    let mut kids = String::new();
    for strings in pages {
        let (page, content) = (objects.len() + 1, content(strings));
        kids += &format!("{page} 0 R ");
        objects.push(format!(
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F1 3 0 R>>>>/Contents {} 0 R>>",
            page + 1
        ));
        objects.push(format!("<</Length {}>>stream\n{content}\nendstream", content.len()));
    }
    objects[1] = format!("<</Type/Pages/Kids[{kids}]/Count {}>>", pages.len());
    written(&objects)
}
