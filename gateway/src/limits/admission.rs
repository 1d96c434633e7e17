//! What a request holds while it runs, and its giving back.

use std::{fmt, sync::Arc};

use futures::FutureExt;
use kubemate_cache::{CacheError, Claim, Counter, Reserved, Settlement, Standing, Verdict};
use tokio_util::task::TaskTracker;
use tracing::warn;

use super::{
    plan::{Measure, Plan, Rule},
    unbroken,
};

/// A counter, and where work on it goes on when its caller has left.
#[derive(Clone, Debug)]
pub(super) struct Books {
    counter: Arc<dyn Counter>,
    tasks: TaskTracker,
}

impl Books {
    pub(super) fn new(counter: Arc<dyn Counter>, tasks: TaskTracker) -> Self {
        Self { counter, tasks }
    }

    /// Claims all or nothing. What was granted is given back when the result is dropped, even when the caller leaves before
    /// it is there.
    ///
    /// # Errors
    /// When the counter cannot be reached.
    pub(super) async fn reserve(&self, plan: &Arc<Plan>, claims: &[Claim]) -> Result<Held, CacheError> {
        let (books, plan, claims) = (self.clone(), plan.clone(), claims.to_vec());
        unbroken(&self.tasks, async move {
            let Reserved { standings } = books.counter.reserve(&claims).await?;
            Ok(Held { books: Some(books), plan, claims, standings, used: 0 })
        })
        .await
    }

    /// Settles at once where the counter is in this process, and soon where it is not.
    fn settle(self, settlements: Vec<Settlement>) {
        let Self { counter, tasks } = self;
        let mut settling = async move {
            if let Err(error) = counter.settle(&settlements).await {
                warn!(error = %error, "what a request reserved was not given back; it counts until its window ends");
            }
        }
        .boxed();
        if (&mut settling).now_or_never().is_none() {
            tasks.spawn(settling);
        }
    }
}

/// Claims and how they came out.
pub(super) struct Held {
    books: Option<Books>,
    pub(super) plan: Arc<Plan>,
    claims: Vec<Claim>,
    pub(super) standings: Vec<Standing>,
    used: u64,
}

impl Held {
    /// Nothing was counted, because nothing counts any more.
    pub(super) fn nothing(plan: &Arc<Plan>, claims: &[Claim]) -> Self {
        Self { books: None, plan: plan.clone(), claims: claims.to_vec(), standings: Vec::new(), used: 0 }
    }

    pub(super) fn granted(&self) -> bool {
        self.standings.iter().all(|standing| standing.verdict == Verdict::Fits)
    }

    /// Whether a budget's state is to be found out first.
    pub(super) fn unknown(&self) -> bool {
        self.standings.iter().any(|standing| standing.verdict == Verdict::Unknown)
    }

    /// Each limit, what was asked of it, and how it stands.
    pub(super) fn lines(&self) -> impl Iterator<Item = (&Rule, &Claim, &Standing)> {
        let claims = self.claims.iter().zip(&self.standings);
        self.plan.rules.iter().zip(claims).map(|(rule, (claim, standing))| (rule, claim, standing))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(books) = self.books.take().filter(|_| self.granted()) else { return };
        let used = self.used;
        let claims = std::mem::take(&mut self.claims).into_iter().zip(&self.standings);
        // A request stays a request; only tokens and places are settled.
        let settled = claims.zip(&self.plan.rules).filter(|(_, rule)| rule.measure != Measure::Requests);
        let settlements: Vec<_> =
            settled.map(|((claim, standing), _)| Settlement { claim, window: standing.window, used }).collect();
        if !settlements.is_empty() {
            books.settle(settlements);
        }
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Held").field("standings", &self.standings).finish_non_exhaustive()
    }
}

/// A request that was let in. Dropping it gives its places back and books what it used.
#[derive(Debug)]
pub(crate) struct Admission(Held);

impl Admission {
    pub(super) fn new(held: Held) -> Self {
        Self(held)
    }

    /// Tokens that the request has used, in and out.
    pub(crate) fn used(&mut self, tokens: u64) {
        self.0.used = tokens;
    }
}
