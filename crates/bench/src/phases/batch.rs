//! One application with one endpoint, with many messages in each request.

use super::{Bench, through};
use crate::failure::Failure;
use crate::load::Pace;
use crate::report::{BATCH, Through};

/// See the module.
pub async fn measure(bench: &Bench<'_>) -> Result<Through, Failure> {
    let batch = bench.args.batch as usize;
    let run = through::Run { title: BATCH, board: bench.board(1), targets: 1, batch, pace: Pace::Closed };
    through::measure(bench, run).await
}
