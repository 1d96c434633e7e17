//! The embedded store agrees with the definition of filters, on generated points and filters.

use std::collections::BTreeSet;

use kubemate_vectors::{
    AttributeValue, DenseQuery, Embedded, Filter, Hit, LexicalQuery, MemoryVectors, Point, VectorStore,
};
use proptest::prelude::*;

use super::{open, point, space, spec, tenant};

const DIMENSIONS: usize = 3;

fn value() -> impl Strategy<Value = AttributeValue> {
    prop_oneof![
        any::<bool>().prop_map(AttributeValue::Flag),
        (-3..4_i32).prop_map(|n| AttributeValue::Number(f64::from(n))),
        (-30..40_i32).prop_map(|n| AttributeValue::Number(f64::from(n) / 10.0)),
        prop_oneof!["[a-c]{0,2}", "[法务0-2\\\\\"%. ]{0,3}", "true|false|1|-0.5"].prop_map(AttributeValue::Text),
    ]
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof!["[a-d]", "部门|a\\.b|a\\[0\\]|q\"q|%22||back\\\\slash|numbers|tags|file"]
}

fn filter() -> impl Strategy<Value = Filter> {
    let bound = || (-30..40_i32).prop_map(|n| f64::from(n) / 10.0);
    let values = || prop::collection::vec(value(), 0..4);
    let leaf = prop_oneof![
        (key(), value()).prop_map(|(key, value)| Filter::Eq(key, value)),
        (key(), value()).prop_map(|(key, value)| Filter::Ne(key, value)),
        (key(), bound()).prop_map(|(key, bound)| Filter::Gt(key, bound)),
        (key(), bound()).prop_map(|(key, bound)| Filter::Gte(key, bound)),
        (key(), bound()).prop_map(|(key, bound)| Filter::Lt(key, bound)),
        (key(), bound()).prop_map(|(key, bound)| Filter::Lte(key, bound)),
        (key(), values()).prop_map(|(key, values)| Filter::In(key, values)),
        (key(), values()).prop_map(|(key, values)| Filter::NotIn(key, values)),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let parts = || prop::collection::vec(inner.clone(), 0..4);
        prop_oneof![parts().prop_map(Filter::All), parts().prop_map(Filter::Any)]
    })
}

fn points() -> impl Strategy<Value = Vec<Point>> {
    let attributes = prop::collection::btree_map(key(), value(), 0..5);
    prop::collection::vec(attributes, 1..40).prop_map(|all| {
        let with = |(n, attributes)| {
            let mut point = point(n, DIMENSIONS, "filtered");
            point.passage.attributes = attributes;
            point
        };
        (0..).zip(all).map(with).collect()
    })
}

fn ids(hits: Vec<Hit>) -> BTreeSet<u128> {
    hits.into_iter().map(|hit| hit.id.as_u128()).collect()
}

async fn found(store: &dyn VectorStore, filter: &Filter) -> [BTreeSet<u128>; 2] {
    let (limit, filter, text) = (1000, Some(filter.clone()), "filtered".to_owned());
    let dense = DenseQuery { vector: vec![1.0; DIMENSIONS], limit, filter: filter.clone() };
    let lexical = LexicalQuery { text, limit, filter };
    let (tenant, space) = (tenant(), space("filters"));
    [
        ids(store.dense(&tenant, &space, dense).await.unwrap()),
        ids(store.lexical(&tenant, &space, lexical).await.unwrap()),
    ]
}

async fn fill(store: &dyn VectorStore, points: &[Point]) {
    let (tenant, space) = (tenant(), space("filters"));
    store.drop_space(&tenant, &space).await.unwrap();
    store.ensure(&tenant, &space, &spec(DIMENSIONS)).await.unwrap();
    store.upsert(&tenant, &space, points.to_vec()).await.unwrap();
}

async fn agree(embedded: &Embedded, points: &[Point], filters: &[Filter]) {
    let memory = MemoryVectors::default();
    fill(&memory, points).await;
    fill(embedded, points).await;
    for filter in filters {
        let meant: BTreeSet<u128> = points
            .iter()
            .filter(|point| filter.matches(&point.passage.attributes))
            .map(|point| point.id.as_u128())
            .collect();
        assert_eq!(found(&memory, filter).await, [meant.clone(), meant.clone()], "{filter:?}");
        assert_eq!(found(embedded, filter).await, [meant.clone(), meant], "{filter:?}");
    }
}

#[test]
fn filters_mean_the_same_in_memory_and_embedded() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let embedded = runtime.block_on(open(folder.path()));
    let cases = (points(), prop::collection::vec(filter(), 20));
    // Making a space takes a while, so few sets of points and many filters on each.
    proptest!(ProptestConfig::with_cases(24), |((points, filters) in cases)| {
        runtime.block_on(agree(&embedded, &points, &filters));
    });
}
