//! Log probabilities of text completions: four columns, one row a token.

use kubemate_engine::TokenLogprob;
use kubemate_wire::completions::{CompletionChoice, CompletionLogprobs};

/// Where the next token of a choice begins.
#[derive(Debug)]
pub(super) struct Columns {
    offset: u64,
}

impl Columns {
    /// Columns of a text that begins behind `echo`.
    pub(super) fn after(echo: Option<&str>) -> Self {
        Self { offset: echo.map_or(0, |echo| echo.chars().count() as u64) }
    }

    /// The rows of `tokens`.
    pub(super) fn add(&mut self, tokens: Vec<TokenLogprob>) -> CompletionLogprobs {
        let mut rows = CompletionLogprobs::default();
        for token in tokens {
            rows.text_offset.push(self.offset);
            self.offset += token.token.chars().count() as u64;
            rows.token_logprobs.push(Some(f64::from(token.logprob)));
            let top = token.top.into_iter().map(|(text, _, logprob)| (text, f64::from(logprob)));
            rows.top_logprobs.push(Some(top.collect()));
            rows.tokens.push(token.token);
        }
        rows
    }
}

/// Appends a later piece to what is there of its choice.
pub(super) fn join(whole: &mut CompletionChoice, piece: CompletionChoice) {
    whole.text.push_str(&piece.text);
    whole.finish_reason = piece.finish_reason.or(whole.finish_reason);
    match (&mut whole.logprobs, piece.logprobs) {
        (Some(rows), Some(more)) => {
            rows.text_offset.extend(more.text_offset);
            rows.token_logprobs.extend(more.token_logprobs);
            rows.tokens.extend(more.tokens);
            rows.top_logprobs.extend(more.top_logprobs);
        }
        (None, Some(more)) => whole.logprobs = Some(more),
        (_, None) => {}
    }
}
