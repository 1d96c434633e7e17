//! Reading strangers' files in child processes.
//!
//! A parser may abort, spin or eat memory, whatever language it is written in. So each file is read by a child that
//! limits itself before it sees a byte and that is killed when it takes too long; a bad file is then a failed document and
//! never a failed process. Children are kept for the next files, since starting one costs more than reading a small file.
//!
//! | code | when |
//! | --- | --- |
//! | those of [`kubemate_parse::ParseError::code`] | the reader said what is wrong |
//! | `parse_timeout` | more wall or processor time than one file may take |
//! | `parse_crashed` | the child ended: out of memory, aborted, killed |
//! | `too_large` | the file or its text is longer than allowed |
//! | `parser_unavailable` | no child could be started; tried again later |

mod exchange;
mod limits;

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use kubemate_objects::ByteStream;
use kubemate_parse::Document;
use kubemate_parse::worker::{Reply, Request, reply, request_head};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::{ChildLimits, DocumentParser, ParseFailure, Upload};

pub use limits::{apply_limits_to_self, serve_as_child};

use exchange::{Trouble, exchange};

/// How long a child whose pipe closed may take to be gone, before it is killed.
const LAST_BREATH: Duration = Duration::from_secs(1);
/// The signal of a process that used up its processor time (POSIX).
const SIGXCPU: i32 = 24;

/// The code of a file whose reader ended.
pub(crate) const PARSE_CRASHED: &str = "parse_crashed";
/// The code of a file whose reader took too long.
pub(crate) const PARSE_TIMEOUT: &str = "parse_timeout";

/// Reads each file in a child process of a program that calls [`serve_as_child`].
pub struct ChildParser {
    exe: PathBuf,
    args: Vec<String>,
    limits: ChildLimits,
    slots: Semaphore,
    idle: Mutex<Vec<Reader>>,
}

impl fmt::Debug for ChildParser {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ChildParser").field("exe", &self.exe).field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// A child and its pipes. Dropping it kills the child.
struct Reader {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    served: usize,
}

impl ChildParser {
    /// Children run `exe` with `args` and, behind them, `--memory-mib N --cpu-seconds N`: what to hand to
    /// [`serve_as_child`]. None is started before the first file.
    #[must_use]
    pub fn new(exe: PathBuf, args: Vec<String>, limits: ChildLimits) -> Self {
        let slots = Semaphore::new(limits.children.max(1));
        Self { exe, args, limits, slots, idle: Mutex::default() }
    }

    fn spawn(&self) -> Result<Reader, ParseFailure> {
        let unavailable = |cause: &str| {
            tracing::error!(parser.exe = %self.exe.display(), error.cause = cause, "no parser child could be started");
            ParseFailure::transient("parser_unavailable", "the document parser could not be started")
        };
        let mut command = Command::new(&self.exe);
        command.args(&self.args);
        command.arg("--memory-mib").arg((self.limits.memory.as_u64() >> 20).max(1).to_string());
        command.arg("--cpu-seconds").arg(self.limits.cpu.as_secs().max(1).to_string());
        // Nothing of ours is for the child: no variables, no terminal, no signal of the terminal's group.
        command.env_clear().current_dir("/").process_group(0).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| unavailable(&error.to_string()))?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (input, output) = pipes.ok_or_else(|| unavailable("no pipes"))?;
        Ok(Reader { child, input, output, served: 0 })
    }

    /// A child that waits for work, or a new one.
    fn reader(&self) -> Result<Reader, ParseFailure> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(mut reader) = idle.pop() {
            if matches!(reader.child.try_wait(), Ok(None)) {
                return Ok(reader);
            }
        }
        drop(idle);
        self.spawn()
    }

    fn keep(&self, mut reader: Reader) {
        reader.served += 1;
        if reader.served < self.limits.documents_per_child {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
        }
    }

    fn head(&self, upload: &Upload) -> Result<Vec<u8>, ParseFailure> {
        let most = self.limits.limits.max_input_bytes;
        if upload.bytes > most {
            return Err(kubemate_parse::ParseError::TooLarge { limit: "max_input_bytes", allowed: most }.into());
        }
        let (filename, media_type) = (upload.filename.clone(), upload.media_type.clone());
        let request = Request { filename, media_type, limits: self.limits.limits.clone() };
        request_head(&request, upload.bytes).map_err(|error| {
            ParseFailure::permanent("broken_file", format!("the name of the file is unusable: {error}"))
        })
    }
}

#[async_trait]
impl DocumentParser for ChildParser {
    async fn parse(&self, upload: &Upload, body: ByteStream) -> Result<Document, ParseFailure> {
        let head = self.head(upload)?;
        let _slot = self.slots.acquire().await;
        let mut reader = self.reader()?;
        let talk = exchange(&mut reader.input, &mut reader.output, head, body, self.limits.output.as_u64());
        match timeout(self.limits.wall, talk).await {
            Ok(Ok(answer)) => {
                self.keep(reader);
                decoded(answer).await
            }
            Ok(Err(Trouble::Body(error))) => Err(ParseFailure::transient("bytes_unavailable", error.to_string())),
            Ok(Err(Trouble::TooLong)) => Err(ParseFailure::permanent(
                "too_large",
                "the file holds more text than allowed; split it or ask the operator to raise the limit",
            )),
            Ok(Err(Trouble::Ended)) => Err(crashed(ending(reader).await)),
            Err(_) => Err(timed_out()), // dropping the reader kills the child
        }
    }
}

/// Large documents take a while to decode, so not on an async thread.
async fn decoded(answer: Vec<u8>) -> Result<Document, ParseFailure> {
    let decoded = tokio::task::spawn_blocking(move || reply(&answer)).await;
    match decoded {
        Ok(Ok(Reply::Document(document))) => Ok(document),
        Ok(Ok(Reply::Error(failure))) => Err(ParseFailure::permanent(&failure.code, failure.message)),
        _ => Err(crashed(None)),
    }
}

async fn ending(mut reader: Reader) -> Option<ExitStatus> {
    drop(reader.input);
    timeout(LAST_BREATH, reader.child.wait()).await.ok()?.ok()
}

fn crashed(status: Option<ExitStatus>) -> ParseFailure {
    let signal = status.and_then(|status| status.signal());
    tracing::warn!(parser.status = ?status, "a parser child ended while it read a file");
    if signal == Some(SIGXCPU) {
        return timed_out();
    }
    let message = "reading the file took more memory than allowed, or made the reader stop; save it in another format or split it";
    ParseFailure::permanent(PARSE_CRASHED, message)
}

fn timed_out() -> ParseFailure {
    ParseFailure::permanent(
        PARSE_TIMEOUT,
        "reading the file took longer than allowed; split it or save it in another format",
    )
}
