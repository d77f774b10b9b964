//! What people see in a browser: for now the consumer portal, where a provider's customer looks after its own
//! endpoints.
//!
//! Pages are files, compiled in; they ask the API like any other client, with the token that their link
//! carries behind the `#`, where no server sees it.
//!
//! It never reads the store, and never knows who is asking.

use axum::Router;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::IntoResponse;
use axum::routing::get;

/// Path, kind and content of each file.
const FILES: &[(&str, &str, &str)] = &[
    ("/portal", "text/html", include_str!("../portal/index.html")),
    ("/portal/style.css", "text/css", include_str!("../portal/style.css")),
    ("/portal/portal.js", "text/javascript", include_str!("../portal/portal.js")),
    ("/portal/api.js", "text/javascript", include_str!("../portal/api.js")),
    ("/portal/dom.js", "text/javascript", include_str!("../portal/dom.js")),
    ("/portal/endpoints.js", "text/javascript", include_str!("../portal/endpoints.js")),
    ("/portal/endpoint.js", "text/javascript", include_str!("../portal/endpoint.js")),
    ("/portal/attempts.js", "text/javascript", include_str!("../portal/attempts.js")),
];

/// Our own files alone, and no code in a page: whatever a receiver answers stays text. Any site may frame it,
/// as providers show it inside their own.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'";

/// The pages, for any router.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    FILES
        .iter()
        .fold(Router::new(), |router, (path, kind, content)| router.route(path, get(async || file(kind, content))))
}

fn file(kind: &str, content: &'static str) -> impl IntoResponse {
    let headers = [
        (CONTENT_TYPE, format!("{kind}; charset=utf-8")),
        // A newer server has newer pages.
        (CACHE_CONTROL, "no-cache".to_owned()),
        (CONTENT_SECURITY_POLICY, POLICY.to_owned()),
        (REFERRER_POLICY, "no-referrer".to_owned()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    (headers, content)
}
