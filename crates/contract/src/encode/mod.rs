//! Trees to bytes: one file per encoding.

mod canonical;
mod form;
mod json;
mod out;
mod singular;
mod xml;

use crate::render::RenderError;
use crate::tree::Tree;
use bytes::Bytes;
use out::Out;

/// How a body is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// Compact JSON; parts of the payload as they came.
    #[default]
    Json,
    /// JSON as `JSON.stringify` would write it again.
    CanonicalJson,
    /// `application/x-www-form-urlencoded`, as PHP's `http_build_query` writes it.
    Form,
    /// XML as Rails' `to_xml` writes it.
    Xml,
    /// The text itself.
    Raw,
}

impl Encoding {
    /// The names in a contract file.
    pub const NAMES: &[(&str, Encoding)] = &[
        ("json", Encoding::Json),
        ("canonical-json", Encoding::CanonicalJson),
        ("form", Encoding::Form),
        ("xml", Encoding::Xml),
        ("raw", Encoding::Raw),
    ];

    pub fn content_type(self) -> &'static str {
        match self {
            Encoding::Json | Encoding::CanonicalJson => "application/json",
            Encoding::Form => "application/x-www-form-urlencoded",
            Encoding::Xml => "application/xml",
            Encoding::Raw => "text/plain; charset=utf-8",
        }
    }

    pub fn encode(self, tree: Tree) -> Result<Bytes, RenderError> {
        let mut out = Out::default();
        match (self, tree) {
            // The whole payload, untouched: not even copied.
            (Encoding::Json | Encoding::Raw, Tree::Raw(raw)) => return Ok(raw),
            (Encoding::Raw, Tree::Text(text) | Tree::Number(text)) => return Ok(Bytes::from(text)),
            (Encoding::Raw, _) => return Err(RenderError::Body("a raw body must be a text".to_owned())),
            (Encoding::Json, tree) => json::write(&tree, &mut out),
            (Encoding::CanonicalJson, tree) => canonical::write(&tree, &mut out)?,
            (Encoding::Form, tree) => form::write(&tree.expanded().map_err(RenderError::Body)?, &mut out)?,
            (Encoding::Xml, tree) => xml::write(&tree.expanded().map_err(RenderError::Body)?, &mut out),
        }
        out.finish()
    }
}
