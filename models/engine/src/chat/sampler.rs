//! Drawing the next token.

use std::collections::HashMap;

use rand::{Rng, SeedableRng, rngs::StdRng};

use super::kernels::exponential_of;
use crate::Sampling;

/// How many candidates are sorted at first when only the likeliest count; four times as many each further time.
const FIRST_CANDIDATES: usize = 256;

/// Draws the tokens of one choice.
#[derive(Debug)]
pub(crate) struct Sampler {
    settings: Sampling,
    random: StdRng,
    /// How often each token stands in the answer.
    drawn: HashMap<u32, u32>,
    /// Tokens of the prompt, kept only when they are penalised.
    read: Vec<u32>,
}

/// A token with its score, or its share of the probability.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    token: u32,
    weight: f32,
}

impl Sampler {
    /// For choice number `choice` of a request; each choice has its own random numbers, even with a given seed.
    pub(crate) fn new(settings: &Sampling, choice: usize, prompt: &[u32]) -> Self {
        let seed = settings.seed.unwrap_or_else(rand::random);
        // An odd constant (2^64 divided by the golden ratio) keeps the seeds of choices far apart.
        let random = StdRng::seed_from_u64(seed.wrapping_add((choice as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)));
        let mut read = Vec::new();
        if settings.repetition_penalty != 1.0 {
            read = prompt.to_vec();
            read.sort_unstable();
            read.dedup();
        }
        Self { settings: settings.clone(), random, drawn: HashMap::new(), read }
    }

    /// Draws a token; `scores` has one number per token of the vocabulary.
    pub(crate) fn draw(&mut self, scores: &mut [f32]) -> u32 {
        self.adjust(scores);
        let token = if self.settings.temperature <= 0.0 { likeliest(scores) } else { self.random_token(scores) };
        *self.drawn.entry(token).or_default() += 1;
        token
    }

    fn adjust(&self, scores: &mut [f32]) {
        for (token, bias) in &self.settings.logit_bias {
            change(scores, *token, |score| score + bias);
        }
        let Sampling { repetition_penalty, presence_penalty, frequency_penalty, .. } = self.settings;
        if repetition_penalty != 1.0 {
            let fresh = self.drawn.keys().filter(|token| self.read.binary_search(token).is_err());
            for token in self.read.iter().chain(fresh) {
                change(scores, *token, |score| {
                    if score > 0.0 { score / repetition_penalty } else { score * repetition_penalty }
                });
            }
        }
        if presence_penalty != 0.0 || frequency_penalty != 0.0 {
            for (token, times) in &self.drawn {
                change(scores, *token, |score| score - presence_penalty - frequency_penalty * *times as f32);
            }
        }
    }

    fn random_token(&mut self, scores: &[f32]) -> u32 {
        let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let factor = 1.0 / self.settings.temperature;
        let weights: Vec<f32> = scores.iter().map(|score| exponential_of((score - largest) * factor)).collect();
        let total: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
        let point: f64 = self.random.random();
        let top_k = self.settings.top_k.filter(|k| *k > 0 && *k < weights.len());
        if top_k.is_none() && self.settings.top_p >= 1.0 {
            let all = weights.iter().zip(0..).map(|(weight, token)| Candidate { token, weight: *weight });
            return pick(all, point * total).unwrap_or_else(|| likeliest(scores));
        }
        let kept = nucleus(&weights, top_k, f64::from(self.settings.top_p), total);
        let total: f64 = kept.iter().map(|candidate| f64::from(candidate.weight)).sum();
        pick(kept.into_iter(), point * total).unwrap_or_else(|| likeliest(scores))
    }
}

/// The likeliest tokens, best first: at most `top_k`, and no more than needed to hold `top_p` of the probability
/// that those have. At least one.
fn nucleus(weights: &[f32], top_k: Option<usize>, top_p: f64, total: f64) -> Vec<Candidate> {
    let mut count = top_k.unwrap_or(FIRST_CANDIDATES);
    loop {
        let mut best = best(weights, count);
        let all: f64 = if top_k.is_some() { best.iter().map(|best| f64::from(best.weight)).sum() } else { total };
        let mut held = 0.0;
        let enough = best.iter().position(|candidate| {
            held += f64::from(candidate.weight);
            held >= top_p * all
        });
        match enough {
            Some(last) => best.truncate(last + 1),
            None if top_k.is_none() && count < weights.len() => {
                count *= 4;
                continue;
            }
            None => {}
        }
        return best;
    }
}

fn best(weights: &[f32], count: usize) -> Vec<Candidate> {
    let mut all: Vec<_> = weights.iter().zip(0..).map(|(weight, token)| Candidate { token, weight: *weight }).collect();
    let order =
        |left: &Candidate, right: &Candidate| right.weight.total_cmp(&left.weight).then(left.token.cmp(&right.token));
    if count < all.len() {
        all.select_nth_unstable_by(count, order);
        all.truncate(count);
    }
    all.sort_unstable_by(order);
    all
}

fn pick(candidates: impl Iterator<Item = Candidate>, point: f64) -> Option<u32> {
    let mut passed = 0.0;
    let mut candidates = candidates.filter(|candidate| candidate.weight > 0.0).peekable();
    while let Some(candidate) = candidates.next() {
        passed += f64::from(candidate.weight);
        if passed > point || candidates.peek().is_none() {
            return Some(candidate.token);
        }
    }
    None
}

fn change(scores: &mut [f32], token: u32, change: impl Fn(f32) -> f32) {
    if let Some(score) = scores.get_mut(token as usize) {
        *score = change(*score);
    }
}

/// The token with the highest score; the lowest id of equals.
pub(crate) fn likeliest(scores: &[f32]) -> u32 {
    let mut best = (0, f32::NEG_INFINITY);
    for (score, token) in scores.iter().zip(0..) {
        if *score > best.1 {
            best = (token, *score);
        }
    }
    best.0
}

/// Log probabilities under the model itself, before bias, penalties and temperature.
#[derive(Debug)]
pub(crate) struct LogProbabilities {
    scores: Vec<f32>,
    normaliser: f32,
}

impl LogProbabilities {
    /// Of unchanged scores.
    pub(crate) fn new(scores: &[f32]) -> Self {
        let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let total: f64 = scores.iter().map(|score| f64::from(exponential_of(score - largest))).sum();
        Self { scores: scores.to_vec(), normaliser: largest + total.ln() as f32 }
    }

    /// Of one token.
    pub(crate) fn of(&self, token: u32) -> f32 {
        self.scores.get(token as usize).map_or(f32::NEG_INFINITY, |score| score - self.normaliser)
    }

    /// The likeliest tokens, best first.
    pub(crate) fn top(&self, count: usize) -> Vec<(u32, f32)> {
        if count == 0 {
            return Vec::new();
        }
        let best = best(&self.scores, count).into_iter();
        best.map(|candidate| (candidate.token, candidate.weight - self.normaliser)).collect()
    }
}

#[cfg(test)]
mod tests;
