//! Closed loop: how much can be asked at once by so many, each waiting for its answer.

use std::{cell::RefCell, rc::Rc, time::Duration};

use clap::Args;
use serde::Serialize;
use tokio::{task::spawn_local, time::Instant};

use crate::{
    Outcome,
    connection::Connection,
    load::{Goal, Latencies, Percentiles},
};

#[derive(Debug, Args)]
pub(crate) struct ClosedArgs {
    #[command(flatten)]
    goal: Goal,
    /// Connections that ask at once.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Seconds to measure.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Seconds of the same load before, not measured.
    #[arg(long, default_value_t = 0.3)]
    warm: f64,
    /// Text that the head of each answer must hold, such as `x-kubemate-cache: hit`.
    #[arg(long, default_value = "")]
    expect: String,
}

/// What is printed.
#[derive(Debug, Serialize)]
pub(crate) struct Closed {
    requests: u64,
    errors: u64,
    rps: f64,
    latency: Percentiles,
    cpu_us_per_request: f64,
    rss_before_kib: u64,
    rss_after_kib: u64,
    /// The first thing that went wrong.
    first_error: Option<String>,
}

/// What the connections write down together.
struct Tally {
    latencies: Latencies,
    errors: u64,
    first_error: Option<String>,
}

impl Tally {
    fn failed(&mut self, error: &std::io::Error) {
        self.errors += 1;
        self.first_error.get_or_insert_with(|| error.to_string());
    }
}

pub(crate) async fn run(args: ClosedArgs) -> Outcome<Closed> {
    let tally = Rc::new(RefCell::new(Tally { latencies: Latencies::new()?, errors: 0, first_error: None }));
    let before = args.goal.cost()?;
    let asking: Vec<_> = (0..args.connections)
        .map(|_| spawn_local(ask(args.goal.clone(), args.expect.clone(), tally.clone())).abort_handle())
        .collect();
    tokio::time::sleep(Duration::from_secs_f64(args.warm)).await;
    tally.borrow_mut().latencies.clear();
    let (cost, begun) = (args.goal.cost()?, Instant::now());
    tokio::time::sleep(Duration::from_secs_f64(args.seconds)).await;
    let (seconds, after) = (begun.elapsed().as_secs_f64(), args.goal.cost()?);
    asking.iter().for_each(tokio::task::AbortHandle::abort);
    let tally = tally.borrow();
    let requests = tally.latencies.count();
    Ok(Closed {
        requests,
        errors: tally.errors,
        rps: ratio(requests, 1.0) / seconds,
        latency: tally.latencies.percentiles(),
        cpu_us_per_request: ratio(after - cost, ratio(requests.max(1), 1.0)),
        rss_before_kib: before.rss_kib,
        rss_after_kib: after.rss_kib,
        first_error: tally.first_error.clone(),
    })
}

#[expect(clippy::cast_precision_loss, reason = "counts of seconds are far below 2^53")]
pub(crate) fn ratio(count: u64, per: f64) -> f64 {
    count as f64 / per
}

async fn ask(goal: Goal, expected: String, tally: Rc<RefCell<Tally>>) {
    let request = goal.request(None);
    let mut body = Vec::with_capacity(4096);
    loop {
        let mut connection = match Connection::open(goal.address()).await {
            Ok(connection) => connection,
            Err(error) => {
                tally.borrow_mut().failed(&error);
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            }
        };
        connection.expect(&expected);
        while connection.is_open() {
            match connection.ask(&request, &mut body).await {
                Ok(latency) => tally.borrow_mut().latencies.add(latency),
                Err(error) => {
                    tally.borrow_mut().failed(&error);
                    break;
                }
            }
        }
    }
}
