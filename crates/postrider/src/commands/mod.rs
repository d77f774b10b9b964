//! One file per command.

mod serve;

use crate::cli::{Cli, Command};
use std::fmt::Display;
use std::process::ExitCode;

/// Runs the command that was asked for.
pub fn run(cli: Cli) -> ExitCode {
    match cli.command {
        Command::Serve(args) => serve::run(args),
    }
}

/// Says on standard error why it did not work.
#[expect(clippy::print_stderr, reason = "a command's error is for the person at the terminal")]
fn fail(error: impl Display) -> ExitCode {
    eprintln!("postrider: {error}");
    ExitCode::FAILURE
}
