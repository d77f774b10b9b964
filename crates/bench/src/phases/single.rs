//! One application with one endpoint, as fast as it goes.

use super::{Bench, through};
use crate::failure::Failure;
use crate::load::Pace;
use crate::report::{SINGLE, Through};

/// See the module.
pub async fn measure(bench: &Bench<'_>) -> Result<Through, Failure> {
    through::measure(bench, SINGLE, bench.board(1), 1, Pace::Closed).await
}
