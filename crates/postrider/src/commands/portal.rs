//! `postrider portal`: a link into the consumer portal.

use super::CommandResult;
use crate::client::{Client, ServerArgs};
use clap::Args;
use serde::Deserialize;

/// The longest that a link may be good for, in hours: a week.
const LONGEST_HOURS: u32 = 7 * 24;

/// Make a link with which a customer looks after its own endpoints.
#[derive(Debug, Args)]
#[command(after_help = "\
Whoever has the link opens this one application: its endpoints, their secrets, what was sent and answered.
It can't send messages, and can't change contracts, limits or retries.

Examples:
  postrider portal acme
  postrider portal acme --read-only --hours 1")]
pub struct PortalArgs {
    /// The application's id or uid
    app: String,
    /// Only look
    #[arg(long)]
    read_only: bool,
    /// How long it is good for
    #[arg(long, value_name = "N", default_value_t = LONGEST_HOURS, value_parser = clap::value_parser!(u32).range(1..=i64::from(LONGEST_HOURS)))]
    hours: u32,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Deserialize)]
struct Access {
    url: String,
}

/// Makes it and says it.
pub fn run(args: &PortalArgs) -> CommandResult {
    let client = Client::new(&args.server)?;
    let wanted = serde_json::json!({ "readOnly": args.read_only, "expiry": args.hours * 3_600 });
    let answer = client.post(&["auth", "app-portal-access", &args.app], &[], wanted.to_string())?;
    if args.server.json {
        return Ok(answer + "\n");
    }
    let access: Access = client.read(&answer)?;
    let hours = if args.hours == 1 { "an hour".to_owned() } else { format!("{} hours", args.hours) };
    Ok(format!("{}\nGood for {hours}. End it sooner: POST /api/v1/auth/app/{}/expire-all\n", access.url, args.app))
}
