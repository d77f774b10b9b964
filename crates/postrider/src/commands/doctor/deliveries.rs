//! Whether every delivery is accounted for.

use super::check::Check;
use crate::config::Config;
use postrider_store::OpenError;
use postrider_store::doctor::{Violation, embedded_deliveries, postgres_deliveries};
use tokio::runtime::Builder;

/// Violations that are spelled out.
const SHOWN: usize = 5;

pub fn check(config: &Config) -> Check {
    let found = match &config.database {
        Some(url) => on_postgres(url),
        None if !config.data.join("postrider.db").exists() => Ok(vec![]),
        None => embedded_deliveries(&config.data),
    };
    match found {
        Ok(found) if found.is_empty() => Check::ok("deliveries", "every delivery is accounted for"),
        Ok(found) => Check::problem(
            "deliveries",
            format!("{} deliveries are not accounted for: {}", found.len(), spelled(&found)),
            "Keep a copy of the database and report this: it must not happen.",
        ),
        Err(error) => Check::problem("deliveries", error.to_string(), "Correct what the check of the database says."),
    }
}

fn on_postgres(url: &str) -> Result<Vec<Violation>, OpenError> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| OpenError::Database(error.to_string()))?;
    runtime.block_on(postgres_deliveries(url))
}

fn spelled(found: &[Violation]) -> String {
    let one = |violation: &Violation| {
        format!("message {} to endpoint {} {}", violation.message.0, violation.endpoint.0, violation.fault)
    };
    found.iter().take(SHOWN).map(one).collect::<Vec<_>>().join("; ")
}
