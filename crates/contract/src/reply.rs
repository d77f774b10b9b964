//! What an endpoint's response asks for: checked, and made into actions with their defaults.

use crate::contract::Contract;
use crate::encode::Encoding;
use crate::expression::{Compiled, Scope};
use crate::payload::Json;
use crate::scan;
use crate::state::Setting;
use crate::tree::{Tree, entries};
use crate::view::MessageView;
use bytes::Bytes;
use jsonschema::Validator;
use minijinja::Value;
use minijinja::value::ValueKind;

/// Actions that one response may ask for.
pub const MOST_ACTIONS: usize = 1_000;
/// Bytes that the actions of one response may have, as JSON.
const LARGEST: usize = 1 << 20;
/// Levels of a response, so that whoever gets what it asks for can read it, wrapped as it is.
const DEEPEST: usize = 64;

/// The `[reply]` table of a contract.
#[derive(Debug)]
pub struct ReplyRules {
    /// The event types whose responses are read; empty: all.
    pub events: Vec<String>,
    /// `None`: any.
    pub content_type: Option<String>,
    /// What the response must look like.
    pub schema: Option<Validator>,
    pub actions: Vec<ActionRule>,
}

/// One kind of action.
#[derive(Debug)]
pub struct ActionRule {
    pub kind: String,
    pub when: Option<Compiled>,
    /// A list or an object: one action for each of its items. Without it there is one.
    pub each: Option<Compiled>,
    pub fields: Vec<(String, Compiled)>,
}

/// A response that may ask for something.
#[derive(Clone, Debug)]
pub struct Asking<'a> {
    /// What it answers.
    pub message: MessageView<'a>,
    /// Its header, as it came.
    pub content_type: Option<&'a str>,
    /// Up to the cap.
    pub body: &'a Bytes,
}

/// What a response asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// What is to be done.
    Actions {
        /// A JSON array of objects, each with its `type`.
        json: Bytes,
        /// What of it is kept for the next message.
        settings: Vec<Setting>,
        /// What it set and is not kept, though the contract keeps such names: why.
        not_kept: Option<String>,
    },
    /// It could not be understood, and asks for nothing.
    Wrong(String),
}

impl Contract {
    /// Whether responses are worth reading.
    pub fn may_ask(&self) -> bool {
        self.replies.is_some()
    }

    /// Reads a response that was a success. `None`: the contract asks nothing of it, or it has nothing to say.
    pub fn reply(&self, asking: &Asking<'_>) -> Option<Reply> {
        let rules = self.replies.as_ref()?;
        let is_asked = rules.events.is_empty() || rules.events.iter().any(|event| event == asking.message.event_type);
        let is_type = |wanted: &String| {
            let media_type = asking.content_type.unwrap_or_default().split(';').next().unwrap_or_default();
            media_type.trim().eq_ignore_ascii_case(wanted)
        };
        if !is_asked || asking.body.trim_ascii().is_empty() || !rules.content_type.as_ref().is_none_or(is_type) {
            return None;
        }
        match rules.read(asking) {
            Ok(None) => None,
            Ok(Some(actions)) => match self.actions(actions) {
                Ok(reply) => Some(reply),
                Err(wrong) => Some(Reply::Wrong(wrong)),
            },
            Err(wrong) => Some(Reply::Wrong(wrong)),
        }
    }

    fn actions(&self, actions: Vec<Tree>) -> Result<Reply, String> {
        let (mut settings, mut not_kept) = (Vec::new(), None);
        for action in &actions {
            let (Tree::Map(fields), Some(state)) = (action, &self.state) else { continue };
            let Some((_, Tree::Text(kind))) = fields.first() else { continue };
            match state.setting(kind, fields) {
                Some(Ok(setting)) => settings.push(setting),
                Some(Err(why)) => not_kept = not_kept.or(Some(why)),
                None => {}
            }
        }
        let json = Encoding::Json.encode(Tree::List(actions)).map_err(|error| error.to_string())?;
        if json.len() > LARGEST {
            return Err(format!("the response asks for {} bytes of actions; at most {LARGEST} are taken", json.len()));
        }
        Ok(Reply::Actions { json, settings, not_kept })
    }
}

impl ReplyRules {
    /// The actions, if there are any; `Err` says what is wrong with the response.
    fn read(&self, asking: &Asking<'_>) -> Result<Option<Vec<Tree>>, String> {
        let json: serde_json::Value =
            serde_json::from_slice(asking.body).map_err(|error| format!("the response is not JSON: {error}"))?;
        if scan::is_deeper(asking.body, DEEPEST) {
            return Err(format!("the response is nested deeper than {DEEPEST} levels"));
        }
        if let Some(wrong) = self.schema.as_ref().and_then(|schema| schema.iter_errors(&json).next()) {
            let place = wrong.instance_path().to_string();
            let place = if place.is_empty() { "the response".to_owned() } else { format!("{place} of the response") };
            return Err(format!("{place}: {}", shortened(&wrong.to_string())));
        }
        let vars = Scope::new(vec![
            ("payload".to_owned(), Json::whole(asking.message.payload.clone())),
            ("message".to_owned(), message(&asking.message)),
            ("response".to_owned(), Json::value(asking.body.clone())),
        ]);
        let mut actions = Vec::new();
        for rule in &self.actions {
            rule.add(&vars, &mut actions).map_err(|reason| format!("{}: {}", rule.kind, shortened(&reason)))?;
        }
        Ok((!actions.is_empty()).then_some(actions))
    }
}

impl ActionRule {
    fn add(&self, vars: &Scope, actions: &mut Vec<Tree>) -> Result<(), String> {
        if let Some(when) = &self.when
            && !when.eval(vars.value())?.is_true()
        {
            return Ok(());
        }
        let Some(each) = &self.each else { return self.one(vars, actions) };
        let items = each.eval(vars.value())?;
        match items.kind() {
            ValueKind::Undefined | ValueKind::None => Ok(()),
            ValueKind::Map => {
                for (key, item) in entries(&items)? {
                    self.one(&vars.with("key", Value::from(key)).with("item", item), actions)?;
                }
                Ok(())
            }
            ValueKind::Seq | ValueKind::Iterable => {
                for item in items.try_iter().map_err(|error| error.to_string())? {
                    self.one(&vars.with("item", item), actions)?;
                }
                Ok(())
            }
            kind => Err(format!("a list or an object is needed, not a {kind}")),
        }
    }

    fn one(&self, vars: &Scope, actions: &mut Vec<Tree>) -> Result<(), String> {
        if actions.len() >= MOST_ACTIONS {
            return Err(format!("the response asks for more than {MOST_ACTIONS} things"));
        }
        let mut fields = vec![("type".to_owned(), Tree::Text(self.kind.clone()))];
        for (name, expression) in &self.fields {
            let value = expression.eval(vars.value())?;
            // What is undefined is left out, as everywhere.
            if !value.is_undefined() {
                fields.push((name.clone(), Tree::from_value(&value)?));
            }
        }
        actions.push(Tree::Map(fields));
        Ok(())
    }
}

pub fn message(message: &MessageView<'_>) -> Value {
    Value::from_pairs([
        ("id", Value::from(message.id)),
        ("event_type", Value::from(message.event_type)),
        ("event_id", message.event_id.map_or(Value::from(()), Value::from)),
        ("created_ms", Value::from(message.created_ms)),
    ])
}

/// An error may quote the value that it is about, which may be long.
fn shortened(text: &str) -> String {
    const MOST: usize = 500;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
