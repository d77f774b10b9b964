//! `postrider migrate`: from the embedded database to PostgreSQL.

use super::{fail, say};
use crate::keys::{KeyError, secret_key};
use crate::table::Table;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use postrider_clock::Clock;
use postrider_store::migrate::{Counted, Migration, Progress, migrate};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Copy everything from the embedded database to PostgreSQL: API keys, applications, endpoints with
/// their secrets, messages, attempts, and what waits to be sent. Ids and keys stay as they are.
#[derive(Debug, Args)]
#[command(after_help = "\
Stop the server first. The embedded database is only read, and stays as it is. If the copy is
interrupted, run the same command again: it goes on where it stopped. At the end the rows are
counted on both sides; only if all counts agree can servers start on the copy.

POSTRIDER_SECRET_KEY is the key that the data was made with; without it, the key file in the data
directory. With PostgreSQL, servers take it from POSTRIDER_SECRET_KEY alone.

Example:
  postrider migrate --from sqlite:/var/lib/postrider --to postgres://postrider:secret@db/postrider")]
pub struct MigrateArgs {
    /// The data directory that `postrider serve` ran on, as sqlite:DIR
    #[arg(long, value_name = "sqlite:DIR", value_parser = directory)]
    from: PathBuf,
    /// An empty PostgreSQL database, as postgres://USER:PASSWORD@HOST/NAME
    #[arg(long, env = "POSTRIDER_DATABASE", hide_env_values = true, value_name = "URL", value_parser = postgres)]
    to: String,
}

/// Copies, and shows the counts. Fails if they differ.
pub fn run(args: MigrateArgs) -> ExitCode {
    let counted = match copy(&args) {
        Ok(counted) => counted,
        Err(error) => return fail(error),
    };
    let mut table = Table::new(&["TABLE", "SQLITE", "POSTGRESQL"]);
    for count in &counted {
        table.row([count.table, &count.source.to_string(), &count.target.to_string()]);
    }
    if counted.iter().any(|count| count.source != count.target) {
        say(Ok(table.text()));
        return fail(
            "the counts differ, so servers can't start on the copy. Make a new database (createdb) and migrate again",
        );
    }
    say(Ok(format!("{}{}", table.text(), advice(&args.from))))
}

fn copy(args: &MigrateArgs) -> Result<Vec<Counted>, Box<dyn Error>> {
    let migration = Migration {
        dir: args.from.clone(),
        url: args.to.clone(),
        secret_key: existing_key(&args.from)?,
        clock: Clock::system(),
    };
    // Without a terminal it stays hidden.
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{prefix:12} {bar:24} {human_pos} of {human_len} rows, {eta} left")
    {
        bar.set_style(style);
    }
    let counted = migrate(&migration, &mut |progress: Progress| {
        bar.set_prefix(progress.table);
        bar.set_length(progress.of.cast_unsigned());
        bar.set_position(progress.rows.cast_unsigned());
    });
    bar.finish_and_clear();
    Ok(counted?)
}

/// The key that the data was made with. Unlike a server's start, this never makes one.
fn existing_key(dir: &Path) -> Result<[u8; 32], Box<dyn Error>> {
    let from_env = std::env::var("POSTRIDER_SECRET_KEY").ok().filter(|value| !value.is_empty());
    let file = key_file(dir);
    if from_env.is_none() && dir.join("postrider.db").exists() && !file.exists() {
        let missing =
            format!("there is no {}; set POSTRIDER_SECRET_KEY to the key that the data was made with", file.display());
        return Err(missing.into());
    }
    if from_env.is_none() && !file.exists() {
        // Nothing is there to read with it: the migration says so.
        return Ok([0; 32]);
    }
    Ok(secret_key(from_env.as_deref(), dir).map_err(|error: KeyError| error)?)
}

/// Where the key lies when the environment has none.
pub fn key_file(dir: &Path) -> PathBuf {
    dir.join("secret.key")
}

/// What comes next.
fn advice(dir: &Path) -> String {
    let mut text = "All is there. Start servers with: postrider serve --database URL\n".to_owned();
    let from_env = std::env::var_os("POSTRIDER_SECRET_KEY").is_some_and(|value| !value.is_empty());
    if !from_env {
        let file = key_file(dir);
        text.push_str(&format!("Give each the same key: POSTRIDER_SECRET_KEY=$(cat {})\n", file.display()));
    }
    text
}

fn directory(text: &str) -> Result<PathBuf, String> {
    match text.strip_prefix("sqlite:") {
        Some(dir) if !dir.is_empty() => Ok(PathBuf::from(dir)),
        _ => Err("it must be sqlite: and the data directory, such as sqlite:/var/lib/postrider".to_owned()),
    }
}

fn postgres(text: &str) -> Result<String, String> {
    if ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme)) {
        Ok(text.to_owned())
    } else {
        Err("it must be postgres://USER:PASSWORD@HOST/NAME".to_owned())
    }
}
