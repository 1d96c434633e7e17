//! A conversation and the commands that change it.

use anyhow::bail;
use kubemate_wire::chat::{Message, Role};
use serde_json::{Value, json};

use super::{talk::harmless, wire::Server};
use crate::cli::print;

const HELP: &str = "\
/model [NAME]     show the models, or change to one
/system [TEXT]    show what the system says first, or change it; `/system -` takes it away
/stores [ID ...]  show the vector stores, or answer from these; `/stores -` from none
/reset            begin a new conversation
/quit             end; so does Ctrl-D. Ctrl-C stops an answer";

/// What comes after a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Go,
    Quit,
}

/// What is sent with each question.
#[derive(Debug)]
pub(super) struct Session {
    model: String,
    system: Option<String>,
    stores: Vec<String>,
    messages: Vec<Message>,
}

impl Session {
    pub(super) fn new(model: String, system: Option<String>, stores: Vec<String>) -> Self {
        Self { model, system, stores, messages: Vec::new() }
    }

    pub(super) fn model(&self) -> &str {
        &self.model
    }

    /// The user says `text`.
    pub(super) fn user(&mut self, text: String) {
        self.messages.push(Message::text(Role::User, text));
    }

    /// The model answered `text`.
    pub(super) fn assistant(&mut self, text: String) {
        self.messages.push(Message::text(Role::Assistant, text));
    }

    /// Takes back what was said last.
    pub(super) fn withdraw(&mut self) {
        self.messages.pop();
    }

    /// The body of the next request.
    pub(super) fn request(&self) -> Value {
        let system = self.system.iter().map(|text| Message::text(Role::System, text.clone()));
        let messages: Vec<Message> = system.chain(self.messages.iter().cloned()).collect();
        let mut request = json!({
            "model": self.model, "messages": messages, "stream": true, "stream_options": {"include_usage": true},
        });
        if let Some(fields) = request.as_object_mut().filter(|_| !self.stores.is_empty()) {
            fields.insert("vector_store_ids".to_owned(), json!(self.stores));
        }
        request
    }

    /// Obeys a line that begins with `/`.
    ///
    /// # Errors
    /// What the server refused, or that there is no such command.
    pub(super) async fn command(&mut self, server: &Server, line: &str) -> anyhow::Result<Next> {
        let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        match (name, rest.trim()) {
            ("/model", "") => server.models().await?.iter().for_each(|id| listed(*id == self.model, id)),
            ("/model", model) => self.model = model.to_owned(),
            ("/system", "") => print::note(self.system.as_deref().unwrap_or("nothing")),
            ("/system", "-") => self.system = None,
            ("/system", text) => self.system = Some(text.to_owned()),
            ("/stores", "") => self.show_stores(server).await?,
            ("/stores", "-") => self.stores.clear(),
            ("/stores", ids) => self.stores = ids.split_whitespace().map(str::to_owned).collect(),
            ("/reset", _) => self.messages.clear(),
            ("/help", _) => print::note(HELP),
            ("/quit" | "/exit", _) => return Ok(Next::Quit),
            _ => bail!("there is no command `{name}`; /help lists them"),
        }
        Ok(Next::Go)
    }

    async fn show_stores(&self, server: &Server) -> anyhow::Result<()> {
        for (id, name) in server.stores().await? {
            listed(self.stores.contains(&id), &format!("{id}  {name}"));
        }
        Ok(())
    }
}

fn listed(chosen: bool, shown: &str) {
    print::note(&format!("{} {}", if chosen { "*" } else { " " }, harmless(shown)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn commands_change_what_is_sent_next() {
        let server = Server::new("http://127.0.0.1:9", None).unwrap();
        let mut session = Session::new("m".to_owned(), None, Vec::new());
        session.user("潮汐什么时候来？".to_owned());
        session.assistant("六点。".to_owned());
        session.user("确定吗？".to_owned());
        session.withdraw();
        for line in ["/model other", "/system 只用中文回答", "/stores vs_1  vs_2"] {
            assert_eq!(session.command(&server, line).await.unwrap(), Next::Go);
        }
        let sent = session.request();
        assert_eq!((&sent["model"], &sent["stream"]), (&json!("other"), &json!(true)));
        assert_eq!(sent["vector_store_ids"], json!(["vs_1", "vs_2"]));
        assert_eq!(sent["messages"].as_array().unwrap().len(), 3);
        assert_eq!(sent["messages"][0]["content"], "只用中文回答");
        for line in ["/reset", "/system -", "/stores -"] {
            assert_eq!(session.command(&server, line).await.unwrap(), Next::Go);
        }
        assert_eq!(session.request()["messages"], json!([]));
        assert!(session.request().get("vector_store_ids").is_none());
        assert!(session.command(&server, "/moedl x").await.is_err());
        assert_eq!(session.command(&server, "/quit").await.unwrap(), Next::Quit);
    }
}
