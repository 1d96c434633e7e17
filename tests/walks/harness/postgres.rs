//! A PostgreSQL server for walks.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{server::LEASH, until};

/// `nobody` of Debian: PostgreSQL refuses to run as root.
const NOBODY: u32 = 65_534;
/// Longest wait for its start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A real PostgreSQL of its own, outside the target folder: root's are closed to whom it runs as.
pub(crate) struct Postgres {
    port: u16,
    folder: PathBuf,
    leash: Child,
}

impl Postgres {
    /// A server on a free port of this machine, with one empty database.
    pub(crate) async fn start() -> Self {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let folder = std::env::temp_dir().join(format!("kubemate-walk-{}-{port}", std::process::id()));
        fs::create_dir(&folder).expect("a folder");
        if is_root() {
            chown(&folder, Some(NOBODY), Some(NOBODY)).expect("root gives a folder away");
        }
        let data = folder.join("data");
        let mut initdb = unprivileged(&programs().join("initdb"), &folder);
        initdb.args(["--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C", "--username=kubemate", "--pgdata"]);
        run(initdb.arg(&data));
        let mut server = unprivileged(Path::new("sh"), &folder);
        server.args(["-c", LEASH, "sh"]).arg(programs().join("postgres")).arg("-D").arg(&data);
        let socket = format!("unix_socket_directories={}", folder.display());
        for setting in ["listen_addresses=127.0.0.1", &format!("port={port}"), &socket, "fsync=off"] {
            server.args(["-c", setting]);
        }
        let log = fs::File::create(folder.join("log")).expect("its log");
        let leash = server.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log).spawn().expect("sh starts");
        let started = Self { port, folder, leash };
        until("PostgreSQL", PATIENCE, async || started.answers().then_some(())).await;
        started
    }

    fn answers(&self) -> bool {
        let mut ready = unprivileged(&programs().join("pg_isready"), &self.folder);
        ready.args(["--quiet", "--host=127.0.0.1", "--port", &self.port.to_string()]);
        ready.status().expect("pg_isready starts").success()
    }

    /// The settings of a gateway that keeps its ledger there.
    pub(crate) fn settings(&self) -> [(&'static str, String); 2] {
        let url = format!("postgres://kubemate@127.0.0.1:{}/postgres", self.port);
        [("store.ledger.url", url), ("store.ledger.timeout", "60s".to_owned())]
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.leash.stdin.take());
        let _ended = self.leash.wait();
        let _swept_by_the_system_later = fs::remove_dir_all(&self.folder);
    }
}

/// A command in `folder` that does not run as root.
fn unprivileged(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env("LC_ALL", "C").stdin(Stdio::null());
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

fn run(command: &mut Command) {
    let out = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    if !out.status.success() {
        let _shown = std::io::stderr().write_all(&out.stderr);
        panic!("{command:?} ended with {}", out.status);
    }
}

/// Where Debian keeps the server's programs: outside the path, by version.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    let path = std::env::var_os("PATH").unwrap_or_default();
    found.extend(std::env::split_paths(&path));
    let found = found.into_iter().find(|bin| bin.join("initdb").exists());
    found.expect("PostgreSQL is installed; `apt-get install postgresql` brings it")
}
