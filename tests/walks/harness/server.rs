//! A real server in a temporary folder.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;
use std::{env, thread};

use rustix::process::{Pid, Signal, kill_process};

use super::{Api, Folder, binary, until};

/// Starts the server and ends it with this process: when our end of the pipe closes, however we ended, `cat` returns.
pub(super) const LEASH: &str = r#"exec 3<&0
"$@" 3<&- </dev/null &
server=$!
echo $server
{ cat <&3 >/dev/null; kill $server 2>/dev/null; } &
wait $server
code=$?
kill $! 2>/dev/null
exit $code"#;

/// The admin key of every walk's server: any text will do, it comes from the environment.
pub(crate) const ADMIN: &str = "km-walks-admin-key-0123456789abcdefghijklmnopq";

/// A server that is going to be started.
#[derive(Clone)]
pub(crate) struct Setup {
    settings: Vec<(String, String)>,
    /// Tables of the file beside the usual ones, such as upstreams.
    tables: String,
    folder: Arc<Folder>,
}

impl Setup {
    /// Embedded stores in a folder of its own; local models are loaded at their first use.
    pub(crate) fn new() -> Self {
        Self { settings: Vec::new(), tables: String::new(), folder: Arc::new(Folder::new("server")) }
            .set("weights.preload", "false")
    }

    /// Overrides a setting such as `server.grace`.
    pub(crate) fn set(mut self, key: &str, value: &str) -> Self {
        let variable = format!("KUBEMATE__{}", key.replace('.', "__").to_uppercase());
        self.settings.retain(|(name, _)| *name != variable);
        self.settings.push((variable, value.to_owned()));
        self
    }

    /// Adds tables to the file, such as upstreams and models.
    pub(crate) fn tables(mut self, toml: &str) -> Self {
        self.tables.push_str(toml);
        self
    }

    /// Writes the configuration file with this in place of what was added; a running server reads it again.
    pub(crate) fn rewrite(&self, more: &str) {
        let next = self.folder().join("kubemate.toml.next");
        fs::write(&next, self.text(more)).expect("the configuration can be written");
        fs::rename(&next, self.folder().join("kubemate.toml")).expect("the configuration can be replaced");
    }

    fn text(&self, more: &str) -> String {
        let store = self.folder().join("data");
        format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[store]\ndata_dir = {store:?}\n[auth]\nadmin_key = {{ env = \"KUBEMATE_ADMIN_KEY\" }}\n\
             [weights]\ncache_dir = {:?}\n{more}",
            binary::cache()
        )
    }

    /// The folder of stores, configuration and log.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A command of this server's binary with its configuration, such as `keys create`.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary::kubemate());
        self.configure(&mut command);
        command.args(arguments);
        command
    }

    fn configure(&self, command: &mut Command) {
        let file = self.folder().join("kubemate.toml");
        fs::write(&file, self.text(&self.tables)).expect("the configuration can be written");
        command.arg("--config").arg(&file).env("KUBEMATE_ADMIN_KEY", ADMIN);
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("KUBEMATE__")) {
            command.env_remove(name); // a developer's own settings are not the walk's
        }
        command.envs(self.settings.iter().map(|(name, value)| (name, value))).current_dir(self.folder());
    }

    /// Starts it and waits until it takes requests.
    pub(crate) async fn start(&self) -> Server {
        let address_file = self.folder().join("address");
        let _absent_at_first = fs::remove_file(&address_file);
        let mut server = self.spawn(&address_file);
        server.address = until("the server's address", Duration::from_secs(60), async || {
            server.must_run();
            fs::read_to_string(&address_file).ok()?.parse().ok()
        })
        .await;
        server
    }

    fn spawn(&self, address_file: &Path) -> Server {
        let log = self.folder().join("log");
        let output = File::options().create(true).append(true).open(&log).expect("the log can be written");
        let mut serve = self.command(&["serve", "--address-file"]);
        serve.arg(address_file);
        let mut leash = Command::new("sh");
        leash
            .args(["-c", &format!("{{ {LEASH}\n}} 2>>\"$LOG\""), "sh"])
            .arg(serve.get_program())
            .args(serve.get_args());
        leash.current_dir(self.folder()).env("LOG", &log);
        for (name, value) in serve.get_envs() {
            match value {
                Some(value) => leash.env(name, value),
                None => leash.env_remove(name),
            };
        }
        let mut child = leash.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(output).spawn().expect("sh starts");
        let mut reader = BufReader::new(child.stdout.take().expect("its output is a pipe"));
        let mut line = String::new();
        reader.read_line(&mut line).expect("the server's pid");
        let pid = Pid::from_raw(line.trim().parse().expect("a pid")).expect("a pid above 0");
        // What the server says besides its log goes to the log's end; nobody else reads the pipe.
        thread::spawn(move || {
            let mut rest = File::options().append(true).open(log).expect("the log can be written");
            std::io::copy(&mut reader, &mut rest)
        });
        Server { address: SocketAddr::from(([127, 0, 0, 1], 0)), pid, leash: child, setup: self.clone() }
    }
}

/// A running server. Dropping it ends it; its folder with the log stays when the walk failed.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pid: Pid,
    leash: Child,
    setup: Setup,
}

impl Server {
    /// A server of its own with the usual settings.
    pub(crate) async fn start() -> Self {
        Setup::new().start().await
    }

    /// How it was set up: start again from the same folder with it.
    pub(crate) fn setup(&self) -> &Setup {
        &self.setup
    }

    /// A caller with all rights.
    pub(crate) fn admin(&self) -> Api {
        self.caller(ADMIN)
    }

    /// A caller with this key.
    pub(crate) fn caller(&self, key: &str) -> Api {
        Api::new(self.address, Some(key))
    }

    /// A caller without a key.
    pub(crate) fn stranger(&self) -> Api {
        Api::new(self.address, None)
    }

    /// Everything it logged and said so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_file()).expect("the log can be read")
    }

    /// Asks it to stop, as Kubernetes does.
    pub(crate) fn terminate(&self) {
        kill_process(self.pid, Signal::TERM).expect("the server takes a signal");
    }

    /// Ends it as a power cut would.
    pub(crate) async fn kill(mut self) -> Setup {
        kill_process(self.pid, Signal::KILL).expect("the server takes a signal");
        self.ended(Duration::from_secs(10)).await;
        self.setup.clone()
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self, limit: Duration) -> ExitStatus {
        let leash = &mut self.leash;
        until("the server's end", limit, async || leash.try_wait().expect("its state is known")).await
    }

    /// Asks it to stop and waits for a clean end.
    pub(crate) async fn stop(mut self) {
        self.terminate();
        let status = self.ended(Duration::from_secs(60)).await;
        assert!(status.success(), "the server ended with {status}\n{}", self.log());
    }

    fn must_run(&mut self) {
        if let Some(status) = self.leash.try_wait().expect("its state is known") {
            panic!("the server ended with {status}\n{}", self.log());
        }
    }

    fn log_file(&self) -> PathBuf {
        self.setup.folder().join("log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.leash.stdin.take());
        let _already_ended = self.leash.wait();
    }
}
