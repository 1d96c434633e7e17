//! One question and its answer, shown as it comes.

use anyhow::{anyhow, bail};
use kubemate_wire::{
    chat::Chunk,
    citation::{Annotation, FileCitation},
    error::ErrorBody,
    usage::Usage,
};
use serde_json::json;

use super::{session::Session, wire::Server};
use crate::cli::print;

/// How answers are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Show {
    /// Each piece when it comes, sources below.
    Text,
    /// One line of JSON an answer.
    Json,
}

/// What has come of an answer.
#[derive(Debug, Default)]
struct Answer {
    text: String,
    citations: Vec<FileCitation>,
    usage: Option<Usage>,
}

/// Sends the conversation and shows the answer; gives its text.
///
/// # Errors
/// What the server refused, or why the answer broke off.
pub(super) async fn ask(server: &Server, session: &Session, show: Show) -> anyhow::Result<String> {
    let mut lines = server.chat(&session.request()).await?;
    let mut answer = Answer::default();
    let mut ended = false;
    while let Some(line) = lines.next().await? {
        match line.strip_prefix(b"data:").map(<[u8]>::trim_ascii) {
            Some(b"[DONE]") => ended = true,
            Some(data) => {
                let text = answer.read(data)?;
                if show == Show::Text && !text.is_empty() {
                    print::part(&harmless(&text));
                }
            }
            None => {} // an empty line, or a comment that keeps the connection
        }
    }
    if !ended {
        bail!("the answer broke off");
    }
    match show {
        Show::Text => answer.end(),
        Show::Json => print::line(&answer.json(session).to_string()),
    }
    Ok(answer.text)
}

impl Answer {
    /// Takes an event; gives the text that it adds.
    fn read(&mut self, data: &[u8]) -> anyhow::Result<String> {
        let chunk: Chunk = serde_json::from_slice(data).map_err(|error| match serde_json::from_slice(data) {
            Ok(ErrorBody { error: told }) => anyhow!(told.message),
            Err(_) => anyhow!("the server sent what is no chunk of an answer: {error}"),
        })?;
        self.usage = chunk.usage.total().or(self.usage.take());
        let mut added = String::new();
        for choice in chunk.choices {
            added.push_str(choice.delta.content.as_deref().unwrap_or_default());
            self.citations.extend(choice.delta.annotations.into_iter().filter_map(|note| match note {
                Annotation::FileCitation(citation) => Some(citation),
                Annotation::UrlCitation(_) => None,
            }));
        }
        self.text.push_str(&added);
        Ok(added)
    }

    /// The end of the line, and each source once.
    fn end(&self) {
        print::line("");
        for (number, source) in self.sources().iter().enumerate() {
            print::line(&harmless(&format!("  [{}] {source}", number + 1)));
        }
    }

    fn sources(&self) -> Vec<String> {
        let mut sources = Vec::new();
        for citation in &self.citations {
            let page = citation.page.map(|page| format!(", page {page}")).unwrap_or_default();
            let source = format!("{}{page}", citation.filename);
            if !sources.contains(&source) {
                sources.push(source);
            }
        }
        sources
    }

    fn json(&self, session: &Session) -> serde_json::Value {
        json!({
            "model": session.model(), "answer": self.text, "citations": self.citations, "usage": self.usage,
        })
    }
}

/// Text for a terminal: what a model or a document says cannot move the cursor or change its colours.
pub(super) fn harmless(text: &str) -> String {
    let shown = |letter: char| match letter {
        '\n' | '\t' => letter,
        letter if letter.is_control() => char::REPLACEMENT_CHARACTER,
        letter => letter,
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_put_together_and_its_sources_are_named_once() {
        let mut answer = Answer::default();
        let note = |page: u32| json!({"type": "file_citation", "index": 2, "file_id": "file-1", "filename": "潮汐.pdf", "page": page});
        let chunk = |delta: serde_json::Value| {
            json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
                "choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
            .to_string()
        };
        assert_eq!(answer.read(chunk(json!({"role": "assistant", "content": ""})).as_bytes()).unwrap(), "");
        assert_eq!(answer.read(chunk(json!({"content": "六点"})).as_bytes()).unwrap(), "六点");
        let notes = json!({"annotations": [note(3), note(3), note(4)]});
        answer.read(chunk(notes).as_bytes()).unwrap();
        assert_eq!(answer.sources(), ["潮汐.pdf, page 3", "潮汐.pdf, page 4"]);
        let refused = answer.read(br#"{"error":{"message":"the model is gone","type":"server_error"}}"#).unwrap_err();
        assert_eq!(refused.to_string(), "the model is gone");
        assert_eq!(answer.text, "六点");
    }

    #[test]
    fn what_a_document_says_cannot_steer_the_terminal() {
        assert_eq!(harmless("a\u{1b}[2Jb\n中\tc\u{7}"), "a\u{fffd}[2Jb\n中\tc\u{fffd}");
    }
}
