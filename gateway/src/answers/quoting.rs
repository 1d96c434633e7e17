//! Answers of small models begin with a quote, or are one; ADR 0051 says why.

use std::collections::BTreeSet;

use futures::StreamExt;
use kubemate_corpus::{Language, Quote};
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

    fn pieces(&self, choice: u32, behind: &str) -> impl Iterator<Item = Piece> + use<> {
        let text = format!("{}{behind}", self.text);
        let text = Piece::Text { choice, text, logprobs: Vec::new(), tokens: 0 };
        let citation = self.citation.clone().map(|citation| Piece::Citations { choice, citations: vec![citation] });
        std::iter::once(text).chain(citation)
    }
}

/// An answer that is only this: nothing was generated for it.
pub(super) fn only(lead: &Lead) -> Pieces {
    let started = std::iter::once(Piece::Started { prompt_tokens: 0 });
    let finished = Piece::Finished { choice: 0, reason: FinishReason::Stop, completion_tokens: 0 };
    let pieces: Vec<Piece> = started.chain(lead.pieces(0, "")).chain([finished]).collect();
    futures::stream::iter(pieces).map(Ok).boxed()
}

/// What parts the quote from the model's words.
const PARAGRAPH: &str = "\n\n";

/// The same answer with `lead` before each choice; later citations move behind it.
pub(super) fn led(mut pieces: Pieces, lead: Lead) -> Pieces {
    let shift = (lead.text.chars().count() + PARAGRAPH.len()) as u64;
    async_stream::stream! {
        let mut begun = BTreeSet::new();
        while let Some(mut piece) = pieces.next().await {
            if let Ok(Piece::Text { choice, .. } | Piece::Finished { choice, .. }) = &piece
                && begun.insert(*choice)
            {
                for piece in lead.pieces(*choice, PARAGRAPH) {
                    yield Ok(piece);
                }
            }
            if let Ok(Piece::Citations { citations, .. }) = &mut piece {
                citations.iter_mut().for_each(|citation| citation.index += shift);
            }
            yield piece;
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
        let all: Vec<Piece> = led(pieces, Lead::new(&quote(), "how long?", true)).map(Result::unwrap).collect().await;
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
}
