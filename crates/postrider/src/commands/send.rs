//! `postrider send`: one message.

use super::CommandResult;
use crate::client::{Client, ServerArgs};
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::path::{Path, PathBuf};

/// Send a message to an application's endpoints.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  postrider send --app acme --type user.created --payload '{\"id\": 7}'
  postrider send --app acme --type invoice.paid --file invoice.json --idempotency-key invoice-42
  jq .order order.json | postrider send --app acme --type order.shipped --file -")]
#[group(id = "content", required = true, multiple = false, args = ["payload", "file"])]
pub struct SendArgs {
    /// The application's id or uid
    #[arg(long, value_name = "APP")]
    app: String,
    /// The event type
    #[arg(long = "type", value_name = "TYPE")]
    event_type: String,
    /// The payload in JSON, sent as it is; - reads standard input
    #[arg(long, value_name = "JSON", allow_negative_numbers = true)]
    payload: Option<String>,
    /// A file with the payload; - reads standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Your own id of the event, unique in the application
    #[arg(long, value_name = "ID")]
    event_id: Option<String>,
    /// A channel that the message is for; may be repeated
    #[arg(long = "channel", value_name = "NAME")]
    channels: Vec<String>,
    /// A label to find it by; may be repeated
    #[arg(long = "tag", value_name = "NAME")]
    tags: Vec<String>,
    /// Makes a repetition harmless: the same key and message are accepted once
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MessageIn<'a> {
    event_type: &'a str,
    payload: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    channels: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    tags: &'a [String],
}

#[derive(Deserialize)]
struct Accepted {
    id: String,
    #[serde(default)]
    warnings: Vec<Warning>,
}

#[derive(Deserialize)]
struct Warning {
    msg: String,
}

/// Sends it and says how to follow it.
pub fn run(args: &SendArgs) -> CommandResult {
    let client = Client::new(&args.server)?;
    let text = payload(args)?;
    // Kept as it was written, number for number: only whether it is JSON is looked at.
    let payload: &RawValue =
        serde_json::from_str(&text).map_err(|error| format!("the payload is not JSON: {error}"))?;
    let message = MessageIn {
        event_type: &args.event_type,
        payload,
        event_id: args.event_id.as_deref(),
        channels: &args.channels,
        tags: &args.tags,
    };
    let headers: Vec<_> = args.idempotency_key.iter().map(|key| ("idempotency-key", key.as_str())).collect();
    let answer = client.post(&["app", &args.app, "msg"], &headers, serde_json::to_string(&message)?)?;
    if args.server.json {
        return Ok(answer + "\n");
    }
    let accepted: Accepted = client.read(&answer)?;
    let (app, id) = (&args.app, accepted.id);
    let warnings: String = accepted.warnings.iter().map(|warning| format!("Warning: {}\n", warning.msg)).collect();
    Ok(format!("{id}\nAccepted. Follow it with: postrider attempts --app {app} --message {id}\n{warnings}"))
}

fn payload(args: &SendArgs) -> Result<String, String> {
    let file = match (&args.payload, &args.file) {
        (Some(text), _) if text != "-" => return Ok(text.clone()),
        (None, Some(file)) if file != Path::new("-") => file,
        _ => return std::io::read_to_string(std::io::stdin()).map_err(|error| format!("standard input: {error}")),
    };
    std::fs::read_to_string(file).map_err(|error| format!("can't read {}: {error}", file.display()))
}
