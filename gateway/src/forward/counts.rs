//! Token counts in what passes by.

use serde::Deserialize;

use crate::{models::Meter, routing::Flight};

/// Bytes of a plain body kept for the search: the counts stand at its end, and with all details are below 500.
const TAIL: usize = 2048;
/// Bytes of a request to a token of its prompt, where the upstream tells no count. Source: OpenAI's rule of thumb.
const BYTES_PER_TOKEN: u64 = 4;

/// What an answer has cost so far; settles the meter when the answer is done or dropped.
#[derive(Debug)]
pub(super) struct Counts {
    meter: Meter,
    /// Until it is known how the answer came out.
    flight: Option<Flight>,
    /// The prompt's tokens by its size, until the upstream says how many.
    guess: u64,
    told: Option<Told>,
    /// Events that carried a piece of an answer: a token each with most servers, and what a client that leaves pays for.
    pieces: u64,
}

/// An upstream's own counts.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub(super) struct Told {
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
    #[serde(default)]
    prompt_tokens_details: Option<Details>,
}

/// What an upstream tells of a prompt's tokens.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
struct Details {
    /// Those that it had in its own prefix cache.
    #[serde(default)]
    cached_tokens: Option<u64>,
}

impl Counts {
    pub(super) fn new(meter: Meter, request_bytes: usize) -> Self {
        Self { meter, flight: None, guess: request_bytes as u64 / BYTES_PER_TOKEN, told: None, pieces: 0 }
    }

    /// Tells the target that answers how it came out.
    pub(super) fn of(mut self, flight: Flight) -> Self {
        self.flight = Some(flight);
        self
    }

    /// Something of the answer has come.
    pub(super) fn began(&mut self) {
        self.meter.began();
    }

    /// One more piece of the answer.
    pub(super) fn piece(&mut self) {
        self.pieces += 1;
    }

    pub(super) fn tell(&mut self, told: Told) {
        self.told = Some(told);
    }

    pub(super) fn failed(&mut self) {
        self.meter.failed(http::StatusCode::BAD_GATEWAY);
        if let Some(flight) = self.flight.take() {
            flight.failed();
        }
    }

    /// The answer is whole.
    pub(super) fn ended(&mut self) {
        self.meter.answered();
        if let Some(flight) = self.flight.take() {
            flight.ended();
        }
    }
}

impl Drop for Counts {
    fn drop(&mut self) {
        let guessed = Told { prompt_tokens: self.guess, completion_tokens: self.pieces, prompt_tokens_details: None };
        let Told { prompt_tokens, completion_tokens, prompt_tokens_details } = self.told.unwrap_or(guessed);
        prompt_tokens_details
            .and_then(|details| details.cached_tokens)
            .into_iter()
            .for_each(|n| self.meter.cached_tokens(n));
        self.meter.prompt(prompt_tokens);
        if completion_tokens > 0 {
            self.meter.reached(0, completion_tokens);
        }
    }
}

/// The last bytes of a body on its way.
#[derive(Debug, Default)]
pub(super) struct Tail(Vec<u8>);

impl Tail {
    pub(super) fn see(&mut self, data: &[u8]) {
        let over = (self.0.len() + data.len()).saturating_sub(TAIL).min(self.0.len());
        self.0.drain(..over);
        let from = data.len().saturating_sub(TAIL);
        self.0.extend_from_slice(data.get(from..).unwrap_or_default());
    }

    /// The counts in it.
    pub(super) fn counts(&self) -> Option<Told> {
        told(&self.0)
    }

    /// The counts in a body that came in one piece, if it did: then nothing of it need be kept.
    pub(super) fn counts_of_whole(&self, data: &[u8]) -> Option<Option<Told>> {
        self.0.is_empty().then(|| told(data.get(data.len().saturating_sub(TAIL)..).unwrap_or_default()))
    }
}

/// The counts at the end of a body. A key inside a text is never taken for one: its quotes would be escaped.
fn told(tail: &[u8]) -> Option<Told> {
    const KEY: &[u8] = b"\"usage\":";
    let at = memchr::memmem::rfind(tail, KEY)?;
    let rest = tail.get(at + KEY.len()..)?;
    serde_json::Deserializer::from_slice(rest).into_iter::<Told>().next()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_found_at_the_end_of_a_body_that_came_in_pieces() {
        let mut tail = Tail::default();
        let end = b"ens\":3,\"completion_tokens\":5,\"prompt_tokens_details\":{\"cached_tokens\":2}}, \"id\":1}";
        for piece in [&[b'x'; 3000][..], b"\"usage\": {\"prompt_tok", end] {
            tail.see(piece);
        }
        let details = Some(Details { cached_tokens: Some(2) });
        assert_eq!(
            tail.counts(),
            Some(Told { prompt_tokens: 3, completion_tokens: 5, prompt_tokens_details: details })
        );
        let mut none = Tail::default();
        none.see(br#"{"usage":null,"text":"\"usage\":{\"prompt_tokens\":9}"}"#);
        assert_eq!(none.counts(), None);
    }
}
