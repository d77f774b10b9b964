//! What the phases that go through a server share: start it, post, wait for what was promised.

use super::Bench;
use crate::board::Board;
use crate::clock::{now_ns, seconds};
use crate::database::Database;
use crate::failure::Failure;
use crate::load::{Load, Pace, Trouble};
use crate::progress::Progress;
use crate::report::Through;
use crate::server::Server;
use crate::sink::Sink;
use crate::stats::{rate, rounded};
use std::sync::Arc;
use std::time::Duration;

/// How long nothing may arrive before what is missing counts as lost: longer than the first retry
/// of a delivery takes.
const QUIET: f64 = 15.0;
/// How long to wait for a backlog that does move.
const LONGEST_DRAIN: f64 = 600.0;
/// How long to watch for repeats after everything has arrived.
const REPEATS: Duration = Duration::from_millis(500);

/// What to post.
#[derive(Debug)]
pub struct Run {
    pub title: &'static str,
    pub board: Arc<Board>,
    /// Endpoints.
    pub targets: usize,
    /// Messages in a request.
    pub batch: usize,
    pub pace: Pace,
}

/// Posts messages of one application through a new server.
pub async fn measure(bench: &Bench<'_>, run: Run) -> Result<Through, Failure> {
    let Run { title, board, targets, batch, pace } = run;
    let scratch = bench.scratch()?;
    let database = bench.database().await?;
    let url = database.as_ref().map(Database::url);
    let mut server = Server::open(bench.args, &scratch, url.as_deref()).await?;
    let api = server.api.clone();
    let name = bench.name();
    let app = api.create_application().await?;
    for target in 0..targets {
        let url = format!("http://{}{}", bench.sink.address(), Sink::path(&name, target));
        api.create_endpoint(&app, &url, None).await?;
    }
    bench.sink.count(&name, board.clone());
    let (bytes, key) = (bench.args.body_bytes as usize, format!("{name}-"));
    let recipe = match batch {
        1 => api.recipe(&app, bytes, key)?,
        _ => api.batches(&app, bytes, key, batch)?,
    };
    let load = Load {
        addresses: server.addresses(),
        recipe,
        board: board.clone(),
        connections: bench.args.connections,
        pace,
        lasts: Some(bench.lasts()),
    };

    let progress = Progress::start(title, board.clone(), Some(bench.lasts()));
    let cpu_before = server.cpu_us();
    let posted = load.run().await;
    server.check()?;
    let trouble = posted?;
    drain(&board, &mut server).await?;
    let cpu_us = server.cpu_us().zip(cpu_before).map(|(after, before)| after.saturating_sub(before));
    drop(progress);

    let result = result(&board, trouble, (targets, batch), cpu_us, server.peak_memory());
    if server.is_own() {
        server.stop().await?;
    } else {
        // What a foreign server keeps of this is not ours to insist on.
        let _ = api.delete_application(&app).await;
    }
    if let Some(database) = database {
        database.drop().await?;
    }
    Ok(result)
}

/// Waits until everything that was accepted has arrived, or nothing comes any more.
pub(super) async fn drain(board: &Board, server: &mut Server) -> Result<(), Failure> {
    let start = now_ns();
    // The counts are quick to compare, but what arrived without a known acceptance hides what is missing.
    while board.arrived_count() < board.expected_count() || board.lost() > 0 {
        let now = now_ns();
        if seconds(start.max(board.last_arrived()), now) > QUIET || seconds(start, now) > LONGEST_DRAIN {
            break;
        }
        server.check()?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(REPEATS).await;
    Ok(())
}

fn result(
    board: &Board,
    trouble: Trouble,
    (targets, batch): (usize, usize),
    cpu_us: Option<u64>,
    peak: Option<u64>,
) -> Through {
    let accepted = board.accepted_count();
    let arrived = board.arrived_count();
    let per = |count: u64| cpu_us.filter(|_| count > 0).map(|us| rounded(us as f64 / count as f64, 1));
    Through {
        endpoints: targets,
        batch,
        accepted,
        delivered: arrived,
        accepted_per_second: rate(accepted, seconds(board.first_post(), board.last_accepted())),
        delivered_per_second: rate(arrived, seconds(board.first_post(), board.last_arrived())),
        ratio_to_direct: None,
        cpu_us_per_message: per(accepted),
        cpu_us_per_delivery: per(arrived),
        peak_memory_bytes: peak,
        lost: board.lost(),
        duplicated: board.duplicates(),
        strays: board.strays(),
        refused: trouble.refused,
        broken: trouble.broken,
        given_up: trouble.given_up,
    }
}
