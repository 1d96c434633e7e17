//! `kubemate chat`: talks to a running server, streamed as it comes.

mod session;
mod talk;
pub(super) mod wire;

use std::io::{IsTerminal, Read, stdin};

use anyhow::{Context as _, bail};
use clap::Args;
use kubemate_engine::{ModelKind, catalogue};
use rustyline::{Config, Editor, error::ReadlineError, history::MemHistory};

use self::{
    session::{Next, Session},
    talk::{Show, ask},
    wire::Server,
};
use super::{Context, print};

/// Talk to a model of a running server.
#[derive(Debug, Args)]
pub(super) struct Chat {
    /// Model or saved assistant [default: the first that can chat]
    model: Option<String>,
    /// Ask this and end; without it, what is piped in is asked, or a conversation begins
    prompt: Option<String>,
    /// Root of the server, such as https://kubemate.example [default: this machine, as configured]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// API key; in the variable no other user of this machine can see it
    #[arg(long, env = "KUBEMATE_API_KEY", hide_env_values = true, value_name = "KEY")]
    key: Option<String>,
    /// Say this first, as the system
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// Answer from these vector stores, with citations
    #[arg(long = "store", value_name = "ID", value_delimiter = ',')]
    stores: Vec<String>,
}

impl Chat {
    pub(super) async fn run(mut self, context: &Context) -> anyhow::Result<()> {
        let url = self.url.take().map_or_else(|| here(context), Ok)?;
        let server = Server::new(&url, self.key.as_deref())?;
        let prompt = self.prompt.take().map_or_else(piped, |prompt| Ok(Some(prompt)))?;
        let model = match self.model.take() {
            Some(model) => model,
            None => first_chat_model(&server).await?,
        };
        let session = Session::new(model, self.system, self.stores);
        let show = if context.json { Show::Json } else { Show::Text };
        match prompt {
            Some(prompt) => once(&server, session, prompt, show).await,
            None => converse(&server, session, show).await,
        }
    }
}

/// The server that this configuration would start.
pub(super) fn here(context: &Context) -> anyhow::Result<String> {
    let mut listen = context.load()?.config.server.listen;
    if listen.ip().is_unspecified() {
        listen.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    match listen.port() {
        0 => bail!("`server.listen` takes any free port; name the server with --url"),
        _ => Ok(format!("http://{listen}")),
    }
}

/// What is piped in, when somebody pipes.
fn piped() -> anyhow::Result<Option<String>> {
    if stdin().is_terminal() {
        return Ok(None);
    }
    let mut text = String::new();
    stdin().read_to_string(&mut text).context("standard input is not text")?;
    match text.trim() {
        "" => bail!("nothing was piped in; give a prompt or use a terminal"),
        prompt => Ok(Some(prompt.to_owned())),
    }
}

/// A list of models does not say what each is for; the embedders that ship with Kubemate are known.
async fn first_chat_model(server: &Server) -> anyhow::Result<String> {
    let embeds = |id: &str| catalogue().iter().any(|entry| entry.name == id && entry.kind == ModelKind::Embedder);
    let models = server.models().await?;
    let first = models.into_iter().find(|id| !embeds(id));
    first.context("the server has no model that can chat; name one, or run `kubemate models pull`")
}

async fn once(server: &Server, mut session: Session, prompt: String, show: Show) -> anyhow::Result<()> {
    session.user(prompt);
    ask(server, &session, show).await?;
    Ok(())
}

/// Reads lines until the end. The history stays in memory: what people ask is written nowhere.
async fn converse(server: &Server, mut session: Session, show: Show) -> anyhow::Result<()> {
    let config = Config::builder().auto_add_history(true).build();
    let mut editor: Editor<(), MemHistory> = Editor::with_history(config, MemHistory::new())?;
    print::note(&format!("{} on {}; /help lists commands, /quit ends", session.model(), server.root()));
    loop {
        match tokio::task::block_in_place(|| editor.readline("> ")) {
            Ok(line) => {
                if let Next::Quit = turn(server, &mut session, line.trim(), show).await {
                    return Ok(());
                }
            }
            Err(ReadlineError::Interrupted) => print::note("/quit or Ctrl-D ends"),
            Err(ReadlineError::Eof) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// One line of the user. What goes wrong is told; the conversation goes on.
async fn turn(server: &Server, session: &mut Session, line: &str, show: Show) -> Next {
    let outcome = match line {
        "" => Ok(Next::Go),
        command if command.starts_with('/') => session.command(server, command).await,
        prompt => answer(server, session, prompt, show).await,
    };
    outcome.unwrap_or_else(|error| {
        print::note(&format!("{error:#}"));
        Next::Go
    })
}

/// Asks, until the answer or Ctrl-C. What was not answered is not part of the conversation.
async fn answer(server: &Server, session: &mut Session, prompt: &str, show: Show) -> anyhow::Result<Next> {
    session.user(prompt.to_owned());
    let outcome = tokio::select! {
        answered = ask(server, session, show) => answered.map(Some),
        interrupted = tokio::signal::ctrl_c() => interrupted.map(|()| None).map_err(Into::into),
    };
    match &outcome {
        Ok(Some(text)) => session.assistant(text.clone()),
        Ok(None) => {
            session.withdraw();
            print::line("");
            print::note("stopped");
        }
        Err(_) => session.withdraw(),
    }
    outcome.map(|_| Next::Go)
}
