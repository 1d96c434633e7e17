//! Filters of all kinds, alone and nested, in both searches.

use super::{Place, ids, point};
use crate::{AttributeValue, Attributes, DenseQuery, Filter, LexicalQuery, Point, VectorsError};

fn text(value: &str) -> AttributeValue {
    AttributeValue::Text(value.to_owned())
}

fn number(value: f64) -> AttributeValue {
    AttributeValue::Number(value)
}

/// Points 0 to 5: text, number and flag under the same names, odd names, and one without any.
fn points() -> Vec<Point> {
    let attributes: [&[(&str, AttributeValue)]; 6] = [
        &[("dept", text("法务部")), ("year", number(2023.0)), ("open", AttributeValue::Flag(true))],
        &[("dept", text("finance")), ("year", number(2024.0)), ("open", AttributeValue::Flag(false))],
        &[("dept", text("finance")), ("year", text("2024")), ("open", text("true"))],
        &[("dept", number(1.0)), ("year", number(2024.5)), ("a \"b\".c[0]%", number(-3.0))],
        &[("", text("")), ("year", number(-0.0)), ("a \"b\".c[0]%", text("x"))],
        &[],
    ];
    let with = |(n, own): (u32, &&[(&str, AttributeValue)])| {
        let mut point = point(n, "filtered");
        point.passage.attributes = own.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        point
    };
    (0..).zip(&attributes).map(with).collect()
}

/// Filters and the points that fulfil them.
fn cases() -> Vec<(Filter, &'static [u128])> {
    let key = |name: &str| name.to_owned();
    let odd = "a \"b\".c[0]%";
    vec![
        (Filter::Eq(key("dept"), text("finance")), &[1, 2]),
        (Filter::Eq(key("dept"), text("法务部")), &[0]),
        (Filter::Eq(key("dept"), text("financ")), &[]),
        (Filter::Eq(key("year"), number(2024.0)), &[1]),
        (Filter::Eq(key("year"), text("2024")), &[2]),
        (Filter::Eq(key("year"), number(0.0)), &[4]),
        (Filter::Eq(key("open"), AttributeValue::Flag(true)), &[0]),
        (Filter::Eq(key("none"), text("")), &[]),
        (Filter::Eq(key(""), text("")), &[4]),
        (Filter::Eq(key(odd), number(-3.0)), &[3]),
        (Filter::Ne(key("dept"), text("finance")), &[0, 3, 4, 5]),
        (Filter::Ne(key("none"), text("x")), &[0, 1, 2, 3, 4, 5]),
        (Filter::Gt(key("year"), 2023.0), &[1, 3]),
        (Filter::Gte(key("year"), 2024.0), &[1, 3]),
        (Filter::Gte(key("year"), 2024.5), &[3]),
        (Filter::Lt(key("year"), 2024.0), &[0, 4]),
        (Filter::Lte(key("year"), 2023.0), &[0, 4]),
        (Filter::Lt(key(odd), 0.0), &[3]),
        (Filter::Gt(key("dept"), 0.0), &[3]),
        (Filter::Gt(key("none"), f64::NEG_INFINITY), &[]),
        (Filter::In(key("dept"), vec![text("法务部"), number(1.0)]), &[0, 3]),
        (Filter::In(key("dept"), Vec::new()), &[]),
        (Filter::NotIn(key("dept"), vec![text("法务部"), text("finance")]), &[3, 4, 5]),
        (Filter::NotIn(key("dept"), Vec::new()), &[0, 1, 2, 3, 4, 5]),
        (Filter::All(Vec::new()), &[0, 1, 2, 3, 4, 5]),
        (Filter::Any(Vec::new()), &[]),
        (Filter::All(vec![Filter::Gt(key("year"), 2000.0), Filter::Ne(key("dept"), text("finance"))]), &[0, 3]),
        (Filter::Any(vec![Filter::Lt(key("year"), 1.0), Filter::Eq(key("dept"), text("finance"))]), &[1, 2, 4]),
        (
            Filter::All(vec![
                Filter::Any(vec![Filter::Eq(key("dept"), text("finance")), Filter::Eq(key("year"), number(2023.0))]),
                Filter::Any(vec![Filter::All(vec![Filter::Eq(key("open"), AttributeValue::Flag(false))])]),
            ]),
            &[1],
        ),
    ]
}

pub(super) async fn run(place: Place<'_>) -> Result<(), VectorsError> {
    place.anew().await?;
    place.upsert(points()).await?;
    for (filter, expected) in cases() {
        let meant: Vec<u128> = (0..)
            .zip(points())
            .filter(|(_, point)| filter.matches(&point.passage.attributes))
            .map(|(n, _)| n)
            .collect();
        assert_eq!(meant, expected, "the definition itself, of {filter:?}");
        check(place, &filter, expected, 100).await?;
    }
    // What is filtered out takes no place among the best.
    let (filter, last) = (Filter::Eq("dept".to_owned(), number(1.0)), [3]);
    check(place, &filter, &last, 1).await?;
    attributes_follow_a_replaced_point(place).await
}

async fn check(place: Place<'_>, filter: &Filter, expected: &[u128], limit: usize) -> Result<(), VectorsError> {
    let query = DenseQuery { vector: super::vector(0), limit, filter: Some(filter.clone()) };
    let found = place.store.dense(place.tenant, place.space, query).await?;
    assert_eq!(ids(&found), expected, "dense with {filter:?}");
    let query = LexicalQuery { text: "filtered".to_owned(), limit, filter: Some(filter.clone()) };
    let found = place.store.lexical(place.tenant, place.space, query).await?;
    assert_eq!(ids(&found), expected, "lexical with {filter:?}");
    Ok(())
}

async fn attributes_follow_a_replaced_point(place: Place<'_>) -> Result<(), VectorsError> {
    let mut moved = point(0, "filtered");
    moved.passage.attributes = Attributes::from([("dept".to_owned(), text("audit"))]);
    place.upsert(vec![moved]).await?;
    check(place, &Filter::Eq("dept".to_owned(), text("法务部")), &[], 10).await?;
    check(place, &Filter::Eq("dept".to_owned(), text("audit")), &[0], 10).await?;
    check(place, &Filter::Eq("year".to_owned(), number(2023.0)), &[], 10).await?;
    check(place, &Filter::Lt("year".to_owned(), 2024.0), &[4], 10).await
}
