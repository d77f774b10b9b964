//! `…/endpoint/{endpoint_id}/circuit`: whether an endpoint gets all, less, or one try at a time.

use crate::Api;
use crate::auth::{Auth, LookIn};
use crate::error::{ApiError, Errors};
use crate::path::Path;
use crate::timestamp;
use axum::Json;
use axum::extract::State;
use postrider_delivery::{Circuit, CircuitState};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(get))
}

/// How an endpoint stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointCircuitOut {
    pub state: EndpointCircuitState,
    /// Since when it has done nothing but fail.
    #[schema(format = "date-time")]
    pub since: Option<String>,
    /// Its answer asked for a pause until then (429, 502 or 504, for as long as `Retry-After` says).
    #[schema(format = "date-time")]
    pub held_until: Option<String>,
    /// When the next try shows whether it is back; `null`: with the next message.
    #[schema(format = "date-time")]
    pub next_probe: Option<String>,
}

/// `closed`: it gets all there is. `slowed`: it failed lately or asked for a pause, and gets less at once. `open`:
/// try after try failed, and it gets one at a time.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EndpointCircuitState {
    Closed,
    Slowed,
    Open,
}

/// Get Endpoint Circuit
///
/// How the server that is asked has found the endpoint lately. With several, one that sends it nothing itself knows
/// only of what has lasted a minute, and calls that open.
#[utoipa::path(get, path = "/api/v1/app/{app_id}/endpoint/{endpoint_id}/circuit", tag = "Endpoint",
    operation_id = "v1.endpoint.get-circuit", params(("app_id" = String, Path), ("endpoint_id" = String, Path)),
    responses((status = 200, body = EndpointCircuitOut), Errors))]
async fn get(
    State(api): State<Api>,
    auth: Auth<LookIn>,
    Path((app, endpoint)): Path<(String, String)>,
) -> Result<Json<EndpointCircuitOut>, ApiError> {
    let (_, endpoint) = api.accept.endpoint(auth.0, &app, &endpoint)?;
    let mut circuit = api.circuits.of(endpoint.id).await.unwrap_or_default();
    if circuit.since_ms.is_none() && endpoint.failing_since_ms.is_some() {
        circuit = Circuit { state: CircuitState::Open, since_ms: endpoint.failing_since_ms, ..circuit };
    }
    let next_ms = match circuit.state {
        CircuitState::Closed => None,
        _ if circuit.busy => Some(api.accept.clock().steady_ms()),
        _ => api.accept.store().next_due(endpoint.id).await.map_err(postrider_accept::Refusal::from)?,
    };
    Ok(Json(EndpointCircuitOut {
        state: match circuit.state {
            CircuitState::Closed => EndpointCircuitState::Closed,
            CircuitState::Slowed => EndpointCircuitState::Slowed,
            CircuitState::Open => EndpointCircuitState::Open,
        },
        since: circuit.since_ms.map(timestamp::text),
        held_until: circuit.held_until_ms.map(timestamp::text),
        next_probe: next_ms.map(|next| timestamp::text(next.max(circuit.held_until_ms.unwrap_or(next)))),
    }))
}
