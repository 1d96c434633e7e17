//! The real Ollama server, built by `tests/ollama/install.sh`.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::sync::OnceCell;

use super::server::LEASH;
use super::{CHAT, Folder, binary, cache, until};

/// How its model is called there.
pub(crate) const THERE: &str = "smol";
/// Beside walks that compute, too, threads that wait for each other by spinning would take a second a token.
const MODELFILE: &str = "PARAMETER num_thread 1\nPARAMETER num_ctx 1024\n";

/// A running Ollama; it ends with this process.
pub(crate) struct Ollama {
    pub(crate) address: SocketAddr,
    folder: Folder,
    leash: Child,
}

impl Ollama {
    /// The one that walks share, with SmolLM2 as [`THERE`].
    pub(crate) async fn shared() -> &'static Self {
        static SERVER: OnceCell<Ollama> = OnceCell::const_new();
        SERVER.get_or_init(async || Self::start().await.with_model()).await
    }

    /// One without any model.
    pub(crate) async fn start() -> Self {
        let folder = Folder::new("ollama");
        let log = folder.path().join("log");
        let output = File::create(&log).expect("the log can be written");
        let mut leash = Command::new("sh");
        leash.args(["-c", LEASH, "sh"]).arg(program()).arg("serve");
        configure(&mut leash, folder.path(), "127.0.0.1:0");
        let leash = leash.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(output).spawn().expect("sh starts");
        let address = until("Ollama's address", Duration::from_secs(60), async || {
            let said = fs::read_to_string(&log).ok()?;
            said.split_once("Listening on ")?.1.split([' ', '"']).next()?.parse().ok()
        })
        .await;
        Self { address, folder, leash }
    }

    fn with_model(self) -> Self {
        let file = self.folder.path().join("Modelfile");
        fs::write(&file, format!("FROM {}\n{MODELFILE}", gguf().display())).expect("the Modelfile can be written");
        let mut create = self.command(&["create", THERE, "-f"]);
        let output = create.arg(file).output().expect("ollama starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        self
    }

    /// A command of Ollama's own for this server.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        configure(&mut command, self.folder.path(), &self.address.to_string());
        command.args(arguments).stdin(Stdio::null());
        command
    }

    /// The folder in which it keeps models.
    pub(crate) fn models(&self) -> PathBuf {
        self.folder.path().join("models")
    }

    /// Where it is, as an upstream's `base_url` says it.
    pub(crate) fn root(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Ollama {
    fn drop(&mut self) {
        drop(self.leash.stdin.take());
        let _already_ended = self.leash.wait();
    }
}

fn configure(command: &mut Command, folder: &Path, host: &str) {
    command.env("OLLAMA_HOST", host).env("OLLAMA_MODELS", folder.join("models")).env("HOME", folder);
}

/// SmolLM2's file, pulled with the server's binary.
pub(crate) fn gguf() -> PathBuf {
    binary::kubemate();
    let folder = cache().join("models").join(CHAT);
    let mut files = fs::read_dir(&folder).expect("the weights are there").map(|entry| entry.expect("an entry").path());
    files.find(|path| path.extension().is_some_and(|end| end == "gguf")).expect("a GGUF file")
}

/// The server's program, built now if it is not yet.
fn program() -> &'static Path {
    static PROGRAM: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    PROGRAM.get_or_init(|| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/ollama/install.sh");
        let mut install = Command::new("bash");
        install.arg(script).env("KUBEMATE_CACHE", cache()).stderr(Stdio::inherit());
        let output = install.output().expect("bash starts");
        assert!(output.status.success(), "tests/ollama/install.sh failed");
        PathBuf::from(String::from_utf8(output.stdout).expect("text").lines().last().expect("a path"))
    })
}
