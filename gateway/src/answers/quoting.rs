//! Answers of small models begin with a quote, or are one; ADR 0051 says why.

use std::collections::BTreeSet;

use futures::StreamExt;
use kubemate_corpus::{Language, Quote};
use kubemate_engine::FinishReason;

use super::{Piece, Pieces};

/// The words around a quote, in the question's language, with the mark that becomes its citation.
pub(super) fn worded(quote: &Quote, question: &str) -> String {
    match Language::of(question) {
        Language::Chinese => format!("资料原文：“{}”[{}]", quote.text, quote.number),
        Language::English => format!("The document says: \"{}\" [{}]", quote.text, quote.number),
    }
}

/// An answer that is only `text`: nothing was generated for it.
pub(super) fn only(text: String) -> Pieces {
    let text = Piece::Text { choice: 0, text, logprobs: Vec::new(), tokens: 0 };
    let finished = Piece::Finished { choice: 0, reason: FinishReason::Stop, completion_tokens: 0 };
    futures::stream::iter([Piece::Started { prompt_tokens: 0 }, text, finished].map(Ok)).boxed()
}

/// The same answer with `lead` before each choice.
pub(super) fn led(mut pieces: Pieces, lead: String) -> Pieces {
    async_stream::stream! {
        let mut begun = BTreeSet::new();
        while let Some(piece) = pieces.next().await {
            if let Ok(Piece::Text { choice, .. } | Piece::Finished { choice, .. }) = &piece
                && begun.insert(*choice)
            {
                yield Ok(Piece::Text { choice: *choice, text: format!("{lead}\n\n"), logprobs: Vec::new(), tokens: 0 });
            }
            yield piece;
        }
    }
    .boxed()
}
