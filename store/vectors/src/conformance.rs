//! What every adapter must do, as one suite. An adapter's tests start here.

mod filters;
mod searches;

use kubemate_identity::TenantId;
use uuid::Uuid;

use crate::{
    Attributes, DenseQuery, Hit, LexicalQuery, Passage, Point, Selector, SpaceId, SpaceSpec, VectorStore, VectorsError,
};

/// Dimensions of the suite's vectors.
const DIMENSIONS: usize = 8;

/// A store, a tenant and a space of it: what every check needs.
#[derive(Clone, Copy)]
struct Place<'a> {
    store: &'a dyn VectorStore,
    tenant: &'a TenantId,
    space: &'a SpaceId,
}

/// Runs the suite. The store must hold nothing of the tenants `suite-a` and `suite-b`; nothing of them is left.
///
/// # Errors
/// The store's own, where the suite expects none.
///
/// # Panics
/// When the store does not do what the trait says.
pub async fn run(store: &dyn VectorStore) -> Result<(), VectorsError> {
    let [a, b] = ["suite-a", "suite-b"].map(|name| TenantId::parse(name).ok());
    let (Some(a), Some(b)) = (a, b) else { unreachable!("the names are valid") };
    let space = SpaceId::new("vs_suite", 1)?;
    let place = Place { store, tenant: &a, space: &space };
    store.check().await?;
    nothing_is_found_where_nothing_is(place).await?;
    a_space_keeps_what_it_was_made_for(place).await?;
    a_vector_that_does_not_fit_writes_nothing(place).await?;
    points_come_back_and_are_replaced(place).await?;
    tenants_are_apart(place, &b).await?;
    searches::run(place).await?;
    filters::run(place).await?;
    selectors_delete_what_they_name(place).await?;
    pages_hold_every_point_once(place).await?;
    writers_and_readers_at_once(place).await?;
    spaces_come_and_go(place, &b).await
}

/// Writes what [`check_kept`] looks for after the store was closed and opened again.
///
/// # Errors
/// The store's own.
pub async fn write_kept(store: &dyn VectorStore, tenant: &TenantId) -> Result<(), VectorsError> {
    let space = SpaceId::new("vs_kept", 1)?;
    let place = Place { store, tenant, space: &space };
    place.ensure().await?;
    place.upsert((0..50).map(|n| point(n, "kept")).collect()).await?;
    store.delete(tenant, &space, Selector::Points(vec![Uuid::from_u128(7)])).await?;
    place.upsert(vec![Point { passage: passage(3, "replaced"), ..point(3, "kept") }]).await
}

/// Checks what [`write_kept`] wrote.
///
/// # Errors
/// The store's own.
///
/// # Panics
/// When something is not there, or something is that was deleted.
pub async fn check_kept(store: &dyn VectorStore, tenant: &TenantId) -> Result<(), VectorsError> {
    let space = SpaceId::new("vs_kept", 1)?;
    let place = Place { store, tenant, space: &space };
    assert_eq!(store.count(tenant, &space).await?, 49);
    assert!(store.get(tenant, &space, &[Uuid::from_u128(7)]).await?.is_empty(), "deleted");
    assert_eq!(place.lexical("replaced").await?.len(), 1);
    assert_eq!(place.lexical("kept").await?.len(), 48);
    assert_eq!(place.dense(11, 1).await?.first().map(|hit| hit.id), Some(Uuid::from_u128(11)));
    place.ensure().await
}

/// A passage whose text is unlike that of every other number.
fn passage(n: u32, text: &str) -> Passage {
    Passage {
        file: format!("file-{}", n % 5),
        version: i64::from(n % 3),
        ordinal: n,
        page: n.is_multiple_of(2).then_some(n + 1),
        page_end: n.is_multiple_of(4).then_some(n + 2),
        start: u64::from(n) * 10,
        end: u64::from(n) * 10 + 9,
        heading: Vec::new(),
        filename: format!("名字 {n}.pdf"),
        text: format!("{text} {}", name(n)),
        attributes: Attributes::new(),
    }
}

/// A word of its own for every number, which no analyzer takes apart.
fn name(n: u32) -> String {
    let letter = |digit: char| digit.to_digit(10).and_then(|digit| "bcfghjklmp".chars().nth(digit as usize));
    std::iter::once('z').chain(n.to_string().chars().filter_map(letter)).collect()
}

/// A vector that is nearest to itself among those of other numbers.
fn vector(n: u32) -> Vec<f32> {
    (0..DIMENSIONS).map(|at| (n as f32 + 1.0).mul_add(0.37, at as f32 * 1.7).sin() + 0.01).collect()
}

fn point(n: u32, text: &str) -> Point {
    Point { id: Uuid::from_u128(n.into()), dense: vector(n), passage: passage(n, text) }
}

fn ids(hits: &[Hit]) -> Vec<u128> {
    let mut ids: Vec<u128> = hits.iter().map(|hit| hit.id.as_u128()).collect();
    ids.sort_unstable();
    ids
}

impl Place<'_> {
    async fn ensure(&self) -> Result<(), VectorsError> {
        let spec = SpaceSpec { dimensions: DIMENSIONS, embedder: "suite@1".to_owned() };
        self.store.ensure(self.tenant, self.space, &spec).await
    }

    /// An empty space in place of what was there.
    async fn anew(&self) -> Result<(), VectorsError> {
        self.store.drop_space(self.tenant, self.space).await?;
        self.ensure().await
    }

    async fn upsert(&self, points: Vec<Point>) -> Result<(), VectorsError> {
        self.store.upsert(self.tenant, self.space, points).await
    }

    async fn dense(&self, n: u32, limit: usize) -> Result<Vec<Hit>, VectorsError> {
        let query = DenseQuery { vector: vector(n), limit, filter: None };
        self.store.dense(self.tenant, self.space, query).await
    }

    async fn lexical(&self, text: &str) -> Result<Vec<Hit>, VectorsError> {
        let query = LexicalQuery { text: text.to_owned(), limit: 1000, filter: None };
        self.store.lexical(self.tenant, self.space, query).await
    }

    async fn count(&self) -> Result<u64, VectorsError> {
        self.store.count(self.tenant, self.space).await
    }

    async fn delete(&self, selector: Selector) -> Result<(), VectorsError> {
        self.store.delete(self.tenant, self.space, selector).await
    }
}

async fn nothing_is_found_where_nothing_is(place: Place<'_>) -> Result<(), VectorsError> {
    assert_eq!(place.count().await?, 0);
    assert!(place.dense(1, 10).await?.is_empty());
    assert!(place.lexical("anything").await?.is_empty());
    assert!(place.store.get(place.tenant, place.space, &[Uuid::from_u128(1)]).await?.is_empty());
    place.delete(Selector::File("file-0".to_owned())).await?;
    place.store.drop_space(place.tenant, place.space).await?;
    place.upsert(Vec::new()).await?;
    assert!(matches!(place.upsert(vec![point(1, "lost")]).await, Err(VectorsError::NoSpace)));
    Ok(())
}

async fn a_space_keeps_what_it_was_made_for(place: Place<'_>) -> Result<(), VectorsError> {
    place.ensure().await?;
    place.ensure().await?;
    for (dimensions, embedder) in [(DIMENSIONS, "other@1"), (DIMENSIONS + 1, "suite@1")] {
        let spec = SpaceSpec { dimensions, embedder: embedder.to_owned() };
        let refused = place.store.ensure(place.tenant, place.space, &spec).await;
        assert!(matches!(refused, Err(VectorsError::SpecMismatch { asked, .. }) if asked == spec));
    }
    assert!(place.dense(1, 10).await?.is_empty(), "empty, and there");
    assert!(place.lexical("anything").await?.is_empty());
    Ok(())
}

async fn a_vector_that_does_not_fit_writes_nothing(place: Place<'_>) -> Result<(), VectorsError> {
    let with = |dense: Vec<f32>| vec![point(1, "good"), Point { dense, ..point(2, "bad") }];
    let short = place.upsert(with(vec![1.0])).await;
    assert!(matches!(short, Err(VectorsError::Dimensions { expected: DIMENSIONS, found: 1 })));
    for value in [0.0, f32::NAN, f32::INFINITY] {
        assert!(matches!(place.upsert(with(vec![value; DIMENSIONS])).await, Err(VectorsError::BadVector(_))));
    }
    let mut endless = point(3, "bad");
    endless.passage.attributes.insert("n".to_owned(), crate::AttributeValue::Number(f64::INFINITY));
    assert!(matches!(place.upsert(vec![point(1, "good"), endless]).await, Err(VectorsError::BadAttribute(_))));
    assert_eq!(place.count().await?, 0);
    let query = DenseQuery { vector: vec![1.0; 3], limit: 1, filter: None };
    let refused = place.store.dense(place.tenant, place.space, query).await;
    assert!(matches!(refused, Err(VectorsError::Dimensions { .. })));
    Ok(())
}

async fn points_come_back_and_are_replaced(place: Place<'_>) -> Result<(), VectorsError> {
    let points: Vec<Point> = (0..20).map(|n| point(n, "first")).collect();
    place.upsert(points.clone()).await?;
    place.upsert(points.clone()).await?;
    assert_eq!(place.count().await?, 20, "writing again changes nothing");
    let asked = [19, 4, 99, 4].map(Uuid::from_u128);
    let found = place.store.get(place.tenant, place.space, &asked).await?;
    let ordinals: Vec<u32> = found.iter().map(|passage| passage.ordinal).collect();
    assert_eq!(ordinals.get(..2), Some([19, 4].as_slice()), "in the order asked, unknown ids left out");
    assert_eq!(found.first(), points.get(19).map(|point| &point.passage), "every field");
    let hit = place.dense(6, 1).await?.pop();
    assert_eq!(hit.as_ref().map(|hit| &hit.passage), points.get(6).map(|point| &point.passage));
    assert!(hit.is_some_and(|hit| (hit.score - 1.0).abs() < 1e-3), "a vector's cosine with itself is 1");
    let replaced = Point { id: Uuid::from_u128(6), ..point(300, "second") };
    place.upsert(vec![replaced]).await?;
    assert_eq!(place.count().await?, 20);
    assert_eq!(ids(&place.dense(300, 1).await?), [6]);
    assert_eq!(ids(&place.lexical("second").await?), [6]);
    assert!(place.lexical(&name(6)).await?.is_empty(), "the old words are gone");
    let wordless = Point { passage: Passage { text: "…".to_owned(), ..passage(300, "") }, ..point(6, "") };
    place.upsert(vec![wordless]).await?;
    assert!(place.lexical("second").await?.is_empty(), "and stay gone without new ones");
    Ok(())
}

async fn tenants_are_apart(place: Place<'_>, other: &TenantId) -> Result<(), VectorsError> {
    let theirs = Place { tenant: other, ..place };
    assert_eq!(theirs.count().await?, 0, "the same space id of another tenant is another space");
    theirs.ensure().await?;
    assert!(theirs.dense(1, 100).await?.is_empty());
    assert!(theirs.lexical("first").await?.is_empty());
    assert!(theirs.store.get(other, theirs.space, &[Uuid::from_u128(1)]).await?.is_empty());
    theirs.upsert(vec![point(1, "secret")]).await?;
    assert!(place.lexical("secret").await?.is_empty());
    assert_eq!(ids(&theirs.dense(1, 100).await?), [1]);
    theirs.delete(Selector::Points((0..20).map(Uuid::from_u128).collect())).await?;
    theirs.delete(Selector::File("file-1".to_owned())).await?;
    assert_eq!((place.count().await?, theirs.count().await?), (20, 0));
    let next = SpaceId::new("vs_suite", 2)?;
    let beside = Place { space: &next, ..place };
    assert_eq!(beside.count().await?, 0, "another generation is another space");
    Ok(())
}

/// Which of the numbered points a selector names.
type Deleted = fn(u128) -> bool;

async fn selectors_delete_what_they_name(place: Place<'_>) -> Result<(), VectorsError> {
    place.anew().await?;
    // File n % 5, version n % 3.
    place.upsert((0..30).map(|n| point(n, "some")).collect()).await?;
    let mut left: Vec<u128> = (0..30).collect();
    let cases: [(Selector, Deleted); 4] = [
        (Selector::File("file-2".to_owned()), |n| n % 5 == 2),
        (Selector::FileVersionsBelow { file: "file-1".to_owned(), version: 2 }, |n| n % 5 == 1 && n % 3 < 2),
        (Selector::Points([0, 3, 77].map(Uuid::from_u128).to_vec()), |n| n == 0 || n == 3),
        (Selector::File("file-".to_owned()), |_| false),
    ];
    for (selector, deleted) in cases {
        place.delete(selector.clone()).await?;
        place.delete(selector.clone()).await?;
        left.retain(|n| !deleted(*n));
        assert_eq!(ids(&place.dense(1, 100).await?), left, "after {selector:?}");
        assert_eq!(ids(&place.lexical("some").await?), left, "after {selector:?}");
        assert_eq!(place.count().await?, left.len() as u64);
    }
    Ok(())
}

async fn pages_hold_every_point_once(place: Place<'_>) -> Result<(), VectorsError> {
    let (store, tenant, space) = (place.store, place.tenant, place.space);
    store.drop_space(tenant, space).await?;
    assert_eq!(store.spec(tenant, space).await?, None);
    assert!(store.page(tenant, space, None, 10).await?.is_empty());
    place.ensure().await?;
    let spec = store.spec(tenant, space).await?;
    assert_eq!(spec, Some(SpaceSpec { dimensions: DIMENSIONS, embedder: "suite@1".to_owned() }));
    // Written in another order than they are read.
    let points: Vec<Point> = (0..25).map(|n| point(n, "paged")).collect();
    place.upsert(points.iter().rev().cloned().collect()).await?;
    let mut read: Vec<Point> = Vec::new();
    loop {
        let page = store.page(tenant, space, read.last().map(|point| point.id), 10).await?;
        assert!(page.len() <= 10);
        if page.is_empty() {
            break;
        }
        read.extend(page);
    }
    assert_eq!(read.len(), points.len());
    for (read, written) in read.iter().zip(&points) {
        assert_eq!((read.id, &read.passage), (written.id, &written.passage));
        let length = |vector: &[f32]| vector.iter().map(|value| value * value).sum::<f32>().sqrt();
        let (own, other) = (length(&read.dense), length(&written.dense));
        let near = |(a, b): (&f32, &f32)| (a / own - b / other).abs() < 1e-5;
        assert!(read.dense.iter().zip(&written.dense).all(near), "the same direction");
    }
    assert!(store.page(tenant, space, Some(Uuid::max()), 10).await?.is_empty());
    Ok(())
}

async fn writers_and_readers_at_once(place: Place<'_>) -> Result<(), VectorsError> {
    place.anew().await?;
    let write = async |batch: u32| {
        place.upsert((0..10).map(|n| point(batch * 10 + n, "busy")).collect()).await?;
        // What is acknowledged is seen.
        let id = Uuid::from_u128((batch * 10).into());
        assert_eq!(place.store.get(place.tenant, place.space, &[id]).await?.len(), 1);
        let found = place.lexical(&name(batch * 10)).await?;
        assert_eq!(ids(&found), [id.as_u128()]);
        Ok::<_, VectorsError>(())
    };
    let (one, two, three, four) = tokio::join!(write(0), write(1), write(2), write(3));
    one.and(two).and(three).and(four)?;
    assert_eq!(place.count().await?, 40);
    assert_eq!(place.lexical("busy").await?.len(), 40);
    Ok(())
}

async fn spaces_come_and_go(place: Place<'_>, other: &TenantId) -> Result<(), VectorsError> {
    let theirs = Place { tenant: other, ..place };
    theirs.upsert(vec![point(1, "stays")]).await?;
    place.store.drop_space(place.tenant, place.space).await?;
    place.store.drop_space(place.tenant, place.space).await?;
    assert_eq!(place.count().await?, 0);
    assert!(matches!(place.upsert(vec![point(1, "lost")]).await, Err(VectorsError::NoSpace)));
    assert_eq!(theirs.count().await?, 1, "another tenant's space of that name stays");
    let spec = SpaceSpec { dimensions: 3, embedder: "another@2".to_owned() };
    place.store.ensure(place.tenant, place.space, &spec).await?;
    place.store.drop_space(place.tenant, place.space).await?;
    place.store.drop_space(other, place.space).await
}
