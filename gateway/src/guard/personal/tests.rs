use proptest::prelude::*;

use super::*;

/// What is found, as text.
fn found(text: &str) -> Vec<(&str, Kind)> {
    find(text, &Kind::ALL).into_iter().map(|(range, kind)| (&text[range], kind)).collect()
}

#[test]
fn what_is_personal_is_found_in_sentences_of_both_languages() {
    for (text, expected, kind) in [
        ("我的身份证号是11010519491231002X。", "11010519491231002X", Kind::ResidentId),
        ("id 440524198001010013, please", "440524198001010013", Kind::ResidentId),
        ("卡号6222021234567890128，谢谢", "6222021234567890128", Kind::BankCard),
        ("pay with 4111 1111 1111 1111 today", "4111 1111 1111 1111", Kind::BankCard),
        ("5500-0000-0000-0004.", "5500-0000-0000-0004", Kind::BankCard),
        ("电话13800138000", "13800138000", Kind::Phone),
        ("call +86 138-0013-8000 or", "+86 138-0013-8000", Kind::Phone),
        ("ring 86-13800138000", "86-13800138000", Kind::Phone),
        ("+44 20 7946 0958", "+44 20 7946 0958", Kind::Phone),
        ("邮箱zhang.san+x@mail.example.cn，", "zhang.san+x@mail.example.cn", Kind::Email),
        ("write to a@b.co.", "a@b.co", Kind::Email),
        ("统一社会信用代码91350100M000100Y43", "91350100M000100Y43", Kind::Uscc),
    ] {
        assert_eq!(found(text), [(expected, kind)], "{text}");
    }
}

#[test]
fn what_only_looks_so_is_left() {
    for text in [
        "110105194912310021",
        "110105194913310005",
        "4111 1111 1111 1112",
        "12800138000",
        "138001380001",
        "x13800138000",
        "+861",
        "a@b",
        "@b.cn",
        "a@.cn",
        "91350100M000100Y44",
        "order 1732382000123",
        "2024-11-23 18:00:00",
        "192.168.10.11",
    ] {
        assert_eq!(found(text), [], "{text}");
    }
}

#[test]
fn only_the_kinds_that_were_asked_for_are_found() {
    let text = "13800138000 a@b.cn";
    assert_eq!(find(text, &[Kind::Email]), [(12..18, Kind::Email)]);
    assert_eq!(found(text).len(), 2);
}

proptest! {
    /// Exactly one of eleven check characters makes an id of any 17 digits.
    #[test]
    fn no_id_without_its_check_character(region in 11_u32..=91, year in 1900_u32..2100, month in 1_u32..=12, day in 1_u32..=28, rest in 0_u32..10_000_000) {
        let digits = format!("{region:02}{:04}{year}{month:02}{day:02}{:03}", rest / 1000, rest % 1000);
        let ids = b"0123456789X".iter().filter(|check| {
            let text = format!("{digits}{}", char::from(**check));
            found(&text).iter().any(|(_, kind)| *kind == Kind::ResidentId)
        });
        prop_assert_eq!(ids.count(), 1);
    }

    /// Exactly one of ten last digits makes a card of any 15.
    #[test]
    fn no_card_without_its_luhn_digit(start in 200_000_000_000_000_u64..700_000_000_000_000) {
        let cards = (0..10).filter(|last| found(&format!("{start}{last}")).iter().any(|(_, kind)| *kind == Kind::BankCard));
        prop_assert_eq!(cards.count(), 1);
    }

    #[test]
    fn any_text_is_read_without_harm(text in "\\PC*|[0-9 +@.Xx-]{0,60}") {
        let mut end = 0;
        for (range, _) in find(&text, &Kind::ALL) {
            prop_assert!(range.start >= end && range.end > range.start && text.get(range.clone()).is_some());
            end = range.end;
        }
    }
}
