//! What serde lets pass and two readers of one body may understand differently: duplicate keys and deep nesting.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// Deepest nesting of lists and objects that is read. Source: SECURITY.md, "Bytes from outside".
pub const MAX_DEPTH: usize = 64;

/// Why a body is refused.
#[derive(Debug, thiserror::Error)]
pub enum StrictError {
    /// It is not JSON.
    #[error("the body is not valid JSON: {0}")]
    Syntax(serde_json::Error),
    /// One object names one key twice.
    #[error("the key `{0}` appears twice in one object")]
    DuplicateKey(String),
    /// More than [`MAX_DEPTH`] lists and objects inside each other.
    #[error("the body is nested more than {MAX_DEPTH} deep")]
    TooDeep,
    /// It is JSON, but not what this call takes.
    #[error("{0}")]
    Shape(serde_json::Error),
}

/// Reads the body once and refuses what is not JSON, duplicate keys and deep nesting.
///
/// Keys are borrowed from the body (only an escaped key is copied) and held on one stack for all objects; values cost nothing.
///
/// # Errors
/// The first finding, in the order of the bytes.
pub fn check(body: &[u8]) -> Result<(), StrictError> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let mut scan = Scan { keys: Vec::new(), depth: 0, finding: None };
    let end = Node(&mut scan).deserialize(&mut reader).and_then(|()| reader.end());
    match (scan.finding, end) {
        (Some(finding), _) => Err(finding),
        (None, Err(error)) => Err(StrictError::Syntax(error)),
        (None, Ok(())) => Ok(()),
    }
}

/// [`check`], then reads the value.
///
/// # Errors
/// As [`check`], or [`StrictError::Shape`].
pub fn from_slice<T: DeserializeOwned>(body: &[u8]) -> Result<T, StrictError> {
    check(body)?;
    serde_json::from_slice(body).map_err(StrictError::Shape)
}

struct Scan<'de> {
    /// Keys of all open objects; each object owns the tail that it pushed.
    keys: Vec<Cow<'de, str>>,
    depth: usize,
    finding: Option<StrictError>,
}

impl Scan<'_> {
    fn enter<E: de::Error>(&mut self) -> Result<(), E> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.refuse(StrictError::TooDeep));
        }
        Ok(())
    }

    /// Keeps the finding; the error only unwinds the reader.
    fn refuse<E: de::Error>(&mut self, finding: StrictError) -> E {
        self.finding = Some(finding);
        E::custom("refused")
    }

    /// Sorts the object's own keys: no quadratic time and no hash to collide, however many there are.
    fn leave_object<E: de::Error>(&mut self, first: usize) -> Result<(), E> {
        let own = self.keys.get_mut(first..).unwrap_or_default();
        own.sort_unstable();
        let twice = own.windows(2).find_map(|pair| match pair {
            [left, right] if left == right => Some(left.clone().into_owned()),
            _ => None,
        });
        if let Some(key) = twice {
            return Err(self.refuse(StrictError::DuplicateKey(key)));
        }
        self.keys.truncate(first);
        self.depth -= 1;
        Ok(())
    }
}

/// A value of any kind.
struct Node<'scan, 'de>(&'scan mut Scan<'de>);

impl<'de> DeserializeSeed<'de> for Node<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_, 'de> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("any JSON value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        self.0.enter()?;
        while seq.next_element_seed(Node(self.0))?.is_some() {}
        self.0.depth -= 1;
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.0.enter()?;
        let first = self.0.keys.len();
        while let Some(key) = map.next_key_seed(Key)? {
            self.0.keys.push(key);
            map.next_value_seed(Node(self.0))?;
        }
        self.0.leave_object(first)
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// A key, borrowed where the body holds it unescaped.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

#[cfg(test)]
mod tests;
