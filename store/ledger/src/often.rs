//! Rows that are written often: by statements of few constant texts, so that the database prepares each once.

use std::fmt::Write;

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, Statement, Value};

use crate::LedgerError;

/// Most rows of one statement. Measured: more make it no cheaper. A power of two, as all counts of rows in a statement:
/// then there are six texts for any number of rows.
const TOGETHER: usize = 32;

/// Writes rows of `N` columns into a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Insert<const N: usize> {
    pub(crate) table: &'static str,
    pub(crate) columns: [&'static str; N],
    /// What stands behind the values, such as what becomes of a row that is there already.
    pub(crate) tail: &'static str,
}

impl<const N: usize> Insert<N> {
    /// Writes `rows`, values in the order of the columns.
    ///
    /// # Errors
    /// [`LedgerError::Store`] only.
    pub(crate) async fn run(
        &self,
        txn: &DatabaseTransaction,
        rows: impl ExactSizeIterator<Item = [Value; N]>,
    ) -> Result<(), LedgerError> {
        let backend = txn.get_database_backend();
        let mut left = rows.len();
        let mut values = rows.flatten();
        let mut text = (0, String::new());
        while left > 0 {
            let count = TOGETHER.min(1 << left.ilog2());
            left -= count;
            if text.0 != count {
                text = (count, self.text(backend, count));
            }
            let part: Vec<Value> = values.by_ref().take(count * N).collect();
            txn.execute_raw(Statement::from_sql_and_values(backend, text.1.as_str(), part)).await?;
        }
        Ok(())
    }

    fn text(&self, backend: DbBackend, rows: usize) -> String {
        let columns = self.columns.map(|column| format!("\"{column}\"")).join(", ");
        let mut text = format!("INSERT INTO \"{}\" ({columns}) VALUES ", self.table);
        let mut bound = 0;
        for row in 0..rows {
            text.push_str(if row == 0 { "(" } else { ", (" });
            for column in 0..N {
                bound += 1;
                text.push_str(if column == 0 { "" } else { ", " });
                let _text_takes_all = match backend {
                    DbBackend::Postgres => write!(text, "${bound}"),
                    _ => write!(text, "?"),
                };
            }
            text.push(')');
        }
        text.push(' ');
        text.push_str(self.tail);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_database_gets_its_own_marks() {
        let insert = Insert { table: "t", columns: ["a", "b"], tail: "ON CONFLICT DO NOTHING" };
        let text = |backend| insert.text(backend, 2);
        let rest = "INSERT INTO \"t\" (\"a\", \"b\") VALUES ";
        assert_eq!(text(DbBackend::Sqlite), format!("{rest}(?, ?), (?, ?) ON CONFLICT DO NOTHING"));
        assert_eq!(text(DbBackend::Postgres), format!("{rest}($1, $2), ($3, $4) ON CONFLICT DO NOTHING"));
    }
}
