//! What is refused before a request is parsed, and how the reason reaches the one who answers.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering},
};

/// Why a request is refused before it is parsed. In a request's extensions it says that this request only carries the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    BareLineFeed,
    MalformedHead,
    HeadTooLarge,
    Host,
    Target,
    Length,
    Chunk,
    Method,
    HeadTimeout,
}

impl Violation {
    /// What the client is told.
    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::BareLineFeed => "a line ends in a bare line feed; end every line with CR LF",
            Self::MalformedHead => "the request line or a header line is malformed",
            Self::HeadTooLarge => "the request head is larger than 60 KiB or has more than 100 lines",
            Self::Host => "send exactly one valid Host header",
            Self::Target => "the request target is malformed or does not match the Host header",
            Self::Length => {
                "send either one valid Content-Length or `Transfer-Encoding: chunked`, not both and not twice"
            }
            Self::Chunk => "the chunked body is malformed",
            Self::Method => "CONNECT is not served",
            Self::HeadTimeout => "the request head did not arrive in time",
        }
    }
}

/// The one violation of a connection, for nothing is read behind it, and the requests counted so far. The client cannot
/// write here: a request is told from a refusal by its place in the connection, never by what it says.
#[derive(Clone, Debug, Default)]
pub(super) struct Noted(Arc<Notes>);

#[derive(Debug, Default)]
struct Notes {
    violation: OnceLock<(u64, Violation)>,
    begun: AtomicU64,
}

impl Noted {
    /// Notes what is wrong behind the first `heads` whole heads.
    pub(super) fn set(&self, violation: Violation, heads: u64) {
        // A second one cannot be: nothing is read behind the first.
        let _first_wins = self.0.violation.set((heads, violation));
    }

    /// Counts a request that begins; the violation when this request stands where it was found.
    pub(super) fn begin(&self) -> Option<Violation> {
        let place = self.0.begun.fetch_add(1, Ordering::Relaxed);
        self.0.violation.get().filter(|(heads, _)| *heads == place).map(|(_, violation)| *violation)
    }

    /// The violation, whichever request it belongs to.
    pub(super) fn any(&self) -> Option<Violation> {
        self.0.violation.get().map(|(_, violation)| *violation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_request_at_its_place_carries_the_violation() {
        let noted = Noted::default();
        noted.set(Violation::Chunk, 1);
        assert_eq!(noted.begin(), None, "the whole one before it");
        assert_eq!(noted.begin(), Some(Violation::Chunk));
        assert_eq!(noted.begin(), None);
    }
}
