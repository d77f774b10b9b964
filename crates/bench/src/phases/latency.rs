//! How long a message takes when there is no crowd: a fixed rate, whatever the server answers.

use super::{Bench, through};
use crate::board::{Board, Moments};
use crate::failure::Failure;
use crate::load::Pace;
use crate::report::{LATENCY, Latency};
use crate::stats::spread;
use std::sync::Arc;

/// See the module.
pub async fn measure(bench: &Bench<'_>) -> Result<Latency, Failure> {
    let rate = bench.args.rate;
    let board = Arc::new(Board::new(1, bench.args.seconds * rate, true));
    let run = through::Run { title: LATENCY, board: board.clone(), targets: 1, batch: 1, pace: Pace::Open(rate) };
    let through = through::measure(bench, run).await?;
    let moments = board.moments();
    let of = |took: fn(&Moments) -> u64| spread(moments.iter().map(took).collect());
    Ok(Latency {
        rate,
        answer: of(|message| message.accepted.saturating_sub(message.posted)),
        // A delivery can overtake the answer on its way to us: that is 0, not less.
        accepted_to_arrived: of(|message| message.arrived.saturating_sub(message.accepted)),
        posted_to_arrived: of(|message| message.arrived.saturating_sub(message.posted)),
        through,
    })
}
