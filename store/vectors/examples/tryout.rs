#![allow(
    missing_docs,
    clippy::all,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::expect_used
)]
use std::collections::*;
use unicode_normalization::UnicodeNormalization;

struct Doc {
    heading: String,
    text: String,
}

fn strip(html: &str) -> String {
    let mut out = String::new();
    let mut tag = false;
    for c in html.chars() {
        match c {
            '<' => {
                tag = true;
            }
            '>' => {
                tag = false;
                out.push(' ');
            }
            c if !tag => out.push(c),
            _ => {}
        }
    }
    out.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}
fn load(dir: &str, suffix: &str) -> Vec<Doc> {
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.to_str().unwrap().ends_with(suffix) && !p.to_str().unwrap().contains("index."))
        .collect();
    files.sort();
    let mut out = vec![];
    for f in files {
        let html = std::fs::read_to_string(f).unwrap();
        let html = html.split("<div class=\"navfooter\">").next().unwrap().to_string();
        for s in html.split("<div class=\"section\"><div class=\"titlepage\"><div><div><h2 class=\"title\"").skip(1) {
            let (h, rest) = s.split_once("</h2>").unwrap();
            let heading = strip(&h[h.find('>').unwrap() + 1..]);
            let q = heading
                .trim()
                .trim_start_matches(|c: char| c.is_ascii_digit() || c == '.' || c.is_whitespace())
                .to_string();
            out.push(Doc { heading: q, text: strip(rest) });
        }
    }
    out
}

#[derive(Clone, Copy, Debug, Default)]
struct V {
    search: bool,
    uni: bool,
    bi: bool,
    stem: u8,
    stop: bool,
    qstop: bool,
    parts: bool,
    hmm: bool,
}

fn is_han(c: char) -> bool {
    matches!(c as u32, 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x20000..=0x3ffff | 0x3007)
}

fn sstem(w: &str) -> String {
    if w.len() > 3 {
        if w.ends_with("ies") && !w.ends_with("eies") && !w.ends_with("aies") {
            return format!("{}y", &w[..w.len() - 3]);
        }
        if w.ends_with("es") && !w.ends_with("aes") && !w.ends_with("ees") && !w.ends_with("oes") {
            return w[..w.len() - 1].to_string();
        }
        if w.ends_with('s') && !w.ends_with("us") && !w.ends_with("ss") {
            return w[..w.len() - 1].to_string();
        }
    }
    w.to_string()
}

fn words(text: &str, v: V, j: &jieba_rs::Jieba, st: &qdrant_rust_stemmers::Stemmer) -> Vec<String> {
    let t: String = text.nfkc().flat_map(char::to_lowercase).collect();
    let chars: Vec<char> = t.chars().collect();
    let mut out = vec![];
    let mut i = 0;
    while i < chars.len() {
        let c = chars[i];
        if is_han(c) {
            let s = i;
            while i < chars.len() && is_han(chars[i]) {
                i += 1;
            }
            let run: String = chars[s..i].iter().collect();
            let toks = if v.search { j.cut_for_search(&run, v.hmm) } else { j.cut(&run, v.hmm) };
            for k in toks {
                if v.stop
                    && matches!(
                        k.word,
                        "的" | "了"
                            | "是"
                            | "在"
                            | "和"
                            | "有"
                            | "吗"
                            | "呢"
                            | "我"
                            | "什么"
                            | "怎么"
                            | "如何"
                            | "一个"
                            | "可以"
                            | "这"
                            | "那"
                            | "我们"
                            | "它"
                            | "您"
                            | "你"
                            | "为"
                    )
                {
                    continue;
                }
                out.push(k.word.to_string());
            }
            let r: Vec<char> = run.chars().collect();
            if v.uni {
                for c in &r {
                    out.push(c.to_string());
                }
            }
            if v.bi {
                for w in r.windows(2) {
                    out.push(format!("{}{}", w[0], w[1]));
                }
            }
        } else if c.is_alphanumeric() {
            let s = i;
            while i < chars.len()
                && ((chars[i].is_alphanumeric() && !is_han(chars[i]))
                    || (v.parts
                        && i + 1 < chars.len()
                        && matches!(chars[i], '-' | '.' | '/' | '_' | '+')
                        && chars[i + 1].is_alphanumeric()
                        && !is_han(chars[i + 1])))
            {
                i += 1;
            }
            let run: String = chars[s..i].iter().collect();
            let parts: Vec<&str> = run.split(|c: char| !c.is_alphanumeric()).filter(|p| !p.is_empty()).collect();
            if parts.len() > 1 {
                out.push(run.clone());
            }
            for p in parts {
                if v.stop && STOP.contains(&p) {
                    continue;
                }
                out.push(match v.stem {
                    1 => sstem(p),
                    2 => st.stem(p).to_string(),
                    _ => p.to_string(),
                });
            }
        } else {
            i += 1;
        }
    }
    out
}
const STOP: &[&str] = &[
    "a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is", "it", "no", "not", "of",
    "on", "or", "such", "that", "the", "their", "then", "there", "these", "they", "this", "to", "was", "will", "with",
    "i", "what", "how", "do", "does", "can", "my", "you", "which",
];

fn ndcg(
    docs: &[Doc],
    v: V,
    j: &jieba_rs::Jieba,
    st: &qdrant_rust_stemmers::Stemmer,
    b: f64,
    avg: Option<f64>,
    k1: f64,
) -> (f64, f64) {
    let toks: Vec<Vec<String>> = docs.iter().map(|d| words(&d.text, v, j, st)).collect();
    let n = docs.len() as f64;
    let avgdl = avg.unwrap_or(toks.iter().map(|t| t.len()).sum::<usize>() as f64 / n);
    let tfs: Vec<HashMap<&str, f64>> = toks
        .iter()
        .map(|t| {
            let mut m = HashMap::new();
            for w in t {
                *m.entry(w.as_str()).or_insert(0.) += 1.;
            }
            m
        })
        .collect();
    let mut df: HashMap<&str, f64> = HashMap::new();
    for m in &tfs {
        for k in m.keys() {
            *df.entry(k).or_insert(0.) += 1.;
        }
    }
    let (mut total, mut r10) = (0., 0.);
    for (qi, d) in docs.iter().enumerate() {
        let q: HashSet<String> = words(&d.heading, V { stop: v.stop || v.qstop, ..v }, j, st).into_iter().collect();
        let score = |i: usize| -> f64 {
            q.iter()
                .map(|w| {
                    let Some(tf) = tfs[i].get(w.as_str()) else { return 0. };
                    let f = df[w.as_str()];
                    ((n - f + 0.5) / (f + 0.5) + 1.).ln() * tf * (k1 + 1.)
                        / (tf + k1 * (1. - b + b * toks[i].len() as f64 / avgdl))
                })
                .sum()
        };
        let mine = score(qi);
        if mine <= 0. {
            continue;
        }
        let rank = (0..docs.len())
            .filter(|&i| {
                let s = score(i);
                s > mine || (s == mine && i < qi)
            })
            .count();
        if rank < 10 {
            total += 1. / (rank as f64 + 2.).log2();
            r10 += 1.;
        }
    }
    (total / n, r10 / n)
}

fn main() {
    let j = jieba_rs::Jieba::new();
    let st = qdrant_rust_stemmers::Stemmer::create(qdrant_rust_stemmers::Algorithm::English);
    let zh = load("/tmp/vq/debian-faq-zh-cn/usr/share/doc/debian/FAQ/zh-cn", ".zh-cn.html");
    let en = load("/tmp/vq/debian-faq/usr/share/doc/debian/FAQ", ".en.html");
    let rzh = load("/tmp/vq/debian-reference-zh-cn/usr/share/debian-reference", ".zh-cn.html");
    let ren = load("/tmp/vq/debian-reference-en/usr/share/debian-reference", ".en.html");
    let base = V { search: true, uni: false, bi: false, stem: 2, stop: false, qstop: false, parts: true, hmm: true };
    let sets = [("faq zh", &zh), ("faq en", &en), ("ref zh", &rzh), ("ref en", &ren)];
    for (n, d) in &sets {
        let l: usize = d.iter().map(|d| words(&d.text, base, &j, &st).len()).sum();
        println!("{n}: {} docs, {} words each", d.len(), l / d.len());
    }
    let vs = [
        ("base", base),
        ("cut", V { search: false, ..base }),
        ("uni", V { uni: true, ..base }),
        ("stem0", V { stem: 0, ..base }),
        ("stem1", V { stem: 1, ..base }),
        ("stop", V { stop: true, ..base }),
        ("qstop", V { qstop: true, ..base }),
        ("noparts", V { parts: false, ..base }),
        ("unistop", V { uni: true, stop: true, ..base }),
    ];
    for (avg, k1) in [(None, 1.2), (Some(100.), 1.2), (Some(256.), 1.2), (Some(256.), 2.0)] {
        for (name, v) in vs {
            print!("{avg:?} {k1} {name:10}");
            for (n, d) in &sets {
                let (z, r) = ndcg(d, v, &j, &st, 0.75, avg, k1);
                print!("  {n} {z:.4}/{r:.3}");
            }
            println!();
        }
    }
    let v = V { qstop: true, ..base };
    for b in [0.5, 0.75, 0.9] {
        for avg in [None, Some(60.), Some(100.), Some(150.), Some(200.)] {
            for k1 in [1.2, 1.5, 2.0] {
                print!("b {b} avg {avg:?} k1 {k1}");
                for (n, d) in &sets {
                    let (z, r) = ndcg(d, v, &j, &st, b, avg, k1);
                    print!("  {n} {z:.4}/{r:.3}");
                }
                println!();
            }
        }
    }
}
