//! `cargo xtask up` and `down`: from a clone to a running server, and back.

mod detached;
mod ready;
mod settings;

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
};

use anyhow::{Context, bail};
use clap::Args;
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::{command, compile, host, places, steps::Steps};
use settings::Settings;

#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// Leave the server running in the background; `cargo xtask down` ends it.
    #[arg(long)]
    detach: bool,
    /// Configuration file [default: kubemate.toml when there is one].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
    /// Port on 127.0.0.1, 0 for a free one [default: `server.listen` of the configuration, else 8080].
    #[arg(long)]
    port: Option<u16>,
}

#[derive(Debug, Args)]
pub(crate) struct DownArgs {
    /// Configuration file that `up` was given.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
struct Place {
    /// Folder of the embedded stores [default: `store.data_dir` of the configuration, else ./data].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct KubemateArgs {
    /// A verb of the server and its options; `--help` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true, value_name = "VERB")]
    arguments: Vec<String>,
}

/// Builds, fetches models, starts the server and says where it is.
pub(crate) fn up(args: &UpArgs) -> anyhow::Result<()> {
    let root = places::root()?;
    let settings = Settings::read(&root, args.config.as_deref(), args.place.data_dir.as_deref(), args.port)?;
    if let Some(pid) = detached::running(&settings)? {
        println!("Kubemate is up already at {} (process {pid}); `cargo xtask down` ends it", ready::url(&settings));
        return Ok(());
    }
    let mut steps = Steps::new(4);
    let again = "cargo xtask up";
    steps.run("tools outside cargo", again, || host::ensure(&[host::C_COMPILER]))?;
    steps.run("build the server", again, || build(&root))?;
    steps.run("model weights (checked by SHA-256, kept in the cache folder)", again, || {
        pull_models(&root, settings.config.as_deref())
    })?;
    if args.detach {
        steps.run("start in the background", again, || detached::start(&root, &settings))?;
        announce(&settings, "`cargo xtask down` stops it");
        return Ok(());
    }
    let mut child = steps.run("start", again, || start(&root, &settings))?;
    announce(&settings, "Ctrl-C stops it");
    wait_and_forward(&mut child)
}

fn announce(settings: &Settings, end: &str) {
    let url = ready::url(settings);
    println!("\nKubemate answers at {url}  (API page {url}/docs, health {url}/readyz); {end}.");
    println!("The README goes on with \"Ask your documents\".");
}

fn start(root: &Path, settings: &Settings) -> anyhow::Result<Child> {
    let mut child = spawn(serve_command(root, settings)?)?;
    ready::wait(settings, &mut child).inspect_err(|_| stop(&mut child))?;
    Ok(child)
}

/// Ends the server whose process id `up --detach` left behind.
pub(crate) fn down(args: &DownArgs) -> anyhow::Result<()> {
    let settings = Settings::read(&places::root()?, args.config.as_deref(), args.place.data_dir.as_deref(), None)?;
    detached::end(&settings)
}

/// Becomes the server's own command line, wherever cargo put the binary.
pub(crate) fn kubemate(args: &KubemateArgs) -> anyhow::Result<()> {
    use std::os::unix::process::CommandExt;
    let program = places::kubemate()?;
    if !program.is_file() {
        bail!("the server is not built yet; `cargo xtask up` builds it");
    }
    let error = command::program(program, &places::root()?).args(&args.arguments).exec();
    Err(error).context("cannot start the server's command line")
}

/// Compiles the server with the same profile and features as the tests, so that what both need is compiled
/// once: `--workspace` unites the features of all rooms, `--bin` builds only what the server needs.
pub(crate) fn build(root: &Path) -> anyhow::Result<()> {
    if !places::kubemate()?.is_file() {
        println!("      the first build compiles about 700 crates: 10 to 20 minutes on two cores, then seconds");
    }
    compile::cargo(root, &["build", "--release", "--workspace", "--bin", "kubemate"])
}

/// Fetches the default models; what is there already is only checked.
pub(crate) fn pull_models(root: &Path, config: Option<&Path>) -> anyhow::Result<()> {
    let mut pull = command::program(places::kubemate()?, root);
    pull.args(["models", "pull"]).stdin(Stdio::null());
    if let Some(config) = config {
        pull.arg("--config").arg(config);
    }
    command::run(&mut pull)
}

/// `kubemate serve` as configured, in the repository's root, with the file in which it says where it listens.
fn serve_command(root: &Path, settings: &Settings) -> anyhow::Result<Command> {
    let mut serve = command::program(places::kubemate()?, root);
    serve.arg("serve").arg("--address-file").arg(ready::address_file(settings)?).stdin(Stdio::null());
    if let Some(config) = &settings.config {
        serve.arg("--config").arg(config);
    }
    serve.args(settings.options());
    Ok(serve)
}

/// Starts the server in a process group of its own: Ctrl-C reaches it once, through this program.
fn spawn(mut serve: Command) -> anyhow::Result<Child> {
    use std::os::unix::process::CommandExt;
    serve.process_group(0);
    serve.spawn().with_context(|| format!("cannot start `{}`", command::line(&serve)))
}

fn wait_and_forward(child: &mut Child) -> anyhow::Result<()> {
    let pid = pid_of(child)?;
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot listen for Ctrl-C")?;
    let handle = signals.handle();
    let forwarding = thread::spawn(move || {
        for signal in signals.forever() {
            let signal = if signal == SIGINT { Signal::INT } else { Signal::TERM };
            // A failure means that the server is gone, which the wait below sees.
            let _ = kill_process(pid, signal);
        }
    });
    let status = child.wait()?;
    handle.close();
    let _ = forwarding.join();
    if !status.success() {
        bail!("the server ended with {status}; its last lines are above");
    }
    Ok(())
}

/// Asks the server to stop and waits until it has.
fn stop(child: &mut Child) {
    if let Ok(pid) = pid_of(child) {
        let _ = kill_process(pid, Signal::TERM);
        let _ = child.wait();
    }
}

fn pid_of(child: &Child) -> anyhow::Result<Pid> {
    Pid::from_raw(child.id().try_into()?).context("the server has no process id")
}
