//! Whether the server answers.

use crate::Api;
use crate::error::{ApiError, Errors};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(health))
        .routes(routes!(ping))
        .route("/api/v1/openapi.json", axum::routing::get(async || Json(crate::openapi::document())))
}

/// Verify the server is up
#[utoipa::path(get, path = "/api/v1/health", tag = "Health", operation_id = "v1.health.get", security(()),
    responses((status = 204, description = "Up, and its database answers"), Errors))]
async fn health(State(api): State<Api>) -> Result<StatusCode, ApiError> {
    api.accept.store().fresh().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Verify the server answers
#[utoipa::path(get, path = "/api/v1/health/ping", tag = "Health", operation_id = "v1.health.ping", security(()),
    responses((status = 204)))]
async fn ping() -> StatusCode {
    StatusCode::NO_CONTENT
}
