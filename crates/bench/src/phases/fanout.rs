//! Every message goes to several endpoints, as fast as it goes.

use super::{Bench, through};
use crate::failure::Failure;
use crate::load::Pace;
use crate::report::{FANOUT, Through};

/// See the module.
pub async fn measure(bench: &Bench<'_>) -> Result<Through, Failure> {
    let targets = bench.args.fan_out as usize;
    through::measure(bench, FANOUT, bench.board(targets), targets, Pace::Closed).await
}
