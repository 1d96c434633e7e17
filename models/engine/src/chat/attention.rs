//! Attention of a few queries over the pages of one sequence.

use std::array;

use half::f16;

use super::{
    kernels::{Kernel, Lanes, exponential},
    packed::LANES,
    pages::PAGE,
};

/// Queries computed side by side: with two registers each they fill the multipliers, and a key is widened once.
const SIDE: usize = 6;
/// What is left over is computed three by three, the queries of one token of a small model, or alone.
const FEW: usize = 3;

/// Sixteen zeros, for places that cannot be missing.
const ZEROS: [f32; LANES] = [0.0; LANES];

/// Queries that read the same keys: those of one key head, for consecutive tokens of one sequence.
pub(crate) struct Attend<'a, Pages> {
    /// The queries, `head_size` numbers each; a token's queries are neighbours.
    pub(crate) queries: &'a [f32],
    pub(crate) head_size: usize,
    /// Queries of one token.
    pub(crate) group: usize,
    /// Positions that the first token sees; each next one sees one more.
    pub(crate) visible: usize,
    /// Keys and values, page by page.
    pub(crate) pages: Pages,
    /// Weighted sums of the values, `head_size` numbers a query.
    pub(crate) out: &'a mut [f32],
}

impl<'a, Pages> Kernel for Attend<'a, Pages>
where
    Pages: Iterator<Item = (&'a [f16], &'a [f16])> + Clone,
{
    type Out = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let size = self.head_size;
        let queries = self.queries.len() / size;
        let tokens = queries / self.group;
        let stride = (self.visible + tokens - 1).next_multiple_of(PAGE);
        let mut scores = vec![0.0f32; queries * stride];
        for (index, (keys, _)) in self.pages.clone().enumerate() {
            let (mut queries, mut scores) = (self.queries, &mut *scores);
            while !queries.is_empty() {
                let count = side(queries.len() / size);
                let (now, later) = queries.split_at(count * size);
                let (out, rest) = scores.split_at_mut(count * stride);
                match count {
                    SIDE => score::<L, SIDE>(now, size, keys, out, stride, index),
                    FEW => score::<L, FEW>(now, size, keys, out, stride, index),
                    _ => score::<L, 1>(now, size, keys, out, stride, index),
                }
                (queries, scores) = (later, rest);
            }
        }
        let factor = 1.0 / (size as f32).sqrt();
        for (query, scores) in scores.chunks_exact_mut(stride).enumerate() {
            soften::<L>(scores, self.visible + query / self.group, factor);
        }
        self.out.fill(0.0);
        for (index, (_, values)) in self.pages.enumerate() {
            let (mut weights, mut out) = (&*scores, &mut *self.out);
            while !weights.is_empty() {
                let count = side(weights.len() / stride);
                let (now, later) = weights.split_at(count * stride);
                let (sums, rest) = out.split_at_mut(count * size);
                match count {
                    SIDE => gather::<L, SIDE>(now, stride, index, values, size, sums),
                    FEW => gather::<L, FEW>(now, stride, index, values, size, sums),
                    _ => gather::<L, 1>(now, stride, index, values, size, sums),
                }
                (weights, out) = (later, rest);
            }
        }
    }
}

#[inline(always)]
fn side(queries: usize) -> usize {
    match queries {
        SIDE.. => SIDE,
        FEW.. => FEW,
        _ => 1,
    }
}

/// Products of `N` queries with the keys of one page, whose rows hold one number of every position.
#[inline(always)]
fn score<L: Lanes, const N: usize>(
    queries: &[f32],
    size: usize,
    keys: &[f16],
    scores: &mut [f32],
    stride: usize,
    page: usize,
) {
    let queries: [&[[f32; LANES]]; N] = part(queries, size);
    let mut sums = [[L::splat(0.0); 2]; N];
    for (index, keys) in keys.as_chunks::<{ PAGE * LANES }>().0.iter().enumerate() {
        let numbers = queries.map(|query| query.get(index).unwrap_or(&ZEROS));
        for (row, keys) in keys.as_chunks::<PAGE>().0.iter().enumerate() {
            let [left, right] = halves(keys).map(L::widen);
            for (sums, numbers) in sums.iter_mut().zip(numbers) {
                let number = L::splat(numbers.get(row).copied().unwrap_or(0.0));
                let [first, second] = *sums;
                *sums = [number.multiply_add(left, first), number.multiply_add(right, second)];
            }
        }
    }
    for (sums, scores) in sums.into_iter().zip(scores.chunks_exact_mut(stride)) {
        let places = scores.as_chunks_mut::<LANES>().0.iter_mut().skip(2 * page);
        for (sum, place) in sums.into_iter().zip(places) {
            sum.store(place);
        }
    }
}

/// Turns scores into weights that add up to one; those from `visible` on become 0.
#[inline(always)]
fn soften<L: Lanes>(scores: &mut [f32], visible: usize, factor: f32) {
    let (seen, unseen) = scores.split_at_mut(visible.min(scores.len()));
    unseen.fill(f32::NEG_INFINITY);
    let mut most = [f32::NEG_INFINITY; LANES];
    for part in seen.chunks(LANES) {
        for (most, score) in most.iter_mut().zip(part) {
            *most = if *score > *most { *score } else { *most };
        }
    }
    let largest = most.into_iter().fold(f32::NEG_INFINITY, f32::max);
    // Sixteen sums over whole lanes: the same order of additions however many unseen positions follow.
    let mut sums = [0.0f32; LANES];
    for part in scores.as_chunks_mut::<LANES>().0 {
        for (score, sum) in part.iter_mut().zip(&mut sums) {
            let weight = exponential::<L>((*score - largest) * factor);
            *score = if *score == f32::NEG_INFINITY { 0.0 } else { weight };
            *sum += *score;
        }
    }
    let factor = 1.0 / sums.iter().sum::<f32>();
    scores.iter_mut().for_each(|score| *score *= factor);
}

/// Adds the values of one page to `N` outputs, each times its weight.
#[inline(always)]
fn gather<L: Lanes, const N: usize>(
    weights: &[f32],
    stride: usize,
    page: usize,
    values: &[f16],
    size: usize,
    out: &mut [f32],
) {
    let rows: [&[[f32; LANES]]; N] = part(weights, stride);
    for column in 0..size / LANES {
        let mut sums: [L; N] = array::from_fn(|index| {
            let place = out.as_chunks::<LANES>().0.get(index * (size / LANES) + column);
            place.map_or_else(|| L::splat(0.0), L::load)
        });
        let columns = values.as_chunks::<LANES>().0.iter().skip(column).step_by(size / LANES);
        let mut columns = columns.map(L::widen);
        for half in 0..PAGE / LANES {
            let weights = rows.map(|row| row.get(page * (PAGE / LANES) + half).unwrap_or(&ZEROS));
            for (position, values) in (0..LANES).zip(&mut columns) {
                for (sum, weights) in sums.iter_mut().zip(weights) {
                    let weight = L::splat(weights.get(position).copied().unwrap_or(0.0));
                    *sum = weight.multiply_add(values, *sum);
                }
            }
        }
        for (index, sum) in sums.into_iter().enumerate() {
            let place = out.as_chunks_mut::<LANES>().0.get_mut(index * (size / LANES) + column);
            place.into_iter().for_each(|place| sum.store(place));
        }
    }
}

/// `N` rows of `length` numbers, in lanes.
#[inline(always)]
fn part<const N: usize>(numbers: &[f32], length: usize) -> [&[[f32; LANES]]; N] {
    let mut rows = numbers.chunks_exact(length);
    array::from_fn(|_| rows.next().map_or(&[][..], |row| row.as_chunks::<LANES>().0))
}

/// The two lanes of one row of a page.
#[inline(always)]
fn halves(row: &[f16; PAGE]) -> [&[f16; LANES]; 2] {
    const EMPTY: [f16; LANES] = [f16::ZERO; LANES];
    let mut halves = row.as_chunks::<LANES>().0.iter();
    array::from_fn(|_| halves.next().unwrap_or(&EMPTY))
}

#[cfg(test)]
mod tests;
