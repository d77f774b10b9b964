//! How far the copy of a table has come, as the target remembers it.

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Result, Row, ToSql};
use serde::{Deserialize, Serialize};

/// One column of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl Part {
    pub fn read(row: &Row<'_>, column: usize) -> Result<Part> {
        Ok(match row.get(column)? {
            Value::Text(text) => Part::Text(text),
            Value::Blob(bytes) => Part::Bytes(bytes),
            _ => Part::Int(row.get(column)?),
        })
    }
}

impl ToSql for Part {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Part::Int(int) => ValueRef::Integer(*int),
            Part::Text(text) => ValueRef::Text(text.as_bytes()),
            Part::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// The key of the last row that was copied, and how many were.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    pub last: Vec<Part>,
    pub rows: i64,
}

impl Mark {
    pub fn after(&self, last: Vec<Part>, rows: usize) -> Mark {
        Mark { last, rows: self.rows + rows as i64 }
    }
}
