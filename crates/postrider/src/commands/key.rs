//! `postrider key`: API keys.

use super::CommandResult;
use crate::client::{Client, ServerArgs};
use crate::table::Table;
use clap::{Args, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

/// Make, list and revoke API keys.
#[derive(Debug, Args)]
pub struct KeyArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key and print it, this once
    #[command(after_help = "\
Examples:
  postrider key create \"billing service\" --scope send
  postrider key create \"support desk\" --scope read")]
    Create {
        /// What the key is for
        name: String,
        /// What it may do: everything, only look (at all but secrets), or only send messages
        #[arg(long, value_enum, default_value_t = Scope::All)]
        scope: Scope,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// List the keys, without their values
    #[command(after_help = "Example:\n  postrider key list")]
    List {
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Revoke a key: from now on it opens nothing
    #[command(after_help = "Example:\n  postrider key revoke key_4uZrPMXqvzcAnKmGwVyLe1")]
    Revoke {
        /// The key's id, as `postrider key list` shows it
        id: String,
        #[command(flatten)]
        server: ServerArgs,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
enum Scope {
    All,
    Read,
    Send,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Key {
    id: String,
    name: String,
    scope: String,
    #[serde(default)]
    key: String,
    created_at: String,
    #[serde(default)]
    revoked_at: String,
}

#[derive(Deserialize)]
struct Keys {
    data: Vec<Key>,
}

/// Does what was asked for.
pub fn run(args: &KeyArgs) -> CommandResult {
    match &args.action {
        Action::Create { name, scope, server } => create(name, *scope, server),
        Action::List { server } => list(server),
        Action::Revoke { id, server } => revoke(id, server),
    }
}

fn create(name: &str, scope: Scope, server: &ServerArgs) -> CommandResult {
    let client = Client::new(server)?;
    let answer = client.post(&["key"], &[], serde_json::json!({ "name": name, "scope": scope }).to_string())?;
    if server.json {
        return Ok(answer + "\n");
    }
    let made: Key = client.read(&answer)?;
    Ok(format!("{}\nThis is the key {} ({}), shown once: keep it.\n", made.key, made.id, made.name))
}

fn list(server: &ServerArgs) -> CommandResult {
    let client = Client::new(server)?;
    let answer = client.get(&["key"], &[])?;
    if server.json {
        return Ok(answer + "\n");
    }
    let keys: Keys = client.read(&answer)?;
    let mut table = Table::new(&["ID", "NAME", "SCOPE", "CREATED", "REVOKED"]);
    for key in &keys.data {
        table.row([&key.id, &key.name, &key.scope, &key.created_at, &key.revoked_at]);
    }
    Ok(table.text())
}

fn revoke(id: &str, server: &ServerArgs) -> CommandResult {
    Client::new(server)?.delete(&["key", id])?;
    // The API answers with nothing, and so does --json.
    Ok(if server.json { String::new() } else { format!("Revoked {id}.\n") })
}
