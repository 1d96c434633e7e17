//! From a prompt to token ids, so that no content of a user can pose as the template's own control tokens.
//!
//! Contents go through the template as text, and templates may trim or test them, so they cannot be replaced by
//! placeholders. Instead every control token that a content spells, or that it could spell together with its
//! neighbourhood, gets an invisible break after its first character. The rendered text is cut at the control tokens
//! that are left, which only the template can have written; then the breaks are taken out and the pieces encoded.

use super::{
    gguf::Gguf,
    template::{Message, Template},
    vocabulary::Vocabulary,
};
use crate::{EngineError, Prompt, Role, TokenCounter, Turn};

/// Escape character: a Unicode noncharacter, meant for uses inside a program.
const ESCAPE: char = '\u{FDD0}';
/// After [`ESCAPE`]: the content held an escape character itself.
const ITSELF: char = '\u{FDD1}';
/// After [`ESCAPE`]: nothing, the two stand where a control token was broken.
const BREAK: char = '\u{FDD2}';

/// Encodes prompts for one model.
#[derive(Debug)]
pub(crate) struct Encoder {
    vocabulary: Vocabulary,
    template: Option<Template>,
    context: usize,
}

impl Encoder {
    /// Reads tokenizer and template; `context` is the most tokens a sequence may have.
    pub(crate) fn read(file: &Gguf, context: usize) -> Result<Self, EngineError> {
        let vocabulary = Vocabulary::read(file)?;
        let name = |key: &str| {
            let id = file.count(key).and_then(|id| u32::try_from(id).ok());
            id.map(|id| vocabulary.name(id)).unwrap_or_default()
        };
        let (first, end) = (name("tokenizer.ggml.bos_token_id"), name("tokenizer.ggml.eos_token_id"));
        let template = Template::read(file, first, end)?;
        Ok(Self { vocabulary, template, context })
    }

    /// The tokenizer.
    pub(crate) fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// The ids that the model reads for a prompt.
    ///
    /// # Errors
    /// `ContextTooLong` when the text is so long that it cannot fit, before any time is spent on it; `Template` when
    /// the conversation does not suit the template; `BadRequest` for unknown ids.
    pub(crate) fn encode(&self, prompt: &Prompt) -> Result<Vec<u32>, EngineError> {
        self.refuse_long(prompt)?;
        match prompt {
            Prompt::Chat(turns) => self.chat(turns),
            Prompt::Text(text) => Ok(self.with_first(self.pieces(text, |_| false)?)),
            Prompt::Tokens(tokens) => match tokens.iter().find(|token| **token as usize >= self.vocabulary.len()) {
                Some(token) => Err(EngineError::BadRequest(format!("token id {token} is not in the vocabulary"))),
                None => Ok(tokens.clone()),
            },
        }
    }

    fn refuse_long(&self, prompt: &Prompt) -> Result<(), EngineError> {
        let bytes: usize = match prompt {
            Prompt::Chat(turns) => turns.iter().map(|turn| turn.content.len()).sum(),
            Prompt::Text(text) => text.len(),
            Prompt::Tokens(_) => 0,
        };
        let least = bytes / self.vocabulary.longest();
        if least < self.context {
            Ok(())
        } else {
            Err(EngineError::ContextTooLong { tokens: least, limit: self.context })
        }
    }

    fn chat(&self, turns: &[Turn]) -> Result<Vec<u32>, EngineError> {
        let template = self.template.as_ref().ok_or_else(|| {
            EngineError::Template("the model file has none; send a text instead of a conversation".into())
        })?;
        let messages: Vec<_> =
            turns.iter().map(|turn| Message { role: role(turn.role), content: self.guarded(&turn.content) }).collect();
        let text = template.render(&messages)?;
        Ok(self.with_first(self.pieces(&text, |control| control)?))
    }

    /// Tokens of a text; `allowed` says, of control tokens, whether they are recognised.
    fn pieces(&self, text: &str, allowed: impl Fn(bool) -> bool) -> Result<Vec<u32>, EngineError> {
        let mut tokens = Vec::new();
        let mut rest = text;
        while let Some((range, special)) =
            self.vocabulary.next_special(rest, |special| !special.control || allowed(special.control))
        {
            let (before, after) = (rest.get(..range.start), rest.get(range.end..));
            tokens.extend(self.vocabulary.plain(&unguarded(before.unwrap_or_default()))?);
            tokens.push(special.id);
            rest = after.unwrap_or_default();
        }
        tokens.extend(self.vocabulary.plain(&unguarded(rest))?);
        Ok(tokens)
    }

    fn with_first(&self, mut tokens: Vec<u32>) -> Vec<u32> {
        if let Some(first) = self.vocabulary.first()
            && tokens.first() != Some(&first)
        {
            tokens.insert(0, first);
        }
        tokens
    }

    /// A content in which no control token can be recognised, whatever the template writes around it.
    fn guarded(&self, content: &str) -> String {
        let controls = || self.vocabulary.specials().iter().filter(|special| special.control);
        let mut out = String::with_capacity(content.len());
        let middle_or_end = |special: &str| {
            special.contains(content)
                || special
                    .char_indices()
                    .skip(1)
                    .any(|(at, _)| special.get(at..).is_some_and(|end| content.starts_with(end)))
        };
        if !content.is_empty() && controls().any(|special| middle_or_end(&special.text)) {
            out.extend([ESCAPE, BREAK]);
        }
        for (at, character) in content.char_indices() {
            out.push(character);
            if character == ESCAPE {
                out.push(ITSELF);
            }
            let rest = content.get(at..).unwrap_or_default();
            if controls().any(|special| rest.starts_with(&special.text) || special.text.starts_with(rest)) {
                out.extend([ESCAPE, BREAK]);
            }
        }
        out
    }
}

fn unguarded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, characters.peek()) {
            (ESCAPE, Some(&BREAK)) => {
                characters.next();
            }
            (ESCAPE, Some(&ITSELF)) => {
                characters.next();
                out.push(ESCAPE);
            }
            _ => out.push(character),
        }
    }
    out
}

fn role(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    }
}

impl TokenCounter for Encoder {
    fn count(&self, text: &str) -> usize {
        self.vocabulary.count(text)
    }

    fn offsets(&self, text: &str) -> Vec<std::ops::Range<usize>> {
        self.vocabulary.offsets(text)
    }

    fn encode(&self, text: &str) -> Vec<u32> {
        TokenCounter::encode(&self.vocabulary, text)
    }

    fn decode(&self, tokens: &[u32]) -> Result<String, EngineError> {
        self.vocabulary.decode(tokens)
    }
}
