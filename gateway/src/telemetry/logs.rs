//! Log lines on standard error: JSON for machines, text on a terminal.

use std::{
    fmt,
    io::{IsTerminal, stderr},
};

use tracing::{Event, Subscriber};
use tracing_subscriber::{
    EnvFilter,
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
    util::TryInitError,
};

use super::request::current;
use crate::config::{LogConfig, LogFormat};

/// Why logging could not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogError {
    /// The filter does not parse.
    #[error("`log.level` is not a filter such as `info` or `kubemate=debug`: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// A subscriber exists already.
    #[error("logging cannot start: {0}")]
    Start(#[from] TryInitError),
}

/// Starts logging for the whole process.
///
/// # Errors
/// `Filter` when `log.level` does not parse.
pub(crate) fn start(config: &LogConfig) -> Result<(), LogError> {
    use tracing_subscriber::util::SubscriberInitExt;
    let filter = EnvFilter::try_new(&config.level)?;
    let json = match config.format {
        LogFormat::Auto => !stderr().is_terminal(),
        LogFormat::Json => true,
        LogFormat::Text => false,
    };
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    if json {
        let lines = lines.json().flatten_event(true).with_current_span(true).with_span_list(false);
        lines.map_event_format(AsField).finish().try_init()?;
    } else {
        lines.compact().map_event_format(AsPrefix).finish().try_init()?;
    }
    Ok(())
}

/// Lines of JSON with the id of the request that they belong to. A span would cost each request what few lines need.
struct AsField<F>(F);

impl<S, N, F> FormatEvent<S, N> for AsField<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let Some(request) = current() else { return self.0.format_event(context, out, event) };
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        match line.trim_end().strip_suffix('}') {
            Some(open) => writeln!(out, "{open},\"request.id\":\"{}\"}}", request.id()), // an id has nothing to escape
            None => out.write_str(&line),
        }
    }
}

/// Lines of text behind the id of the request that they belong to.
struct AsPrefix<F>(F);

impl<S, N, F> FormatEvent<S, N> for AsPrefix<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        if let Some(request) = current() {
            write!(out, "{} ", request.id())?;
        }
        self.0.format_event(context, out, event)
    }
}
