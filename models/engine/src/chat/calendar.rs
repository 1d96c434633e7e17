//! Dates as chat templates ask for them.

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];

/// Writes a moment (Unix seconds, UTC) in the way `strftime` would.
///
/// # Errors
/// The first directive that templates are not known to use.
pub(crate) fn format(pattern: &str, seconds: u64) -> Result<String, char> {
    let (year, month, day) = date(seconds / 86_400);
    let month_name = MONTHS.get(month as usize - 1).copied().unwrap_or_default();
    let day_name = DAYS.get((seconds / 86_400 % 7) as usize).copied().unwrap_or_default();
    let short = |name: &str| name.chars().take(3).collect::<String>();
    let mut out = String::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            out.push(character);
            continue;
        }
        match characters.next().unwrap_or('%') {
            'Y' => out.push_str(&year.to_string()),
            'm' => out.push_str(&format!("{month:02}")),
            'd' => out.push_str(&format!("{day:02}")),
            'H' => out.push_str(&format!("{:02}", seconds / 3600 % 24)),
            'M' => out.push_str(&format!("{:02}", seconds / 60 % 60)),
            'S' => out.push_str(&format!("{:02}", seconds % 60)),
            'B' => out.push_str(month_name),
            'b' => out.push_str(&short(month_name)),
            'A' => out.push_str(day_name),
            'a' => out.push_str(&short(day_name)),
            '%' => out.push('%'),
            other => return Err(other),
        }
    }
    Ok(out)
}

/// Year, month and day of a day number since 1970: the civil-from-days method of Howard Hinnant, which counts
/// years from March so that the leap day is the last one.
fn date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
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
        assert_eq!(format("%Q", 0), Err('Q'));
    }
}
