//! Open loop: requests come when they come, whether or not the last was answered; each is timed from when it was due.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

use clap::Args;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use serde::Serialize;
use tokio::{io::unix::AsyncFd, sync::Semaphore, task::spawn_local};

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
    due: Semaphore,
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
        due: Semaphore::new(0),
        taken: Cell::new(0),
        latencies: RefCell::new(Latencies::new()?),
        errors: Cell::new(0),
        first_error: RefCell::new(None),
    });
    let asking: Vec<_> =
        (0..args.connections).map(|_| spawn_local(ask(args.goal.clone(), book.clone())).abort_handle()).collect();
    let due = release(&book, WARM + Duration::from_secs_f64(args.seconds)).await?;
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

/// Makes requests due, one each period; how many in all. The kernel's timer is exact where tokio's has milliseconds.
async fn release(book: &Book, span: Duration) -> Outcome<u64> {
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
    let period = Timespec { tv_sec: 0, tv_nsec: i64::from(book.period.subsec_nanos()) };
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &Itimerspec { it_interval: period, it_value: period })?;
    let timer = AsyncFd::register(timer)?;
    let mut released = 0;
    while book.begun.elapsed() < span {
        let mut guard = timer.readable().await?;
        let mut ticks = [0; 8];
        if let Ok(Ok(8)) = guard.try_io(|timer| Ok(rustix::io::read(timer, &mut ticks)?)) {
            // What counts is the schedule; the timer only wakes.
            let past = book.begun.elapsed().as_nanos() / book.period.as_nanos().max(1);
            let now_due = u64::try_from(past)?;
            book.due.add_permits(usize::try_from(now_due - released)?);
            released = now_due;
        }
    }
    Ok(released)
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
