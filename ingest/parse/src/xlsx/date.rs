//! Date formats, and days since 1900 as dates.

/// A piece of a date format.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Year(usize),
    Month(usize),
    Day(usize),
    Hour(usize),
    Minute(usize),
    Second(usize),
    /// Decimals of the second.
    Fraction(usize),
    Elapsed(char),
    Half,
}

/// A date format, read once per style.
#[derive(Debug, Clone)]
pub(super) struct DateFormat {
    pieces: Vec<Piece>,
    twelve_hours: bool,
}

/// Whether a format section shows a date or a time: it has one of their letters outside quotes and brackets.
pub(super) fn is_date(section: &str) -> bool {
    let mut chars = section.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => drop(chars.by_ref().find(|c| *c == '"')),
            '\\' | '_' | '*' => drop(chars.next()),
            '[' => {
                let inner: String = chars.by_ref().take_while(|c| *c != ']').collect();
                if is_elapsed(&inner) {
                    return true;
                }
            }
            'y' | 'Y' | 'm' | 'M' | 'd' | 'D' | 'h' | 'H' | 's' | 'S' => return true,
            _ => {}
        }
    }
    false
}

/// `h`, `mm` and the like in brackets count beyond a day.
fn is_elapsed(inner: &str) -> bool {
    let mut chars = inner.chars().map(|c| c.to_ascii_lowercase());
    let first = chars.next();
    matches!(first, Some('h' | 'm' | 's')) && chars.all(|c| Some(c) == first)
}

impl DateFormat {
    pub(super) fn new(section: &str) -> Self {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut twelve_hours = false;
        let mut chars = section.chars().peekable();
        while let Some(c) = chars.next() {
            let letter = c.to_ascii_lowercase();
            match letter {
                '"' => pieces.push(Piece::Literal(chars.by_ref().take_while(|c| *c != '"').collect())),
                '\\' => pieces.push(Piece::Literal(chars.next().map(String::from).unwrap_or_default())),
                '_' | '*' => drop(chars.next()),
                '[' => {
                    let inner: String = chars.by_ref().take_while(|c| *c != ']').collect();
                    if let Some(unit) = inner.chars().next().filter(|_| is_elapsed(&inner)) {
                        pieces.push(Piece::Elapsed(unit.to_ascii_lowercase()));
                    }
                }
                'y' | 'm' | 'd' | 'h' | 's' => {
                    let mut width = 1;
                    while chars.next_if(|c| c.to_ascii_lowercase() == letter).is_some() {
                        width += 1;
                    }
                    pieces.push(unit(letter, width, &pieces));
                }
                'a' if chars.peek().is_some_and(|c| matches!(c, 'm' | 'M' | '/')) => {
                    while chars.next_if(|c| "aAmMpP/".contains(*c)).is_some() {}
                    twelve_hours = true;
                    pieces.push(Piece::Half);
                }
                '.' if matches!(pieces.last(), Some(Piece::Second(_))) && chars.peek() == Some(&'0') => {
                    let mut width = 0;
                    while chars.next_if(|c| *c == '0').is_some() {
                        width += 1;
                    }
                    pieces.push(Piece::Fraction(width));
                }
                '@' => {}
                _ => pieces.push(Piece::Literal(c.to_string())),
            }
        }
        minutes_before_seconds(&mut pieces);
        Self { pieces, twelve_hours }
    }

    /// The date, `None` outside the years 1900 to 9999.
    pub(super) fn show(&self, serial: f64, from_1904: bool) -> Option<String> {
        let moment = Moment::new(serial, from_1904)?;
        let mut out = String::new();
        for piece in &self.pieces {
            out.push_str(&moment.show(piece, self.twelve_hours));
        }
        Some(out.trim().to_owned())
    }
}

/// `m` is minutes right after hours and right before seconds, months everywhere else.
fn unit(letter: char, width: usize, before: &[Piece]) -> Piece {
    let last = before.iter().rev().find(|piece| !matches!(piece, Piece::Literal(_)));
    match letter {
        'y' => Piece::Year(width),
        'd' => Piece::Day(width),
        'h' => Piece::Hour(width),
        's' => Piece::Second(width),
        _ if matches!(last, Some(Piece::Hour(_) | Piece::Elapsed('h'))) => Piece::Minute(width),
        _ => Piece::Month(width),
    }
}

fn minutes_before_seconds(pieces: &mut [Piece]) {
    let mut seconds_follow = false;
    for piece in pieces.iter_mut().rev() {
        match piece {
            Piece::Second(_) => seconds_follow = true,
            Piece::Month(width) if seconds_follow => {
                *piece = Piece::Minute(*width);
                seconds_follow = false;
            }
            Piece::Literal(_) => {}
            _ => seconds_follow = false,
        }
    }
}

struct Moment {
    year: i64,
    month: usize,
    day: i64,
    weekday: usize,
    /// Milliseconds of the day.
    clock: i64,
    /// Milliseconds since the first day.
    total: i64,
}

const DAY_MS: f64 = 86_400_000.0;

impl Moment {
    fn new(serial: f64, from_1904: bool) -> Option<Self> {
        if !(0.0..2_958_466.0).contains(&serial) {
            return None;
        }
        let total = (serial * DAY_MS).round() as i64;
        let (days, clock) = (total.div_euclid(DAY_MS as i64), total.rem_euclid(DAY_MS as i64));
        // Excel counts a 29 February 1900 that never was; days before it are one less.
        let since_1970 = match (from_1904, days) {
            (true, days) => days - 24_107,
            (false, 60..) => days - 25_569,
            (false, days) => days - 25_568,
        };
        let (year, month, day) = civil(since_1970);
        let weekday = usize::try_from((since_1970 + 4).rem_euclid(7)).unwrap_or(0);
        Some(Self { year, month, day, weekday, clock, total })
    }

    fn show(&self, piece: &Piece, twelve_hours: bool) -> String {
        let hour = self.clock / 3_600_000;
        match piece {
            Piece::Literal(text) => text.clone(),
            Piece::Year(1 | 2) => format!("{:02}", self.year % 100),
            Piece::Year(_) => format!("{:04}", self.year),
            Piece::Month(width @ 3..=5) => name(&MONTHS, self.month.saturating_sub(1), *width),
            Piece::Month(width) => format!("{:0width$}", self.month),
            Piece::Day(width @ 3..) => name(&WEEKDAYS, self.weekday, *width),
            Piece::Day(width) => format!("{:0width$}", self.day),
            Piece::Hour(width) if twelve_hours => format!("{:0width$}", (hour + 11) % 12 + 1),
            Piece::Hour(width) => format!("{hour:0width$}"),
            Piece::Minute(width) => format!("{:0width$}", self.clock / 60_000 % 60),
            Piece::Second(width) => format!("{:0width$}", self.clock / 1000 % 60),
            Piece::Fraction(width) => {
                let thousandths = format!("{:03}", self.clock % 1000);
                format!(".{}", thousandths.chars().chain(std::iter::repeat('0')).take(*width).collect::<String>())
            }
            Piece::Elapsed('h') => (self.total / 3_600_000).to_string(),
            Piece::Elapsed('m') => (self.total / 60_000).to_string(),
            Piece::Elapsed(_) => (self.total / 1000).to_string(),
            Piece::Half => (if hour < 12 { "AM" } else { "PM" }).to_owned(),
        }
    }
}

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
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Three letters, the whole name at four, one letter at five.
fn name(names: &[&str], index: usize, width: usize) -> String {
    let name = names.get(index).copied().unwrap_or_default();
    let length = match width {
        3 => 3,
        5 => 1,
        _ => name.len(),
    };
    name.chars().take(length).collect()
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar.
fn civil(days: i64) -> (i64, usize, i64) {
    // Years are counted from March so that the leap day is the last of its year.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, usize::try_from(month).unwrap_or(1), day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(code: &str, serial: f64) -> String {
        assert!(is_date(code));
        DateFormat::new(code).show(serial, false).unwrap()
    }

    #[test]
    fn dates_are_shown_by_their_format() {
        assert_eq!(show("yyyy-mm-dd", 46083.0), "2026-03-02");
        assert_eq!(show("yyyy\"年\"m\"月\"d\"日\"", 46083.0), "2026年3月2日");
        assert_eq!(show("[$-804]yyyy/m/d h:mm", 46083.5625), "2026/3/2 13:30");
        assert_eq!(show("d-mmm-yy", 46083.0), "2-Mar-26");
        assert_eq!(show("dddd, mmmm d, yyyy", 46083.0), "Monday, March 2, 2026");
        assert_eq!(show("h:mm AM/PM", 0.75), "6:00 PM");
        assert_eq!(show("[h]:mm:ss", 1.5), "36:00:00");
        assert_eq!(show("mm:ss.0", 0.5 + 61.5 / 86400.0), "01:01.5");
        assert_eq!(show("yyyy-mm-dd", 59.0), "1900-02-28");
        assert_eq!(show("yyyy-mm-dd", 61.0), "1900-03-01");
    }

    #[test]
    fn numbers_are_no_dates() {
        assert!(!is_date("#,##0.00\"days\""));
        assert!(!is_date("[Red]0.0"));
    }
}
