//! A server in the background: its process id and its log lie in the data folder.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::{Settings, ready, serve_command, spawn, stop};

/// The server's grace for open requests and background work, and some more.
const LONGEST_STOP: Duration = Duration::from_secs(60);

/// Starts the server, waits until it is ready, and leaves its process id behind.
pub(crate) fn start(root: &Path, settings: &Settings) -> anyhow::Result<()> {
    let data = settings.make_data_dir()?;
    let (log, announced) = (data.join("kubemate.log"), data.join("kubemate.start"));
    let log_file = private(&log)?;
    let began = log_file.metadata()?.len();
    let mut serve = serve_command(root, settings)?;
    serve.stdout(private(&announced)?).stderr(log_file);
    let mut child = spawn(serve)?;
    let outcome = ready::wait(settings, &mut child);
    // What the server announces holds the admin key at its first start: it is shown now and kept nowhere.
    print!("{}", fs::read_to_string(&announced)?);
    fs::remove_file(&announced)?;
    if let Err(error) = outcome {
        stop(&mut child);
        bail!("{error:#}\n{}", tail(&log, began));
    }
    fs::write(pid_file(settings), child.id().to_string())?;
    println!("      its log is {}", log.display());
    Ok(())
}

/// A file that only its owner may read.
fn private(path: &Path) -> anyhow::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.create(true).append(true).mode(0o600).open(path);
    file.with_context(|| format!("cannot write {}", path.display()))
}

/// The process id of the server that was started here and still runs.
pub(crate) fn running(settings: &Settings) -> anyhow::Result<Option<i32>> {
    let Ok(text) = fs::read_to_string(pid_file(settings)) else {
        return Ok(None);
    };
    let raw: i32 = text.trim().parse().with_context(|| format!("{} holds no number", pid_file(settings).display()))?;
    Ok(Pid::from_raw(raw).filter(|pid| is_kubemate(*pid)).map(|_| raw))
}

/// Asks the server to stop and waits until it has.
pub(crate) fn end(settings: &Settings) -> anyhow::Result<()> {
    let Some(pid) = running(settings)?.and_then(Pid::from_raw) else {
        println!("no server was started by `up --detach` with {}", settings.data_dir.display());
        return Ok(());
    };
    kill_process(pid, Signal::TERM).context("cannot signal the server")?;
    let asked = Instant::now();
    while is_kubemate(pid) {
        if asked.elapsed() > LONGEST_STOP {
            bail!("process {} is still finishing after {} s", pid.as_raw_nonzero(), LONGEST_STOP.as_secs());
        }
        thread::sleep(Duration::from_millis(50));
    }
    fs::remove_file(pid_file(settings))?;
    println!("Kubemate is down");
    Ok(())
}

fn pid_file(settings: &Settings) -> PathBuf {
    settings.data_dir.join("kubemate.pid")
}

/// Whether the process lives and is the server: ids are given out again after a crash or a reboot.
fn is_kubemate(pid: Pid) -> bool {
    let number = pid.as_raw_nonzero();
    match fs::read(format!("/proc/{number}/cmdline")) {
        Ok(line) => names_kubemate(&line),
        // No /proc: not Linux. There the id alone must do.
        Err(_) => !Path::new("/proc/self").exists() && test_kill_process(pid).is_ok(),
    }
}

fn names_kubemate(line: &[u8]) -> bool {
    let program = line.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(program).ends_with("kubemate")
}

/// What the server wrote since `began`, at most the last lines.
fn tail(log: &Path, began: u64) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let new = usize::try_from(began).ok().and_then(|began| text.get(began..)).unwrap_or(&text);
    let lines: Vec<&str> = new.lines().collect();
    lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(folder: &Path) -> Settings {
        Settings::read(Path::new("/nowhere"), None, Some(folder), None).unwrap()
    }

    #[test]
    fn another_process_with_the_old_id_is_not_the_server() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path());
        assert_eq!(running(&settings).unwrap(), None);
        fs::write(pid_file(&settings), std::process::id().to_string()).unwrap();
        assert_eq!(running(&settings).unwrap(), None);
    }

    #[test]
    fn the_server_is_known_by_its_program() {
        assert!(names_kubemate(b"/x/target/release/kubemate\0serve\0"));
        assert!(!names_kubemate(b"vim\0kubemate\0") && !names_kubemate(b""));
    }

    #[test]
    fn only_the_new_lines_of_the_log_are_shown() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("kubemate.log");
        fs::write(&log, "old\nnew 1\nnew 2\n").unwrap();
        assert_eq!(tail(&log, 4), "new 1\nnew 2");
    }
}
