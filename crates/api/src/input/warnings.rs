//! Warnings on their way out: a member `warnings` of the answer, or a header where the answer has no object.

use super::{Input, Parts, Warnings};
use crate::Api;
use crate::error::ApiError;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::BodyExt;
use postrider_accept::{Warning, WarningCode};
use serde::Serialize;
use std::sync::Arc;
use utoipa::openapi::schema::{ArrayBuilder, Schema};
use utoipa::openapi::{OpenApi, Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

/// Bytes of the header: proxies refuse responses whose heads are larger than about 4 or 8 KiB.
const MAX_HEADER: usize = 3 << 10;
/// Has the warnings of an answer without a body.
const HEADER: HeaderName = HeaderName::from_static("postrider-warnings");

/// Something that was accepted and is probably not what the caller meant. In an environment with `strict`, it is an
/// error.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WarningOut {
    /// Where: `["body", "filter_types"]`, `["query", "limt"]`.
    pub loc: Vec<String>,
    /// `unknown_field`, `unknown_parameter`, `unregistered_event_type`, `no_endpoint`, `schema_mismatch`, or
    /// `more_warnings`.
    pub code: String,
    pub msg: String,
    /// The known name that was probably meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub did_you_mean: Option<String>,
}

impl From<Warning> for WarningOut {
    fn from(warning: Warning) -> WarningOut {
        WarningOut {
            loc: warning.loc,
            code: warning.code.as_str().to_owned(),
            msg: warning.msg,
            did_you_mean: warning.nearest,
        }
    }
}

impl Warnings {
    fn out(self) -> Vec<WarningOut> {
        let mut out: Vec<WarningOut> = self.kept.into_iter().map(WarningOut::from).collect();
        if self.more > 0 {
            let msg = format!("{} more warnings are not listed", self.more);
            out.push(Warning { loc: vec![], code: WarningCode::MoreWarnings, msg, nearest: None }.into());
        }
        out
    }
}

/// Gives each request its [`Input`], and each answer the warnings that were found.
pub async fn answer(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let operation = route.and_then(|route| api.operations.get(request.method(), route.as_str()));
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let input = Input(Arc::new(Parts {
        operation,
        is_patch: request.method() == Method::PATCH,
        content_type: content_type.map(super::shortened),
        ..Parts::default()
    }));
    request.extensions_mut().insert(input.clone());
    let response = next.run(request).await;
    let warnings = std::mem::take(&mut *input.warnings());
    if warnings.kept.is_empty() { response } else { with(response, &warnings.out()).await }
}

async fn with(response: Response, warnings: &[WarningOut]) -> Response {
    // Our own types: writing them as JSON can't fail.
    let list = serde_json::to_string(warnings).unwrap_or_default();
    let is_json = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if !is_json {
        return with_header(response, &list);
    }
    let (mut parts, body) = response.into_parts();
    match body.collect().await {
        Ok(body) => {
            let body = with_member(&body.to_bytes(), &list);
            parts.headers.remove(header::CONTENT_LENGTH);
            Response::from_parts(parts, Body::from(body))
        }
        // It is in memory: there is nothing that could fail.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// The answer's object with one more member; anything else as it is.
fn with_member(body: &Bytes, list: &str) -> Bytes {
    let Some(object) = body.strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}")) else { return body.clone() };
    let comma: &[u8] = if object.is_empty() { b"" } else { b"," };
    Bytes::from([b"{", object, comma, b"\"warnings\":", list.as_bytes(), b"}"].concat())
}

fn with_header(mut response: Response, list: &str) -> Response {
    let mut ascii: String = list.chars().map(escaped).collect();
    if ascii.len() > MAX_HEADER {
        ascii = r#"[{"code":"more_warnings","msg":"there are more warnings than a header can hold"}]"#.to_owned();
    }
    if let Ok(value) = HeaderValue::from_str(&ascii) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}

/// As JSON writes it in ASCII.
fn escaped(c: char) -> String {
    if c.is_ascii() {
        return c.to_string();
    }
    c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect()
}

/// Describes the member `warnings` of every answer that is an object.
pub fn document_warnings(document: &mut OpenApi) {
    let Some(components) = &mut document.components else { return };
    components.schemas.insert("Warning".to_owned(), WarningOut::schema());
    let mut names = Vec::new();
    for item in document.paths.paths.values() {
        let operations = [&item.get, &item.put, &item.post, &item.patch, &item.delete];
        for (status, response) in operations.into_iter().flatten().flat_map(|operation| &operation.responses.responses)
        {
            let (true, RefOr::T(response)) = (status.starts_with('2'), response) else { continue };
            let schemas = response.content.values().filter_map(|content| content.schema.as_ref());
            names.extend(schemas.filter_map(|schema| match schema {
                RefOr::Ref(place) => place.ref_location.rsplit('/').next().map(str::to_owned),
                RefOr::T(_) => None,
            }));
        }
    }
    for name in names {
        if let Some(RefOr::T(Schema::Object(object))) = components.schemas.get_mut(&name) {
            let list = ArrayBuilder::new().items(Ref::from_schema_name("Warning"));
            let list = list.description(Some("Only there if there is one; see the page about errors."));
            object.properties.entry("warnings".to_owned()).or_insert_with(|| RefOr::T(Schema::Array(list.build())));
        }
    }
}

/// A request that no operation answers, on a path that others have.
pub async fn method_not_allowed(State(api): State<Api>, request: Request) -> ApiError {
    let route = request.extensions().get::<MatchedPath>().map(|route| route.as_str().to_owned());
    let methods = route.map(|route: String| api.operations.methods(&route).join(", ")).unwrap_or_default();
    let methods = if methods.is_empty() { "those in the header Allow".to_owned() } else { methods };
    let (method, path) = (request.method(), super::shortened(request.uri().path()));
    let detail = format!("{method} is not possible at {path}; use {methods}");
    ApiError::plain(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
}
