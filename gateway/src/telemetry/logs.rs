//! Log lines on standard error: JSON for machines, text on a terminal.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::{EnvFilter, fmt, util::TryInitError};

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
    let lines = fmt().with_env_filter(filter).with_writer(stderr);
    if json {
        lines.json().flatten_event(true).with_current_span(true).with_span_list(false).finish().try_init()?;
    } else {
        lines.compact().finish().try_init()?;
    }
    Ok(())
}
