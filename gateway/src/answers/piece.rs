//! The pieces of an answer, in their order: `Started`, then `Text`, then per choice `Citations` and `Finished`.

use futures::{StreamExt, stream::BoxStream};
use kubemate_engine::{FinishReason, GenerateEvent, Generation, TokenLogprob};
use kubemate_wire::citation::FileCitation;

use crate::{api::ApiError, models::Meter};

/// What an answer consists of.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Piece {
    /// The prompt was accepted.
    Started { prompt_tokens: u64 },
    /// More text of a choice; `tokens` is how many tokens the choice has taken so far, 0 where nobody counts until the
    /// end.
    Text { choice: u32, text: String, logprobs: Vec<TokenLogprob>, tokens: u64 },
    /// What supports the text so far; comes after the words it supports, possibly several times.
    Citations { choice: u32, citations: Vec<FileCitation> },
    /// The choice is complete; `completion_tokens` counts all of it.
    Finished { choice: u32, reason: FinishReason, completion_tokens: u64 },
}

/// An answer under way. Dropping it stops whoever produces it; an error is its last item.
pub(crate) type Pieces = BoxStream<'static, Result<Piece, ApiError>>;

/// The pieces of a local generation.
pub(super) fn from_engine(generation: Generation) -> Pieces {
    generation.map(|event| event.map(piece).map_err(ApiError::from)).boxed()
}

fn piece(event: GenerateEvent) -> Piece {
    let number = |choice: usize| u32::try_from(choice).unwrap_or(u32::MAX);
    match event {
        GenerateEvent::Started { prompt_tokens } => Piece::Started { prompt_tokens: prompt_tokens as u64 },
        GenerateEvent::Delta { choice, text, logprobs, completion_tokens } => {
            Piece::Text { choice: number(choice), text, logprobs, tokens: completion_tokens as u64 }
        }
        GenerateEvent::Finished { choice, reason, completion_tokens } => {
            Piece::Finished { choice: number(choice), reason, completion_tokens: completion_tokens as u64 }
        }
    }
}

/// The same pieces, counted on their way; the meter settles when the stream is done or dropped.
pub(super) fn metered(mut pieces: Pieces, mut meter: Meter) -> Pieces {
    async_stream::stream! {
        while let Some(piece) = pieces.next().await {
            match &piece {
                Ok(Piece::Started { prompt_tokens }) => meter.prompt(*prompt_tokens),
                Ok(Piece::Text { choice, tokens, .. }) => meter.reached(*choice, *tokens),
                Ok(Piece::Finished { choice, completion_tokens, .. }) => meter.reached(*choice, *completion_tokens),
                Ok(Piece::Citations { .. }) => {}
                Err(error) => meter.failed(error.status()),
            }
            yield piece;
        }
        meter.answered();
    }
    .boxed()
}
