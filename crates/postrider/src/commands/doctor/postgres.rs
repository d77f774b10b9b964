//! An installation on PostgreSQL.

use super::check::Check;
use super::{key, key_from_env, machine, schema};
use crate::keys::{KeyError, secret_key};
use postrider_clock::Clock;
use postrider_store::OpenError;
use postrider_store::doctor::{Node, Postgres, Settings, postgres};
use std::path::Path;
use tokio::runtime::Builder;

const OLDEST_MAJOR: i32 = 14;
/// Connections that a server may open: eight to read, one to write, one to spare.
const CONNECTIONS: i64 = 10;
/// Differences between clocks.
const MUCH_MS: i64 = 1_000;
const TOO_MUCH_MS: i64 = 5_000;

/// All that can be said of a database.
pub fn checks(url: &str, clock: &Clock) -> Vec<Check> {
    let mut checks = Vec::new();
    let given = match given_key() {
        Ok(given) => Some(given),
        Err(error) => {
            let advice = "Set it to the key that the data was made with.";
            checks.push(Check::problem("secret key", error.to_string(), advice));
            None
        }
    };
    match look(url, given.as_ref(), clock) {
        Ok(found) => {
            checks.insert(0, reached(&found.settings));
            checks.insert(1, schema(found.schema));
            if given.is_some() {
                checks.push(key(found.key));
            }
            checks.extend(settings(&found.settings));
            checks.push(connections(&found));
            checks.push(versions(&found));
            checks.extend(gone(&found.nodes));
            checks.push(clocks(found.ahead_ms));
        }
        Err(error) => checks.insert(0, unreachable(&error)),
    }
    checks
}

fn look(url: &str, key: Option<&[u8; 32]>, clock: &Clock) -> Result<Postgres, OpenError> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| OpenError::Database(error.to_string()))?;
    runtime.block_on(postgres(url, key, clock))
}

/// With PostgreSQL there is no key file.
fn given_key() -> Result<[u8; 32], KeyError> {
    let from_env = key_from_env().ok_or(KeyError::NoSecretKey)?;
    secret_key(Some(&from_env), Path::new(""))
}

fn unreachable(error: &OpenError) -> Check {
    Check::problem(
        "database",
        error.to_string(),
        "Correct the URL (--database or POSTRIDER_DATABASE), or start PostgreSQL; `psql URL` tells more.",
    )
}

fn reached(found: &Settings) -> Check {
    if found.is_standby {
        return Check::problem(
            "database",
            "it is a standby and takes no writes",
            "Give the URL of the primary, or promote this one.",
        );
    }
    let size = machine::size(found.bytes.cast_unsigned());
    Check::ok("database", format!("it answers; the data takes {size} on its disk"))
}

fn settings(found: &Settings) -> Vec<Check> {
    let mut checks = Vec::new();
    let safe = [("synchronous_commit", &found.synchronous_commit), ("fsync", &found.fsync)];
    for (name, value) in safe.into_iter().filter(|(_, value)| *value == "off") {
        checks.push(Check::warning(
            "durability",
            format!("{name} is {value}: a crash of the database loses messages that were accepted"),
            format!("Set {name} = on in postgresql.conf, and for this database and user."),
        ));
    }
    if checks.is_empty() {
        let message = format!("synchronous_commit is {}, fsync is {}", found.synchronous_commit, found.fsync);
        checks.push(Check::ok("durability", message));
    }
    checks.push(if found.may_create {
        Check::ok("permissions", "this user may make tables")
    } else {
        Check::problem(
            "permissions",
            "this user may not make tables, which the first start of a version does",
            "GRANT CREATE ON SCHEMA public to it, or let it own the database.",
        )
    });
    checks
}

fn connections(found: &Postgres) -> Check {
    let alive = found.nodes.iter().filter(|node| node.is_alive).count() as i64;
    let wanted = (alive + 1) * CONNECTIONS;
    let (most, used) = (found.settings.connections, found.settings.connected);
    let message = format!("{used} of {most} are in use; the running servers and one more may want {wanted}");
    if i64::from(most) >= wanted {
        return Check::ok("connections", message);
    }
    Check::warning(
        "connections",
        message,
        format!("Set max_connections to {wanted} and some for others, or put PgBouncer between (pooler=transaction)."),
    )
}

fn versions(found: &Postgres) -> Check {
    let (ours, database) = (env!("CARGO_PKG_VERSION"), &found.settings.version);
    if found.settings.version_number / 10_000 < OLDEST_MAJOR {
        let message = format!("PostgreSQL {database} is too old");
        return Check::problem("versions", message, format!("Use PostgreSQL {OLDEST_MAJOR} or newer."));
    }
    let alive = found.nodes.iter().filter(|node| node.is_alive);
    let others: Vec<&str> = alive.map(|node| node.version.as_str()).filter(|version| *version != ours).collect();
    let message = format!("Postrider {ours}, PostgreSQL {database}");
    match others.first() {
        None => Check::ok("versions", message),
        Some(other) => Check::warning(
            "versions",
            format!("{message}, and {} of the running servers with others, such as {other}", others.len()),
            "Bring all servers to one version; one minor version between them is fine for a while.",
        ),
    }
}

/// Servers that run, and those that are gone and whose deliveries wait for someone to take them over.
fn gone(nodes: &[Node]) -> Vec<Check> {
    let (alive, gone): (Vec<&Node>, Vec<&Node>) = nodes.iter().partition(|node| node.is_alive);
    let names = |nodes: &[&Node]| nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>().join("; ");
    let mut checks = Vec::new();
    if !gone.is_empty() {
        let advice = match alive.len() {
            0 => "Start a server: it takes over at once.",
            _ => "The running ones take over within seconds; if this stays, look at their logs.",
        };
        let message = format!("{} gone, and nobody has taken over from them yet: {}", gone.len(), names(&gone));
        checks.push(Check::warning("servers", message, advice));
    }
    if !alive.is_empty() {
        checks.push(Check::ok("servers", format!("{} running: {}", alive.len(), names(&alive))));
    } else if gone.is_empty() {
        checks.push(Check::ok("servers", "none is running"));
    }
    checks
}

fn clocks(ahead_ms: i64) -> Check {
    let (off, advice) = (ahead_ms.abs(), "Let NTP (chrony, systemd-timesyncd) keep both clocks.");
    let message = format!("the database's is {off} ms {} ours", if ahead_ms < 0 { "behind" } else { "ahead of" });
    match off {
        0..=MUCH_MS => Check::ok("clocks", format!("the database's and ours differ by {off} ms")),
        ..=TOO_MUCH_MS => Check::warning("clocks", message, advice),
        _ => Check::problem("clocks", message, advice),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::Status;
    use super::*;

    #[test]
    fn clocks_that_differ_are_told() {
        let status = |ahead_ms| clocks(ahead_ms).status;
        assert_eq!([0, -1_000, 1_000].map(status), [Status::Ok; 3]);
        assert_eq!([-1_001, 5_000].map(status), [Status::Warning; 2]);
        assert_eq!([-5_001, 60_000].map(status), [Status::Problem; 2]);
    }

    #[test]
    fn versions_that_do_not_fit_are_told() {
        let found = |version_number, node: &str| Postgres {
            schema: postrider_store::doctor::Schema { found: 1, known: 1, newest: 11 },
            key: postrider_store::doctor::KeyFit::Fits,
            settings: Settings { version: "x".into(), version_number, connections: 15, ..Settings::default() },
            ahead_ms: 0,
            nodes: vec![Node { name: "a".into(), version: node.into(), is_alive: true }],
        };
        let ours = env!("CARGO_PKG_VERSION");
        assert_eq!(versions(&found(140_000, ours)).status, Status::Ok);
        assert_eq!(versions(&found(130_022, ours)).status, Status::Problem);
        assert_eq!(versions(&found(140_000, "9.9.9")).status, Status::Warning);
        assert_eq!(connections(&found(140_000, ours)).status, Status::Warning, "15 are too few for two");
    }
}
