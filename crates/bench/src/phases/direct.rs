//! The direct limit: the generator posts straight to the receiver.

use super::Bench;
use crate::failure::Failure;
use crate::load::{Load, Pace};
use crate::progress::Progress;
use crate::recipe::Recipe;
use crate::sink::Sink;
use crate::stats::rate;
use crate::{clock, report};
use http::HeaderValue;

/// Posts a second. Everything but the server is as in the other phases.
pub async fn measure(bench: &Bench<'_>) -> Result<f64, Failure> {
    let (name, board) = (bench.name(), bench.board(1));
    bench.sink.count(&name, board.clone());
    let address = bench.sink.address();
    let host = HeaderValue::try_from(address.to_string()).map_err(http::Error::from)?;
    let payload = bench.args.body_bytes as usize;
    let load = Load {
        addresses: vec![address],
        recipe: Recipe::plain(host, &Sink::path(&name, 0), payload, format!("{name}-"))?,
        board: board.clone(),
        connections: bench.args.connections,
        pace: Pace::Closed,
        lasts: Some(bench.lasts()),
    };
    let progress = Progress::start(report::DIRECT, board.clone(), Some(bench.lasts()));
    load.run().await?;
    drop(progress);
    Ok(rate(board.arrived_count(), clock::seconds(board.first_post(), board.last_arrived())))
}
