//! A batch of rows as columns, the way PostgreSQL takes many rows in one statement.

use super::mark::Part;
use crate::postgres::Param;
use rusqlite::{Result, Row};
use tokio_postgres::types::Type;

/// What a column holds in PostgreSQL. Any may be null.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Int8,
    Int4,
    Int2,
    Bool,
    Text,
    Bytes,
}

impl Kind {
    /// No key comes before this.
    pub fn first(self) -> Part {
        match self {
            Kind::Int8 | Kind::Int4 | Kind::Int2 | Kind::Bool => Part::Int(i64::MIN),
            Kind::Text => Part::Text(String::new()),
            Kind::Bytes => Part::Bytes(vec![]),
        }
    }

    /// The type of a [`Column`].
    pub fn array(self) -> Type {
        match self {
            Kind::Int8 => Type::INT8_ARRAY,
            Kind::Int4 => Type::INT4_ARRAY,
            Kind::Int2 => Type::INT2_ARRAY,
            Kind::Bool => Type::BOOL_ARRAY,
            Kind::Text => Type::TEXT_ARRAY,
            Kind::Bytes => Type::BYTEA_ARRAY,
        }
    }
}

/// The values of one column.
#[derive(Debug)]
pub enum Column {
    Int8(Vec<Option<i64>>),
    Int4(Vec<Option<i32>>),
    Int2(Vec<Option<i16>>),
    Bool(Vec<Option<bool>>),
    Text(Vec<Option<String>>),
    Bytes(Vec<Option<Vec<u8>>>),
}

impl Column {
    pub fn new(kind: Kind) -> Column {
        match kind {
            Kind::Int8 => Column::Int8(vec![]),
            Kind::Int4 => Column::Int4(vec![]),
            Kind::Int2 => Column::Int2(vec![]),
            Kind::Bool => Column::Bool(vec![]),
            Kind::Text => Column::Text(vec![]),
            Kind::Bytes => Column::Bytes(vec![]),
        }
    }

    /// Takes a value out of a row, and says about how many bytes it has.
    pub fn push(&mut self, row: &Row<'_>, column: usize) -> Result<usize> {
        match self {
            Column::Int8(values) => values.push(row.get(column)?),
            Column::Int4(values) => values.push(row.get(column)?),
            Column::Int2(values) => values.push(row.get(column)?),
            Column::Bool(values) => values.push(row.get(column)?),
            Column::Text(values) => {
                let text: Option<String> = row.get(column)?;
                let bytes = text.as_ref().map_or(0, String::len);
                // The one character that a text of PostgreSQL can't hold.
                values.push(text.map(|text| if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }));
                return Ok(bytes);
            }
            Column::Bytes(values) => {
                let value: Option<Vec<u8>> = row.get(column)?;
                let bytes = value.as_ref().map_or(0, Vec::len);
                values.push(value);
                return Ok(bytes);
            }
        }
        Ok(size_of::<i64>())
    }

    pub fn param(&self) -> Param<'_> {
        match self {
            Column::Int8(values) => (values, Type::INT8_ARRAY),
            Column::Int4(values) => (values, Type::INT4_ARRAY),
            Column::Int2(values) => (values, Type::INT2_ARRAY),
            Column::Bool(values) => (values, Type::BOOL_ARRAY),
            Column::Text(values) => (values, Type::TEXT_ARRAY),
            Column::Bytes(values) => (values, Type::BYTEA_ARRAY),
        }
    }

    /// The numbers in a column of numbers, or nothing.
    pub fn ints(&self) -> Box<dyn Iterator<Item = i64> + '_> {
        match self {
            Column::Int8(values) => Box::new(values.iter().flatten().copied()),
            Column::Int4(values) => Box::new(values.iter().flatten().copied().map(i64::from)),
            Column::Int2(values) => Box::new(values.iter().flatten().copied().map(i64::from)),
            _ => Box::new(std::iter::empty()),
        }
    }
}
