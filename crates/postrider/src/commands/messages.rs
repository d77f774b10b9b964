//! `postrider messages`: what was sent.

use super::CommandResult;
use crate::client::{Client, ServerArgs};
use crate::table::Table;
use clap::Args;
use clap::builder::RangedU64ValueParser;
use serde::Deserialize;

/// List an application's messages, the newest first.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  postrider messages --app acme --type user.created --limit 20")]
pub struct MessagesArgs {
    /// The application's id or uid
    #[arg(long, value_name = "APP")]
    app: String,
    /// How many at most, 1 to 250
    #[arg(long, value_name = "N", default_value = "50", value_parser = RangedU64ValueParser::<u64>::new().range(1..=250))]
    limit: u64,
    /// Only messages of this event type; may be repeated
    #[arg(long = "type", value_name = "TYPE")]
    event_types: Vec<String>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Deserialize)]
struct Messages {
    data: Vec<Message>,
    done: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    id: String,
    event_type: String,
    #[serde(default)]
    event_id: String,
    #[serde(default)]
    channels: Vec<String>,
    timestamp: String,
}

/// Lists them.
pub fn run(args: &MessagesArgs) -> CommandResult {
    let client = Client::new(&args.server)?;
    let limit = args.limit.to_string();
    let mut query = vec![("limit", limit.as_str())];
    query.extend(args.event_types.iter().map(|name| ("event_types", name.as_str())));
    if !args.server.json {
        query.push(("with_content", "false"));
    }
    let answer = client.get(&["app", &args.app, "msg"], &query)?;
    if args.server.json {
        return Ok(answer + "\n");
    }
    let messages: Messages = client.read(&answer)?;
    if messages.data.is_empty() {
        return Ok("There are no such messages.\n".to_owned());
    }
    let mut table = Table::new(&["ID", "TYPE", "TIME", "EVENT ID", "CHANNELS"]);
    for message in &messages.data {
        let channels = message.channels.join(", ");
        table.row([&message.id, &message.event_type, &message.timestamp, &message.event_id, &channels]);
    }
    Ok(table.text() + super::more(messages.done))
}
