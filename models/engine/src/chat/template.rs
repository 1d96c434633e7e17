//! The chat template that a model file carries, rendered with limits.

use std::io;

use minijinja::{Environment, Error, ErrorKind, Value, context};
use serde::Serialize;

use super::gguf::Gguf;
use crate::EngineError;

/// Instructions one rendering may take: published templates use some hundred a turn, so this is a thousand turns.
const FUEL: u64 = 1_000_000;
/// Most bytes of a rendered conversation; the longest context of a local model is far shorter.
const MOST_BYTES: usize = 16 << 20;
/// The name under which the one template is known.
const NAME: &str = "chat";

/// A compiled chat template.
#[derive(Debug)]
pub(crate) struct Template {
    environment: Environment<'static>,
    first: String,
    end: String,
}

/// One turn as templates read it.
#[derive(Debug, Serialize)]
pub(crate) struct Message<'a> {
    pub(crate) role: &'a str,
    pub(crate) content: String,
}

impl Template {
    /// Compiles the template of a file; `None` when the file has none.
    pub(crate) fn read(file: &Gguf, first: String, end: String) -> Result<Option<Self>, EngineError> {
        file.text("tokenizer.chat_template").map(|source| Self::compile(source, first, end)).transpose()
    }

    /// Compiles a template. `first` and `end` are what it may call `bos_token` and `eos_token`.
    pub(crate) fn compile(source: &str, first: String, end: String) -> Result<Self, EngineError> {
        let mut environment = Environment::new();
        // Published templates are written for transformers, which sets these two.
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.set_fuel(Some(FUEL));
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.add_function("raise_exception", raise);
        environment.add_function("strftime_now", today);
        environment.add_template_owned(NAME, source.to_owned()).map_err(|error| failed(&error))?;
        Ok(Self { environment, first, end })
    }

    /// The text of a conversation, up to where the model's answer begins.
    pub(crate) fn render(&self, messages: &[Message<'_>]) -> Result<String, EngineError> {
        let template = self.environment.get_template(NAME).map_err(|error| failed(&error))?;
        let values = context! {
            messages => Value::from_serialize(messages),
            add_generation_prompt => true,
            bos_token => self.first,
            eos_token => self.end,
        };
        let mut text = Capped(Vec::new());
        template.render_captured_to(values, &mut text).map_err(|error| failed(&error))?;
        String::from_utf8(text.0).map_err(|_| EngineError::Template("the rendered text is not UTF-8".into()))
    }
}

/// Stops a rendering that grows too long.
struct Capped(Vec<u8>);

impl io::Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MOST_BYTES {
            return Err(io::Error::other("the rendered conversation is too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn raise(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message))
}

/// Some templates write today's date into the system turn. The clock is read here and nowhere else in the room:
/// the template asks for "now", whoever calls.
fn today(format: &str) -> Result<String, Error> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    super::calendar::format(format, now.as_secs())
        .map_err(|cause| Error::new(ErrorKind::InvalidOperation, format!("strftime_now cannot write this: {cause}")))
}

fn failed(error: &Error) -> EngineError {
    let message = match error.kind() {
        ErrorKind::OutOfFuel => "it took too many steps".to_owned(),
        _ => error.detail().map_or_else(|| error.kind().to_string(), ToOwned::to_owned),
    };
    EngineError::Template(message)
}

#[cfg(test)]
mod tests;
