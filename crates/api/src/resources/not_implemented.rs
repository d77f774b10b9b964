//! Operations of Svix's clients that are not here: they answer 501 and say so, so that nobody takes them for
//! a wrong path.

use crate::Api;
use crate::auth::{Anything, Auth};
use crate::error::ApiError;
use axum::http::{Method, StatusCode, Uri};
use axum::routing::{MethodFilter, on};
use utoipa_axum::router::OpenApiRouter;

/// Methods and path of each.
pub const OPERATIONS: &[(&str, &str)] = &[
    ("post", "/api/v1/app/{app_id}/autoconfig"),
    ("delete", "/api/v1/app/{app_id}/autoconfig/{autoconfig_id}"),
    ("post", "/api/v1/app/{app_id}/autoconfig/{autoconfig_id}/rotate"),
    ("get post", "/api/v1/app/{app_id}/destination"),
    ("delete get patch put", "/api/v1/app/{app_id}/destination/{destination_id}"),
    ("post", "/api/v1/app/{app_id}/destination/{destination_id}/secret/rotate"),
    ("get patch", "/api/v1/app/{app_id}/destination/{destination_id}/transformation"),
    ("get patch", "/api/v1/app/{app_id}/endpoint/{endpoint_id}/transformation"),
    ("post", "/api/v1/auth/stream-logout"),
    ("post", "/api/v1/auth/stream-portal-access/{stream_id}"),
    ("post", "/api/v1/auth/stream/{stream_id}/expire-all"),
    ("get", "/api/v1/auth/stream/{stream_id}/sink/{sink_id}/poller/token"),
    ("post", "/api/v1/auth/stream/{stream_id}/sink/{sink_id}/poller/token/rotate"),
    ("get post", "/api/v1/connector"),
    ("delete get patch put", "/api/v1/connector/{connector_id}"),
    ("get post", "/api/v1/stream"),
    ("get post", "/api/v1/stream/event-type"),
    ("delete get patch put", "/api/v1/stream/event-type/{name}"),
    ("delete get patch put", "/api/v1/stream/{stream_id}"),
    ("post", "/api/v1/stream/{stream_id}/events"),
    ("get post", "/api/v1/stream/{stream_id}/sink"),
    ("delete get patch put", "/api/v1/stream/{stream_id}/sink/{sink_id}"),
    ("get", "/api/v1/stream/{stream_id}/sink/{sink_id}/events"),
    ("get patch", "/api/v1/stream/{stream_id}/sink/{sink_id}/headers"),
    ("get", "/api/v1/stream/{stream_id}/sink/{sink_id}/secret"),
    ("post", "/api/v1/stream/{stream_id}/sink/{sink_id}/secret/rotate"),
    ("get patch", "/api/v1/stream/{stream_id}/sink/{sink_id}/transformation"),
    ("get post", "/ingest/api/v1/source"),
    ("delete get put", "/ingest/api/v1/source/{source_id}"),
    ("post", "/ingest/api/v1/source/{source_id}/dashboard"),
    ("get post", "/ingest/api/v1/source/{source_id}/endpoint"),
    ("delete get put", "/ingest/api/v1/source/{source_id}/endpoint/{endpoint_id}"),
    ("get put", "/ingest/api/v1/source/{source_id}/endpoint/{endpoint_id}/headers"),
    ("get", "/ingest/api/v1/source/{source_id}/endpoint/{endpoint_id}/secret"),
    ("post", "/ingest/api/v1/source/{source_id}/endpoint/{endpoint_id}/secret/rotate"),
    ("get patch", "/ingest/api/v1/source/{source_id}/endpoint/{endpoint_id}/transformation"),
    ("post", "/ingest/api/v1/source/{source_id}/token/rotate"),
];

pub fn routes() -> OpenApiRouter<Api> {
    OPERATIONS.iter().fold(OpenApiRouter::new(), |router, (methods, path)| {
        methods.split(' ').fold(router, |router, method| router.route(path, on(filter(method), refuse)))
    })
}

fn filter(method: &str) -> MethodFilter {
    match method {
        "get" => MethodFilter::GET,
        "put" => MethodFilter::PUT,
        "patch" => MethodFilter::PATCH,
        "delete" => MethodFilter::DELETE,
        _ => MethodFilter::POST,
    }
}

async fn refuse(_: Auth<Anything>, method: Method, uri: Uri) -> ApiError {
    let detail = format!(
        "{method} {} is an operation of Svix that Postrider doesn't have; see /api/v1/openapi.json for what there is",
        uri.path()
    );
    ApiError::plain(StatusCode::NOT_IMPLEMENTED, "not_implemented", detail)
}
