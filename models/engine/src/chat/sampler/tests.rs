use std::collections::BTreeMap;

use super::{LogProbabilities, Sampler};
use crate::Sampling;

fn drawn(settings: &Sampling, scores: &[f32], times: usize) -> Vec<u32> {
    let mut sampler = Sampler::new(settings, 0, &[]);
    (0..times).map(|_| sampler.draw(&mut scores.to_vec())).collect()
}

fn seeded() -> Sampling {
    Sampling { seed: Some(7), ..Sampling::default() }
}

#[test]
fn temperature_zero_takes_the_likeliest() {
    let settings = Sampling { temperature: 0.0, ..Sampling::default() };
    assert_eq!(drawn(&settings, &[0.0, 2.0, 1.0, 2.0], 3), [1, 1, 1]);
}

#[test]
fn a_seed_repeats_itself_and_choices_differ() {
    let scores = vec![0.0; 1000];
    assert_eq!(drawn(&seeded(), &scores, 20), drawn(&seeded(), &scores, 20));
    let mut other = Sampler::new(&seeded(), 1, &[]);
    let second: Vec<u32> = (0..20).map(|_| other.draw(&mut scores.clone())).collect();
    assert_ne!(drawn(&seeded(), &scores, 20), second);
}

#[test]
fn frequencies_follow_the_probabilities() {
    let scores = [0.0f32, 1.0f32.exp().ln() + 1.0986, f32::NEG_INFINITY];
    let settings = seeded();
    let counts = drawn(&settings, &scores, 4000).iter().filter(|token| **token == 1).count() as f64 / 4000.0;
    let expected = f64::from(scores[1].exp()) / (1.0 + f64::from(scores[1].exp()));
    assert!((counts - expected).abs() < 0.03, "{counts} is far from {expected}");
}

#[test]
fn top_k_and_top_p_cut_the_tail() {
    let scores = [3.0, 2.0, 1.0, 0.0, -1.0];
    let two = Sampling { top_k: Some(2), temperature: 5.0, ..seeded() };
    assert!(drawn(&two, &scores, 200).iter().all(|token| *token < 2));
    // The first token holds 64 % and the first two 87 %.
    let first = Sampling { top_p: 0.6, ..seeded() };
    assert!(drawn(&first, &scores, 200).iter().all(|token| *token == 0));
    let both = Sampling { top_p: 0.7, ..seeded() };
    let tokens = drawn(&both, &scores, 200);
    assert!(tokens.contains(&1) && tokens.iter().all(|token| *token < 2));
}

#[test]
fn a_flat_distribution_needs_more_than_the_first_candidates() {
    let scores = vec![0.0; 5000];
    let wide = Sampling { top_p: 0.9, ..seeded() };
    let tokens = drawn(&wide, &scores, 300);
    assert!(tokens.iter().any(|token| *token > 2000), "the tail is never reached");
    assert!(tokens.iter().all(|token| *token < 4501), "the cut tail is reached");
}

#[test]
fn bias_bans_and_forces() {
    let greedy = Sampling { temperature: 0.0, ..Sampling::default() };
    let banned = Sampling { logit_bias: BTreeMap::from([(1, -100.0)]), ..greedy.clone() };
    assert_eq!(drawn(&banned, &[0.0, 5.0], 2), [0, 0]);
    let forced = Sampling { logit_bias: BTreeMap::from([(0, 100.0)]), ..greedy };
    assert_eq!(drawn(&forced, &[0.0, 5.0], 2), [0, 0]);
}

#[test]
fn penalties_drive_repeated_tokens_away() {
    let greedy = Sampling { temperature: 0.0, ..Sampling::default() };
    let presence = Sampling { presence_penalty: 1.5, ..greedy.clone() };
    assert_eq!(drawn(&presence, &[1.0, 0.0, -9.0], 3), [0, 1, 0]);
    let frequency = Sampling { frequency_penalty: 0.6, ..greedy.clone() };
    assert_eq!(drawn(&frequency, &[1.0, 0.0, -9.0], 4), [0, 0, 1, 0]);
    let mut repetition = Sampler::new(&Sampling { repetition_penalty: 4.0, ..greedy }, 0, &[0]);
    assert_eq!(repetition.draw(&mut [2.0, 1.0, 0.0]), 1, "a token of the prompt is penalised");
}

#[test]
fn probabilities_add_up_to_one() {
    let scores: Vec<f32> = (0..500).map(|index| (index as f32 * 0.37).sin() * 4.0).collect();
    let logs = LogProbabilities::new(&scores);
    let total: f64 = (0..500).map(|token| f64::from(logs.of(token)).exp()).sum();
    assert!((total - 1.0).abs() < 1e-5, "{total}");
    let top = logs.top(5);
    assert_eq!(top.len(), 5);
    assert!(top.windows(2).all(|pair| pair[0].1 >= pair[1].1));
    assert_eq!(logs.of(top[0].0), top[0].1);
}
