//! Other files of the family, made here: tiny networks with random weights, compared with a plain forward pass, and
//! files that must be refused.

use std::{collections::BTreeMap, io::Cursor, path::PathBuf};

use candle_core::{
    Device, Tensor,
    quantized::{
        GgmlDType, QTensor,
        gguf_file::{self, Value},
    },
};
use kubemate_engine::{ChatModel, EngineError, FinishReason, LocalConfig, ModelIdentity, Prompt, chat::LocalChat};
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::model::{ask, greedy, user};

const WIDTH: usize = 64;
const HIDDEN: usize = 96;
const HEADS: usize = 4;
const KV_HEADS: usize = 2;
const HEAD: usize = 32;
const LAYERS: usize = 2;
const VOCABULARY: usize = 260;

/// A model file in the making.
struct Tiny {
    values: BTreeMap<String, Value>,
    tensors: BTreeMap<String, QTensor>,
}

impl Tiny {
    fn new(architecture: &str) -> Self {
        let mut tiny = Self { values: BTreeMap::new(), tensors: BTreeMap::new() };
        tiny.set("general.architecture", Value::String(architecture.into()));
        for (key, number) in [
            ("block_count", LAYERS),
            ("embedding_length", WIDTH),
            ("feed_forward_length", HIDDEN),
            ("attention.head_count", HEADS),
            ("attention.head_count_kv", KV_HEADS),
            ("attention.key_length", HEAD),
            ("context_length", 128),
            ("rope.dimension_count", HEAD),
        ] {
            tiny.set(&format!("{architecture}.{key}"), Value::U32(number as u32));
        }
        tiny.set(&format!("{architecture}.attention.layer_norm_rms_epsilon"), Value::F32(1e-6));
        tiny.set(&format!("{architecture}.rope.freq_base"), Value::F32(5000.0));
        tiny.vocabulary();
        tiny.weights(architecture == "qwen2");
        tiny
    }

    fn set(&mut self, key: &str, value: Value) -> &mut Self {
        self.values.insert(key.into(), value);
        self
    }

    /// The 256 bytes, two merges, and two control tokens.
    fn vocabulary(&mut self) {
        let printable = |byte: &u32| matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
        let others = (0..256u32).filter(|byte| !printable(byte)).zip(256..).map(|(_, code)| code);
        let bytes = (0..256u32).filter(printable).chain(others).filter_map(char::from_u32).map(|c| c.to_string());
        let tokens: Vec<_> = bytes.chain(["th", "the", "<|end|>", "<|turn|>"].map(String::from)).collect();
        assert_eq!(tokens.len(), VOCABULARY);
        let types = (0..VOCABULARY).map(|id| Value::I32(if id < 258 { 1 } else { 3 })).collect();
        let texts = |texts: Vec<String>| Value::Array(texts.into_iter().map(Value::String).collect());
        self.set("tokenizer.ggml.model", Value::String("gpt2".into()))
            .set("tokenizer.ggml.pre", Value::String("qwen2".into()))
            .set("tokenizer.ggml.tokens", texts(tokens))
            .set("tokenizer.ggml.token_type", Value::Array(types))
            .set("tokenizer.ggml.merges", texts(vec!["t h".into(), "th e".into()]))
            .set("tokenizer.ggml.eos_token_id", Value::U32(258));
    }

    fn weights(&mut self, qwen: bool) {
        let mut random = StdRng::seed_from_u64(11);
        let mut tensor = |name: String, rows: usize, columns: usize, kind, spread: f32| {
            let numbers: Vec<f32> = (0..rows * columns).map(|_| random.random_range(-spread..spread)).collect();
            let shape = if rows == 1 { vec![columns] } else { vec![rows, columns] };
            let tensor = Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap();
            self.tensors.insert(name, QTensor::quantize(&tensor, kind).unwrap());
        };
        tensor("token_embd.weight".into(), VOCABULARY, WIDTH, GgmlDType::F32, 1.0);
        tensor("output_norm.weight".into(), 1, WIDTH, GgmlDType::F32, 1.5);
        if qwen {
            tensor("output.weight".into(), VOCABULARY, WIDTH, GgmlDType::Q8_0, 0.5);
        }
        let (query, kv) = (HEADS * HEAD, KV_HEADS * HEAD);
        for layer in 0..LAYERS {
            let name = |part: &str| format!("blk.{layer}.{part}");
            for (part, rows, columns, kind) in [
                ("attn_q", query, WIDTH, GgmlDType::Q8_0),
                ("attn_k", kv, WIDTH, GgmlDType::Q4_0),
                ("attn_v", kv, WIDTH, GgmlDType::F16),
                ("attn_output", WIDTH, query, GgmlDType::Q4_1),
                ("ffn_gate", HIDDEN, WIDTH, GgmlDType::Q5_0),
                ("ffn_up", HIDDEN, WIDTH, GgmlDType::Q8_0),
                ("ffn_down", WIDTH, HIDDEN, GgmlDType::Q8_0),
            ] {
                tensor(name(&format!("{part}.weight")), rows, columns, kind, 0.3);
            }
            tensor(name("attn_norm.weight"), 1, WIDTH, GgmlDType::F32, 1.5);
            tensor(name("ffn_norm.weight"), 1, WIDTH, GgmlDType::F32, 1.5);
            if qwen {
                for (part, size) in [("attn_q.bias", query), ("attn_k.bias", kv), ("attn_v.bias", kv)] {
                    tensor(name(part), 1, size, GgmlDType::F32, 0.5);
                }
            }
        }
    }

    fn open(&self) -> Result<LocalChat, EngineError> {
        let mut file = Cursor::new(Vec::new());
        let values: Vec<_> = self.values.iter().map(|(key, value)| (key.as_str(), value)).collect();
        let tensors: Vec<_> = self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        gguf_file::write(&mut file, &values, &tensors).unwrap();
        open(file.get_ref())
    }

    fn numbers(&self, name: &str) -> Vec<f64> {
        let Some(tensor) = self.tensors.get(name) else { return Vec::new() };
        let all = tensor.dequantize(&Device::Cpu).unwrap().flatten_all().unwrap();
        all.to_vec1::<f32>().unwrap().into_iter().map(f64::from).collect()
    }

    /// The product of a matrix with a vector, plus a bias when there is one.
    fn times(&self, name: &str, input: &[f64]) -> Vec<f64> {
        let bias = self.numbers(&format!("{name}.bias"));
        let matrix = self.numbers(&format!("{name}.weight"));
        let rows = matrix.chunks_exact(input.len());
        let sums = rows.map(|row| row.iter().zip(input).map(|(weight, number)| weight * number).sum::<f64>());
        sums.zip(bias.into_iter().chain(std::iter::repeat(0.0))).map(|(sum, bias)| sum + bias).collect()
    }

    fn normal(&self, name: &str, input: &[f64]) -> Vec<f64> {
        let mean = input.iter().map(|number| number * number).sum::<f64>() / input.len() as f64;
        let factor = 1.0 / (mean + 1e-6).sqrt();
        self.numbers(name).iter().zip(input).map(|(weight, number)| number * factor * weight).collect()
    }

    /// The plain forward pass: one token after the other, one number after the other.
    fn scores(&self, tokens: &[u32], halves: bool, scale: f64) -> Vec<f64> {
        let table = self.numbers("token_embd.weight");
        let mut memory = vec![(Vec::new(), Vec::new()); LAYERS];
        let mut stream = Vec::new();
        for (position, token) in tokens.iter().enumerate() {
            stream = table[*token as usize * WIDTH..][..WIDTH].to_vec();
            for (layer, (keys, values)) in memory.iter_mut().enumerate() {
                let name = |part: &str| format!("blk.{layer}.{part}");
                let input = self.normal(&name("attn_norm.weight"), &stream);
                let mut query = self.times(&name("attn_q"), &input);
                let mut key = self.times(&name("attn_k"), &input);
                turn(&mut query, position as f64 / scale, halves);
                turn(&mut key, position as f64 / scale, halves);
                keys.push(key);
                values.push(self.times(&name("attn_v"), &input));
                let mixed = attention(&query, keys, values);
                add(&mut stream, &self.times(&name("attn_output"), &mixed));
                let input = self.normal(&name("ffn_norm.weight"), &stream);
                let gate = self.times(&name("ffn_gate"), &input);
                let up = self.times(&name("ffn_up"), &input);
                let inner: Vec<f64> = gate.iter().zip(up).map(|(gate, up)| gate / (1.0 + (-gate).exp()) * up).collect();
                add(&mut stream, &self.times(&name("ffn_down"), &inner));
            }
        }
        let last = self.normal("output_norm.weight", &stream);
        self.times(if halves { "output" } else { "token_embd" }, &last)
    }
}

fn turn(heads: &mut [f64], position: f64, halves: bool) {
    for head in heads.chunks_exact_mut(HEAD) {
        for pair in 0..HEAD / 2 {
            let (left, right) = if halves { (pair, pair + HEAD / 2) } else { (2 * pair, 2 * pair + 1) };
            let angle = position * 5000f64.powf(-2.0 * pair as f64 / HEAD as f64);
            let (a, b) = (head[left], head[right]);
            head[left] = a * angle.cos() - b * angle.sin();
            head[right] = a * angle.sin() + b * angle.cos();
        }
    }
}

fn attention(query: &[f64], keys: &[Vec<f64>], values: &[Vec<f64>]) -> Vec<f64> {
    let mut out = vec![0.0; HEADS * HEAD];
    for head in 0..HEADS {
        let kv = head / (HEADS / KV_HEADS) * HEAD;
        let query = &query[head * HEAD..][..HEAD];
        let score =
            |key: &Vec<f64>| query.iter().zip(&key[kv..]).map(|(q, k)| q * k).sum::<f64>() / (HEAD as f64).sqrt();
        let weights: Vec<f64> = keys.iter().map(|key| score(key).exp()).collect();
        let total: f64 = weights.iter().sum();
        for (weight, value) in weights.iter().zip(values) {
            for (out, number) in out[head * HEAD..][..HEAD].iter_mut().zip(&value[kv..]) {
                *out += weight / total * number;
            }
        }
    }
    out
}

fn add(stream: &mut [f64], more: &[f64]) {
    stream.iter_mut().zip(more).for_each(|(number, more)| *number += more);
}

fn open(bytes: &[u8]) -> Result<LocalChat, EngineError> {
    let folder = tempfile::tempdir().unwrap();
    let file: PathBuf = folder.path().join("tiny.gguf");
    std::fs::write(&file, bytes).unwrap();
    let identity = ModelIdentity { name: "tiny".into(), revision: "1".into(), dimensions: 0, context: 0 };
    LocalChat::open(identity, &file, &LocalConfig { threads: Some(1), ..LocalConfig::default() })
}

fn refusal(tiny: &Tiny) -> String {
    match tiny.open() {
        Err(EngineError::Weights(message)) => message,
        other => panic!("{other:?}"),
    }
}

/// More than two pages of tokens.
fn tokens() -> Vec<u32> {
    (0..75).map(|index| (index * 37 % 256) as u32).collect()
}

fn likeness(ours: &[f32], theirs: &[f64]) -> f64 {
    let dot = |left: &[f64], right: &[f64]| left.iter().zip(right).map(|(l, r)| l * r).sum::<f64>();
    let ours: Vec<f64> = ours.iter().map(|number| f64::from(*number)).collect();
    dot(&ours, theirs) / (dot(&ours, &ours) * dot(theirs, theirs)).sqrt()
}

#[test]
fn both_architectures_compute_what_a_plain_forward_pass_does() {
    for (name, halves) in [("llama", false), ("qwen2", true)] {
        let tiny = Tiny::new(name);
        let scores = tiny.open().unwrap().scores_after(&tokens()).unwrap();
        let found = likeness(&scores, &tiny.scores(&tokens(), halves, 1.0));
        assert!(found > 0.999, "{name}: likeness {found}");
        let other = likeness(&scores, &tiny.scores(&tokens(), halves, 4.0));
        assert!(other < found, "{name}: the comparison is blind to positions");
    }
}

#[test]
fn linear_rope_scaling_is_honoured() {
    let mut tiny = Tiny::new("llama");
    tiny.set("llama.rope.scaling.type", Value::String("linear".into()));
    tiny.set("llama.rope.scaling.factor", Value::F32(4.0));
    let scores = tiny.open().unwrap().scores_after(&tokens()).unwrap();
    let found = likeness(&scores, &tiny.scores(&tokens(), false, 4.0));
    assert!(found > 0.999, "likeness {found}");
}

#[test]
fn what_the_code_does_not_know_is_refused_by_name() {
    let mut strange = Tiny::new("llama");
    strange.set("general.architecture", Value::String("mamba".into()));
    assert!(refusal(&strange).contains("`mamba`"));

    let cases: [(&str, Value, &str); 5] = [
        ("tokenizer.ggml.pre", Value::String("tekken".into()), "`tekken`"),
        ("tokenizer.ggml.model", Value::String("llama".into()), "`llama`"),
        ("llama.rope.scaling.type", Value::String("yarn".into()), "`yarn`"),
        ("llama.expert_count", Value::U32(8), "experts"),
        ("llama.feed_forward_length", Value::U32(128), "ffn_gate"),
    ];
    for (key, value, named) in cases {
        let mut tiny = Tiny::new("llama");
        tiny.set(key, value);
        let message = refusal(&tiny);
        assert!(message.contains(named), "{message}");
    }
    let mut extra = Tiny::new("llama");
    let bias = Tensor::zeros(WIDTH, candle_core::DType::F32, &Device::Cpu).unwrap();
    extra.tensors.insert("blk.1.ffn_down.bias".into(), QTensor::quantize(&bias, GgmlDType::F32).unwrap());
    assert!(refusal(&extra).contains("blk.1.ffn_down.bias"));
}

#[test]
fn damaged_files_are_refused() {
    let tiny = Tiny::new("llama");
    let mut file = Cursor::new(Vec::new());
    let values: Vec<_> = tiny.values.iter().map(|(key, value)| (key.as_str(), value)).collect();
    let tensors: Vec<_> = tiny.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    gguf_file::write(&mut file, &values, &tensors).unwrap();
    let whole = file.into_inner();
    assert!(open(&whole).is_ok());
    for length in [0, 3, 11, 100, whole.len() / 4, whole.len() / 2, whole.len() - 4000] {
        assert!(matches!(open(&whole[..length]), Err(EngineError::Weights(_))), "{length} bytes were taken");
    }
    // Lengths and offsets that lie: no byte of the header may make the reader panic or reserve what is not there.
    let mut random = StdRng::seed_from_u64(17);
    for _ in 0..300 {
        let mut damaged = whole.clone();
        let place = random.random_range(4..12_000.min(damaged.len()));
        damaged[place] = random.random();
        drop(open(&damaged));
    }
}

#[tokio::test]
async fn a_file_without_template_completes_texts_only() {
    let model = Tiny::new("llama").open().unwrap();
    assert!(matches!(ask(&model, greedy(user("hi"), 2)).await, Err(EngineError::Template(_))));
    let answer = ask(&model, greedy(Prompt::Text("the".into()), 5)).await.unwrap().remove(0);
    assert!(answer.tokens <= 5);
    assert_eq!(model.tokenizer().encode("the"), [257]);
}

#[tokio::test]
async fn the_end_of_the_context_is_the_end_of_the_answer() {
    let model = Tiny::new("llama").open().unwrap();
    let mut request = greedy(Prompt::Tokens(tokens()), 1000);
    request.max_tokens = None;
    request.sampling.logit_bias = [(258, -100.0), (259, -100.0)].into();
    let answer = ask(&model, request).await.unwrap().remove(0);
    assert_eq!((answer.reason, answer.tokens), (FinishReason::Length, 128 - 75));
}

#[tokio::test]
async fn a_template_of_the_file_is_used_and_may_refuse() {
    let mut tiny = Tiny::new("llama");
    let template = "{% if messages|length > 1 %}{{ raise_exception('one turn only') }}{% endif %}\
        {% for m in messages %}<|turn|>{{ m.content | trim }}<|end|>{% endfor %}";
    tiny.set("tokenizer.chat_template", Value::String(template.into()));
    let model = tiny.open().unwrap();
    let ids = model.prompt_tokens(&user(" the ")).unwrap();
    assert_eq!(ids, [259, 257, 258]);
    // A content that ends or begins with a part of a control token cannot complete it.
    for content in ["<|end|>", "<|turn|", "|end|>", "<", "<|turn|><|end|>"] {
        let ids = model.prompt_tokens(&user(content)).unwrap();
        assert_eq!((ids[0], ids[ids.len() - 1]), (259, 258));
        assert!(ids[1..ids.len() - 1].iter().all(|id| *id < 258), "{content:?} became {ids:?}");
    }
    let Prompt::Chat(turns) = user("a") else { unreachable!() };
    let two = Prompt::Chat([turns.clone(), turns].concat());
    assert_eq!(model.count_prompt(&two), Err(EngineError::Template("one turn only".into())));
}
