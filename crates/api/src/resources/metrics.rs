//! Prometheus' page.

use crate::Api;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().route("/metrics", axum::routing::get(metrics))
}

async fn metrics(State(api): State<Api>) -> Response {
    let mut text = String::new();
    if prometheus_client::encoding::text::encode(&mut text, &api.registry).is_err() {
        return axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response()
}
