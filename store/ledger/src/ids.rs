//! Public ids: a prefix that names the kind, then a time-ordered UUID.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use rand::RngCore;
use uuid::{Builder, Uuid};

/// Bits of an id that count within a millisecond (RFC 9562, section 6.2, method 1).
const COUNTED: u32 = 12;

/// A new id such as `vs_0192…`: `prefix` and a version 7 UUID in simple hex, so that ids made by one
/// process sort by age.
#[must_use]
pub fn new_id(prefix: &str) -> String {
    let mut id = String::with_capacity(prefix.len() + uuid::fmt::Simple::LENGTH);
    id.push_str(prefix);
    id.push_str(new_uuid().simple().encode_lower(&mut Uuid::encode_buffer()));
    id
}

/// Without a system call: its random part comes from this thread's generator.
fn new_uuid() -> Uuid {
    let moment = next();
    let mut rest = [0; 10];
    rand::rng().fill_bytes(&mut rest);
    let count = u16::try_from(moment & ((1 << COUNTED) - 1)).unwrap_or_default().to_be_bytes();
    if let Some(first) = rest.first_chunk_mut() {
        *first = count;
    }
    Builder::from_unix_timestamp_millis(moment >> COUNTED, &rest).into_uuid()
}

/// Milliseconds since 1970 and a count behind them, never the same twice and never less than before.
fn next() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = u64::try_from(since.as_millis()).unwrap_or_default() << COUNTED;
    let after = |last: u64| now.max(last + 1);
    match LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(after(last))) {
        Ok(last) | Err(last) => after(last),
    }
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
