//! What the configuration means for an endpoint's lane.

use crate::lane::Lane;
use postrider_store::AppEntry;
use postrider_store::config::Endpoint;
use postrider_store::id::AppId;
use std::sync::Arc;

/// Attempts at once to an endpoint that sets no limit of its own.
const DEFAULT_CONCURRENCY: u32 = 64;

/// What of an endpoint's settings the lane needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneSettings {
    pub app: AppId,
    pub max_concurrency: u32,
    /// Attempts a second.
    pub rate: Option<u16>,
    /// Attempts a second of all endpoints of the application together.
    pub app_rate: Option<u16>,
    /// Deleted or disabled: what waits is cancelled, whenever it is due.
    pub gone: bool,
    /// Has limits that hold over all nodes: then only the node that owns the lane sends to it.
    pub limited: bool,
    /// One delivery at a time, in the order in which the store has them, where all of them lie.
    pub ordered: bool,
}

/// What the configuration says of an endpoint; `before` is its lane, if it has one, and `shared` whether
/// there may be other nodes.
pub fn lane_settings(
    found: Option<&(Arc<AppEntry>, Arc<Endpoint>)>,
    before: Option<&Lane>,
    shared: bool,
) -> LaneSettings {
    match found {
        Some((app, endpoint)) => LaneSettings {
            app: app.app.id,
            max_concurrency: endpoint.settings.max_concurrency.map_or(DEFAULT_CONCURRENCY, u32::from).max(1),
            rate: endpoint.settings.throttle_rate,
            app_rate: app.app.settings.throttle_rate,
            gone: endpoint.settings.disabled,
            limited: shared
                && (endpoint.settings.throttle_rate.is_some()
                    || endpoint.settings.max_concurrency.is_some()
                    || endpoint.settings.ordered
                    || app.app.settings.throttle_rate.is_some()),
            ordered: endpoint.settings.ordered,
        },
        None => LaneSettings {
            app: before.map_or(AppId(0), |lane| lane.settings.app),
            max_concurrency: DEFAULT_CONCURRENCY,
            rate: None,
            app_rate: None,
            gone: true,
            limited: false,
            ordered: false,
        },
    }
}
