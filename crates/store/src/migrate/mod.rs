//! Everything in the embedded database, copied to PostgreSQL.
//!
//! Tables go one after the other, in batches by their keys. Each batch is one transaction of the
//! target that also writes down how far the copy has come ([`mark`]), so a run that was interrupted
//! goes on where it stopped. Until all is there the target fits no secret key, so no server starts on
//! half of the data ([`target`]).

mod column;
mod error;
mod mark;
mod source;
mod table;
mod target;

pub use error::MigrateError;
pub(crate) use target::UNFINISHED;

use postrider_clock::Clock;
use source::Source;
use std::path::PathBuf;
use table::{TABLES, Table};
use target::Target;

/// What to copy, and where to.
#[derive(Clone)]
pub struct Migration {
    /// The data directory of the embedded database. No server may run on it.
    pub dir: PathBuf,
    /// A PostgreSQL database that is empty, or was left by an earlier run of the same migration.
    pub url: String,
    /// The key of the source; it becomes the target's.
    pub secret_key: [u8; 32],
    pub clock: Clock,
}

impl std::fmt::Debug for Migration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Migration").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// How far a migration has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The table that is copied now.
    pub table: &'static str,
    /// Rows that were copied, of all tables.
    pub rows: i64,
    /// Rows that there are.
    pub of: i64,
}

/// How many rows a table has on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    pub table: &'static str,
    pub source: i64,
    pub target: i64,
}

/// Copies everything, and counts. Only when every count is the same on both sides is the target
/// opened to servers. Blocks, and must not be called inside a runtime.
pub fn migrate(migration: &Migration, shown: &mut dyn FnMut(Progress)) -> Result<Vec<Counted>, MigrateError> {
    let source = Source::open(migration)?;
    let mut target = Target::open(&migration.url)?;
    target.begin(&source.identity(migration.dir.clone())?)?;

    let mut counted = Vec::new();
    for table in TABLES {
        counted.push(Counted { table: table.name, source: source.count(table)?, target: 0 });
    }
    let mut progress = Progress { table: "", rows: 0, of: counted.iter().map(|count| count.source).sum() };
    for table in TABLES {
        progress = Progress { table: table.name, ..progress };
        copy(table, &source, &mut target, &mut progress, shown)?;
    }
    for (table, count) in TABLES.iter().zip(&mut counted) {
        count.target = target.count(table)?;
    }
    if counted.iter().all(|count| count.source == count.target) {
        target.finish(&source.key_check()?)?;
    }
    Ok(counted)
}

/// Copies what an earlier run has not.
fn copy(
    table: &'static Table,
    source: &Source,
    target: &mut Target,
    progress: &mut Progress,
    shown: &mut dyn FnMut(Progress),
) -> Result<(), MigrateError> {
    let mut mark = target.mark(table)?;
    let before = progress.rows;
    loop {
        progress.rows = before + mark.rows;
        shown(*progress);
        let batch = source.batch(table, &mark)?;
        if batch.rows == 0 {
            return Ok(());
        }
        let next = mark.after(batch.last.clone(), batch.rows);
        target.add(table, &batch, &mark, &next)?;
        mark = next;
    }
}
