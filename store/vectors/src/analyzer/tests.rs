use super::{question_words, words};

fn has(text: &str, term: &str) -> bool {
    words(text).iter().any(|word| word == term)
}

/// Whether every term of the question is in the text.
fn hits(text: &str, question: &str) -> bool {
    let terms = words(text);
    let asked = words(question);
    !asked.is_empty() && asked.iter().all(|term| terms.contains(term))
}

#[test]
fn chinese_is_cut_into_words_and_the_words_inside() {
    let terms = words("本行的数据库管理系统由中国人民银行监管。");
    for word in ["数据", "数据库", "管理", "系统", "中国人民银行", "人民", "银行", "监管"] {
        assert!(terms.iter().any(|term| term == word), "{word} in {terms:?}");
    }
}

#[test]
fn clause_numbers_hit_however_they_are_written() {
    let text = "第一章 总则\n第十二条 存款人应当按照规定开立账户。第十三条另有规定的除外。";
    for question in ["第十二条", "第12条", "第 12 条", "第１２条", "第十三条", "第一章", "第1章"] {
        assert!(hits(text, question), "{question}: {:?} in {:?}", words(question), words(text));
    }
    for question in ["第十一条", "第二条", "第112条", "第三章"] {
        assert!(!hits(text, question), "{question}");
    }
    assert!(has("依照本法第二百三十四条第一款之规定", "第234条"));
    assert!(has("依照本法第二百三十四条第一款之规定", "第1款"));
    assert!(has("依照本法第二百三十四条", "本法"));
}

#[test]
fn document_numbers_hit_however_they_are_written() {
    let text = "根据《关于印发通知》（银发〔2024〕12号）的要求";
    for question in [
        "银发〔2024〕12号",
        "银发[2024]12号",
        "银发（2024）12号",
        "银发［２０２４］１２号",
        "〔2024〕12号",
        "银发〔2024〕第12号",
    ] {
        let terms = words(text);
        let full = words(question).into_iter().find(|term| term.starts_with("银发[") || term.starts_with("[2024"));
        assert!(
            full.as_ref().is_some_and(|term| terms.contains(term)),
            "{question}: {:?} in {terms:?}",
            words(question)
        );
    }
    assert!(!has(text, "[2024]13号"));
    assert!(has("（2023）京01民终123号", "123"));
}

#[test]
fn codes_are_kept_whole_and_in_parts() {
    for text in ["ISO-27001", "ISO/27001", "ISO27001", "ＩＳＯ－２７００１", "iso_27001"] {
        assert!(has(text, "iso27001") && has(text, "iso") && has(text, "27001"), "{text}: {:?}", words(text));
    }
    assert!(hits("按 ISO-27001 认证", "ISO 27001"));
    assert_eq!(words("CVE-2024-3094"), ["cve20243094", "cve", "2024", "3094"]);
    assert_eq!(words("1.2.3"), ["1.2.3"]);
    assert_eq!(words("v1.2.3"), ["v1.2.3", "1.2.3"]);
    assert_eq!(words("1,234,567.89"), ["1234567.89"]);
    assert_eq!(words("2024-01-15"), ["2024-01-15", "2024", "01", "15"]);
    assert_eq!(words("192.168.1.1"), ["192.168.1.1"]);
}

#[test]
fn english_words_lose_endings_and_accents() {
    for (one, other) in [
        ("packages", "package"),
        ("Installing", "installed"),
        ("user's", "users"),
        ("don't", "don’t"),
        ("Café", "cafe"),
        ("queries", "query"),
        ("ＤＥＢＩＡＮ", "debian"),
    ] {
        assert_eq!(words(one), words(other));
    }
    assert_eq!(words("apt-get, sources.list"), ["apt", "get", "sourc", "list"]);
}

#[test]
fn scripts_without_spaces_become_pairs() {
    assert_eq!(words("데이터"), ["데이", "이터"]);
    assert_eq!(words("ข้อมูล").len(), "ข้อมูล".chars().count() - 1);
    assert!(has("データベース", "デー"));
    assert_eq!(words("Банк данных"), ["банк", "данных"]);
}

#[test]
fn nothing_gives_nothing_and_anything_is_taken() {
    for text in ["", " \n\t", "。，！", "🎉", "---", "第", "〔2024〕", "-1", "'", "第十二", "第条"] {
        assert!(words(text).len() <= 3, "{text}: {:?}", words(text));
    }
    assert_eq!(words("🎉银行🎉").first().map(String::as_str), Some("银行"));
}

#[test]
fn long_texts_take_no_longer_than_their_length() {
    assert!(words(&"y".repeat(1_000_000)).is_empty());
    assert_eq!(words(&"第一条".repeat(100_000)).len(), 200_000);
    for text in ["第", "第一", "〔2024〕", "1.", "1,000,", "a-", "a'", "银", "ab1", "数据库"] {
        let _ = words(&text.repeat(100_000));
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_analysed_and_terms_are_their_own_terms(text in "\\PC{0,80}") {
        for term in words(&text) {
            assert!(!term.is_empty() && !term.contains(char::is_whitespace));
        }
    }

    #[test]
    fn mixed_text_is_analysed(text in "[第条款〔〕2024十二号银发a-z'’,./: -]{0,40}") {
        let _ = words(&text);
    }
}

#[test]
fn traditional_and_simplified_are_the_same_words() {
    assert_eq!(words("存款保險條例第十二條"), words("存款保险条例第12条"));
    assert_eq!(words("銀發〔2024〕12號"), words("银发[2024]12号"));
    assert!(words("資料庫").contains(&"资料库".to_owned()));
}

#[test]
fn a_question_still_asks_for_what_an_older_version_wrote() {
    let asked = question_words("資料庫");
    assert!(asked.contains("资料库") && asked.iter().any(|term| term.contains('資')), "{asked:?}");
    assert_eq!(question_words("资料库"), words("资料库").into_iter().collect());
}
