//! One file per resource.

mod application;
mod attempt;
mod attempted;
mod circuit;
mod endpoint;
mod endpoint_error;
mod endpoint_form;
mod endpoint_headers;
mod endpoint_log;
mod endpoint_oauth;
mod endpoint_secret;
mod endpoint_stats;
mod endpoint_tls;
mod environment;
mod environment_copy;
mod event_type;
mod event_type_import;
mod example;
mod expunge;
mod health;
mod integration;
mod key;
mod message;
mod message_batch;
mod metrics;
mod not_implemented;
mod operational;
mod order;
mod poller;
mod portal;
mod precheck;
mod preview;
mod reply;
mod schema;
mod simulate;
mod status;
mod task;
mod test_send;
mod usage;
mod variable;

pub use not_implemented::OPERATIONS as NOT_IMPLEMENTED;
pub use status::MessageStatus;

use crate::Api;
use crate::error::ApiError;
use axum::http::{StatusCode, Uri};
use utoipa_axum::router::OpenApiRouter;

/// Every route, with its description.
pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .merge(application::routes())
        .merge(endpoint::routes())
        .merge(endpoint_secret::routes())
        .merge(endpoint_headers::routes())
        .merge(endpoint_oauth::routes())
        .merge(endpoint_tls::routes())
        .merge(event_type::routes())
        .merge(event_type_import::routes())
        .merge(schema::routes())
        .merge(message::routes())
        .merge(message_batch::routes())
        .merge(attempt::routes())
        .merge(attempted::routes())
        .merge(endpoint_error::routes())
        .merge(endpoint_stats::routes())
        .merge(circuit::routes())
        .merge(endpoint_log::routes())
        .merge(example::routes())
        .merge(test_send::routes())
        .merge(preview::routes())
        .merge(precheck::routes())
        .merge(usage::routes())
        .merge(reply::routes())
        .merge(variable::routes())
        .merge(simulate::routes())
        .merge(expunge::routes())
        .merge(task::routes())
        .merge(operational::routes())
        .merge(order::routes())
        .merge(poller::routes())
        .merge(portal::routes())
        .merge(key::routes())
        .merge(environment::routes())
        .merge(environment_copy::routes())
        .merge(integration::routes())
        .merge(health::routes())
        .merge(not_implemented::routes())
        .merge(metrics::routes())
}

pub async fn no_such_path(uri: Uri) -> ApiError {
    let detail = format!("there is nothing at {}; see /api/v1/openapi.json for what there is", uri.path());
    ApiError::plain(StatusCode::NOT_FOUND, "not_found", detail)
}

/// Reads `null` as "not given", so that a client that writes every field is understood.
pub fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::Deserialize<'de> + Default,
{
    Ok(<Option<T> as serde::Deserialize>::deserialize(deserializer)?.unwrap_or_default())
}

/// A PATCH as the whole it results in: the fields that were sent replace those that are.
pub fn patched<In>(current: &In, patch: &serde_json::Map<String, serde_json::Value>) -> Result<In, ApiError>
where
    In: serde::Serialize + serde::de::DeserializeOwned,
{
    let mut whole = serde_json::to_value(current).unwrap_or_default();
    if let Some(fields) = whole.as_object_mut() {
        fields.extend(patch.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
    crate::body::parse(&serde_json::to_vec(&whole).unwrap_or_default())
}

/// A patch that does not fit is the caller's mistake, found inside of an edit.
/// The uid after a PUT: what the path names by its uid keeps it, unless the body has another.
pub fn kept(given: Option<String>, before: Option<&str>, path: &str) -> Option<String> {
    given.or_else(|| before.filter(|uid| *uid == path).map(str::to_owned))
}

pub fn as_refusal(error: ApiError) -> postrider_accept::Refusal {
    match error {
        ApiError::Invalid(problems) => postrider_accept::Refusal::Invalid(problems),
        ApiError::Plain { detail, .. } => postrider_accept::FieldProblem::value("", detail).into(),
    }
}
