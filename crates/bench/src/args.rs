//! The command line.

use crate::failure::Failure;
use clap::{Parser, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Measures what Postrider delivers, beside what the same machine does without it.
///
/// Starts a server on an empty embedded database for each phase, posts messages to it, and counts
/// what arrives at a receiver of its own. Use a release build.
#[derive(Debug, Parser)]
#[command(name = "postrider-bench", version, max_term_width = 100)]
#[command(after_help = "\
Examples:
  cargo run --release -p postrider-bench
  cargo run --release -p postrider-bench -- --seconds 30 --phases direct,single --json
  cargo run --release -p postrider-bench -- --phases pending --pending 1000000
  cargo run --release -p postrider-bench -- --phases lists --pending 1000000
  cargo run --release -p postrider-bench -- --phases neighbours
  cargo run --release -p postrider-bench -- --database postgres://postgres@127.0.0.1:54329
  cargo run --release -p postrider-bench -- --url http://127.0.0.1:8071 --token TOKEN --pid 4711

A server given with --url must let endpoints be on loopback (for Postrider: --allow-network
127.0.0.0/8 --relax-contracts).")]
pub struct Args {
    /// How long each phase posts
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub seconds: u64,
    /// Keep-alive connections that post
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub connections: u32,
    /// Size of a payload
    #[arg(long, default_value_t = 1_024, value_name = "N", value_parser = clap::value_parser!(u32).range(64..=1_048_576))]
    pub body_bytes: u32,
    /// Endpoints of the phase `fanout`
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub fan_out: u32,
    /// Messages in a request of the phase `batch`
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=1_000))]
    pub batch: u32,
    /// Messages a second of the phase `latency`
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub rate: u64,
    /// Messages of the phases `pending` and `lists`
    #[arg(long, default_value_t = 1_000_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=20_000_000))]
    pub pending: u64,
    /// What to measure; `pending`, `lists` and `neighbours` take minutes and run only when they are named
    #[arg(long, value_delimiter = ',', value_name = "LIST", default_values = ["direct", "single", "batch", "fanout", "latency"])]
    pub phases: Vec<Phase>,
    /// Print one JSON object instead of tables
    #[arg(long)]
    pub json: bool,
    /// Where servers keep their data meanwhile; must be on a real disk [default: the target directory]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Measure with PostgreSQL: the server's URL without a database; each phase makes and drops its own
    #[arg(long, value_name = "URL", conflicts_with = "url")]
    pub database: Option<String>,
    /// Servers that share the database; connections are spread over them
    #[arg(long, default_value_t = 1, value_name = "N", requires = "database", value_parser = clap::value_parser!(u32).range(1..=16))]
    pub nodes: u32,
    /// Where the receiver listens
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDR")]
    pub sink_listen: SocketAddr,
    /// Measure this running Svix-compatible server instead
    #[arg(long, value_name = "URL", requires = "token")]
    pub url: Option<String>,
    /// Its API token
    #[arg(long, value_name = "TOKEN", env = "POSTRIDER_BENCH_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Its process, to measure CPU time and memory
    #[arg(long, value_name = "PID", requires = "url")]
    pub pid: Option<u32>,
}

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Phase {
    /// Posts straight to the receiver: what the machine can do
    Direct,
    /// One endpoint, as fast as it goes
    Single,
    /// One endpoint, many messages in each request
    Batch,
    /// Several endpoints, as fast as it goes
    Fanout,
    /// One endpoint at a fixed rate
    Latency,
    /// A restart with many retries pending
    Pending,
    /// Listings of an application with very many attempts
    Lists,
    /// One tenant's sends while another one attacks the server
    Neighbours,
}

impl Args {
    /// Whether `phase` was asked for.
    pub fn has(&self, phase: Phase) -> bool {
        self.phases.contains(&phase)
    }

    /// What clap can't express.
    pub fn check(&self) -> Result<(), Failure> {
        if self.url.is_some() && [Phase::Pending, Phase::Lists, Phase::Neighbours].iter().any(|phase| self.has(*phase))
        {
            return Err(Failure::Usage(
                "the phases `pending`, `lists` and `neighbours` need a server of their own; leave --url out".into(),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_long_phase_runs_only_when_named() {
        let args = Args::parse_from(["postrider-bench"]);
        assert!(args.has(Phase::Direct) && args.has(Phase::Latency) && !args.has(Phase::Pending));
        let args = Args::parse_from(["postrider-bench", "--phases", "single,pending"]);
        assert_eq!(args.phases, [Phase::Single, Phase::Pending]);
    }

    #[test]
    fn a_foreign_server_is_never_restarted() {
        let line = ["postrider-bench", "--url", "http://127.0.0.1:1", "--token", "t", "--phases", "pending"];
        assert!(Args::parse_from(line).check().is_err());
    }
}
