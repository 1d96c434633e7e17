//! The BERT encoder: token ids in, one vector per token out.
//!
//! There is no padding: the tokens of a batch form one matrix for all linear layers, whatever text they belong to,
//! and attention runs text by text. Weights are packed once at load; a worker keeps its [`Workspace`] for ever.

mod e5;
mod tensors;

use crate::kernels::{
    Activation, AddNormalise, Attention, AttentionScratch, BLOCK, BLOCK_BYTES, COLUMNS, Linear, Matrix, Norm, Part,
    Prepared, Processor, ROWS, floats_of,
};

pub(crate) use e5::E5File;
pub(crate) use tensors::{load as load_safetensors, read_shape};

/// Rows that pass through a whole feed-forward block together, so that its wide middle stays in the second-level
/// cache: 64 rows of 1536 floats are 384 KiB.
const FEED_ROWS: usize = 64;

/// The sizes of a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Shape {
    /// Numbers of a token's vector.
    pub(crate) hidden: usize,
    /// How many layers.
    pub(crate) layers: usize,
    /// Attention heads of a layer.
    pub(crate) heads: usize,
    /// Numbers in the middle of a feed-forward block.
    pub(crate) inner: usize,
    /// Token ids.
    pub(crate) vocabulary: usize,
    /// Longest sequence.
    pub(crate) positions: usize,
    /// Added to the variance in layer norms.
    pub(crate) epsilon: f32,
}

impl Shape {
    /// Whether the kernels can compute a model of these sizes.
    fn is_supported(&self) -> bool {
        let head = self.hidden / self.heads.max(1);
        let multiples = [self.hidden, self.inner, head].iter().all(|size| *size > 0 && size % 32 == 0);
        multiples && head * self.heads == self.hidden && self.positions > 2 && self.layers > 0
    }
}

/// A linear layer as a file holds it.
#[derive(Debug)]
pub(crate) struct RawLinear {
    pub(crate) matrix: Matrix,
    pub(crate) bias: Vec<f32>,
}

impl RawLinear {
    fn part(&self, factor: f32) -> Part<'_> {
        Part { matrix: &self.matrix, bias: &self.bias, factor }
    }
}

/// A layer as a file holds it.
#[derive(Debug)]
pub(crate) struct RawLayer {
    pub(crate) query: RawLinear,
    pub(crate) key: RawLinear,
    pub(crate) value: RawLinear,
    pub(crate) output: RawLinear,
    pub(crate) attention_norm: Norm,
    pub(crate) up: RawLinear,
    pub(crate) down: RawLinear,
    pub(crate) output_norm: Norm,
}

/// A model as a file holds it. The readers have checked that every array has the size that `shape` says.
#[derive(Debug)]
pub(crate) struct RawEncoder {
    pub(crate) shape: Shape,
    pub(crate) words: Matrix,
    pub(crate) positions: Vec<f32>,
    /// The vector of token type 0, the only one that single texts have.
    pub(crate) kind: Vec<f32>,
    pub(crate) norm: Norm,
    pub(crate) layers: Vec<RawLayer>,
}

#[derive(Debug)]
struct Layer {
    attention: Linear,
    output: Linear,
    attention_norm: Norm,
    up: Linear,
    down: Linear,
    output_norm: Norm,
}

/// A model ready to run. Shared by all workers.
#[derive(Debug)]
pub(crate) struct Encoder {
    processor: Processor,
    shape: Shape,
    words: Matrix,
    positions: Vec<f32>,
    norm: Norm,
    layers: Vec<Layer>,
}

/// Memory that a worker needs, used again for every batch.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    states: Vec<f32>,
    wide: Vec<f32>,
    panels: Vec<[f32; COLUMNS]>,
    context: Vec<f32>,
    result: Vec<f32>,
    prepared: Prepared,
    attention: AttentionScratch,
}

impl Layer {
    fn pack(processor: Processor, shape: &Shape, raw: &RawLayer) -> Self {
        // Scores are divided by the root of the head's size; the weights can carry that.
        let scale = ((shape.hidden / shape.heads) as f32).sqrt().recip();
        let attention = [raw.query.part(scale), raw.key.part(1.0), raw.value.part(1.0)];
        let single = |inputs, raw: &RawLinear| Linear::pack(processor, inputs, &[raw.part(1.0)]);
        Self {
            attention: Linear::pack(processor, shape.hidden, &attention),
            output: single(shape.hidden, &raw.output),
            attention_norm: raw.attention_norm.clone(),
            up: single(shape.hidden, &raw.up),
            down: single(shape.inner, &raw.down),
            output_norm: raw.output_norm.clone(),
        }
    }
}

impl Encoder {
    /// Packs the weights for `processor`.
    pub(crate) fn pack(processor: Processor, raw: RawEncoder) -> Self {
        let RawEncoder { shape, words, mut positions, kind, norm, layers } = raw;
        for position in positions.chunks_exact_mut(shape.hidden) {
            position.iter_mut().zip(&kind).for_each(|(value, kind)| *value += kind);
        }
        let layers = layers.iter().map(|layer| Layer::pack(processor, &shape, layer)).collect();
        Self { processor, shape, words, positions, norm, layers }
    }

    /// The sizes of the model.
    pub(crate) fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The token vectors of all sequences, one row of `hidden` numbers per token, in order. Sequences are not empty,
    /// not longer than `positions` and hold ids of the vocabulary.
    pub(crate) fn run<'a>(&self, sequences: &[&[u32]], space: &'a mut Workspace) -> &'a [f32] {
        let tokens: usize = sequences.iter().map(|sequence| sequence.len()).sum();
        self.look_up(sequences, &mut space.states);
        space.context.resize(tokens * self.shape.hidden, 0.0);
        space.result.resize(tokens * self.shape.hidden, 0.0);
        for layer in &self.layers {
            self.attention(layer, sequences, space);
            for first in (0..tokens).step_by(FEED_ROWS) {
                self.feed_forward(layer, first..(first + FEED_ROWS).min(tokens), space);
            }
        }
        &space.states
    }

    /// Fills `states` with the vectors of words and positions, normalised.
    fn look_up(&self, sequences: &[&[u32]], states: &mut Vec<f32>) {
        let hidden = self.shape.hidden;
        states.clear();
        for sequence in sequences {
            for (id, position) in sequence.iter().zip(self.positions.chunks_exact(hidden)) {
                let add = |(word, position): (f32, &f32)| word + position;
                match &self.words {
                    Matrix::Floats(words) => {
                        let word = words.chunks_exact(hidden).nth(*id as usize).unwrap_or_default();
                        states.extend(word.iter().copied().zip(position).map(add));
                    }
                    Matrix::Nibbles(words) => {
                        let bytes = hidden / BLOCK * BLOCK_BYTES;
                        let word = words.chunks_exact(bytes).nth(*id as usize).unwrap_or_default();
                        states.extend(floats_of(word).zip(position).map(add));
                    }
                }
            }
        }
        self.processor.run(AddNormalise { rows: states, more: &[], norm: &self.norm });
    }

    fn attention(&self, layer: &Layer, sequences: &[&[u32]], space: &mut Workspace) {
        let Self { processor, shape, .. } = self;
        // Keys are read in groups of eight, from wherever a sequence begins.
        let rows = space.states.len() / shape.hidden + ROWS;
        space.panels.resize(rows * shape.hidden * 3 / COLUMNS, [0.0; COLUMNS]);
        space.prepared.fill(*processor, layer.attention.form(), &space.states, shape.hidden);
        layer.attention.apply_panels(*processor, &space.prepared, rows, &mut space.panels);
        let attention = Attention { panels: &space.panels, rows, heads: shape.heads };
        let (mut first, mut out) = (0, space.context.as_mut_slice());
        for sequence in sequences {
            let Some((to, rest)) = out.split_at_mut_checked(sequence.len() * shape.hidden) else { return };
            attention.attend(*processor, first, to, &mut space.attention);
            (first, out) = (first + sequence.len(), rest);
        }
        space.prepared.fill(*processor, layer.output.form(), &space.context, shape.hidden);
        layer.output.apply(*processor, &space.prepared, Activation::None, &mut space.result);
        let norm = &layer.attention_norm;
        processor.run(AddNormalise { rows: &mut space.states, more: &space.result, norm });
    }

    fn feed_forward(&self, layer: &Layer, rows: std::ops::Range<usize>, space: &mut Workspace) {
        let Self { processor, shape, .. } = self;
        let range = rows.start * shape.hidden..rows.end * shape.hidden;
        let (Some(states), Some(result)) =
            (space.states.get_mut(range), space.result.get_mut(..rows.len() * shape.hidden))
        else {
            return;
        };
        space.wide.resize(rows.len() * shape.inner, 0.0);
        space.prepared.fill(*processor, layer.up.form(), states, shape.hidden);
        layer.up.apply(*processor, &space.prepared, Activation::Gelu, &mut space.wide);
        space.prepared.fill(*processor, layer.down.form(), &space.wide, shape.inner);
        layer.down.apply(*processor, &space.prepared, Activation::None, result);
        processor.run(AddNormalise { rows: states, more: result, norm: &layer.output_norm });
    }
}

/// The mean of `rows`, scaled to length one: a text's vector from its tokens' vectors.
pub(crate) fn pool(rows: &[f32], width: usize) -> Vec<f32> {
    let mut mean = vec![0.0_f32; width];
    for row in rows.chunks_exact(width) {
        mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    normalise(&mut mean);
    mean
}

/// Scales a vector to length one; the zero vector stays.
pub(crate) fn normalise(vector: &mut [f32]) {
    let norm = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if norm > 0.0 {
        vector.iter_mut().for_each(|value| *value /= norm);
    }
}
