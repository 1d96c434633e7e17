//! Dates as chat templates ask for them.

use time::{OffsetDateTime, error::InvalidFormatDescription, format_description::parse_strftime_borrowed};

/// Writes a moment (Unix seconds, UTC) in the way `strftime` would.
///
/// # Errors
/// A sentence about a directive that `strftime` does not have, or a moment after the year 9999.
pub(crate) fn format(pattern: &str, seconds: u64) -> Result<String, String> {
    let moment = i64::try_from(seconds).ok().and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    let moment = moment.ok_or_else(|| format!("{seconds} s after 1970 is no date"))?;
    let items = parse_strftime_borrowed(pattern).map_err(|error: InvalidFormatDescription| error.to_string())?;
    moment.format(&items).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::format;

    #[test]
    fn known_moments_are_written_right() {
        assert_eq!(format("%a %d %b %Y %H:%M:%S", 0).unwrap(), "Thu 01 Jan 1970 00:00:00");
        assert_eq!(format("%A, %d %B %Y", 951_782_400).unwrap(), "Tuesday, 29 February 2000");
        assert_eq!(format("%Y-%m-%d%%", 1_735_689_599).unwrap(), "2024-12-31%");
    }

    #[test]
    fn an_unknown_directive_is_named() {
        let refused = format("%Q", 0).unwrap_err();
        assert!(refused.contains('Q'), "{refused}");
    }
}
