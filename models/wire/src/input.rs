//! Fields that may be one thing or a list: `input`, `prompt`, `stop`, `query`.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

/// Texts or token ids: a string, a list of strings, one list of token ids, or a list of such lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// `"one text"`
    Text(String),
    /// `["a text", "another"]`
    Texts(Vec<String>),
    /// `[1, 2, 3]`: one input of three tokens.
    Tokens(Vec<u32>),
    /// `[[1, 2], [3]]`: two inputs.
    TokenLists(Vec<Vec<u32>>),
}

/// One item of an [`Input`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputItem {
    /// Text as it was sent.
    Text(String),
    /// Token ids, in whatever vocabulary the client used.
    Tokens(Vec<u32>),
}

impl Input {
    /// How many inputs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Text(_) | Self::Tokens(_) => 1,
            Self::Texts(texts) => texts.len(),
            Self::TokenLists(lists) => lists.len(),
        }
    }

    /// Token ids of the longest input and of all together; texts have none.
    #[must_use]
    pub fn token_ids(&self) -> (usize, usize) {
        match self {
            Self::Text(_) | Self::Texts(_) => (0, 0),
            Self::Tokens(ids) => (ids.len(), ids.len()),
            Self::TokenLists(lists) => {
                let lengths = || lists.iter().map(Vec::len);
                (lengths().max().unwrap_or(0), lengths().sum())
            }
        }
    }

    /// True for an empty list and for a list with no token in it. An empty string is one input.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Text(_) => false,
            Self::Tokens(tokens) => tokens.is_empty(),
            Self::Texts(texts) => texts.is_empty(),
            Self::TokenLists(lists) => lists.is_empty(),
        }
    }

    /// The inputs in their order, each as one item.
    #[must_use]
    pub fn into_items(self) -> Vec<InputItem> {
        match self {
            Self::Text(text) => vec![InputItem::Text(text)],
            Self::Tokens(tokens) => vec![InputItem::Tokens(tokens)],
            Self::Texts(texts) => texts.into_iter().map(InputItem::Text).collect(),
            Self::TokenLists(lists) => lists.into_iter().map(InputItem::Tokens).collect(),
        }
    }
}

impl Serialize for Input {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => text.serialize(serializer),
            Self::Texts(texts) => texts.serialize(serializer),
            Self::Tokens(tokens) => tokens.serialize(serializer),
            Self::TokenLists(lists) => lists.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Input {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(InputVisitor)
    }
}

struct InputVisitor;

impl<'de> Visitor<'de> for InputVisitor {
    type Value = Input;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a string, a list of strings, a list of token ids, or a list of lists of token ids")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Input, E> {
        Ok(Input::Text(text.to_owned()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Input, E> {
        Ok(Input::Text(text))
    }

    /// The first element decides what the list holds, so nothing is read twice.
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Input, A::Error> {
        match seq.next_element()? {
            None => Ok(Input::Texts(Vec::new())),
            Some(Element::Text(first)) => Ok(Input::Texts(rest(first, seq)?)),
            Some(Element::Token(first)) => Ok(Input::Tokens(rest(first, seq)?)),
            Some(Element::Tokens(first)) => Ok(Input::TokenLists(rest(first, seq)?)),
        }
    }
}

fn rest<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(first: T, mut seq: A) -> Result<Vec<T>, A::Error> {
    let mut items = vec![first];
    while let Some(item) = seq.next_element()? {
        items.push(item);
    }
    Ok(items)
}

enum Element {
    Text(String),
    Token(u32),
    Tokens(Vec<u32>),
}

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ElementVisitor)
    }
}

struct ElementVisitor;

impl<'de> Visitor<'de> for ElementVisitor {
    type Value = Element;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a string, a token id, or a list of token ids")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Element, E> {
        Ok(Element::Text(text.to_owned()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Element, E> {
        Ok(Element::Text(text))
    }

    fn visit_u64<E: de::Error>(self, token: u64) -> Result<Element, E> {
        u32::try_from(token).map(Element::Token).map_err(|_| E::custom("a token id is below 2^32"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Element, A::Error> {
        let mut tokens = Vec::new();
        while let Some(token) = seq.next_element()? {
            tokens.push(token);
        }
        Ok(Element::Tokens(tokens))
    }
}

/// One string or a list of strings: `stop`, the `query` of a search.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(untagged, expecting = "expected a string or a list of strings")]
pub enum Strings {
    /// `"one"`
    One(String),
    /// `["one", "two"]`
    Many(Vec<String>),
}

impl Strings {
    /// The strings in their order.
    #[must_use]
    pub fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }

    /// The strings in their order.
    #[must_use]
    pub fn as_slice(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}
