//! Answers of small models are a quote, or begin with one; ADR 0051 says why.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt;
use kubemate_corpus::{
    Language, Quote,
    citations::{Offered, Sieve},
};
use kubemate_engine::FinishReason;
use kubemate_wire::citation::FileCitation;

use super::{Piece, Pieces, citing::on_wire};

/// What stands before the model's own words.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lead {
    text: String,
    citation: Option<FileCitation>,
}

impl Lead {
    /// The words around a quote in the question's language, with its mark, and its citation unless none are wanted.
    pub(super) fn new(quote: &Quote, question: &str, cites: bool) -> Self {
        let annotation = &quote.annotation;
        let text = match Language::of(question) {
            Language::Chinese => format!("资料原文：“{}”[{}]", annotation.quote, annotation.number),
            Language::English => format!("The document says: \"{}\" [{}]", annotation.quote, annotation.number),
        };
        let mark = format!("[{}]", annotation.number).chars().count();
        let mut citation = on_wire(annotation.clone());
        citation.index = (text.chars().count() - mark) as u64;
        Self { text, citation: Some(citation).filter(|_| cites) }
    }

    /// A sentence of ours that cites nothing.
    pub(super) fn plain(text: String) -> Self {
        Self { text, citation: None }
    }

    /// The words.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    fn pieces(&self, choice: u32) -> impl Iterator<Item = Piece> + use<> {
        let text = Piece::Text { choice, text: self.text.clone(), logprobs: Vec::new(), tokens: 0 };
        let citation = self.citation.clone().map(|citation| Piece::Citations { choice, citations: vec![citation] });
        std::iter::once(text).chain(citation)
    }
}

/// The tokens of a conversation and of an answer that no model read or wrote, as the model would have counted them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Unasked {
    pub(super) prompt: u64,
    pub(super) answer: u64,
}

/// An answer that is only this in each of its choices: nothing was generated for it.
pub(super) fn only(lead: &Lead, choices: u32, tokens: Unasked) -> Pieces {
    let started = Piece::Started { prompt_tokens: tokens.prompt };
    let choice = |choice| {
        let finished = Piece::Finished { choice, reason: FinishReason::Stop, completion_tokens: tokens.answer };
        lead.pieces(choice).chain([finished])
    };
    let pieces: Vec<Piece> = std::iter::once(started).chain((0..choices).flat_map(choice)).collect();
    futures::stream::iter(pieces).map(Ok).boxed()
}

/// The same answer without the sentences that these passages do not support or that `quote` says already.
pub(super) fn sifted(mut pieces: Pieces, offered: Vec<Offered>, quote: String) -> Pieces {
    let words = |choice, text, tokens| Piece::Text { choice, text, logprobs: Vec::new(), tokens };
    async_stream::stream! {
        let mut sieves: BTreeMap<u32, Sieve> = BTreeMap::new();
        while let Some(piece) = pieces.next().await {
            match piece {
                Ok(Piece::Text { choice, text, tokens, .. }) => {
                    let sieve = sieves.entry(choice).or_insert_with(|| Sieve::new(&offered, &quote));
                    yield Ok(words(choice, sieve.push(&text), tokens));
                }
                Ok(Piece::Finished { choice, reason, completion_tokens }) => {
                    let last = sieves.remove(&choice).map(|mut sieve| sieve.finish()).unwrap_or_default();
                    yield Ok(words(choice, last, completion_tokens));
                    yield Ok(Piece::Finished { choice, reason, completion_tokens });
                }
                other => yield other,
            }
        }
    }
    .boxed()
}

/// What parts the quote from the model's words.
const PARAGRAPH: &str = "\n\n";

/// The same answer with `lead` before each choice, sent before the model's first word; later citations move behind it.
pub(super) fn led(mut pieces: Pieces, lead: Lead, choices: u32) -> Pieces {
    let shift = (lead.text.chars().count() + PARAGRAPH.len()) as u64;
    async_stream::stream! {
        let first = pieces.next().await;
        let (before, mut next) = match first {
            Some(Ok(Piece::Started { .. })) => (first, pieces.next().await),
            first => (None, first),
        };
        if let Some(piece) = before {
            yield piece;
        }
        for piece in (0..choices).flat_map(|choice| lead.pieces(choice)) {
            yield Ok(piece);
        }
        let mut begun = BTreeSet::new();
        while let Some(mut piece) = next {
            match &mut piece {
                Ok(Piece::Text { choice, text, .. }) if !text.is_empty() && begun.insert(*choice) => {
                    text.insert_str(0, PARAGRAPH);
                }
                Ok(Piece::Citations { citations, .. }) => {
                    citations.iter_mut().for_each(|citation| citation.index += shift);
                }
                _ => {}
            }
            yield piece;
            next = pieces.next().await;
        }
    }
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quote() -> Quote {
        let annotation = kubemate_corpus::citations::Annotation {
            index: 0,
            number: 2,
            store: "vs_1".to_owned(),
            file: "file-1".to_owned(),
            filename: "a.pdf".to_owned(),
            page: Some(3),
            page_end: None,
            start: 10,
            end: 15,
            quote: "15 天。".to_owned(),
        };
        Quote { annotation, score: 1.0 }
    }

    #[tokio::test]
    async fn the_model_speaks_behind_the_quote_and_its_citations_move_with_it() {
        let text = Piece::Text { choice: 0, text: "Yes.".to_owned(), logprobs: Vec::new(), tokens: 1 };
        let mut own = on_wire(quote().annotation);
        own.index = 4;
        let cited = Piece::Citations { choice: 0, citations: vec![own] };
        let pieces = futures::stream::iter([Ok(text), Ok(cited)]).boxed();
        let all: Vec<Piece> =
            led(pieces, Lead::new(&quote(), "how long?", true), 1).map(Result::unwrap).collect().await;
        let mut answer = String::new();
        let mut places = Vec::new();
        for piece in all {
            match piece {
                Piece::Text { text, .. } => answer.push_str(&text),
                Piece::Citations { citations, .. } => places.extend(citations.iter().map(|citation| citation.index)),
                _ => {}
            }
        }
        assert_eq!(answer, "The document says: \"15 天。\" [2]\n\nYes.");
        let before = |place: &u64| answer.chars().take(usize::try_from(*place).unwrap()).collect::<String>();
        assert_eq!(places.iter().map(before).collect::<Vec<_>>(), ["The document says: \"15 天。\" ", answer.as_str()]);
    }

    #[tokio::test]
    async fn a_quote_alone_answers_every_choice_and_says_its_tokens() {
        let lead = Lead::new(&quote(), "how long?", true);
        let pieces = only(&lead, 2, Unasked { prompt: 5, answer: 9 });
        let all: Vec<Piece> = pieces.map(Result::unwrap).collect().await;
        assert_eq!(all[0], Piece::Started { prompt_tokens: 5 });
        let ends = all.iter().filter_map(|piece| match piece {
            Piece::Finished { choice, completion_tokens, .. } => Some((*choice, *completion_tokens)),
            _ => None,
        });
        assert_eq!(ends.collect::<Vec<_>>(), [(0, 9), (1, 9)]);
    }

    #[tokio::test]
    async fn a_model_whose_words_are_all_dropped_leaves_the_quote_alone() {
        let text = Piece::Text { choice: 0, text: "It is 25 days.".to_owned(), logprobs: Vec::new(), tokens: 4 };
        let finished = Piece::Finished { choice: 0, reason: FinishReason::Stop, completion_tokens: 4 };
        let pieces = futures::stream::iter([Ok(Piece::Started { prompt_tokens: 3 }), Ok(text), Ok(finished)]).boxed();
        let pieces = led(sifted(pieces, Vec::new(), String::new()), Lead::plain("Quote.".to_owned()), 1);
        let text = pieces.filter_map(async |piece| match piece.unwrap() {
            Piece::Text { text, .. } => Some(text),
            _ => None,
        });
        assert_eq!(text.collect::<String>().await, "Quote.");
    }
}
