//! The binary: see `commands`.

use clap::Parser;
use postrider::cli::Cli;
use std::process::ExitCode;

/// Many small, short-lived allocations on many threads are what a web server makes; this allocator
/// spends a tenth of the time on them that the system's does (BENCHMARKS.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    postrider::commands::run(Cli::parse())
}
