//! Public ids: a prefix that names the kind, then a time-ordered UUID.

use uuid::Uuid;

/// A new id such as `vs_0192…`: `prefix` and a version 7 UUID in simple hex, so that ids made by one
/// process sort by age.
#[must_use]
pub fn new_id(prefix: &str) -> String {
    format!("{prefix}{}", Uuid::now_v7().simple())
}

/// When an id of [`new_id`] was made (Unix seconds), or `None` for any other string.
pub(crate) fn made_at(id: &str) -> Option<i64> {
    let (_, tail) = id.split_at_checked(id.len().checked_sub(32)?)?;
    let (seconds, _) = Uuid::try_parse(tail).ok()?.get_timestamp()?.to_unix();
    i64::try_from(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_when_it_was_made() {
        let before = time::OffsetDateTime::now_utc().unix_timestamp();
        let id = new_id("vs_");
        let made = made_at(&id).unwrap();
        assert!((before..=before + 1).contains(&made), "{made}");
        for other in ["", "vs_1", "ä", &"x".repeat(32), &"ä".repeat(16), "vs_00000000000040008000000000000000"] {
            assert_eq!(made_at(other), None, "{other}");
        }
    }

    #[test]
    fn ids_of_one_process_sort_by_age() {
        let ids: Vec<String> = (0..1000).map(|_| new_id("file-")).collect();
        assert!(ids.is_sorted());
    }
}
