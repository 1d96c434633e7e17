//! Open loop: requests come when they come, whether or not the last was answered; each is timed from when it was due.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use clap::Args;
use serde::Serialize;
use tokio::{
    sync::Semaphore,
    task::{spawn_blocking, spawn_local},
};

use crate::{
    Outcome,
    connection::Connection,
    load::{Goal, Latencies, Percentiles},
};

#[derive(Debug, Args)]
pub(crate) struct OpenArgs {
    #[command(flatten)]
    goal: Goal,
    /// Requests that are due each second.
    #[arg(long, default_value_t = 1000)]
    rate: u32,
    /// Seconds to measure.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Most requests under way at once; further ones wait, and their wait counts.
    #[arg(long, default_value_t = 256)]
    connections: usize,
}

/// What is printed.
#[derive(Debug, Serialize)]
pub(crate) struct Open {
    due: u64,
    answered: u64,
    errors: u64,
    latency: Percentiles,
    first_error: Option<String>,
}

/// The schedule, and what became of it.
struct Book {
    begun: Instant,
    period: Duration,
    /// Requests that are due and that nobody has taken.
    due: Arc<Semaphore>,
    taken: Cell<u32>,
    latencies: RefCell<Latencies>,
    errors: Cell<u64>,
    first_error: RefCell<Option<String>>,
}

/// Requests that warm connections up and are not counted.
const WARM: Duration = Duration::from_millis(300);
/// Longest wait for the answers that are still under way at the end.
const TAIL: Duration = Duration::from_secs(5);

pub(crate) async fn run(args: OpenArgs) -> Outcome<Open> {
    let book = Rc::new(Book {
        begun: Instant::now(),
        period: Duration::from_secs(1) / args.rate,
        due: Arc::new(Semaphore::new(0)),
        taken: Cell::new(0),
        latencies: RefCell::new(Latencies::new()?),
        errors: Cell::new(0),
        first_error: RefCell::new(None),
    });
    let asking: Vec<_> =
        (0..args.connections).map(|_| spawn_local(ask(args.goal.clone(), book.clone())).abort_handle()).collect();
    let (permits, begun, period) = (book.due.clone(), book.begun, book.period);
    let span = WARM + Duration::from_secs_f64(args.seconds);
    let due = u64::from(spawn_blocking(move || release(&permits, begun, period, span)).await?);
    let ended = Instant::now();
    let uncounted = u64::try_from(WARM.as_nanos() / book.period.as_nanos().max(1))?;
    let counted = due.saturating_sub(uncounted);
    while book.latencies.borrow().count() + book.errors.get() < counted && ended.elapsed() < TAIL {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    asking.iter().for_each(tokio::task::AbortHandle::abort);
    let latencies = book.latencies.borrow();
    Ok(Open {
        due: counted,
        answered: latencies.count(),
        errors: book.errors.get(),
        latency: latencies.percentiles(),
        first_error: book.first_error.borrow().clone(),
    })
}

/// Makes requests due, one each period; how many in all. A thread of its own sleeps to some 50 µs where tokio's timer has
/// milliseconds; what counts is the schedule, it only wakes.
fn release(due: &Semaphore, begun: Instant, period: Duration, span: Duration) -> u32 {
    let mut released = 0;
    while begun.elapsed() < span {
        thread::sleep((period * (released + 1)).saturating_sub(begun.elapsed()));
        let past = begun.elapsed().as_nanos() / period.as_nanos().max(1);
        let now_due = u32::try_from(past).unwrap_or(u32::MAX).max(released);
        due.add_permits((now_due - released) as usize);
        released = now_due;
    }
    released
}

impl Book {
    /// When the next request that is due was due.
    async fn take(&self) -> Option<Instant> {
        self.due.acquire().await.ok()?.forget();
        let number = self.taken.get() + 1;
        self.taken.set(number);
        Some(self.begun + self.period * number)
    }

    fn note(&self, due: Instant, outcome: std::io::Result<()>) {
        if due < self.begun + WARM {
            return;
        }
        match outcome {
            Ok(()) => self.latencies.borrow_mut().add(due.elapsed()),
            Err(error) => {
                self.errors.set(self.errors.get() + 1);
                self.first_error.borrow_mut().get_or_insert_with(|| error.to_string());
            }
        }
    }
}

async fn ask(goal: Goal, book: Rc<Book>) {
    let request = goal.request(None);
    let (mut body, mut held) = (Vec::with_capacity(4096), None);
    while let Some(due) = book.take().await {
        let outcome = exchange(&goal, &request, &mut held, &mut body).await;
        book.note(due, outcome);
    }
}

/// Asks on the connection that is held, or on a new one.
async fn exchange(
    goal: &Goal,
    request: &[u8],
    held: &mut Option<Connection>,
    body: &mut Vec<u8>,
) -> std::io::Result<()> {
    let mut connection = match held.take() {
        Some(connection) => connection,
        None => Connection::open(goal.address()).await?,
    };
    connection.ask(request, body).await?;
    *held = Some(connection).filter(Connection::is_open);
    Ok(())
}
