//! What the gateway must know of a body that it hands on: read once, borrowed, and where it stands.

use std::{borrow::Cow, fmt, ops::Range};

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::api::ApiError;

/// What is asked of the upstream's stream, so that every answer can be metered.
const ASKED: &str = r#"{"include_usage":true}"#;

/// The fields of a request's body that decide where it goes and what it may cost. Everything else is the upstream's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Head {
    /// The model's name as the client wrote it.
    pub(crate) model: String,
    /// Whether server-sent events are wanted.
    pub(crate) streams: bool,
    /// Whether the client asked for the stream's token counts itself.
    pub(crate) wants_usage: bool,
    /// Whether documents are asked for, which only this gateway can do.
    pub(crate) grounded: bool,
    /// Most tokens of one choice, where the client said so.
    pub(crate) max_tokens: Option<u64>,
    /// Choices.
    pub(crate) choices: u64,
    /// Who is behind the call, in the client's own words; what is kept together for them.
    pub(crate) user: Option<String>,
    model_at: Range<usize>,
    options_at: Option<Range<usize>>,
    /// The client's own salt of prefix caches.
    pub(crate) cache_salt: Option<String>,
    salt_at: Option<Range<usize>>,
    /// Where the object's last brace stands.
    end: usize,
}

impl Head {
    /// Reads `body`, which was found to be one JSON object without doubled keys.
    ///
    /// # Errors
    /// `Invalid`, naming the field that is missing or of the wrong kind.
    pub(crate) fn read(body: &Bytes) -> Result<Self, ApiError> {
        let fields = serde_json::from_slice::<Fields<'_>>(body).map_err(|error| refused(&error.to_string()))?;
        fields.head(body)
    }

    /// The body with the model's name over there, for a stream the wish for its token counts, and the `salt` of prefix
    /// caches if there is one. Only these bytes change; a body that needs no change is the same buffer.
    pub(crate) fn outgoing(&self, body: &Bytes, model: &str, asks_usage: bool, salt: Option<String>) -> Bytes {
        let mut edits = Vec::with_capacity(2);
        if model != self.model {
            edits.push((self.model_at.clone(), serde_json::Value::from(model).to_string()));
        }
        if asks_usage && self.streams && !self.wants_usage {
            edits.push(self.asking(body));
        }
        edits.extend(salt.map(|salt| match self.salt_at.clone() {
            Some(at) => (at, format!("\"{salt}\"")),
            None => (self.end..self.end, format!(",\"cache_salt\":\"{salt}\"")),
        }));
        if edits.is_empty() {
            return body.clone();
        }
        edits.sort_by_key(|(at, _)| at.start);
        spliced(body, &edits)
    }

    fn asking(&self, body: &[u8]) -> (Range<usize>, String) {
        let Some(at) = self.options_at.clone() else {
            return (self.end..self.end, format!(r#","stream_options":{ASKED}"#));
        };
        let options = body.get(at.clone()).map(serde_json::from_slice::<serde_json::Map<_, _>>);
        let Some(Ok(mut options)) = options else { return (at, ASKED.to_owned()) };
        options.insert("include_usage".to_owned(), true.into());
        (at, serde_json::Value::Object(options).to_string())
    }
}

fn spliced(body: &[u8], edits: &[(Range<usize>, String)]) -> Bytes {
    let added: usize = edits.iter().map(|(_, text)| text.len()).sum();
    let mut out = Vec::with_capacity(body.len() + added);
    let mut from = 0;
    for (at, text) in edits {
        out.extend_from_slice(body.get(from..at.start).unwrap_or_default());
        out.extend_from_slice(text.as_bytes());
        from = at.end;
    }
    out.extend_from_slice(body.get(from..).unwrap_or_default());
    Bytes::from(out)
}

/// The top level of a body, values as they were sent.
#[derive(Default)]
struct Fields<'a> {
    model: Option<&'a RawValue>,
    stream: Option<&'a RawValue>,
    stream_options: Option<&'a RawValue>,
    stores: bool,
    max_tokens: Option<&'a RawValue>,
    n: Option<&'a RawValue>,
    user: Option<&'a RawValue>,
    cache_salt: Option<&'a RawValue>,
}

impl<'a> Fields<'a> {
    fn take<A: MapAccess<'a>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "model" => self.model = Some(map.next_value()?),
            "stream" => self.stream = Some(map.next_value()?),
            "stream_options" => self.stream_options = Some(map.next_value()?),
            "max_tokens" | "max_completion_tokens" => self.max_tokens = Some(map.next_value()?),
            "n" => self.n = Some(map.next_value()?),
            "user" => self.user = Some(map.next_value()?),
            "cache_salt" => self.cache_salt = Some(map.next_value()?),
            "vector_store_ids" => {
                self.stores = true;
                map.next_value::<IgnoredAny>()?;
            }
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }

    fn head(self, body: &[u8]) -> Result<Head, ApiError> {
        let Some(model) = self.model else {
            return Err(ApiError::invalid("model", "`model` is missing; name a model of GET /v1/models"));
        };
        let flag = |field: &str, value| typed::<bool>(field, "true or false", value).map(Option::unwrap_or_default);
        let number = |field: &str, value| typed::<u64>(field, "a number of at least 0", value);
        let options = self.stream_options.filter(|options| options.get() != "null");
        let wants_usage = options.is_some_and(|options| {
            #[derive(Deserialize)]
            struct Options {
                include_usage: Option<bool>,
            }
            serde_json::from_str::<Options>(options.get()).is_ok_and(|options| options.include_usage == Some(true))
        });
        Ok(Head {
            model_at: place(body, model),
            model: typed("model", "a text", Some(model))?.unwrap_or_default(),
            streams: flag("stream", self.stream)?,
            wants_usage,
            grounded: self.stores,
            max_tokens: number("max_tokens", self.max_tokens)?,
            choices: number("n", self.n)?.unwrap_or(1).max(1),
            user: self.user.and_then(|user| serde_json::from_str(user.get()).ok()),
            cache_salt: self.cache_salt.and_then(|salt| serde_json::from_str(salt.get()).ok()),
            salt_at: self.cache_salt.map(|salt| place(body, salt)),
            options_at: self.stream_options.map(|options| place(body, options)),
            end: body.iter().rposition(|byte| *byte == b'}').unwrap_or(body.len()),
        })
    }
}

/// Where `value`, which was borrowed from `body`, stands in it.
fn place(body: &[u8], value: &RawValue) -> Range<usize> {
    let start = (value.get().as_ptr() as usize).saturating_sub(body.as_ptr() as usize);
    start..start + value.get().len()
}

/// A field's value; `null` is as good as absent, but for the model's name.
fn typed<T: serde::de::DeserializeOwned>(
    field: &str,
    kind: &str,
    value: Option<&RawValue>,
) -> Result<Option<T>, ApiError> {
    match value.map(RawValue::get) {
        None => Ok(None),
        Some("null") if field != "model" => Ok(None),
        Some(text) => {
            let read = serde_json::from_str(text).map(Some);
            read.map_err(|_| ApiError::invalid(field.to_owned(), format!("`{field}` must be {kind}")))
        }
    }
}

fn refused(why: &str) -> ApiError {
    ApiError::Invalid { message: format!("the body is not a JSON object: {why}"), param: None, code: None }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Top;
        impl<'de> Visitor<'de> for Top {
            type Value = Fields<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Fields::default();
                while let Some(name) = map.next_key::<Name<'de>>()? {
                    fields.take(&name.0, &mut map)?;
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Top)
    }
}

/// A key, borrowed unless it is written with escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    fn outgoing(body: &'static str, model: &str) -> String {
        let body = Bytes::from_static(body.as_bytes());
        let head = Head::read(&body).unwrap();
        String::from_utf8(head.outgoing(&body, model, true, None).to_vec()).unwrap()
    }

    #[test]
    fn only_the_model_changes_and_everything_else_keeps_its_bytes() {
        let body = r#"{"a": 1.00, "model" : "x","messages":[ {"content":"\u00e9","model":"x"} ]}"#;
        assert_eq!(outgoing(body, "y"), body.replacen(r#""x""#, r#""y""#, 1));
        assert_eq!(outgoing(body, "x"), body);
    }

    #[test]
    fn a_stream_is_asked_for_its_counts_once() {
        assert_eq!(
            outgoing(r#"{"stream":true,"model":"x"} "#, "y"),
            r#"{"stream":true,"model":"y","stream_options":{"include_usage":true}} "#
        );
        assert_eq!(
            outgoing(r#"{"stream_options":{"a":1,"include_usage":false},"model":"x","stream":true}"#, "x"),
            r#"{"stream_options":{"a":1,"include_usage":true},"model":"x","stream":true}"#
        );
        assert_eq!(
            outgoing(r#"{"stream_options":null,"model":"x","stream":true}"#, "x"),
            r#"{"stream_options":{"include_usage":true},"model":"x","stream":true}"#
        );
        let asked = r#"{"stream_options":{"include_usage":true},"model":"x","stream":true}"#;
        assert_eq!(outgoing(asked, "x"), asked);
    }

    #[test]
    fn a_salt_takes_the_place_of_the_clients() {
        let salted = |body: &'static str| {
            let body = Bytes::from_static(body.as_bytes());
            let head = Head::read(&body).unwrap();
            (
                head.cache_salt.clone(),
                String::from_utf8(head.outgoing(&body, "x", true, Some("ab".to_owned())).to_vec()).unwrap(),
            )
        };
        let own = salted(r#"{"model":"x","cache_salt":"mine","n":1}"#);
        assert_eq!(own, (Some("mine".to_owned()), r#"{"model":"x","cache_salt":"ab","n":1}"#.to_owned()));
        let (_, streamed) = salted(r#"{"model":"x","stream":true}"#);
        assert_eq!(
            streamed,
            r#"{"model":"x","stream":true,"stream_options":{"include_usage":true},"cache_salt":"ab"}"#
        );
    }

    #[test]
    fn names_with_escapes_are_the_same_names() {
        let body = Bytes::from_static(br#"{"mod\u0065l":"\u0078","n":3,"max_tokens":7,"vector_store_ids":[]}"#);
        let head = Head::read(&body).unwrap();
        assert_eq!((head.model.as_str(), head.choices, head.max_tokens, head.grounded), ("x", 3, Some(7), true));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let said = |body: &'static str| Head::read(&Bytes::from_static(body.as_bytes())).unwrap_err().to_string();
        assert_eq!(said(r#"{"messages":[]}"#), "`model` is missing; name a model of GET /v1/models");
        assert_eq!(said(r#"{"model":null}"#), "`model` must be a text");
        assert_eq!(said(r#"{"model":"m","stream":"yes"}"#), "`stream` must be true or false");
        assert!(said("[1]").starts_with("the body is not a JSON object"));
    }
}
