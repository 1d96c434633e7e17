//! Text that people read as a name: it must show what it holds.

use super::ApiError;

/// Longest name of a key or project, in characters.
const LONGEST: usize = 200;

/// Whether a letter hides, reorders or breaks what stands around it: control characters, zero-width letters, line and
/// paragraph separators, and the marks that turn the direction of text.
pub(crate) fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

/// Refuses a name that is empty, longer than 200 characters, or holds hidden letters.
///
/// # Errors
/// `Invalid`, naming `param`.
pub(crate) fn check(param: &str, name: &str) -> Result<(), ApiError> {
    let length = name.chars().count();
    if name.trim().is_empty() || length > LONGEST {
        return Err(ApiError::invalid(param, format!("`{param}` takes 1 to {LONGEST} characters")));
    }
    refuse_hidden(param, name)
}

/// Whether a name that somebody else made up can be shown as it is: neither empty nor longer than `most` characters, and
/// without hidden letters.
pub(crate) fn is_plain(name: &str, most: usize) -> bool {
    !name.trim().is_empty() && name.chars().count() <= most && !name.chars().any(is_hidden)
}

/// Refuses text with hidden letters.
///
/// # Errors
/// `Invalid`, naming `param`.
pub(crate) fn refuse_hidden(param: &str, text: &str) -> Result<(), ApiError> {
    match text.chars().find(|letter| is_hidden(*letter)) {
        None => Ok(()),
        Some(letter) => {
            let code = u32::from(letter);
            Err(ApiError::invalid(param, format!("`{param}` holds U+{code:04X}, which nobody can see; leave it out")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_they_look_like() {
        for good in ["ci", "Rechnungsstelle Nord", "财务部", &"n".repeat(200)] {
            assert!(check("name", good).is_ok(), "{good}");
        }
        for bad in ["", "  ", "a\nb", "a\u{0}", "a\u{7f}", "invoice\u{202E}fdp", "a\u{200B}b", &"n".repeat(201)] {
            assert!(check("name", bad).is_err(), "{bad:?}");
        }
        let ApiError::Invalid { message, param, .. } = check("name", "a\u{202E}").unwrap_err() else {
            panic!("a refusal of the request")
        };
        assert!(message.contains("U+202E") && param.as_deref() == Some("name"), "{message}");
    }
}
