//! `postrider attempts`: what came of it.

use super::CommandResult;
use crate::client::{Client, ServerArgs};
use crate::table::Table;
use clap::Args;
use clap::builder::RangedU64ValueParser;
use serde::Deserialize;

/// List the attempts to deliver a message, or to an endpoint, the newest first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  postrider attempts --app acme --message msg_4uZrPMXqvzcAnKmGwVyLe1
  postrider attempts --app acme --endpoint main --failed --limit 10")]
#[group(id = "of", required = true, multiple = false, args = ["message", "endpoint"])]
pub struct AttemptsArgs {
    /// The application's id or uid
    #[arg(long, value_name = "APP")]
    app: String,
    /// The attempts of this message: its id
    #[arg(long, value_name = "ID")]
    message: Option<String>,
    /// The attempts at this endpoint: its id or uid
    #[arg(long, value_name = "ID")]
    endpoint: Option<String>,
    /// How many at most, 1 to 250
    #[arg(long, value_name = "N", default_value = "50", value_parser = RangedU64ValueParser::<u64>::new().range(1..=250))]
    limit: u64,
    /// Only those that failed
    #[arg(long)]
    failed: bool,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Deserialize)]
struct Attempts {
    data: Vec<Attempt>,
    done: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attempt {
    msg_id: String,
    endpoint_id: String,
    response_status_code: u16,
    response_duration_ms: i64,
    status_text: String,
    timestamp: String,
    error: Option<AttemptError>,
}

#[derive(Deserialize)]
struct AttemptError {
    code: String,
    message: String,
}

/// Lists them.
pub fn run(args: &AttemptsArgs) -> CommandResult {
    let client = Client::new(&args.server)?;
    let limit = args.limit.to_string();
    let mut query = vec![("limit", limit.as_str())];
    if args.failed {
        query.push(("status", "2"));
    }
    if !args.server.json {
        query.push(("with_content", "false"));
    }
    let (kind, id) = match (&args.message, &args.endpoint) {
        (Some(message), _) => ("msg", message.as_str()),
        (None, endpoint) => ("endpoint", endpoint.as_deref().unwrap_or_default()),
    };
    let answer = client.get(&["app", &args.app, "attempt", kind, id], &query)?;
    if args.server.json {
        return Ok(answer + "\n");
    }
    let attempts: Attempts = client.read(&answer)?;
    if attempts.data.is_empty() {
        return Ok(if args.failed { "No attempt failed.\n" } else { "There is no attempt yet.\n" }.to_owned());
    }
    // The other end of each: the column that the question did not fix.
    let other = if args.message.is_some() { "ENDPOINT" } else { "MESSAGE" };
    let mut table = Table::new(&["TIME", other, "RESULT", "STATUS", "MS", "ERROR"]);
    for attempt in &attempts.data {
        let other = if args.message.is_some() { &attempt.endpoint_id } else { &attempt.msg_id };
        let status =
            if attempt.response_status_code == 0 { String::new() } else { attempt.response_status_code.to_string() };
        let error = attempt.error.as_ref().map(AttemptError::line).unwrap_or_default();
        let duration = attempt.response_duration_ms.to_string();
        table.row([&attempt.timestamp, other, &attempt.status_text, &status, &duration, &error]);
    }
    Ok(table.text() + super::more(attempts.done))
}

impl AttemptError {
    fn line(&self) -> String {
        format!("{}: {}", self.code, self.message)
    }
}
