//! Measures what Postrider delivers, beside what the same machine does without it.
//!
//! One process is the load generator and the receiver, so both read one monotonic clock; the server
//! is a process of its own. BENCHMARKS.md says what the numbers mean.
#![allow(clippy::disallowed_methods, reason = "a benchmark measures real time, and decides nothing by it")]
#![allow(clippy::print_stderr, reason = "what went wrong belongs beside the progress, not in the result")]

mod api;
mod args;
mod board;
mod client;
mod clock;
mod database;
mod failure;
mod load;
mod phases;
mod process;
mod progress;
mod recipe;
mod report;
mod scratch;
mod server;
mod sink;
mod stats;

use args::Args;
use clap::Parser;
use failure::Failure;
use std::process::ExitCode;

/// Generator and receiver share the machine with the server, so they get no more than this.
const WORKERS: usize = 2;

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(output) => {
            println!("{output}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("postrider-bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<String, Failure> {
    args.check()?;
    process::raise_file_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
    let report = runtime.block_on(async {
        tokio::select! {
            report = phases::run(args) => report,
            // Ends here and not at once, so that the server is stopped and its data removed.
            _ = tokio::signal::ctrl_c() => Err(Failure::Usage("interrupted".to_owned())),
        }
    })?;
    if args.json { Ok(serde_json::to_string(&report)?) } else { Ok(report.to_string()) }
}
