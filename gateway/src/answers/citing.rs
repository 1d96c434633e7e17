//! Puts citations behind the sentences they support while the answer is on its way.

use std::collections::BTreeMap;

use futures::StreamExt;
use kubemate_corpus::citations::{Annotation, StreamCiter};
use kubemate_wire::citation::FileCitation;

use super::{Grounded, Piece, Pieces};

/// The same answer with citations; each choice is cited by itself.
pub(super) fn cite(mut pieces: Pieces, grounded: &Grounded) -> Pieces {
    let (offered, config) = (grounded.offered.clone(), grounded.cite.clone());
    async_stream::stream! {
        let mut citers: BTreeMap<u32, StreamCiter> = BTreeMap::new();
        while let Some(piece) = pieces.next().await {
            match piece {
                Ok(Piece::Text { choice, text, logprobs, tokens }) => {
                    let citer = citers.entry(choice).or_insert_with(|| StreamCiter::new(&offered, &config));
                    let cited = citer.push(&text);
                    if !cited.text.is_empty() {
                        yield Ok(Piece::Text { choice, text: cited.text, logprobs, tokens });
                    }
                    if let Some(citations) = citations(choice, cited.annotations) {
                        yield Ok(citations);
                    }
                }
                Ok(Piece::Finished { choice, reason, completion_tokens }) => {
                    let last = citers.remove(&choice).map(|mut citer| citer.finish()).unwrap_or_default();
                    if !last.text.is_empty() {
                        yield Ok(Piece::Text { choice, text: last.text, logprobs: Vec::new(), tokens: 0 });
                    }
                    if let Some(citations) = citations(choice, last.annotations) {
                        yield Ok(citations);
                    }
                    yield Ok(Piece::Finished { choice, reason, completion_tokens });
                }
                other => yield other,
            }
        }
    }
    .boxed()
}

fn citations(choice: u32, annotations: Vec<Annotation>) -> Option<Piece> {
    let citations: Vec<FileCitation> = annotations.into_iter().map(on_wire).collect();
    (!citations.is_empty()).then_some(Piece::Citations { choice, citations })
}

pub(super) fn on_wire(annotation: Annotation) -> FileCitation {
    FileCitation {
        index: annotation.index as u64,
        file_id: annotation.file,
        filename: annotation.filename,
        page: annotation.page,
        page_end: annotation.page_end,
        start: annotation.start,
        end: annotation.end,
        quote: annotation.quote,
        vector_store_id: Some(annotation.store),
    }
}
