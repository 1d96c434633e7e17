//! Attention of a few queries over the pages of one sequence.

use half::{f16, slice::HalfFloatSliceExt};

use super::{
    kernels::{Kernel, exponential, multiply_add},
    packed::LANES,
    pages::PAGE,
};

/// Queries computed side by side: four times two registers keep the multipliers busy.
const SIDE: usize = 4;

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
    fn run<const FUSED: bool>(self) {
        let size = self.head_size;
        let queries = self.queries.len() / size;
        let tokens = queries / self.group;
        let pages = (self.visible + tokens - 1).div_ceil(PAGE);
        let stride = pages * PAGE;
        let mut scores = vec![0.0f32; queries * stride];
        let mut scratch = vec![0.0f32; size * PAGE];
        for (index, (keys, _)) in self.pages.clone().enumerate() {
            keys.convert_to_f32_slice(&mut scratch);
            let parts = self.queries.chunks(size * SIDE).zip(scores.chunks_mut(stride * SIDE));
            for (queries, scores) in parts {
                score::<FUSED>(queries, size, &scratch, scores, stride, index);
            }
        }
        let factor = 1.0 / (size as f32).sqrt();
        let mut totals = vec![0.0f32; queries];
        for (query, (scores, total)) in scores.chunks_exact_mut(stride).zip(&mut totals).enumerate() {
            *total = soften::<FUSED>(scores, self.visible + query / self.group, factor);
        }
        self.out.fill(0.0);
        for (index, (_, values)) in self.pages.enumerate() {
            values.convert_to_f32_slice(&mut scratch);
            let parts = scores.chunks(stride * SIDE).zip(self.out.chunks_mut(size * SIDE));
            for (weights, out) in parts {
                gather::<FUSED>(weights, stride, index, &scratch, size, out);
            }
        }
        for (out, total) in self.out.chunks_exact_mut(size).zip(totals) {
            let factor = 1.0 / total;
            out.iter_mut().for_each(|number| *number *= factor);
        }
    }
}

/// Products of up to [`SIDE`] queries with the keys of one page. `keys` has a row of positions per number.
#[inline(always)]
fn score<const FUSED: bool>(
    queries: &[f32],
    size: usize,
    keys: &[f32],
    scores: &mut [f32],
    stride: usize,
    page: usize,
) {
    if queries.len() == size * SIDE {
        score_side::<SIDE, FUSED>(queries, size, keys, scores, stride, page);
    } else {
        for (query, scores) in queries.chunks_exact(size).zip(scores.chunks_exact_mut(stride)) {
            score_side::<1, FUSED>(query, size, keys, scores, stride, page);
        }
    }
}

#[inline(always)]
fn score_side<const N: usize, const FUSED: bool>(
    queries: &[f32],
    size: usize,
    keys: &[f32],
    scores: &mut [f32],
    stride: usize,
    page: usize,
) {
    let mut sums = [[0.0f32; PAGE]; N];
    let mut rows: [std::slice::Iter<'_, f32>; N] = std::array::from_fn(|_| [].iter());
    for (row, query) in rows.iter_mut().zip(queries.chunks_exact(size)) {
        *row = query.iter();
    }
    for keys in keys.as_chunks::<PAGE>().0 {
        for (sums, row) in sums.iter_mut().zip(&mut rows) {
            let number = row.next().copied().unwrap_or(0.0);
            for (sum, key) in sums.iter_mut().zip(keys) {
                *sum = multiply_add::<FUSED>(number, *key, *sum);
            }
        }
    }
    for (sums, scores) in sums.iter().zip(scores.chunks_exact_mut(stride)) {
        if let Some(place) = scores.as_chunks_mut::<PAGE>().0.get_mut(page) {
            *place = *sums;
        }
    }
}

/// Turns scores into weights; those from `visible` on become 0. Returns the sum of the weights.
#[inline(always)]
fn soften<const FUSED: bool>(scores: &mut [f32], visible: usize, factor: f32) -> f32 {
    let (seen, unseen) = scores.split_at_mut(visible.min(scores.len()));
    unseen.fill(0.0);
    let largest = seen.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    for score in seen.iter_mut() {
        *score = exponential::<FUSED>((*score - largest) * factor);
    }
    // Sixteen sums over whole lanes: the same order of additions however many unseen positions follow.
    let mut sums = [0.0f32; LANES];
    for part in scores.as_chunks::<LANES>().0 {
        for (sum, weight) in sums.iter_mut().zip(part) {
            *sum += weight;
        }
    }
    sums.iter().sum()
}

/// Adds the values of one page to up to [`SIDE`] outputs, each times its weight.
#[inline(always)]
fn gather<const FUSED: bool>(
    weights: &[f32],
    stride: usize,
    page: usize,
    values: &[f32],
    size: usize,
    out: &mut [f32],
) {
    if weights.len() == stride * SIDE {
        gather_side::<SIDE, FUSED>(weights, stride, page, values, size, out);
    } else {
        for (weights, out) in weights.chunks_exact(stride).zip(out.chunks_exact_mut(size)) {
            gather_side::<1, FUSED>(weights, stride, page, values, size, out);
        }
    }
}

#[inline(always)]
fn gather_side<const N: usize, const FUSED: bool>(
    weights: &[f32],
    stride: usize,
    page: usize,
    values: &[f32],
    size: usize,
    out: &mut [f32],
) {
    let mut rows = [[0.0f32; PAGE]; N];
    for (row, weights) in rows.iter_mut().zip(weights.chunks_exact(stride)) {
        if let Some(found) = weights.as_chunks::<PAGE>().0.get(page) {
            *row = *found;
        }
    }
    for column in 0..size / LANES {
        let mut sums = [[0.0f32; LANES]; N];
        for (sums, out) in sums.iter_mut().zip(out.chunks_exact(size)) {
            *sums = out.as_chunks::<LANES>().0.get(column).copied().unwrap_or_default();
        }
        let columns = values.as_chunks::<LANES>().0.iter().skip(column).step_by(size / LANES);
        for (position, values) in columns.take(PAGE).enumerate() {
            for (sums, row) in sums.iter_mut().zip(&rows) {
                let weight = row.get(position).copied().unwrap_or(0.0);
                for (sum, value) in sums.iter_mut().zip(values) {
                    *sum = multiply_add::<FUSED>(weight, *value, *sum);
                }
            }
        }
        for (sums, out) in sums.iter().zip(out.chunks_exact_mut(size)) {
            if let Some(place) = out.as_chunks_mut::<LANES>().0.get_mut(column) {
                *place = *sums;
            }
        }
    }
}
