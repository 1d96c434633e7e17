//! Handles of metrics by their labels: found without a lock and without a new string, and bounded in number.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;

/// Stands for every label past the bound.
const OTHER: &str = "other";

/// Handles by two names and a number, such as a route, a method and a status.
#[derive(Debug)]
pub(crate) struct Table<V> {
    rows: ArcSwap<Rows<V>>,
    most: usize,
    make: fn(&str, &str, u16) -> V,
}

type Rows<V> = HashMap<Box<str>, Vec<Row<V>>>;

#[derive(Debug)]
struct Row<V> {
    second: Box<str>,
    number: u16,
    value: Arc<V>,
}

impl<V> Clone for Row<V> {
    fn clone(&self) -> Self {
        Self { second: self.second.clone(), number: self.number, value: self.value.clone() }
    }
}

impl<V> Table<V> {
    /// A table that makes its handles at their first use, `most` of them; the rest share the label `other`.
    pub(crate) fn new(most: usize, make: fn(&str, &str, u16) -> V) -> Self {
        Self { rows: ArcSwap::default(), most, make }
    }

    /// The handles for these labels.
    pub(crate) fn get(&self, first: &str, second: &str, number: u16) -> Arc<V> {
        find(&self.rows.load(), first, second, number).unwrap_or_else(|| self.add(first, second, number))
    }

    fn add(&self, first: &str, second: &str, number: u16) -> Arc<V> {
        let held = self.rows.load().values().map(Vec::len).sum::<usize>();
        let (first, second) = if held < self.most { (first, second) } else { (OTHER, OTHER) };
        let made = Arc::new((self.make)(first, second, number));
        self.rows.rcu(|rows| {
            let mut rows = Rows::clone(rows);
            if find(&rows, first, second, number).is_none() {
                let row = Row { second: second.into(), number, value: made.clone() };
                rows.entry(first.into()).or_default().push(row);
            }
            rows
        });
        find(&self.rows.load(), first, second, number).unwrap_or(made)
    }
}

fn find<V>(rows: &Rows<V>, first: &str, second: &str, number: u16) -> Option<Arc<V>> {
    let row = rows.get(first)?.iter().find(|row| row.number == number && *row.second == *second)?;
    Some(row.value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_labels_give_the_same_handles_and_too_many_share_one() {
        let table = Table::new(3, |first, second, number| format!("{first} {second} {number}"));
        let one = table.get("/v1/models", "GET", 200);
        assert!(Arc::ptr_eq(&one, &table.get("/v1/models", "GET", 200)));
        assert_eq!(*table.get("/v1/models", "GET", 401), "/v1/models GET 401");
        assert_eq!(*table.get("/v1/models", "HEAD", 200), "/v1/models HEAD 200");
        assert_eq!(*table.get("/v1/files", "GET", 200), "other other 200");
        assert!(Arc::ptr_eq(&table.get("/a", "GET", 200), &table.get("/b", "PUT", 200)));
        assert_eq!(*one, "/v1/models GET 200", "what was there stays");
    }
}
