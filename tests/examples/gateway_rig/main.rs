//! The rig of `cargo xtask bench gateway`: an upstream that is never the limit, and load on whatever stands before it.
//!
//! `gateway_rig mock` serves until it is ended. The other verbs put load on `--address` and print one JSON object.
//! One thread and hand-made HTTP each: gateway, mock and load share two cores, and only the gateway may be seen.

mod border;
mod clock;
mod closed;
mod connection;
mod frames;
mod hold;
mod load;
mod mock;
mod open;
mod process;
mod stream;

use std::{
    error::Error,
    io::{self, Write},
};

use clap::{Parser, Subcommand};
use tokio::task::LocalSet;

/// Whatever went wrong, with its text.
type Outcome<T> = Result<T, Box<dyn Error>>;

#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Serve chat completions that are written already.
    Mock(mock::MockArgs),
    /// Each connection asks again as soon as it is answered.
    Closed(closed::ClosedArgs),
    /// Requests at a fixed rate, timed from when each was due.
    Open(open::OpenArgs),
    /// Each connection streams again as soon as its stream ends.
    Streams(stream::StreamArgs),
    /// Many slow streams at once.
    Hold(hold::HoldArgs),
}

fn main() -> Outcome<()> {
    let verb = Cli::parse().verb;
    process::allow_many_files()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let printed = LocalSet::new().block_on(&runtime, async {
        Ok::<_, Box<dyn Error>>(match verb {
            Verb::Mock(args) => return mock::serve(args).await.map(|()| String::new()),
            Verb::Closed(args) => serde_json::to_string(&closed::run(args).await?)?,
            Verb::Open(args) => serde_json::to_string(&open::run(args).await?)?,
            Verb::Streams(args) => serde_json::to_string(&stream::run(args).await?)?,
            Verb::Hold(args) => serde_json::to_string(&hold::run(args).await?)?,
        })
    })?;
    Ok(writeln!(io::stdout(), "{printed}")?)
}
