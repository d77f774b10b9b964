//! An installation on the embedded database.

use super::check::Check;
use super::{key, key_from_env, machine, schema};
use crate::commands::migrate::key_file;
use crate::keys::secret_key;
use postrider_store::doctor::{embedded, library};
use std::path::Path;

/// The first version without the errors in the write-ahead log that older ones have.
const OLDEST_SQLITE: i32 = 3_051_003;

/// All that can be said of a data directory.
pub fn checks(dir: &Path) -> Vec<Check> {
    let mut checks = database(dir);
    checks.push(library_version());
    if dir.exists() {
        checks.extend(machine::permissions(dir));
    }
    checks.push(machine::disk(dir));
    checks
}

fn database(dir: &Path) -> Vec<Check> {
    let shown = dir.display();
    if !dir.join("postrider.db").exists() {
        return vec![Check::warning(
            "database",
            format!("there is none in {shown} yet"),
            "`postrider serve` makes it. If it should be there, say where with --data or POSTRIDER_DATA.",
        )];
    }
    let given = match given_key(dir) {
        Ok(given) => given,
        Err(check) => return vec![check],
    };
    match embedded(dir, given.as_ref()) {
        Ok(found) => {
            let opened = Check::ok("database", format!("the one in {shown} opens"));
            vec![opened, schema(found.schema), key(found.key)]
        }
        Err(error) => vec![Check::problem(
            "database",
            error.to_string(),
            "Run this as the user that the server runs as; if the file is damaged, put back a backup.",
        )],
    }
}

/// The key that a start would take, without making one.
fn given_key(dir: &Path) -> Result<Option<[u8; 32]>, Check> {
    let from_env = key_from_env();
    if from_env.is_none() && !key_file(dir).exists() {
        return Ok(None);
    }
    let advice = "Correct it: it must be the key that the data was made with.";
    secret_key(from_env.as_deref(), dir)
        .map(Some)
        .map_err(|error| Check::problem("secret key", error.to_string(), advice))
}

fn library_version() -> Check {
    let (text, number) = library();
    if number >= OLDEST_SQLITE {
        return Check::ok("versions", format!("Postrider {}, SQLite {text}", env!("CARGO_PKG_VERSION")));
    }
    Check::problem(
        "versions",
        format!("SQLite {text} can lose what was committed; 3.51.3 is the first that can't"),
        "Build Postrider with the SQLite that it ships.",
    )
}
