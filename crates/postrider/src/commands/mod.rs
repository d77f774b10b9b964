//! One file per command.

pub mod attempts;
pub mod contract;
pub mod dev;
pub mod doctor;
pub mod endpoint;
pub mod import;
pub mod key;
pub mod messages;
pub mod migrate;
pub mod portal;
pub mod send;
mod serve;

use crate::cli::{Cli, Command};
use std::error::Error;
use std::fmt::Display;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

/// What a command has to say on standard output, or why it did not work.
type CommandResult = Result<String, Box<dyn Error>>;

/// Runs the command that was asked for.
pub fn run(cli: Cli) -> ExitCode {
    match cli.command {
        Command::Dev(args) => dev::run(args),
        Command::Serve(args) => serve::run(args),
        Command::Key(args) => say(key::run(&args)),
        Command::Portal(args) => say(portal::run(&args)),
        Command::Endpoint(args) => say(endpoint::run(&args)),
        Command::Send(args) => say(send::run(&args)),
        Command::Messages(args) => say(messages::run(&args)),
        Command::Attempts(args) => say(attempts::run(&args)),
        Command::Contract(args) => contract::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Migrate(args) => migrate::run(args),
        Command::Doctor(args) => doctor::run(*args),
    }
}

/// Says on standard error why it did not work.
#[expect(clippy::print_stderr, reason = "a command's error is for the person at the terminal")]
fn fail(error: impl Display) -> ExitCode {
    eprintln!("postrider: {error}");
    ExitCode::FAILURE
}

/// Says it. A reader that has seen enough (`| head`) is no failure.
fn say(result: CommandResult) -> ExitCode {
    let text = match result {
        Ok(text) => text,
        Err(error) => return fail(error),
    };
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => fail(format!("can't write the output: {error}")),
        _ => ExitCode::SUCCESS,
    }
}

/// What follows a listing's table.
fn more(done: bool) -> &'static str {
    if done { "" } else { "There are more: raise --limit.\n" }
}
