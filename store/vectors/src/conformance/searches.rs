//! Searching by meaning and by word.

use super::{Place, ids, passage, point, vector};
use crate::{DenseQuery, Hit, LexicalQuery, Passage, Point, VectorsError};

pub(super) async fn run(place: Place<'_>) -> Result<(), VectorsError> {
    nearest_come_first(place).await?;
    limits_are_kept(place).await?;
    words_are_found_in_both_languages(place).await?;
    rare_words_count_more(place).await?;
    headings_are_searched(place).await
}

fn is_sorted(hits: &[Hit]) -> bool {
    hits.is_sorted_by(|a, b| a.score > b.score || (a.score == b.score && a.id < b.id))
}

async fn nearest_come_first(place: Place<'_>) -> Result<(), VectorsError> {
    place.anew().await?;
    place.upsert((0..40).map(|n| point(n, "near")).collect()).await?;
    let asked = vector(12);
    let cosine = |n: u32| {
        let (mut dot, mut own, mut other) = (0.0, 0.0, 0.0);
        for (a, b) in asked.iter().zip(vector(n)) {
            dot += a * b;
            own += a * a;
            other += b * b;
        }
        dot / (own * other).sqrt()
    };
    let mut expected: Vec<(f32, u128)> = (0..40).map(|n| (cosine(n), n.into())).collect();
    expected.sort_by(|a, b| b.0.total_cmp(&a.0));
    // Length does not count, only direction.
    let longer = asked.iter().map(|value| value * 7.5).collect();
    let query = DenseQuery { vector: longer, limit: 10, filter: None };
    let hits = place.store.dense(place.tenant, place.space, query).await?;
    assert!(hits.len() == 10 && is_sorted(&hits));
    for (hit, (score, _)) in hits.iter().zip(&expected) {
        assert!((hit.score - score).abs() < 1e-4, "{} is not {score}", hit.score);
    }
    Ok(())
}

async fn limits_are_kept(place: Place<'_>) -> Result<(), VectorsError> {
    for (limit, expected) in [(0, 0), (1, 1), (39, 39), (1_000_000, 40), (usize::MAX, 40)] {
        assert_eq!(place.dense(3, limit).await?.len(), expected, "limit {limit}");
        let query = LexicalQuery { text: "near".to_owned(), limit, filter: None };
        let found = place.store.lexical(place.tenant, place.space, query).await?;
        assert_eq!(found.len(), expected, "limit {limit}");
        assert!(is_sorted(&found));
    }
    for text in ["", "  ", "。？！", "nowhere"] {
        assert!(place.lexical(text).await?.is_empty(), "`{text}`");
    }
    Ok(())
}

async fn words_are_found_in_both_languages(place: Place<'_>) -> Result<(), VectorsError> {
    place.anew().await?;
    let texts = [
        "第十二条 存款保险实行限额偿付，最高偿付限额为人民币五十万元。",
        "第十三条 本行的数据库管理系统由科技部负责。",
        "根据银发〔2024〕12号文件的要求，应当报告可疑交易。",
        "The packages are installed with apt-get; see the user's manual.",
        "Certified under ISO-27001 since 2019，ＩＰ地址 192.168.1.1。",
        "Der Vertrag läuft drei Jahre.",
    ];
    let texts = (0..).zip(texts).map(|(n, text)| Point { passage: with_text(n, text), ..point(n, "") });
    place.upsert(texts.collect()).await?;
    for (question, expected) in [
        ("第12条规定了什么", 0),
        ("第十二条", 0),
        ("存款保险的最高限额是多少？", 0),
        ("哪个部门负责数据库", 1),
        ("银发[2024]12号", 2),
        ("可疑交易", 2),
        ("How do I install a package?", 3),
        ("iso 27001", 4),
        ("ISO27001", 4),
        ("192.168.1.1", 4),
        ("vertrag", 5),
    ] {
        let found = place.lexical(question).await?;
        assert_eq!(found.first().map(|hit| hit.id.as_u128()), Some(expected), "{question}: {found:?}");
        assert!(found.iter().all(|hit| hit.score > 0.0) && is_sorted(&found));
    }
    Ok(())
}

fn with_text(n: u32, text: &str) -> Passage {
    Passage { text: text.to_owned(), ..passage(n, "") }
}

async fn rare_words_count_more(place: Place<'_>) -> Result<(), VectorsError> {
    place.anew().await?;
    let text = |n: u32| match n {
        0 => "common rare",
        1 => "common common common",
        2 => "rare and then a good deal of other words that make the passage longer than it need be for that",
        _ => "common words",
    };
    place.upsert((0..20).map(|n| Point { passage: with_text(n, text(n)), ..point(n, "") }).collect()).await?;
    let found: Vec<u128> = place.lexical("rare common").await?.iter().map(|hit| hit.id.as_u128()).collect();
    assert_eq!(found.get(..2), Some([0, 2].as_slice()), "both words, then the rare one alone: {found:?}");
    let rare: Vec<u128> = place.lexical("rare").await?.iter().map(|hit| hit.id.as_u128()).collect();
    assert_eq!(rare, [0, 2], "the shorter passage first");
    let common = place.lexical("common").await?;
    assert_eq!(common.first().map(|hit| hit.id.as_u128()), Some(1), "who says it more often");
    Ok(())
}

async fn headings_are_searched(place: Place<'_>) -> Result<(), VectorsError> {
    place.anew().await?;
    let heading = vec!["公司章程".to_owned(), "Chapter on dividends".to_owned()];
    let below = Point { passage: Passage { heading: heading.clone(), ..passage(1, "text") }, ..point(1, "") };
    place.upsert(vec![below, point(2, "text")]).await?;
    assert_eq!(ids(&place.lexical("章程").await?), [1]);
    let found = place.lexical("dividend").await?;
    assert_eq!(found.first().map(|hit| &hit.passage.heading), Some(&heading));
    Ok(())
}
