//! What processes cost, from /proc.

use std::{collections::BTreeMap, fs, io, ops::Sub, str::FromStr};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;

/// Of a process and its children.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Cost {
    /// Processor time so far, in microseconds.
    pub(crate) cpu_us: u64,
    /// Resident memory in KiB; pages that processes share count for each.
    pub(crate) rss_kib: u64,
}

/// Linux tells times of processes to everybody in hundredths of a second (USER_HZ).
const MICROS_PER_TICK: u64 = 10_000;

impl Sub for Cost {
    type Output = u64;

    /// Processor time between two looks, in microseconds.
    fn sub(self, earlier: Self) -> u64 {
        self.cpu_us.saturating_sub(earlier.cpu_us)
    }
}

/// What `root` and its children have cost so far.
///
/// # Errors
/// When /proc cannot be read.
pub(crate) fn cost(root: u32) -> io::Result<Cost> {
    let stats = stats()?;
    let mut sum = Cost::default();
    for (pid, stat) in &stats {
        if descends(*pid, root, &stats) {
            sum.cpu_us += stat.ticks * MICROS_PER_TICK;
            sum.rss_kib += resident(*pid);
        }
    }
    Ok(sum)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    ticks: u64,
}

fn stats() -> io::Result<BTreeMap<u32, Stat>> {
    let entries = fs::read_dir("/proc")?.flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Ok(pids.filter_map(|pid: u32| Some((pid, stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?))).collect())
}

/// Fields are counted behind the program's name, which may hold spaces and brackets.
fn stat(line: &str) -> Option<Stat> {
    let fields: Vec<&str> = line.rsplit_once(") ")?.1.split(' ').collect();
    let field = |number: usize| u64::from_str(fields.get(number)?).ok();
    Some(Stat { parent: u32::try_from(field(1)?).ok()?, ticks: field(11)? + field(12)? })
}

fn descends(pid: u32, root: u32, stats: &BTreeMap<u32, Stat>) -> bool {
    let mut at = pid;
    while at != root {
        match stats.get(&at) {
            Some(stat) if stat.parent > 1 => at = stat.parent,
            _ => return false,
        }
    }
    true
}

fn resident(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or_default()
}

/// Thousands of connections need more files than a shell allows at first.
///
/// # Errors
/// When the limit cannot be raised to what this user may have.
pub(crate) fn allow_many_files() -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_move_the_fields() {
        let line = "7 (a) b (c)) S 5 7 7 0 -1 4194560 1 0 0 0 30 12 0 0 20 0 1 0 9 1 2";
        assert_eq!(stat(line), Some(Stat { parent: 5, ticks: 42 }));
    }

    #[test]
    fn children_of_children_count_and_others_do_not() {
        let stat = |parent| Stat { parent, ticks: 1 };
        let stats = BTreeMap::from([(10, stat(1)), (11, stat(10)), (12, stat(11)), (20, stat(1))]);
        let below: Vec<u32> = stats.keys().copied().filter(|pid| descends(*pid, 10, &stats)).collect();
        assert_eq!(below, [10, 11, 12]);
    }

    #[test]
    fn this_process_costs_something() {
        assert!(cost(std::process::id()).unwrap().rss_kib > 0);
    }
}
