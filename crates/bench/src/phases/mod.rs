//! What is measured, and in which order.

mod attacks;
mod batch;
mod direct;
mod elsewhere;
mod fanout;
mod latency;
mod lists;
mod neighbours;
mod pending;
mod single;
mod through;

use crate::args::{Args, Phase};
use crate::board::Board;
use crate::database::Database;
use crate::failure::Failure;
use crate::process;
use crate::report::{Direct, Report, Settings};
use crate::scratch::Scratch;
use crate::server;
use crate::sink::Sink;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

/// More messages a second than any phase will see: how much room a board has.
const ROOM_PER_SECOND: u64 = 200_000;

/// What every phase needs.
#[derive(Debug)]
pub struct Bench<'a> {
    args: &'a Args,
    sink: Sink,
    /// Makes idempotency keys and paths of this run unlike those of every other.
    run: String,
    phases: AtomicU32,
}

impl Bench<'_> {
    /// A name for the next phase, so that late deliveries are not counted in the one after.
    fn name(&self) -> String {
        format!("{}-{}", self.run, self.phases.fetch_add(1, Relaxed))
    }

    /// How long a phase posts.
    fn lasts(&self) -> Duration {
        Duration::from_secs(self.args.seconds)
    }

    /// A board that has room for a phase at full speed.
    fn board(&self, targets: usize) -> Arc<Board> {
        Arc::new(Board::new(targets, self.args.seconds * ROOM_PER_SECOND, false))
    }

    /// A database for one phase, where PostgreSQL is measured.
    async fn database(&self) -> Result<Option<Database>, Failure> {
        match &self.args.database {
            Some(server) => Database::create(server).await.map(Some),
            None => Ok(None),
        }
    }

    /// A directory for the data of one server.
    fn scratch(&self) -> Result<Scratch, Failure> {
        let parent = match &self.args.dir {
            Some(dir) => dir.clone(),
            // The target directory: it is on a disk, which the usual place for temporary files often is not.
            None => {
                std::env::current_exe()?.parent().and_then(|dir| dir.parent()).map_or_else(PathBuf::new, Into::into)
            }
        };
        Scratch::new(&parent)
    }
}

/// Measures what the arguments ask for. The direct limit is taken again between the phases that it
/// is compared with, for a shared machine is not equally fast all the time.
pub async fn run(args: &Args) -> Result<Report, Failure> {
    if args.url.is_none() && args.phases.iter().any(|phase| *phase != Phase::Direct) {
        server::build()?;
    }
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let run = format!("{:x}", since_1970.as_micros());
    let sink = Sink::start(args.sink_listen).await?;
    let bench = Bench { args, sink, run, phases: AtomicU32::new(0) };
    let mut report = Report::new(process::machine(), Settings::from(args));
    let mut direct = Vec::new();

    if args.has(Phase::Direct) {
        direct.push(direct::measure(&bench).await?);
    }
    if args.has(Phase::Single) {
        report.single = Some(single::measure(&bench).await?);
    }
    if args.has(Phase::Direct) && args.has(Phase::Single) {
        direct.push(direct::measure(&bench).await?);
    }
    // Another server than ours has no batches.
    if args.has(Phase::Batch) && args.url.is_none() {
        report.batch = Some(batch::measure(&bench).await?);
    }
    if args.has(Phase::Fanout) {
        report.fanout = Some(fanout::measure(&bench).await?);
    }
    if args.has(Phase::Latency) {
        report.latency = Some(latency::measure(&bench).await?);
    }
    if args.has(Phase::Direct) && (args.has(Phase::Fanout) || args.has(Phase::Latency)) {
        direct.push(direct::measure(&bench).await?);
    }
    if args.has(Phase::Pending) {
        report.pending = Some(pending::measure(&bench).await?);
    }
    if args.has(Phase::Lists) {
        report.lists = Some(lists::measure(&bench).await?);
    }
    if args.has(Phase::Neighbours) {
        report.neighbours = Some(neighbours::measure(&bench).await?);
    }
    report.compare(Direct::of(direct));
    Ok(report)
}
