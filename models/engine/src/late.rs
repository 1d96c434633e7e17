//! Late interaction: a question and a passage compared token by token.
//!
//! Each token of the question looks for the token of the passage that is nearest to it; the mean of what they find says
//! how much of the question the passage holds. One vector for a whole passage averages that away.

use crate::encoder::{normalise, pool};

/// How much the cosine of the whole texts counts beside what the tokens find.
const WHOLE: f32 = 0.5;

/// The vectors of a text's tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenStates {
    width: usize,
    /// One vector of length one for each token of the text itself: no special tokens, no prefix.
    rows: Vec<f32>,
    /// The vector of the whole text, as [`Embedder::embed`](crate::Embedder::embed) gives it.
    whole: Vec<f32>,
}

impl TokenStates {
    /// From a model's rows, the first `before` of which (begin and prefix) and the last (end) are not the text's.
    pub(crate) fn new(rows: Vec<f32>, width: usize, before: usize) -> Self {
        let whole = pool(&rows, width);
        let tokens = rows.len() / width.max(1);
        let mut own = rows.get(before * width..tokens.saturating_sub(1) * width).unwrap_or_default().to_vec();
        own.chunks_exact_mut(width.max(1)).for_each(normalise);
        Self { width, rows: own, whole }
    }

    /// One vector of length one for each token.
    pub fn tokens(&self) -> impl Iterator<Item = &[f32]> {
        self.rows.chunks_exact(self.width.max(1))
    }

    /// The vector of the whole text.
    #[must_use]
    pub fn whole(&self) -> &[f32] {
        &self.whole
    }
}

/// How well a passage answers a question, 0 to 1.
pub(crate) fn score(question: &TokenStates, passage: &TokenStates) -> f32 {
    let nearest = |token: &[f32]| passage.tokens().map(|other| dot(token, other)).fold(0.0_f32, f32::max);
    let (mut sum, mut count) = (0.0, 0.0);
    for token in question.tokens() {
        sum += nearest(token);
        count += 1.0;
    }
    let tokens = if count > 0.0 { sum / count } else { 0.0 };
    (WHOLE * dot(&question.whole, &passage.whole) + (1.0 - WHOLE) * tokens).clamp(0.0, 1.0)
}

fn dot(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states(rows: &[[f32; 2]]) -> TokenStates {
        let all = [[9.0, 9.0]].iter().chain(rows).chain(&[[9.0, 9.0]]).flatten().copied().collect();
        TokenStates::new(all, 2, 1)
    }

    #[test]
    fn a_passage_that_holds_every_token_beats_one_that_holds_their_mean() {
        let question = states(&[[1.0, 0.0], [0.0, 1.0]]);
        let (both, mean) = (states(&[[0.0, 2.0], [3.0, 0.0]]), states(&[[1.0, 1.0], [1.0, 1.0]]));
        assert!(score(&question, &both) > score(&question, &mean));
        assert!(score(&question, &states(&[])) <= 0.5 + 1e-6);
    }

    #[test]
    fn special_tokens_are_left_out_and_rows_have_length_one() {
        let text = states(&[[3.0, 4.0]]);
        assert_eq!(text.tokens().collect::<Vec<_>>(), [&[0.6, 0.8]]);
    }
}
