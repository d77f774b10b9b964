//! What delivery measures of itself.

use crate::attempt::Finished;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CodeLabel {
    code: String,
}

/// Cheap to clone; the clones count together.
#[derive(Clone, Debug)]
pub struct DeliveryMetrics {
    delivered: Counter,
    failed: Counter,
    retries: Counter,
    disabled: Counter,
    errors: Family<CodeLabel, Counter>,
    seconds: Histogram,
    pub(crate) running: Gauge,
    pub(crate) queue_depth: Gauge,
    pub(crate) queue_age_ms: Gauge,
}

impl DeliveryMetrics {
    pub fn register(registry: &mut Registry) -> DeliveryMetrics {
        let metrics = DeliveryMetrics {
            delivered: Counter::default(),
            failed: Counter::default(),
            retries: Counter::default(),
            disabled: Counter::default(),
            errors: Family::default(),
            seconds: Histogram::new(exponential_buckets(0.001, 2.0, 16)),
            running: Gauge::default(),
            queue_depth: Gauge::default(),
            queue_age_ms: Gauge::default(),
        };
        registry.register("delivered", "Deliveries that arrived", metrics.delivered.clone());
        registry.register("failed", "Deliveries that were given up", metrics.failed.clone());
        registry.register("retries", "Attempts that will be followed by another", metrics.retries.clone());
        registry.register(
            "endpoints_disabled",
            "Endpoints disabled by their contract's rules",
            metrics.disabled.clone(),
        );
        registry.register("attempt_errors", "Failed attempts by error code", metrics.errors.clone());
        registry.register("attempt_seconds", "Time an attempt took", metrics.seconds.clone());
        registry.register("attempts_running", "Attempts under way", metrics.running.clone());
        registry.register(
            "queue_depth",
            "Deliveries that are not final: in memory and in the store",
            metrics.queue_depth.clone(),
        );
        registry.register(
            "queue_age_milliseconds",
            "How long the oldest due delivery has waited",
            metrics.queue_age_ms.clone(),
        );
        metrics
    }

    pub(crate) fn finished(&self, finished: &Finished) {
        let record = &finished.record;
        self.seconds.observe(record.duration_ms as f64 / 1_000.0);
        if let Some((code, _)) = &record.outcome.error {
            self.errors.get_or_create(&CodeLabel { code: code.clone() }).inc();
        }
        match (record.outcome.success, record.retry) {
            (true, _) => self.delivered.inc(),
            (false, Some(_)) => self.retries.inc(),
            (false, None) => self.failed.inc(),
        };
    }

    pub(crate) fn endpoint_disabled(&self) {
        self.disabled.inc();
    }
}
