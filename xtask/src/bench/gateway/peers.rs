//! The servers beside which Kubemate is measured: how each is installed, configured and started.

use std::{
    env, fs,
    io::Read,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;

use super::server::{Process, Server, free_address};
use crate::{
    bench::data,
    command,
    host::{self, Tool},
    places, venv,
};

/// What is measured, in the order of the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// The upstream itself, with nothing before it.
    Direct,
    Nginx,
    Kubemate,
    Smg,
    VllmRouter,
    LiteLlm,
}

impl Kind {
    pub(super) const ALL: [Self; 6] =
        [Self::Direct, Self::Nginx, Self::Kubemate, Self::Smg, Self::VllmRouter, Self::LiteLlm];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Nginx => "nginx",
            Self::Kubemate => "kubemate",
            Self::Smg => "smg",
            Self::VllmRouter => "vllm-router",
            Self::LiteLlm => "litellm",
        }
    }

    /// What has to be on the machine for it.
    pub(super) fn tools(self) -> Option<Tool> {
        match self {
            Self::Kubemate => Some(host::REDIS),
            Self::Smg | Self::VllmRouter | Self::LiteLlm => Some(host::PYTHON),
            Self::Direct | Self::Nginx => None,
        }
    }
}

/// Kubemate's model whose answers are kept; the other one, `mock`, is asked each time.
pub(super) const KEPT: &str = "kept";

/// Where the servers of one run are made: their programs, a folder of their own, and the upstream they all ask.
#[derive(Debug)]
pub(super) struct Workshop {
    root: PathBuf,
    cache: PathBuf,
    folder: PathBuf,
    binary: PathBuf,
    upstream: SocketAddr,
    /// The operator's key of each server that knows keys.
    master: String,
}

/// Workers of nginx and LiteLLM: one a core of the machine for which the targets are set.
const WORKERS: &str = "2";

impl Workshop {
    pub(super) fn open(root: &Path, binary: PathBuf, upstream: SocketAddr) -> anyhow::Result<Self> {
        let folder = env::temp_dir().join(format!("kubemate-bench-{}", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let mut random = [0; 24];
        fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
        let master = format!("sk-{}", hex::encode(random));
        let binary = fs::canonicalize(&binary).with_context(|| format!("there is no {}", binary.display()))?;
        Ok(Self { root: root.to_path_buf(), cache: places::cache()?, folder, binary, upstream, master })
    }

    /// Fetches what `kind` needs, once per machine.
    pub(super) fn install(&self, kind: Kind) -> anyhow::Result<()> {
        match kind {
            Kind::Direct | Kind::Kubemate => Ok(()),
            Kind::Nginx => self.nginx_program().map(drop),
            Kind::Smg | Kind::VllmRouter | Kind::LiteLlm => self.python_program(kind).map(drop),
        }
    }

    /// Starts a server and waits until it is ready.
    pub(super) fn start(&self, kind: Kind) -> anyhow::Result<Server> {
        let address = free_address()?;
        let (program, key) = match kind {
            Kind::Direct => return Ok(Server::running(kind, self.upstream)),
            Kind::Nginx => (self.nginx(address)?, "none".to_owned()),
            Kind::Kubemate => return self.kubemate(address, "kubemate", ""),
            Kind::Smg => (self.router(kind, &["launch"], address)?, "none".to_owned()),
            Kind::VllmRouter => (self.router(kind, &[], address)?, "none".to_owned()),
            Kind::LiteLlm => (self.litellm(address)?, self.master.clone()),
        };
        Server::start(kind, self.logged(program, kind)?, address, key)
    }

    /// A folder of its own for each kind; what a server says goes to a file there.
    fn place(&self, kind: Kind) -> anyhow::Result<PathBuf> {
        let place = self.folder.join(kind.name());
        fs::create_dir_all(&place)?;
        Ok(place)
    }

    fn logged(&self, mut program: Command, kind: Kind) -> anyhow::Result<Command> {
        let log = fs::File::options().create(true).append(true).open(self.place(kind)?.join("log"))?;
        program.stdout(log.try_clone()?).stderr(log);
        Ok(program)
    }

    /// The system's nginx, else Debian's, unpacked and not installed: an installed one would serve port 80 from then on.
    fn nginx_program(&self) -> anyhow::Result<PathBuf> {
        if command::works("nginx", &["-v"]) {
            return Ok("nginx".into());
        }
        data::file("nginx", "usr/sbin/nginx", &self.cache)
    }

    /// A plain proxy: connections to the upstream are kept, nothing is logged. The mock's streams ask not to be buffered.
    fn nginx(&self, address: SocketAddr) -> anyhow::Result<Command> {
        let place = self.place(Kind::Nginx)?;
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temporary: String = temporary.iter().map(|name| format!("  {name}_temp_path temp_{name};\n")).collect();
        let upstream = self.upstream;
        let text = format!(
            "worker_processes {WORKERS};\ndaemon off;\npid nginx.pid;\nerror_log stderr crit;\nworker_rlimit_nofile 20000;\n\
             events {{ worker_connections 8192; }}\nhttp {{\n  access_log off;\n  keepalive_requests 1000000000;\n{temporary}\
             \x20 upstream mock {{ server {upstream}; keepalive 512; keepalive_requests 1000000000; }}\n\
             \x20 server {{\n    listen {address};\n    location / {{\n      proxy_pass http://mock;\n      proxy_http_version 1.1;\n\
             \x20     proxy_set_header Connection \"\";\n    }}\n  }}\n}}\n"
        );
        fs::write(place.join("nginx.conf"), text)?;
        let mut program = Command::new(self.nginx_program()?);
        program.arg("-p").arg(&place).args(["-c", "nginx.conf", "-e", "stderr"]);
        Ok(program)
    }

    /// Kubemate with a Redis server of its own, asked anew for each hit.
    pub(super) fn start_with_redis(&self) -> anyhow::Result<(Process, Server)> {
        let address = free_address()?;
        let mut redis = Command::new("redis-server");
        redis.args(["--bind", "127.0.0.1", "--port", &address.port().to_string(), "--save", "", "--appendonly", "no"]);
        let redis = Process::start(self.logged(redis, Kind::Kubemate)?)?;
        let master = &self.master;
        let cache = format!(
            "[store.cache]\nkind = \"redis\"\nurl = \"redis://{address}/0\"\nseal_key = \"{master}\"\nnear = \"0s\"\n"
        );
        Ok((redis, self.kubemate(free_address()?, "kubemate-redis", &cache)?))
    }

    /// The configuration of docs/CONFIG.md, with keys, usage and audit as they are by default. Its key is a tenant's.
    fn kubemate(&self, address: SocketAddr, name: &str, cache: &str) -> anyhow::Result<Server> {
        let place = self.folder.join(name);
        fs::create_dir_all(&place)?;
        let (config, data) = (place.join("kubemate.toml"), place.join("data"));
        fs::write(&config, kubemate_toml(address, &data, self.upstream, cache))?;
        let program = |verb: &[&str]| {
            let mut program = Command::new(&self.binary);
            program.args(verb).arg("--config").arg(&config).current_dir(&place).env("KUBEMATE_ADMIN_KEY", &self.master);
            program
        };
        let serve = self.logged(program(&["serve"]), Kind::Kubemate)?;
        let server = Server::start(Kind::Kubemate, serve, address, self.master.clone())?;
        let made = command::read(&mut program(&["--json", "keys", "create", "bench"]))?;
        let made: serde_json::Value = serde_json::from_str(&made).context("`kubemate keys create` printed no JSON")?;
        let key = made.get("key").and_then(serde_json::Value::as_str).context("no `key` in what was made")?;
        Ok(server.with_key(key))
    }

    /// smg and vllm-router are of one family and take the same options.
    fn router(&self, kind: Kind, verb: &[&str], address: SocketAddr) -> anyhow::Result<Command> {
        let mut program = Command::new(self.python_program(kind)?);
        program.args(verb).args(["--host", "127.0.0.1", "--port", &address.port().to_string()]);
        program.args(["--worker-urls", &format!("http://{}", self.upstream), "--policy", "round_robin"]);
        program.args(["--prometheus-host", "127.0.0.1", "--prometheus-port", &free_address()?.port().to_string()]);
        program.args(["--max-concurrent-requests", "10000", "--log-level", "error"]).current_dir(self.place(kind)?);
        Ok(program)
    }

    /// Workers of gunicorn: those of uvicorn are ended and started anew for ever when a busy machine lets them import for
    /// more than five seconds.
    fn litellm(&self, address: SocketAddr) -> anyhow::Result<Command> {
        let place = self.place(Kind::LiteLlm)?;
        let text = format!(
            "model_list:\n  - model_name: mock\n    litellm_params:\n      model: openai/mock\n      api_base: http://{}/v1\n\
             \x20     api_key: none\ngeneral_settings:\n  master_key: {}\n",
            self.upstream, self.master
        );
        fs::write(place.join("config.yaml"), text)?;
        let mut program = Command::new(self.python_program(Kind::LiteLlm)?);
        program.args(["--config", "config.yaml", "--host", "127.0.0.1", "--port", &address.port().to_string()]);
        program.args(["--num_workers", WORKERS, "--run_gunicorn"]).current_dir(place);
        // The table of prices is fetched from the network otherwise.
        program
            .env("LITELLM_LOCAL_MODEL_COST_MAP", "True")
            .env("LITELLM_LOG", "ERROR")
            .env("LITELLM_MODE", "PRODUCTION");
        Ok(program)
    }

    /// A program of a venv that holds `tests/bench/gateway_<name>.txt`.
    fn python_program(&self, kind: Kind) -> anyhow::Result<PathBuf> {
        let name = kind.name();
        let list = self.root.join(format!("tests/bench/gateway_{}.txt", name.replace('-', "_")));
        let python = venv::interpreter(&list, &format!("bench-{name}"), &self.cache)?;
        Ok(python.with_file_name(name))
    }
}

fn kubemate_toml(address: SocketAddr, data: &Path, upstream: SocketAddr, cache: &str) -> String {
    let target = "targets = [{ upstream = \"mock\", model = \"mock\", weight = 1 }]";
    format!(
        "[server]\nlisten = \"{address}\"\n\n[store]\ndata_dir = {data:?}\n\n{cache}\n\
         [auth]\nadmin_key = {{ env = \"KUBEMATE_ADMIN_KEY\" }}\n\n\
         [[upstreams]]\nname = \"mock\"\nkind = \"openai\"\nbase_url = \"http://{upstream}/v1\"\n\n\
         [[models]]\nname = \"mock\"\n{target}\n\n\
         [[models]]\nname = \"{KEPT}\"\n{target}\ncache = {{ ttl = \"1h\" }}\n"
    )
}

impl Drop for Workshop {
    fn drop(&mut self) {
        // A folder in the temporary one, and this program is about to end.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
