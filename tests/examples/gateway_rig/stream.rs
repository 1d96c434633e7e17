//! Streams in a closed loop: time to the first frame, delay and cost of each further one.

use std::{cell::RefCell, io, rc::Rc, time::Duration};

use clap::Args;
use serde::Serialize;
use tokio::{task::spawn_local, time::Instant};

use crate::{
    Outcome, clock,
    closed::ratio,
    connection::Connection,
    frames::{Checker, Verdict},
    load::{Goal, Latencies, Percentiles, Shape},
};

#[derive(Debug, Args)]
pub(crate) struct StreamArgs {
    #[command(flatten)]
    goal: Goal,
    #[command(flatten)]
    shape: Shape,
    /// Connections that stream at once.
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// Seconds to measure.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Seconds of the same load before, not measured.
    #[arg(long, default_value_t = 0.3)]
    warm: f64,
}

/// What is printed.
#[derive(Debug, Serialize)]
pub(crate) struct Streams {
    #[serde(flatten)]
    seen: Seen,
    frames_per_second: f64,
    cpu_us_per_frame: f64,
}

/// What was seen of streams, however they were opened.
#[derive(Debug, Serialize)]
pub(crate) struct Seen {
    verdict: Verdict,
    /// Streams that could not be opened or broke off.
    broken: u64,
    /// From the request to its first frame.
    first: Percentiles,
    /// From when the mock wrote a frame to when it was read here, first frames apart.
    delay: Percentiles,
    first_error: Option<String>,
}

/// What all streams write down together.
pub(crate) struct Tally {
    verdict: Verdict,
    broken: u64,
    first: Latencies,
    delay: Latencies,
    first_error: Option<String>,
    /// Streams whose first frame has come and whose last has not.
    pub(crate) under_way: usize,
}

impl Tally {
    pub(crate) fn new() -> Outcome<Rc<RefCell<Self>>> {
        Ok(Rc::new(RefCell::new(Self {
            verdict: Verdict::default(),
            broken: 0,
            first: Latencies::new()?,
            delay: Latencies::new()?,
            first_error: None,
            under_way: 0,
        })))
    }

    fn restart(&mut self) {
        self.verdict = Verdict::default();
        self.first.clear();
        self.delay.clear();
    }

    pub(crate) fn failed(&mut self, error: &io::Error) {
        self.broken += 1;
        self.first_error.get_or_insert_with(|| error.to_string());
    }

    pub(crate) fn frames(&self) -> u64 {
        self.verdict.frames
    }

    pub(crate) fn seen(&self) -> Seen {
        Seen {
            verdict: self.verdict.clone(),
            broken: self.broken,
            first: self.first.percentiles(),
            delay: self.delay.percentiles(),
            first_error: self.first_error.clone(),
        }
    }
}

pub(crate) async fn run(args: StreamArgs) -> Outcome<Streams> {
    let tally = Tally::new()?;
    let asking: Vec<_> = (0..args.connections)
        .map(|_| spawn_local(again(args.goal.clone(), args.shape, tally.clone())).abort_handle())
        .collect();
    tokio::time::sleep(Duration::from_secs_f64(args.warm)).await;
    tally.borrow_mut().restart();
    let (cost, begun) = (args.goal.cost()?, Instant::now());
    tokio::time::sleep(Duration::from_secs_f64(args.seconds)).await;
    let (seconds, after) = (begun.elapsed().as_secs_f64(), args.goal.cost()?);
    asking.iter().for_each(tokio::task::AbortHandle::abort);
    let tally = tally.borrow();
    let frames = ratio(tally.frames(), 1.0);
    Ok(Streams {
        seen: tally.seen(),
        frames_per_second: frames / seconds,
        cpu_us_per_frame: ratio(after - cost, frames.max(1.0)),
    })
}

async fn again(goal: Goal, shape: Shape, tally: Rc<RefCell<Tally>>) {
    let request = goal.request(Some(shape));
    loop {
        let outcome = on_one_connection(&goal, &request, shape, &tally).await;
        if let Err(error) = outcome {
            tally.borrow_mut().failed(&error);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn on_one_connection(goal: &Goal, request: &[u8], shape: Shape, tally: &RefCell<Tally>) -> io::Result<()> {
    let mut connection = Connection::open(goal.address()).await?;
    while connection.is_open() {
        one(&mut connection, request, shape, tally).await?;
    }
    Ok(())
}

/// Streams once and writes down what came.
///
/// # Errors
/// When the connection breaks.
pub(crate) async fn one(
    connection: &mut Connection,
    request: &[u8],
    shape: Shape,
    tally: &RefCell<Tally>,
) -> io::Result<()> {
    let begun = clock::now();
    let mut left = connection.begin(request).await?;
    let mut checker = Checker::new(shape.frames);
    let mut bytes = Vec::with_capacity(1024);
    let mut open = UnderWay { tally, counted: false };
    while connection.next(&mut left, &mut bytes).await? {
        let now = clock::now();
        checker.feed(&bytes, |number, written| match number {
            0 => {
                tally.borrow_mut().first.add(Duration::from_nanos(now - begun));
                open.count();
            }
            _ => tally.borrow_mut().delay.add(Duration::from_nanos(now.saturating_sub(written))),
        });
        tally.borrow_mut().verdict.frames += std::mem::take(&mut checker.verdict.frames);
        bytes.clear();
    }
    checker.end();
    tally.borrow_mut().verdict.add(&checker.verdict);
    Ok(())
}

/// Counts a stream as under way until it is dropped.
struct UnderWay<'a> {
    tally: &'a RefCell<Tally>,
    counted: bool,
}

impl UnderWay<'_> {
    fn count(&mut self) {
        self.counted = true;
        self.tally.borrow_mut().under_way += 1;
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.tally.borrow_mut().under_way -= usize::from(self.counted);
    }
}
