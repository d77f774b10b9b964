//! A request for a delivery, made by a contract.

use crate::compile::is_token;
use crate::contract::Contract;
use crate::encode::Encoding;
use crate::expression::{Compiled, Scope};
use crate::functions::Blob;
use crate::payload::Json;
use crate::state;
use crate::tree::Tree;
use crate::view::{ContentType, Outgoing, Replaced};
use bytes::Bytes;
use minijinja::Value;
use std::collections::BTreeMap;
use thiserror::Error;

/// The largest body that a contract may make.
pub const LARGEST_BODY: usize = 32 << 20;

/// What goes out, by POST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// In the order they are sent, names in the case of the contract, `Content-Type` and `User-Agent` included.
    pub headers: Vec<(String, String)>,
    /// At most 32 MiB.
    pub body: Bytes,
}

/// Why a request could not be made. Says what was wrong, never a secret.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RenderError {
    /// An expression failed, or took too many steps.
    #[error("the contract's {part}: {reason}")]
    Expression {
        /// `body`, or the name of a header or a value.
        part: String,
        /// What was wrong, without secrets.
        reason: String,
    },
    /// What the expression made can't be written in the encoding.
    #[error("the body: {0}")]
    Body(String),
    /// More than 32 MiB.
    #[error("the body has more than {LARGEST_BODY} bytes")]
    TooLarge,
    /// The value of this header holds control characters or what is not Latin-1.
    #[error("the header {0} has a value that HTTP can't carry")]
    Header(String),
}

impl RenderError {
    /// The same, with what is secret blotted out: an error may quote the value that it was about.
    fn without<'a>(self, secrets: impl Iterator<Item = &'a String>) -> RenderError {
        // As it is, and as a quoted text has it.
        let spelled = |secret: &'a String| [secret.clone(), secret.escape_debug().to_string()];
        let mut secrets: Vec<String> = secrets.filter(|secret| !secret.is_empty()).flat_map(spelled).collect();
        // The longest first: one may be part of another.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        let blot = |text: String| secrets.iter().fold(text, |text, secret| text.replace(secret.as_str(), "…"));
        match self {
            RenderError::Expression { part, reason } => RenderError::Expression { part, reason: blot(reason) },
            RenderError::Body(reason) => RenderError::Body(blot(reason)),
            other => other,
        }
    }
}

impl Contract {
    /// The request for a delivery. The same input gives the same bytes.
    ///
    /// # Errors
    /// When an expression fails or takes too many steps, when the body or a header can't be written,
    /// or when the body is too large. None of them shows a secret.
    pub fn render(&self, out: &Outgoing<'_>) -> Result<Request, RenderError> {
        self.request(out).map_err(|error| {
            error.without(out.secrets.iter().chain(out.settings.values().filter(|value| value.len() > 3)))
        })
    }

    fn request(&self, out: &Outgoing<'_>) -> Result<Request, RenderError> {
        let vars = self.scope(out)?;
        let as_xml = out.endpoint.content_type == ContentType::Xml && self.content_types.contains(&ContentType::Xml);
        let encoding = if as_xml { Encoding::Xml } else { self.encoding };
        let body = match &out.body {
            Some(Replaced::Text(text)) => text.clone(),
            Some(Replaced::Data(json)) => encoding.encode(Tree::Raw(json.clone()))?,
            None => encoding.encode(self.tree(&vars)?)?,
        };
        if body.len() > LARGEST_BODY {
            return Err(RenderError::TooLarge);
        }
        let vars = vars.with("body", Value::from_object(Blob(body.clone())));
        let headers = self.headers(out, &vars, encoding)?;
        Ok(Request { headers, body })
    }

    /// The body that the contract makes, as JSON, whatever it is encoded in.
    ///
    /// # Errors
    /// As [`Contract::render`].
    pub fn data(&self, out: &Outgoing<'_>) -> Result<Bytes, RenderError> {
        Encoding::Json.encode(self.tree(&self.scope(out)?)?)
    }

    /// The variables of the endpoint's payload query, as a JSON object.
    ///
    /// # Errors
    /// As [`Contract::render`].
    pub fn query_input(&self, out: &Outgoing<'_>) -> Result<Bytes, RenderError> {
        let vars = self.scope(out)?;
        let mut pairs = Vec::new();
        for (name, expression) in &self.query {
            let value = Tree::from_value(&eval(expression, &vars, name)?).map_err(RenderError::Body)?;
            pairs.push((name.clone(), value));
        }
        Encoding::Json.encode(Tree::Map(pairs))
    }

    /// The variables and the named values.
    fn scope(&self, out: &Outgoing<'_>) -> Result<Scope, RenderError> {
        let mut vars = Scope::new(self.variables(out));
        for (name, expression) in &self.values {
            let value = eval(expression, &vars, name)?;
            vars = vars.with(name, value);
        }
        Ok(vars)
    }

    fn tree(&self, vars: &Scope) -> Result<Tree, RenderError> {
        Tree::from_value(&eval(&self.body, vars, "body")?).map_err(RenderError::Body)
    }

    fn headers(
        &self,
        out: &Outgoing<'_>,
        vars: &Scope,
        encoding: Encoding,
    ) -> Result<Vec<(String, String)>, RenderError> {
        let content_type = match &self.content_type {
            Some(own) if encoding == self.encoding => own,
            _ => encoding.content_type(),
        };
        let mut headers = vec![("Content-Type".to_owned(), content_type.to_owned())];
        for (name, expression) in &self.headers {
            let value = eval(expression, vars, name)?;
            // What is undefined or none is left out: an unsigned request has no signature header.
            if !value.is_undefined() && !value.is_none() {
                headers.push((name.clone(), value.to_string()));
            }
        }
        let is_free = |name: &str| !self.reserved.iter().any(|reserved| reserved.eq_ignore_ascii_case(name));
        headers.extend(out.headers.iter().filter(|(name, _)| is_free(name)).cloned());
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("user-agent")) {
            headers.push(("User-Agent".to_owned(), concat!("Postrider/", env!("CARGO_PKG_VERSION")).to_owned()));
        }
        // Latin-1 is what a header's value may hold; a line break in it would start another header.
        let carries = |c: char| c == '\t' || matches!(c, ' '..='~' | '\u{a0}'..='\u{ff}');
        match headers.iter().find(|(name, value)| !is_token(name) || !value.chars().all(carries)) {
            Some((name, _)) => Err(RenderError::Header(name.escape_default().to_string())),
            None => Ok(headers),
        }
    }

    /// The variables that the contract reads.
    fn variables(&self, out: &Outgoing<'_>) -> Vec<(String, Value)> {
        let text = |text: &str| Value::from(text);
        let optional = |text: Option<&str>| text.map_or(Value::from(()), Value::from);
        let texts =
            |texts: &BTreeMap<String, String>| Value::from_pairs(texts.iter().map(|(k, v)| (k.clone(), v.clone())));
        let mut vars: Vec<(String, Value)> = Vec::with_capacity(8);
        let mut add = |name: &str, make: &dyn Fn() -> Value| {
            if self.used.contains(name) {
                vars.push((name.to_owned(), make()));
            }
        };
        add("payload", &|| Json::whole(out.message.payload.clone()));
        add("message", &|| {
            Value::from_pairs([
                ("id", text(out.message.id)),
                ("event_type", text(out.message.event_type)),
                ("event_id", optional(out.message.event_id)),
                ("version", optional(self.events().version(out.endpoint.event_types, out.message.event_type))),
                ("created_ms", Value::from(out.message.created_ms)),
            ])
        });
        add("endpoint", &|| {
            Value::from_pairs([
                ("id", text(out.endpoint.id)),
                ("uid", optional(out.endpoint.uid)),
                ("url", text(out.endpoint.url)),
                ("event_types", Value::from_iter(out.endpoint.event_types.iter().map(String::as_str))),
                ("metadata", texts(out.endpoint.metadata)),
                ("content_type", text(out.endpoint.content_type.as_str())),
                ("created_ms", Value::from(out.endpoint.created_ms)),
                ("updated_ms", Value::from(out.endpoint.updated_ms)),
            ])
        });
        add("application", &|| {
            Value::from_pairs([
                ("id", text(out.application.id)),
                ("uid", optional(out.application.uid)),
                ("name", text(out.application.name)),
                ("metadata", texts(out.application.metadata)),
            ])
        });
        add("secret", &|| optional(out.secrets.first().map(String::as_str)));
        add("secrets", &|| Value::from_iter(out.secrets.iter().map(String::as_str)));
        add("settings", &|| {
            let mut settings = self.settings.clone();
            settings.extend(out.settings.iter().map(|(name, value)| (name.clone(), value.clone())));
            texts(&settings)
        });
        add("kept", &|| state::nested(out.kept));
        add("kept_since", &|| state::since(out.kept));
        add("attempt", &|| Value::from(out.attempt));
        add("now_ms", &|| Value::from(out.now_ms));
        add("timestamp", &|| Value::from(out.now_ms.div_euclid(1_000)));
        vars
    }
}

fn eval(expression: &Compiled, vars: &Scope, part: &str) -> Result<Value, RenderError> {
    expression.eval(vars.value()).map_err(|reason| RenderError::Expression { part: part.to_owned(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_blotted_out_however_they_are_spelled() {
        let secrets = ["top-secret".to_owned(), "top-secret-2".to_owned(), "a\"b\\c".to_owned(), String::new()];
        let reason = format!("can't use {:?}, {}, {:?} or {:?}", secrets[0], secrets[1], secrets[2], "other");
        let failed = RenderError::Expression { part: "body".into(), reason: reason.clone() };
        for error in [failed, RenderError::Body(reason)] {
            let told = error.without(secrets.iter()).to_string();
            assert!(told.ends_with("can't use \"…\", …, \"…\" or \"other\""), "{told}");
        }
    }
}
