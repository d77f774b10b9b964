//! What responses set, kept from one message to the next: for whom, and how a contract reads it again.

use crate::contract::Contract;
use crate::expression::{Compiled, Scope};
use crate::payload::Json;
use crate::render::RenderError;
use crate::reply::message;
use crate::tree::Tree;
use crate::view::MessageView;
use bytes::Bytes;
use minijinja::Value;
use std::collections::BTreeMap;

/// Characters that the name of a subject or a variable may have.
const LONGEST_NAME: usize = 256;
/// Parts of a name, between its dots: each is a level of what goes out.
const MOST_PARTS: usize = 16;
/// Bytes of a value, as JSON. What one response sets goes out with every later message.
const LONGEST_VALUE: usize = 8 << 10;

/// The `[state]` table of a contract.
#[derive(Debug)]
pub struct StateRules {
    pub subject: Compiled,
    /// The type of the actions that set a variable, with `name` and `value`.
    pub action: String,
    /// How the names begin that are kept for the whole application.
    pub application: Vec<String>,
    /// How the names begin that are kept for the endpoint alone.
    pub endpoint: Vec<String>,
}

/// A variable as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// `state.id`; the part before a dot is an object that the rest is in.
    pub name: String,
    /// JSON.
    pub value: Bytes,
    /// Since when it has been there, milliseconds since the epoch.
    pub since_ms: i64,
}

/// Whose a variable is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptFor {
    /// All endpoints of the application see it.
    Application,
    /// The one whose response set it.
    Endpoint,
}

/// A variable that a response sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    pub kept_for: KeptFor,
    pub name: String,
    /// JSON; `None`: it is kept no more.
    pub value: Option<Bytes>,
}

impl Contract {
    /// Whose variables go with a message; `None`: nobody's.
    ///
    /// # Errors
    /// When the expression fails.
    pub fn subject(&self, view: &MessageView<'_>) -> Result<Option<String>, RenderError> {
        let Some(rules) = &self.state else { return Ok(None) };
        let vars = Scope::new(vec![
            ("payload".to_owned(), Json::whole(view.payload.clone())),
            ("message".to_owned(), message(view)),
        ]);
        let subject = rules
            .subject
            .eval(vars.value())
            .map_err(|reason| RenderError::Expression { part: "state.subject".to_owned(), reason })?;
        let is_named = !subject.is_undefined() && !subject.is_none();
        let name = is_named.then(|| subject.to_string());
        Ok(name.filter(|name| is_name(name)))
    }

    /// Whether anything is kept between messages.
    pub fn has_state(&self) -> bool {
        self.state.is_some()
    }
}

impl StateRules {
    /// What an action sets, if it does and if the contract keeps such names; `Err` says why it is not kept all the
    /// same.
    pub fn setting(&self, kind: &str, fields: &[(String, Tree)]) -> Option<Result<Setting, String>> {
        let field = |wanted: &str| fields.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
        let name = match field("name")? {
            Tree::Text(name) if kind == self.action => name,
            _ => return None,
        };
        let is_of = |prefixes: &[String]| prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()));
        let kept_for = match () {
            () if is_of(&self.endpoint) => KeptFor::Endpoint,
            () if is_of(&self.application) => KeptFor::Application,
            () => return None,
        };
        if !is_name(name) || name.split('.').count() > MOST_PARTS {
            let right = format!("a name has up to {LONGEST_NAME} characters and {MOST_PARTS} parts");
            return Some(Err(format!("{:?} is not kept: {right}", name.chars().take(40).collect::<String>())));
        }
        let value = match field("value")? {
            Tree::Null => None,
            value => Some(crate::encode::Encoding::Json.encode(value.clone()).ok()?),
        };
        let bytes = value.as_ref().map_or(0, Bytes::len);
        if bytes > LONGEST_VALUE {
            return Some(Err(format!("{name} is not kept: it has {bytes} bytes; at most {LONGEST_VALUE} are")));
        }
        Some(Ok(Setting { kept_for, name: name.clone(), value }))
    }
}

/// What a store can keep it under.
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().count() <= LONGEST_NAME && !name.contains(char::is_control)
}

/// Variables as expressions read them: `kept.state.id`.
pub fn nested(kept: &[Kept]) -> Value {
    #[derive(Default)]
    struct Branch {
        value: Option<Bytes>,
        below: BTreeMap<String, Branch>,
    }
    fn value(branch: Branch) -> Value {
        match branch.value {
            Some(json) if branch.below.is_empty() => Json::value(json),
            _ => Value::from_pairs(branch.below.into_iter().map(|(name, below)| (name, value(below)))),
        }
    }
    let mut root = Branch::default();
    for variable in kept {
        let place = variable.name.split('.').fold(&mut root, |at, part| at.below.entry(part.to_owned()).or_default());
        place.value = Some(variable.value.clone());
    }
    value(root)
}

/// Since when each has been there: `kept_since['state.id']`, milliseconds.
pub fn since(kept: &[Kept]) -> Value {
    Value::from_pairs(kept.iter().map(|variable| (variable.name.clone(), Value::from(variable.since_ms))))
}
