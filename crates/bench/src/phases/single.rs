//! One application with one endpoint, as fast as it goes.

use super::{Bench, through};
use crate::failure::Failure;
use crate::load::Pace;
use crate::report::{SINGLE, Through};

/// See the module.
pub async fn measure(bench: &Bench<'_>) -> Result<Through, Failure> {
    let run = through::Run { title: SINGLE, board: bench.board(1), targets: 1, batch: 1, pace: Pace::Closed };
    through::measure(bench, run).await
}
