//! Turns "unknown field" into a sentence that names the nearest known key.

/// How far a guess may be off, in letters changed, before it is no help.
const FARTHEST: usize = 3;

/// The unknown key and the known ones, read from the message that serde's derive makes.
pub(super) fn explain(message: &str) -> Option<String> {
    let rest = message.split_once("unknown field `")?.1;
    let (unknown, rest) = rest.split_once('`')?;
    let known: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
    let nearest = nearest(unknown, &known);
    Some(match nearest {
        Some(key) => format!("unknown key `{unknown}`; did you mean `{key}`?"),
        None => format!("unknown key `{unknown}`; known keys here: {}", known.join(", ")),
    })
}

fn nearest<'a>(unknown: &str, known: &[&'a str]) -> Option<&'a str> {
    let distance = |key: &&&str| strsim::damerau_levenshtein(unknown, key);
    known.iter().min_by_key(distance).copied().filter(|key| strsim::damerau_levenshtein(unknown, key) <= FARTHEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_known_key_is_named() {
        let message = "unknown field `lisen`, expected one of `listen`, `grace`";
        assert_eq!(explain(message).unwrap(), "unknown key `lisen`; did you mean `listen`?");
    }

    #[test]
    fn a_far_key_lists_what_is_known() {
        let message = "unknown field `wallpaper`, expected `listen` or `grace`";
        assert_eq!(explain(message).unwrap(), "unknown key `wallpaper`; known keys here: listen, grace");
    }
}
