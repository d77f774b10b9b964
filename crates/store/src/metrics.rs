//! What the store measures of itself.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// Cheap to clone; the clones count together.
#[derive(Clone, Debug)]
pub struct StoreMetrics {
    batch: Histogram,
    seconds: Histogram,
    pub(crate) disk_full: Counter,
}

impl StoreMetrics {
    pub fn register(registry: &mut Registry) -> StoreMetrics {
        let metrics = StoreMetrics {
            batch: Histogram::new(exponential_buckets(1.0, 2.0, 12)),
            seconds: Histogram::new(exponential_buckets(0.0005, 2.0, 14)),
            disk_full: Counter::default(),
        };
        registry.register("commit_batch_size", "Rows that one commit carried", metrics.batch.clone());
        registry.register("commit_seconds", "Time a commit took, to the disk and back", metrics.seconds.clone());
        registry.register("disk_full", "Commits refused because the disk was full", metrics.disk_full.clone());
        metrics
    }

    pub(crate) fn committed(&self, rows: usize, took_ms: i64) {
        self.batch.observe(rows as f64);
        self.seconds.observe(took_ms as f64 / 1000.0);
    }
}
