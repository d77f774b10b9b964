//! Trees to bytes: one file per encoding.

mod canonical;
mod form;
mod json;
mod xml;

use crate::tree::Tree;
use bytes::Bytes;
use serde::Deserialize;

/// How a body is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// Compact JSON; parts of the payload as they came.
    #[default]
    Json,
    /// JSON as `JSON.stringify` would write it again.
    CanonicalJson,
    /// `application/x-www-form-urlencoded`, as PHP's `http_build_query` writes it.
    Form,
    /// The text itself.
    Raw,
}

impl Encoding {
    pub fn content_type(self) -> &'static str {
        match self {
            Encoding::Json | Encoding::CanonicalJson => "application/json",
            Encoding::Form => "application/x-www-form-urlencoded",
            Encoding::Raw => "text/plain; charset=utf-8",
        }
    }

    pub fn encode(self, tree: Tree) -> Result<Bytes, String> {
        match (self, tree) {
            // The whole payload, untouched: not even copied.
            (Encoding::Json, Tree::Raw(raw)) => Ok(raw),
            (Encoding::Json, tree) => Ok(json::encode(&tree)),
            (Encoding::CanonicalJson, tree) => canonical::encode(tree.expanded()?),
            (Encoding::Form, tree) => form::encode(&tree.expanded()?),
            (Encoding::Raw, Tree::Raw(raw)) => Ok(raw),
            (Encoding::Raw, Tree::Text(text)) => Ok(Bytes::from(text)),
            (Encoding::Raw, Tree::Number(text)) => Ok(Bytes::from(text)),
            (Encoding::Raw, _) => Err("a raw body must be a text".to_owned()),
        }
    }
}

/// The tree as XML, as ActiveSupport's `to_xml` writes it.
pub fn xml(tree: Tree) -> Result<Bytes, String> {
    Ok(xml::encode(&tree.expanded()?))
}
