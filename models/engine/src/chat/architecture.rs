//! The numbers that describe a network, from the metadata of its file.

use super::gguf::Gguf;
use crate::EngineError;

/// Positions whose keys and values one cache page holds, and columns of one quantisation block.
pub(crate) const BLOCK: usize = 32;

/// A network of the Llama family.
#[derive(Debug, Clone)]
pub(crate) struct Architecture {
    /// Layers.
    pub(crate) layers: usize,
    /// Width of the residual stream.
    pub(crate) width: usize,
    /// Width of the feed-forward part.
    pub(crate) hidden: usize,
    /// Query heads.
    pub(crate) heads: usize,
    /// Key and value heads; a divisor of `heads`.
    pub(crate) kv_heads: usize,
    /// Numbers of one head.
    pub(crate) head_size: usize,
    /// Tokens that the network was trained to read.
    pub(crate) context: usize,
    /// Added to the mean square before its root is taken.
    pub(crate) epsilon: f32,
    /// How positions are told apart.
    pub(crate) rotation: Rotation,
}

/// Rotary position embedding.
#[derive(Debug, Clone)]
pub(crate) struct Rotation {
    /// Base of the geometric series of frequencies.
    pub(crate) base: f32,
    /// Positions are divided by this (linear scaling); 1 is off.
    pub(crate) scale: f32,
    /// How many numbers of a head are turned.
    pub(crate) size: usize,
    /// Which numbers form a pair.
    pub(crate) pairs: Pairs,
}

/// Which two numbers of a head are turned together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pairs {
    /// 2i and 2i+1: Llama files, whose rows were permuted for it.
    Neighbours,
    /// i and i + half: Qwen2.
    Halves,
}

impl Architecture {
    /// Reads the metadata; refuses by name what the forward pass does not know.
    pub(crate) fn read(file: &Gguf) -> Result<Self, EngineError> {
        let name = file.text("general.architecture").unwrap_or("(none)").to_owned();
        let pairs = match name.as_str() {
            "llama" => Pairs::Neighbours,
            "qwen2" => Pairs::Halves,
            _ => return Err(unsupported(&format!("architecture `{name}` is not supported; llama and qwen2 are"))),
        };
        let key = |suffix: &str| format!("{name}.{suffix}");
        if file.count(&key("expert_count")).unwrap_or(0) > 0 {
            return Err(unsupported(&format!("architecture `{name}` with experts is not supported")));
        }
        let width = file.required_count(&key("embedding_length"))?;
        let heads = file.required_count(&key("attention.head_count"))?;
        let head_size =
            file.count(&key("attention.key_length")).unwrap_or_else(|| width.checked_div(heads).unwrap_or(0));
        let found = Self {
            layers: file.required_count(&key("block_count"))?,
            width,
            hidden: file.required_count(&key("feed_forward_length"))?,
            heads,
            kv_heads: file.count(&key("attention.head_count_kv")).unwrap_or(heads),
            head_size,
            context: file.required_count(&key("context_length"))?,
            epsilon: file.number(&key("attention.layer_norm_rms_epsilon")).unwrap_or(1e-5),
            rotation: Rotation {
                base: file.number(&key("rope.freq_base")).unwrap_or(10_000.0),
                scale: scale(file, &name)?,
                size: file.count(&key("rope.dimension_count")).unwrap_or(head_size),
                pairs,
            },
        };
        found.check()
    }

    fn check(self) -> Result<Self, EngineError> {
        let sane = (1..=512).contains(&self.layers)
            && self.heads > 0
            && self.kv_heads > 0
            && self.heads.is_multiple_of(self.kv_heads)
            && (BLOCK..=256).contains(&self.head_size)
            && self.head_size.is_multiple_of(16)
            && self.heads.saturating_mul(self.head_size) <= 1 << 16
            && (BLOCK..=1 << 16).contains(&self.width)
            && (BLOCK..=1 << 18).contains(&self.hidden)
            && (1..=1 << 22).contains(&self.context)
            && self.rotation.size <= self.head_size
            && self.rotation.size.is_multiple_of(2)
            && self.rotation.scale > 0.0;
        let whole = [self.width, self.hidden, self.heads.saturating_mul(self.head_size)];
        if !sane || whole.iter().any(|size| !size.is_multiple_of(BLOCK)) {
            return Err(unsupported(&format!("the sizes of this network are not supported: {self:?}")));
        }
        Ok(self)
    }

    /// Numbers of all query heads.
    pub(crate) fn query_width(&self) -> usize {
        self.heads * self.head_size
    }

    /// Numbers of all key heads.
    pub(crate) fn kv_width(&self) -> usize {
        self.kv_heads * self.head_size
    }
}

fn scale(file: &Gguf, name: &str) -> Result<f32, EngineError> {
    let factor = file.number(&format!("{name}.rope.scaling.factor")).unwrap_or(1.0);
    match file.text(&format!("{name}.rope.scaling.type")) {
        None | Some("none") => Ok(file.number(&format!("{name}.rope.scale_linear")).unwrap_or(1.0)),
        Some("linear") => Ok(factor),
        Some(other) => Err(unsupported(&format!("rope scaling `{other}` is not supported; linear is"))),
    }
}

fn unsupported(message: &str) -> EngineError {
    EngineError::Weights(message.to_owned())
}
