//! A parse child by itself, for the tests of `ChildParser`: what `kubemate parse-worker` is, and, on request, the ways
//! in which a reader goes wrong.
//!
//! `parse_worker read|spin|grow|abort --memory-mib N --cpu-seconds N`

use std::error::Error;
use std::hint::black_box;

use kubemate_corpus::{apply_limits_to_self, serve_as_child};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().collect();
    let number = |name: &str| -> Option<u64> {
        let at = words.iter().position(|word| word == name)?;
        words.get(at + 1)?.parse().ok()
    };
    let (memory, cpu) = number("--memory-mib").zip(number("--cpu-seconds")).ok_or("limits are missing")?;
    let memory = memory << 20;
    match words.get(1).map(String::as_str) {
        Some("read") => serve_as_child(memory, cpu)?,
        Some("spin") => apply_limits_to_self(memory, cpu).map(|()| spin())?,
        Some("grow") => apply_limits_to_self(memory, cpu).map(|()| grow())?,
        _ => std::process::abort(),
    }
    Ok(())
}

/// Uses up the processor.
fn spin() {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// Uses up the memory.
fn grow() {
    let mut held: Vec<Vec<u8>> = Vec::new();
    loop {
        held.push(black_box(vec![1; 16 << 20]));
    }
}
