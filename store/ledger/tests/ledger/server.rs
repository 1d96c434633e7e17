//! A real PostgreSQL server, one for all tests of this process.

use std::{
    fs,
    io::Write,
    net::{Ipv4Addr, TcpListener},
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use sea_orm::{ConnectionTrait, Database};

/// Ends the server and removes its folder when this process ends, however it does: then our end of the pipe closes.
const LEASH: &str = r#"exec 3<&0
"$@" 3<&- </dev/null &
server=$!
{ cat <&3 >/dev/null; kill -QUIT $server 2>/dev/null; } &
wait $server
code=$?
kill $! 2>/dev/null
[ -e "$FOLDER/keep" ] || rm -rf "$FOLDER"
exit $code"#;
/// Longest wait for the server on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// `nobody` of Debian: PostgreSQL refuses to run as root.
const NOBODY: u32 = 65_534;
/// The only role; it may do everything.
const USER: &str = "kubemate";

/// A server whose certificate is its own CA's.
pub(crate) struct Server {
    port: u16,
    folder: PathBuf,
    /// Its input ends the server.
    _leash: Child,
}

impl Server {
    /// The one server of this process.
    pub(crate) fn shared() -> &'static Self {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(Self::start)
    }

    fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("kubemate-postgres-").tempdir().expect("a folder").keep();
        if is_root() {
            chown(&folder, Some(NOBODY), Some(NOBODY)).expect("root gives a folder away");
        }
        let data = folder.join("data");
        let mut initdb = unprivileged(&programs().join("initdb"), &folder);
        initdb.args(["--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C", "--username", USER, "--pgdata"]);
        run(initdb.arg(&data));
        certificate(&folder);
        fs::write(
            data.join("pg_hba.conf"),
            "local all all trust\nhost all locked 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n",
        )
        .expect("its rules can be written");
        let begun = Instant::now();
        loop {
            // Somebody else may take the port between this look and the server's start.
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
            let port = free.local_addr().expect("an address").port();
            drop(free);
            let mut server = Self { port, _leash: serve(&folder, port), folder: folder.clone() };
            if server.takes_calls(begun) {
                fs::remove_file(folder.join("keep")).expect("its folder goes with it from now on");
                return server;
            }
            assert!(begun.elapsed() < PATIENCE, "PostgreSQL does not start; see {}", folder.join("log").display());
        }
    }

    /// Waits until it takes calls; `false` when it ended.
    fn takes_calls(&mut self, begun: Instant) -> bool {
        loop {
            let mut ready = unprivileged(&programs().join("pg_isready"), &self.folder);
            ready.args(["--quiet", "--host=127.0.0.1", "--port", &self.port.to_string()]);
            if ready.status().expect("pg_isready starts").success() {
                return true;
            }
            if self._leash.try_wait().expect("its state is known").is_some() || begun.elapsed() > PATIENCE {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The address of a database of this server.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port)
    }

    /// The CA that vouches for the server under the name `localhost`.
    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    /// Runs statements in a database.
    pub(crate) async fn sql(&self, database: &str, sql: &str) {
        let connection = Database::connect(self.url(database)).await.expect("the server takes calls");
        connection.execute_unprepared(sql).await.expect("the statements are good");
        connection.close().await.expect("it closes");
    }

    /// A new and empty database; gives its address.
    pub(crate) async fn database(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}")).await;
        self.url(&name)
    }
}

fn serve(folder: &Path, port: u16) -> Child {
    fs::write(folder.join("keep"), "").expect("its folder takes files");
    let log = fs::File::options().create(true).append(true).open(folder.join("log")).expect("its log");
    let mut leash = unprivileged(Path::new("sh"), folder);
    leash.args(["-c", LEASH, "sh"]).arg(programs().join("postgres")).arg("-D").arg(folder.join("data"));
    let settings = [
        "listen_addresses=127.0.0.1".to_owned(),
        format!("port={port}"),
        format!("unix_socket_directories={}", folder.display()),
        "max_connections=500".to_owned(),
        "shared_buffers=32MB".to_owned(),
        "fsync=off".to_owned(), // what the tests kill are its clients
        "ssl=on".to_owned(),
        format!("ssl_cert_file={}", folder.join("server.crt").display()),
        format!("ssl_key_file={}", folder.join("server.key").display()),
    ];
    for setting in settings {
        leash.args(["-c", &setting]);
    }
    let errors = log.try_clone().expect("its log");
    leash.stdin(Stdio::piped()).stdout(log).stderr(errors).spawn().expect("sh starts")
}

/// A CA and its certificate for `localhost`. openssl comes with Debian's package of the server.
fn certificate(folder: &Path) {
    let make = |name: &str, more: &[&str]| {
        let mut openssl = unprivileged(Path::new("openssl"), folder);
        openssl.args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2".split(' ')).args(more);
        run(openssl.args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.crt")]));
    };
    make("ca", &["-subj", "/CN=the house's own"]);
    let name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
    let leaf = ["-addext", "basicConstraints=critical,CA:FALSE", "-CA", "ca.crt", "-CAkey", "ca.key"];
    make("server", &[&name[..], &leaf[..]].concat());
}

/// A command in `folder` that does not run as root.
fn unprivileged(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env("FOLDER", folder).env("LC_ALL", "C").stdin(Stdio::null());
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
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
fn programs() -> &'static Path {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let mut found: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
        found.retain(|bin| bin.join("initdb").exists());
        found.sort();
        found.pop().unwrap_or_else(|| {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let on_path = std::env::split_paths(&path).find(|bin| bin.join("initdb").exists());
            on_path.expect("PostgreSQL is installed; `apt-get install postgresql` brings it")
        })
    })
}
