//! Many slow streams at once: what each costs in memory, and whether every frame of all arrives.

use std::{cell::RefCell, rc::Rc, time::Duration};

use clap::Args;
use serde::Serialize;
use tokio::{task::JoinSet, time::Instant};

use crate::{
    Outcome,
    closed::ratio,
    connection::Connection,
    load::{Goal, Shape},
    stream::{self, Seen, Tally},
};

#[derive(Debug, Args)]
pub(crate) struct HoldArgs {
    #[command(flatten)]
    goal: Goal,
    #[command(flatten)]
    shape: Shape,
    /// Streams at once.
    #[arg(long, default_value_t = 2000)]
    streams: usize,
    /// Streams that are opened each second.
    #[arg(long, default_value_t = 1000)]
    ramp: u32,
}

/// What is printed.
#[derive(Debug, Serialize)]
pub(crate) struct Hold {
    #[serde(flatten)]
    seen: Seen,
    /// Streams under way when memory was read.
    held: usize,
    rss_before_kib: u64,
    rss_held_kib: u64,
    kib_per_stream: f64,
    cpu_us_per_frame: f64,
}

/// Longest wait for all streams to have begun.
const BEGIN: Duration = Duration::from_secs(30);

pub(crate) async fn run(args: HoldArgs) -> Outcome<Hold> {
    let tally = Tally::new()?;
    let before = args.goal.cost()?;
    let mut streams = JoinSet::new();
    for number in 0..args.streams {
        let due = Instant::now() + Duration::from_secs(1) / args.ramp * u32::try_from(number)?;
        streams.spawn_local(hold(args.goal.clone(), args.shape, due, tally.clone()));
    }
    let begun = Instant::now();
    // Streams that cannot be opened are seen in `broken`; the wait for them ends.
    while tally.borrow().under_way < args.streams && begun.elapsed() < BEGIN && !streams.is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
        while streams.try_join_next().is_some() {}
    }
    let (held, full) = (tally.borrow().under_way, args.goal.cost()?);
    while streams.join_next().await.is_some() {}
    let after = args.goal.cost()?;
    let tally = tally.borrow();
    Ok(Hold {
        seen: tally.seen(),
        held,
        rss_before_kib: before.rss_kib,
        rss_held_kib: full.rss_kib,
        kib_per_stream: ratio(full.rss_kib.saturating_sub(before.rss_kib), ratio(held.max(1) as u64, 1.0)),
        cpu_us_per_frame: ratio(after - before, ratio(tally.frames().max(1), 1.0)),
    })
}

async fn hold(goal: Goal, shape: Shape, due: Instant, tally: Rc<RefCell<Tally>>) {
    tokio::time::sleep_until(due).await;
    let request = goal.request(Some(shape));
    let outcome = match Connection::open(goal.address()).await {
        Ok(mut connection) => stream::one(&mut connection, &request, shape, &tally).await,
        Err(error) => Err(error),
    };
    if let Err(error) = outcome {
        tally.borrow_mut().failed(&error);
    }
}
