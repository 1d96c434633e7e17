//! The child's side: limits first, then one file after the other.

use std::io::{self, BufRead};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

/// Bytes of a page in `/proc/self/statm`. Linux on the machines we ship for; elsewhere the file is missing and only
/// `memory` counts.
const PAGE: u64 = 4096;

/// Limits this process for the rest of its life: address space to what it has now plus `memory` bytes, processor time to what it
/// has used plus `cpu_seconds`, no core dumps, no growing files. To be called before the first byte from outside is read.
///
/// # Errors
/// When the system refuses a limit; the process must not go on then.
pub fn apply_limits_to_self(memory: u64, cpu_seconds: u64) -> io::Result<()> {
    for (resource, most) in
        [(Resource::As, address_space().saturating_add(memory)), (Resource::Core, 0), (Resource::Fsize, 0)]
    {
        let most = getrlimit(resource).maximum.map_or(most, |allowed| allowed.min(most));
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    allow_cpu(cpu_seconds)
}

/// The whole of a parse child: limits itself, then serves [`kubemate_parse::worker::serve`] for one file after the other until
/// the parent closes the pipe. `cpu_seconds` is for each file.
///
/// # Errors
/// When a limit cannot be set or the pipe breaks; the parent sees a child that ended.
pub fn serve_as_child(memory: u64, cpu_seconds: u64) -> io::Result<()> {
    apply_limits_to_self(memory, cpu_seconds)?;
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    while !input.fill_buf()?.is_empty() {
        allow_cpu(cpu_seconds)?;
        kubemate_parse::worker::serve(&mut input, &mut output)?;
    }
    Ok(())
}

/// Lets the process use `seconds` more. Only the soft limit moves, so that it can be moved again for the next file.
fn allow_cpu(seconds: u64) -> io::Result<()> {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    let used = u64::try_from(used.tv_sec).unwrap_or_default() + 1;
    let maximum = getrlimit(Resource::Cpu).maximum;
    let most = used.saturating_add(seconds);
    let current = Some(maximum.map_or(most, |allowed| allowed.min(most)));
    Ok(setrlimit(Resource::Cpu, Rlimit { current, maximum })?)
}

/// Bytes of address space in use: allocators reserve more than they need, which is not the document's doing.
fn address_space() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: Option<u64> = statm.split_ascii_whitespace().next().and_then(|pages| pages.parse().ok());
    pages.unwrap_or_default().saturating_mul(PAGE)
}
