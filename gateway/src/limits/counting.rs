//! Tokens of a request's body: every text in it, and what chat templates put around messages.

use std::{
    borrow::Cow,
    collections::HashMap,
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use kubemate_engine::TokenCounter;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// Tokens around a message. Source: OpenAI's cookbook says 3 for its models; ChatML, which most others use, takes 5.
const AROUND_MESSAGE: u64 = 5;
/// Tokens around the whole, with a template's own instructions where the request has none; those of the models in the
/// catalogue have up to 24.
const AROUND_ALL: u64 = 32;
/// Tokens of an image: a large one at high detail takes 1,105. Source: OpenAI's guide to vision.
const IMAGE: u64 = 1105;
/// Bytes up to which a body's texts are counted; in a longer one two bytes are taken for a token, which no language
/// reaches, because an estimate must not cost more than the request.
const COUNTED: usize = 256 * 1024;
/// Longest piece that a tokenizer gets at once: its work may grow with the square of a piece without spaces.
const PIECE: usize = 1024;
/// Texts whose tokens are remembered: the beginnings of conversations come again with every turn.
const REMEMBERED: usize = 16_384;
/// Shortest text that is worth remembering.
const WORTH: usize = 32;

/// Who counts.
#[derive(Clone, Debug)]
pub(super) enum Tokenizer {
    /// OpenAI's vocabulary, as the measure for models elsewhere.
    Cl100k,
    /// A model's own.
    Own(Arc<dyn TokenCounter>),
}

impl Tokenizer {
    fn count(&self, text: &str) -> u64 {
        match self {
            Self::Cl100k if text.len() >= WORTH => remembered(text),
            Self::Cl100k => cl100k(text),
            Self::Own(own) => pieces(text).map(|piece| own.count(piece) as u64).sum(),
        }
    }
}

fn cl100k(text: &str) -> u64 {
    let tokenizer = tiktoken_rs::cl100k_base_singleton();
    pieces(text).map(|piece| tokenizer.encode_ordinary(piece).len() as u64).sum()
}

/// Counts by the text's hash under keys drawn at start, so that nobody can make two texts share one.
fn remembered(text: &str) -> u64 {
    type Counts = Mutex<HashMap<(u64, u64), u64>>;
    static COUNTS: LazyLock<(RandomState, RandomState, Counts)> = LazyLock::new(Default::default);
    let (one, two, counts) = &*COUNTS;
    let name = (one.hash_one(text), two.hash_one(text));
    if let Some(known) = counts.lock().unwrap_or_else(PoisonError::into_inner).get(&name) {
        return *known;
    }
    let counted = cl100k(text);
    let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
    if counts.len() >= REMEMBERED {
        counts.clear();
    }
    counts.insert(name, counted);
    counted
}

/// The text in pieces of bounded length, cut between characters.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = (0..=PIECE.min(rest.len())).rev().find(|at| rest.is_char_boundary(*at)).unwrap_or(rest.len());
        let (piece, left) = rest.split_at(end.max(1));
        rest = left;
        Some(piece)
    })
}

/// What a body holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    /// Tokens of all prompts.
    pub(super) tokens: u64,
    /// Prompts that are answered each for itself; 1 for a conversation.
    pub(super) prompts: u64,
}

/// The tokens of the prompts in `body`, a request of any door.
pub(super) fn count(body: &[u8], tokenizer: &Tokenizer) -> Counted {
    let mut counted = Counted { tokens: AROUND_ALL, prompts: 1 };
    let counts = (body.len() <= COUNTED).then_some(tokenizer);
    let mut values = serde_json::Deserializer::from_slice(body);
    // A body that is no object costs nothing: its door refuses it.
    let _read = values.deserialize_map(Top { tokenizer: counts, counted: &mut counted });
    if counts.is_none() {
        counted.tokens = (body.len() as u64).div_ceil(2);
    }
    counted
}

/// Prompts in the field `prompt`: a list of texts or of token lists has one each.
fn prompts(value: &RawValue) -> u64 {
    let items: Vec<&RawValue> = serde_json::from_str(value.get()).unwrap_or_default();
    let whole = items.iter().filter(|item| item.get().starts_with(['"', '['])).count();
    whole.max(1) as u64
}

/// The top of a body: the fields that become part of a prompt.
struct Top<'a> {
    /// `None`: only prompts are counted.
    tokenizer: Option<&'a Tokenizer>,
    counted: &'a mut Counted,
}

impl<'de> Visitor<'de> for Top<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Key(name)) = map.next_key::<Key<'de>>()? {
            let keys = matches!(&*name, "tools" | "functions" | "response_format" | "text" | "format");
            let prompt = keys
                || matches!(
                    &*name,
                    "messages" | "prompt" | "input" | "query" | "documents" | "instructions" | "suffix" | "system"
                );
            if !prompt {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let value = map.next_value::<&RawValue>()?;
            if name == "prompt" {
                self.counted.prompts = prompts(value);
            }
            if let Some(tokenizer) = self.tokenizer {
                let inner = Inner { tokenizer, tokens: &mut self.counted.tokens, keys };
                // It was parsed as a value just now.
                let _read = inner.deserialize(&mut serde_json::Deserializer::from_str(value.get()));
            }
        }
        Ok(())
    }
}

/// A value within a prompt.
struct Inner<'a> {
    tokenizer: &'a Tokenizer,
    tokens: &'a mut u64,
    /// Whether names of fields are part of the prompt, as those of schemas are.
    keys: bool,
}

impl Inner<'_> {
    fn inner(&mut self) -> Inner<'_> {
        Inner { tokenizer: self.tokenizer, tokens: self.tokens, keys: self.keys }
    }

    fn add(&mut self, tokens: u64) {
        *self.tokens = self.tokens.saturating_add(tokens);
    }
}

impl<'de> DeserializeSeed<'de> for Inner<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Inner<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("any value")
    }

    fn visit_str<E>(mut self, text: &str) -> Result<(), E> {
        let tokens = self.tokenizer.count(text);
        self.add(tokens);
        Ok(())
    }

    fn visit_u64<E>(mut self, _: u64) -> Result<(), E> {
        self.add(1); // a token id, or a number in a schema
        Ok(())
    }

    fn visit_i64<E>(mut self, _: i64) -> Result<(), E> {
        self.add(1);
        Ok(())
    }

    fn visit_f64<E>(mut self, _: f64) -> Result<(), E> {
        self.add(1);
        Ok(())
    }

    fn visit_bool<E>(mut self, _: bool) -> Result<(), E> {
        self.add(1);
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self.inner())?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        self.add(AROUND_MESSAGE);
        while let Some(Key(name)) = map.next_key::<Key<'de>>()? {
            match &*name {
                "image_url" | "input_audio" | "image" | "images" | "file" => {
                    map.next_value::<IgnoredAny>()?;
                    self.add(IMAGE);
                    continue;
                }
                name if self.keys => self.add(self.tokenizer.count(name).saturating_add(2)),
                _ => {}
            }
            map.next_value_seed(self.inner())?;
        }
        Ok(())
    }
}

/// A key, borrowed unless it is written with escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    fn all(body: &str) -> Counted {
        super::count(body.as_bytes(), &Tokenizer::Cl100k)
    }

    fn count(body: &str) -> u64 {
        all(body).tokens - AROUND_ALL
    }

    #[test]
    fn each_prompt_is_answered_for_itself() {
        for (prompt, prompts) in [(r#""a""#, 1), (r#"["a","b"]"#, 2), ("[1,2,3]", 1), ("[[1,2],[3],[4]]", 3), ("[]", 1)]
        {
            assert_eq!(all(&format!(r#"{{"prompt":{prompt}}}"#)).prompts, prompts, "{prompt}");
        }
        assert_eq!(all(r#"{"messages":[{"content":"a"},{"content":"b"}]}"#).prompts, 1);
    }

    #[test]
    fn texts_are_counted_wherever_they_stand() {
        assert_eq!(count(r#"{"model":"not this","prompt":"Hello world"}"#), 2);
        assert_eq!(count(r#"{"input":["Hello world","Hello world"],"user":"nor this"}"#), 4);
        assert_eq!(count(r#"{"input":[9906,1917]}"#), 2);
        assert_eq!(count(r#"{"messages":[{"role":"user","content":"Hello world"}]}"#), AROUND_MESSAGE + 3);
        let parts = r#"{"messages":[{"content":[{"text":"Hello world"},{"image_url":{"url":"data:x"}}]}]}"#;
        assert_eq!(count(parts), 3 * AROUND_MESSAGE + 2 + IMAGE);
        assert!(count(r#"{"tools":[{"function":{"name":"f","parameters":{"type":"object"}}}]}"#) > 8);
        assert_eq!(count("[1,2]"), 0);
    }

    #[test]
    fn a_long_text_costs_what_its_pieces_cost_and_a_monster_is_not_counted() {
        let word = "Lorem ipsum dolor 汉字 sit amet. ".repeat(4000);
        let counted = count(&format!(r#"{{"prompt":"{word}"}}"#));
        let whole = tiktoken_rs::cl100k_base_singleton().encode_ordinary(&word).len() as u64;
        assert!(counted >= whole && counted < whole + whole / 50, "{counted} for {whole}");
        let monster = format!(r#"{{"prompt":"{}"}}"#, "a".repeat(COUNTED + 1));
        assert_eq!(all(&monster).tokens, (monster.len() as u64).div_ceil(2));
    }
}
