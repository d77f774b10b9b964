//! The lines that an endpoint's list of actions writes, with the variables in them.
//!
//! `[[$foo]]` and `[[contact.name]]` are what responses set, the newest first; what none has set is a field of the
//! message's payload, and otherwise nothing.

use postrider_contract::Kept;
use postrider_store::config::Action;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::HashMap;

/// Characters of a line with its variables.
const LONGEST: usize = 4_000;

/// Where variables are looked up.
#[derive(Debug, Default)]
pub struct Variables {
    set: HashMap<String, Value>,
    payload: Value,
}

impl Variables {
    pub fn new(kept: &[Kept], payload: &[u8]) -> Variables {
        let mut variables =
            Variables { set: HashMap::new(), payload: serde_json::from_slice(payload).unwrap_or_default() };
        for variable in kept {
            let value = serde_json::from_slice(&variable.value).unwrap_or_default();
            variables.set.insert(variable.name.clone(), value);
        }
        variables
    }

    /// Takes the variables that a response set, from a list of actions in JSON.
    pub fn add(&mut self, actions: &Value) {
        for action in actions.as_array().into_iter().flatten() {
            if let (Some(name), Some(value)) = (action["name"].as_str(), action.get("value")) {
                self.set.insert(name.to_owned(), value.clone());
            }
        }
    }

    fn text(&self, name: &str) -> Cow<'_, str> {
        let at = |value| name.split('.').try_fold(value, |value: &Value, part| value.get(part));
        match self.set.get(name).or_else(|| at(&self.payload)) {
            None | Some(Value::Null) => Cow::Borrowed(""),
            Some(Value::String(text)) => Cow::Borrowed(text),
            Some(other) => Cow::Owned(other.to_string()),
        }
    }

    fn line(&self, text: &str) -> String {
        let mut line = String::new();
        let mut rest = text;
        // What is longer is cut anyway.
        while line.len() <= LONGEST * 4
            && let Some((before, after)) = rest.split_once("[[")
        {
            line.push_str(before);
            let Some((name, after)) = after.split_once("]]") else {
                line.push_str("[[");
                rest = after;
                continue;
            };
            line.extend(self.text(name.trim()).chars().take(LONGEST + 1));
            rest = after;
        }
        line.push_str(rest);
        match line.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line,
        }
    }
}

/// The lines that come before the request, or those that come after it.
pub fn lines(actions: &[Action], after: bool, variables: &Variables) -> Vec<String> {
    let request = actions.iter().position(|action| *action == Action::NotifyWebhook).unwrap_or(0);
    let part = if after { &actions[(request + 1).min(actions.len())..] } else { &actions[..request] };
    let text = |action: &Action| match action {
        Action::LogMessage { text } => Some(variables.line(text)),
        Action::NotifyWebhook => None,
    };
    part.iter().filter_map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_variable_is_what_was_set_last_then_what_the_payload_has_then_nothing() {
        let mut variables = Variables::new(&[], br#"{"content":"hi","contact":{"name":"old","vars":{"n":1.50}}}"#);
        variables.add(&json!([{"type": "set_variable", "name": "$foo", "value": 42}]));
        variables.add(&json!([{"type": "set_variable", "name": "contact.name", "value": "John Smith"}]));
        for (text, wanted) in [
            ("foo = [[$foo]]", "foo = 42"),
            ("[[contact.name]] said [[ content ]]", "John Smith said hi"),
            ("[[contact.vars.n]][[nothing]][[contact.vars]]", "1.50{\"n\":1.50}"),
            ("[[open", "[[open"),
            ("a ]] b [[", "a ]] b [["),
            ("[[]]", ""),
        ] {
            assert_eq!(variables.line(text), wanted, "{text}");
        }
        variables.add(&json!([{"name": "$foo", "value": "[[$foo]]".repeat(2_000)}]));
        assert_eq!(variables.line("[[$foo]]").chars().count(), LONGEST + 1, "nothing is looked up twice, or grows");
    }
}
