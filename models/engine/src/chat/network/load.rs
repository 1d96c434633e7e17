//! Building a network from the tensors of its file.

use super::{Layer, Network};
use crate::{
    EngineError,
    chat::{architecture::Architecture, gguf::Gguf, kernels::Processor, packed::Matrix, rotary::Angles},
};

impl Network {
    /// Reads all tensors; `context` is the longest sequence that will be computed.
    pub(crate) fn load(file: &mut Gguf, context: usize, processor: Processor) -> Result<Self, EngineError> {
        let architecture = Architecture::read(file)?;
        let width = architecture.width;
        let embedding = matrix(file, "token_embd.weight", None, width)?;
        let head = if file.has("output.weight") {
            Some(matrix(file, "output.weight", Some(embedding.rows()), width)?)
        } else {
            None
        };
        let divisors = if file.has("rope_freqs.weight") { file.floats("rope_freqs.weight")? } else { Vec::new() };
        let layers = (0..architecture.layers).map(|index| layer(file, &architecture, index));
        let layers = layers.collect::<Result<_, _>>()?;
        let norm = vector(file, "output_norm.weight", width)?;
        let angles = Angles::new(&architecture.rotation, context, &divisors);
        Ok(Self { architecture, processor, embedding, head, norm, layers, angles })
    }
}

fn layer(file: &mut Gguf, architecture: &Architecture, index: usize) -> Result<Layer, EngineError> {
    let name = |part: &str| format!("blk.{index}.{part}");
    let (width, hidden) = (architecture.width, architecture.hidden);
    let (query, kv) = (architecture.query_width(), architecture.kv_width());
    let mut weights = |part: &str, rows, columns| matrix(file, &name(&format!("{part}.weight")), Some(rows), columns);
    let attention = [weights("attn_q", query, width)?, weights("attn_k", kv, width)?, weights("attn_v", kv, width)?];
    let output = weights("attn_output", width, query)?;
    let feed = [weights("ffn_gate", hidden, width)?, weights("ffn_up", hidden, width)?];
    let down = weights("ffn_down", width, hidden)?;
    let mut bias = |part: &str, size| {
        let name = name(part);
        if file.has(&name) { vector(file, &name, size) } else { Ok(Vec::new()) }
    };
    let biases = [bias("attn_q.bias", query)?, bias("attn_k.bias", kv)?, bias("attn_v.bias", kv)?];
    refuse_extras(file, index)?;
    Ok(Layer {
        attention_norm: vector(file, &name("attn_norm.weight"), width)?,
        attention,
        biases,
        output,
        feed_norm: vector(file, &name("ffn_norm.weight"), width)?,
        feed,
        down,
    })
}

/// A tensor that the forward pass would silently leave out makes another network of it.
fn refuse_extras(file: &Gguf, index: usize) -> Result<(), EngineError> {
    let extras = [
        "attn_output.bias",
        "ffn_gate.bias",
        "ffn_up.bias",
        "ffn_down.bias",
        "attn_q_norm.weight",
        "attn_k_norm.weight",
    ];
    let found = extras.iter().map(|part| format!("blk.{index}.{part}")).find(|name| file.has(name));
    match found {
        Some(name) => Err(EngineError::Weights(format!("tensor `{name}` is not supported in this architecture"))),
        None => Ok(()),
    }
}

fn matrix(file: &mut Gguf, name: &str, rows: Option<usize>, columns: usize) -> Result<Matrix, EngineError> {
    let raw = file.raw(name)?;
    if raw.columns != columns || rows.is_some_and(|rows| rows != raw.rows) {
        let message = format!("tensor `{name}` is {} × {}, the metadata say otherwise", raw.rows, raw.columns);
        return Err(EngineError::Weights(message));
    }
    Matrix::pack(&raw)
}

fn vector(file: &mut Gguf, name: &str, size: usize) -> Result<Vec<f32>, EngineError> {
    let numbers = file.floats(name)?;
    if numbers.len() != size {
        return Err(EngineError::Weights(format!("tensor `{name}` has {} numbers, not {size}", numbers.len())));
    }
    Ok(numbers)
}
