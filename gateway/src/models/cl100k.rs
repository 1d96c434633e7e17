//! OpenAI's token ids as text. langchain counts with this vocabulary whatever the model, and sends the ids.

use crate::api::ApiError;

/// The text of `ids` in the vocabulary `cl100k_base`.
///
/// # Errors
/// `Invalid` when an id is not of this vocabulary.
pub(crate) fn decode(ids: &[u32]) -> Result<String, ApiError> {
    let bytes = tiktoken_rs::cl100k_base_singleton()
        .decode_bytes(ids)
        .map_err(|_| ApiError::invalid("input", "`input` holds token ids outside cl100k_base; send texts instead"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_become_the_text_they_stand_for() {
        assert_eq!(decode(&[9906, 1917]).unwrap(), "Hello world");
        assert!(decode(&[4_000_000]).is_err());
    }
}
