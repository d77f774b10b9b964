//! Whether the server answers.

use crate::Api;
use axum::Json;
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
    responses((status = 204, description = "Up, and able to store")))]
async fn health() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// Verify the server answers
#[utoipa::path(get, path = "/api/v1/health/ping", tag = "Health", security(()), responses((status = 204)))]
async fn ping() -> StatusCode {
    StatusCode::NO_CONTENT
}
