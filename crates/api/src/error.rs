//! Refusals as HTTP: Svix's two shapes of error bodies.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use postrider_accept::{FieldProblem, Refusal};
use postrider_store::StoreError;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::{IntoResponses, ToSchema};

/// An error: a stable code, and words for people.
#[derive(Debug, Serialize, ToSchema)]
pub struct HttpErrorOut {
    pub code: String,
    pub detail: String,
}

/// What was wrong with a request, field by field.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HTTPValidationError)]
pub struct ValidationError {
    pub detail: Vec<ValidationErrorItem>,
}

/// One wrong field: where it is, what was wrong and what would be right.
#[derive(Debug, Serialize, ToSchema)]
pub struct ValidationErrorItem {
    pub loc: Vec<String>,
    pub msg: String,
    #[serde(rename = "type")]
    pub kind: String,
}

/// The errors that any call may answer with.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes responses in the OpenAPI document")]
pub enum Errors {
    /// Bad Request
    #[response(status = 400)]
    BadRequest(HttpErrorOut),
    /// Unauthorized
    #[response(status = 401)]
    Unauthorized(HttpErrorOut),
    /// Forbidden
    #[response(status = 403)]
    Forbidden(HttpErrorOut),
    /// Not Found
    #[response(status = 404)]
    NotFound(HttpErrorOut),
    /// Request Timeout
    #[response(status = 408)]
    TooSlow(HttpErrorOut),
    /// Conflict
    #[response(status = 409)]
    Conflict(HttpErrorOut),
    /// Payload Too Large
    #[response(status = 413)]
    TooLarge(HttpErrorOut),
    /// Validation Error
    #[response(status = 422)]
    Invalid(ValidationError),
    /// Too Many Requests
    #[response(status = 429)]
    TooMany(HttpErrorOut),
    /// Service Unavailable
    #[response(status = 503)]
    Unavailable(HttpErrorOut),
}

/// An error on its way out.
#[derive(Debug)]
pub enum ApiError {
    Plain { status: StatusCode, code: &'static str, detail: String },
    Invalid(Vec<FieldProblem>),
}

impl ApiError {
    pub fn plain(status: StatusCode, code: &'static str, detail: impl Into<String>) -> ApiError {
        ApiError::Plain { status, code, detail: detail.into() }
    }

    /// A field of the body is wrong.
    pub fn field(name: &str, msg: impl Into<String>) -> ApiError {
        ApiError::Invalid(vec![FieldProblem::value(name, msg)])
    }

    /// Something is wrong at this place.
    pub fn at(loc: Vec<String>, kind: &'static str, msg: impl Into<String>) -> ApiError {
        ApiError::Invalid(vec![FieldProblem { loc, msg: msg.into(), kind }])
    }

    pub fn query(field: &str, msg: impl Into<String>) -> ApiError {
        ApiError::at(vec!["query".to_owned(), field.to_owned()], "value_error", msg)
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> ApiError {
        let detail = refusal.to_string();
        match refusal {
            Refusal::NotFound(_) => ApiError::plain(StatusCode::NOT_FOUND, "not_found", detail),
            Refusal::Forbidden { code, detail } => ApiError::plain(StatusCode::FORBIDDEN, code, detail),
            Refusal::Conflict { code, detail } => ApiError::plain(StatusCode::CONFLICT, code, detail),
            Refusal::Invalid(problems) => ApiError::Invalid(problems),
            Refusal::TooMany { code, detail } => ApiError::plain(StatusCode::TOO_MANY_REQUESTS, code, detail),
            Refusal::Revoked => ApiError::plain(StatusCode::UNAUTHORIZED, "authentication_failed", detail),
            Refusal::Unavailable(error) => error.into(),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> ApiError {
        let code = error.code();
        // A 503 passes, and the caller tries again; a 500 wants somebody to look.
        let status = match &error {
            StoreError::Database(_) => {
                tracing::error!(%error, "the store failed");
                StatusCode::INTERNAL_SERVER_ERROR
            }
            _ => {
                tracing::warn!(%error, "the store refused");
                StatusCode::SERVICE_UNAVAILABLE
            }
        };
        // The database's own words are in the log.
        let detail = match error {
            StoreError::Database(_) => "the server could not store or read this; try again, and tell its operator \
                                        if it stays so"
                .to_owned(),
            known => known.to_string(),
        };
        ApiError::plain(status, code, detail)
    }
}

impl ApiError {
    /// Its status and its body.
    pub fn parts(self) -> (StatusCode, Value) {
        match self {
            ApiError::Invalid(problems) => {
                let item = |problem: FieldProblem| ValidationErrorItem {
                    loc: problem.loc,
                    msg: problem.msg,
                    kind: problem.kind.to_owned(),
                };
                let body = ValidationError { detail: problems.into_iter().map(item).collect() };
                (StatusCode::UNPROCESSABLE_ENTITY, json!(body))
            }
            ApiError::Plain { status, code, detail } => (status, json!(HttpErrorOut { code: code.to_owned(), detail })),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, body) = self.parts();
        let mut response = (status, Json(body)).into_response();
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if status == StatusCode::REQUEST_TIMEOUT {
            // The rest of the body would be taken for the next request.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
