//! OpenAI's limits on `metadata`, wherever it stands.

use kubemate_wire::Metadata;

use crate::api::ApiError;

/// Most pairs.
const MOST: usize = 16;
/// Longest key, in characters.
const KEY: usize = 64;
/// Longest value, in characters.
const VALUE: usize = 512;

/// Refuses more or longer pairs than OpenAI takes.
///
/// # Errors
/// `Invalid`, naming `metadata` and its limits.
pub(super) fn check(metadata: Option<&Metadata>) -> Result<(), ApiError> {
    let fits = |(key, value): (&String, &String)| key.chars().count() <= KEY && value.chars().count() <= VALUE;
    match metadata {
        Some(pairs) if pairs.len() > MOST || !pairs.iter().all(fits) => {
            let message = format!(
                "`metadata` takes up to {MOST} pairs, keys of up to {KEY} and values of up to {VALUE} characters"
            );
            Err(ApiError::invalid("metadata", message))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_are_openais() {
        let pair = |key: usize, value: usize| Metadata::from([("k".repeat(key), "值".repeat(value))]);
        let many = |count: usize| (0..count).map(|at| (at.to_string(), String::new())).collect::<Metadata>();
        assert!(check(None).is_ok());
        assert!(check(Some(&pair(64, 512))).is_ok());
        assert!(check(Some(&many(16))).is_ok());
        for bad in [pair(65, 1), pair(1, 513), many(17)] {
            assert!(check(Some(&bad)).is_err());
        }
    }
}
