//! Number formats: `#,##0.00`, `0.0%`, `¥#,##0;(¥#,##0)`, `0.00E+00`, `0.0,"k"`.

use super::styles::general;

/// One section of a format code, read once per style.
#[derive(Debug, Clone, Default)]
struct Section {
    before: String,
    after: String,
    digits: bool,
    least_whole: usize,
    least_decimals: usize,
    most_decimals: usize,
    grouped: bool,
    percents: usize,
    thousands: usize,
    exponent: bool,
    /// Fractions, conditions and other rarities are shown as plain numbers.
    odd: bool,
}

/// A number format: for positive numbers, negative ones and zero.
#[derive(Debug, Clone)]
pub(super) struct NumberFormat {
    positive: Section,
    negative: Option<Section>,
    zero: Option<Section>,
}

impl NumberFormat {
    pub(super) fn new(code: &str) -> Self {
        let mut sections = sections(code).into_iter().map(|code| Section::new(&code));
        Self { positive: sections.next().unwrap_or_default(), negative: sections.next(), zero: sections.next() }
    }

    pub(super) fn show(&self, value: f64) -> String {
        match (&self.negative, &self.zero) {
            (Some(negative), _) if value < 0.0 => negative.show(-value),
            (_, Some(zero)) if value == 0.0 => zero.show(value),
            _ if value < 0.0 => format!("-{}", self.positive.show(-value)),
            _ => self.positive.show(value),
        }
    }
}

/// Splits at semicolons outside quotes.
fn sections(code: &str) -> Vec<String> {
    let mut sections = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for c in code.chars() {
        if c == ';' && !quoted && !escaped {
            sections.push(String::new());
            continue;
        }
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        if let Some(section) = sections.last_mut() {
            section.push(c);
        }
    }
    sections
}

impl Section {
    fn new(code: &str) -> Self {
        let mut section = Self::default();
        let mut chars = code.chars().peekable();
        let mut decimals = false;
        let mut commas = 0;
        while let Some(c) = chars.next() {
            match c {
                '"' => section.literal(&chars.by_ref().take_while(|c| *c != '"').collect::<String>()),
                '\\' => section.literal(&chars.next().map(String::from).unwrap_or_default()),
                '_' | '*' => drop(chars.next()),
                '[' => section.bracket(&chars.by_ref().take_while(|c| *c != ']').collect::<String>()),
                '0' | '#' | '?' => {
                    section.grouped |= commas > 0 && !decimals;
                    commas = 0;
                    section.digit(c, decimals);
                }
                '.' => decimals = true,
                ',' => commas += 1,
                '%' => {
                    section.percents += 1;
                    section.literal("%");
                }
                'E' | 'e' if matches!(chars.peek(), Some('+' | '-')) => {
                    section.exponent = true;
                    while chars.next_if(|c| matches!(c, '+' | '-' | '0' | '#')).is_some() {}
                }
                '/' => section.odd = true,
                '@' => {}
                other => section.literal(&other.to_string()),
            }
        }
        section.thousands = commas;
        section
    }

    fn literal(&mut self, text: &str) {
        if self.digits { self.after.push_str(text) } else { self.before.push_str(text) }
    }

    /// `[$¥-804]` is a currency sign, `[Red]` a colour, `[>100]` a condition.
    fn bracket(&mut self, inner: &str) {
        if let Some(currency) = inner.strip_prefix('$') {
            self.literal(currency.split('-').next().unwrap_or_default());
        } else if inner.starts_with(['<', '>', '=']) {
            self.odd = true;
        }
    }

    fn digit(&mut self, c: char, decimals: bool) {
        self.digits = true;
        match (c, decimals) {
            ('0', false) => self.least_whole += 1,
            (_, false) => {}
            (c, true) => {
                self.most_decimals = (self.most_decimals + 1).min(30);
                self.least_decimals += usize::from(c == '0');
            }
        }
    }

    /// `value` is not negative.
    fn show(&self, value: f64) -> String {
        if self.odd {
            return general(value);
        }
        if !self.digits {
            return format!("{}{}", self.before, self.after).trim().to_owned();
        }
        let scale = i32::try_from(self.percents * 2).unwrap_or(0) - i32::try_from(self.thousands * 3).unwrap_or(0);
        let value = value * 10_f64.powi(scale.clamp(-300, 300));
        let number = if self.exponent { self.scientific(value) } else { self.plain(value) };
        format!("{}{number}{}", self.before, self.after).trim().to_owned()
    }

    fn plain(&self, value: f64) -> String {
        // Fifteen digits first, as Excel does: 1.005 is then rounded up and not down.
        let value: f64 = format!("{value:.14e}").parse().unwrap_or(value);
        let fixed = format!("{:.*}", self.most_decimals, value + value * 1e-15);
        let (whole, decimals) = fixed.split_once('.').unwrap_or((&fixed, ""));
        let mut decimals = decimals.to_owned();
        while decimals.len() > self.least_decimals && decimals.ends_with('0') {
            decimals.pop();
        }
        let whole = if whole == "0" && self.least_whole == 0 { "" } else { whole };
        let whole = format!("{whole:0>width$}", width = self.least_whole);
        let whole = if self.grouped { group(&whole) } else { whole };
        if decimals.is_empty() { whole } else { format!("{whole}.{decimals}") }
    }

    fn scientific(&self, value: f64) -> String {
        let shown = format!("{:.*e}", self.most_decimals, value);
        let (digits, exponent) = shown.split_once('e').unwrap_or((&shown, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        format!("{digits}E{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
    }
}

/// Commas between groups of three digits.
fn group(whole: &str) -> String {
    let mut out = String::with_capacity(whole.len() + whole.len() / 3);
    for (index, c) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(code: &str, value: f64) -> String {
        NumberFormat::new(code).show(value)
    }

    #[test]
    fn numbers_are_shown_as_excel_shows_them() {
        assert_eq!(show("#,##0.00", 1234567.891), "1,234,567.89");
        assert_eq!(show("0.0%", 0.1534), "15.3%");
        assert_eq!(show("¥#,##0;(¥#,##0)", -1200.0), "(¥1,200)");
        assert_eq!(show("[$¥-804]#,##0.00", 8500.0), "¥8,500.00");
        assert_eq!(show("0.00E+00", 12345.0), "1.23E+04");
        assert_eq!(show("000000", 42.0), "000042");
        assert_eq!(show("0.##", 2.5), "2.5");
        assert_eq!(show("0.0,\"k\"", 15300.0), "15.3k");
        assert_eq!(show("0\"元\"", -3.0), "-3元");
        assert_eq!(show("0.00", 1.005), "1.01");
        assert_eq!(show("_ * #,##0_ ;_ * -#,##0_ ;_ * \"-\"_ ", 0.0), "-");
        assert_eq!(show("# ?/?", 0.5), "0.5");
    }
}
