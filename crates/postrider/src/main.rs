use clap::Parser;
use postrider::cli::Cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    postrider::commands::run(Cli::parse())
}
