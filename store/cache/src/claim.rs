//! What is claimed of several counters in one step, and what comes of it.

use std::time::Duration;

use kubemate_identity::TenantId;

use crate::CacheKey;

/// One of several additions that [`Counter::reserve`](crate::Counter::reserve) makes together or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Whose counter it is; `None` for one that all tenants share.
    pub owner: Option<TenantId>,
    /// Under what it is counted. A key is used with one kind of [`Span`] only.
    pub key: CacheKey,
    /// What is added. A [`Span::Lease`] counts 1, whatever stands here.
    pub n: u64,
    /// The sum must not exceed this; `u64::MAX` counts without a limit.
    pub most: u64,
    /// How long the counter counts, from the claim that starts it; of a lease: how long it is held at most.
    pub lasts: Duration,
    /// How the counter starts and ends.
    pub span: Span,
}

/// How a counter starts and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// Starts at 0 with its first claim, and again when `lasts` is over.
    Window,
    /// As a window, but what is not there is not 0: it starts at the sum that is given. Without one, a claim on a counter
    /// that is not there reserves nothing and comes back as [`Verdict::Unknown`], so that the caller finds the sum out.
    Budget(Option<u64>),
    /// Counts holders: each until it is given back, or until its own `lasts` is over, when its process died.
    Lease {
        /// Names the holder among all processes: drawn at random.
        holder: u64,
    },
}

/// What a reservation found, claim by claim in the order of the claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reserved {
    /// One for each claim.
    pub standings: Vec<Standing>,
}

impl Reserved {
    /// Whether the claims were added: all of them, or none.
    #[must_use]
    pub fn granted(&self) -> bool {
        self.standings.iter().all(|standing| standing.verdict == Verdict::Fits)
    }
}

/// How a counter stands after a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The sum: with the claim when all were granted, without it otherwise; 0 when it is not known.
    pub used: u64,
    /// Names this window among those of its key, for [`Counter::settle`](crate::Counter::settle); never 0, unless there is no
    /// window because nothing was added.
    pub window: u64,
    /// Until the window ends; of a lease: until the first holder is gone at the latest.
    pub left: Duration,
    /// Whether the claim fits.
    pub verdict: Verdict,
}

/// Whether a claim fits under its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It does; it was added when all others do too.
    Fits,
    /// It does not.
    Full,
    /// The sum of a [`Span::Budget`] is not there; nobody was told what it starts with.
    Unknown,
}

/// Replaces a granted claim by what was really used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The claim as it was granted. A lease is given back whole.
    pub claim: Claim,
    /// The window that it was added to.
    pub window: u64,
    /// What was used; may be more than was claimed.
    pub used: u64,
}
