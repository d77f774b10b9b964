//! Every message goes to several endpoints, as fast as it goes.

use super::{Bench, through};
use crate::failure::Failure;
use crate::load::Pace;
use crate::report::{FANOUT, Through};

/// See the module.
pub async fn measure(bench: &Bench<'_>) -> Result<Through, Failure> {
    let targets = bench.args.fan_out as usize;
    let run = through::Run { title: FANOUT, board: bench.board(targets), targets, batch: 1, pace: Pace::Closed };
    through::measure(bench, run).await
}
