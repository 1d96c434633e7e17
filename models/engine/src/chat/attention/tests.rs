use rand::{Rng, SeedableRng, rngs::StdRng};

use super::Attend;
use crate::chat::{
    architecture::{Architecture, Pairs, Rotation},
    kernels::Processor,
    pages::Memory,
};

const HEAD: usize = 48;
const KV_HEADS: usize = 2;

fn architecture() -> Architecture {
    Architecture {
        layers: 2,
        width: 96,
        hidden: 96,
        heads: 10,
        kv_heads: KV_HEADS,
        head_size: HEAD,
        context: 256,
        epsilon: 1e-5,
        rotation: Rotation { base: 1e4, scale: 1.0, size: HEAD, pairs: Pairs::Halves },
    }
}

fn numbers(random: &mut StdRng, count: usize) -> Vec<f32> {
    (0..count).map(|_| random.random_range(-1.5..1.5)).collect()
}

/// Keys and values of `length` positions in the second layer, and a memory that holds them.
fn filled(length: usize) -> (Memory, Vec<Vec<f32>>, Vec<Vec<f32>>) {
    let mut random = StdRng::seed_from_u64(9);
    let mut memory = Memory::new(&architecture());
    memory.grow(length);
    let rows = |random: &mut StdRng| (0..length).map(|_| numbers(random, KV_HEADS * HEAD)).collect();
    let (keys, values): (Vec<Vec<f32>>, Vec<Vec<f32>>) = (rows(&mut random), rows(&mut random));
    for (position, (key, value)) in keys.iter().zip(&values).enumerate() {
        memory.write(1, position, key, value);
    }
    (memory, keys, values)
}

/// Attention of one query to the first `visible` positions, in 64 bits.
fn plain(query: &[f32], keys: &[Vec<f32>], values: &[Vec<f32>], head: usize, visible: usize) -> Vec<f64> {
    let part = |row: &[f32]| row[head * HEAD..][..HEAD].iter().map(|number| f64::from(*number)).collect::<Vec<_>>();
    let score = |key: &Vec<f32>| {
        let sum: f64 = part(key).iter().zip(query).map(|(key, query)| key * f64::from(*query)).sum();
        (sum / (HEAD as f64).sqrt()).exp()
    };
    let weights: Vec<f64> = keys[..visible].iter().map(score).collect();
    let total: f64 = weights.iter().sum();
    let mut out = vec![0.0; HEAD];
    for (weight, value) in weights.iter().zip(values) {
        out.iter_mut().zip(part(value)).for_each(|(out, number)| *out += weight / total * number);
    }
    out
}

fn attend(
    processor: Processor,
    memory: &Memory,
    head: usize,
    queries: &[f32],
    group: usize,
    visible: usize,
) -> Vec<f32> {
    let mut out = vec![0.0; queries.len()];
    let length = visible + queries.len() / HEAD / group - 1;
    let pages = memory.head(1, head, length);
    processor.run(Attend { queries, head_size: HEAD, group, visible, pages, out: &mut out });
    out
}

#[test]
fn every_processor_attends_like_the_plain_sums() {
    let (memory, keys, values) = filled(77);
    for processor in Processor::all() {
        for (tokens, group, visible) in [(1, 5, 1), (1, 5, 32), (1, 5, 77), (8, 5, 70), (3, 1, 31), (8, 3, 25)] {
            let queries = numbers(&mut StdRng::seed_from_u64(4), tokens * group * HEAD);
            for head in 0..KV_HEADS {
                let found = attend(processor, &memory, head, &queries, group, visible);
                let pairs = queries.chunks_exact(HEAD).zip(found.chunks_exact(HEAD));
                for (index, (query, found)) in pairs.enumerate() {
                    let exact = plain(query, &keys, &values, head, visible + index / group);
                    // Keys and values are kept in 16 bits: eleven bits of a number up to 1.5.
                    let far = found.iter().zip(&exact).map(|(found, exact)| (f64::from(*found) - exact).abs());
                    let far = far.fold(0.0, f64::max);
                    assert!(far < 2e-3, "{processor:?}, {tokens} × {group} of {visible}, query {index}: off by {far}");
                }
            }
        }
    }
}

#[test]
fn a_token_alone_attends_as_in_company() {
    let (memory, _, _) = filled(77);
    let processor = Processor::detect();
    let queries = numbers(&mut StdRng::seed_from_u64(4), 8 * 5 * HEAD);
    let together = attend(processor, &memory, 1, &queries, 5, 60);
    for (token, own) in queries.chunks_exact(5 * HEAD).enumerate() {
        let alone = attend(processor, &memory, 1, own, 5, 60 + token);
        assert_eq!(alone, together[token * 5 * HEAD..][..5 * HEAD], "token {token}");
    }
}
