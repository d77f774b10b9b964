//! `postrider doctor`: what is wrong with an installation, and what to do about it.

mod check;
mod deliveries;
mod embedded;
mod machine;
mod postgres;

use super::say;
use crate::cli::ServeArgs;
use crate::config::Config;
use check::{Check, Status};
use clap::Args;
use postrider_clock::Clock;
use postrider_store::doctor::{KeyFit, Schema};
use std::process::ExitCode;

/// Check an installation: the database, the keys, the clock, the disk, permissions and versions. Changes
/// nothing, and may run beside a server.
#[derive(Debug, Args)]
#[command(after_help = "\
Give it the flags, variables and postrider.toml of `postrider serve`, and run it as the same user.
It exits with 1 if there is a problem; warnings alone are no failure.

Example:
  postrider doctor --data /var/lib/postrider
  postrider doctor --database 'postgres://postrider:secret@db/postrider' --json")]
pub struct DoctorArgs {
    #[command(flatten)]
    serve: ServeArgs,
    /// Read every delivery, too, and say which of them nobody would send; takes a while on a large database
    #[arg(long)]
    deliveries: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Looks at everything and says what it found. Fails if there is a problem.
pub fn run(args: DoctorArgs) -> ExitCode {
    let checks = examine(args.serve, args.deliveries);
    let text = if args.json { check::json(&checks) } else { check::text(&checks) };
    let said = say(Ok(text));
    if checks.iter().any(|check| check.status == Status::Problem) { ExitCode::FAILURE } else { said }
}

fn examine(args: ServeArgs, reads_deliveries: bool) -> Vec<Check> {
    let config = match Config::load(args) {
        Ok(config) => config,
        Err(error) => {
            let advice = "Correct it; `postrider serve --help` lists the flags, the variables and the file's keys.";
            return vec![Check::problem("configuration", error.to_string(), advice)];
        }
    };
    let clock = Clock::system();
    let mut checks = vec![Check::ok("configuration", "the flags, variables and file are understood")];
    match &config.database {
        Some(url) => checks.extend(postgres::checks(url, &clock)),
        None => checks.extend(embedded::checks(&config.data)),
    }
    if reads_deliveries {
        checks.push(deliveries::check(&config));
    }
    checks.push(machine::clock(clock.wall_ms()));
    checks
}

/// The secret key as the environment gives it.
fn key_from_env() -> Option<String> {
    std::env::var("POSTRIDER_SECRET_KEY").ok().filter(|value| !value.is_empty())
}

fn key(fit: KeyFit) -> Check {
    match fit {
        KeyFit::Fits => Check::ok("secret key", "it is the one that the data was made with"),
        KeyFit::Free => Check::ok("secret key", "there is no data yet, so any key will do"),
        KeyFit::Other => Check::problem(
            "secret key",
            "the data was made with another key, so no secret can be read",
            "Start with the POSTRIDER_SECRET_KEY (or the key file) that the data was made with.",
        ),
        KeyFit::Unknown => Check::problem(
            "secret key",
            "there is no key to read the data with",
            "Set POSTRIDER_SECRET_KEY, or put back the key file, to the key that the data was made with.",
        ),
        KeyFit::Migrating => Check::problem(
            "secret key",
            "a migration into this database has not ended, so no key fits yet",
            "Run the same `postrider migrate` again: it goes on where it stopped.",
        ),
    }
}

fn schema(schema: Schema) -> Check {
    let Schema { found, known, newest } = schema;
    match found {
        0 => Check::ok("schema", "there are no tables yet; the first start makes them"),
        _ if found > newest => Check::problem(
            "schema",
            format!("it has version {found}, and this Postrider knows {known}"),
            "Start the newer Postrider that the data was written by.",
        ),
        _ if found > known => Check::warning(
            "schema",
            format!("it has version {found}, and this Postrider knows {known}: a newer one runs beside it"),
            "It works for now; bring this one to the newer version too.",
        ),
        _ if found < known => Check::ok("schema", format!("it has version {found}; the next start makes it {known}")),
        _ => Check::ok("schema", format!("it has version {found}, the newest")),
    }
}
