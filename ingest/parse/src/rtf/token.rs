//! Bytes to groups, words and text.

/// What comes next.
pub(super) enum Token<'r> {
    Open,
    Close,
    /// A byte of text, written as itself or as `\'hh`.
    Byte(u8),
    /// `\*`: who does not know the next word leaves its group out.
    Ignorable,
    /// A control word with its number, such as `\par` and `\u20013`; control symbols are words of one character.
    Word(&'r str, Option<i32>),
}

/// The tokens of a file.
pub(super) struct Tokens<'r> {
    rest: &'r [u8],
}

impl<'r> Tokens<'r> {
    pub(super) fn new(bytes: &'r [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Passes over raw data.
    pub(super) fn skip(&mut self, bytes: i32) {
        let bytes = usize::try_from(bytes).unwrap_or_default().min(self.rest.len());
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    fn control(&mut self) -> Option<Token<'r>> {
        let letters = self.rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        if letters == 0 {
            return self.symbol();
        }
        let (word, rest) = self.rest.split_at_checked(letters)?;
        let sign = usize::from(rest.first() == Some(&b'-'));
        let digits = rest.iter().skip(sign).take_while(|byte| byte.is_ascii_digit()).count();
        let length = if digits == 0 { 0 } else { sign + digits };
        let (number, rest) = rest.split_at_checked(length)?;
        self.rest = rest.strip_prefix(b" ").unwrap_or(rest);
        let number = std::str::from_utf8(number).ok().and_then(|number| number.parse().ok());
        Some(Token::Word(std::str::from_utf8(word).unwrap_or_default(), number))
    }

    fn symbol(&mut self) -> Option<Token<'r>> {
        let (symbol, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(match symbol {
            b'\'' => {
                let (digits, rest) = rest.split_at_checked(2)?;
                self.rest = rest;
                let byte = std::str::from_utf8(digits).ok().and_then(|digits| u8::from_str_radix(digits, 16).ok());
                Token::Byte(byte.unwrap_or(b'?'))
            }
            b'*' => Token::Ignorable,
            b'\\' | b'{' | b'}' => Token::Byte(*symbol),
            b'~' => Token::Byte(b' '),
            b'_' => Token::Byte(b'-'),
            b'\r' | b'\n' => Token::Word("par", None),
            b'\t' => Token::Word("tab", None),
            _ => Token::Word("", None),
        })
    }
}

impl<'r> Iterator for Tokens<'r> {
    type Item = Token<'r>;

    fn next(&mut self) -> Option<Token<'r>> {
        loop {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            match byte {
                b'{' => return Some(Token::Open),
                b'}' => return Some(Token::Close),
                b'\\' => return self.control(),
                b'\r' | b'\n' | 0 => {}
                byte => return Some(Token::Byte(*byte)),
            }
        }
    }
}
