//! `postrider contract`: look at contracts, and at what they send, without a server.

use super::CommandResult;
use crate::cli::ServeArgs;
use crate::config::{Config, ConfigError};
use crate::sample::Sample;
use crate::server::contracts;
use crate::table::Table;
use clap::{Args, Subcommand};
use postrider_contract::{Contract, Problem};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Event types that a summary names.
const EVENTS_SHOWN: usize = 6;
/// Delays that a summary spells out.
const DELAYS_SHOWN: usize = 10;
/// Retries that a summary counts.
const MOST_RETRIES: u32 = 1_000;

/// Look at wire contracts.
#[derive(Debug, Args)]
pub struct ContractArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Say what is wrong with contract files, by line and column
    #[command(after_help = "Example:\n  postrider contract check contracts/*.toml")]
    Check {
        /// The contract files
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },
    /// Print the request that a contract makes of an event
    #[command(after_help = "\
FILE holds a message as the API takes it, and if need be the endpoint and the application:
  {\"eventType\": \"user.created\", \"payload\": {\"id\": 7},
   \"endpoint\": {\"url\": \"https://example.com/hook\", \"uid\": \"main\", \"metadata\": {}},
   \"application\": {\"uid\": \"acme\"}}

Example:
  postrider contract show standard --event event.json --secret whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")]
    Show(ShowArgs),
    /// List the contracts that there are
    #[command(after_help = "Example:\n  postrider contract list --contracts ./contracts")]
    List {
        #[command(flatten)]
        book: BookArgs,
    },
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// The contract's name, as `postrider contract list` shows it
    name: String,
    /// A file with the event in JSON; - reads standard input
    #[arg(long, value_name = "FILE")]
    event: PathBuf,
    /// The endpoint's secret; without it an example, always the same
    #[arg(long, value_name = "SECRET")]
    secret: Option<String>,
    /// The time of the attempt
    #[arg(long, value_name = "RFC3339", value_parser = milliseconds, default_value = "2026-01-31T12:00:00Z")]
    now: i64,
    #[command(flatten)]
    book: BookArgs,
}

/// Where contracts and their settings come from, as for `serve`.
#[derive(Debug, Args)]
struct BookArgs {
    /// Configuration file with the contracts' settings [default: postrider.toml, where there is one]
    #[arg(long, env = "POSTRIDER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Directory with contracts of your own, beside the shipped ones
    #[arg(long, env = "POSTRIDER_CONTRACTS", value_name = "DIR")]
    contracts: Option<PathBuf>,
}

impl BookArgs {
    fn config(&self) -> Result<Config, ConfigError> {
        let (config, contracts) = (self.config.clone(), self.contracts.clone());
        Config::load(ServeArgs { config, contracts, ..ServeArgs::default() })
    }
}

/// Does what was asked for.
pub fn run(args: &ContractArgs) -> ExitCode {
    match &args.action {
        Action::Check { files } => check(files),
        Action::Show(args) => super::say(show(args)),
        Action::List { book } => super::say(list(book)),
    }
}

/// Problems go to standard output, as those of a linter do: they are what was asked for.
fn check(files: &[PathBuf]) -> ExitCode {
    let (mut text, mut right) = (String::new(), true);
    for file in files {
        let name = file.display();
        match std::fs::read_to_string(file) {
            Err(error) => return super::fail(format!("can't read {name}: {error}")),
            Ok(source) => match Contract::parse(&source) {
                Ok(contract) => text += &summary(file, &source, &contract),
                Err(problems) => {
                    right = false;
                    text.extend(problems.iter().map(|problem: &Problem| format!("{name}:{problem}\n")));
                }
            },
        }
    }
    let said = super::say(Ok(text));
    if right { said } else { ExitCode::FAILURE }
}

fn summary(file: &Path, source: &str, contract: &Contract) -> String {
    let mut text = format!("{}: contract {} is right\n", file.display(), contract.name());
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "  {name:<10}{value}");
    };
    line("events", events(contract));
    line("encoding", encoding(source, contract));
    let own = contract.reserved_headers().iter().filter(|name| *name != "content-type");
    let headers = own.cloned().collect::<Vec<_>>().join(", ");
    line("headers", if headers.is_empty() { "none of its own".to_owned() } else { headers });
    let timeout = contract.timeout();
    line("timeout", format!("{} s{}", timeout.seconds, if timeout.fixed { ", fixed" } else { "" }));
    line("retries", retries(contract));
    text
}

fn events(contract: &Contract) -> String {
    let events = contract.events();
    let mut listed = events.list();
    let unshown = listed.len().saturating_sub(EVENTS_SHOWN);
    listed.truncate(EVENTS_SHOWN);
    if events.is_open() {
        listed.insert(0, "any that is registered".to_owned());
    }
    if unshown > 0 {
        listed.push(format!("and {unshown} more"));
    }
    if events.check_filter("any.*").is_ok() {
        listed.push("patterns such as user.*".to_owned());
    }
    listed.join(", ")
}

/// As the file names it.
fn encoding(source: &str, contract: &Contract) -> String {
    let file: toml::Table = toml::from_str(source).unwrap_or_default();
    let name = file.get("body").and_then(|body| body.get("encoding")).and_then(toml::Value::as_str);
    let name = name.unwrap_or("json");
    if contract.content_types().len() > 1 {
        format!("{name}, or XML where an endpoint asks for it")
    } else {
        name.to_owned()
    }
}

/// How many, and after how long each; the shortest, where chance decides.
fn retries(contract: &Contract) -> String {
    let delays = (1..=MOST_RETRIES).map_while(|attempts| contract.retry_delay(None, attempts, 0));
    let delays: Vec<Duration> = delays.collect();
    if delays.is_empty() {
        return "none".to_owned();
    }
    let shown = delays.iter().take(DELAYS_SHOWN).map(|delay| duration(*delay)).collect::<Vec<_>>().join(", ");
    let rest = if delays.len() > DELAYS_SHOWN { ", …" } else { "" };
    format!("{}, after {shown}{rest}", delays.len())
}

/// `90s`, `1h 30m`.
fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let parts = [(seconds / 86_400, "d"), (seconds / 3_600 % 24, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let parts = parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}"));
    let text = parts.collect::<Vec<_>>().join(" ");
    if text.is_empty() { format!("{}ms", duration.as_millis()) } else { text }
}

fn list(args: &BookArgs) -> CommandResult {
    let book = contracts(args.config()?.contracts.as_deref())?;
    let mut table = Table::new(&["NAME", "TITLE", "DESCRIPTION"]);
    for name in book.names() {
        if let Some(contract) = book.get(&name) {
            table.row([&name, contract.title(), contract.description()]);
        }
    }
    Ok(table.text())
}

fn show(args: &ShowArgs) -> CommandResult {
    let config = args.book.config()?;
    let book = contracts(config.contracts.as_deref())?;
    let known = || format!("{:?} is not a contract; there are {}", args.name, book.names().join(", "));
    let contract = book.get(&args.name).ok_or_else(known)?;
    let text = if args.event == Path::new("-") {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(&args.event)
    };
    let file = args.event.display();
    let text = text.map_err(|error| format!("can't read {file}: {error}"))?;
    let sample = Sample::read(&text).map_err(|error| format!("{file}: {error}"))?;
    let settings = config.contract_settings.get(contract.name()).cloned().unwrap_or_default();
    let request = sample.request(contract, &settings, args.secret.as_deref(), args.now)?;
    let mut shown = format!("POST {}\n", sample.url());
    for (name, value) in &request.headers {
        let _ = writeln!(shown, "{name}: {value}");
    }
    let _ = writeln!(shown, "\n{}", String::from_utf8_lossy(&request.body));
    Ok(shown)
}

fn milliseconds(text: &str) -> Result<i64, String> {
    let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| "write it like 2026-01-31T12:00:00Z".to_owned())?;
    i64::try_from(time.unix_timestamp_nanos() / 1_000_000).map_err(|error| error.to_string())
}
