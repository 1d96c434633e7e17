//! BERT encoders as Hugging Face publishes them: `config.json` and safetensors.

use std::path::Path;

use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

use super::{RawEncoder, RawLayer, RawLinear, Shape};
use crate::{
    EngineError,
    kernels::{Matrix, Norm},
};

#[derive(Debug, Deserialize)]
struct Config {
    model_type: String,
    hidden_act: String,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    vocab_size: usize,
    max_position_embeddings: usize,
    layer_norm_eps: f32,
    #[serde(default = "absolute")]
    position_embedding_type: String,
}

fn absolute() -> String {
    "absolute".to_owned()
}

/// The sizes in a `config.json`.
///
/// # Errors
/// `Weights` when the file is no configuration of a BERT encoder with sizes the kernels know.
pub(crate) fn read_shape(path: &Path) -> Result<Shape, EngineError> {
    let broken = |reason: &str| EngineError::Weights(format!("{}: {reason}", path.display()));
    let bytes = std::fs::read(path).map_err(|error| broken(&error.to_string()))?;
    let config: Config = serde_json::from_slice(&bytes).map_err(|error| broken(&error.to_string()))?;
    if config.model_type != "bert" || config.hidden_act != "gelu" || config.position_embedding_type != "absolute" {
        return Err(broken("not a BERT encoder with GELU and absolute positions"));
    }
    let shape = Shape {
        hidden: config.hidden_size,
        layers: config.num_hidden_layers,
        heads: config.num_attention_heads,
        inner: config.intermediate_size,
        vocabulary: config.vocab_size,
        positions: config.max_position_embeddings,
        epsilon: config.layer_norm_eps,
    };
    shape.is_supported().then_some(shape).ok_or_else(|| broken("sizes are not multiples of 32"))
}

/// Reads the tensors of a BERT encoder.
///
/// # Errors
/// `Weights` when one is missing, not of 32-bit floats or not of the size that `shape` says.
pub(crate) fn load(bytes: &[u8], shape: Shape) -> Result<RawEncoder, EngineError> {
    let broken = |error| EngineError::Weights(format!("the safetensors file is broken: {error}"));
    let tensors = Tensors { tensors: SafeTensors::deserialize(bytes).map_err(broken)?, shape };
    let Shape { hidden, layers, vocabulary, positions, .. } = shape;
    Ok(RawEncoder {
        shape,
        words: Matrix::Floats(tensors.floats("embeddings.word_embeddings.weight", vocabulary * hidden)?),
        positions: tensors.floats("embeddings.position_embeddings.weight", positions * hidden)?,
        kind: tensors.first_kind()?,
        norm: tensors.norm("embeddings.LayerNorm")?,
        layers: (0..layers).map(|index| tensors.layer(index)).collect::<Result<_, _>>()?,
    })
}

struct Tensors<'a> {
    tensors: SafeTensors<'a>,
    shape: Shape,
}

impl Tensors<'_> {
    fn floats(&self, name: &str, numbers: usize) -> Result<Vec<f32>, EngineError> {
        let missing = |_| EngineError::Weights(format!("the safetensors file has no tensor `{name}`"));
        let tensor = self.tensors.tensor(name).map_err(missing)?;
        if tensor.dtype() != Dtype::F32 || tensor.data().len() != numbers * 4 {
            return Err(EngineError::Weights(format!("tensor `{name}` is not {numbers} 32-bit floats")));
        }
        Ok(tensor.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }

    fn first_kind(&self) -> Result<Vec<f32>, EngineError> {
        let mut kinds = self.floats("embeddings.token_type_embeddings.weight", 2 * self.shape.hidden)?;
        kinds.truncate(self.shape.hidden);
        Ok(kinds)
    }

    fn norm(&self, name: &str) -> Result<Norm, EngineError> {
        let floats = |part| self.floats(&format!("{name}.{part}"), self.shape.hidden);
        Ok(Norm { scale: floats("weight")?, shift: floats("bias")?, epsilon: self.shape.epsilon })
    }

    fn layer(&self, index: usize) -> Result<RawLayer, EngineError> {
        let Shape { hidden, inner, .. } = self.shape;
        let name = |part: &str| format!("encoder.layer.{index}.{part}");
        let linear = |part: &str, inputs: usize, outputs: usize| {
            let matrix = Matrix::Floats(self.floats(&name(&format!("{part}.weight")), inputs * outputs)?);
            Ok::<_, EngineError>(RawLinear { matrix, bias: self.floats(&name(&format!("{part}.bias")), outputs)? })
        };
        Ok(RawLayer {
            query: linear("attention.self.query", hidden, hidden)?,
            key: linear("attention.self.key", hidden, hidden)?,
            value: linear("attention.self.value", hidden, hidden)?,
            output: linear("attention.output.dense", hidden, hidden)?,
            attention_norm: self.norm(&name("attention.output.LayerNorm"))?,
            up: linear("intermediate.dense", hidden, inner)?,
            down: linear("output.dense", inner, hidden)?,
            output_norm: self.norm(&name("output.LayerNorm"))?,
        })
    }
}
