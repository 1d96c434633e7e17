//! Claims on several counters at once.

use std::time::Duration;

use futures::future::join_all;
use kubemate_identity::TenantId;

use super::{LONG, LOOK, SHORT, key};
use crate::{CacheError, Claim, Counter, Settlement, Span, Verdict};

/// Runs this part of the suite.
pub(super) async fn run(counter: &dyn Counter, a: &TenantId, b: &TenantId) -> Result<(), CacheError> {
    all_or_none(counter, a, b).await?;
    what_was_used_replaces_what_was_claimed(counter, a).await?;
    a_window_that_is_over_takes_nothing_back(counter, a).await?;
    a_budget_starts_where_it_stood(counter, a).await?;
    a_lost_budget_owes_what_was_used(counter, a).await?;
    holders_come_and_go(counter, a).await?;
    claims_at_once_fit_exactly(counter, a).await
}

fn claim(owner: Option<&TenantId>, part: &str, n: u64, most: u64) -> Claim {
    Claim { owner: owner.cloned(), key: key("limit", part), n, most, lasts: LONG, span: Span::Window }
}

/// The sum, read without adding.
async fn sum(counter: &dyn Counter, claim: &Claim) -> Result<u64, CacheError> {
    let reserved = counter.reserve(&[Claim { n: 0, most: u64::MAX, ..claim.clone() }]).await?;
    Ok(reserved.standings.first().map_or(0, |standing| standing.used))
}

fn verdicts(reserved: &crate::Reserved) -> Vec<Verdict> {
    reserved.standings.iter().map(|standing| standing.verdict).collect()
}

/// Settles a single granted claim.
async fn settle(counter: &dyn Counter, claim: &Claim, window: u64, used: u64) -> Result<(), CacheError> {
    counter.settle(&[Settlement { claim: claim.clone(), window, used }]).await
}

/// Reserves a single claim that fits; gives its window.
async fn granted(counter: &dyn Counter, claim: &Claim) -> Result<u64, CacheError> {
    let reserved = counter.reserve(std::slice::from_ref(claim)).await?;
    assert!(reserved.granted(), "{reserved:?}");
    Ok(reserved.standings.first().map_or(0, |standing| standing.window))
}

async fn all_or_none(counter: &dyn Counter, a: &TenantId, b: &TenantId) -> Result<(), CacheError> {
    assert!(counter.reserve(&[]).await?.granted(), "nothing is claimed");
    let wide = claim(Some(a), "wide", 10, 1000);
    let tight = claim(Some(a), "tight", 10, 15);
    let shared = claim(None, "wide", 1, 1000);
    let both = [wide.clone(), tight.clone(), shared.clone()];
    let first = counter.reserve(&both).await?;
    assert!(first.granted());
    assert_eq!(first.standings.iter().map(|standing| standing.used).collect::<Vec<_>>(), [10, 10, 1]);
    assert!(first.standings.iter().all(|standing| standing.window != 0 && standing.left <= LONG));
    assert!(first.standings.iter().all(|standing| standing.left > LONG / 2), "{first:?}");
    let second = counter.reserve(&both).await?;
    assert_eq!(verdicts(&second), [Verdict::Fits, Verdict::Full, Verdict::Fits]);
    assert_eq!(
        second.standings.iter().map(|standing| standing.used).collect::<Vec<_>>(),
        [10, 10, 1],
        "none was added"
    );
    assert!(counter.reserve(&[Claim { n: 5, ..tight.clone() }]).await?.granted(), "up to the limit itself");
    assert!(!counter.reserve(&[Claim { n: u64::MAX, ..tight.clone() }]).await?.granted(), "no sum overflows");
    assert_eq!(sum(counter, &Claim { owner: Some(b.clone()), ..wide }).await?, 0, "another tenant counts for itself");
    Ok(())
}

async fn what_was_used_replaces_what_was_claimed(counter: &dyn Counter, tenant: &TenantId) -> Result<(), CacheError> {
    let claim = claim(Some(tenant), "settled", 100, 250);
    let first = granted(counter, &claim).await?;
    let second = granted(counter, &claim).await?;
    assert_eq!(first, second, "the same window");
    settle(counter, &claim, first, 30).await?;
    assert_eq!(sum(counter, &claim).await?, 130);
    settle(counter, &claim, second, 400).await?;
    assert_eq!(sum(counter, &claim).await?, 430, "what was used counts, also above the limit");
    assert!(!counter.reserve(&[Claim { n: 0, ..claim.clone() }]).await?.granted(), "until the window ends");
    Ok(())
}

async fn a_window_that_is_over_takes_nothing_back(counter: &dyn Counter, tenant: &TenantId) -> Result<(), CacheError> {
    let claim = Claim { lasts: SHORT, ..claim(Some(tenant), "over", 7, 100) };
    let old = granted(counter, &claim).await?;
    let new = loop {
        tokio::time::sleep(LOOK).await;
        let window = granted(counter, &Claim { n: 0, lasts: LONG, ..claim.clone() }).await?;
        if window != old {
            break window;
        }
    };
    assert_eq!(granted(counter, &Claim { n: 5, ..claim.clone() }).await?, new);
    settle(counter, &claim, old, 3).await?;
    assert_eq!(sum(counter, &claim).await?, 5);
    Ok(())
}

async fn a_budget_starts_where_it_stood(counter: &dyn Counter, tenant: &TenantId) -> Result<(), CacheError> {
    let unknown = Claim { span: Span::Budget(None), ..claim(Some(tenant), "budget", 10, 100) };
    let window = claim(Some(tenant), "beside the budget", 1, 100);
    let reserved = counter.reserve(&[window.clone(), unknown.clone()]).await?;
    assert_eq!(verdicts(&reserved), [Verdict::Fits, Verdict::Unknown]);
    assert_eq!(sum(counter, &window).await?, 0);
    let told = Claim { span: Span::Budget(Some(85)), ..unknown.clone() };
    assert!(counter.reserve(&[window, told.clone()]).await?.granted());
    let full = counter.reserve(std::slice::from_ref(&unknown)).await?;
    assert_eq!(verdicts(&full), [Verdict::Full]);
    assert_eq!(full.standings.first().map(|standing| standing.used), Some(95));
    let later = Claim { n: 5, span: Span::Budget(Some(0)), ..told };
    assert!(counter.reserve(&[later]).await?.granted());
    assert_eq!(sum(counter, &unknown).await?, 100, "who comes later starts nothing");
    let over = Claim { key: key("limit", "spent"), span: Span::Budget(Some(95)), ..unknown };
    assert_eq!(verdicts(&counter.reserve(&[over]).await?), [Verdict::Full], "what is given counts at once");
    Ok(())
}

async fn a_lost_budget_owes_what_was_used(counter: &dyn Counter, tenant: &TenantId) -> Result<(), CacheError> {
    let first = Claim { span: Span::Budget(Some(50)), lasts: SHORT, ..claim(Some(tenant), "lost", 10, 100) };
    let old = granted(counter, &first).await?;
    let unknown = Claim { span: Span::Budget(None), ..first.clone() };
    while counter.reserve(&[Claim { n: 0, ..unknown.clone() }]).await?.granted() {
        tokio::time::sleep(LOOK).await;
    }
    settle(counter, &first, old, 4).await?;
    let lost = counter.reserve(std::slice::from_ref(&unknown)).await?;
    assert_eq!(verdicts(&lost), [Verdict::Unknown], "settling starts no budget");
    let anew = Claim { span: Span::Budget(Some(20)), lasts: LONG, ..first.clone() };
    assert_ne!(granted(counter, &anew).await?, old);
    settle(counter, &first, old, 4).await?;
    assert_eq!(sum(counter, &unknown).await?, 34);
    Ok(())
}

async fn holders_come_and_go(counter: &dyn Counter, tenant: &TenantId) -> Result<(), CacheError> {
    let held = |holder: u64, lasts: Duration| Claim {
        lasts,
        span: Span::Lease { holder },
        ..claim(Some(tenant), "leases", 1, 2)
    };
    let first = granted(counter, &held(1, LONG)).await?;
    granted(counter, &held(2, SHORT)).await?;
    let full = counter.reserve(&[held(3, LONG)]).await?;
    assert_eq!(verdicts(&full), [Verdict::Full]);
    assert_eq!(full.standings.first().map(|standing| standing.used), Some(2));
    settle(counter, &held(1, LONG), first, 0).await?;
    settle(counter, &held(1, LONG), first, 0).await?;
    granted(counter, &held(3, LONG)).await?;
    while !counter.reserve(&[held(4, LONG)]).await?.granted() {
        tokio::time::sleep(LOOK).await;
    }
    assert!(!counter.reserve(&[held(5, LONG)]).await?.granted(), "only the one that was over made room");
    Ok(())
}

async fn claims_at_once_fit_exactly(counter: &dyn Counter, tenant: &TenantId) -> Result<(), CacheError> {
    let requests = claim(Some(tenant), "requests at once", 1, 80);
    let tokens = claim(None, "tokens at once", 27, 1000);
    let both = [requests.clone(), tokens.clone()];
    let all = join_all((0..100).map(|_| counter.reserve(&both))).await;
    let granted = all.into_iter().collect::<Result<Vec<_>, _>>()?.iter().filter(|one| one.granted()).count();
    assert_eq!(granted, 37, "37 times 27 is 999");
    assert_eq!(sum(counter, &tokens).await?, 999);
    assert_eq!(sum(counter, &requests).await?, 37);
    Ok(())
}
