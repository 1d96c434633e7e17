//! A small writer of PDF files, so that a walk knows on which page each sentence stands.

use std::fmt::Write;

/// A PDF with these pages, each a list of lines in ASCII.
pub(crate) fn pdf(pages: &[Vec<String>]) -> Vec<u8> {
    let kids: Vec<String> = (0..pages.len()).map(|page| format!("{} 0 R", 4 + 2 * page)).collect();
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        format!("<< /Type /Pages /Kids [{}] /Count {} >>", kids.join(" "), pages.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_owned(),
    ];
    for (page, lines) in pages.iter().enumerate() {
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >> /Contents {} 0 R >>",
            5 + 2 * page
        ));
        let drawn = draw(lines);
        objects.push(format!("<< /Length {} >>\nstream\n{drawn}endstream", drawn.len()));
    }
    assemble(&objects)
}

fn draw(lines: &[String]) -> String {
    let mut drawn = String::from("BT /F1 11 Tf 60 780 Td 15 TL\n");
    for line in lines {
        let escaped = line.replace('\\', "\\\\").replace('(', "\\(").replace(')', "\\)");
        writeln!(drawn, "({escaped}) Tj T*").expect("text grows");
    }
    drawn + "ET\n"
}

fn assemble(objects: &[String]) -> Vec<u8> {
    let mut file = String::from("%PDF-1.4\n");
    let mut places = Vec::new();
    for (number, object) in objects.iter().enumerate() {
        places.push(file.len());
        write!(file, "{} 0 obj\n{object}\nendobj\n", number + 1).expect("text grows");
    }
    let table = file.len();
    write!(file, "xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).expect("text grows");
    for place in places {
        writeln!(file, "{place:010} 00000 n ").expect("text grows");
    }
    let size = objects.len() + 1;
    write!(file, "trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n").expect("text grows");
    file.into_bytes()
}
