//! What of an endpoint is its provider's to decide, whoever asks.

use crate::caller::Right;
use crate::{Caller, Refusal};
use postrider_store::config::{Endpoint, EndpointSettings};

/// What its owner makes of the messages: templates, and what is asked for them.
fn customization(settings: &EndpointSettings) -> [&Option<String>; 4] {
    [&settings.query, &settings.validation_template, &settings.template, &settings.error_template]
}

/// What a token gives of an endpoint, with what its provider decides as it is: the contract, the limits and
/// the retry schedule. `before`: the endpoint, if it is there.
pub fn as_decided(
    caller: Caller,
    mut given: EndpointSettings,
    before: Option<&Endpoint>,
) -> Result<EndpointSettings, Refusal> {
    if caller.app.is_none() {
        return Ok(given);
    }
    let fixed = before.map(|row| row.settings.clone()).unwrap_or_default();
    if customization(&given) != customization(&fixed) {
        caller.need(Right::Customize)?;
    }
    let changes = |name, given: bool, same: bool| (given && !same).then_some(name);
    let changed = [
        changes("contract", !given.contract.is_empty(), given.contract == fixed.contract),
        changes("priority", given.priority.is_some(), given.priority == fixed.priority),
        changes("ordered", given.ordered, given.ordered == fixed.ordered),
        changes("poll", given.poll, given.poll == fixed.poll),
        changes("actions", !given.actions.is_empty(), given.actions == fixed.actions),
        changes("throttleRate", given.throttle_rate.is_some(), given.throttle_rate == fixed.throttle_rate),
        changes("maxConcurrency", given.max_concurrency.is_some(), given.max_concurrency == fixed.max_concurrency),
        changes("timeoutSeconds", given.timeout_seconds.is_some(), given.timeout_seconds == fixed.timeout_seconds),
        changes("retrySchedule", given.retry_schedule.is_some(), given.retry_schedule == fixed.retry_schedule),
    ];
    let changed: Vec<&str> = changed.into_iter().flatten().collect();
    if !changed.is_empty() {
        let detail = format!("a token can't change {}: the provider decides that", changed.join(", "));
        return Err(Refusal::Forbidden { code: "not_allowed", detail });
    }
    given.contract = fixed.contract;
    given.priority = fixed.priority;
    given.ordered = fixed.ordered;
    given.poll = fixed.poll;
    given.actions = fixed.actions;
    given.throttle_rate = fixed.throttle_rate;
    given.max_concurrency = fixed.max_concurrency;
    given.timeout_seconds = fixed.timeout_seconds;
    given.retry_schedule = fixed.retry_schedule;
    Ok(given)
}
