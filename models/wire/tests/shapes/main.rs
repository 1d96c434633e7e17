//! The shapes, written and read back. `golden/` holds the bodies; `tests/clients/python/shapes.py` at the roof holds the same files
//! against OpenAI's own models, so that a golden file cannot drift from what is published.
#![cfg(test)]

mod answers;
mod golden;
mod ollama;
mod requests;
mod responses;
mod stores;
