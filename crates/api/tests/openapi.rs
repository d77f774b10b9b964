//! The OpenAPI document is kept as a file, so that every change of the API shows in a review.
#![allow(clippy::unwrap_used, clippy::panic)]

#[test]
fn the_document_is_the_one_that_is_kept() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    let document = postrider_api::document().to_pretty_json().unwrap() + "\n";
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(path, &document).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == document,
        "the API changed: look at it, then keep it with UPDATE_OPENAPI=1 cargo test -p postrider-api --test openapi"
    );
}
