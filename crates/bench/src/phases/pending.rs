//! How a server starts that has very many retries pending.

use super::Bench;
use crate::api::Api;
use crate::board::Board;
use crate::clock::{now_ns, seconds};
use crate::database::Database;
use crate::failure::Failure;
use crate::load::{Load, Pace};
use crate::progress::Progress;
use crate::report::{PENDING, Pending};
use crate::server::{Server, free_port};
use crate::stats::{rate, rounded};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// Many at once fill the server's shared commits.
const CONNECTIONS: u32 = 512;
/// Long enough that no retry comes due while we measure.
const RETRIES: [u32; 1] = [36_000];
/// The smallest payload that holds a sequence number.
const PAYLOAD: usize = 0;
/// How long the count of first attempts may stand still before we go on without the rest.
const QUIET: f64 = 60.0;
/// When the memory of the restarted server is read.
const SETTLED: Duration = Duration::from_secs(10);

/// See the module.
pub async fn measure(bench: &Bench<'_>) -> Result<Pending, Failure> {
    let scratch = bench.scratch()?;
    let database = bench.database().await?;
    let url = database.as_ref().map(Database::url);
    let (mut server, _) = Server::start(scratch.path(), url.as_deref(), 1).await?;
    let api = server.api.clone();
    let app = api.create_application().await?;
    let nobody = format!("http://127.0.0.1:{}/", free_port()?);
    api.create_endpoint(&app, &nobody, Some(&RETRIES)).await?;

    let board = Arc::new(Board::new(1, bench.args.pending, false));
    let load = Load {
        addresses: vec![api.address],
        recipe: api.recipe(&app, PAYLOAD, format!("{}-", bench.name()))?,
        board: board.clone(),
        connections: CONNECTIONS,
        pace: Pace::Closed,
        lasts: None,
    };
    let progress = Progress::start(PENDING, board.clone(), None);
    let posted = load.run().await;
    server.check()?;
    posted?;
    let accepted = board.accepted_count();
    let counts = settle(&api, &mut server, accepted).await?;
    drop(progress);
    let filled_peak = server.peak_memory();
    let stop_seconds = server.stop().await?;

    let (server, start_seconds) = Server::start(scratch.path(), url.as_deref(), 1).await?;
    sleep(SETTLED.saturating_sub(Duration::from_secs_f64(start_seconds))).await;
    let peak = server.peak_memory();
    let pending_after = Counts::read(&server.api).await.pending;
    server.stop().await?;
    if let Some(database) = database {
        database.drop().await?;
    }
    Ok(Pending {
        accepted,
        accepted_per_second: rate(accepted, seconds(board.first_post(), board.last_accepted())),
        attempted: counts.attempted,
        pending_before: counts.pending,
        pending_after,
        filled_peak_memory_bytes: filled_peak,
        stop_seconds: rounded(stop_seconds, 3),
        start_seconds: rounded(start_seconds, 3),
        peak_memory_bytes: peak,
    })
}

/// Waits until every message has failed once, as far as the server tells.
async fn settle(api: &Api, server: &mut Server, accepted: u64) -> Result<Counts, Failure> {
    let mut counts = Counts::read(api).await;
    let mut moved = now_ns();
    while counts.attempted.is_none_or(|attempted| attempted < accepted) && seconds(moved, now_ns()) < QUIET {
        sleep(Duration::from_millis(500)).await;
        server.check()?;
        let now = Counts::read(api).await;
        if now.attempted > counts.attempted {
            moved = now_ns();
        }
        counts = now;
    }
    Ok(counts)
}

/// What the server's metrics say; `None` where they don't.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Counts {
    /// Attempts that failed and will be repeated.
    attempted: Option<u64>,
    /// Deliveries that are not final.
    pending: Option<u64>,
}

impl Counts {
    async fn read(api: &Api) -> Counts {
        let text = api.metrics().await.unwrap_or_default();
        Counts {
            attempted: sum(&text, &["retries", "attempts_failed", "attempt_errors", "attempt_seconds_count"]),
            pending: sum(&text, &["queue_depth", "pending", "waiting"]),
        }
    }
}

/// The sum over all labels of the first of `names` that there is, with any suffix.
fn sum(metrics: &str, names: &[&str]) -> Option<u64> {
    names.iter().find_map(|name| {
        let values = metrics.lines().filter_map(|line| {
            let (series, value) = line.strip_prefix("postrider_")?.rsplit_once(' ')?;
            series.starts_with(name).then(|| value.parse::<f64>().ok()).flatten()
        });
        values.reduce(|sum, value| sum + value).map(|sum| sum as u64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_found_by_what_they_are_called() {
        let text = "# HELP postrider_retries Attempts.\n# TYPE postrider_retries counter\n\
            postrider_retries_total 5\npostrider_attempt_errors_total{code=\"refused\"} 3\n\
            postrider_attempt_errors_total{code=\"timeout\"} 4\npostrider_queue_depth 12\n# EOF\n";
        assert_eq!(sum(text, &["retries"]), Some(5));
        assert_eq!(sum(text, &["nothing", "attempt_errors"]), Some(7));
        assert_eq!(sum(text, &["queue_depth"]), Some(12));
        assert_eq!(sum(text, &["waiting"]), None);
    }
}
