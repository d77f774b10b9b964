//! The OpenAPI document, generated from the code that answers.

use crate::error::{HttpErrorOut, ValidationError};
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Postrider API",
        description = "Svix API compatible, with additions. Authenticate with `Authorization: Bearer <API key>`."
    ),
    components(schemas(HttpErrorOut, ValidationError)),
    security(("HTTPBearer" = []))
)]
struct Document;

/// The document as it is served at `/api/v1/openapi.json`.
pub fn document() -> utoipa::openapi::OpenApi {
    let (_, paths) = crate::resources::routes().split_for_parts();
    let mut document = Document::openapi();
    document.merge(paths);
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    document.components.get_or_insert_default().add_security_scheme("HTTPBearer", bearer);
    crate::input::document_warnings(&mut document);
    document
}
